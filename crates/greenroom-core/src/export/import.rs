//! Makes records of an exported room, by which an empty room comes to hold what it held. A file is
//! read as anything that a stranger sends: each update passes the gate of a peer's.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{ExportError, ExportHead, Piece};
use crate::collab::doc::document::{
    document_record, read_document_record, read_edited_record, read_snapshot,
};
use crate::collab::doc::gate::check_update;
use crate::collab::doc::job::{LoadDocument, StoredUpdate, load};
use crate::limits::Limits;
use crate::room::request::Import;
use crate::service;
use crate::store::Part;
use crate::store::envelope::{Record, RecordKind};

/// Why a file does not become a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportError {
    /// It is not what was written.
    File(ExportError),
    /// What it holds cannot be taken in.
    Refused {
        /// Which piece: `the record at seq 12`.
        piece: String,
        /// Where that begins.
        at: u64,
        /// Why.
        why: String,
    },
    /// It holds more than a room may.
    TooLarge(String),
}

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Refused { piece, at, why } => {
                write!(
                    f,
                    "{piece}, which begins at byte {at}, cannot be taken in: {why}"
                )
            }
            Self::TooLarge(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ImportError {}

impl From<ExportError> for ImportError {
    fn from(error: ExportError) -> Self {
        Self::File(error)
    }
}

/// A file on its way in.
#[derive(Debug, Default)]
pub struct Incoming {
    head: Option<ExportHead>,
    snapshots: Vec<Snapshot>,
    records: Vec<Numbered>,
}

/// A piece of the file, for errors.
#[derive(Clone, Debug)]
struct Place {
    piece: String,
    at: u64,
}

impl Place {
    fn refused(self, why: impl std::fmt::Display) -> ImportError {
        ImportError::Refused {
            piece: self.piece,
            at: self.at,
            why: why.to_string(),
        }
    }
}

#[derive(Debug)]
struct Snapshot {
    /// Where it begins in the file.
    at: u64,
    part: Part,
    seq: u64,
    data: Bytes,
}

#[derive(Debug)]
struct Numbered {
    /// Where it begins in the file.
    at: u64,
    seq: u64,
    record: Record,
}

impl Snapshot {
    fn place(&self) -> Place {
        Place {
            piece: format!("the snapshot of `{}`", self.part.name()),
            at: self.at,
        }
    }

    fn refused(&self, why: impl std::fmt::Display) -> ImportError {
        self.place().refused(why)
    }
}

impl Numbered {
    fn place(&self) -> Place {
        Place {
            piece: format!("the record at seq {}", self.seq),
            at: self.at,
        }
    }

    fn refused(&self, why: impl std::fmt::Display) -> ImportError {
        self.place().refused(why)
    }
}

impl Incoming {
    /// Takes a piece that begins at byte `at`.
    pub fn take(&mut self, at: u64, piece: Piece) {
        match piece {
            Piece::Head(head) => self.head = Some(head),
            Piece::Snapshot { part, seq, data } => self.snapshots.push(Snapshot {
                at,
                part,
                seq,
                data,
            }),
            Piece::Record { seq, record, .. } => self.records.push(Numbered { at, seq, record }),
            Piece::End => {}
        }
    }

    /// What the file says of itself, once that has come.
    #[must_use]
    pub const fn head(&self) -> Option<&ExportHead> {
        self.head.as_ref()
    }

    /// What a room is to take in. Heavy: run it where that harms nobody.
    ///
    /// # Errors
    /// [`ImportError`].
    ///
    /// # Panics
    /// When the end of the file was not taken.
    pub fn into_import(mut self, limits: &Limits) -> Result<Import, ImportError> {
        let head = self.head.take().expect("a file has a head before its end");
        let records = if head.kind == "collab" {
            self.documents(limits)?
        } else {
            self.service(limits)?
        };
        Ok(Import {
            kind: head.kind,
            metadata: head.metadata,
            records,
        })
    }

    fn documents(self, limits: &Limits) -> Result<Vec<Record>, ImportError> {
        let mut taken = Taken::default();
        let mut covered = BTreeMap::new();
        for snapshot in &self.snapshots {
            let Part::Document(name) = &snapshot.part else {
                return Err(snapshot.refused("a room of documents has no such part"));
            };
            covered.insert(name.clone(), snapshot.seq);
            let past = read_snapshot(name, snapshot.seq, &snapshot.data)
                .map_err(|error| snapshot.refused(error))?;
            let base = (!past.base.is_empty()).then_some(past.base);
            for update in base
                .into_iter()
                .chain(past.tail.into_iter().map(|s| s.update))
            {
                let record = document_record(name, &update);
                taken.update(name, update, record, snapshot.place())?;
            }
        }
        for numbered in &self.records {
            let record = &numbered.record;
            let read = match record.kind {
                RecordKind::Document => read_document_record(&record.data),
                RecordKind::Edited => {
                    read_edited_record(&record.data).map(|(name, _, update)| (name, update))
                }
                RecordKind::Skipped | RecordKind::Metadata => continue,
                RecordKind::Entries | RecordKind::Saved | RecordKind::Timer => {
                    return Err(numbered.refused("a room of documents has no such record"));
                }
            };
            let (name, update) = read.map_err(|error| numbered.refused(error))?;
            if covered
                .get(name)
                .is_none_or(|covered| numbered.seq > *covered)
            {
                taken.update(name, update, record.clone(), numbered.place())?;
            }
        }
        taken.checked(limits)
    }

    fn service(self, limits: &Limits) -> Result<Vec<Record>, ImportError> {
        let mut state = service::ImportedState::default();
        let mut covered = 0;
        for snapshot in &self.snapshots {
            if snapshot.part != Part::Service {
                return Err(snapshot.refused("the room of a service has no such part"));
            }
            state = service::ImportedState::of(&snapshot.data)
                .map_err(|error| snapshot.refused(error))?;
            covered = snapshot.seq;
        }
        for numbered in self.records.iter().filter(|record| record.seq > covered) {
            if matches!(
                numbered.record.kind,
                RecordKind::Document | RecordKind::Edited | RecordKind::Skipped
            ) {
                return Err(numbered.refused("the room of a service has no such record"));
            }
            state
                .replay(&numbered.record)
                .map_err(|fault| numbered.refused(fault.0))?;
        }
        state.into_records(limits).map_err(ImportError::TooLarge)
    }
}

/// The records so far, and what each document comes to.
#[derive(Default)]
struct Taken {
    records: Vec<Record>,
    /// Where each of them was in the file.
    places: Vec<Place>,
    documents: BTreeMap<String, LoadDocument>,
}

impl Taken {
    fn update(
        &mut self,
        name: &str,
        update: Bytes,
        record: Record,
        place: Place,
    ) -> Result<(), ImportError> {
        if let Err(error) = check_update(update.clone()) {
            return Err(place.refused(error));
        }
        let new = || LoadDocument::new(name);
        let document = self.documents.entry(name.to_owned()).or_insert_with(new);
        document.tail.push(StoredUpdate {
            seq: self.records.len() as u64,
            update,
            skipped: false,
        });
        self.records.push(record);
        self.places.push(place);
        Ok(())
    }

    /// The records, if a room may hold what they come to.
    fn checked(self, limits: &Limits) -> Result<Vec<Record>, ImportError> {
        within("documents", self.documents.len(), limits.documents_max)?;
        for (name, document) in self.documents {
            let of = |what: &str| format!("document `{name}`, {what}");
            let name_max = limits.document_name_bytes_max;
            within(&of("bytes of its name"), name.len(), name_max)?;
            let loaded = load(document).expect("there is no snapshot that could not be read");
            if let Some((index, why)) = loaded.unreadable.first() {
                let place = &self.places[*index as usize];
                return Err(place.clone().refused(why));
            }
            let parked: usize = loaded
                .parked
                .iter()
                .map(|(_, update, _)| update.len())
                .sum();
            let ready: usize = loaded.tail.iter().map(|(_, update)| update.len()).sum();
            within(&of("bytes"), parked + ready, limits.document_bytes_max)?;
            let pending = of("bytes of updates without their causes");
            within(&pending, parked, limits.pending_bytes_max)?;
            let pending = of("updates without their causes");
            within(&pending, loaded.parked.len(), limits.parked_updates_max)?;
        }
        Ok(self.records)
    }
}

fn within(what: &str, has: usize, max: usize) -> Result<(), ImportError> {
    if has > max {
        let why = format!("{what}: the file has {has}, and a room may have {max}");
        return Err(ImportError::TooLarge(why));
    }
    Ok(())
}
