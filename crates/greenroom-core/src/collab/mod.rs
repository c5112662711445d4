//! Collab rooms: what people edit together. One order and one journal for all of a room's
//! documents, whichever protocol addresses them.

pub mod doc;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use greenroom_service::{
    Fault, Halt, Left, Millis, Outcome, Refuse, Rights, Session, SessionId, Start, TaskId,
    TaskResult, To, UserId,
};

use crate::protocol::{ClientMessage, ServerMessage, YjsMessage};
use crate::room::behaviour::{Behaviour, BehaviourFactory, Cx, Effect, Past, Progress, Visibility};
use crate::room::job::{ComputeId, Job, JobDone};
use crate::room::presence::Presence;
use crate::room::request::{ContentRequest, PartShown, Present, Reply, RequestId};
use crate::room::session::Link;
use crate::store::Part;
use crate::store::envelope::{Record, RecordKind};
use doc::document::{
    Document, STORE_UNAVAILABLE, read_document_record, read_edited_record, read_skipped_record,
    read_snapshot,
};
use doc::gate::CheckedUpdate;
use doc::job::{DocumentJob, DocumentJobDone, LoadDocument, StoredUpdate};

/// Makes collab rooms.
#[must_use]
pub fn collab_rooms() -> Arc<BehaviourFactory> {
    Arc::new(|_| Box::new(Collab::default()) as Box<dyn Behaviour>)
}

/// The behaviour of a collab room.
#[derive(Debug, Default)]
struct Collab {
    // In boxes: the map keeps room for eleven, and most rooms have one.
    documents: BTreeMap<String, Box<Document>>,
    /// The job that reads the past.
    loading: Option<ComputeId>,
}

impl Collab {
    fn document(&mut self, name: &str) -> &mut Document {
        // Looked up first: an entry would copy the name for each message.
        if !self.documents.contains_key(name) {
            let document = Box::new(Document::new(name));
            self.documents.insert(name.to_owned(), document);
        }
        self.documents.get_mut(name).expect("it is there by now")
    }

    /// Whether the room has the document of this name, or may have it.
    fn check_name(&self, name: &str, cx: &mut Cx<'_>) -> Result<(), Refuse> {
        let bytes_max = cx.limits.document_name_bytes_max;
        if name.len() > bytes_max {
            cx.hits.limit("document_name_bytes_max");
            let reason = format!("the name of a document has at most {bytes_max} bytes");
            return Err(Refuse::new("document_name", reason));
        }
        let known = self.documents.contains_key(name);
        if !known && self.documents.len() >= cx.limits.documents_max {
            cx.hits.limit("documents_max");
            let reason = "the room has all documents it may have";
            return Err(Refuse::new("documents_full", reason));
        }
        Ok(())
    }

    /// Forgets a document in which nothing is, when nobody hears it.
    fn forget_unused(&mut self, name: &str, cx: &Cx<'_>) {
        if let Some(document) = self.documents.get(name) {
            let heard = cx.links.values().any(|other| other.document == *name);
            if document.is_unused() && !heard {
                self.documents.remove(name);
            }
        }
    }

    /// Asks every peer for what it has: it still holds what a rebuild or a failed append lost.
    fn ask_all(&mut self, cx: &mut Cx<'_>) {
        for (session, link) in cx.links {
            self.document(&link.document).ask(*session, cx);
        }
    }

    /// Takes in what a session wrote. One that is told of its writes gets `receipts` once it is on
    /// stable storage; while the store takes no writes, once it has sent that again.
    fn write(
        &mut self,
        session: SessionId,
        update: CheckedUpdate,
        receipts: u32,
        cx: &mut Cx<'_>,
    ) -> Outcome {
        let name = &cx.links[&session].document;
        let may_write = cx.sessions[&session].rights.has(Rights::WRITE);
        let taken = self.document(name).take(session, update, may_write, cx);
        if !cx.acknowledges(session) {
            return taken;
        }
        match taken {
            Ok(()) => {
                for _ in 0..receipts {
                    let saved = ServerMessage::Saved;
                    let receipt = Effect::SendSure(session, saved, Visibility::Durable);
                    cx.effects.push(receipt);
                }
                Ok(())
            }
            Err(Halt::Refuse(refuse)) if refuse.code == STORE_UNAVAILABLE => {
                let debt = cx.presence.debts.entry(session).or_default();
                debt.lose(receipts);
                Ok(())
            }
            Err(halt) => {
                let debt = cx.presence.debts.entry(session).or_default();
                debt.refuse();
                Err(halt)
            }
        }
    }

    /// Tells a session that asked how far all that it wrote is saved.
    fn tell_saved(session: SessionId, cx: &mut Cx<'_>) {
        let debt = cx.presence.debts.get_mut(&session);
        if let Some(version) = debt.and_then(|debt| debt.saved_until(cx.writable)) {
            let saved = ServerMessage::SavedUntil(version);
            let receipt = Effect::SendSure(session, saved, Visibility::Durable);
            cx.effects.push(receipt);
        }
    }

    /// Tells everybody of the document which awareness entries changed, unless it is too early
    /// after the last time.
    fn tell_awareness(name: &str, cx: &mut Cx<'_>) {
        let Some(awareness) = cx.presence.awareness.get_mut(name) else {
            return;
        };
        if let Some(update) = awareness.tell(cx.now, cx.links.len(), cx.limits) {
            let message = ServerMessage::Yjs(name.to_owned(), YjsMessage::Awareness(update));
            cx.send(To::All, message, Visibility::Early);
        }
    }

    /// Tells one session who is here.
    fn introduce(name: &str, session: SessionId, cx: &mut Cx<'_>) {
        if let Some(awareness) = cx.presence.awareness.get(name) {
            let present: Vec<_> = awareness.present().collect();
            let update = awareness.encode(&present);
            Self::tell_one(name, session, update, cx);
        }
    }

    /// Tells a session that missed something who is here, and who left: it may still show them.
    /// Whoever left too long ago to be known, it has removed on its own: a peer does that after
    /// [`AWARENESS_EXPIRY_MS`](crate::limits::AWARENESS_EXPIRY_MS), and we remember for longer.
    fn introduce_again(name: &str, session: SessionId, cx: &mut Cx<'_>) {
        if let Some(awareness) = cx.presence.awareness.get(name) {
            let known: Vec<_> = awareness.known().collect();
            let update = awareness.encode(&known);
            Self::tell_one(name, session, update, cx);
        }
    }

    fn tell_one(name: &str, session: SessionId, update: Bytes, cx: &mut Cx<'_>) {
        // Of nobody there is nothing to tell.
        if update[..] != [0] {
            let message = ServerMessage::Yjs(name.to_owned(), YjsMessage::Awareness(update));
            cx.send(To::One(session), message, Visibility::Early);
        }
    }

    fn awareness_due(cx: &mut Cx<'_>) {
        let now = cx.now;
        let mut due = Vec::new();
        for (name, awareness) in &mut cx.presence.awareness {
            if awareness.poll_timeout().is_some_and(|at| at <= now) {
                let gone = awareness.expire(now);
                awareness.changed(gone);
                due.push(name.clone());
            }
        }
        for name in due {
            Self::tell_awareness(&name, cx);
        }
        cx.presence
            .awareness
            .retain(|_, awareness| !awareness.is_empty());
    }

    fn all_done(&self) -> Progress {
        if self.loading.is_some() || self.documents.values().any(|document| document.is_busy()) {
            Progress::Working
        } else {
            Progress::Ready
        }
    }
}

impl Behaviour for Collab {
    fn load(&mut self, past: Past, cx: &mut Cx<'_>) -> Result<Progress, Fault> {
        let documents = documents_of(past)?;
        if documents.is_empty() {
            return Ok(Progress::Ready);
        }
        let id = cx.compute(Job::Document(DocumentJob::Load(documents)));
        self.loading = Some(id);
        Ok(Progress::Working)
    }

    fn start(&mut self, why: Start, cx: &mut Cx<'_>) -> Outcome {
        // Who asked before a rebuild waits still.
        for (session, asked) in std::mem::take(&mut cx.presence.unanswered) {
            if let Some(link) = cx.links.get(&session) {
                self.document(&link.document)
                    .answer(session, asked.vector, cx);
            }
        }
        // While the store takes no writes, nobody is asked for what it could not keep.
        if why == Start::Rebuilt && cx.writable {
            self.ask_all(cx);
        }
        Ok(())
    }

    fn writes_resumed(&mut self, cx: &mut Cx<'_>) -> Outcome {
        self.ask_all(cx);
        Ok(())
    }

    fn admit(&mut self, session: &Session, link: &Link, cx: &mut Cx<'_>) -> Result<Rights, Refuse> {
        self.check_name(&link.document, cx)?;
        Ok(session.rights)
    }

    fn join(&mut self, session: SessionId, cx: &mut Cx<'_>) -> Outcome {
        let name = cx.links[&session].document.clone();
        // Who counts its writes is asked when it begins to count: with its own question.
        if !cx.acknowledges(session) {
            self.document(&name).ask(session, cx);
        }
        Self::introduce(&name, session, cx);
        Ok(())
    }

    fn message(&mut self, session: SessionId, message: ClientMessage, cx: &mut Cx<'_>) -> Outcome {
        let links = cx.links;
        let name = &links[&session].document;
        let rights = cx.sessions[&session].rights;
        match message {
            ClientMessage::SyncStep1(vector) => {
                let document = self.document(name);
                if cx.acknowledges(session) {
                    document.ask_in_handshake(session, cx);
                }
                document.answer(session, vector, cx);
                Ok(())
            }
            ClientMessage::SyncStep2(update) => {
                let due = match cx.presence.debts.get_mut(&session) {
                    Some(debt) => debt.answered(),
                    None => 1,
                };
                self.write(session, update, due, cx)?;
                Self::tell_saved(session, cx);
                Ok(())
            }
            ClientMessage::Probe(version) => {
                if let Some(debt) = cx.presence.debts.get_mut(&session) {
                    debt.probe(version);
                }
                Self::tell_saved(session, cx);
                Ok(())
            }
            ClientMessage::Update(update) => self.write(session, update, 1, cx),
            // Its clients know no answer to presence that is not taken.
            ClientMessage::Awareness(_)
                if !rights.has(Rights::PRESENCE) && cx.acknowledges(session) =>
            {
                Ok(())
            }
            ClientMessage::Awareness(_) if !rights.has(Rights::PRESENCE) => {
                Err(Refuse::new("no_presence", "the token does not allow being seen here").into())
            }
            ClientMessage::Awareness(entries) => {
                // Anonymous peers are told apart by where they come from.
                let sender = &links[&session].sender;
                let awareness = cx.presence.awareness.entry(name.clone()).or_default();
                let changed = awareness.announce(cx.now, session, &entries, cx.limits, sender);
                awareness.changed(changed);
                cx.hits.take_in(awareness.take_hits());
                Self::tell_awareness(name, cx);
                Ok(())
            }
            ClientMessage::QueryAwareness => {
                Self::introduce(name, session, cx);
                Ok(())
            }
            ClientMessage::Frame(message) if cx.acknowledges(session) => {
                cx.effects.push(Effect::Said(session, message));
                Ok(())
            }
            ClientMessage::Frame(_) => {
                Err(Refuse::new("wrong_room", "this room holds documents, not a service").into())
            }
        }
    }

    fn request(
        &mut self,
        id: RequestId,
        user: Option<&UserId>,
        request: ContentRequest,
        cx: &mut Cx<'_>,
    ) -> Outcome {
        match request {
            ContentRequest::Presence => {
                let tables = cx.presence.awareness.iter();
                let shown = tables.flat_map(|(name, table)| table.shown(name));
                let named = shown.map(|present| {
                    let session = present.session.and_then(|id| cx.sessions.get(&id));
                    let user = session.and_then(|session| session.user.clone());
                    Present { user, ..present }
                });
                let present = named.collect();
                let reply = Reply::Presence(present);
                cx.effects.push(Effect::Reply(id, reply, Visibility::Early));
                Ok(())
            }
            ContentRequest::Document(name, ask) => {
                self.check_name(&name, cx)?;
                let outcome = self.document(&name).request(id, user, ask, cx);
                self.forget_unused(&name, cx);
                outcome
            }
        }
    }

    fn leave(&mut self, session: &Session, link: &Link, _: Left, cx: &mut Cx<'_>) -> Outcome {
        let name = &link.document;
        cx.presence.unanswered.remove(&session.id);
        self.forget_unused(name, cx);
        if let Some(awareness) = cx.presence.awareness.get_mut(name) {
            let gone = awareness.leave(cx.now, session.id);
            awareness.changed(gone);
            Self::tell_awareness(name, cx);
        }
        Ok(())
    }

    fn catch_up(&mut self, session: SessionId, missed_from: u64, cx: &mut Cx<'_>) -> Outcome {
        let name = cx.links[&session].document.clone();
        let document = self.document(&name);
        document.catch_up(session, missed_from, cx);
        // It may have been asked for what a failed append lost, and not have heard it.
        document.ask(session, cx);
        Self::introduce_again(&name, session, cx);
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) -> Outcome {
        Self::awareness_due(cx);
        for document in self.documents.values_mut() {
            document.drop_idle_engine(cx.now);
            document.version_due(cx);
        }
        Ok(())
    }

    fn poll_timeout(&self, presence: &Presence, _: bool) -> Option<Millis> {
        let awareness = presence
            .awareness
            .values()
            .filter_map(|table| table.poll_timeout());
        let documents = self.documents.values();
        let engines = documents.filter_map(|document| document.poll_timeout());
        awareness.chain(engines).min()
    }

    fn compute_done(
        &mut self,
        id: ComputeId,
        done: JobDone,
        cx: &mut Cx<'_>,
    ) -> Result<Progress, Fault> {
        if self.loading == Some(id) {
            self.loading = None;
            let JobDone::Document(DocumentJobDone::Loaded(documents)) = done else {
                return Err(Fault("the documents cannot be read".into()));
            };
            let unreadable =
                |error| Fault(format!("a document's snapshot cannot be read: {error}"));
            for loaded in documents.map_err(unreadable)? {
                for (seq, error) in &loaded.unreadable {
                    let note = format!("stored update at seq {seq} cannot be read: {error}");
                    cx.effects.push(Effect::Note(note));
                }
                let name = loaded.name.clone();
                self.documents
                    .insert(name, Box::new(Document::from_loaded(loaded)));
            }
        } else if let Some(document) = self.documents.values_mut().find(|d| d.runs(id)) {
            match done {
                JobDone::Document(DocumentJobDone::Worked(worked)) => {
                    document.worked(Some(*worked), cx);
                }
                _ => document.worked(None, cx),
            }
        }
        Ok(self.all_done())
    }

    fn task_done(&mut self, _: TaskId, _: TaskResult, _: &mut Cx<'_>) -> Outcome {
        Ok(())
    }

    fn prepare_stop(&mut self, cx: &mut Cx<'_>) -> Progress {
        let mut progress = Progress::Ready;
        for document in self.documents.values_mut() {
            if document.prepare_stop(cx) {
                progress = Progress::Working;
            }
        }
        progress
    }

    fn after_event(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        let keeps = |effect: &Effect| matches!(effect, Effect::Snapshot(..));
        if cx.effects.iter().any(keeps) {
            for document in self.documents.values_mut() {
                document.renew_snapshot(cx);
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<Part> {
        let written = self
            .documents
            .iter()
            .filter(|(_, document)| !document.is_blank());
        written
            .map(|(name, _)| Part::Document(name.clone()))
            .collect()
    }

    fn show(&self) -> Vec<PartShown> {
        let documents = self.documents.values();
        documents.filter_map(|document| document.show()).collect()
    }

    fn next_wake(&self) -> Option<Millis> {
        None
    }

    fn survives_unload(&self) -> bool {
        true
    }

    fn state_hash(&self) -> u64 {
        let written = self
            .documents
            .values()
            .filter(|document| !document.is_unused());
        let hashes = written.map(|document| u64::from(document.state_hash()));
        hashes.fold(0xcbf2_9ce4_8422_2325, |all, one| {
            (all ^ one).wrapping_mul(0x0100_0000_01b3)
        })
    }

    fn kind(&self) -> &'static str {
        "collab"
    }
}

/// Reads the past of a room's documents as loading it does: what is stored, and a reader that must
/// hold whatever is.
///
/// # Errors
/// Why a part of it cannot be read.
#[cfg(any(test, feature = "testing"))]
pub fn read_past(past: Past) -> Result<Vec<doc::job::LoadedDocument>, Fault> {
    let documents = documents_of(past)?.into_iter();
    documents
        .map(|document| doc::job::load(document).map_err(Fault))
        .collect()
}

/// What a record is about, for those who read a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The document.
    pub document: Option<String>,
    /// For whom it was made.
    pub user: Option<String>,
}

/// What `record` is about, as far as it says.
#[must_use]
pub fn about(record: &Record) -> About {
    let document = match record.kind {
        RecordKind::Document => read_document_record(&record.data).map(|(name, _)| (name, "")),
        RecordKind::Edited => read_edited_record(&record.data).map(|(name, user, _)| (name, user)),
        _ => return About::default(),
    };
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    document.map_or_else(
        |_| About::default(),
        |(name, user)| About {
            document: Some(name.to_owned()),
            user: given(user),
        },
    )
}

/// Sorts the past by document.
fn documents_of(past: Past) -> Result<Vec<LoadDocument>, Fault> {
    let mut documents: BTreeMap<String, LoadDocument> = BTreeMap::new();
    for (part, seq, data) in past.snapshots {
        let Part::Document(name) = part else { continue };
        let document = read_snapshot(&name, seq, &data)
            .map_err(|error| Fault(format!("a document's snapshot cannot be read: {error}")))?;
        documents.insert(name, document);
    }
    let is = |kind| move |record: &Record| record.kind == kind;
    let skipped = past
        .records
        .iter()
        .filter(|(_, r)| is(RecordKind::Skipped)(r));
    let skipped: BTreeSet<_> = skipped
        .filter_map(|(_, record)| read_skipped_record(&record.data).ok())
        .collect();
    for (seq, record) in past.records {
        let read = match record.kind {
            RecordKind::Document => read_document_record(&record.data),
            RecordKind::Edited => {
                read_edited_record(&record.data).map(|(name, _, update)| (name, update))
            }
            _ => continue,
        };
        let (name, update) = read
            .map_err(|error| Fault(format!("the record at seq {seq} cannot be read: {error}")))?;
        let document = documents
            .entry(name.into())
            .or_insert_with(|| LoadDocument::new(name));
        if seq > document.base_seq {
            let skipped = skipped.contains(&seq);
            document.tail.push(StoredUpdate {
                seq,
                update,
                skipped,
            });
        }
    }
    Ok(documents.into_values().collect())
}
