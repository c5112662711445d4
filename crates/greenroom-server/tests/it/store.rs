//! The embedded store on real files: the suite, crashes, locks, disks that refuse.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod backup;
mod child;
mod damage;
mod disk;
mod rivals;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use greenroom_core::store::conformance::{self, Subject};
use greenroom_core::store::envelope::{Record, RecordKind, decode_row, encode_row, seal_snapshot};
use greenroom_core::store::{
    Acquired, Append, Lease, Level, MetaChange, NodeId, Row, StoreReply, StoreRequest, Version,
    VersionId, VersionKind, VersionMeta, VersionsKept,
};
use greenroom_server::store::{DataDirectory, Engine, OpenError, SqliteStore, StoreCopy};
use greenroom_service::{Millis, RoomId};
use tempfile::TempDir;

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(Arc::new(DataDirectory::open(path)?))
}

fn room(name: &str) -> RoomId {
    RoomId::new(name).unwrap()
}

fn one(store: &mut SqliteStore, request: StoreRequest) -> StoreReply {
    store.handle_batch(vec![request]).remove(0)
}

fn acquire(store: &mut SqliteStore, name: &str) -> Acquired {
    let request = StoreRequest::Acquire {
        room: room(name),
        node: NodeId(1),
    };
    match one(store, request) {
        StoreReply::Acquired(acquired) => acquired,
        other => panic!("{other:?}"),
    }
}

/// A row with one record of `size` bytes.
fn append(name: &str, lease: Lease, seq: u64, size: usize) -> StoreRequest {
    let record = Record {
        kind: RecordKind::Saved,
        data: Bytes::from(vec![seq as u8; size]),
    };
    StoreRequest::Append(Append {
        room: room(name),
        lease,
        first_seq: seq,
        count: 1,
        data: encode_row(lease.incarnation, lease.epoch, seq, Millis(seq), &[record]),
        next_wake: None,
        meta: MetaChange {
            now: Millis(seq),
            ..MetaChange::default()
        },
        queue: vec![],
        urgent: true,
        wait_ms: 0,
    })
}

/// Keeps a version of record 1.
fn put_version(name: &str, lease: Lease, id: u64) -> StoreRequest {
    let meta = VersionMeta {
        id: VersionId(id),
        seq: 1,
        kind: VersionKind::Named,
        label: "before the talk".into(),
        user: "ada".into(),
        expires: Some(Millis(1 << 40)),
        bytes: 5,
    };
    let data = seal_snapshot(lease.incarnation, 1, b"\0state");
    StoreRequest::PutVersion {
        room: room(name),
        lease,
        document: "d".into(),
        version: Version { meta, data },
        kept: VersionsKept {
            named_max: 9,
            automatic_max: 9,
        },
    }
}

fn version(store: &mut SqliteStore, name: &str, id: u64) -> Option<Box<Version>> {
    let request = StoreRequest::Version {
        room: room(name),
        document: "d".into(),
        id: VersionId(id),
    };
    match one(store, request) {
        StoreReply::Version(found) => found,
        other => panic!("{other:?}"),
    }
}

fn rows(store: &mut SqliteStore, name: &str) -> StoreReply {
    one(
        store,
        StoreRequest::Read {
            room: room(name),
            from_seq: 0,
            bytes_max: usize::MAX,
        },
    )
}

/// How many rows there are; they must be dense, whole and what [`append`] wrote.
fn count_whole(store: &mut SqliteStore, name: &str) -> u64 {
    let incarnation = acquire(store, name).lease.incarnation;
    let StoreReply::Rows { rows, more: false } = rows(store, name) else {
        panic!("the rows cannot be read");
    };
    let whole = rows
        .iter()
        .zip(1..)
        .filter(|(row, seq)| is_whole(row, incarnation, *seq));
    assert_eq!(whole.count(), rows.len());
    rows.len() as u64
}

fn is_whole(row: &Row, incarnation: u128, seq: u64) -> bool {
    decode_row(&row.data, incarnation, seq).is_ok_and(|decoded| {
        let data = &decoded.records[0].data;
        data.iter().all(|byte| *byte == seq as u8)
    })
}

fn copy_files(from: &Path, to: &Path) {
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A crash is what the files hold at that moment, as a copy; what the old store does at its end
/// happens to the files that were left.
struct OnDisk {
    directory: TempDir,
    store: Option<SqliteStore>,
}

impl OnDisk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Some(open(directory.path()).unwrap());
        Self { directory, store }
    }
}

impl Subject for OnDisk {
    fn handle_batch(&mut self, requests: Vec<StoreRequest>) -> Vec<StoreReply> {
        let store = self.store.as_mut().unwrap();
        let replies = store.handle_batch(requests);
        store.maintain();
        replies
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(open(self.directory.path()).unwrap());
    }

    fn crash(&mut self) {
        let left = tempfile::tempdir().unwrap();
        copy_files(self.directory.path(), left.path());
        self.store = Some(open(left.path()).unwrap());
        self.directory = left;
    }
}

#[test]
fn sqlite_passes_the_suite() {
    conformance::run(|| Box::new(OnDisk::new()));
}

#[test]
fn levels_are_those_that_were_checked() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(open(directory.path()).unwrap().health().level, Level::Local);
    let mut store = SqliteStore::in_memory().unwrap();
    assert_eq!(store.health().level, Level::Memory);
    let lease = acquire(&mut store, "a").lease;
    assert_eq!(one(&mut store, append("a", lease, 1, 10)), StoreReply::Done);
    store.maintain();
    assert_eq!(count_whole(&mut store, "a"), 1);
}

#[test]
fn the_write_ahead_log_stays_bounded_and_large_rows_pass() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path()).unwrap();
    let lease = acquire(&mut store, "a").lease;
    for seq in 1..=100 {
        assert_eq!(
            one(&mut store, append("a", lease, seq, 1 << 20)),
            StoreReply::Done
        );
        store.maintain();
    }
    let log = directory.path().join("rooms-1.db-wal");
    let length = log.metadata().unwrap().len();
    assert!(length < 40 << 20, "the log has {length} bytes");
    assert_eq!(count_whole(&mut store, "a"), 100);
    drop(store);
    assert!(!log.exists(), "an orderly end leaves one file");
    assert_eq!(count_whole(&mut open(directory.path()).unwrap(), "a"), 100);
}

fn filled(rows: u64) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path()).unwrap();
    let lease = acquire(&mut store, "a").lease;
    for seq in 1..=rows {
        assert_eq!(
            one(&mut store, append("a", lease, seq, 100)),
            StoreReply::Done
        );
    }
    directory
}

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("rooms-1.db")
}

#[test]
fn a_database_of_before_there_were_versions_is_brought_forward() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path()).unwrap();
    let lease = acquire(&mut store, "a").lease;
    one(&mut store, append("a", lease, 1, 10));
    drop(store);
    let db = rusqlite::Connection::open(directory.path().join("rooms-1.db")).unwrap();
    db.execute_batch("DROP TABLE versions; PRAGMA user_version = 1")
        .unwrap();
    drop(db);
    let copy = StoreCopy::open(directory.path(), 7).unwrap();
    let totals = copy.write(std::io::sink()).unwrap();
    assert_eq!(
        (totals.rooms, totals.versions),
        (1, 0),
        "it can be copied as it is"
    );
    let mut store = open(directory.path()).unwrap();
    let lease = acquire(&mut store, "a").lease;
    assert_eq!(
        one(&mut store, put_version("a", lease, 7)),
        StoreReply::Done
    );
    assert!(version(&mut store, "a", 7).is_some());
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let directory = filled(1);
    let db = rusqlite::Connection::open(database(&directory)).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let before = std::fs::read(database(&directory)).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "data has format 99, this program reads up to 2"
    );
    assert_eq!(error.hint(), "run the newer version that wrote it");
    assert_eq!(std::fs::read(database(&directory)).unwrap(), before);
}

#[test]
fn a_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let db = rusqlite::Connection::open(database(&directory)).unwrap();
    db.execute_batch("CREATE TABLE others(a)").unwrap();
    drop(db);
    assert_eq!(open(directory.path()).unwrap_err(), OpenError::Foreign);
}

#[test]
fn a_damaged_file_is_a_typed_error() {
    let directory = filled(1);
    let mut bytes = std::fs::read(database(&directory)).unwrap();
    bytes[..16].copy_from_slice(b"something else..");
    std::fs::write(database(&directory), bytes).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged(_)), "{error:?}");
}

#[test]
fn a_flipped_byte_is_never_served_as_good() {
    let directory = filled(40);
    let file = database(&directory);
    let whole = std::fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(101) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        std::fs::write(&file, &damaged).unwrap();
        let Ok(mut store) = open(directory.path()) else {
            continue;
        };
        let request = StoreRequest::Acquire {
            room: room("a"),
            node: NodeId(1),
        };
        let StoreReply::Acquired(acquired) = one(&mut store, request) else {
            continue;
        };
        let incarnation = acquired.lease.incarnation;
        let StoreReply::Rows { rows, .. } = rows(&mut store, "a") else {
            continue;
        };
        // What is missing is missed: the head does not follow it.
        assert_eq!(acquired.head, 40, "byte {at}");
        let mut next = 1;
        for row in &rows {
            let Ok(decoded) = decode_row(&row.data, incarnation, next) else {
                continue;
            };
            assert!(is_whole(row, incarnation, next), "byte {at}");
            next += decoded.records.len() as u64;
        }
    }
}

#[test]
fn directories_that_cannot_be_used_say_why() {
    let base = tempfile::tempdir().unwrap();
    let error = DataDirectory::open(&base.path().join("missing/data")).unwrap_err();
    assert_eq!(error, OpenError::MissingParent);
    let file = base.path().join("file");
    std::fs::write(&file, b"").unwrap();
    assert_eq!(
        DataDirectory::open(&file).unwrap_err(),
        OpenError::NotADirectory
    );
}

#[test]
fn a_new_directory_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("data");
    let directory = DataDirectory::open(&path).unwrap();
    assert_eq!(directory.path(), path);
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    drop(directory);
    DataDirectory::open(&path).unwrap();
}
