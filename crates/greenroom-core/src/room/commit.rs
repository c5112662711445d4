//! Carries out what a committed event recorded, and drives the store: appends, snapshots, trims.

use greenroom_service::{SessionId, To};

use super::behaviour::{Effect, Slot, Visibility};
use super::encoded::Encoded;
use super::journal::Handed;
use super::outbox::{Stamp, Stream};
use super::request::{RequestId, Seen};
use super::{Output, Phase, Room, Source, Stopped, StoreTask};
use crate::close_reason::CloseReason;
use crate::protocol::ServerMessage;
use crate::store::envelope::{encode_row, seal_snapshot};
use crate::store::{Append, Part, Snapshot, StoreError, StoreReply, StoreRequest, VersionMeta};

/// What a request to the store was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Load,
    Append,
    Snapshot(Part, u64),
    Trim,
    Release,
    Delete,
    /// That it is unloaded, for the hooks.
    Unloaded,
    Version(Option<RequestId>, Box<VersionMeta>),
    DropVersion(RequestId),
}

/// The seqs of the two snapshots that are kept of a part; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Generations {
    pub(super) newest: u64,
    pub(super) older: u64,
}

impl Room {
    /// Carries out the effects of an event that said `Ok`, in order; all its records count as made
    /// before its first send.
    pub(super) fn commit(&mut self, mut effects: Vec<Effect>) {
        let is_record = |effect: &mut Effect| matches!(effect, Effect::Record(_));
        for effect in effects.extract_if(.., is_record) {
            if let Effect::Record(record) = effect {
                self.journal.push(record, self.now);
                // Asked now: a rebuild submits records when there is no behaviour to ask.
                self.next_wake = self.behaviour.as_ref().and_then(|b| b.next_wake());
            }
        }
        for effect in effects {
            match effect {
                Effect::Record(_) => unreachable!("taken out above"),
                Effect::Send(to, message, visibility) => {
                    let gate = self.gate(visibility);
                    self.send(to, &message, gate, None);
                }
                Effect::SendLatest(to, slot, message, visibility) => {
                    let gate = self.gate(visibility);
                    self.send(to, &message, gate, Some(slot));
                }
                Effect::SendSure(id, message, visibility) => {
                    let gate = self.gate(visibility);
                    self.send_sure(id, &message, gate);
                }
                Effect::Said(session, message) => {
                    let at = self.now;
                    self.see(|| Seen::Said {
                        session,
                        message,
                        at,
                    });
                }
                Effect::ForgetReceipts(id) => self.outbox.forget_receipts(id),
                Effect::Close(id, reason) => {
                    let gate = self.gate(Visibility::Durable);
                    self.hurry(gate);
                    self.outbox.close_after(id, reason, gate);
                }
                Effect::Tag(id, tag) => {
                    if let Some(session) = self.sessions.get_mut(&id) {
                        session.tag = Some(tag);
                    }
                }
                Effect::Task(id, spec) => {
                    let gate = self.gate(Visibility::Durable);
                    self.hurry(gate);
                    self.tasks.push((gate, id, spec));
                }
                Effect::Compute(id, job) => self.outputs.push_back(Output::Compute(id, job)),
                Effect::Snapshot(part, seq, data) => self.snapshots.push((part, seq, data)),
                Effect::Version(draft) => self.drafts.push(draft),
                Effect::DropVersion {
                    request,
                    document,
                    id,
                } => self.drop_version(request, document, id),
                Effect::Note(text) => self.outputs.push_back(Output::Note(text)),
                Effect::Reply(id, reply, visibility) => {
                    let gate = self.gate(visibility);
                    self.reply(id, reply, gate);
                }
            }
        }
        self.start_tasks();
        self.put_snapshots();
        self.put_versions();
    }

    /// Starts the tasks of events that are durable.
    fn start_tasks(&mut self) {
        let durable = self.journal.durable();
        let ready = self.tasks.iter().take_while(|(gate, ..)| *gate <= durable);
        let ready = ready.count();
        let ready = self.tasks.drain(..ready);
        self.outputs
            .extend(ready.map(|(_, id, spec)| Output::Task(id, spec)));
    }

    fn gate(&self, visibility: Visibility) -> u64 {
        match visibility {
            Visibility::Early => 0,
            Visibility::Durable => self.journal.head(),
        }
    }

    /// Encodes `message` once per protocol, compressed and not, and hands it to those that shall hear it.
    pub(super) fn send(&mut self, to: To, message: &ServerMessage, gate: u64, slot: Option<Slot>) {
        let gate = if gate > self.journal.durable() {
            gate
        } else {
            0
        };
        if gate > 0 {
            self.hurry(gate);
        }
        match to {
            To::All => self.send_shared(message, gate, None, slot),
            To::Except(id) => self.send_shared(message, gate, Some(id), slot),
            To::One(id) => self.send_each(&[id], message, gate, slot),
            To::Many(ids) => self.send_each(&ids, message, gate, slot),
            To::Tagged(tag) => {
                let tagged =
                    |session: &&greenroom_service::Session| session.tag.as_deref() == Some(&tag);
                let ids: Vec<_> = self
                    .sessions
                    .values()
                    .filter(tagged)
                    .map(|session| session.id)
                    .collect();
                self.send_each(&ids, message, gate, slot);
            }
        }
    }

    fn send_sure(&mut self, id: SessionId, message: &ServerMessage, gate: u64) {
        let mut encoded = Encoded::new(message, None);
        let stream = self.outbox.stream_of(id);
        let Some(frame) = stream.and_then(|stream| encoded.frame(stream)) else {
            return;
        };
        let is_of_write = matches!(message, ServerMessage::Saved | ServerMessage::SavedUntil(_));
        if is_of_write {
            // One who reads "saved" does not see the rest of a commit window, which rooms share.
            self.journal.expect(gate);
        } else if gate > self.journal.durable() {
            self.hurry(gate);
        }
        self.outbox.send_sure(id, frame, gate, is_of_write);
    }

    fn send_shared(
        &mut self,
        message: &ServerMessage,
        gate: u64,
        except: Option<SessionId>,
        slot: Option<Slot>,
    ) {
        if slot.is_some() {
            let ids: Vec<_> = self
                .sessions
                .keys()
                .copied()
                .filter(|id| Some(*id) != except)
                .collect();
            return self.send_each(&ids, message, gate, slot);
        }
        let stamp = Stamp {
            gate,
            next_seq: self.journal.next_seq(),
        };
        let document = match message {
            ServerMessage::Yjs(document, _) => Some(document.as_str()),
            ServerMessage::Frame(_)
            | ServerMessage::Refused(_)
            | ServerMessage::LetIn(_)
            | ServerMessage::Saved
            | ServerMessage::SavedUntil(_) => None,
        };
        let mut encoded = Encoded::new(message, self.deflate);
        let encode = |stream: &Stream| {
            let hears = document.is_none_or(|d| stream.document == d);
            hears.then(|| encoded.frame(stream)).flatten()
        };
        self.outbox.broadcast(encode, stamp, except);
    }

    fn send_each(
        &mut self,
        ids: &[SessionId],
        message: &ServerMessage,
        gate: u64,
        slot: Option<Slot>,
    ) {
        // Only what is shared is worth compressing.
        let mut encoded = Encoded::new(message, None);
        for id in ids {
            let stream = self.outbox.stream_of(*id);
            if let Some(frame) = stream.and_then(|stream| encoded.frame(stream)) {
                self.outbox.send(*id, frame, gate, slot);
            }
        }
    }

    /// Somebody waits for record `seq`.
    pub(super) fn hurry(&mut self, seq: u64) {
        if self.journal.hurry(seq) {
            self.outputs.push_back(Output::HurryStore);
        }
    }

    /// Whether anything hangs on what the store answers next. While nothing does, its answers may
    /// wait for the room's next turn, whatever that is for; a failure may not.
    #[must_use]
    pub fn awaits_store(&self) -> bool {
        !matches!(self.phase, Phase::Live)
            || self.is_watched
            || self.journal.is_awaited()
            || !self.snapshots.is_empty()
            || !self.drafts.is_empty()
            || self.asked.iter().any(|(_, asked)| *asked != Asked::Append)
    }

    /// Appends what waits, if it is due.
    pub(super) fn submit_due(&mut self) {
        if self.journal.is_due(self.now, &self.config.limits) && !self.requests.deletes() {
            self.submit();
        }
    }

    /// Appends what waits, not waiting for company, nor for a store that took no writes.
    pub(super) fn submit_all(&mut self) {
        if self.journal.is_settled() {
            return;
        }
        self.journal.resume();
        self.hurry(self.journal.head());
        self.submit_due();
    }

    fn submit(&mut self) {
        if matches!(self.phase, Phase::Stopped) {
            return;
        }
        let lease = self
            .journal
            .lease
            .expect("a room that has records has a lease");
        let task = self.fresh_task(Asked::Append);
        let Handed {
            first_seq,
            records,
            urgent,
            due_at,
        } = self.journal.submit(self.now, &self.config.limits);
        let queue = match self.config.hooks.changes {
            true => self
                .marks
                .submit(&self.config.id, first_seq, &records, self.now),
            false => Vec::new(),
        };
        let data = encode_row(
            lease.incarnation,
            lease.epoch,
            first_seq,
            self.now,
            &records,
        );
        let kind = (!self.known_to_store).then_some(self.kind);
        let meta = self.meta.submit(kind, self.now);
        let append = Append {
            room: self.config.id.clone(),
            lease,
            first_seq,
            count: records.len() as u64,
            data,
            next_wake: self.next_wake,
            meta,
            queue,
            urgent,
            wait_ms: due_at.since(self.now),
        };
        self.outputs
            .push_back(Output::Store(task, StoreRequest::Append(append)));
    }

    fn fresh_task(&mut self, asked: Asked) -> StoreTask {
        self.next_id += 1;
        let task = StoreTask(self.next_id);
        self.asked.push_back((task, asked));
        task
    }

    pub(super) fn ask(&mut self, asked: Asked, request: StoreRequest) {
        let task = self.fresh_task(asked);
        self.outputs.push_back(Output::Store(task, request));
    }

    pub(super) fn store_done(&mut self, task: StoreTask, reply: StoreReply) {
        // It answers in order, but for what a rebuild gave up: this is mostly the first.
        let at = self.asked.iter().position(|(asked, _)| *asked == task);
        let asked = at.and_then(|at| self.asked.remove(at));
        match asked.map(|(_, asked)| asked) {
            Some(Asked::Load) => self.loaded(reply),
            Some(Asked::Append) => self.appended(reply),
            Some(Asked::Snapshot(part, seq)) => self.snapshot_put(part, seq, &reply),
            Some(Asked::Trim) => self.go_on_draining(),
            Some(Asked::Release) => self.stopped(Stopped::Drained),
            Some(Asked::Delete) => self.deleted(&reply),
            Some(Asked::Unloaded) => self.unload_marked(&reply),
            Some(Asked::Version(request, meta)) => self.version_put(request, *meta, &reply),
            Some(Asked::DropVersion(request)) => self.version_dropped(request, &reply),
            // A reply to a request of before a rebuild: what it was about is read anew.
            None => {}
        }
    }

    fn appended(&mut self, reply: StoreReply) {
        match reply {
            StoreReply::Done => {
                self.known_to_store = true;
                let durable = self.journal.appended();
                self.outbox.set_durable(durable);
                self.meta.appended();
                self.release_replies();
                self.see(|| Seen::Durable(durable));
                self.start_tasks();
                self.put_snapshots();
                self.put_versions();
                self.go_on_loading();
                self.go_on_draining();
            }
            StoreReply::Failed(StoreError::Fenced | StoreError::Held(_)) => {
                self.stopped(Stopped::Moved);
            }
            StoreReply::Failed(error) => self.append_failed(&error),
            other => {
                let what = format!("store answered {other:?} to an append");
                self.append_failed(&StoreError::Io(what));
            }
        }
    }

    /// Rolls the room back to what is durable. Whoever still holds what is lost is asked for it
    /// when the store takes writes again; everybody else is told to come back.
    fn append_failed(&mut self, error: &StoreError) {
        self.outputs
            .push_back(Output::Note(format!("append failed: {error}")));
        self.journal.forget();
        self.journal.hold_writes(self.now);
        self.roll_back_requests();
        for (session, lost) in self.outbox.roll_back() {
            let debt = self.presence.debts.entry(session).or_default();
            debt.lose(lost);
        }
        self.snapshots.clear();
        self.drafts.clear();
        self.tasks.clear();
        let lost: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| !link.protocol.resends())
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            self.outbox.close(id, CloseReason::RoomFault);
        }
        match self.phase {
            Phase::Live => self.rebuild(),
            Phase::Loading(ref load) if load.is_rebuild() => self.rebuild(),
            // Its first content is not stored: it must not be seen without.
            Phase::Loading(_) | Phase::Draining(_) => {
                self.stopped(Stopped::StoreFailed(error.to_string()))
            }
            Phase::Stopped => {}
        }
    }

    /// Takes writes again, if they were held.
    pub(super) fn resume_writes(&mut self) {
        if self.journal.resume() && matches!(self.phase, Phase::Live) {
            self.event(Source::Room, |b, cx| b.writes_resumed(cx));
        }
    }

    /// Hands over the snapshots whose records are durable by now.
    fn put_snapshots(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        let durable = self.journal.durable();
        let (ready, held) = std::mem::take(&mut self.snapshots)
            .into_iter()
            .partition(|(_, seq, _)| *seq <= durable);
        self.snapshots = held;
        let Some(lease) = self.journal.lease else {
            return;
        };
        for (part, seq, data) in ready {
            let data = seal_snapshot(lease.incarnation, seq, &data);
            let snapshot = Snapshot {
                part: part.clone(),
                seq,
                data,
            };
            let room = self.config.id.clone();
            let request = StoreRequest::PutSnapshot {
                room,
                lease,
                snapshot,
            };
            self.ask(Asked::Snapshot(part, seq), request);
        }
    }

    fn snapshot_put(&mut self, part: Part, seq: u64, reply: &StoreReply) {
        if *reply == StoreReply::Done {
            let generations = self.generations.entry(part).or_default();
            if seq > generations.newest {
                *generations = Generations {
                    newest: seq,
                    older: generations.newest,
                };
            }
            self.trim();
        } else {
            self.outputs
                .push_back(Output::Note(format!("snapshot not kept: {reply:?}")));
        }
        self.go_on_draining();
    }

    /// Drops the rows that no kept snapshot needs: those below the oldest of the older ones.
    fn trim(&mut self) {
        let Some(behaviour) = &self.behaviour else {
            return;
        };
        let older = |part: &Part| self.generations.get(part).map_or(0, |g| g.older);
        let below_seq = behaviour.parts().iter().map(older).min().unwrap_or(0) + 1;
        if below_seq <= self.trimmed_below {
            return;
        }
        self.trimmed_below = below_seq;
        let lease = self.journal.lease.expect("a snapshot was put under it");
        let room = self.config.id.clone();
        self.ask(
            Asked::Trim,
            StoreRequest::Trim {
                room,
                lease,
                below_seq,
            },
        );
    }
}
