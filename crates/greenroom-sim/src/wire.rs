//! Connections: an ordered stream each way, with latency and a bound on what is under way. Nothing
//! is ever lost in the middle: a connection that is cut loses all that is under way, as TCP does.

use std::collections::VecDeque;

use bytes::Bytes;
use greenroom_core::registry::{Instance, Waiter};
use greenroom_service::{Message, SessionId};

/// What a client sends.
#[derive(Clone, Debug)]
pub(crate) enum Up {
    Message(Message),
    Pong,
    /// It closes.
    Close,
}

/// What a server sends.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    /// The handshake is answered.
    Opened,
    /// A whole WebSocket frame.
    Frame(Bytes),
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Pipe<T> {
    under_way: VecDeque<(u64, usize, T)>,
    last_at: u64,
    bytes: usize,
}

impl<T> Pipe<T> {
    pub(crate) const fn new() -> Self {
        Self { under_way: VecDeque::new(), last_at: 0, bytes: 0 }
    }

    /// Sends `item` to arrive at `at` or behind what is under way; gives when it arrives if it is
    /// the first, so that its arrival has to be planned.
    pub(crate) fn push(&mut self, at: u64, bytes: usize, item: T) -> Option<u64> {
        let first = self.under_way.is_empty();
        self.last_at = self.last_at.max(at);
        self.bytes += bytes;
        self.under_way.push_back((self.last_at, bytes, item));
        first.then_some(self.last_at)
    }

    /// The first arrives.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (_, bytes, item) = self.under_way.pop_front()?;
        self.bytes -= bytes;
        Some(item)
    }

    /// When the first arrives.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.under_way.front().map(|(at, _, _)| *at)
    }

    /// Bytes under way.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// All that is under way is lost.
    pub(crate) fn clear(&mut self) {
        self.under_way.clear();
        self.bytes = 0;
    }
}

/// The server's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerEnd {
    /// It has not arrived yet.
    Coming,
    /// It waits for its room.
    Waiting(Waiter),
    /// Its session is in the room, or in the room's mailbox.
    Member(Instance, SessionId),
    /// It is over.
    Gone,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) client: usize,
    pub(crate) node: u32,
    pub(crate) up: Pipe<Up>,
    pub(crate) down: Pipe<Down>,
    pub(crate) server: ServerEnd,
    /// A close frame was sent: nothing is written after it.
    pub(crate) closed: bool,
    /// The client is still there, as far as the client knows.
    pub(crate) client_there: bool,
    /// Nothing moves any more.
    pub(crate) cut: bool,
    /// The room was told that it is full, and waits to be told otherwise.
    pub(crate) blocked: bool,
    /// The client reads nothing until then.
    pub(crate) stalled_until: u64,
    /// When the server last heard, pinged, wrote.
    pub(crate) heard: u64,
    pub(crate) pinged: u64,
    pub(crate) written: u64,
}

impl Conn {
    pub(crate) const fn new(client: usize, node: u32, now: u64) -> Self {
        Self {
            client,
            node,
            up: Pipe::new(),
            down: Pipe::new(),
            server: ServerEnd::Coming,
            closed: false,
            client_there: true,
            cut: false,
            blocked: false,
            stalled_until: 0,
            heard: now,
            pinged: now,
            written: now,
        }
    }

    /// Nobody has anything to do with it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.server == ServerEnd::Gone && !self.client_there
    }
}
