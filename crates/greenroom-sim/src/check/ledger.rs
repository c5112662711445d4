//! What stable storage holds of all rooms, and what clients saw that it must come to hold.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use greenroom_core::collab::doc::update::Digest;
use greenroom_core::protocol::lib0::Reader;
use greenroom_core::store::envelope::{RecordKind, open_snapshot};
use greenroom_core::store::memory::MemoryStore;
use greenroom_core::store::{Append, Part, Row, Snapshot, StoreReply, StoreRequest};
use greenroom_service::RoomId;

use super::journal::{Counted, Journal, read_document};
use crate::client::replica::Replica;
use crate::plan::RoomPlan;

/// How a client came to see an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// As it was sent by another.
    Relayed,
    /// As the answer to a sync step 1: its deletions may be of the server's own making, where one
    /// value of a map displaced another.
    Answer,
}

/// Something of a document that a client other than its author saw.
#[derive(Clone, Debug)]
struct Sight {
    at: u64,
    room: RoomId,
    document: String,
    structs: Vec<(u64, u32)>,
    deletions: Vec<(u64, u32, u32)>,
}

/// What stable storage holds, and what it must come to hold.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) journals: BTreeMap<RoomId, Journal>,
    sights: VecDeque<Sight>,
}

impl Ledger {
    /// A row is on stable storage.
    pub(crate) fn appended(&mut self, append: &Append) -> Result<(), String> {
        let journal = self.journals.entry(append.room.clone()).or_default();
        journal
            .append(append.first_seq, &append.data)
            .map_err(|error| format!("{}: {error}", append.room))
    }

    /// A client saw an update that is not its own.
    pub(crate) fn saw(
        &mut self,
        at: u64,
        (room, document): (&RoomId, &str),
        update: &[u8],
        how: Sighting,
    ) {
        let Ok(digest) = Digest::read(update) else {
            return;
        };
        let stored = self
            .journals
            .get(room)
            .and_then(|journal| journal.documents.get(document));
        let known = |client: u64| {
            stored
                .and_then(|s| s.known.get(&client))
                .copied()
                .unwrap_or(0)
        };
        let is_new = |(client, start, end): &(u64, u32, u32)| {
            let has = |clock| stored.is_some_and(|s| s.deleted.contains(&(*client, clock)));
            !(*start..*end).all(has)
        };
        let structs: Vec<_> = digest
            .structs()
            .map(|(client, _, end)| (client, end))
            .filter(|(client, end)| *end > known(*client))
            .collect();
        let counts = |range: &_| how == Sighting::Relayed && is_new(range);
        let deletions: Vec<_> = digest.deletions().filter(counts).collect();
        if !structs.is_empty() || !deletions.is_empty() {
            let (room, document) = (room.clone(), document.to_owned());
            self.sights.push_back(Sight {
                at,
                room,
                document,
                structs,
                deletions,
            });
        }
    }

    /// What was seen before `before` must be on stable storage by now.
    pub(crate) fn check_seen(&mut self, before: u64) -> Result<(), String> {
        while let Some(sight) = self.sights.front().filter(|sight| sight.at < before) {
            self.check_sight(sight)?;
            self.sights.pop_front();
        }
        Ok(())
    }

    fn check_sight(&self, sight: &Sight) -> Result<(), String> {
        let Sight {
            at,
            room,
            document,
            structs,
            deletions,
        } = sight;
        let journal = self.journals.get(room);
        let stored = journal.and_then(|journal| journal.documents.get(document));
        for (client, end) in structs {
            let known = stored
                .and_then(|stored| stored.known.get(client))
                .copied()
                .unwrap_or(0);
            if known < *end {
                return Err(format!(
                    "{room} {document:?}: {client} was seen up to {end} at {at}, the journal has {known}"
                ));
            }
        }
        for (client, start, end) in deletions {
            let has = |clock| stored.is_some_and(|s| s.deleted.contains(&(*client, clock)));
            if !(*start..*end).all(has) {
                return Err(format!(
                    "{room} {document:?}: {client} {start}..{end} was seen deleted at {at}, and is not"
                ));
            }
        }
        Ok(())
    }

    /// What was seen so far may be lost: whoever holds it brings it again.
    pub(crate) fn forget_seen(&mut self) {
        self.sights.clear();
    }

    /// Compares with the store as it is now, all of it synced; takes in what is there beyond what
    /// was answered.
    pub(crate) fn check_store(
        &mut self,
        store: &MemoryStore,
        rooms: &[RoomPlan],
    ) -> Result<(), String> {
        let mut store = store.clone();
        for RoomPlan { id: room, .. } in rooms {
            let read = StoreRequest::Read {
                room: room.clone(),
                from_seq: 1,
                bytes_max: usize::MAX,
            };
            let StoreReply::Rows { rows, .. } = store.apply(read) else {
                return Err(format!("{room}: no rows are given"));
            };
            let kept = StoreRequest::Snapshots { room: room.clone() };
            let StoreReply::Snapshots(snapshots) = store.apply(kept) else {
                return Err(format!("{room}: no snapshots are given"));
            };
            let journal = self.journals.entry(room.clone()).or_default();
            check_rows(journal, &rows).map_err(|error| format!("{room}: {error}"))?;
            check_snapshots(journal, &rows, &snapshots)
                .map_err(|error| format!("{room}: {error}"))?;
        }
        Ok(())
    }
}

/// The store's rows are a tail of the journal, and perhaps more.
fn check_rows(journal: &mut Journal, rows: &[Row]) -> Result<(), String> {
    let first = rows.first().map_or(journal.head + 1, |row| row.first_seq);
    let mut kept = journal
        .rows
        .range(first..)
        .map(|(seq, data)| (*seq, data.clone()));
    let mut further = Vec::new();
    for row in rows {
        match kept.next() {
            Some((seq, data)) if seq == row.first_seq && data == row.data => {}
            Some((seq, _)) => return Err(format!("row {seq} was synced and is another now")),
            None => further.push(row),
        }
    }
    if let Some((seq, _)) = kept.next() {
        return Err(format!("row {seq} was synced and is gone"));
    }
    further
        .into_iter()
        .try_for_each(|row| journal.append(row.first_seq, &row.data))
}

/// Each kept snapshot and the rows behind it give what the whole journal gives.
fn check_snapshots(journal: &Journal, rows: &[Row], snapshots: &[Snapshot]) -> Result<(), String> {
    let first = rows.first().map_or(journal.head + 1, |row| row.first_seq);
    let has = |part: &Part| snapshots.iter().any(|snapshot| snapshot.part == *part);
    let documents = journal
        .documents
        .keys()
        .map(|name| Part::Document(name.clone()));
    let service = journal.counted.value.map(|_| Part::Service);
    for part in documents.chain(service).filter(|part| !has(part)) {
        if first > 1 {
            return Err(format!(
                "{} has no snapshot, the journal starts at {first}",
                part.name()
            ));
        }
    }
    for snapshot in snapshots {
        let (part, seq) = (snapshot.part.name(), snapshot.seq);
        if first > seq + 1 {
            return Err(format!(
                "{part}: snapshot at {seq}, the journal starts at {first}"
            ));
        }
        let data = open_snapshot(&snapshot.data, journal.incarnation, seq)
            .map_err(|error| format!("{part}: snapshot at {seq}: {error}"))?;
        match &snapshot.part {
            Part::Document(name) => check_document(journal, name, seq, &data),
            Part::Service => check_service(journal, seq, &data),
        }
        .map_err(|error| format!("{part}: snapshot at {seq}: {error}"))?;
    }
    Ok(())
}

fn check_document(journal: &Journal, name: &str, seq: u64, data: &Bytes) -> Result<(), String> {
    let short = |_| "it ends too early".to_owned();
    let mut reader = Reader::new(data);
    let mut replica = Replica::new(2);
    replica.apply(reader.var_bytes().map_err(short)?)?;
    // What could not be merged, and what was not merged yet.
    for _ in 0..2 {
        for _ in 0..reader.var_uint().map_err(short)? {
            reader.var_uint().map_err(short)?;
            replica.apply(reader.var_bytes().map_err(short)?)?;
        }
    }
    for (_, record) in journal
        .records
        .iter()
        .filter(|(at, r)| *at > seq && r.kind == RecordKind::Document)
    {
        let (of, update) = read_document(&record.data)?;
        if of == name {
            replica.apply(&update)?;
        }
    }
    let stored = journal
        .documents
        .get(name)
        .ok_or("nothing was written to it")?;
    let (expected, found) = (stored.replica.seen(), replica.seen());
    if expected != found {
        return Err(format!(
            "it and the journal differ: {}",
            found.difference(&expected)
        ));
    }
    Ok(())
}

fn check_service(journal: &Journal, seq: u64, data: &Bytes) -> Result<(), String> {
    let mut counted = Counted::of_snapshot(data).ok_or("it cannot be read")?;
    for (_, record) in journal.records.iter().filter(|(at, _)| *at > seq) {
        counted.replay(record)?;
    }
    if counted != journal.counted {
        return Err(format!(
            "gives {counted:?}, the journal {:?}",
            journal.counted
        ));
    }
    Ok(())
}
