//! A whole room for tests: the real [`Room`] on virtual time, over the memory store.
//!
//! Nothing runs by itself: a call returns when everything that it caused is done, time passes when
//! [`TestRoom::advance`] says so, and equal calls give equal results.
//!
//! ```
//! use greenroom_core::service::Counter;
//! use greenroom_core::service::test_room::TestRoom;
//!
//! let mut room = TestRoom::service(Counter::open);
//! let (ada, bob) = (room.join("ada"), room.join("bob"));
//! room.send(ada, "increment");
//! assert_eq!(room.texts(bob), ["new value: 1"]);
//!
//! // The process dies. What a peer was told is durable, so that it is still there.
//! room.crash();
//! let cleo = room.join("cleo");
//! room.send(cleo, "increment");
//! assert_eq!(room.texts(cleo), ["new value: 2"]);
//! ```

mod drive;
mod heard;
mod store;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use greenroom_service::{
    ConnId, Fault, Message, Millis, Rights, RoomId, Service, SessionId, TaskId, TaskSpec, UserId,
};

use crate::close_reason::{CloseReason, Protocol};
use crate::hooks::Wishes;
use crate::limits::Limits;
use crate::protocol;
use crate::room::behaviour::{BehaviourFactory, Visibility};
use crate::room::job::{ComputeId, Job};
use crate::room::request::{Caller, Reply, Request, RequestId, Seen};
use crate::room::session::Hello;
use crate::room::{Drain, Input, Room, RoomConfig, RoomState, Stopped, StoreTask};
use crate::service::service_rooms;
use crate::store::memory::MemoryStore;
use crate::store::{NodeId, StoreRequest};

pub use heard::Heard;

/// Timeouts without time passing after which a room is said to spin.
const TIMEOUTS_MAX: usize = 100;
/// The node on which the room runs.
const NODE: NodeId = NodeId(1);

/// A room with its store, its peers and its clock. See the [module](self).
#[derive(Debug)]
pub struct TestRoom {
    factory: Factory,
    limits: Limits,
    visibility: Visibility,
    hooks: Wishes,
    /// How often it was asked what the room is to hold at first.
    first_contents_asked: usize,
    now: Millis,
    /// Rooms started so far, and sessions.
    lives: u64,
    sessions: u64,
    room: Option<Room>,
    stopped: Option<Stopped>,
    is_idle: bool,
    store: MemoryStore,
    holds_store: bool,
    held_requests: VecDeque<(StoreTask, StoreRequest)>,
    holds_jobs: bool,
    held_jobs: VecDeque<(ComputeId, Job)>,
    /// What waits until the room accepts it.
    mailbox: VecDeque<Input>,
    peers: BTreeMap<SessionId, Peer>,
    tasks: Vec<(TaskId, TaskSpec)>,
    notes: Vec<String>,
    requests: u64,
    replies: Vec<(RequestId, Reply)>,
    seen: Vec<Seen>,
}

struct Factory(Arc<BehaviourFactory>);

impl std::fmt::Debug for Factory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Factory")
    }
}

#[derive(Debug)]
struct Peer {
    protocol: Protocol,
    reads: bool,
    inbox: Vec<Bytes>,
    closed: Option<CloseReason>,
}

impl TestRoom {
    /// A room that runs a service: `open` makes it from what [`Service::save`] gave last.
    #[must_use]
    pub fn service<S: Service + 'static>(
        open: impl Fn(Option<&[u8]>) -> Result<S, Fault> + Send + Sync + 'static,
    ) -> Self {
        Self::new(service_rooms(Arc::new(move |_, saved| {
            Ok(Box::new(open(saved)?) as Box<dyn Service>)
        })))
    }

    /// A room of any kind, for example of [`collab_rooms`](crate::collab::collab_rooms).
    #[must_use]
    pub fn new(factory: Arc<BehaviourFactory>) -> Self {
        Self::with_limits(factory, Limits::default())
    }

    /// A room of any kind with other limits.
    #[must_use]
    pub fn with_limits(factory: Arc<BehaviourFactory>, limits: Limits) -> Self {
        let mut room = Self {
            factory: Factory(factory),
            limits,
            visibility: Visibility::Early,
            hooks: Wishes::default(),
            first_contents_asked: 0,
            now: Millis(1_000_000),
            lives: 0,
            sessions: 0,
            room: None,
            stopped: None,
            is_idle: false,
            store: MemoryStore::new(7),
            holds_store: false,
            held_requests: VecDeque::new(),
            holds_jobs: false,
            held_jobs: VecDeque::new(),
            mailbox: VecDeque::new(),
            peers: BTreeMap::new(),
            tasks: Vec::new(),
            notes: Vec::new(),
            requests: 0,
            replies: Vec::new(),
            seen: Vec::new(),
        };
        room.load();
        room
    }

    /// `user` joins with every right, over raw frames.
    pub fn join(&mut self, user: &str) -> SessionId {
        self.join_with(hello(user, Protocol::Raw, ""))
    }

    /// `user` joins with every right as a y-websocket peer of the document of that name.
    pub fn join_yjs(&mut self, user: &str, document: &str) -> SessionId {
        self.join_with(hello(user, Protocol::Yjs, document))
    }

    /// Somebody joins. Loads the room when it is not loaded.
    pub fn join_with(&mut self, hello: Hello) -> SessionId {
        if self.room.is_none() {
            self.load();
        }
        self.sessions += 1;
        let id = SessionId(self.sessions);
        let peer = Peer {
            protocol: hello.protocol,
            reads: true,
            inbox: Vec::new(),
            closed: None,
        };
        self.peers.insert(id, peer);
        self.mail(Input::Join(id, hello));
        id
    }

    /// The peer sends a frame: a `&str`, a `String` or [`Bytes`]. What its protocol does not allow
    /// closes it, as at the edge.
    pub fn send(&mut self, from: SessionId, frame: impl Into<Message>) {
        if self.peers[&from].closed.is_some() {
            return;
        }
        let mut messages = Vec::new();
        let protocol = self.peers[&from].protocol;
        let decoded = protocol::decode(protocol, frame.into(), &self.limits, &mut messages);
        for message in messages {
            self.mail(Input::Message(from, message));
        }
        if let Err(reason) = decoded {
            self.closed_by(from, reason);
        }
    }

    /// The peer's connection goes away.
    pub fn leave(&mut self, peer: SessionId) {
        self.peers.remove(&peer);
        self.mail(Input::Leave(peer));
    }

    /// What the peer got since the last call.
    pub fn heard(&mut self, peer: SessionId) -> Vec<Heard> {
        let peer = self.peer(peer);
        let frames = std::mem::take(&mut peer.inbox);
        let protocol = peer.protocol;
        frames.iter().map(|f| heard::decode(protocol, f)).collect()
    }

    /// What the peer got since the last call, as texts.
    ///
    /// # Panics
    /// When there was anything but text.
    pub fn texts(&mut self, peer: SessionId) -> Vec<String> {
        let text = |heard| match heard {
            Heard::Text(text) => text,
            other => panic!("{other:?} is no text"),
        };
        self.heard(peer).into_iter().map(text).collect()
    }

    /// What the peer got since the last call: the payloads of its frames.
    pub fn frames(&mut self, peer: SessionId) -> Vec<Bytes> {
        let frames = std::mem::take(&mut self.peer(peer).inbox);
        frames.iter().map(|frame| heard::payload(frame).1).collect()
    }

    /// Why the peer was closed or not let in; `None` while it is connected.
    #[must_use]
    pub fn closed(&self, peer: SessionId) -> Option<CloseReason> {
        self.peers[&peer].closed
    }

    /// The peer does not read any more: what is sent to it stays in the room.
    pub fn stop_reading(&mut self, peer: SessionId) {
        self.peer(peer).reads = false;
    }

    /// The peer reads again.
    pub fn resume_reading(&mut self, peer: SessionId) {
        self.peer(peer).reads = true;
        self.flush(peer);
        self.settle();
    }

    /// Lets `ms` milliseconds pass; what is due meanwhile happens at its time. A room that was
    /// unloaded is loaded for its timers.
    ///
    /// # Panics
    /// When the room asks for timeouts over and over without time passing.
    pub fn advance(&mut self, ms: u64) {
        let until = self.now.plus(ms);
        let mut spins = 0;
        loop {
            let at = match &self.room {
                Some(room) => room.poll_timeout(),
                None if self.stopped == Some(Stopped::Drained) => self.wake_at(),
                // Nobody loads it for its timers while it is quarantined.
                None => None,
            };
            let Some(at) = at.filter(|at| *at <= until) else {
                break;
            };
            spins = if at > self.now { 0 } else { spins + 1 };
            assert!(spins < TIMEOUTS_MAX, "the room spins at {at:?}");
            self.now = self.now.max(at);
            match self.room {
                Some(_) => self.input(Input::Timeout),
                None => self.load(),
            }
        }
        self.now = until;
    }

    /// Room time.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.now
    }

    /// Sets the clock that the room is told, also backwards.
    pub fn set_clock(&mut self, now: Millis) {
        self.now = now;
    }

    /// Everybody leaves and the room is unloaded.
    ///
    /// # Panics
    /// When it does not stop as it should.
    pub fn unload(&mut self) {
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for peer in peers {
            self.leave(peer);
        }
        self.drain(Drain::Unload);
        assert_eq!(self.stopped, Some(Stopped::Drained));
    }

    /// Tells the room to drain.
    pub fn drain(&mut self, why: Drain) {
        self.input(Input::Drain(why));
    }

    /// The process dies and starts anew: peers are gone, and so is what the store had not answered
    /// yet. The room is loaded again.
    pub fn crash(&mut self) {
        self.room = None;
        self.peers.clear();
        self.mailbox.clear();
        self.held_requests.clear();
        self.held_jobs.clear();
        self.tasks.clear();
        self.is_idle = false;
        self.store.crash();
        self.load();
    }

    /// From its next start on others see an edit when it is durable.
    pub fn gate_edits(&mut self) {
        self.visibility = Visibility::Durable;
    }

    /// From its next start on hooks want this of the room.
    pub fn wish(&mut self, hooks: Wishes) {
        self.hooks = hooks;
    }

    /// How often the room asked what it is to hold at first.
    #[must_use]
    pub fn first_contents_asked(&self) -> usize {
        self.first_contents_asked
    }

    /// From its next start on the room is made by `factory`: a new version of a service.
    pub fn upgrade(&mut self, factory: Arc<BehaviourFactory>) {
        self.factory = Factory(factory);
    }

    /// Loads the room, when it is not loaded.
    pub fn load(&mut self) {
        if self.room.is_some() {
            return;
        }
        self.lives += 1;
        self.stopped = None;
        let config = RoomConfig {
            id: RoomId::new("test").expect("a room name"),
            node: NODE,
            limits: self.limits.clone(),
            visibility: self.visibility,
            hooks: self.hooks,
            seed: self.lives,
        };
        self.room = Some(Room::new(config, Arc::clone(&self.factory.0), self.now));
        self.settle();
    }

    /// Hands the room an input, and does what it wants done.
    pub fn input(&mut self, input: Input) {
        if let Some(room) = &mut self.room {
            room.handle_input(self.now, input);
            self.settle();
        }
    }

    /// `user` asks for something. Loads the room when it is not loaded.
    pub fn ask(&mut self, user: &str, request: Request) -> RequestId {
        self.load();
        self.requests += 1;
        let id = RequestId(self.requests);
        let caller = Caller {
            user: Some(UserId::new(user)),
            origin: "203.0.113.1".into(),
        };
        self.mail(Input::Request(id, caller, request));
        id
    }

    /// What the request was answered; `None` while it waits.
    ///
    /// # Panics
    /// When it was answered twice.
    pub fn reply(&mut self, id: RequestId) -> Option<Reply> {
        let given = self.replies.extract_if(.., |(of, _)| *of == id);
        let given: Vec<_> = given.map(|(_, reply)| reply).collect();
        assert!(given.len() < 2, "a request is answered once: {given:?}");
        given.into_iter().next()
    }

    /// What those who watch were told since the last call.
    pub fn seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// The notes for the operator since the last call: faults, damage, failed appends.
    pub fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Where the room stands.
    #[must_use]
    pub fn state(&self) -> RoomState {
        self.room.as_ref().map_or(RoomState::Stopped, Room::state)
    }

    /// Why the room stopped; `None` while it runs.
    #[must_use]
    pub fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    /// Whether the room said that nobody was there for a while.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// The room itself.
    ///
    /// # Panics
    /// When it is not loaded.
    #[must_use]
    pub fn room(&self) -> &Room {
        self.room.as_ref().expect("the room is loaded")
    }
}

/// What the edge says of a user with every right.
#[must_use]
pub fn hello(user: &str, protocol: Protocol, document: &str) -> Hello {
    Hello {
        conn: ConnId { node: NODE.0, n: 0 },
        user: Some(UserId::new(user)),
        rights: Rights::ALL,
        protocol,
        document: document.into(),
        address: String::new(),
        deflate: false,
        origin: "203.0.113.1".into(),
    }
}

/// The members of a JSON object.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn object(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    match value {
        serde_json::Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}
