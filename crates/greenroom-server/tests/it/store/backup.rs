//! A copy of a store that is written meanwhile, and the store that is made of it.

use greenroom_core::collab::doc::version::open_version;
use greenroom_core::store::envelope::{EnvelopeError, seal_snapshot};
use greenroom_core::store::{ListFilter, Part, Snapshot};
use greenroom_server::store::{BackupError, StoreCopy, check_backup, restore};

use super::*;

fn copied(path: &Path) -> Vec<u8> {
    let mut backup = Vec::new();
    StoreCopy::open(path, 7)
        .unwrap()
        .write(&mut backup)
        .unwrap();
    backup
}

fn list(store: &mut SqliteStore) -> StoreReply {
    let filter = ListFilter {
        limit: usize::MAX,
        ..ListFilter::default()
    };
    one(store, StoreRequest::List(filter))
}

/// Rows and snapshots without the envelope, that is: without the incarnation.
fn content(store: &mut SqliteStore, name: &str) -> Vec<(u64, Vec<u8>)> {
    let bare = |data: &Bytes| data[17..data.len() - 4].to_vec();
    let StoreReply::Rows { rows, more: false } = rows(store, name) else {
        panic!("the rows cannot be read");
    };
    let room = room(name);
    let StoreReply::Snapshots(snapshots) = one(store, StoreRequest::Snapshots { room }) else {
        panic!("the snapshots cannot be read");
    };
    let rows = rows.iter().map(|row| (row.first_seq, bare(&row.data)));
    let snapshots = snapshots.iter().map(|s| (s.seq, bare(&s.data)));
    rows.chain(snapshots).collect()
}

/// Two rooms: one with a snapshot, a trimmed journal and a timer, one with rows only.
fn filled(path: &Path) -> SqliteStore {
    let mut store = open(path).unwrap();
    let lease = acquire(&mut store, "a").lease;
    for seq in 1..=20 {
        one(&mut store, append("a", lease, seq, 100));
    }
    let data = seal_snapshot(lease.incarnation, 10, b"the first ten");
    let requests = [
        StoreRequest::PutSnapshot {
            room: room("a"),
            lease,
            snapshot: Snapshot {
                part: Part::Service,
                seq: 10,
                data,
            },
        },
        StoreRequest::Trim {
            room: room("a"),
            lease,
            below_seq: 11,
        },
    ];
    for request in requests {
        assert_eq!(one(&mut store, request), StoreReply::Done);
    }
    let kept = one(&mut store, put_version("a", lease, 7));
    assert_eq!(kept, StoreReply::Done);
    let StoreRequest::Append(mut last) = append("a", lease, 21, 100) else {
        unreachable!("it makes appends");
    };
    last.next_wake = Some(Millis(99));
    last.meta.metadata = Some(Bytes::from_static(b"{\"title\":\"A\"}"));
    last.queue = vec![Bytes::from_static(b"webhook")];
    assert_eq!(
        one(&mut store, StoreRequest::Append(last)),
        StoreReply::Done
    );
    let lease = acquire(&mut store, "b").lease;
    for seq in 1..=3 {
        one(&mut store, append("b", lease, seq, 50_000));
    }
    store
}

#[test]
fn a_restored_store_holds_the_same_in_new_incarnations() {
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let mut store = filled(from.path());
    let backup = copied(from.path());
    let (head, totals) = check_backup(&backup[..]).unwrap();
    assert_eq!((head.taken_ms, head.rooms), (7, 2));
    assert_eq!((totals.rows, totals.snapshots, totals.queued), (14, 1, 1));
    assert_eq!(totals.versions, 1);

    let target = to.path().join("data");
    let mut read = 0;
    let restored = restore(&target, &backup[..], |bytes| read = bytes).unwrap();
    assert_eq!((restored.totals, restored.damaged), (totals, 0));
    assert_eq!(read, backup.len() as u64);
    let mut other = open(&target).unwrap();
    assert_eq!(list(&mut other), list(&mut store));
    for name in ["a", "b"] {
        assert_eq!(content(&mut other, name), content(&mut store, name));
        let [was, is] = [&mut store, &mut other].map(|store| acquire(store, name));
        assert_ne!(was.lease.incarnation, is.lease.incarnation);
        assert!(is.lease.epoch > was.lease.epoch);
        assert_eq!((was.head, was.meta), (is.head, is.meta));
        let StoreReply::Rows { rows, .. } = rows(&mut other, name) else {
            panic!("the rows cannot be read");
        };
        let first = &rows[0];
        let as_it_was = decode_row(&first.data, was.lease.incarnation, first.first_seq);
        assert_eq!(as_it_was, Err(EnvelopeError::Incarnation));
        assert!(decode_row(&first.data, is.lease.incarnation, first.first_seq).is_ok());
    }
    let [was, is] = [&mut store, &mut other].map(|store| version(store, "a", 7).unwrap());
    assert_eq!(was.meta, is.meta);
    for version in [was, is] {
        assert_eq!(&open_version(&version).unwrap().state[..], b"state");
    }
    for store in [&mut store, &mut other] {
        let queue = one(store, StoreRequest::Queue { after: 0, limit: 9 });
        assert!(matches!(queue, StoreReply::Queue(items) if items.len() == 1));
    }
    // It is a store like any other.
    let lease = acquire(&mut other, "b").lease;
    assert_eq!(one(&mut other, append("b", lease, 4, 10)), StoreReply::Done);
}

#[test]
fn a_copy_is_of_its_moment() {
    let from = tempfile::tempdir().unwrap();
    let mut store = filled(from.path());
    let copy = StoreCopy::open(from.path(), 7).unwrap();
    let lease = acquire(&mut store, "b").lease;
    // More than stays in memory, and than the log holds before it is carried over.
    for seq in 4..=600 {
        let reply = one(&mut store, append("b", lease, seq, 100_000));
        assert_eq!(reply, StoreReply::Done);
        store.maintain();
    }
    one(&mut store, StoreRequest::Delete { room: room("a") });
    let mut backup = Vec::new();
    let totals = copy.write(&mut backup).unwrap();
    assert_eq!((totals.rooms, totals.rows), (2, 14));
    // A later copy is of a later moment, and finds what has moved.
    let (_, totals) = check_backup(&copied(from.path())[..]).unwrap();
    assert_eq!((totals.rooms, totals.rows), (1, 600));
    // The log is cut back once nobody reads it.
    for seq in 601..=604 {
        one(&mut store, append("b", lease, seq, 100));
        store.maintain();
    }
    drop(store);
    assert_eq!(count_whole(&mut open(from.path()).unwrap(), "b"), 604);
}

#[test]
fn a_store_that_was_killed_is_copied_too() {
    let from = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let _store = filled(from.path());
    copy_files(from.path(), copy.path());
    let (_, totals) = check_backup(&copied(copy.path())[..]).unwrap();
    assert_eq!((totals.rooms, totals.rows), (2, 14));
}

#[test]
fn what_was_damaged_before_is_kept_and_told() {
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let mut store = open(from.path()).unwrap();
    let lease = acquire(&mut store, "a").lease;
    let StoreRequest::Append(mut broken) = append("a", lease, 1, 10) else {
        unreachable!("it makes appends");
    };
    let mut data = broken.data.to_vec();
    data[20] ^= 1;
    broken.data = data.into();
    one(&mut store, StoreRequest::Append(broken));
    one(&mut store, append("a", lease, 2, 10));
    let restored = restore(to.path(), &copied(from.path())[..], |_| {}).unwrap();
    assert_eq!(restored.damaged, 1);
    assert_eq!(restored.damages[0].room, room("a"));
    let what = "the row at seq 1: its checksum does not match";
    assert_eq!(restored.damages[0].what, what);
}

#[test]
fn nothing_is_restored_over_something() {
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    drop(filled(from.path()));
    let backup = copied(from.path());
    let refused = |path: &Path| {
        let error = restore(path, &backup[..], |_| {}).unwrap_err();
        assert!(
            matches!(error, BackupError::Store(OpenError::NotEmpty)),
            "{error}"
        );
    };
    refused(from.path());
    std::fs::write(to.path().join("letter.txt"), "dear").unwrap();
    refused(to.path());
    assert!(!to.path().join("lock").exists(), "it was touched");
    // Keys and what an interrupted restore left are no hindrance.
    std::fs::rename(to.path().join("letter.txt"), to.path().join("keys.json")).unwrap();
    std::fs::write(to.path().join("rooms-1.db.new"), "half").unwrap();
    restore(to.path(), &backup[..], |_| {}).unwrap();
    refused(to.path());
}

#[test]
fn a_backup_that_is_cut_off_restores_nothing() {
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    drop(filled(from.path()));
    let backup = copied(from.path());
    let target = to.path().join("data");
    let error = restore(&target, &backup[..backup.len() - 1], |_| {}).unwrap_err();
    assert!(matches!(error, BackupError::CutOff));
    assert!(!target.exists(), "what it made is gone");
    restore(to.path(), &backup[..backup.len() - 1], |_| {}).unwrap_err();
    let left: Vec<_> = to
        .path()
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["lock"]);
    restore(to.path(), &backup[..], |_| {}).unwrap();
}
