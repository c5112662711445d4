//! What every store must pass.
//!
//! A store's own tests wrap it as a [`Subject`] and call [`run`]: `rules` holds one case per rule of
//! the contract, `random` compares sequences of requests with the memory model.

mod random;
mod rules;

use bytes::Bytes;
use greenroom_service::{Millis, RoomId};

use super::{
    Acquired, Append, Lease, ListFilter, MetaChange, NodeId, Part, RoomMeta, Row, Snapshot,
    StoreError, StoreReply, StoreRequest, Version, VersionId, VersionKind, VersionMeta,
    VersionsKept,
};

/// A store under test.
pub trait Subject {
    /// Does requests in order and gives one reply each, in the same order; what is answered with
    /// `Done` is on stable storage.
    fn handle_batch(&mut self, requests: Vec<StoreRequest>) -> Vec<StoreReply>;

    /// Closes the store in order and opens it anew.
    fn reopen(&mut self);

    /// Kills the store and opens it anew: what was not synced is lost.
    fn crash(&mut self);
}

/// Runs the whole suite; `make` gives an empty store each time.
///
/// # Panics
/// When the store breaks a rule; the message of a random case names its seed.
pub fn run(mut make: impl FnMut() -> Box<dyn Subject>) {
    for rule in rules::ALL {
        rule(&mut Kit(make()));
    }
    for seed in 0..random::SEQUENCES {
        random::compare(make(), seed);
    }
}

const NODE: NodeId = NodeId(1);
const OTHER_NODE: NodeId = NodeId(2);
const FENCED: StoreReply = StoreReply::Failed(StoreError::Fenced);

/// A subject with words for what cases do.
struct Kit(Box<dyn Subject>);

impl Kit {
    fn one(&mut self, request: StoreRequest) -> StoreReply {
        let mut replies = self.0.handle_batch(vec![request]);
        assert_eq!(replies.len(), 1, "one reply for one request");
        replies.remove(0)
    }

    fn done(&mut self, request: StoreRequest) {
        let shown = format!("{request:?}");
        assert_eq!(self.one(request), StoreReply::Done, "{shown}");
    }

    fn try_acquire(&mut self, name: &str, node: NodeId) -> StoreReply {
        let room = room(name);
        self.one(StoreRequest::Acquire { room, node })
    }

    fn acquire(&mut self, name: &str, node: NodeId) -> Acquired {
        match self.try_acquire(name, node) {
            StoreReply::Acquired(acquired) => acquired,
            other => panic!("acquire was answered with {other:?}"),
        }
    }

    fn release(&mut self, name: &str, lease: Lease) {
        let room = room(name);
        self.done(StoreRequest::Release { room, lease });
    }

    fn delete(&mut self, name: &str) {
        self.done(StoreRequest::Delete { room: room(name) });
    }

    /// Acquires the room and appends `rows` rows of one record each.
    fn filled(&mut self, name: &str, rows: u64) -> Lease {
        let lease = self.acquire(name, NODE).lease;
        for seq in 1..=rows {
            self.done(append(name, lease, seq));
        }
        lease
    }

    fn read(&mut self, name: &str, from_seq: u64, bytes_max: usize) -> (Vec<Row>, bool) {
        let room = room(name);
        match self.one(StoreRequest::Read {
            room,
            from_seq,
            bytes_max,
        }) {
            StoreReply::Rows { rows, more } => (rows, more),
            other => panic!("read was answered with {other:?}"),
        }
    }

    /// The first seqs of all rows.
    fn seqs(&mut self, name: &str) -> Vec<u64> {
        let (rows, more) = self.read(name, 0, usize::MAX);
        assert!(!more);
        rows.iter().map(|row| row.first_seq).collect()
    }

    fn snapshots(&mut self, name: &str) -> Vec<Snapshot> {
        match self.one(StoreRequest::Snapshots { room: room(name) }) {
            StoreReply::Snapshots(snapshots) => snapshots,
            other => panic!("snapshots was answered with {other:?}"),
        }
    }

    fn list(&mut self, filter: ListFilter) -> Vec<RoomMeta> {
        match self.one(StoreRequest::List(filter)) {
            StoreReply::Rooms(rooms) => rooms,
            other => panic!("list was answered with {other:?}"),
        }
    }

    fn queue(&mut self, limit: usize) -> Vec<(u64, Bytes)> {
        self.queue_after(0, limit)
    }

    fn queue_after(&mut self, after: u64, limit: usize) -> Vec<(u64, Bytes)> {
        match self.one(StoreRequest::Queue { after, limit }) {
            StoreReply::Queue(items) => items,
            other => panic!("queue was answered with {other:?}"),
        }
    }

    fn due(&mut self, before: u64, limit: usize) -> Vec<(String, u64)> {
        let before = Millis(before);
        match self.one(StoreRequest::Due { before, limit }) {
            StoreReply::Due(due) => due
                .into_iter()
                .map(|(room, wake)| (room.to_string(), wake.0))
                .collect(),
            other => panic!("due was answered with {other:?}"),
        }
    }
}

fn room(name: &str) -> RoomId {
    RoomId::new(name).expect("the suite uses valid names")
}

fn row_data(name: &str, seq: u64) -> Bytes {
    Bytes::from(format!("row {seq} of {name}"))
}

/// A row of one record with nothing else.
fn plain(name: &str, lease: Lease, seq: u64) -> Append {
    Append {
        room: room(name),
        lease,
        first_seq: seq,
        count: 1,
        data: row_data(name, seq),
        next_wake: None,
        meta: MetaChange {
            now: Millis(1_000 + seq),
            ..MetaChange::default()
        },
        queue: vec![],
        urgent: true,
        wait_ms: 0,
    }
}

fn append(name: &str, lease: Lease, seq: u64) -> StoreRequest {
    StoreRequest::Append(plain(name, lease, seq))
}

fn put_snapshot(name: &str, lease: Lease, part: Part, seq: u64) -> StoreRequest {
    let data = Bytes::from(format!("{} after {seq}", part.name()));
    StoreRequest::PutSnapshot {
        room: room(name),
        lease,
        snapshot: Snapshot { part, seq, data },
    }
}

fn trim(name: &str, lease: Lease, below_seq: u64) -> StoreRequest {
    StoreRequest::Trim {
        room: room(name),
        lease,
        below_seq,
    }
}

fn everything() -> ListFilter {
    ListFilter {
        limit: usize::MAX,
        ..ListFilter::default()
    }
}
