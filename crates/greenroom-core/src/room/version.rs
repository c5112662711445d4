//! Versions of documents on their way to the store.

use bytes::Bytes;
use greenroom_service::{Millis, Refuse};

use super::commit::Asked;
use super::request::{Reply, RequestId};
use super::{Output, Room};
use crate::store::envelope::seal_snapshot;
use crate::store::{
    StoreError, StoreReply, StoreRequest, Version, VersionId, VersionKind, VersionMeta,
    VersionsKept,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A version that is to be kept.
#[derive(Debug)]
pub struct Draft {
    /// Who waits for it.
    pub request: Option<RequestId>,
    /// The document.
    pub document: String,
    /// The last record that it includes.
    pub seq: u64,
    /// Why it is made.
    pub kind: VersionKind,
    /// Its name.
    pub label: String,
    /// Who asked for it.
    pub user: String,
    /// How many bytes the state has.
    pub bytes: u64,
    /// The document's own format.
    pub data: Bytes,
}

impl Room {
    /// Hands over the versions whose records are durable by now: one must not tell of what a failed
    /// append took back.
    pub(super) fn put_versions(&mut self) {
        if self.drafts.is_empty() {
            return;
        }
        let durable = self.journal.durable();
        let waits = self.drafts.iter().map(|draft| draft.seq).max();
        if let Some(seq) = waits.filter(|seq| *seq > durable) {
            self.hurry(seq);
        }
        let is_ready = |draft: &mut Draft| draft.seq <= durable;
        let ready: Vec<_> = self.drafts.extract_if(.., is_ready).collect();
        for draft in ready {
            self.put_version(draft);
        }
    }

    fn put_version(&mut self, draft: Draft) {
        let lease = self
            .journal
            .lease
            .expect("a room that has records has a lease");
        let id = self.now.0.max(self.last_version + 1);
        self.last_version = id;
        let limits = &self.config.limits;
        let age_ms = u64::from(limits.version_age_days_max) * DAY_MS;
        let meta = VersionMeta {
            id: VersionId(id),
            seq: draft.seq,
            kind: draft.kind,
            label: draft.label,
            user: draft.user,
            expires: (age_ms > 0).then(|| Millis(id + age_ms)),
            bytes: draft.bytes,
        };
        let kept = VersionsKept {
            named_max: limits.versions_named_max as u64,
            automatic_max: limits.versions_automatic_max as u64,
        };
        let version = Version {
            meta: meta.clone(),
            data: seal_snapshot(lease.incarnation, draft.seq, &draft.data),
        };
        let request = StoreRequest::PutVersion {
            room: self.config.id.clone(),
            lease,
            document: draft.document,
            version,
            kept,
        };
        self.ask(Asked::Version(draft.request, Box::new(meta)), request);
    }

    pub(super) fn version_put(
        &mut self,
        request: Option<RequestId>,
        meta: VersionMeta,
        reply: &StoreReply,
    ) {
        if *reply != StoreReply::Done {
            let note = format!("version not kept: {reply:?}");
            self.outputs.push_back(Output::Note(note));
        }
        if let Some(id) = request {
            match reply {
                StoreReply::Done => self.reply(id, Reply::Kept(meta), 0),
                failed => self.refuse_version(id, failed),
            }
        }
        self.go_on_draining();
    }

    pub(super) fn drop_version(&mut self, request: RequestId, document: String, id: VersionId) {
        let Some(lease) = self.journal.lease else {
            return self.refuse_version(request, &StoreReply::Failed(StoreError::VersionMissing));
        };
        let room = self.config.id.clone();
        let drop = StoreRequest::DropVersion {
            room,
            lease,
            document,
            id,
        };
        self.ask(Asked::DropVersion(request), drop);
    }

    pub(super) fn version_dropped(&mut self, request: RequestId, reply: &StoreReply) {
        match reply {
            StoreReply::Done => self.reply(request, Reply::Done, 0),
            failed => self.refuse_version(request, failed),
        }
        self.go_on_draining();
    }

    fn refuse_version(&mut self, id: RequestId, reply: &StoreReply) {
        let refuse = match reply {
            StoreReply::Failed(StoreError::VersionsFull) => {
                self.hits.limit("versions_named_max");
                let max = self.config.limits.versions_named_max;
                let reason = format!("the document has its {max} named versions; drop one first");
                Refuse::new("versions_full", reason)
            }
            StoreReply::Failed(StoreError::VersionMissing) => {
                Refuse::new("version_not_found", "the document has no such version")
            }
            StoreReply::Failed(error) => super::answer::refusal_of(error),
            _ => super::answer::no_store(),
        };
        self.refuse(id, refuse);
    }
}
