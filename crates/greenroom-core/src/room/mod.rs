//! A room: one id, one ordered mailbox, one behaviour, one journal.
//!
//! The room does no IO. Its driver hands it inputs with [`Room::handle_input`], carries out what
//! [`Room::poll_output`] gives until it gives `None`, takes frames with [`Room::take_frames`], and
//! comes back at [`Room::poll_timeout`]. Everything that changes a room enters by this one door.
//!
//! ```text
//!            acquired, past read, behaviour ready
//!  Loading ──────────────────────────────────────▶ Live ──drain──▶ Draining ──▶ Stopped
//!     │                                            │  ▲              │
//!     │ cannot be read            fault, panic,    ▼  │ past read     │ fenced
//!     ▼                           failed append  Rebuilding           ▼
//!  Stopped ◀──────────── faults of several ────────┘               Stopped
//! ```

mod answer;
pub mod behaviour;
mod commit;
mod encoded;
mod fault;
pub mod hits;
pub mod job;
mod journal;
mod load;
mod marks;
mod outbox;
pub mod presence;
pub mod request;
pub mod session;
mod stop;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod timers;
pub mod version;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use greenroom_service::{
    Fault, Halt, Left, Millis, Refuse, Rights, RoomId, Session, SessionId, TaskId, TaskResult,
    TaskSpec, To,
};

use crate::close_reason::CloseReason;
use crate::collab::doc::gate::CheckedUpdate;
use crate::hooks::Wishes;
use crate::limits::Limits;
use crate::protocol::websocket::Deflate;
use crate::protocol::{ClientMessage, ServerMessage};
use crate::store::{NodeId, Part, StoreReply, StoreRequest};
use answer::{Meta, Requests};
use behaviour::{Behaviour, BehaviourFactory, Cx, Visibility};
use commit::{Asked, Generations};
use fault::Faults;
use hits::Hits;
use job::{ComputeId, Job, JobDone};
use journal::Journal;
use load::Load;
use marks::Marks;
use outbox::{Outbox, Stream};
use presence::Presence;
use request::{Caller, Reply, Request, RequestId, Seen};
use session::{Hello, Link};

pub use outbox::Taken;

/// A request of a room to the store; unique while the room is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreTask(pub u64);

/// What can happen to a room.
#[derive(Debug)]
pub enum Input {
    /// A session wants to join. Only while [`Room::accepts`].
    Join(SessionId, Hello),
    /// A session sent a message. Only while [`Room::accepts`].
    Message(SessionId, ClientMessage),
    /// A session showed a new credential, of the same user, with these rights. Only while
    /// [`Room::accepts`].
    Renew(SessionId, Rights),
    /// A session is gone. Only while [`Room::accepts`].
    Leave(SessionId),
    /// The edge or an operator ends a session: its token expired, it was silent, it is kicked.
    End(SessionId, CloseReason),
    /// Somebody who is not in the room asks for something. Only while [`Room::accepts`].
    Request(RequestId, Caller, Request),
    /// Whether somebody watches: then [`Output::Seen`] tells what happens.
    Watched(bool),
    /// The answer to [`Output::FirstContent`]: the content, nothing, or why there is no answer.
    FirstContent(Result<Option<CheckedUpdate>, String>),
    /// The store answered.
    StoreDone(StoreTask, StoreReply),
    /// A job ended.
    ComputeDone(ComputeId, JobDone),
    /// Work outside ended.
    TaskDone(TaskId, TaskResult),
    /// The time of [`Room::poll_timeout`] may have come.
    Timeout,
    /// Stop: nobody needs the room, or the process stops.
    Drain(Drain),
}

/// Why a room shall stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Nobody is in it.
    Unload,
    /// The process stops.
    Shutdown,
}

/// What a room wants done.
#[derive(Debug)]
pub enum Output {
    /// There may be frames for this session: take them when its connection can write.
    Flush(SessionId),
    /// This session was never let in; close it.
    TurnedAway(SessionId, CloseReason),
    /// The answer to a request.
    Reply(RequestId, Reply),
    /// Something happened that those who watch are to be told.
    Seen(Seen),
    /// Nothing was ever written into the room: ask what it is to hold at first. Others may load
    /// meanwhile.
    FirstContent,
    /// Ask the store.
    Store(StoreTask, StoreRequest),
    /// Somebody waits for what the store has: let it wait for company no longer.
    HurryStore,
    /// Run a job.
    Compute(ComputeId, Job),
    /// Start work outside.
    Task(TaskId, TaskSpec),
    /// Nobody was here for a while: the registry may drain it.
    Idle,
    /// Tell the operator.
    Note(String),
    /// It is over; drop the room. No output follows.
    Stopped(Stopped),
}

/// Why a room stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// As it was told.
    Drained,
    /// It was deleted.
    Deleted,
    /// Another node owns it.
    Moved,
    /// It faulted too often, or its data cannot be read: nobody is let in until an operator looks,
    /// or for a while. A sentence for the operator.
    Quarantined(String),
    /// The store did not answer as it should; a later try may succeed. For the operator.
    StoreFailed(String),
    /// Nobody said what it is to hold at first; a later try may succeed. For the operator.
    NoFirstContent(String),
}

/// Where a room stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomState {
    /// Its durable past is being read.
    Loading,
    /// It handles events.
    Live,
    /// Its behaviour is being built anew.
    Rebuilding,
    /// It commits what is left.
    Draining,
    /// It is over.
    Stopped,
}

#[derive(Debug)]
enum Phase {
    Loading(Load),
    Live,
    Draining(stop::Draining),
    Stopped,
}

/// What a room is made with.
#[derive(Clone, Debug)]
pub struct RoomConfig {
    /// Its name.
    pub id: RoomId,
    /// The node it runs on.
    pub node: NodeId,
    /// The limits in force.
    pub limits: Limits,
    /// When others see an edit of a Yjs document.
    pub visibility: Visibility,
    /// What hooks want of it.
    pub hooks: Wishes,
    /// All its randomness comes from this.
    pub seed: u64,
}

/// Who caused an event: whom a fault is laid to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source<'a> {
    Session(SessionId),
    /// One that is not in the room yet, or not any more.
    Outsider(&'a Link),
    /// A request, and its sender.
    Request(RequestId, &'a str),
    /// A timer, a start, a job, a task: nobody to blame but the behaviour.
    Room,
}

/// How many events of a room ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Committed.
    pub ok: u64,
    /// Refused: they changed nothing.
    pub refused: u64,
    /// Faulted, panics included: the room was built anew.
    pub faults: u64,
}

impl Tally {
    /// What was counted since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            ok: self.ok - earlier.ok,
            refused: self.refused - earlier.refused,
            faults: self.faults - earlier.faults,
        }
    }
}

/// A room.
pub struct Room {
    config: RoomConfig,
    factory: Arc<BehaviourFactory>,
    behaviour: Option<Box<dyn Behaviour>>,
    phase: Phase,
    /// Room time.
    now: Millis,
    /// How far room time is ahead of the clock that the driver tells.
    ahead_ms: u64,
    events: u64,
    tally: Tally,
    hits: Hits,
    next_id: u64,
    sessions: BTreeMap<SessionId, Session>,
    links: BTreeMap<SessionId, Link>,
    presence: Presence,
    outbox: Outbox,
    journal: Journal,
    faults: Faults,
    idle_at: Option<Millis>,
    /// A drain that came while the room was being built anew.
    drain_wanted: Option<Drain>,
    /// What each request to the store that is under way is for.
    asked: VecDeque<(StoreTask, Asked)>,
    /// Tasks whose events are not durable yet, with the record that each waits for.
    tasks: Vec<(u64, TaskId, TaskSpec)>,
    /// Snapshots whose records are not durable yet.
    snapshots: Vec<(Part, u64, Bytes)>,
    /// Versions whose records are not durable yet.
    drafts: Vec<version::Draft>,
    /// The id of the newest version that was put.
    last_version: u64,
    generations: BTreeMap<Part, Generations>,
    /// The first record that the store still has.
    trimmed_below: u64,
    /// Whether the store has a row for this room: one in which nothing was written leaves none.
    known_to_store: bool,
    /// The behaviour's kind; empty before there is one.
    kind: &'static str,
    /// When the behaviour wants to be loaded again, as of the last record.
    next_wake: Option<Millis>,
    outputs: VecDeque<Output>,
    /// Who is to be told that there are frames, behind `outputs`: an output is large, and these are
    /// most of them.
    flushes: std::vec::IntoIter<SessionId>,
    deflate: Option<Deflate>,
    meta: Meta,
    requests: Requests,
    is_watched: bool,
    marks: Marks,
    /// Whether anybody was in it since it was made.
    was_joined: bool,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room")
            .field("id", &self.config.id)
            .field("state", &self.state())
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

impl Room {
    /// Makes a room that starts to load at once. `factory` makes its behaviour, now and for each
    /// rebuild; `now` is room time.
    #[must_use]
    pub fn new(config: RoomConfig, factory: Arc<BehaviourFactory>, now: Millis) -> Self {
        let mut room = Self {
            phase: Phase::Loading(Load::first()),
            outbox: Outbox::new(config.limits.outbox_bytes_max),
            config,
            factory,
            behaviour: None,
            now,
            ahead_ms: 0,
            events: 0,
            tally: Tally::default(),
            hits: Hits::default(),
            next_id: 0,
            sessions: BTreeMap::new(),
            links: BTreeMap::new(),
            presence: Presence::default(),
            journal: Journal::default(),
            faults: Faults::default(),
            idle_at: None,
            drain_wanted: None,
            asked: VecDeque::new(),
            tasks: Vec::new(),
            snapshots: Vec::new(),
            drafts: Vec::new(),
            last_version: 0,
            generations: BTreeMap::new(),
            trimmed_below: 1,
            known_to_store: false,
            kind: "",
            next_wake: None,
            outputs: VecDeque::new(),
            flushes: Vec::new().into_iter(),
            deflate: None,
            meta: Meta::default(),
            requests: Requests::default(),
            is_watched: false,
            marks: Marks::default(),
            was_joined: false,
        };
        room.acquire();
        room
    }

    /// Lends it a compressor for the sessions that take compressed frames; without one they get
    /// theirs as everybody.
    #[must_use]
    pub fn deflating(self, deflate: Deflate) -> Self {
        Self {
            deflate: Some(deflate),
            ..self
        }
    }

    /// Where the room stands.
    #[must_use]
    pub fn state(&self) -> RoomState {
        match &self.phase {
            Phase::Loading(load) if load.is_rebuild() => RoomState::Rebuilding,
            Phase::Loading(_) => RoomState::Loading,
            Phase::Live => RoomState::Live,
            Phase::Draining(_) => RoomState::Draining,
            Phase::Stopped => RoomState::Stopped,
        }
    }

    /// Whether inputs of sessions are taken now; while not, they wait in the mailbox.
    #[must_use]
    pub fn accepts(&self) -> bool {
        matches!(self.phase, Phase::Live | Phase::Draining(_)) && !self.requests.deletes()
    }

    /// The name.
    #[must_use]
    pub fn id(&self) -> &RoomId {
        &self.config.id
    }

    /// How many sessions are in it.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// How its events ended, since it was made.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Which limits it met since it was made, and what it did not have to send.
    #[must_use]
    pub const fn hits(&self) -> &Hits {
        &self.hits
    }

    /// Bytes that wait to be sent; a frame for many counts once.
    #[must_use]
    pub fn outbox_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// The seq of the last record that is on stable storage.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.journal.durable()
    }

    /// When the room wants to be loaded again, as of its last record: its earliest durable timer.
    #[must_use]
    pub fn next_wake(&self) -> Option<Millis> {
        self.next_wake
    }

    /// A hash of the behaviour's state, for checkers; 0 while there is none.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        self.behaviour
            .as_ref()
            .map_or(0, |behaviour| behaviour.state_hash())
    }

    /// Takes in what happened at time `now`. Room time follows it, but never runs backwards and is
    /// never below what was journaled: an earlier `now` counts as the last one.
    ///
    /// # Panics
    /// When a session's input is given while the room does not [`accept`](Self::accepts) any.
    pub fn handle_input(&mut self, now: Millis, input: Input) {
        self.now = self.now.max(now.plus(self.ahead_ms));
        if matches!(self.phase, Phase::Stopped) {
            return;
        }
        match input {
            Input::Join(id, hello) => self.join(id, hello),
            Input::Message(id, message) => self.message(id, message),
            Input::Renew(id, rights) => self.renew(id, rights),
            Input::Leave(id) => self.leave(id),
            Input::End(id, reason) => self.outbox.close(id, reason),
            Input::Request(id, caller, request) => self.request(id, &caller, request),
            Input::Watched(is_watched) => self.is_watched = is_watched,
            Input::FirstContent(found) => self.first_content(found),
            Input::StoreDone(task, reply) => self.store_done(task, reply),
            Input::ComputeDone(id, done) => self.compute_done(id, done),
            Input::TaskDone(id, result) => self.task_done(id, result),
            Input::Timeout => self.timeout(),
            Input::Drain(why) => self.drain(why),
        }
    }

    /// The next thing to be done; `None` when all is said for now.
    pub fn poll_output(&mut self) -> Option<Output> {
        if !self.outputs.is_empty() {
            return self.outputs.pop_front();
        }
        if let Some(session) = self.flushes.next() {
            return Some(Output::Flush(session));
        }
        self.submit_due();
        self.flushes = self.outbox.take_dirty().into_iter();
        if !self.outputs.is_empty() {
            return self.outputs.pop_front();
        }
        self.flushes.next().map(Output::Flush)
    }

    /// When [`Input::Timeout`] is wanted, in the driver's time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        let commit = self.journal.due_at(&self.config.limits);
        // Until the store has answered to the deletion nothing is written.
        let commit = commit.filter(|_| !self.requests.deletes());
        let resume = self.journal.resume_at();
        let idle = self.idle_at.filter(|_| matches!(self.phase, Phase::Live));
        let all = [self.behaviour_due_at(), commit, resume, idle];
        let at = all.into_iter().flatten().min()?;
        Some(Millis(at.since(Millis(self.ahead_ms))))
    }

    /// When the behaviour wants a timeout.
    fn behaviour_due_at(&self) -> Option<Millis> {
        if !matches!(self.phase, Phase::Live) {
            return None;
        }
        let writable = self.journal.resume_at().is_none();
        let behaviour = self.behaviour.as_ref()?;
        behaviour.poll_timeout(&self.presence, writable)
    }

    /// Moves frames for `session`, up to `budget` bytes but at least one when one may leave, into
    /// `out`: complete WebSocket frames, to be written in order. Call it when the connection can
    /// write and there was an [`Output::Flush`], or more was left.
    pub fn take_frames(
        &mut self,
        session: SessionId,
        budget: usize,
        out: &mut Vec<Bytes>,
    ) -> Taken {
        if let Some(missed_from) = self.outbox.lagged(session) {
            self.hits.limit("outbox_bytes_max");
            let resyncs = self
                .links
                .get(&session)
                .is_some_and(|l| l.protocol.resends());
            if !resyncs {
                self.outbox.close(session, CloseReason::Slow);
            } else if matches!(self.phase, Phase::Live) {
                self.outbox.restart(session);
                self.event(Source::Session(session), |b, cx| {
                    b.catch_up(session, missed_from, cx)
                });
                self.outbox.restarted(session);
            }
        }
        self.outbox.take(session, budget, out)
    }

    fn join(&mut self, id: SessionId, hello: Hello) {
        assert!(
            self.accepts(),
            "sessions wait in the mailbox until the room accepts them"
        );
        if let Some(reason) = self.no_entry(&hello) {
            self.outputs.push_back(Output::TurnedAway(id, reason));
            return;
        }
        let mut session = hello.session(id);
        let stream = Stream {
            protocol: hello.protocol,
            document: hello.document.clone(),
            address: hello.address.clone(),
            deflate: hello.deflate,
        };
        let link = hello.into_link(self.now);
        let admitted = self.event(Source::Outsider(&link), |b, cx| {
            Ok::<Result<Rights, Refuse>, Halt>(b.admit(&session, &link, cx))
        });
        let turned_away = match admitted {
            Some(Ok(rights)) => {
                session.rights = session.rights & rights;
                let may_read = session.rights.has(Rights::READ);
                (!may_read).then_some(CloseReason::Forbidden)
            }
            Some(Err(_)) => Some(CloseReason::Forbidden),
            None => Some(CloseReason::RoomFault),
        };
        if let Some(reason) = turned_away {
            return self.outputs.push_back(Output::TurnedAway(id, reason));
        }
        self.idle_at = None;
        self.was_joined = true;
        self.see(|| Seen::Joined {
            session: id,
            user: session.user.clone(),
            protocol: link.protocol,
            document: link.document.clone(),
            at: link.joined,
        });
        self.sessions.insert(id, session);
        self.links.insert(id, link);
        self.outbox.enter(id, stream, self.journal.next_seq());
        if self.links[&id].protocol.acknowledges() {
            self.tell_rights(id);
        }
        self.event(Source::Session(id), |b, cx| b.join(id, cx));
    }

    fn tell_rights(&mut self, id: SessionId) {
        let rights = self.sessions[&id].rights;
        self.send(To::One(id), &ServerMessage::LetIn(rights), 0, None);
    }

    /// A session showed a new credential, which gives it `rights`.
    fn renew(&mut self, id: SessionId, rights: Rights) {
        let live = matches!(self.phase, Phase::Live);
        let Some(mut session) = self.sessions.get(&id).cloned().filter(|_| live) else {
            return;
        };
        session.rights = rights;
        let link = self.links[&id].clone();
        let admitted = self.event(Source::Session(id), |b, cx| {
            Ok::<Result<Rights, Refuse>, Halt>(b.admit(&session, &link, cx))
        });
        let rights = match admitted {
            Some(Ok(narrowed)) => rights & narrowed,
            Some(Err(_)) => Rights::NONE,
            // It is closed already.
            None => return,
        };
        if !rights.has(Rights::READ) {
            return self.outbox.close(id, CloseReason::Forbidden);
        }
        session.rights = rights;
        self.sessions.insert(id, session);
        self.tell_rights(id);
    }

    fn no_entry(&self, hello: &Hello) -> Option<CloseReason> {
        if matches!(self.phase, Phase::Draining(_)) {
            return Some(CloseReason::Shutdown);
        }
        if self.sessions.len() >= self.config.limits.room_connections_max {
            return Some(CloseReason::RoomFull);
        }
        self.faults
            .holds_off(&hello.sender(), self.now)
            .then_some(CloseReason::RoomFault)
    }

    fn message(&mut self, id: SessionId, message: ClientMessage) {
        // A session that is being closed, or was never let in, has nothing more to say.
        let live = matches!(self.phase, Phase::Live);
        if !live || !self.sessions.contains_key(&id) || self.outbox.is_closing(id) {
            return;
        }
        self.event(Source::Session(id), |b, cx| b.message(id, message, cx));
    }

    fn leave(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        let link = self.links.remove(&id).expect("every session has a link");
        let at = self.now;
        self.see(|| Seen::Left { session: id, at });
        self.presence.debts.remove(&id);
        let left = if self.outbox.is_closing(id) {
            Left::Closed
        } else {
            Left::Gone
        };
        self.outbox.leave(id);
        if self.sessions.is_empty() {
            self.idle_at = Some(self.now.plus(self.config.limits.room_idle_ms));
        }
        if matches!(self.phase, Phase::Live) {
            let source = Source::Outsider(&link);
            self.event(source, |b, cx| b.leave(&session, &link, left, cx));
        }
    }

    fn task_done(&mut self, id: TaskId, result: TaskResult) {
        if matches!(self.phase, Phase::Live) {
            self.event(Source::Room, |b, cx| b.task_done(id, result, cx));
        }
    }

    fn timeout(&mut self) {
        let due = |at: Option<Millis>, now| at.is_some_and(|at| at <= now);
        if due(self.journal.resume_at(), self.now) {
            self.resume_writes();
        }
        if due(self.behaviour_due_at(), self.now) {
            self.event(Source::Room, |b, cx| b.timeout(cx));
        }
        let live = matches!(self.phase, Phase::Live);
        if live && due(self.idle_at, self.now) && self.sessions.is_empty() {
            self.idle_at = Some(self.now.plus(self.config.limits.room_idle_ms));
            if self.journal.is_settled()
                && self.behaviour.as_ref().is_some_and(|b| b.survives_unload())
            {
                self.outputs.push_back(Output::Idle);
            }
        }
    }

    /// Runs one event as a transaction; `None` when it did not commit.
    fn event<T>(
        &mut self,
        source: Source<'_>,
        run: impl FnOnce(&mut dyn Behaviour, &mut Cx<'_>) -> Result<T, Halt>,
    ) -> Option<T> {
        let mut behaviour = self.behaviour.take()?;
        self.events += 1;
        let mut cx = Cx {
            room: &self.config.id,
            now: self.now,
            seed: mix(self.config.seed ^ self.events),
            limits: &self.config.limits,
            visibility: self.config.visibility,
            writable: self.journal.resume_at().is_none(),
            sessions: &self.sessions,
            links: &self.links,
            presence: &mut self.presence,
            next_seq: self.journal.next_seq(),
            effects: Vec::new(),
            next_id: &mut self.next_id,
            hits: &mut self.hits,
        };
        let caught = catch_unwind(AssertUnwindSafe(|| {
            // A refusal must have changed nothing; checked where the check may cost.
            let before = cfg!(debug_assertions).then(|| behaviour.state_hash());
            let given = match run(behaviour.as_mut(), &mut cx) {
                Err(Halt::Refuse(_)) if before.is_some_and(|b| b != behaviour.state_hash()) => {
                    return Err(Fault("a handler refused and had changed something".into()).into());
                }
                given => given?,
            };
            behaviour.after_event(&mut cx)?;
            Ok(given)
        }));
        let effects = std::mem::take(&mut cx.effects);
        match caught {
            Ok(Ok(given)) => {
                self.tally.ok += 1;
                self.behaviour = Some(behaviour);
                self.commit(effects);
                Some(given)
            }
            Ok(Err(Halt::Refuse(refuse))) => {
                self.tally.refused += 1;
                self.behaviour = Some(behaviour);
                self.tell_refused(source, refuse);
                None
            }
            Ok(Err(Halt::Fault(fault))) => {
                self.fault(source, &fault);
                None
            }
            Err(_) => {
                self.fault(source, &Fault("a handler panicked".into()));
                None
            }
        }
    }

    fn tell_refused(&mut self, source: Source<'_>, refuse: Refuse) {
        match source {
            Source::Session(id) => {
                self.send(To::One(id), &ServerMessage::Refused(refuse), 0, None);
            }
            Source::Request(id, _) => self.refuse(id, refuse),
            Source::Outsider(_) | Source::Room => {}
        }
    }
}

/// The finalizer of SplitMix64: spreads a counter over all bits.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
