//! One Yjs document of a room: snapshot bytes, the log of accepted updates since, and a shadow that
//! answers what a yrs document would be asked for on the hot path. The yrs document itself is a
//! cache that lives in jobs.

mod stored;
#[cfg(test)]
mod tests;
mod work;

use std::collections::VecDeque;

use bytes::Bytes;
use greenroom_service::{Millis, Outcome, Refuse, SessionId, To};

use super::engine::Engine;
use super::gate::CheckedUpdate;
use super::job::{LoadDocument, LoadedDocument};
use super::shadow::{Shadow, Verdict};
use super::update::StateVector;
use crate::close_reason::CloseReason;
use crate::protocol::{ServerMessage, YjsMessage};
use crate::room::behaviour::{Cx, Effect, Slot, Visibility};
use crate::room::job::ComputeId;
use stored::document_record;

pub(crate) use stored::{read_document_record, read_skipped_record, read_snapshot};

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
    suspect: Option<Suspect>,
    /// The sync steps 1 that it answers. One that came later needs a job that knows what was
    /// accepted until then.
    asked: Vec<(SessionId, StateVector)>,
    /// Those of them who have nothing, and get all.
    new: Vec<(SessionId, StateVector)>,
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
        cx.presence.unanswered.insert(session, vector);
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
        for (part, raw) in self.unmergeable.iter().enumerate() {
            let message = YjsMessage::Update(raw.clone());
            let message = ServerMessage::Yjs(self.name.clone(), message);
            let slot = Slot::SyncPart(part);
            cx.effects.push(Effect::SendLatest(
                To::One(session),
                slot,
                message,
                Visibility::Early,
            ));
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
        let size = self.base.len() + self.tail_bytes + self.suspect_bytes + update.bytes.len();
        if size > cx.limits.document_bytes_max {
            let reason = format!(
                "the document has its {} bytes",
                cx.limits.document_bytes_max
            );
            return Err(Refuse::new("document_full", reason).into());
        }
        match verdict {
            Verdict::Pending => return self.suspect(session, update, cx),
            Verdict::TooDeep => {
                let reason = "shared types would lie in one another too deep";
                return Err(Refuse::new("too_deep", reason).into());
            }
            Verdict::Ready | Verdict::NoOp => self.accept(session, &update, cx),
        }
        Ok(())
    }

    /// The causes of an update are not known here: asks for them, and tries the update before it
    /// is trusted.
    fn suspect(&mut self, session: SessionId, update: CheckedUpdate, cx: &mut Cx<'_>) -> Outcome {
        if self.broken {
            return Err(broken().into());
        }
        let tried = self.running.iter().filter_map(|r| r.suspect.as_ref());
        let mut waiting = tried.chain(&self.suspects).filter(|s| s.session == session);
        let asked = waiting.clone().next().is_some();
        if waiting.any(|suspect| suspect.update.bytes == update.bytes) {
            return Ok(());
        }
        let pending = self.shadow.pending_bytes() + self.suspect_bytes + update.bytes.len();
        if pending > cx.limits.pending_bytes_max {
            // Transient: the handshake of its next connection brings everything in order.
            cx.close(session, CloseReason::RoomFault);
            return Ok(());
        }
        // Asked once: its answer may hold the same again.
        if !asked {
            self.ask(To::One(session), cx);
        }
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

    /// Sends the answer to a sync step 1.
    fn say_whole(&self, session: SessionId, update: Bytes, cx: &mut Cx<'_>) {
        self.say_answer(session, &[], update, cx);
    }

    /// Sends what there is as it is.
    fn say_raw(&self, session: SessionId, cx: &mut Cx<'_>) {
        let base = if self.base.is_empty() {
            EMPTY_UPDATE
        } else {
            self.base.clone()
        };
        self.say_answer(session, &self.tail, base, cx);
    }

    /// Sends the answer to a sync step 1: what could not be merged first, for a peer calls itself
    /// synced on the answer, and must not while it lacks something. Only the newest answer waits: a
    /// peer that asks again without reading costs one.
    fn say_answer(
        &self,
        session: SessionId,
        tail: &[(u64, Bytes)],
        update: Bytes,
        cx: &mut Cx<'_>,
    ) {
        let latest = |slot, message| {
            let message = ServerMessage::Yjs(self.name.clone(), message);
            Effect::SendLatest(To::One(session), slot, message, Visibility::Early)
        };
        let raw = tail.iter().map(|(_, update)| update);
        for (part, raw) in self.unmergeable.iter().chain(raw).enumerate() {
            let slot = Slot::SyncPart(part);
            cx.effects
                .push(latest(slot, YjsMessage::Update(raw.clone())));
        }
        cx.effects
            .push(latest(Slot::SyncAnswer, YjsMessage::SyncStep2(update)));
        cx.presence.unanswered.remove(&session);
    }
}

/// Why nothing can be tried in a document that cannot be built.
fn broken() -> Refuse {
    let reason = "the document cannot be built now; what comes in order is still accepted";
    Refuse::new("document_broken", reason)
}

/// An update of nothing: no clients, no deletes.
const EMPTY_UPDATE: Bytes = Bytes::from_static(&[0, 0]);
