//! One Yjs document of a room: snapshot bytes, the log of accepted updates since, and a shadow that
//! answers what a yrs document would be asked for on the hot path. The yrs document itself is a
//! cache that lives in jobs.
//!
//! An update whose causes are not known here yet is *parked*: journaled and relayed as any other,
//! and kept apart until its causes come. yrs never sees it before: what it cannot integrate at once
//! it merges into one pending update, and it loses contents by that (0.28.1).

use bytes::Bytes;
use greenroom_service::{Millis, Outcome, Refuse, SessionId, To};

use super::engine::Engine;
use super::gate::CheckedUpdate;
use super::job::{DocumentJob, LoadedDocument, Work, Worked, unpark};
use super::records::{document_record, encode_snapshot, skipped_record};
use super::shadow::{Shadow, Verdict};
use super::update::{Digest, StateVector};
use crate::close_reason::CloseReason;
use crate::protocol::{ServerMessage, YjsMessage};
use crate::room::behaviour::{Cx, Effect, Slot, Visibility};
use crate::room::job::{ComputeId, Job};
use crate::store::Part;

/// A cached yrs document is dropped when no job needed it for this long.
const ENGINE_IDLE_MS: u64 = 30_000;

/// An update of nothing: no clients, no deletes.
const EMPTY_UPDATE: Bytes = Bytes::from_static(&[0, 0]);

/// A job under way.
#[derive(Clone, Copy, Debug)]
struct Running {
    id: ComputeId,
    /// The last record of the room when it started.
    seq: u64,
    /// How many updates of the tail it was given; later ones only stand behind them.
    given: usize,
}

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    name: String,
    shadow: Shadow,
    /// Everything up to record `base_seq` but what is parked or unmergeable, as an update; empty
    /// when nothing is.
    base: Bytes,
    base_seq: u64,
    /// The updates since, with their seqs, each ready after those before it.
    tail: Vec<(u64, Bytes)>,
    tail_bytes: usize,
    /// Updates whose causes are not known here; not in the shadow.
    parked: Vec<(u64, Bytes, Digest)>,
    parked_bytes: usize,
    /// Updates that yrs could not take in; in the shadow.
    unmergeable: Vec<(u64, Bytes)>,
    /// The document cannot be built: joiners get its raw updates.
    broken: bool,
    /// Updates and bytes since the snapshot in the store.
    unstored: usize,
    unstored_bytes: usize,
    stored_seq: u64,
    /// The cached yrs document, and how many updates of the tail are in it.
    engine: Option<(Engine, usize)>,
    engine_used: Millis,
    running: Option<Running>,
    /// Sessions that wait to be told what they lack.
    waiting: Vec<(SessionId, StateVector)>,
    /// A snapshot is to be kept as soon as a job has made one.
    wants_snapshot: bool,
}

impl Document {
    pub(crate) fn new(name: &str) -> Self {
        Self::from_loaded(LoadedDocument {
            name: name.into(),
            base: Bytes::new(),
            base_seq: 0,
            tail: Vec::new(),
            parked: Vec::new(),
            shadow: Shadow::default(),
            unreadable: Vec::new(),
        })
    }

    /// The document as a load job read it.
    pub(crate) fn from_loaded(loaded: LoadedDocument) -> Self {
        let tail_bytes = loaded.tail.iter().map(|(_, update)| update.len()).sum();
        let parked_bytes = loaded
            .parked
            .iter()
            .map(|(_, update, _)| update.len())
            .sum();
        Self {
            name: loaded.name,
            shadow: loaded.shadow,
            base: loaded.base,
            base_seq: loaded.base_seq,
            unstored: loaded.tail.len(),
            unstored_bytes: tail_bytes,
            stored_seq: loaded.base_seq,
            tail: loaded.tail,
            tail_bytes,
            parked: loaded.parked,
            parked_bytes,
            unmergeable: Vec::new(),
            broken: false,
            engine: None,
            engine_used: Millis(0),
            running: None,
            waiting: Vec::new(),
            wants_snapshot: false,
        }
    }

    /// Whether nothing was ever written into it.
    pub(crate) fn is_blank(&self) -> bool {
        self.base_seq == 0 && self.unmerged().len() == 0 && self.tail.is_empty()
    }

    /// Whether it can be forgotten: blank, and nothing under way.
    pub(crate) fn is_unused(&self) -> bool {
        self.is_blank() && self.running.is_none()
    }

    /// Says what the room has, so that the peer sends what it has more.
    pub(crate) fn ask(&self, to: To, cx: &mut Cx<'_>) {
        let vector = self.shadow.encode_state_vector();
        self.say(to, YjsMessage::SyncStep1(vector), cx);
    }

    /// Answers a peer that has `vector`. From the shadow alone when it lacks no content, from the
    /// snapshot when it has nothing and the snapshot is current; otherwise a job makes the answer.
    pub(crate) fn answer(&mut self, session: SessionId, vector: StateVector, cx: &mut Cx<'_>) {
        if self.shadow.covers(&vector) {
            let update = self.shadow.delete_set_update();
            return self.say_whole(session, update, cx);
        }
        if self.is_new_to(&vector) && self.tail.is_empty() && !self.base.is_empty() {
            return self.say_whole(session, self.base.clone(), cx);
        }
        if self.broken {
            return self.say_raw(session, cx);
        }
        self.waiting.retain(|(waiting, _)| *waiting != session);
        self.waiting.push((session, vector));
        self.work(cx);
    }

    /// Brings a session up to date that missed the records from `missed_from` on.
    pub(crate) fn catch_up(&mut self, session: SessionId, missed_from: u64, cx: &mut Cx<'_>) {
        let unmerged = self.unmerged();
        let tail = self.tail.iter().map(|(seq, update)| (*seq, update));
        let missed = tail.chain(unmerged).filter(|(seq, _)| *seq >= missed_from);
        let missed: Vec<_> = missed.map(|(_, update)| update.clone()).collect();
        let bytes: usize = missed.iter().map(Bytes::len).sum();
        if missed_from <= self.base_seq || bytes > cx.limits.outbox_bytes_max / 2 {
            return self.answer(session, StateVector::default(), cx);
        }
        for update in missed {
            self.say(To::One(session), YjsMessage::Update(update), cx);
        }
    }

    /// Judges an update; journals and relays it when it brings anything new.
    pub(crate) fn take(
        &mut self,
        session: SessionId,
        update: CheckedUpdate,
        may_write: bool,
        cx: &mut Cx<'_>,
    ) -> Outcome {
        let verdict = self.shadow.verdict(&update.digest);
        let known_raw = |(_, known): (u64, &Bytes)| *known == update.bytes;
        if verdict == Verdict::NoOp || self.unmerged().any(known_raw) {
            return Ok(());
        }
        if !may_write {
            return Err(Refuse::new("read_only", "the token does not allow writing here").into());
        }
        if !cx.writable {
            let reason =
                "the store takes no writes now; the change is asked for again when it does";
            return Err(Refuse::new("store_unavailable", reason).into());
        }
        if let Verdict::Refused(error) = verdict {
            return Err(Refuse::new("update", error.to_string()).into());
        }
        let size = self.base.len() + self.tail_bytes + self.parked_bytes + update.bytes.len();
        if size > cx.limits.document_bytes_max {
            let reason = format!(
                "the document has its {} bytes",
                cx.limits.document_bytes_max
            );
            return Err(Refuse::new("document_full", reason).into());
        }
        if verdict == Verdict::Ready {
            self.accept(session, update, cx);
        } else if self.parked_bytes + update.bytes.len() > cx.limits.pending_bytes_max {
            // Only a new handshake can bring the causes of so much.
            cx.close(session, CloseReason::RoomFault);
        } else {
            self.park(session, update, cx);
        }
        Ok(())
    }

    /// Whether a peer with `vector` has nothing of this document, so that it lacks all of it.
    fn is_new_to(&self, vector: &StateVector) -> bool {
        let ours = self.shadow.state_vector();
        vector
            .iter()
            .all(|(client, clock)| clock == 0 || ours.get(client) == 0)
    }

    fn accept(&mut self, session: SessionId, update: CheckedUpdate, cx: &mut Cx<'_>) {
        let seq = self.journal_and_relay(session, &update.bytes, cx);
        self.shadow.apply(&update.digest);
        self.tail_bytes += update.bytes.len();
        self.tail.push((seq, update.bytes));
        if !self.parked.is_empty() {
            unpark(&mut self.shadow, &mut self.parked, &mut self.tail);
            self.count_bytes();
        }
        self.work(cx);
    }

    /// Keeps an update whose causes are not known here, and asks its sender for them.
    fn park(&mut self, session: SessionId, update: CheckedUpdate, cx: &mut Cx<'_>) {
        self.ask(To::One(session), cx);
        let seq = self.journal_and_relay(session, &update.bytes, cx);
        self.parked_bytes += update.bytes.len();
        self.parked.push((seq, update.bytes, update.digest));
    }

    fn journal_and_relay(&mut self, session: SessionId, update: &Bytes, cx: &mut Cx<'_>) -> u64 {
        let seq = cx.record(document_record(&self.name, update));
        self.say(To::Except(session), YjsMessage::Update(update.clone()), cx);
        self.unstored += 1;
        self.unstored_bytes += update.len();
        seq
    }

    /// Starts what is due: a job for those who wait, or for a snapshot.
    fn work(&mut self, cx: &mut Cx<'_>) {
        let limits = cx.limits;
        let bytes_due = limits.compact_bytes_min.max(self.base.len());
        let due = self.unstored >= limits.compact_updates_max || self.unstored_bytes >= bytes_due;
        self.wants_snapshot |= due && !self.broken;
        if self.running.is_some() || (!self.wants_snapshot && self.waiting.is_empty()) {
            return;
        }
        let (fresh, others): (Vec<_>, Vec<_>) = self
            .waiting
            .iter()
            .cloned()
            .partition(|(_, vector)| self.is_new_to(vector));
        let work = Work {
            name: self.name.clone(),
            engine: self.engine.take(),
            base: self.base.clone(),
            tail: self.tail.clone(),
            careful: !self.unmergeable.is_empty(),
            encode: self.wants_snapshot || !fresh.is_empty(),
            diffs: others,
        };
        self.running = Some(Running {
            seq: cx.next_seq - 1,
            given: work.tail.len(),
            id: cx.compute(Job::Document(DocumentJob::Work(Box::new(work)))),
        });
    }

    /// Whether job `id` is this document's.
    pub(crate) fn runs(&self, id: ComputeId) -> bool {
        self.running.is_some_and(|running| running.id == id)
    }

    /// Whether a job is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Its job came back; `None` when it panicked outside of the guard over yrs.
    pub(crate) fn worked(&mut self, worked: Option<Worked>, cx: &mut Cx<'_>) {
        let running = self.running.take().expect("the job is this document's");
        let Some(worked) = worked else {
            return self.become_broken("its job panicked", cx);
        };
        if let Some(error) = &worked.broken {
            return self.become_broken(error, cx);
        }
        let mut given: Vec<_> = self.tail.drain(..running.given).collect();
        given.retain(|(seq, update)| {
            let failed = worked.failed.iter().find(|(failed, _)| failed == seq);
            if let Some((_, error)) = failed {
                self.unmergeable.push((*seq, update.clone()));
                cx.record(skipped_record(*seq, &self.name, error));
                let note = format!("update at seq {seq} cannot be merged: {error}");
                cx.effects.push(Effect::Note(note));
            }
            failed.is_none()
        });
        self.engine_used = cx.now;
        if let Some(encoded) = worked.encoded {
            self.engine = worked.engine.map(|engine| (engine, 0));
            self.rebase(encoded, running.seq, cx);
        } else {
            self.engine = worked.engine.map(|engine| (engine, given.len()));
            self.tail.splice(..0, given);
        }
        self.count_bytes();
        for (session, update) in worked.diffs {
            if self.stop_waiting(session) {
                self.say_whole(session, update, cx);
            }
        }
        self.work(cx);
    }

    /// The state as of record `seq` is `encoded`: answers those who had nothing, keeps a snapshot.
    fn rebase(&mut self, encoded: Bytes, seq: u64, cx: &mut Cx<'_>) {
        self.base = encoded;
        self.base_seq = seq;
        let (fresh, others) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(_, vector)| self.is_new_to(vector));
        self.waiting = others;
        for (session, _) in fresh {
            self.say_whole(session, self.base.clone(), cx);
        }
        if self.wants_snapshot {
            self.keep_snapshot(cx);
        }
    }

    fn count_bytes(&mut self) {
        self.tail_bytes = self.tail.iter().map(|(_, update)| update.len()).sum();
        self.parked_bytes = self.parked.iter().map(|(_, update, _)| update.len()).sum();
    }

    fn keep_snapshot(&mut self, cx: &mut Cx<'_>) {
        self.wants_snapshot = false;
        self.unstored = self.tail.len();
        self.unstored_bytes = self.tail_bytes;
        self.stored_seq = self.base_seq;
        // An update that was parked when the base was made, and whose causes came since.
        let unparked = self.tail.iter().filter(|(seq, _)| *seq <= self.base_seq);
        let unparked = unparked.map(|(_, update)| update);
        let unmerged: Vec<_> = self
            .unmerged()
            .map(|(_, update)| update)
            .chain(unparked)
            .collect();
        let data = encode_snapshot(&self.base, unmerged.into_iter());
        let part = Part::Document(self.name.clone());
        cx.effects.push(Effect::Snapshot(part, self.base_seq, data));
    }

    /// Keeps the same snapshot as of a later record, so that an old one does not hold on to the
    /// journal of the whole room.
    pub(crate) fn renew_snapshot(&mut self, cx: &mut Cx<'_>) {
        let head = cx.next_seq - 1;
        let quiet = self.tail.is_empty() && self.running.is_none() && !self.is_blank();
        if quiet && head.saturating_sub(self.stored_seq) >= cx.limits.compact_updates_max as u64 {
            self.base_seq = head;
            self.keep_snapshot(cx);
        }
    }

    fn become_broken(&mut self, error: &str, cx: &mut Cx<'_>) {
        self.broken = true;
        self.wants_snapshot = false;
        self.engine = None;
        let note = format!("a document cannot be built: {error}");
        cx.effects.push(Effect::Note(note));
        for (session, _) in std::mem::take(&mut self.waiting) {
            self.say_raw(session, cx);
        }
    }

    /// The room is about to stop: makes a snapshot of what changed; whether it is still at work.
    pub(crate) fn prepare_stop(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.running.is_none() && self.unstored > 0 && !self.broken {
            if self.tail.is_empty() && self.base_seq > 0 {
                self.base_seq = cx.next_seq - 1;
                self.keep_snapshot(cx);
            } else {
                self.wants_snapshot = true;
                self.work(cx);
            }
        }
        self.running.is_some()
    }

    /// Drops the cached yrs document when it was not needed for a while.
    pub(crate) fn drop_idle_engine(&mut self, now: Millis) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.engine = None;
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Millis> {
        self.engine
            .as_ref()
            .map(|_| self.engine_used.plus(ENGINE_IDLE_MS))
    }

    /// Nobody waits on behalf of `session` any more.
    pub(crate) fn leave(&mut self, session: SessionId) {
        self.stop_waiting(session);
    }

    fn stop_waiting(&mut self, session: SessionId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(waiting, _)| *waiting != session);
        self.waiting.len() < before
    }

    /// A hash of what a refusal must leave alone.
    pub(crate) fn state_hash(&self) -> u32 {
        let mut hash = crc32fast::Hasher::new();
        hash.update(&self.shadow.encode_state_vector());
        hash.update(&self.shadow.delete_set_update());
        for count in [self.tail.len(), self.parked_bytes, self.waiting.len()] {
            hash.update(&(count as u64).to_le_bytes());
        }
        hash.finalize()
    }

    /// Updates that are in no snapshot's merged state, with their seqs.
    fn unmerged(&self) -> impl ExactSizeIterator<Item = (u64, &Bytes)> {
        let parked = self.parked.iter().map(|(seq, update, _)| (*seq, update));
        let unmergeable = self.unmergeable.iter().map(|(seq, update)| (*seq, update));
        let both: Vec<_> = unmergeable.chain(parked).collect();
        both.into_iter()
    }

    fn say(&self, to: To, message: YjsMessage, cx: &mut Cx<'_>) {
        let message = ServerMessage::Yjs(self.name.clone(), message);
        cx.send(to, message, Visibility::Early);
    }

    /// Sends the answer to a sync step 1, and before it what is not merged: a peer calls itself
    /// synced on the answer, and must not while it lacks something. Only the newest answer waits: a
    /// peer that asks again without reading costs one.
    fn say_whole(&self, session: SessionId, update: Bytes, cx: &mut Cx<'_>) {
        for (_, raw) in self.unmerged() {
            self.say(To::One(session), YjsMessage::Update(raw.clone()), cx);
        }
        let message = ServerMessage::Yjs(self.name.clone(), YjsMessage::SyncStep2(update));
        cx.effects.push(Effect::SendLatest(
            To::One(session),
            Slot::SyncAnswer,
            message,
            Visibility::Early,
        ));
    }

    /// Sends what there is as it is.
    fn say_raw(&self, session: SessionId, cx: &mut Cx<'_>) {
        for (_, update) in &self.tail {
            self.say(To::One(session), YjsMessage::Update(update.clone()), cx);
        }
        let base = if self.base.is_empty() {
            EMPTY_UPDATE
        } else {
            self.base.clone()
        };
        self.say_whole(session, base, cx);
    }
}
