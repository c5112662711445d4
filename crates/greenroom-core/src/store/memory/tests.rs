//! What only the model can do: crashes between apply and sync, injected failures.

use bytes::Bytes;
use greenroom_service::{Millis, RoomId};

use super::MemoryStore;
use crate::store::conformance::{self, Subject};
use crate::store::{
    Acquired, Append, Lease, MetaChange, NodeId, StoreError, StoreReply, StoreRequest,
};

const NODE: NodeId = NodeId(1);

fn room() -> RoomId {
    RoomId::new("a").unwrap()
}

fn acquire(store: &mut MemoryStore, node: NodeId) -> Acquired {
    let room = room();
    match store.handle(StoreRequest::Acquire { room, node }) {
        StoreReply::Acquired(acquired) => acquired,
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
        meta: MetaChange {
            now: Millis(seq),
            ..MetaChange::default()
        },
        queue: vec![],
        urgent: true,
        wait_ms: 0,
    })
}

#[test]
fn a_crash_drops_what_was_not_synced() {
    let mut store = MemoryStore::new(1);
    let lease = acquire(&mut store, NODE).lease;
    assert_eq!(store.handle(append(lease, 1)), StoreReply::Done);
    assert_eq!(store.apply(append(lease, 2)), StoreReply::Done);
    assert_eq!(store.apply(append(lease, 3)), StoreReply::Done);
    assert_eq!(store.unsynced(), 2);
    let mut lucky = store.clone();
    store.crash();
    let after = acquire(&mut store, NODE);
    assert_eq!(
        (after.head, after.lease.incarnation),
        (1, lease.incarnation)
    );
    assert!(after.lease.epoch > lease.epoch);
    lucky.crash_keeping(1);
    assert_eq!(acquire(&mut lucky, NODE).head, 2);
}

#[test]
fn a_failed_sync_answers_no_write_and_leaves_the_outcome_open() {
    let mut store = MemoryStore::new(1);
    let lease = acquire(&mut store, NODE).lease;
    store.fail_sync_next();
    let read = StoreRequest::Acquire {
        room: room(),
        node: NODE,
    };
    let replies = store.handle_batch(vec![append(lease, 1), read]);
    assert!(matches!(replies[0], StoreReply::Failed(StoreError::Io(_))));
    assert!(matches!(&replies[1], StoreReply::Acquired(a) if a.head == 0));
    assert!(store.is_poisoned());
    let refused = StoreReply::Failed(StoreError::ReadOnly);
    assert_eq!(store.handle(append(lease, 1)), refused);
    let mut lucky = store.clone();
    store.crash();
    assert_eq!(acquire(&mut store, NODE).head, 0);
    lucky.crash_keeping(1);
    assert_eq!(acquire(&mut lucky, NODE).head, 1);
}

#[test]
fn an_injected_failure_hits_one_request() {
    let mut store = MemoryStore::new(1);
    let lease = acquire(&mut store, NODE).lease;
    store.fail_next(StoreError::Full);
    let full = StoreReply::Failed(StoreError::Full);
    assert_eq!(store.handle(append(lease, 1)), full);
    assert_eq!(store.handle(append(lease, 1)), StoreReply::Done);
}

#[test]
fn an_expired_lease_is_fenced() {
    let mut store = MemoryStore::new(1);
    let zombie = acquire(&mut store, NODE).lease;
    store.expire(NODE);
    let lease = acquire(&mut store, NodeId(2)).lease;
    assert!(lease.epoch > zombie.epoch);
    let fenced = StoreReply::Failed(StoreError::Fenced);
    assert_eq!(store.handle(append(zombie, 1)), fenced);
    assert_eq!(store.handle(append(lease, 1)), StoreReply::Done);
}

#[test]
fn equal_seeds_give_equal_incarnations() {
    let lease = |seed| acquire(&mut MemoryStore::new(seed), NODE).lease;
    assert_eq!(lease(7), lease(7));
    assert_ne!(lease(7).incarnation, lease(8).incarnation);
}

impl Subject for MemoryStore {
    fn handle_batch(&mut self, requests: Vec<StoreRequest>) -> Vec<StoreReply> {
        Self::handle_batch(self, requests)
    }

    fn reopen(&mut self) {
        Self::reopen(self);
    }

    fn crash(&mut self) {
        Self::crash(self);
    }
}

#[test]
fn the_model_passes_the_suite() {
    conformance::run(|| Box::new(MemoryStore::new(3)));
}
