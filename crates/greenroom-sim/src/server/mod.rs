//! A node: registry, rooms and connections as `greenroom-server` drives them, on virtual time.

mod conns;
mod rooms;
mod turn;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use greenroom_core::collab::collab_rooms;
use greenroom_core::protocol::ClientMessage;
use greenroom_core::registry::{Instance, Registry, Waiter};
use greenroom_core::room::behaviour::BehaviourFactory;
use greenroom_core::room::job::{ComputeId, JobDone};
use greenroom_core::room::session::Hello;
use greenroom_core::room::{Drain, Room, StoreTask};
use greenroom_core::service::{Counter, service_rooms};
use greenroom_core::store::StoreReply;
use greenroom_service::{Millis, RoomId, Service, SessionId};

use crate::bug::Bug;
use crate::plan::{Kind, MS};
use crate::saboteur::sabotage;
use crate::tally::Tally;

/// Rooms that may load at a time.
const LOADS_MAX: usize = 2;

/// What sessions put into a room's mailbox.
#[derive(Debug)]
pub(crate) enum Mail {
    Join(SessionId, Hello, u64),
    Message(SessionId, ClientMessage),
    Leave(SessionId),
}

/// What reaches a room at once.
#[derive(Debug)]
pub(crate) enum Order {
    StoreDone(StoreTask, StoreReply),
    ComputeDone(ComputeId, JobDone),
    Writable(SessionId),
    Drain(Drain),
}

/// A room and its task.
#[derive(Debug)]
pub(crate) struct RoomTask {
    pub(crate) id: RoomId,
    pub(crate) kind: Kind,
    pub(crate) room: Room,
    pub(crate) mail: VecDeque<Mail>,
    pub(crate) orders: VecDeque<Order>,
    /// The connection of each session.
    pub(crate) seats: BTreeMap<SessionId, u64>,
    pub(crate) live: bool,
    /// When its next turn is planned.
    pub(crate) turn_at: Option<u64>,
    /// Turns that nothing but the clock caused, in the current second.
    pub(crate) timeouts: (u64, u64),
}

/// One server process.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) registry: Registry,
    pub(crate) rooms: BTreeMap<Instance, RoomTask>,
    pub(crate) waiters: BTreeMap<Waiter, u64>,
    pub(crate) next_waiter: u64,
    pub(crate) next_session: u64,
    /// The wall clock when virtual time began, in milliseconds.
    pub(crate) clock_ms: u64,
    pub(crate) stopping: bool,
    /// Another node has taken its rooms over.
    pub(crate) deposed: bool,
}

impl Node {
    pub(crate) fn new(clock_ms: u64) -> Self {
        Self {
            registry: Registry::new(LOADS_MAX),
            rooms: BTreeMap::new(),
            waiters: BTreeMap::new(),
            next_waiter: 0,
            next_session: 0,
            clock_ms,
            stopping: false,
            deposed: false,
        }
    }

    /// Room time.
    pub(crate) const fn room_time(&self, now: u64) -> Millis {
        Millis(self.clock_ms + now / MS)
    }

    /// The virtual time at which the clock shows `at`.
    pub(crate) const fn virtual_time(&self, at: Millis) -> u64 {
        at.0.saturating_sub(self.clock_ms) * MS
    }
}

/// What runs in rooms of `kind`.
pub(crate) fn behaviours(kind: Kind, bug: Option<Bug>) -> Arc<BehaviourFactory> {
    let factory = match kind {
        Kind::Collab => collab_rooms(),
        Kind::Counter => service_rooms(Arc::new(|_, saved| {
            Ok(Box::new(Counter::open(saved)?) as Box<dyn Service>)
        })),
        Kind::Tally => service_rooms(Arc::new(|_, saved| {
            Ok(Box::new(Tally::open(saved)?) as Box<dyn Service>)
        })),
    };
    match bug {
        Some(bug) => sabotage(factory, bug),
        None => factory,
    }
}
