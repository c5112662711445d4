//! The journal of one room as stable storage has it, kept beside the store: every row that was ever
//! synced, and what they add up to.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use greenroom_core::collab::doc::update::Digest;
use greenroom_core::protocol::lib0::Reader;
use greenroom_core::store::envelope::{Record, RecordKind, decode_row};

use crate::client::replica::Replica;

/// A document as the journal has it.
pub(crate) struct Stored {
    /// Every record from the first on, applied in order.
    pub(crate) replica: Replica,
    /// How far each client is known.
    pub(crate) known: BTreeMap<u64, u32>,
    /// Every deleted element.
    pub(crate) deleted: BTreeSet<(u64, u32)>,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

impl Default for Stored {
    fn default() -> Self {
        Self {
            replica: Replica::new(1),
            known: BTreeMap::new(),
            deleted: BTreeSet::new(),
        }
    }
}

/// What a service's records add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The saved value; `None` before anything was saved.
    pub(crate) value: Option<u64>,
    /// Per client its last operation.
    pub(crate) entries: BTreeMap<String, u64>,
}

/// The journal of a room.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// By first seq.
    pub(crate) rows: BTreeMap<u64, Bytes>,
    pub(crate) head: u64,
    epoch: u64,
    pub(crate) incarnation: u128,
    /// Each record with its seq.
    pub(crate) records: Vec<(u64, Record)>,
    pub(crate) documents: BTreeMap<String, Stored>,
    pub(crate) counted: Counted,
}

impl Journal {
    /// A row is on stable storage.
    pub(crate) fn append(&mut self, first_seq: u64, data: &Bytes) -> Result<(), String> {
        if self.rows.is_empty() {
            // The first row says which incarnation this is.
            let bytes = data.get(1..17).and_then(|bytes| bytes.try_into().ok());
            self.incarnation = u128::from_le_bytes(bytes.ok_or("a row without a head")?);
        }
        let row = decode_row(data, self.incarnation, first_seq)
            .map_err(|error| format!("row {first_seq} cannot be read: {error}"))?;
        if first_seq != self.head + 1 {
            return Err(format!("row {first_seq} follows record {}", self.head));
        }
        if row.epoch < self.epoch {
            return Err(format!(
                "row {first_seq} has epoch {} after {}",
                row.epoch, self.epoch
            ));
        }
        self.epoch = row.epoch;
        for record in row.records {
            self.head += 1;
            self.take(&record)
                .map_err(|error| format!("record {}: {error}", self.head))?;
            self.records.push((self.head, record));
        }
        self.rows.insert(first_seq, data.clone());
        Ok(())
    }

    fn take(&mut self, record: &Record) -> Result<(), String> {
        match record.kind {
            RecordKind::Document => {
                let (name, update) = read_document(&record.data)?;
                let stored = self.documents.entry(name).or_default();
                stored.replica.apply(&update)?;
                let digest = Digest::read(&update).map_err(|error| error.to_string())?;
                for (client, _, end) in digest.structs() {
                    let known = stored.known.entry(client).or_default();
                    *known = (*known).max(end);
                }
                for (client, start, end) in digest.deletions() {
                    stored
                        .deleted
                        .extend((start..end).map(|clock| (client, clock)));
                }
                Ok(())
            }
            RecordKind::Saved | RecordKind::Entries => {
                let before = self.counted.clone();
                self.counted.replay(record)?;
                self.counted.follows(&before)
            }
            other => Err(format!("nobody here writes {other:?}")),
        }
    }
}

impl Counted {
    /// Takes a record in.
    pub(crate) fn replay(&mut self, record: &Record) -> Result<(), String> {
        match record.kind {
            RecordKind::Saved => {
                let bytes = record.data[..]
                    .try_into()
                    .map_err(|_| "a value of 8 bytes")?;
                self.value = Some(u64::from_be_bytes(bytes));
            }
            RecordKind::Entries => {
                let mut reader = Reader::new(&record.data);
                while !reader.is_empty() {
                    let entry = read_entry(&mut reader).ok_or("an entry cannot be read")?;
                    self.entries.insert(entry.0, entry.1);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Every operation counts once, in order: a value follows the one before.
    fn follows(&self, before: &Self) -> Result<(), String> {
        let (was, is) = (before.value.unwrap_or(0), self.value.unwrap_or(0));
        if is != was && is != was + 1 {
            return Err(format!("value {:?} after {:?}", self.value, before.value));
        }
        for (who, n) in &self.entries {
            let last = before.entries.get(who).copied().unwrap_or(0);
            if *n != last && *n != last + 1 {
                return Err(format!("operation {n} of {who} after {last}"));
            }
        }
        Ok(())
    }

    /// Takes a snapshot of a service's state apart, as `greenroom-core` draws it.
    pub(crate) fn of_snapshot(data: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let mut counted = Self::default();
        for _ in 0..reader.var_uint().ok()? {
            let who = std::str::from_utf8(reader.var_bytes().ok()?)
                .ok()?
                .to_owned();
            let n = std::str::from_utf8(reader.var_bytes().ok()?)
                .ok()?
                .parse()
                .ok()?;
            counted.entries.insert(who, n);
        }
        let saved = reader.var_bytes().ok()?;
        counted.value = saved.try_into().ok().map(u64::from_be_bytes);
        Some(counted)
    }
}

fn read_entry(reader: &mut Reader<'_>) -> Option<(String, u64)> {
    let who = std::str::from_utf8(reader.var_bytes().ok()?)
        .ok()?
        .to_owned();
    if reader.byte().ok()? != 1 {
        return None;
    }
    let n = std::str::from_utf8(reader.var_bytes().ok()?)
        .ok()?
        .parse()
        .ok()?;
    Some((who, n))
}

/// Takes a document's record apart: its name and the update.
pub(crate) fn read_document(data: &Bytes) -> Result<(String, Bytes), String> {
    let mut reader = Reader::new(data);
    let name = reader
        .var_string()
        .map_err(|error| error.to_string())?
        .to_owned();
    Ok((name, data.slice_ref(reader.rest())))
}
