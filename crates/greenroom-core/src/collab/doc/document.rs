//! One Yjs document of a room: snapshot bytes, the log of accepted updates since, and a shadow that
//! answers what a yrs document would be asked for on the hot path. The yrs document itself is a
//! cache that lives in jobs.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use greenroom_service::{Millis, Outcome, Refuse, SessionId, To};

use super::engine::Engine;
use super::gate::CheckedUpdate;
use super::job::{DocumentJob, LoadDocument, LoadedDocument, Work, Worked};
use super::shadow::{Shadow, Verdict};
use super::update::StateVector;
use crate::close_reason::CloseReason;
use crate::protocol::lib0::{ReadError, Reader, put_var_bytes, put_var_uint};
use crate::protocol::{ServerMessage, YjsMessage};
use crate::room::behaviour::{Cx, Effect, Slot, Visibility};
use crate::room::job::{ComputeId, Job};
use crate::store::Part;
use crate::store::envelope::{Record, RecordKind};

/// A cached yrs document is dropped when no job needed it for this long.
const ENGINE_IDLE_MS: u64 = 30_000;

/// An update that waits for its trial.
#[derive(Debug)]
struct Suspect {
    session: SessionId,
    update: CheckedUpdate,
}

/// What the job that runs was asked for.
#[derive(Debug)]
struct Running {
    id: ComputeId,
    /// Its trial, which the next job repeats when it is lost.
    suspect: Option<Suspect>,
}

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    name: String,
    shadow: Shadow,
    /// Everything up to record `base_seq`, as an update; empty when nothing is.
    base: Bytes,
    base_seq: u64,
    /// The updates since, with their seqs.
    tail: Vec<(u64, Bytes)>,
    tail_bytes: usize,
    /// Updates that yrs could not take in: sent to joiners as they are.
    unmergeable: Vec<Bytes>,
    /// The document cannot be built: joiners get its raw updates.
    broken: bool,
    /// Updates and bytes since the snapshot in the store.
    unstored: usize,
    unstored_bytes: usize,
    stored_seq: u64,
    engine: Option<(Engine, u64)>,
    engine_used: Millis,
    running: Option<Running>,
    /// Sessions that wait to be told what they lack.
    waiting: Vec<(SessionId, StateVector)>,
    suspects: VecDeque<Suspect>,
    suspect_bytes: usize,
    /// A snapshot is to be kept as soon as a job has made one.
    wants_snapshot: bool,
}

impl Document {
    pub(crate) fn new(name: &str) -> Self {
        let past = LoadDocument {
            name: name.into(),
            base: Bytes::new(),
            tail: Vec::new(),
            unmergeable: Vec::new(),
        };
        let read = LoadedDocument {
            past,
            shadow: Shadow::default(),
            unreadable: Vec::new(),
        };
        Self::from_loaded(read, 0)
    }

    /// The document as a load job read it; its snapshot includes all up to `base_seq`.
    pub(crate) fn from_loaded(loaded: LoadedDocument, base_seq: u64) -> Self {
        let LoadDocument {
            name,
            base,
            tail,
            unmergeable,
        } = loaded.past;
        let tail_bytes = tail.iter().map(|(_, update)| update.len()).sum();
        Self {
            name,
            shadow: loaded.shadow,
            base,
            base_seq,
            unstored: tail.len(),
            unstored_bytes: tail_bytes,
            stored_seq: base_seq,
            tail,
            tail_bytes,
            unmergeable,
            broken: false,
            engine: None,
            engine_used: Millis(0),
            running: None,
            waiting: Vec::new(),
            suspects: VecDeque::new(),
            suspect_bytes: 0,
            wants_snapshot: false,
        }
    }

    /// Whether anything was ever written into it.
    pub(crate) fn is_blank(&self) -> bool {
        self.base_seq == 0 && self.tail.is_empty() && self.unmergeable.is_empty()
    }

    /// Whether it can be forgotten: blank, and nothing under way.
    pub(crate) fn is_unused(&self) -> bool {
        self.is_blank() && self.running.is_none() && self.suspects.is_empty()
    }

    /// Says what the room has, so that the peer sends what it has more.
    pub(crate) fn ask(&self, to: To, cx: &mut Cx<'_>) {
        let vector = self.shadow.encode_state_vector();
        self.say(to, YjsMessage::SyncStep1(vector), cx);
    }

    /// Answers a peer that has `vector`. From the shadow alone when it lacks no content, from the
    /// snapshot when it has nothing and the snapshot is current; otherwise a job makes the answer.
    pub(crate) fn answer(&mut self, session: SessionId, vector: StateVector, cx: &mut Cx<'_>) {
        if !self.shadow.has_pending() && self.shadow.covers(&vector) {
            let update = self.shadow.delete_set_update();
            return self.say_whole(session, update, cx);
        }
        let has_nothing = self.is_new_to(&vector);
        if has_nothing && self.tail.is_empty() && !self.base.is_empty() {
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
        let missed = self.tail.partition_point(|(seq, _)| *seq < missed_from);
        let bytes: usize = self.tail[missed..]
            .iter()
            .map(|(_, update)| update.len())
            .sum();
        if missed_from <= self.base_seq || bytes > cx.limits.outbox_bytes_max / 2 {
            return self.answer(session, StateVector::default(), cx);
        }
        for (_, update) in &self.tail[missed..] {
            self.say(To::One(session), YjsMessage::Update(update.clone()), cx);
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
        if verdict == Verdict::NoOp {
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
        if verdict == Verdict::TooDeep {
            let reason = "shared types would lie in one another too deep";
            return Err(Refuse::new("too_deep", reason).into());
        }
        let size = self.base.len() + self.tail_bytes + self.suspect_bytes + update.bytes.len();
        if size > cx.limits.document_bytes_max {
            let reason = format!(
                "the document has its {} bytes",
                cx.limits.document_bytes_max
            );
            return Err(Refuse::new("document_full", reason).into());
        }
        if verdict == Verdict::Ready {
            self.accept(session, &update, cx);
            return Ok(());
        }
        // Its causes are not known here: ask for them, and try the update before it is trusted.
        let pending = self.shadow.pending_bytes() + self.suspect_bytes + update.bytes.len();
        if pending > cx.limits.pending_bytes_max {
            cx.close(session, CloseReason::RoomFault);
            return Ok(());
        }
        self.ask(To::One(session), cx);
        self.suspect_bytes += update.bytes.len();
        self.suspects.push_back(Suspect { session, update });
        self.work(cx);
        Ok(())
    }

    /// Whether a peer with `vector` has nothing of this document, so that it lacks all of it.
    fn is_new_to(&self, vector: &StateVector) -> bool {
        let ours = self.shadow.state_vector();
        vector
            .iter()
            .all(|(client, clock)| clock == 0 || ours.get(client) == 0)
    }

    fn accept(&mut self, session: SessionId, update: &CheckedUpdate, cx: &mut Cx<'_>) {
        self.shadow.apply(&update.digest);
        let seq = cx.record(document_record(&self.name, &update.bytes));
        let relayed = YjsMessage::Update(update.bytes.clone());
        self.say(To::Except(session), relayed, cx);
        self.tail_bytes += update.bytes.len();
        self.unstored_bytes += update.bytes.len();
        self.unstored += 1;
        self.tail.push((seq, update.bytes.clone()));
    }

    /// Starts what is due: a job for those who wait, for a suspect, or for a snapshot.
    pub(crate) fn work(&mut self, cx: &mut Cx<'_>) {
        let limits = cx.limits;
        let bytes_due = limits.compact_bytes_min.max(self.base.len());
        let due = self.unstored >= limits.compact_updates_max || self.unstored_bytes >= bytes_due;
        self.wants_snapshot |= due && !self.broken;
        let wanted = self.wants_snapshot || !self.waiting.is_empty() || !self.suspects.is_empty();
        if self.running.is_some() || !wanted {
            return;
        }
        let suspect = self.suspects.pop_front();
        let work = Work {
            name: self.name.clone(),
            engine: self.engine.take(),
            base: self.base.clone(),
            tail: self.tail.clone(),
            seq: cx.next_seq - 1,
            encode: self.wants_snapshot
                || self
                    .waiting
                    .iter()
                    .any(|(_, vector)| self.is_new_to(vector)),
            diffs: self
                .waiting
                .iter()
                .filter(|(_, vector)| !self.is_new_to(vector))
                .cloned()
                .collect(),
            trial: suspect.as_ref().map(|suspect| suspect.update.bytes.clone()),
        };
        let id = cx.compute(Job::Document(DocumentJob::Work(Box::new(work))));
        self.running = Some(Running { id, suspect });
    }

    /// Whether job `id` is this document's.
    pub(crate) fn runs(&self, id: ComputeId) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.id == id)
    }

    /// Whether a job is under way or wanted.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Its job came back; `None` when it panicked outside of yrs' own guard.
    pub(crate) fn worked(&mut self, worked: Option<Worked>, cx: &mut Cx<'_>) {
        let running = self.running.take().expect("the job is this document's");
        let Some(worked) = worked else {
            self.become_broken("its job panicked", cx);
            return self.finish_trial(running.suspect, Some(Err("its job panicked".into())), cx);
        };
        if let Some(error) = &worked.broken {
            self.become_broken(error, cx);
            return self.finish_trial(running.suspect, worked.trial, cx);
        }
        self.engine = worked.engine;
        self.engine_used = cx.now;
        for (seq, error) in worked.failed {
            self.set_aside(seq, &error, cx);
        }
        if let Some(encoded) = worked.encoded {
            self.rebase(encoded, worked.seq, cx);
        }
        self.finish_trial(running.suspect, worked.trial, cx);
        let diffs = worked.diffs;
        for (session, update) in diffs {
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
        self.tail.retain(|(at, _)| *at > seq);
        self.tail_bytes = self.tail.iter().map(|(_, update)| update.len()).sum();
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

    fn keep_snapshot(&mut self, cx: &mut Cx<'_>) {
        self.wants_snapshot = false;
        self.unstored = self.tail.len();
        self.unstored_bytes = self.tail_bytes;
        self.stored_seq = self.base_seq;
        let data = encode_snapshot(&self.base, &self.unmergeable);
        let part = Part::Document(self.name.clone());
        cx.effects.push(Effect::Snapshot(part, self.base_seq, data));
    }

    /// Keeps the same snapshot as of a later record, so that an old one does not hold on to the
    /// journal of the whole room.
    pub(crate) fn renew_snapshot(&mut self, cx: &mut Cx<'_>) {
        let behind = cx.next_seq - 1 - self.stored_seq.min(cx.next_seq - 1);
        let quiet = self.tail.is_empty() && self.running.is_none() && !self.is_blank();
        if quiet && behind >= cx.limits.compact_updates_max as u64 {
            self.base_seq = cx.next_seq - 1;
            self.keep_snapshot(cx);
        }
    }

    fn finish_trial(
        &mut self,
        suspect: Option<Suspect>,
        trial: Option<Result<(), String>>,
        cx: &mut Cx<'_>,
    ) {
        let Some(Suspect { session, update }) = suspect else {
            return;
        };
        self.suspect_bytes -= update.bytes.len();
        match trial {
            Some(Ok(())) if cx.writable => self.accept(session, &update, cx),
            // The store takes no writes: the peer still holds it and is asked again later.
            Some(Ok(())) => self.engine = None,
            Some(Err(_)) | None => cx.close(session, CloseReason::Malformed),
        }
    }

    /// Update `seq` could not be taken in: it stays in the journal, is told to the operator, and is
    /// sent to joiners as it is.
    fn set_aside(&mut self, seq: u64, error: &str, cx: &mut Cx<'_>) {
        let Some(place) = self.tail.iter().position(|(at, _)| *at == seq) else {
            return;
        };
        let (_, update) = self.tail.remove(place);
        self.tail_bytes -= update.len();
        self.unmergeable.push(update);
        cx.record(skipped_record(seq, &self.name, error));
        cx.effects.push(Effect::Note(format!(
            "update at seq {seq} cannot be merged: {error}"
        )));
    }

    fn become_broken(&mut self, error: &str, cx: &mut Cx<'_>) {
        self.broken = true;
        self.wants_snapshot = false;
        self.engine = None;
        cx.effects
            .push(Effect::Note(format!("a document cannot be built: {error}")));
        for (session, _) in std::mem::take(&mut self.waiting) {
            self.say_raw(session, cx);
        }
    }

    /// The room is about to stop: makes a snapshot of what changed; false when none is needed.
    pub(crate) fn prepare_stop(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.running.is_some() {
            return true;
        }
        if self.unstored == 0 || self.broken {
            return false;
        }
        if self.tail.is_empty() && self.base_seq > 0 {
            self.keep_snapshot(cx);
            return false;
        }
        self.wants_snapshot = true;
        self.work(cx);
        true
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
        hash.update(&(self.tail.len() as u64).to_le_bytes());
        hash.update(&(self.suspect_bytes as u64).to_le_bytes());
        hash.finalize()
    }

    fn say(&self, to: To, message: YjsMessage, cx: &mut Cx<'_>) {
        let message = ServerMessage::Yjs(self.name.clone(), message);
        cx.send(to, message, Visibility::Early);
    }

    /// Sends the answer to a sync step 1. Only the newest waits: a peer that asks again without
    /// reading costs one answer.
    fn say_whole(&self, session: SessionId, update: Bytes, cx: &mut Cx<'_>) {
        for raw in &self.unmergeable {
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

    /// Sends what there is as it is: the updates first, for a peer calls itself synced on the
    /// answer, and must not while it lacks something.
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

/// An update of nothing: no clients, no deletes.
const EMPTY_UPDATE: Bytes = Bytes::from_static(&[0, 0]);

/// The journal record of an update.
fn document_record(name: &str, update: &[u8]) -> Record {
    let mut data = BytesMut::with_capacity(name.len() + 2 + update.len());
    put_var_bytes(&mut data, name.as_bytes());
    data.put_slice(update);
    Record {
        kind: RecordKind::Document,
        data: data.freeze(),
    }
}

/// Takes a document's record apart: its name and the update.
pub(crate) fn read_document_record(data: &Bytes) -> Result<(&str, Bytes), ReadError> {
    let mut reader = Reader::new(data);
    let name = reader.var_string()?;
    Ok((name, data.slice_ref(reader.rest())))
}

/// The journal's note that an update could not be merged.
fn skipped_record(seq: u64, name: &str, error: &str) -> Record {
    let mut data = BytesMut::new();
    put_var_uint(&mut data, seq);
    put_var_bytes(&mut data, name.as_bytes());
    put_var_bytes(&mut data, error.as_bytes());
    Record {
        kind: RecordKind::Skipped,
        data: data.freeze(),
    }
}

/// A document's snapshot: varBytes merged update, varUint count, and so many varBytes updates that
/// could not be merged.
fn encode_snapshot(base: &[u8], unmergeable: &[Bytes]) -> Bytes {
    let mut data = BytesMut::with_capacity(base.len() + 16);
    put_var_bytes(&mut data, base);
    put_var_uint(&mut data, unmergeable.len() as u64);
    for update in unmergeable {
        put_var_bytes(&mut data, update);
    }
    data.freeze()
}

/// Takes a document's snapshot apart.
pub(crate) fn read_snapshot(data: &Bytes) -> Result<(Bytes, Vec<Bytes>), ReadError> {
    let mut reader = Reader::new(data);
    let base = data.slice_ref(reader.var_bytes()?);
    let mut unmergeable = Vec::new();
    for _ in 0..reader.var_uint()? {
        unmergeable.push(data.slice_ref(reader.var_bytes()?));
    }
    Ok((base, unmergeable))
}
