//! One Yjs document of a room: snapshot bytes, the log of accepted updates since, and a shadow that
//! answers what a yrs document would be asked for on the hot path. The yrs document itself is a
//! cache that lives in jobs.
//!
//! An update whose causes are not known here yet is *parked*: journaled and relayed as any other,
//! and kept apart until its causes come. yrs never sees it before: what it cannot integrate at once
//! it merges into one pending update, and it loses contents by that (0.28.1).

mod requests;
mod stored;
#[cfg(test)]
mod tests;
mod versions;
mod work;

use bytes::Bytes;
use greenroom_service::{Millis, Outcome, Refuse, SessionId, To};

use super::ask::EMPTY_UPDATE;
use super::engine::Engine;
use super::gate::CheckedUpdate;
use super::job::{LoadDocument, LoadedDocument, load, unpark};
use super::shadow::{Shadow, Verdict};
use super::update::{Digest, StateVector};
use crate::close_reason::CloseReason;
use crate::protocol::{ServerMessage, YjsMessage};
use crate::room::behaviour::{Cx, Effect, Slot};
use crate::room::job::ComputeId;
use crate::room::presence::Asked;

pub(crate) use stored::{
    document_record, read_document_record, read_edited_record, read_skipped_record, read_snapshot,
    read_version,
};

/// The code of a refusal that holds only until the store takes writes again.
pub(crate) const STORE_UNAVAILABLE: &str = "store_unavailable";

/// What the job that runs was asked for.
#[derive(Debug)]
struct Running {
    id: ComputeId,
    /// The last record of the room when it started.
    seq: u64,
    /// How many updates of the tail it was given; later ones only stand behind them.
    given: usize,
    /// The sync steps 1 that it answers. One that came later needs a job that knows what was
    /// accepted until then.
    asked: Vec<(SessionId, Asked)>,
    /// Those of them who have nothing, and get all.
    new: Vec<(SessionId, Asked)>,
    /// The requests that it answers.
    requests: requests::Requests,
    /// Whether the state becomes an automatic version.
    version: bool,
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
    /// The shadow with what is parked in it: what peers have who got everything. As long as nothing
    /// is parked there is none.
    seen: Option<Shadow>,
    /// Updates that yrs could not take in; in the shadow.
    unmergeable: Vec<(u64, Bytes)>,
    /// The document cannot be built: joiners get its raw updates.
    broken: bool,
    /// The journal has updates that this version cannot read: they are left there for one that
    /// can, so that no newer snapshot may take their place.
    unreadable: bool,
    /// Updates and bytes since the snapshot in the store.
    unstored: usize,
    unstored_bytes: usize,
    stored_seq: u64,
    /// The cached yrs document, and how many updates of the tail are in it.
    engine: Option<(Engine, usize)>,
    engine_used: Millis,
    running: Option<Running>,
    /// A snapshot is to be kept as soon as a job has made one.
    wants_snapshot: bool,
    /// What changed since the last version is to be kept as one then.
    version_due: Option<Millis>,
    /// An automatic version is to be kept as soon as a job has made the state.
    wants_version: bool,
    /// Requests that wait for a job.
    requests: Vec<requests::Waiting>,
}

impl Document {
    pub(crate) fn new(name: &str) -> Self {
        Self::from_loaded(load(LoadDocument::new(name)).expect("there is no snapshot"))
    }

    /// The document as a load job read it.
    pub(crate) fn from_loaded(loaded: LoadedDocument) -> Self {
        let mut document = Self {
            name: loaded.name,
            shadow: loaded.shadow,
            base: loaded.base,
            base_seq: loaded.base_seq,
            unstored: loaded.tail.len(),
            unstored_bytes: 0,
            stored_seq: loaded.base_seq,
            tail: loaded.tail,
            tail_bytes: 0,
            parked: loaded.parked,
            parked_bytes: 0,
            seen: None,
            unmergeable: loaded.unmergeable,
            broken: false,
            unreadable: !loaded.unreadable.is_empty(),
            engine: None,
            engine_used: Millis(0),
            running: None,
            wants_snapshot: false,
            version_due: None,
            wants_version: false,
            requests: Vec::new(),
        };
        document.count_bytes();
        document.look_again();
        document.unstored_bytes = document.tail_bytes;
        document
    }

    /// Whether nothing was ever written into it.
    pub(crate) fn is_blank(&self) -> bool {
        let nothing = self.base_seq == 0 && self.tail.is_empty() && !self.unreadable;
        nothing && self.unmerged().next().is_none()
    }

    /// Whether it can be forgotten: blank, and nothing under way.
    pub(crate) fn is_unused(&self) -> bool {
        self.is_blank() && self.running.is_none() && self.requests.is_empty()
    }

    /// Says what the room has, so that the peer sends what it has more.
    pub(crate) fn ask(&self, session: SessionId, cx: &mut Cx<'_>) {
        if cx.acknowledges(session) {
            cx.presence.debts.entry(session).or_default().ask_again();
        }
        self.question(session, cx);
    }

    /// The same as a part of the handshake that the peer began.
    pub(crate) fn ask_in_handshake(&self, session: SessionId, cx: &mut Cx<'_>) {
        cx.presence.debts.entry(session).or_default().begin();
        cx.effects.push(Effect::ForgetReceipts(session));
        self.question(session, cx);
    }

    fn question(&self, session: SessionId, cx: &mut Cx<'_>) {
        let vector = YjsMessage::SyncStep1(self.seen().encode_state_vector());
        if cx.acknowledges(session) {
            let message = ServerMessage::Yjs(self.name.clone(), vector);
            let question = Effect::SendSure(session, message, cx.visibility);
            cx.effects.push(question);
        } else {
            self.say(To::One(session), vector, cx);
        }
    }

    /// Answers a peer that has `vector`. From the shadow alone when it lacks no content, from the
    /// snapshot when it has nothing and the snapshot is current; otherwise a job makes the answer.
    pub(crate) fn answer(&mut self, session: SessionId, vector: StateVector, cx: &mut Cx<'_>) {
        if self.seen().covers(&vector) {
            let update = self.seen().delete_set_update();
            return self.say_whole(session, update, cx);
        }
        let has_nothing = self.is_new_to(&vector);
        if has_nothing && self.tail.is_empty() && !self.base.is_empty() {
            return self.say_whole(session, self.base.clone(), cx);
        }
        if self.broken {
            return self.say_raw(session, cx);
        }
        let seq = cx.next_seq - 1;
        let asked = Asked { vector, seq };
        cx.presence.unanswered.insert(session, asked);
        self.work(cx);
    }

    /// Brings a session up to date that missed the records from `missed_from` on.
    pub(crate) fn catch_up(&mut self, session: SessionId, missed_from: u64, cx: &mut Cx<'_>) {
        let tail = self.tail.iter().map(|(seq, update)| (*seq, update));
        let missed = tail.chain(self.unmerged());
        let missed: Vec<_> = missed
            .filter(|(seq, _)| *seq >= missed_from)
            .map(|(_, update)| update.clone())
            .collect();
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
        let mut verdict = self.seen().verdict(&update.digest);
        if verdict == Verdict::NoOp {
            return Ok(());
        }
        // What is parked is seen and does not count as a cause.
        if self.seen.is_some() {
            verdict = self.shadow.verdict(&update.digest);
        }
        if !may_write {
            return Err(Refuse::new("read_only", "the token does not allow writing here").into());
        }
        self.check_room_for(update.bytes.len(), cx)?;
        match verdict {
            Verdict::Pending => self.park(session, update, cx),
            Verdict::Refused(error) => {
                return Err(Refuse::new("update_refused", error.to_string()).into());
            }
            Verdict::Ready | Verdict::NoOp => self.accept(session, update, cx),
        }
        Ok(())
    }

    /// Whether the store takes updates, and the document has room for so many bytes more.
    fn check_room_for(&self, more_bytes: usize, cx: &mut Cx<'_>) -> Result<(), Refuse> {
        if !cx.writable {
            let reason =
                "the store takes no writes now; the change is asked for again when it does";
            return Err(Refuse::new(STORE_UNAVAILABLE, reason));
        }
        let size = self.bytes() + more_bytes;
        if size > cx.limits.document_bytes_max {
            cx.hits.limit("document_bytes_max");
            let bytes_max = cx.limits.document_bytes_max;
            let reason = format!("the document may have {bytes_max} bytes and would have {size}");
            return Err(Refuse::new("document_full", reason));
        }
        Ok(())
    }

    /// What it takes in memory besides the cache.
    fn bytes(&self) -> usize {
        self.base.len() + self.tail_bytes + self.parked_bytes
    }

    /// Keeps an update whose causes are not known here, and asks its sender for them.
    fn park(&mut self, session: SessionId, update: CheckedUpdate, cx: &mut Cx<'_>) {
        let bytes = self.parked_bytes + update.bytes.len();
        let many = self.parked.len() >= cx.limits.parked_updates_max;
        if many || bytes > cx.limits.pending_bytes_max {
            cx.hits.limit(if many {
                "parked_updates_max"
            } else {
                "pending_bytes_max"
            });
            // Transient: the handshake of its next connection brings everything in order.
            return cx.close(session, CloseReason::RoomFault);
        }
        self.ask(session, cx);
        let seq = self.journal_and_relay(session, &update.bytes, cx);
        self.parked_bytes += update.bytes.len();
        let seen = self.seen.get_or_insert_with(|| self.shadow.clone());
        seen.apply(&update.digest);
        self.parked.push((seq, update.bytes, update.digest));
    }

    /// What is known, parked updates included.
    fn seen(&self) -> &Shadow {
        self.seen.as_ref().unwrap_or(&self.shadow)
    }

    /// Finds anew what is seen, after something was parked or unparked.
    fn look_again(&mut self) {
        self.seen = None;
        if !self.parked.is_empty() {
            let mut seen = self.shadow.clone();
            self.parked
                .iter()
                .for_each(|(_, _, digest)| seen.apply(digest));
            self.seen = Some(seen);
        }
    }

    /// Whether a peer with `vector` has nothing of this document, so that it lacks all of it.
    fn is_new_to(&self, vector: &StateVector) -> bool {
        let ours = self.seen().state_vector();
        vector
            .iter()
            .all(|(client, clock)| clock == 0 || ours.get(client) == 0)
    }

    fn accept(&mut self, session: SessionId, update: CheckedUpdate, cx: &mut Cx<'_>) {
        let seq = self.journal_and_relay(session, &update.bytes, cx);
        self.append(seq, update, cx);
    }

    /// A ready update was recorded: it stands at the end, and may be a cause that others waited for.
    fn append(&mut self, seq: u64, update: CheckedUpdate, cx: &mut Cx<'_>) {
        self.shadow.apply(&update.digest);
        self.tail_bytes += update.bytes.len();
        self.tail.push((seq, update.bytes));
        self.note_change(cx);
        if let Some(seen) = &mut self.seen {
            seen.apply(&update.digest);
            let before = self.parked.len();
            unpark(&mut self.shadow, &mut self.parked, &mut self.tail);
            if self.parked.len() < before {
                self.count_bytes();
                self.look_again();
            }
        }
        self.work(cx);
    }

    fn journal_and_relay(&mut self, session: SessionId, update: &Bytes, cx: &mut Cx<'_>) -> u64 {
        let seq = cx.record(document_record(&self.name, update));
        self.say(To::Except(session), YjsMessage::Update(update.clone()), cx);
        self.unstored += 1;
        self.unstored_bytes += update.len();
        seq
    }

    fn count_bytes(&mut self) {
        self.tail_bytes = self.tail.iter().map(|(_, update)| update.len()).sum();
        self.parked_bytes = self.parked.iter().map(|(_, update, _)| update.len()).sum();
    }

    /// Updates that are in no merged state, with their seqs.
    fn unmerged(&self) -> impl Iterator<Item = (u64, &Bytes)> {
        let unmergeable = self.unmergeable.iter().map(|(seq, update)| (*seq, update));
        unmergeable.chain(self.parked.iter().map(|(seq, update, _)| (*seq, update)))
    }

    /// A hash of what a refusal must leave alone.
    pub(crate) fn state_hash(&self) -> u32 {
        let mut hash = crc32fast::Hasher::new();
        hash.update(&self.shadow.encode_state_vector());
        hash.update(&self.shadow.delete_set_update());
        hash.update(&(self.tail.len() as u64).to_le_bytes());
        hash.update(&(self.parked_bytes as u64).to_le_bytes());
        hash.finalize()
    }

    fn say(&self, to: To, message: YjsMessage, cx: &mut Cx<'_>) {
        let message = ServerMessage::Yjs(self.name.clone(), message);
        cx.send(to, message, cx.visibility);
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

    /// Sends the answer to a sync step 1: what is not merged first, for a peer calls itself
    /// synced on the answer, and must not while it lacks something. Only the newest answer waits: a
    /// peer that asks again without reading costs one.
    fn say_answer(
        &self,
        session: SessionId,
        first: &[(u64, Bytes)],
        update: Bytes,
        cx: &mut Cx<'_>,
    ) {
        let visibility = cx.visibility;
        let latest = |slot, message| {
            let message = ServerMessage::Yjs(self.name.clone(), message);
            Effect::SendLatest(To::One(session), slot, message, visibility)
        };
        let raw = first.iter().map(|(_, update)| update);
        let unmerged = self.unmerged().map(|(_, update)| update);
        for (part, raw) in unmerged.chain(raw).enumerate() {
            let slot = Slot::SyncPart(part);
            cx.effects
                .push(latest(slot, YjsMessage::Update(raw.clone())));
        }
        cx.effects
            .push(latest(Slot::SyncAnswer, YjsMessage::SyncStep2(update)));
        cx.presence.unanswered.remove(&session);
    }
}
