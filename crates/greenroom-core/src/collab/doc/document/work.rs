//! The jobs of a document: what they are asked for, and what becomes of what they give.

use std::mem::take;

use bytes::Bytes;
use greenroom_service::{Millis, SessionId, To};

use super::stored::{encode_snapshot, skipped_record};
use super::{Document, Running, Suspect, broken};
use crate::close_reason::CloseReason;
use crate::collab::doc::job::{DocumentJob, Work, Worked};
use crate::collab::doc::shadow::Verdict;
use crate::collab::doc::update::StateVector;
use crate::protocol::ServerMessage;
use crate::room::behaviour::{Cx, Effect, Visibility};
use crate::room::job::{ComputeId, Job};
use crate::store::Part;

/// A cached yrs document is dropped when no job needed it for this long.
const ENGINE_IDLE_MS: u64 = 30_000;

impl Document {
    /// Starts what is due: a job for those who wait, for a suspect, or for a snapshot.
    pub(crate) fn work(&mut self, cx: &mut Cx<'_>) {
        if self.running.is_some() || self.broken {
            return;
        }
        let limits = cx.limits;
        let bytes_due = limits.compact_bytes_min.max(self.base.len());
        self.wants_snapshot |=
            self.unstored >= limits.compact_updates_max || self.unstored_bytes >= bytes_due;
        let suspect = self.next_suspect(cx);
        let waiting = self.waiting(cx);
        if !self.wants_snapshot && waiting.is_empty() && suspect.is_none() {
            return;
        }
        let (new, asked): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, vector)| self.is_new_to(vector));
        let work = Work {
            name: self.name.clone(),
            engine: self.engine.take(),
            base: self.base.clone(),
            tail: self.tail.clone(),
            seq: cx.next_seq - 1,
            encode: self.wants_snapshot || !new.is_empty(),
            diffs: asked.clone(),
            trial: suspect.as_ref().map(|suspect| suspect.update.bytes.clone()),
        };
        let id = cx.compute(Job::Document(DocumentJob::Work(Box::new(work))));
        self.running = Some(Running {
            id,
            suspect,
            asked,
            new,
        });
    }

    /// The next suspect that needs a trial. Causes may have come since it was put aside: then it is
    /// known by now, or ready, and costs no job. A peer whose first updates were lost sends many
    /// that wait for the same causes.
    fn next_suspect(&mut self, cx: &mut Cx<'_>) -> Option<Suspect> {
        while let Some(suspect) = self.suspects.pop_front() {
            let bytes = suspect.update.bytes.len();
            match self.shadow.verdict(&suspect.update.digest) {
                Verdict::Pending => return Some(suspect),
                Verdict::Ready if cx.writable => self.accept(suspect.session, &suspect.update, cx),
                // Known; or its peer still holds it and is asked again.
                Verdict::Ready | Verdict::NoOp | Verdict::TooDeep => {}
            }
            self.suspect_bytes -= bytes;
        }
        None
    }

    /// The sync steps 1 about this document that were not answered.
    fn waiting(&self, cx: &Cx<'_>) -> Vec<(SessionId, StateVector)> {
        let unanswered = cx.presence.unanswered.iter();
        let here = |session| {
            cx.links
                .get(session)
                .is_some_and(|l| l.document == self.name)
        };
        unanswered
            .filter(|(session, _)| here(session))
            .map(|(session, vector)| (*session, vector.clone()))
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
        self.suspect_bytes -= running.suspect.as_ref().map_or(0, |s| s.update.bytes.len());
        let worked = match worked {
            Some(worked) if worked.broken.is_none() => worked,
            lost => {
                let why = lost.and_then(|worked| worked.broken);
                let why = why.as_deref().unwrap_or("its job panicked");
                return self.become_broken(running, why, cx);
            }
        };
        self.engine = worked.engine;
        self.engine_used = cx.now;
        for (seq, error) in worked.failed {
            self.set_aside(seq, &error, cx);
        }
        if let Some(encoded) = worked.encoded {
            self.rebase(encoded, worked.seq, cx);
        }
        if let (Some(suspect), Some(trial)) = (running.suspect, worked.trial) {
            self.tried(suspect, trial, cx);
        }
        for (session, vector) in running.new {
            self.say_asked(session, &vector, self.base.clone(), cx);
        }
        for ((session, vector), (_, update)) in running.asked.into_iter().zip(worked.diffs) {
            self.say_asked(session, &vector, update, cx);
        }
        self.work(cx);
    }

    /// Answers `vector`, and goes on waiting for the answer to another that came meanwhile.
    fn say_asked(&self, session: SessionId, vector: &StateVector, update: Bytes, cx: &mut Cx<'_>) {
        let newer = cx.presence.unanswered.remove(&session);
        self.say_whole(session, update, cx);
        if let Some(newer) = newer.filter(|newer| newer != vector) {
            cx.presence.unanswered.insert(session, newer);
        }
    }

    /// The state as of record `seq` is `encoded`.
    fn rebase(&mut self, encoded: Bytes, seq: u64, cx: &mut Cx<'_>) {
        self.base = encoded;
        self.base_seq = seq;
        self.tail.retain(|(at, _)| *at > seq);
        self.tail_bytes = self.tail.iter().map(|(_, update)| update.len()).sum();
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

    /// Keeps a snapshot when the last is long ago, so that a quiet document does not hold on to
    /// the journal of the whole room.
    pub(crate) fn renew_snapshot(&mut self, cx: &mut Cx<'_>) {
        let behind = (cx.next_seq - 1).saturating_sub(self.stored_seq);
        if behind < cx.limits.compact_updates_max as u64 || self.is_blank() || self.broken {
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

    /// An update was tried.
    fn tried(&mut self, suspect: Suspect, trial: Result<(), String>, cx: &mut Cx<'_>) {
        let Suspect { session, update } = suspect;
        if trial.is_err() {
            return cx.close(session, CloseReason::Malformed);
        }
        match self.shadow.verdict(&update.digest) {
            // It came again meanwhile, with its causes.
            Verdict::NoOp => {}
            Verdict::Ready | Verdict::Pending if cx.writable => self.accept(session, &update, cx),
            // The peer still holds it and is asked again later. The engine has it, the document not.
            Verdict::Ready | Verdict::Pending | Verdict::TooDeep => self.engine = None,
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

    /// The document cannot be built: those who wait get what there is, nothing is tried any more.
    fn become_broken(&mut self, running: Running, why: &str, cx: &mut Cx<'_>) {
        self.broken = true;
        self.wants_snapshot = false;
        self.engine = None;
        cx.effects
            .push(Effect::Note(format!("a document cannot be built: {why}")));
        for (session, _) in self.waiting(cx) {
            self.say_raw(session, cx);
        }
        self.suspect_bytes = 0;
        for suspect in running.suspect.into_iter().chain(take(&mut self.suspects)) {
            let refused = ServerMessage::Refused(broken());
            cx.send(To::One(suspect.session), refused, Visibility::Durable);
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
}
