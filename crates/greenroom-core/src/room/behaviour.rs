//! The seam inside the core: what a room does with its events. [`collab`](crate::collab) implements
//! it, and one adapter runs any [`Service`](greenroom_service::Service).

use std::collections::BTreeMap;

use bytes::Bytes;
use greenroom_service::{
    Fault, Left, Message, Millis, Outcome, Refuse, Rights, RoomId, Session, SessionId, Start,
    TaskId, TaskResult, TaskSpec, To, UserId,
};

use crate::close_reason::CloseReason;
use crate::limits::Limits;
use crate::protocol::{ClientMessage, ServerMessage};
use crate::room::hits::Hits;
use crate::room::job::{ComputeId, Job, JobDone};
use crate::room::presence::Presence;
use crate::room::request::{ContentRequest, PartShown, Reply, RequestId};
use crate::room::session::Link;
use crate::room::version::Draft;
use crate::store::envelope::Record;
use crate::store::{Part, VersionId};

/// When a sent message may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// At once. Only for Yjs updates (they commute, and their sender still holds what a crash
    /// lost) and for presence.
    Early,
    /// After the records of this event, and all before them, are on stable storage.
    Durable,
}

/// Where a message waits of which only the newest matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A service's own.
    Service(u32),
    /// The answer to a Yjs sync step 1. It does not count against the outbox limit: there is one
    /// per session, and its bytes are mostly shared.
    SyncAnswer,
    /// What such an answer needs before it, by number. The first replaces all that wait.
    SyncPart(usize),
}

/// What a handler wishes to happen; carried out together when it says `Ok`, in order.
#[derive(Debug)]
pub enum Effect {
    /// Send a message.
    Send(To, ServerMessage, Visibility),
    /// Send a message that replaces an unsent one of the same slot.
    SendLatest(To, Slot, ServerMessage, Visibility),
    /// Send a message that holds up no other and which the session gets even when it falls behind: a
    /// receipt, or a question whose answer is told apart by its order.
    SendSure(SessionId, ServerMessage, Visibility),
    /// A session said something that nobody else in the room is to hear: those who watch do.
    Said(SessionId, Message),
    /// The session counts its writes anew: receipts that have not left are dropped.
    ForgetReceipts(SessionId),
    /// Journal a record.
    Record(Record),
    /// Close a session.
    Close(SessionId, CloseReason),
    /// Give a session a tag.
    Tag(SessionId, String),
    /// Start work outside.
    Task(TaskId, TaskSpec),
    /// Start heavy work of the core itself.
    Compute(ComputeId, Job),
    /// Keep the state of a part after record `seq`, once that record is durable.
    Snapshot(Part, u64, Bytes),
    /// Keep a version of a document, once the records that it includes are durable. Who asked for it
    /// is answered when the store has it.
    Version(Draft),
    /// Drop a version of a document; the request is answered when the store has done it.
    DropVersion {
        /// Who asked.
        request: RequestId,
        /// The document.
        document: String,
        /// Which.
        id: VersionId,
    },
    /// Tell the operator; `text` names no payload.
    Note(String),
    /// Answer a request.
    Reply(RequestId, Reply, Visibility),
}

/// What the room lends a behaviour for one event.
#[derive(Debug)]
pub struct Cx<'a> {
    /// The room's name.
    pub room: &'a RoomId,
    /// Room time of this event.
    pub now: Millis,
    /// Randomness of this event.
    pub seed: u64,
    /// The limits in force.
    pub limits: &'a Limits,
    /// When others see an edit of a Yjs document.
    pub visibility: Visibility,
    /// Whether records can be journaled now; while not, what would record one must refuse.
    pub writable: bool,
    /// The sessions, in the order of their ids.
    pub sessions: &'a BTreeMap<SessionId, Session>,
    /// What the core knows of each session besides.
    pub links: &'a BTreeMap<SessionId, Link>,
    /// Ephemeral state; it is the room's and survives a rebuild, so that changes to it are not
    /// undone when an event faults.
    pub presence: &'a mut Presence,
    /// The seq that the next recorded record will get.
    pub next_seq: u64,
    /// What was recorded so far.
    pub effects: Vec<Effect>,
    /// The next compute or task id.
    pub next_id: &'a mut u64,
    /// Which limits were met: the room's, and no effect of the event, so that it also holds those
    /// by which the event was refused.
    pub hits: &'a mut Hits,
}

impl Cx<'_> {
    /// Sends `message` with this visibility.
    pub fn send(&mut self, to: To, message: ServerMessage, visibility: Visibility) {
        self.effects.push(Effect::Send(to, message, visibility));
    }

    /// Journals a record and gives the seq that it gets if the handler says `Ok`.
    pub fn record(&mut self, record: Record) -> u64 {
        self.effects.push(Effect::Record(record));
        self.next_seq += 1;
        self.next_seq - 1
    }

    /// Starts a job; its end comes back as [`Behaviour::compute_done`].
    pub fn compute(&mut self, job: Job) -> ComputeId {
        let id = ComputeId(self.fresh_id());
        self.effects.push(Effect::Compute(id, job));
        id
    }

    /// Whether this session is told of each of its writes that it is on stable storage.
    #[must_use]
    pub fn acknowledges(&self, session: SessionId) -> bool {
        let link = self.links.get(&session);
        link.is_some_and(|link| link.protocol.acknowledges())
    }

    /// Closes a session.
    pub fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.effects.push(Effect::Close(session, reason));
    }

    /// A number that no job and no task of this room had since it was loaded.
    pub fn fresh_id(&mut self) -> u64 {
        *self.next_id += 1;
        *self.next_id
    }
}

/// The durable past of a room, or of what is left of it above its snapshots.
#[derive(Debug, Default)]
pub struct Past {
    /// Per part its newest sound snapshot, envelope taken off.
    pub snapshots: Vec<(Part, u64, Bytes)>,
    /// Every record that is still in the journal with its seq, in order; also those that a
    /// snapshot includes.
    pub records: Vec<(u64, Record)>,
    /// The seq of the last record; 0 when nothing was ever written.
    pub head: u64,
}

/// Whether a behaviour is ready, after `load` or `prepare_stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is.
    Ready,
    /// It waits for jobs that it started; ask again after each [`Behaviour::compute_done`].
    Working,
}

/// What a room does. The room calls it for one event at a time and carries out the effects that it
/// recorded when it says `Ok`.
///
/// A handler that refuses must have changed nothing: debug builds compare
/// [`state_hash`](Self::state_hash). After a fault, a panic, or a failed append the behaviour is
/// dropped and built anew from the durable past.
pub trait Behaviour: Send {
    /// Takes in the durable past. Called once, first.
    ///
    /// # Errors
    /// [`Fault`] when the past cannot be read: the room is quarantined, its data kept.
    fn load(&mut self, past: Past, cx: &mut Cx<'_>) -> Result<Progress, Fault>;

    /// The room is live.
    ///
    /// # Errors
    /// See [`Halt`](greenroom_service::Halt).
    fn start(&mut self, why: Start, cx: &mut Cx<'_>) -> Outcome;

    /// The store takes writes again after it took none.
    ///
    /// # Errors
    /// See [`Halt`](greenroom_service::Halt).
    fn writes_resumed(&mut self, cx: &mut Cx<'_>) -> Outcome;

    /// May `session` join, and with which rights? Who may not read is turned away anyway.
    ///
    /// # Errors
    /// [`Refuse`] turns it away.
    fn admit(&mut self, session: &Session, link: &Link, cx: &mut Cx<'_>) -> Result<Rights, Refuse>;

    /// A session joined.
    ///
    /// # Errors
    /// See [`Halt`](greenroom_service::Halt).
    fn join(&mut self, session: SessionId, cx: &mut Cx<'_>) -> Outcome;

    /// A session sent a message.
    ///
    /// # Errors
    /// See [`Halt`](greenroom_service::Halt).
    fn message(&mut self, session: SessionId, message: ClientMessage, cx: &mut Cx<'_>) -> Outcome;

    /// A request about what the room holds: answer it by [`Effect::Reply`], now or after a job. What
    /// `user` changes is laid to them.
    ///
    /// # Errors
    /// See [`Halt`](greenroom_service::Halt); a refusal is the answer.
    fn request(
        &mut self,
        id: RequestId,
        user: Option<&UserId>,
        request: ContentRequest,
        cx: &mut Cx<'_>,
    ) -> Outcome;

    /// A session left and is no longer among the sessions.
    ///
    /// # Errors
    /// See [`Halt`](greenroom_service::Halt).
    fn leave(&mut self, session: &Session, link: &Link, left: Left, cx: &mut Cx<'_>) -> Outcome;

    /// A session fell so far behind that frames for it are gone, and reads again: bring it up to
    /// date. `missed_from` is the first record whose sends it may have missed.
    ///
    /// # Errors
    /// See [`Halt`](greenroom_service::Halt).
    fn catch_up(&mut self, session: SessionId, missed_from: u64, cx: &mut Cx<'_>) -> Outcome;

    /// The time of [`poll_timeout`](Self::poll_timeout) has come.
    ///
    /// # Errors
    /// See [`Halt`](greenroom_service::Halt).
    fn timeout(&mut self, cx: &mut Cx<'_>) -> Outcome;

    /// When [`timeout`](Self::timeout) wants to be called. What it would have to write waits until
    /// the store takes writes, which `writable` says: otherwise the room would spin meanwhile.
    fn poll_timeout(&self, presence: &Presence, writable: bool) -> Option<Millis>;

    /// A job ended.
    ///
    /// # Errors
    /// See [`Halt`](greenroom_service::Halt).
    fn compute_done(
        &mut self,
        id: ComputeId,
        done: JobDone,
        cx: &mut Cx<'_>,
    ) -> Result<Progress, Fault>;

    /// Work outside ended.
    ///
    /// # Errors
    /// See [`Halt`](greenroom_service::Halt).
    fn task_done(&mut self, id: TaskId, result: TaskResult, cx: &mut Cx<'_>) -> Outcome;

    /// The room is about to stop: record snapshots of what changed since the last ones.
    fn prepare_stop(&mut self, cx: &mut Cx<'_>) -> Progress;

    /// Called after each handler that said `Ok`, within its event: records what must survive
    /// besides what the handler recorded, and starts what is due for its size.
    ///
    /// # Errors
    /// [`Fault`] when the state is larger than allowed.
    fn after_event(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault>;

    /// The parts that have durable state.
    fn parts(&self) -> Vec<Part>;

    /// What it holds, for people.
    fn show(&self) -> Vec<PartShown>;

    /// When an unloaded room wants to be loaded: its earliest durable timer.
    fn next_wake(&self) -> Option<Millis>;

    /// Whether unloading it would lose nothing.
    fn survives_unload(&self) -> bool;

    /// A hash of everything that a refusal must leave alone.
    fn state_hash(&self) -> u64;

    /// The room's kind, for its meta.
    fn kind(&self) -> &'static str;
}

/// Makes the behaviour of a room, empty; [`Behaviour::load`] follows.
pub type BehaviourFactory = dyn Fn(&RoomId) -> Box<dyn Behaviour> + Send + Sync;
