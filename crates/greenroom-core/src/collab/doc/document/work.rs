//! The jobs of a document: what they are asked for, and what becomes of what they give.

use bytes::Bytes;
use greenroom_service::{Millis, SessionId};

use super::stored::{encode_snapshot, skipped_record};
use super::{Document, Running};
use crate::collab::doc::job::{DocumentJob, Work, Worked};
use crate::room::behaviour::{Cx, Effect};
use crate::room::job::{ComputeId, Job};
use crate::room::presence::Asked;
use crate::store::Part;

/// A cached yrs document is dropped when no job needed it for this long.
const ENGINE_IDLE_MS: u64 = 30_000;

impl Document {
    /// Starts what is due: a job for those who wait, or for a snapshot.
    pub(crate) fn work(&mut self, cx: &mut Cx<'_>) {
        if self.running.is_some() || self.broken {
            return;
        }
        let limits = cx.limits;
        let bytes_due = limits.compact_bytes_min.max(self.base.len());
        let due = self.unstored >= limits.compact_updates_max || self.unstored_bytes >= bytes_due;
        self.wants_snapshot |= due && !self.unreadable;
        let waiting = self.waiting(cx);
        let wants_state = self.wants_snapshot || self.wants_version;
        if !wants_state && waiting.is_empty() && self.requests.is_empty() {
            return;
        }
        let version = std::mem::take(&mut self.wants_version);
        let (new, asked): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, asked)| self.is_new_to(&asked.vector));
        let client = self.fresh_client(cx);
        let (asks, requests) = self.take_requests();
        let work = Work {
            name: self.name.clone(),
            engine: self.engine.take(),
            base: self.base.clone(),
            tail: self.tail.clone(),
            careful: !self.unmergeable.is_empty(),
            encode: wants_state || !new.is_empty(),
            diffs: asked
                .iter()
                .map(|(session, asked)| (*session, asked.vector.clone()))
                .collect(),
            client,
            asks,
        };
        self.running = Some(Running {
            seq: cx.next_seq - 1,
            given: work.tail.len(),
            id: cx.compute(Job::Document(DocumentJob::Work(Box::new(work)))),
            asked,
            new,
            requests,
            version,
        });
    }

    /// A client id that the document does not know: 32 random bits, as those of Yjs.
    fn fresh_client(&self, cx: &Cx<'_>) -> u64 {
        let known = self.seen().state_vector();
        let mut client = cx.seed & 0xffff_ffff;
        while client == 0 || known.get(client) > 0 {
            client = (client + 1) & 0xffff_ffff;
        }
        client
    }

    /// The sync steps 1 about this document that were not answered.
    fn waiting(&self, cx: &Cx<'_>) -> Vec<(SessionId, Asked)> {
        let unanswered = cx.presence.unanswered.iter();
        let here = |session| {
            cx.links
                .get(session)
                .is_some_and(|l| l.document == self.name)
        };
        unanswered
            .filter(|(session, _)| here(session))
            .map(|(session, asked)| (*session, asked.clone()))
            .collect()
    }

    /// Whether job `id` is this document's.
    pub(crate) fn runs(&self, id: ComputeId) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.id == id)
    }

    /// Whether a job is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Its job came back; `None` when it panicked outside of yrs' own guard.
    pub(crate) fn worked(&mut self, worked: Option<Worked>, cx: &mut Cx<'_>) {
        let running = self.running.take().expect("the job is this document's");
        let worked = match worked {
            Some(worked) if worked.broken.is_none() => worked,
            lost => {
                let why = lost.and_then(|worked| worked.broken);
                let why = why.as_deref().unwrap_or("its job panicked");
                self.become_broken(why, cx);
                return self.refuse_requests(running.requests, cx);
            }
        };
        let given: Vec<_> = self.tail.drain(..running.given).collect();
        let is_failed = |seq: u64| worked.failed.iter().any(|(failed, _)| *failed == seq);
        let (unmergeable, merged): (Vec<_>, Vec<_>) =
            given.into_iter().partition(|(seq, _)| is_failed(*seq));
        self.unmergeable.extend(unmergeable);
        for (seq, error) in &worked.failed {
            cx.record(skipped_record(*seq, &self.name, error));
            let note = format!("update at seq {seq} cannot be merged: {error}");
            cx.effects.push(Effect::Note(note));
        }
        // What was parked when the job began and is not any more: in no answer of it.
        let unparked = self.tail.iter().filter(|(seq, _)| *seq <= running.seq);
        let unparked: Vec<_> = unparked.cloned().collect();
        self.engine_used = cx.now;
        if let Some(encoded) = worked.encoded {
            self.engine = worked.engine.map(|engine| (engine, 0));
            self.rebase(encoded, running.seq, cx);
            if running.version {
                self.keep_automatic(cx);
            }
        } else {
            self.engine = worked.engine.map(|engine| (engine, merged.len()));
            self.tail.splice(..0, merged);
        }
        self.count_bytes();
        for (session, asked) in running.new {
            self.say_asked(session, &asked, &unparked, self.base.clone(), cx);
        }
        for ((session, asked), (_, update)) in running.asked.into_iter().zip(worked.diffs) {
            self.say_asked(session, &asked, &unparked, update, cx);
        }
        self.give_answers(running.requests, worked.answers, cx);
        self.work(cx);
    }

    /// Answers `asked`, and goes on waiting for the answer to another that came meanwhile.
    fn say_asked(
        &self,
        session: SessionId,
        asked: &Asked,
        unparked: &[(u64, Bytes)],
        update: Bytes,
        cx: &mut Cx<'_>,
    ) {
        let newer = cx.presence.unanswered.remove(&session);
        self.say_answer(session, unparked, update, cx);
        if let Some(newer) = newer.filter(|newer| newer != asked) {
            cx.presence.unanswered.insert(session, newer);
        }
    }

    /// The state as of record `seq` is `encoded`.
    fn rebase(&mut self, encoded: Bytes, seq: u64, cx: &mut Cx<'_>) {
        self.base = encoded;
        self.base_seq = seq;
        if self.wants_snapshot {
            self.keep_snapshot(cx);
        }
    }

    fn keep_snapshot(&mut self, cx: &mut Cx<'_>) {
        self.wants_snapshot = false;
        self.unstored = self.tail.len();
        self.unstored_bytes = self.tail_bytes;
        self.stored_seq = self.base_seq;
        // Parked updates, and those whose causes came since the base was made; later ones are read
        // from the journal.
        let parked = self.parked.iter();
        let parked = parked.map(|(seq, update, _)| (*seq, update.clone()));
        let unmerged = parked.chain(self.tail.iter().cloned());
        let unmerged: Vec<_> = unmerged.filter(|(seq, _)| *seq <= self.base_seq).collect();
        let data = encode_snapshot(&self.base, &self.unmergeable, &unmerged);
        let part = Part::Document(self.name.clone());
        cx.effects.push(Effect::Snapshot(part, self.base_seq, data));
    }

    /// Keeps a snapshot when the last is long ago, so that a quiet document does not hold on to
    /// the journal of the whole room.
    pub(crate) fn renew_snapshot(&mut self, cx: &mut Cx<'_>) {
        let behind = (cx.next_seq - 1).saturating_sub(self.stored_seq);
        let is_kept = self.is_blank() || self.broken || self.unreadable;
        if behind < cx.limits.compact_updates_max as u64 || is_kept {
            return;
        }
        if self.tail.is_empty() && self.running.is_none() {
            // Nothing has changed: the same is the state of now.
            self.base_seq = cx.next_seq - 1;
            self.keep_snapshot(cx);
        } else {
            self.wants_snapshot = true;
            self.work(cx);
        }
    }

    /// The document cannot be built: those who wait get what there is.
    fn become_broken(&mut self, why: &str, cx: &mut Cx<'_>) {
        self.broken = true;
        self.wants_snapshot = false;
        self.engine = None;
        cx.effects
            .push(Effect::Note(format!("a document cannot be built: {why}")));
        for (session, _) in self.waiting(cx) {
            self.say_raw(session, cx);
        }
    }

    /// The room is about to stop: makes a snapshot of what changed; false when none is needed.
    pub(crate) fn prepare_stop(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.running.is_some() {
            return true;
        }
        if self.broken || self.unreadable {
            return false;
        }
        // Nobody changes it any more: the stretch is over.
        self.wants_version |= self.version_due.take().is_some();
        if self.unstored == 0 && !self.wants_version {
            return false;
        }
        if self.tail.is_empty() && self.base_seq > 0 {
            if std::mem::take(&mut self.wants_version) {
                self.keep_automatic(cx);
            }
            if self.unstored > 0 {
                self.keep_snapshot(cx);
            }
            return false;
        }
        self.wants_snapshot = true;
        self.work(cx);
        true
    }

    /// Drops the cached yrs document when it was not needed for a while.
    pub(crate) fn drop_idle_engine(&mut self, now: Millis) {
        if self.engine_idle_at().is_some_and(|at| at <= now) {
            self.engine = None;
        }
    }

    fn engine_idle_at(&self) -> Option<Millis> {
        let engine = self.engine.as_ref();
        engine.map(|_| self.engine_used.plus(ENGINE_IDLE_MS))
    }

    pub(crate) fn poll_timeout(&self) -> Option<Millis> {
        let times = [self.engine_idle_at(), self.version_due];
        times.into_iter().flatten().min()
    }
}
