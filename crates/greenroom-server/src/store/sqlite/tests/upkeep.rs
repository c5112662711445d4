//! F5: a damaged page that a running store meets, in a commit or in upkeep, stops the rooms whose
//! page it is. One that belongs to all may stop the store, which says so.
//!
//! Each page of a small database is damaged in turn; the database holds each kind of page.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use greenroom_core::store::{
    Append, Lease, MetaChange, NodeId, Part, Snapshot, StoreReply, StoreRequest,
};
use greenroom_service::RoomId;
use rusqlite::Connection;
use tempfile::TempDir;

use super::super::SqliteStore;
use super::super::tail::TailLimits;
use super::{acquire_named, open};
use crate::store::{DataDirectory, Engine, OpenError};

const FILE: &str = "rooms-1.db";
const PAGE_BYTES: usize = 4_096;
const ROOMS: usize = 10;
const ROWS: u64 = 12;
const EAGER: TailLimits = TailLimits {
    bytes_max: 0,
    slice_bytes_min: usize::MAX,
};

/// Like nothing else in the file, so that the pages of a room are known by it.
fn name(room: usize) -> String {
    format!("room-{room:02}")
}

fn row(name: &str, seq: u64) -> Bytes {
    Bytes::from(format!("{name} {seq};").repeat(90))
}

fn append(name: &str, lease: Lease, seq: u64) -> StoreRequest {
    StoreRequest::Append(Append {
        room: RoomId::new(name).unwrap(),
        lease,
        first_seq: seq,
        count: 1,
        data: row(name, seq),
        next_wake: None,
        meta: MetaChange::default(),
        queue: vec![],
        urgent: true,
        wait_ms: 0,
    })
}

/// Larger than a page.
fn snapshot(name: &str, lease: Lease, seq: u64) -> StoreRequest {
    StoreRequest::PutSnapshot {
        room: RoomId::new(name).unwrap(),
        lease,
        snapshot: Snapshot {
            part: Part::Service,
            seq,
            data: Bytes::from(format!("{name} at {seq};").repeat(400)),
        },
    }
}

fn trim(name: &str, lease: Lease, below_seq: u64) -> StoreRequest {
    StoreRequest::Trim {
        room: RoomId::new(name).unwrap(),
        lease,
        below_seq,
    }
}

fn all(store: &mut SqliteStore, requests: Vec<StoreRequest>) -> Vec<StoreReply> {
    let replies = store.handle_batch(requests);
    store.maintain();
    replies
}

/// Rows in the clustered table and in commits, two snapshots of each room, free pages.
fn fill(path: &Path) {
    let mut store = open(path);
    store.tail.set_limits(EAGER);
    let rooms: Vec<_> = (0..ROOMS).map(name).collect();
    let rooms: Vec<_> = rooms
        .iter()
        .map(|name| (name, acquire_named(&mut store, name)))
        .collect();
    let each = |store: &mut SqliteStore, request: &dyn Fn(&str, Lease) -> StoreRequest| {
        let requests = rooms.iter().map(|(name, lease)| request(name, *lease));
        for reply in all(store, requests.collect()) {
            assert_eq!(reply, StoreReply::Done);
        }
    };
    for seq in 1..=ROWS {
        each(&mut store, &|name, lease| append(name, lease, seq));
        if seq % 4 == 0 {
            each(&mut store, &|name, lease| snapshot(name, lease, seq));
        }
        if seq == 8 {
            each(&mut store, &|name, lease| trim(name, lease, 4));
        }
    }
    store.tail.set_limits(TailLimits::default());
    for seq in ROWS + 1..=ROWS + 6 {
        each(&mut store, &|name, lease| append(name, lease, seq));
    }
}

/// What each page is, as SQLite walks its tables; what it does not name is free.
fn pages(file: &Path) -> BTreeMap<usize, String> {
    let db = Connection::open(file).unwrap();
    let mut select = db
        .prepare("SELECT pageno, name || ' ' || pagetype FROM dbstat")
        .unwrap();
    let rows = select
        .query_map([], |row| Ok((row.get::<_, u32>(0)? as usize, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// Rooms of which a page holds something.
fn rooms_on(page: &[u8]) -> BTreeSet<usize> {
    let holds = |room: &usize| {
        let name = name(*room);
        page.windows(name.len()).any(|part| part == name.as_bytes())
    };
    (0..ROOMS).filter(holds).collect()
}

/// What came of going on with a damaged page.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// Rooms that could not be acquired, or take no appends.
    stopped: BTreeSet<usize>,
    /// Rooms whose snapshots or trims were refused.
    uncompacted: BTreeSet<usize>,
    read_only: Option<String>,
}

/// Every room goes on: appends, snapshots, trims, and rows that move.
fn go_on(store: &mut SqliteStore) -> Outcome {
    let mut outcome = Outcome::default();
    store.tail.set_limits(EAGER);
    let mut leases = Vec::new();
    for room in 0..ROOMS {
        let request = StoreRequest::Acquire {
            room: RoomId::new(&name(room)).unwrap(),
            node: NodeId(1),
        };
        match &all(store, vec![request])[..] {
            [StoreReply::Acquired(acquired)] if acquired.meta.is_some() => {
                leases.push((room, acquired.lease, acquired.head));
            }
            _ => {
                outcome.stopped.insert(room);
            }
        }
    }
    let each = |store: &mut SqliteStore, request: &dyn Fn(&str, Lease, u64) -> StoreRequest| {
        let requests = leases
            .iter()
            .map(|(room, lease, head)| request(&name(*room), *lease, *head));
        let replies = all(store, requests.collect());
        let replies = leases.iter().zip(replies);
        let refused = replies.filter(|(_, reply)| *reply != StoreReply::Done);
        refused.map(|((room, ..), _)| *room).collect::<Vec<_>>()
    };
    for more in 1..=12 {
        let refused = each(store, &|name, lease, head| append(name, lease, head + more));
        outcome.stopped.extend(refused);
        if more % 4 == 0 {
            let snapshots = each(store, &|name, lease, head| {
                snapshot(name, lease, head + more)
            });
            let trims = each(store, &|name, lease, head| {
                trim(name, lease, head + more - 10)
            });
            outcome.uncompacted.extend(snapshots);
            outcome.uncompacted.extend(trims);
        }
    }
    outcome.read_only = store.health().read_only;
    outcome
}

/// The files of a store that ended in an orderly way.
struct Whole {
    bytes: Vec<u8>,
    mark: Vec<u8>,
    pages: BTreeMap<usize, String>,
}

impl Whole {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fill(directory.path());
        let file = directory.path().join(FILE);
        Self {
            bytes: std::fs::read(&file).unwrap(),
            mark: std::fs::read(directory.path().join("acknowledged")).unwrap(),
            pages: pages(&file),
        }
    }

    fn page(&self, number: usize) -> (&str, BTreeSet<usize>) {
        let kind = self.pages.get(&number).map_or("free", String::as_str);
        let at = (number - 1) * PAGE_BYTES;
        (kind, rooms_on(&self.bytes[at..at + PAGE_BYTES]))
    }

    /// Opens it with other bytes in one page.
    fn damaged(
        &self,
        number: usize,
        bytes: Range<usize>,
    ) -> (TempDir, Result<SqliteStore, OpenError>) {
        let directory = tempfile::tempdir().unwrap();
        let mut file = self.bytes.clone();
        damage(&mut file, number, bytes);
        std::fs::write(directory.path().join(FILE), file).unwrap();
        std::fs::write(directory.path().join("acknowledged"), &self.mark).unwrap();
        let data = Arc::new(DataDirectory::open(directory.path()).unwrap());
        let store = SqliteStore::open(data);
        (directory, store)
    }
}

fn damage(file: &mut [u8], number: usize, bytes: Range<usize>) {
    for byte in &mut file[(number - 1) * PAGE_BYTES..][bytes] {
        *byte ^= 0x81;
    }
}

/// What of a page is damaged: all of it, its kind, its number of cells, a byte in its middle.
const PLACES: [Range<usize>; 4] = [0..PAGE_BYTES, 0..1, 3..4, 2_000..2_001];

#[test]
fn a_damaged_page_stops_only_the_rooms_around_it() {
    let whole = Whole::new();
    let is_soak = std::env::var("GREENROOM_RUNS").is_ok_and(|runs| runs.len() >= 3);
    let (mut cases, mut unopened, mut stopped_most, mut uncompacted_most) = (0, 0, 0, 0);
    for number in 1..=whole.bytes.len() / PAGE_BYTES {
        let (kind, own) = whole.page(number);
        for (at, place) in PLACES.into_iter().enumerate() {
            if !is_soak && at != number % PLACES.len() {
                continue;
            }
            let what = format!("page {number}, {kind}, {place:?}, rooms {own:?}");
            cases += 1;
            let (_directory, store) = whole.damaged(number, place);
            let mut store = match store {
                Ok(store) => store,
                Err(error) => {
                    // What describes the whole database.
                    let is_shared = kind.starts_with("sqlite_schema") || kind.starts_with("meta");
                    assert!(is_shared, "{what}: {error}");
                    unopened += 1;
                    continue;
                }
            };
            let outcome = go_on(&mut store);
            assert_eq!(outcome.read_only, None, "{what}");
            // Those that lead to all rooms, or hold the rows of all of them here.
            let is_of_all = kind == "journal internal"
                || kind.starts_with("rooms ")
                || kind.starts_with("sqlite_autoindex_rooms");
            if !is_of_all {
                // SQLite moves rows between a page and those next to it.
                let is_near = |room: &usize| own.iter().any(|own| own.abs_diff(*room) <= 2);
                assert!(
                    outcome.stopped.iter().all(is_near),
                    "{what}: {:?} stopped",
                    outcome.stopped
                );
                stopped_most = stopped_most.max(outcome.stopped.len());
                uncompacted_most = uncompacted_most.max(outcome.uncompacted.len());
            }
        }
    }
    println!(
        "{cases} damaged pages: {unopened} not opened, at most {stopped_most} of {ROOMS} rooms \
         stopped and {uncompacted_most} without new snapshots"
    );
}

/// The commits of a running store: memory has what they hold.
#[test]
fn a_damaged_table_of_commits_costs_nothing_while_it_runs() {
    let whole = Whole::new();
    let leaf = whole.pages.iter().find(|(_, kind)| *kind == "commits leaf");
    let number = *leaf.unwrap().0;
    for limits in [TailLimits::default(), EAGER] {
        let (directory, store) = whole.damaged(number, 0..0);
        let mut store = store.unwrap();
        store
            .db
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
        let file = directory.path().join(FILE);
        let mut bytes = std::fs::read(&file).unwrap();
        damage(&mut bytes, number, 0..PAGE_BYTES);
        std::fs::write(&file, bytes).unwrap();
        store.db.release_memory().unwrap();
        store.tail.set_limits(limits);
        let outcome = go_on(&mut store);
        assert_eq!(outcome, Outcome::default());
        drop(store);
        let mut store = open(directory.path());
        assert_eq!(store.loss(), None);
        for room in 0..ROOMS {
            let request = StoreRequest::Acquire {
                room: RoomId::new(&name(room)).unwrap(),
                node: NodeId(1),
            };
            let [StoreReply::Acquired(acquired)] = &all(&mut store, vec![request])[..] else {
                panic!("room {room} is refused");
            };
            assert_eq!(acquired.head, ROWS + 6 + 12);
        }
    }
}
