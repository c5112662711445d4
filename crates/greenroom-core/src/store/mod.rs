//! The store contract: what a room asks of stable storage, and what it is answered, as data.
//!
//! A store keeps, per room, a journal of rows (each holding the records of one commit), snapshots
//! of the room's parts, and [`RoomMeta`]; and one durable queue for the whole store. It never looks
//! into a row. The rules that every store keeps, and that the conformance suite checks:
//!
//! 1. An append is all or nothing per room, and its reply means that it is on stable storage.
//! 2. An append succeeds only under the room's current lease and only at its head (fencing).
//! 3. Rows come back in order, dense and unchanged.
//! 4. Two generations of each part's snapshot are kept, none of them beyond the head; the journal
//!    is never trimmed above the older one by the room.
//! 5. A deleted room comes back empty and with another incarnation.
//! 6. Requests handed over together are done in order: each sees what those before it did.
//! 7. A lease ends by `Release`, `Delete`, expiry, or when the store is opened anew; the next one
//!    has a higher epoch when another node gets it, or after the store was opened anew.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod envelope;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod version;

pub use version::{Version, VersionId, VersionKind, VersionMeta, VersionsKept};

use bytes::Bytes;
use greenroom_service::{Millis, RoomId};

use crate::protocol::lib0::VAR_UINT_MAX;

/// A node's number among those that share a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// Ownership of a room: appends are accepted under the newest epoch only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// Random, chosen when the journal began; changes only when its past was lost or deleted.
    pub incarnation: u128,
    /// The fencing number, higher with each change of owner.
    pub epoch: u64,
}

/// What a commit promises once it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing survives the process.
    Memory,
    /// Survives a killed process and a power loss of this machine.
    Local,
    /// Survives the loss of this machine.
    Replicated,
}

impl Level {
    /// The word for logs, metrics and `/readyz`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Local => "local",
            Self::Replicated => "replicated",
        }
    }
}

/// Rows of one room to be appended together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The room.
    pub room: RoomId,
    /// The lease under which its owner writes.
    pub lease: Lease,
    /// The seq of the first record in `data`: the room's head plus one.
    pub first_seq: u64,
    /// How many records `data` holds; at least 1.
    pub count: u64,
    /// The encoded row, see [`envelope`].
    pub data: Bytes,
    /// When the room wants to be loaded next, though nobody joins: its earliest durable timer.
    pub next_wake: Option<Millis>,
    /// Written into [`RoomMeta`] in the same transaction.
    pub meta: MetaChange,
    /// Put into the durable queue in the same transaction.
    pub queue: Vec<Bytes>,
    /// Whether somebody waits for it. What nobody waits for may wait for company of other rooms, to
    /// share their sync.
    pub urgent: bool,
    /// How long it may wait for company, in milliseconds.
    pub wait_ms: u64,
}

impl Append {
    /// Checks that this row belongs right behind `head`.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when it does not; [`StoreError::Io`] when it holds no record, or
    /// more than can be counted, which is a bug of the room.
    pub fn check(&self, head: u64) -> Result<(), StoreError> {
        if self.first_seq != head + 1 {
            return Err(StoreError::Fenced);
        }
        if self.count == 0 || self.count > VAR_UINT_MAX - self.first_seq {
            return Err(StoreError::Io("a row without a valid count".into()));
        }
        Ok(())
    }
}

/// What an append changes of a room's [`RoomMeta`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaChange {
    /// The room's kind; set by its first append. `None` leaves it.
    pub kind: Option<String>,
    /// Room time of the append; the first one is the room's creation.
    pub now: Millis,
    /// The users' own data about the room, as JSON; `None` leaves it.
    pub metadata: Option<Bytes>,
    /// Defaults of rights kept with the room, as JSON; `None` leaves it.
    pub accesses: Option<Bytes>,
}

/// What the store knows of a room besides its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomMeta {
    /// The room.
    pub room: RoomId,
    /// Its kind: `collab`, `service`, ..
    pub kind: String,
    /// Room time of its first append.
    pub created: Millis,
    /// Room time of its last append.
    pub changed: Millis,
    /// The seq of its last record.
    pub head: u64,
    /// The users' own data about the room, as JSON; empty when none was set.
    pub metadata: Bytes,
    /// Defaults of rights kept with the room, as JSON; empty when none were set.
    pub accesses: Bytes,
    /// Its earliest durable timer.
    pub next_wake: Option<Millis>,
}

/// A part of a room that has snapshots of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Entries, the saved bytes of a service, timers.
    Service,
    /// The Yjs document of this name.
    Document(String),
}

impl Part {
    /// The part's name in a store: `service`, or `document:NAME`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Service => "service".into(),
            Self::Document(name) => format!("document:{name}"),
        }
    }

    /// The part with this name, `None` when this version knows no such part.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.split_once(':') {
            Some(("document", document)) => Some(Self::Document(document.into())),
            None if name == "service" => Some(Self::Service),
            _ => None,
        }
    }
}

/// The state of a part after the record `seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Which part.
    pub part: Part,
    /// The last record that it includes.
    pub seq: u64,
    /// The part's own format, sealed by [`envelope::seal_snapshot`].
    pub data: Bytes,
}

impl Snapshot {
    /// Checks that the journal whose last record is `head` backs this snapshot: one of records
    /// that failed to be appended must not outlive them.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when it is beyond the head, or the room was never written.
    pub const fn check(&self, head: u64) -> Result<(), StoreError> {
        if head == 0 || self.seq > head {
            return Err(StoreError::Fenced);
        }
        Ok(())
    }
}

/// One row of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The seq of its first record.
    pub first_seq: u64,
    /// The bytes that were appended.
    pub data: Bytes,
}

/// What `list` shall give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only rooms whose name starts with this.
    pub prefix: String,
    /// Only rooms of this kind.
    pub kind: Option<String>,
    /// Only rooms after this one, in the order of their names' bytes.
    pub after: Option<RoomId>,
    /// At most so many rooms.
    pub limit: usize,
}

/// A request to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreRequest {
    /// Become the room's owner. A room that was never written leaves nothing behind.
    Acquire {
        /// The room.
        room: RoomId,
        /// Who asks.
        node: NodeId,
    },
    /// Stay the owner of these rooms.
    Renew {
        /// Who asks.
        node: NodeId,
        /// The rooms and the leases it holds.
        rooms: Vec<(RoomId, Lease)>,
    },
    /// Append a row.
    Append(Append),
    /// Give the room up.
    Release {
        /// The room.
        room: RoomId,
        /// The lease that ends.
        lease: Lease,
    },
    /// Read the rows from `from_seq` on.
    Read {
        /// The room.
        room: RoomId,
        /// The first record wanted; a row that holds it is included whole.
        from_seq: u64,
        /// At most so many bytes of rows, but at least one row.
        bytes_max: usize,
    },
    /// The newest two snapshots of every part, in the order of the parts, newest first.
    Snapshots {
        /// The room.
        room: RoomId,
    },
    /// Keep a snapshot; of its part the newest two stay.
    PutSnapshot {
        /// The room.
        room: RoomId,
        /// The owner's lease.
        lease: Lease,
        /// The snapshot.
        snapshot: Snapshot,
    },
    /// Drop the rows all of whose records are below `below_seq`.
    Trim {
        /// The room.
        room: RoomId,
        /// The owner's lease.
        lease: Lease,
        /// The first record that stays.
        below_seq: u64,
    },
    /// Keep a version of a document.
    PutVersion {
        /// The room.
        room: RoomId,
        /// The owner's lease.
        lease: Lease,
        /// The document.
        document: String,
        /// The version.
        version: Version,
        /// How many the document may have.
        kept: VersionsKept,
    },
    /// Drop a version of a document.
    DropVersion {
        /// The room.
        room: RoomId,
        /// The owner's lease.
        lease: Lease,
        /// The document.
        document: String,
        /// Which.
        id: VersionId,
    },
    /// What is told of a document's versions, newest first.
    Versions {
        /// The room.
        room: RoomId,
        /// The document.
        document: String,
        /// Only those below this one.
        before: Option<VersionId>,
        /// At most so many.
        limit: usize,
    },
    /// One version of a document.
    Version {
        /// The room.
        room: RoomId,
        /// The document.
        document: String,
        /// Which.
        id: VersionId,
    },
    /// Drop versions that expire at or before `before`, of whatever room, whoever owns it: those
    /// that expired first.
    ExpireVersions {
        /// Until when.
        before: Millis,
        /// At most so many.
        limit: usize,
    },
    /// Rooms whose `next_wake` is at or before `before`, earliest first.
    Due {
        /// Until when.
        before: Millis,
        /// At most so many.
        limit: usize,
    },
    /// Rooms in the order of their names' bytes.
    List(ListFilter),
    /// Delete the room with all it holds; appends under older leases fail from then on.
    Delete {
        /// The room.
        room: RoomId,
    },
    /// The oldest items of the durable queue, from a place on.
    Queue {
        /// Only items whose ids are above this.
        after: u64,
        /// At most so many.
        limit: usize,
    },
    /// Put items into the durable queue, in order and all or none, without an append.
    Enqueue {
        /// The items.
        items: Vec<Bytes>,
    },
    /// Drop these items of the durable queue.
    QueueDone {
        /// Their ids.
        ids: Vec<u64>,
    },
}

impl StoreRequest {
    /// Whether it changes stable storage. The others go on while a store takes no writes.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        match self {
            Self::Append(_)
            | Self::PutSnapshot { .. }
            | Self::Trim { .. }
            | Self::PutVersion { .. }
            | Self::DropVersion { .. }
            | Self::ExpireVersions { .. }
            | Self::Delete { .. }
            | Self::Enqueue { .. }
            | Self::QueueDone { .. } => true,
            Self::Acquire { .. }
            | Self::Renew { .. }
            | Self::Release { .. }
            | Self::Read { .. }
            | Self::Snapshots { .. }
            | Self::Versions { .. }
            | Self::Version { .. }
            | Self::Due { .. }
            | Self::List(_)
            | Self::Queue { .. } => false,
        }
    }

    /// How long it may wait for company, in milliseconds; `None` when somebody waits for its reply.
    #[must_use]
    pub const fn wait_ms(&self) -> Option<u64> {
        match self {
            Self::Append(append) if !append.urgent => Some(append.wait_ms),
            _ => None,
        }
    }

    /// How many bytes of payload it carries, for limits on queues and batches.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::Append(append) => {
                let meta = [&append.meta.metadata, &append.meta.accesses];
                append.data.len()
                    + meta.into_iter().flatten().map(Bytes::len).sum::<usize>()
                    + append.queue.iter().map(Bytes::len).sum::<usize>()
            }
            Self::PutSnapshot { snapshot, .. } => snapshot.data.len(),
            Self::Enqueue { items } => items.iter().map(Bytes::len).sum(),
            Self::PutVersion { version, .. } => version.data.len(),
            _ => 0,
        }
    }
}

/// A store's answer, of the kind that its request names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreReply {
    /// To `Acquire`.
    Acquired(Acquired),
    /// To `Renew`: the rooms that are still held.
    Renewed(Vec<RoomId>),
    /// To `Append`, `Release`, `PutSnapshot`, `Trim`, `Delete`, `Enqueue`, `QueueDone`.
    /// To `Append`, `Release`, `PutSnapshot`, `Trim`, `PutVersion`, `DropVersion`, `Delete`,
    /// `QueueDone`.
    Done,
    /// To `Read`: rows in order; `more` when `bytes_max` cut them.
    Rows {
        /// The rows.
        rows: Vec<Row>,
        /// Whether there are further rows.
        more: bool,
    },
    /// To `Snapshots`.
    Snapshots(Vec<Snapshot>),
    /// To `Versions`.
    Versions(Vec<VersionMeta>),
    /// To `Version`; `None` when there is no such version.
    Version(Option<Box<Version>>),
    /// To `ExpireVersions`: how many went.
    Expired(u64),
    /// To `Due`.
    Due(Vec<(RoomId, Millis)>),
    /// To `List`.
    Rooms(Vec<RoomMeta>),
    /// To `Queue`: ids and items, oldest first.
    Queue(Vec<(u64, Bytes)>),
    /// It was not done.
    Failed(StoreError),
}

/// What an owner learns of its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// The lease.
    pub lease: Lease,
    /// The seq of the last record; 0 when the room was never written.
    pub head: u64,
    /// The room's meta; `None` when the room was never written.
    pub meta: Option<RoomMeta>,
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// Another node owns the room.
    Held(NodeId),
    /// The lease is not the room's newest, the append is not at its head, or the snapshot is beyond
    /// it: drop the room.
    Fenced,
    /// No room for more bytes; try again when there is.
    Full,
    /// The store takes no writes after a failed sync; reads go on.
    ReadOnly,
    /// A version of the document has this id, or a higher one.
    VersionTaken,
    /// The document has as many named versions as it may have.
    VersionsFull,
    /// The document has no such version.
    VersionMissing,
    /// What is stored cannot be read back; a sentence for the operator.
    Damaged(String),
    /// Any other failure; a sentence for the operator.
    Io(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held(node) => write!(f, "the room is owned by node {}", node.0),
            Self::Fenced => write!(f, "the room has another owner by now"),
            Self::Full => write!(f, "the disk is full"),
            Self::ReadOnly => write!(f, "the store takes no writes after a failed sync"),
            Self::VersionTaken => write!(f, "another version of the document has this id"),
            Self::VersionsFull => {
                write!(f, "the document has as many named versions as it may have")
            }
            Self::VersionMissing => write!(f, "the document has no such version"),
            Self::Damaged(what) => write!(f, "stored data is damaged: {what}"),
            Self::Io(what) => write!(f, "the store failed: {what}"),
        }
    }
}

impl std::error::Error for StoreError {}
