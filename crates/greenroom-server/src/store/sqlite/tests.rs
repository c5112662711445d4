//! What needs the store's inside: commits that fail, rows that move.

mod upkeep;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use greenroom_core::store::conformance::{self, Subject};
use greenroom_core::store::{
    Append, Lease, MetaChange, NodeId, StoreError, StoreReply, StoreRequest,
};
use greenroom_service::RoomId;
use rusqlite::ffi;

use super::tail::TailLimits;
use super::{SqliteStore, recovery};
use crate::store::{DataDirectory, Engine};

/// Commits that fail before SQLite sees them.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// SQLite's extended codes for the next commits, 0 for one that succeeds.
    pub(super) commits: VecDeque<i32>,
}

impl Faults {
    pub(super) fn before_commit(&mut self) -> rusqlite::Result<()> {
        match self.commits.pop_front() {
            None | Some(0) => Ok(()),
            Some(code) => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
        }
    }
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(Arc::new(DataDirectory::open(path).unwrap())).unwrap()
}

fn room() -> RoomId {
    RoomId::new("a").unwrap()
}

fn acquire(store: &mut SqliteStore) -> (Lease, u64) {
    let request = StoreRequest::Acquire {
        room: room(),
        node: NodeId(1),
    };
    match &store.handle_batch(vec![request])[..] {
        [StoreReply::Acquired(acquired)] => (acquired.lease, acquired.head),
        other => panic!("{other:?}"),
    }
}

fn append(lease: Lease, seq: u64) -> StoreRequest {
    StoreRequest::Append(Append {
        room: room(),
        lease,
        first_seq: seq,
        count: 1,
        data: Bytes::from(format!("row {seq}")),
        next_wake: None,
        meta: MetaChange::default(),
        queue: vec![],
        urgent: true,
        wait_ms: 0,
    })
}

fn read() -> StoreRequest {
    StoreRequest::Read {
        room: room(),
        from_seq: 0,
        bytes_max: usize::MAX,
    }
}

fn seqs(reply: &StoreReply) -> Vec<u64> {
    match reply {
        StoreReply::Rows { rows, more: false } => rows.iter().map(|row| row.first_seq).collect(),
        other => panic!("{other:?}"),
    }
}

/// A store on disk whose rows move into the clustered table at once, a few at a time.
struct Moving {
    directory: tempfile::TempDir,
    store: Option<SqliteStore>,
    limits: TailLimits,
}

impl Moving {
    fn open(&mut self) {
        self.store = None;
        let mut store = open(self.directory.path());
        store.tail.set_limits(self.limits);
        self.store = Some(store);
    }
}

impl Subject for Moving {
    fn handle_batch(&mut self, requests: Vec<StoreRequest>) -> Vec<StoreReply> {
        let store = self.store.as_mut().unwrap();
        let replies = store.handle_batch(requests);
        store.maintain();
        assert_eq!(store.health().read_only, None);
        replies
    }

    fn reopen(&mut self) {
        self.open();
    }

    fn crash(&mut self) {
        // Without the checkpoint of an orderly end, the file is what a killed process leaves.
        let store = self.store.as_mut().unwrap();
        store.poison("killed".into());
        self.open();
    }
}

#[test]
fn rows_may_move_at_any_time() {
    conformance::run(|| {
        let mut moving = Moving {
            directory: tempfile::tempdir().unwrap(),
            store: None,
            limits: TailLimits {
                bytes_max: 0,
                slice_bytes_min: 300,
            },
        };
        moving.open();
        Box::new(moving)
    });
}

/// Damage to the tree of rooms may cost a room its name, of which nothing tells; whatever is found
/// under it has the head that was answered, so that rows cannot be missing unseen.
#[test]
fn rows_that_moved_are_missed_when_damage_hides_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.tail.set_limits(TailLimits {
        bytes_max: 0,
        slice_bytes_min: usize::MAX,
    });
    let (lease, _) = acquire(&mut store);
    for seq in 1..=200 {
        store.handle_batch(vec![append(lease, seq)]);
        store.maintain();
    }
    drop(store);
    let file = directory.path().join("rooms-1.db");
    let whole = std::fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(211) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x04;
        std::fs::write(&file, &damaged).unwrap();
        let data = Arc::new(DataDirectory::open(directory.path()).unwrap());
        let Ok(mut store) = SqliteStore::open(data) else {
            continue;
        };
        let request = StoreRequest::Acquire {
            room: room(),
            node: NodeId(1),
        };
        if let [StoreReply::Acquired(acquired)] = &store.handle_batch(vec![request])[..]
            && acquired.lease.incarnation == lease.incarnation
        {
            assert_eq!(acquired.head, 200, "byte {at}");
        }
    }
}

fn acquire_named(store: &mut SqliteStore, name: &str) -> Lease {
    let request = StoreRequest::Acquire {
        room: RoomId::new(name).unwrap(),
        node: NodeId(1),
    };
    match &store.handle_batch(vec![request])[..] {
        [StoreReply::Acquired(acquired)] => acquired.lease,
        other => panic!("{other:?}"),
    }
}

fn append_to(name: &str, lease: Lease, seq: u64) -> StoreRequest {
    match append(lease, seq) {
        StoreRequest::Append(append) => StoreRequest::Append(Append {
            room: RoomId::new(name).unwrap(),
            data: Bytes::from(format!("{name} row {seq} {}", "-".repeat(60))),
            ..append
        }),
        other => other,
    }
}

/// Changes each place of the file where `what` stands.
fn damage(file: &Path, what: &[u8], change: impl Fn(&mut [u8], usize)) -> usize {
    let mut bytes = std::fs::read(file).unwrap();
    let at = |bytes: &[u8], from| (from..bytes.len()).find(|at| bytes[*at..].starts_with(what));
    let (mut from, mut found) = (0, 0);
    while let Some(at) = at(&bytes, from) {
        change(&mut bytes, at);
        (from, found) = (at + 1, found + 1);
    }
    std::fs::write(file, bytes).unwrap();
    found
}

#[test]
fn a_damaged_name_does_not_look_like_a_new_room() {
    let directory = tempfile::tempdir().unwrap();
    let name = "a-name-that-is-found-in-the-file";
    let mut store = open(directory.path());
    let lease = acquire_named(&mut store, name);
    store.handle_batch(vec![append_to(name, lease, 1)]);
    store.maintain();
    drop(store);
    let file = directory.path().join("rooms-1.db");
    let whole = std::fs::read(&file).unwrap();
    let places = damage(&file, name.as_bytes(), |_, _| {});
    assert_eq!(
        places, 4,
        "the table, two indexes, and what the commit holds"
    );
    for place in 0..places {
        std::fs::write(&file, &whole).unwrap();
        let nth = std::cell::Cell::new(0);
        damage(&file, name.as_bytes(), |bytes, at| {
            if nth.replace(nth.get() + 1) == place {
                bytes[at] ^= 1;
            }
        });
        let mut store = open(directory.path());
        let request = StoreRequest::Acquire {
            room: RoomId::new(name).unwrap(),
            node: NodeId(1),
        };
        match &store.handle_batch(vec![request])[..] {
            [StoreReply::Acquired(acquired)] => {
                assert_eq!(acquired.lease.incarnation, lease.incarnation, "{place}");
            }
            [StoreReply::Failed(StoreError::Damaged(_))] => {}
            other => panic!("{place}: {other:?}"),
        }
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_space() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let (lease, _) = acquire(&mut store);
    store.handle_batch(vec![append(lease, 1)]);
    store.faults.commits = [ffi::SQLITE_FULL].into();
    let replies = store.handle_batch(vec![append(lease, 2), read(), append(lease, 3)]);
    let full = StoreReply::Failed(StoreError::Full);
    assert_eq!((&replies[0], &replies[2]), (&full, &full));
    assert_eq!(seqs(&replies[1]), [1], "nothing of the batch is seen");
    assert_eq!(store.health().read_only, None);
    assert_eq!(
        store.handle_batch(vec![append(lease, 2)]),
        [StoreReply::Done]
    );
    drop(store);
    assert_eq!(acquire(&mut open(directory.path())).1, 2);
}

#[test]
fn a_failed_sync_moves_the_store_to_a_new_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let (lease, _) = acquire(&mut store);
    for seq in 1..=3 {
        store.handle_batch(vec![append(lease, seq)]);
    }
    store.faults.commits = [ffi::SQLITE_IOERR_FSYNC].into();
    let replies = store.handle_batch(vec![append(lease, 4), append(lease, 5), read()]);
    assert_eq!(replies[..2], [StoreReply::Done, StoreReply::Done]);
    assert_eq!(seqs(&replies[2]), [1, 2, 3, 4, 5]);
    assert_eq!(store.health().read_only, None);
    assert_eq!(
        store.handle_batch(vec![append(lease, 6)]),
        [StoreReply::Done]
    );
    assert!(directory.path().join("rooms-2.db").exists());
    assert!(!directory.path().join("rooms-1.db").exists());
    drop(store);
    let mut store = open(directory.path());
    assert_eq!(acquire(&mut store).1, 6);
    assert_eq!(
        seqs(&store.handle_batch(vec![read()])[0]),
        [1, 2, 3, 4, 5, 6]
    );
}

#[test]
fn when_the_new_file_fails_too_no_write_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let (lease, _) = acquire(&mut store);
    store.handle_batch(vec![append(lease, 1)]);
    store.faults.commits = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_FSYNC].into();
    let replies = store.handle_batch(vec![append(lease, 2), read()]);
    assert!(matches!(replies[0], StoreReply::Failed(StoreError::Io(_))));
    assert_eq!(seqs(&replies[1]), [1]);
    assert!(store.health().read_only.is_some());
    let refused = StoreReply::Failed(StoreError::ReadOnly);
    let replies = store.handle_batch(vec![append(lease, 2), read()]);
    assert_eq!(replies[0], refused);
    assert_eq!(seqs(&replies[1]), [1]);
    assert_eq!(acquire(&mut store), (lease, 1));
    store.maintain();
    drop(store);
    let mut store = open(directory.path());
    let (lease, head) = acquire(&mut store);
    assert_eq!(head, 1);
    assert_eq!(
        store.handle_batch(vec![append(lease, 2)]),
        [StoreReply::Done]
    );
}

#[test]
fn a_crash_within_recovery_finds_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let (lease, _) = acquire(&mut store);
    store.handle_batch(vec![append(lease, 1)]);
    store.faults.commits = [ffi::SQLITE_IOERR_FSYNC].into();
    assert!(recovery::recover(&mut store, &[append(lease, 2)]).is_err());
    assert!(directory.path().join("rooms-2.db.new").exists());
    drop(store);
    assert_eq!(acquire(&mut open(directory.path())).1, 1);
    assert!(!directory.path().join("rooms-2.db.new").exists());
}

#[test]
fn an_error_of_one_request_is_found_by_doing_them_one_by_one() {
    let mut store = SqliteStore::in_memory().unwrap();
    let (lease, _) = acquire(&mut store);
    let corrupt = ffi::SQLITE_CORRUPT;
    store.faults.commits = [corrupt, 0, corrupt, 0].into();
    let replies = store.handle_batch(vec![append(lease, 1), append(lease, 2), append(lease, 2)]);
    assert_eq!(replies[0], StoreReply::Done);
    assert!(matches!(
        replies[1],
        StoreReply::Failed(StoreError::Damaged(_))
    ));
    assert_eq!(replies[2], StoreReply::Done);
}

#[test]
fn a_store_in_memory_has_nowhere_to_move() {
    let mut store = SqliteStore::in_memory().unwrap();
    let (lease, _) = acquire(&mut store);
    store.faults.commits = [ffi::SQLITE_IOERR_WRITE].into();
    let replies = store.handle_batch(vec![append(lease, 1)]);
    assert!(matches!(replies[0], StoreReply::Failed(StoreError::Io(_))));
    assert!(store.health().read_only.is_some());
}
