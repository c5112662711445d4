//! Answers requests, and keeps what the store knows of the room besides its journal.

use std::collections::BTreeSet;

use bytes::Bytes;
use greenroom_service::{Message, Millis, Refuse, SessionId, To};
use serde_json::{Map, Value};

use super::commit::Asked;
use super::request::{
    Caller, ContentRequest, Import, Reply, Request, RequestId, Seen, SessionShown, Shown,
};
use super::{Output, Phase, Room, Source};
use crate::close_reason::CloseReason;
use crate::protocol::{self, ServerMessage};
use crate::store::envelope::{Record, RecordKind};
use crate::store::{MetaChange, RoomMeta, StoreError, StoreReply, StoreRequest};

/// What the store knows of the room, and what it is to be told with the next append.
#[derive(Debug, Default)]
pub(super) struct Meta {
    created: Option<Millis>,
    changed: Option<Millis>,
    metadata: Map<String, Value>,
    /// The metadata on stable storage, while other is on its way there.
    durable: Option<Map<String, Value>>,
    /// The next append is to carry the metadata.
    waits: bool,
    /// What the append that is under way carries.
    in_flight: Option<Map<String, Value>>,
}

impl Meta {
    /// What was read when the room was acquired.
    pub(super) fn start(&mut self, stored: &RoomMeta) {
        self.created = Some(stored.created);
        self.changed = Some(stored.changed);
        // Only what was an object was ever stored.
        self.metadata = serde_json::from_slice(&stored.metadata).unwrap_or_default();
    }

    fn set(&mut self, metadata: Map<String, Value>) {
        let before = std::mem::replace(&mut self.metadata, metadata);
        self.durable.get_or_insert(before);
        self.waits = true;
    }

    /// What the append that is made now changes.
    pub(super) fn submit(&mut self, kind: Option<&str>, now: Millis) -> MetaChange {
        self.created.get_or_insert(now);
        self.changed = Some(now);
        let carried = std::mem::take(&mut self.waits).then(|| self.metadata.clone());
        let metadata = carried.as_ref().map(encode);
        self.in_flight = carried;
        MetaChange {
            kind: kind.map(Into::into),
            now,
            metadata,
            accesses: None,
        }
    }

    /// The append that was under way is on stable storage.
    pub(super) fn appended(&mut self) {
        if let Some(carried) = self.in_flight.take() {
            self.durable = self.waits.then_some(carried);
        }
    }

    /// It is not, and what waits behind it is given up.
    pub(super) fn roll_back(&mut self) {
        (self.waits, self.in_flight) = (false, None);
        if let Some(durable) = self.durable.take() {
            self.metadata = durable;
        }
    }
}

fn encode(metadata: &Map<String, Value>) -> Bytes {
    serde_json::to_vec(metadata)
        .expect("a JSON object can be written")
        .into()
}

/// Requests that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Those that the behaviour works on.
    open: BTreeSet<RequestId>,
    /// Answers that wait for the record of this seq.
    held: Vec<(u64, RequestId, Reply)>,
    /// The room is being deleted for this one.
    deletes: Option<RequestId>,
}

impl Requests {
    fn len(&self) -> usize {
        self.open.len() + self.held.len()
    }

    /// Whether the room is being deleted: nobody is let in, nothing more is written.
    pub(super) fn deletes(&self) -> bool {
        self.deletes.is_some()
    }
}

impl Room {
    /// A request has come.
    pub(super) fn request(&mut self, id: RequestId, caller: &Caller, request: Request) {
        assert!(
            self.accepts(),
            "requests wait in the mailbox until the room accepts them"
        );
        let sender = caller.sender();
        if let Some(refuse) = self.no_service(&sender) {
            return self.refuse(id, refuse);
        }
        match request {
            Request::Show => {
                let shown = self.shown();
                self.reply(id, Reply::Shown(Box::new(shown)), 0);
            }
            Request::Create(metadata) => self.create(id, metadata),
            Request::SetMetadata(metadata) => self.set_metadata(id, metadata),
            Request::MergeMetadata(patch) => {
                let mut metadata = Value::Object(self.meta.metadata.clone());
                merge(&mut metadata, Value::Object(patch));
                let Value::Object(metadata) = metadata else {
                    unreachable!("an object merged into an object is one")
                };
                self.set_metadata(id, metadata);
            }
            Request::Kick(session) => self.kick(id, session),
            Request::Broadcast(message) => self.broadcast(id, message),
            Request::Delete => self.delete(id),
            Request::Import(import) => self.import(id, *import),
            Request::Content(content) => self.content(id, caller, &sender, content),
            Request::Hook(request) => self.hook_request(id, caller, request),
        }
    }

    /// Why no request of this sender is served now.
    fn no_service(&mut self, sender: &str) -> Option<Refuse> {
        if matches!(self.phase, Phase::Draining(_)) {
            return Some(Refuse::new("shutdown", "the room is being closed"));
        }
        if self.faults.holds_off(sender, self.now) {
            let reason = "a request of this sender made the room fault; wait a minute";
            return Some(Refuse::new("room_unavailable", reason));
        }
        (self.requests.len() >= self.config.limits.room_requests_max).then(|| {
            self.hits.limit("room_requests_max");
            let reason = "the room has as many unanswered requests as it may have";
            Refuse::new("too_many_requests", reason)
        })
    }

    fn shown(&mut self) -> Shown {
        let sessions = self.sessions.values().map(|session| {
            let link = &self.links[&session.id];
            SessionShown {
                id: session.id,
                user: session.user.clone(),
                protocol: link.protocol,
                document: link.document.clone(),
                tag: session.tag.clone(),
                rights: session.rights,
                joined: link.joined,
                outbox_bytes: self.outbox.bytes_for(session.id),
            }
        });
        Shown {
            kind: self.kind,
            is_stored: self.known_to_store,
            seq: self.journal.head(),
            durable_seq: self.journal.durable(),
            created: self.meta.created,
            changed: self.meta.changed,
            next_wake: self.next_wake,
            metadata: self.meta.metadata.clone(),
            sessions: sessions.collect(),
            parts: self.behaviour.as_ref().map_or(Vec::new(), |b| b.show()),
        }
    }

    fn create(&mut self, id: RequestId, metadata: Option<Map<String, Value>>) {
        if self.known_to_store || self.journal.head() > 0 {
            // One that is on its way to the store may still be lost.
            return self.reply(id, Reply::Created(false), self.journal.head());
        }
        if self.write_metadata(id, metadata.unwrap_or_default()) {
            self.reply(id, Reply::Created(true), self.journal.head());
        }
    }

    fn set_metadata(&mut self, id: RequestId, metadata: Map<String, Value>) {
        if self.write_metadata(id, metadata) {
            let metadata = self.meta.metadata.clone();
            self.reply(id, Reply::Metadata(metadata), self.journal.head());
        }
    }

    /// Records new metadata; false when that was refused.
    fn write_metadata(&mut self, id: RequestId, metadata: Map<String, Value>) -> bool {
        let data = encode(&metadata);
        let bytes_max = self.config.limits.metadata_bytes_max;
        if data.len() > bytes_max {
            self.hits.limit("metadata_bytes_max");
            let reason = format!(
                "metadata may have {bytes_max} bytes, this has {}",
                data.len()
            );
            self.refuse(id, Refuse::new("too_large", reason));
            return false;
        }
        if !self.may_write(id) {
            return false;
        }
        self.meta.set(metadata);
        let kind = RecordKind::Metadata;
        self.journal.push(Record { kind, data }, self.now);
        true
    }

    /// Whether records can be made now; refuses `id` otherwise.
    fn may_write(&mut self, id: RequestId) -> bool {
        let writable = self.journal.resume_at().is_none();
        if !writable {
            self.refuse(id, no_store());
        }
        writable
    }

    fn kick(&mut self, id: RequestId, session: SessionId) {
        if !self.sessions.contains_key(&session) {
            let reason = format!("there is no session {} in the room", session.0);
            return self.refuse(id, Refuse::new("session_not_found", reason));
        }
        self.outbox.close(session, CloseReason::Kicked);
        self.reply(id, Reply::Done, 0);
    }

    fn broadcast(&mut self, id: RequestId, message: Message) {
        let at = self.now;
        self.see(|| Seen::Broadcast {
            message: message.clone(),
            at,
        });
        let message = ServerMessage::Frame(message);
        let hears = |protocol| protocol::encode(protocol, "", &message).is_some();
        let sessions = self.links.values().filter(|link| hears(link.protocol));
        let sessions = sessions.count();
        self.send(To::All, &message, 0, None);
        self.reply(id, Reply::Sent(sessions), 0);
    }

    /// Deletes the room. Until the store has done it nobody is let in; then everybody is closed.
    fn delete(&mut self, id: RequestId) {
        self.requests.deletes = Some(id);
        let room = self.config.id.clone();
        self.ask(Asked::Delete, StoreRequest::Delete { room });
    }

    /// The store answered the deletion.
    pub(super) fn deleted(&mut self, reply: &StoreReply) {
        let id = self.requests.deletes.take().expect("it was asked for");
        match reply {
            StoreReply::Done => {
                self.reply(id, Reply::Done, 0);
                self.next_wake = None;
                self.close_all(CloseReason::Deleted);
                self.stopped(super::Stopped::Deleted);
            }
            StoreReply::Failed(error) => {
                let note = format!("not deleted: {error}");
                self.outputs.push_back(Output::Note(note));
                self.refuse(id, refusal_of(error));
            }
            other => {
                let note = format!("store answered {other:?} to a deletion");
                self.outputs.push_back(Output::Note(note));
                self.refuse(id, no_store());
            }
        }
    }

    /// Takes in the past of another room as records of its own, then reads it as its own past.
    fn import(&mut self, id: RequestId, import: Import) {
        if self.known_to_store || self.journal.head() > 0 {
            let reason = "a room that was written to cannot become another one; import into a new";
            return self.refuse(id, Refuse::new("room_exists", reason));
        }
        if import.kind != self.kind {
            let (is, was) = (self.kind, import.kind);
            let reason = format!("this is to be a {is} room, and the file is of a {was} room");
            return self.refuse(id, Refuse::new("wrong_room", reason));
        }
        if !self.write_metadata(id, import.metadata) {
            return;
        }
        for record in import.records {
            self.journal.push(record, self.now);
        }
        self.reply(id, Reply::Done, self.journal.head());
        self.rebuild();
    }

    pub(super) fn content(
        &mut self,
        id: RequestId,
        caller: &Caller,
        sender: &str,
        content: ContentRequest,
    ) {
        self.requests.open.insert(id);
        self.event(Source::Request(id, sender), |b, cx| {
            b.request(id, caller.user.as_ref(), content, cx)
        });
    }

    /// Answers `id` once record `gate` is on stable storage.
    pub(super) fn reply(&mut self, id: RequestId, reply: Reply, gate: u64) {
        self.requests.open.remove(&id);
        if gate > self.journal.durable() {
            self.hurry(gate);
            self.requests.held.push((gate, id, reply));
        } else {
            self.outputs.push_back(Output::Reply(id, reply));
        }
    }

    pub(super) fn refuse(&mut self, id: RequestId, refuse: Refuse) {
        self.reply(id, Reply::Refused(refuse), 0);
    }

    /// Lets the answers out whose records are on stable storage by now.
    pub(super) fn release_replies(&mut self) {
        let durable = self.journal.durable();
        let ready = |(gate, ..): &mut (u64, RequestId, Reply)| *gate <= durable;
        let ready = self.requests.held.extract_if(.., ready);
        self.outputs
            .extend(ready.map(|(_, id, reply)| Output::Reply(id, reply)));
    }

    /// The records that answers wait for are lost.
    pub(super) fn roll_back_requests(&mut self) {
        self.meta.roll_back();
        self.marks.roll_back();
        for (_, id, _) in std::mem::take(&mut self.requests.held) {
            self.refuse(id, no_store());
        }
    }

    /// The behaviour is gone, and with it what it worked on.
    pub(super) fn drop_requests(&mut self) {
        for id in std::mem::take(&mut self.requests.open) {
            let reason = "the room is built anew after a fault; try again";
            self.refuse(id, Refuse::new("room_unavailable", reason));
        }
    }

    /// Tells those who watch.
    pub(super) fn see(&mut self, seen: impl FnOnce() -> Seen) {
        if self.is_watched {
            self.outputs.push_back(Output::Seen(seen()));
        }
    }
}

/// JSON Merge Patch (RFC 7396).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        unreachable!("made one above")
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

pub(super) fn no_store() -> Refuse {
    let reason = "the store takes no writes now; try again in some seconds";
    Refuse::new("store_unavailable", reason)
}

pub(super) fn refusal_of(error: &StoreError) -> Refuse {
    match error {
        StoreError::Held(_) | StoreError::Fenced => {
            Refuse::new("moved", "another node owns the room")
        }
        _ => no_store(),
    }
}
