//! The least that drives a room: as the server does it, without what is not the room's.

use std::sync::Arc;

use bytes::Bytes;
use greenroom_core::close_reason::Protocol;
use greenroom_core::hooks::Wishes;
use greenroom_core::limits::Limits;
use greenroom_core::protocol::{self, ClientMessage};
use greenroom_core::room::behaviour::{BehaviourFactory, Visibility};
use greenroom_core::room::{Input, Output, Room, RoomConfig, StoreTask, Taken};
use greenroom_core::service::test_room::hello;
use greenroom_core::store::memory::MemoryStore;
use greenroom_core::store::{NodeId, StoreReply, StoreRequest};
use greenroom_service::{Message, Millis, RoomId, SessionId};

/// What is taken from a room for one write, in bytes.
const WRITE_BYTES: usize = 64 << 10;

/// A room and those who are in it.
pub(crate) struct Driver {
    room: Room,
    protocol: Protocol,
    limits: Limits,
    store: MemoryStore,
    now: Millis,
    /// Appends that the store has and nobody waits for: answered at the next turn's begin.
    appends: Vec<StoreTask>,
    /// Reused, as the server does.
    messages: Vec<ClientMessage>,
    frames: Vec<Bytes>,
    /// Frames that left so far.
    pub(crate) sent: usize,
}

impl Driver {
    /// A live room in which nobody is.
    pub(crate) fn new(factory: Arc<BehaviourFactory>, protocol: Protocol) -> Self {
        let limits = Limits {
            // A job is no part of a turn.
            compact_updates_max: usize::MAX,
            compact_bytes_min: usize::MAX,
            ..Limits::default()
        };
        let config = RoomConfig {
            id: RoomId::new("turn").expect("a room name"),
            node: NodeId(1),
            limits: limits.clone(),
            visibility: Visibility::Early,
            hooks: Wishes::default(),
            seed: 1,
        };
        let now = Millis(1_000_000);
        let mut driver = Self {
            room: Room::new(config, factory, now),
            protocol,
            limits,
            store: MemoryStore::new(7),
            now,
            appends: Vec::new(),
            messages: Vec::new(),
            frames: Vec::new(),
            sent: 0,
        };
        driver.settle();
        assert!(driver.room.accepts(), "an empty room is live at once");
        driver
    }

    /// Somebody joins, as what others call `user`.
    pub(crate) fn join(&mut self, session: SessionId, user: &str) {
        let hello = hello(user, self.protocol, "");
        self.room
            .handle_input(self.now, Input::Join(session, hello));
        self.settle();
    }

    /// Somebody leaves.
    pub(crate) fn leave(&mut self, session: SessionId) {
        self.room.handle_input(self.now, Input::Leave(session));
        self.settle();
    }

    /// A frame of `session` comes: one turn.
    pub(crate) fn frame(&mut self, session: SessionId, frame: Message) {
        protocol::decode(self.protocol, frame, &self.limits, &mut self.messages)
            .expect("a frame that is in order");
        for task in std::mem::take(&mut self.appends) {
            let done = Input::StoreDone(task, StoreReply::Done);
            self.room.handle_input(self.now, done);
        }
        for message in self.messages.drain(..) {
            self.room
                .handle_input(self.now, Input::Message(session, message));
        }
        self.settle();
    }

    /// Time passes.
    pub(crate) fn advance(&mut self, ms: u64) {
        let until = self.now.plus(ms);
        while let Some(at) = self.room.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.room.handle_input(self.now, Input::Timeout);
            self.settle();
        }
        self.now = until;
    }

    /// Does what the room wants done.
    fn settle(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Flush(session) => self.flush(session),
                // The first tells the store of the room, and is awaited by nobody either.
                Output::Store(task, StoreRequest::Append(append)) if !append.urgent => {
                    self.appends.push(task);
                }
                Output::Store(task, StoreRequest::Append(_)) => {
                    let done = Input::StoreDone(task, StoreReply::Done);
                    self.room.handle_input(self.now, done);
                }
                Output::Store(task, request) => {
                    let reply = self.store.handle(request);
                    self.room
                        .handle_input(self.now, Input::StoreDone(task, reply));
                }
                Output::HurryStore => {
                    for task in std::mem::take(&mut self.appends) {
                        let done = Input::StoreDone(task, StoreReply::Done);
                        self.room.handle_input(self.now, done);
                    }
                }
                other => panic!("{other:?} is no part of any workload"),
            }
        }
    }

    fn flush(&mut self, session: SessionId) {
        let taken = self
            .room
            .take_frames(session, WRITE_BYTES, &mut self.frames);
        assert_eq!(taken, Taken::All, "frames are small and nobody is closed");
        self.sent += self.frames.len();
        self.frames.clear();
    }
}
