//! Kept versions of documents.

use super::*;

const FOREVER: VersionsKept = VersionsKept {
    named_max: 1_000,
    automatic_max: 1_000,
};

fn ids(kit: &mut Kit, name: &str, document: &str, before: Option<u64>, limit: usize) -> Vec<u64> {
    let request = StoreRequest::Versions {
        room: room(name),
        document: document.into(),
        before: before.map(VersionId),
        limit,
    };
    match kit.one(request) {
        StoreReply::Versions(versions) => versions.iter().map(|meta| meta.id.0).collect(),
        other => panic!("versions was answered with {other:?}"),
    }
}

fn all(kit: &mut Kit, name: &str) -> Vec<u64> {
    ids(kit, name, "d", None, usize::MAX)
}

fn one(kit: &mut Kit, name: &str, id: u64) -> Option<Version> {
    let request = StoreRequest::Version {
        room: room(name),
        document: "d".into(),
        id: VersionId(id),
    };
    match kit.one(request) {
        StoreReply::Version(found) => found.map(|version| *version),
        other => panic!("version was answered with {other:?}"),
    }
}

pub(super) fn are_kept_and_listed(kit: &mut Kit) {
    let lease = kit.filled("a", 3);
    for id in [10, 20, 30] {
        kit.done(put_version(
            "a",
            lease,
            "d",
            version(id, VersionKind::Named),
        ));
    }
    kit.done(put_version(
        "a",
        lease,
        "",
        version(15, VersionKind::Automatic),
    ));
    let taken = StoreReply::Failed(StoreError::VersionTaken);
    for id in [5, 20, 30] {
        let put = put_version("a", lease, "d", version(id, VersionKind::Named));
        assert_eq!(kit.one(put), taken, "id {id}");
    }
    for survives in 0..3 {
        assert_eq!(all(kit, "a"), [30, 20, 10]);
        assert_eq!(ids(kit, "a", "d", None, 2), [30, 20]);
        assert_eq!(ids(kit, "a", "d", Some(30), 1), [20]);
        assert_eq!(ids(kit, "a", "d", Some(10), 9), [0; 0]);
        assert_eq!(ids(kit, "a", "", None, 9), [15]);
        assert_eq!(ids(kit, "a", "other", None, 9), [0; 0]);
        assert_eq!(one(kit, "a", 20), Some(version(20, VersionKind::Named)));
        assert_eq!(one(kit, "a", 21), None);
        match survives {
            0 => kit.0.reopen(),
            _ => kit.0.crash(),
        }
    }
}

pub(super) fn are_fenced_and_not_beyond_the_head(kit: &mut Kit) {
    let lease = kit.acquire("a", NODE).lease;
    let put = |lease| put_version("a", lease, "d", version(10, VersionKind::Named));
    assert_eq!(kit.one(put(lease)), FENCED, "never written");
    let drop = |lease, id| StoreRequest::DropVersion {
        room: room("a"),
        lease,
        document: "d".into(),
        id: VersionId(id),
    };
    let missing = StoreReply::Failed(StoreError::VersionMissing);
    assert_eq!(kit.one(drop(lease, 10)), missing);
    kit.done(append("a", lease, 1));
    let mut beyond = version(10, VersionKind::Named);
    beyond.meta.seq = 2;
    assert_eq!(kit.one(put_version("a", lease, "d", beyond)), FENCED);
    let stranger = Lease {
        epoch: lease.epoch + 1,
        ..lease
    };
    assert_eq!(kit.one(put(stranger)), FENCED);
    kit.done(put(lease));
    assert_eq!(kit.one(drop(stranger, 10)), FENCED);
    assert_eq!(kit.one(drop(lease, 11)), missing);
    kit.done(drop(lease, 10));
    assert_eq!(all(kit, "a"), [0; 0]);
    kit.release("a", lease);
    assert_eq!(kit.one(put(lease)), FENCED);
}

pub(super) fn give_way_to_newer_ones(kit: &mut Kit) {
    let lease = kit.filled("a", 1);
    let mut put = |id, kind, kept| {
        let mut request = put_version("a", lease, "d", version(id, kind));
        if let StoreRequest::PutVersion { kept: is, .. } = &mut request {
            *is = kept;
        }
        kit.one(request)
    };
    let two = VersionsKept {
        named_max: 2,
        automatic_max: 2,
    };
    let kinds = [
        VersionKind::Named,
        VersionKind::Automatic,
        VersionKind::Restore,
    ];
    for (kind, id) in kinds.into_iter().cycle().zip(1..=6) {
        assert_eq!(put(id, kind, two), StoreReply::Done, "{id}");
    }
    let full = StoreReply::Failed(StoreError::VersionsFull);
    assert_eq!(put(7, VersionKind::Named, two), full);
    assert_eq!(put(8, VersionKind::Automatic, two), StoreReply::Done);
    let none = VersionsKept {
        named_max: 0,
        automatic_max: 0,
    };
    assert_eq!(all(kit, "a"), [8, 6, 4, 1], "named ones stay");
    let mut request = put_version("a", lease, "d", version(9, VersionKind::Automatic));
    if let StoreRequest::PutVersion { kept, .. } = &mut request {
        *kept = none;
    }
    kit.done(request);
    kit.0.crash();
    assert_eq!(all(kit, "a"), [4, 1]);
}

pub(super) fn go_with_their_room_or_when_they_expire(kit: &mut Kit) {
    for name in ["a", "b"] {
        let lease = kit.filled(name, 1);
        for id in 1..=4 {
            let mut version = version(id, VersionKind::Automatic);
            version.meta.expires = (id < 4).then_some(Millis(id * 100));
            kit.done(put_version(name, lease, "d", version));
        }
    }
    let expire = |kit: &mut Kit, before, limit| {
        let before = Millis(before);
        kit.one(StoreRequest::ExpireVersions { before, limit })
    };
    assert_eq!(expire(kit, 99, 9), StoreReply::Expired(0));
    assert_eq!(expire(kit, 250, 3), StoreReply::Expired(3));
    assert_eq!((all(kit, "a"), all(kit, "b")), (vec![4, 3], vec![4, 3, 2]));
    assert_eq!(expire(kit, 250, 9), StoreReply::Expired(1));
    kit.delete("a");
    kit.0.reopen();
    assert_eq!((all(kit, "a"), all(kit, "b")), (vec![], vec![4, 3]));
    kit.filled("a", 1);
    assert_eq!(all(kit, "a"), [0; 0], "another room of that name");
    assert_eq!(expire(kit, u64::MAX >> 1, 9), StoreReply::Expired(1));
    assert_eq!(all(kit, "b"), [4], "what never expires stays");
}

/// A version of record 1.
pub(in super::super) fn version(id: u64, kind: VersionKind) -> Version {
    Version {
        meta: VersionMeta {
            id: VersionId(id),
            seq: 1,
            kind,
            label: format!("label {id}"),
            user: if id.is_multiple_of(2) { "ada" } else { "" }.into(),
            expires: None,
            bytes: id,
        },
        data: Bytes::from(vec![id as u8; id as usize % 50]),
    }
}

pub(in super::super) fn put_version(
    name: &str,
    lease: Lease,
    document: &str,
    version: Version,
) -> StoreRequest {
    StoreRequest::PutVersion {
        room: room(name),
        lease,
        document: document.into(),
        version,
        kept: FOREVER,
    }
}
