//! Versions of the document: what is kept of it, when, and under which name.

use bytes::Bytes;
use greenroom_service::UserId;

use super::Document;
use super::stored::encode_version;
use crate::room::behaviour::{Cx, Effect};
use crate::room::request::RequestId;
use crate::room::version::Draft;
use crate::store::VersionKind;

/// Why a version is kept.
#[derive(Debug)]
pub(super) struct Occasion {
    /// Who waits for it.
    pub(super) request: Option<RequestId>,
    pub(super) kind: VersionKind,
    pub(super) label: String,
    pub(super) user: Option<UserId>,
}

impl Document {
    /// Something changed: what is not versioned yet is to be after a while.
    pub(super) fn note_change(&mut self, cx: &Cx<'_>) {
        let interval_ms = cx.limits.version_interval_ms;
        if interval_ms > 0 && self.version_due.is_none() {
            self.version_due = Some(cx.now.plus(interval_ms));
        }
    }

    /// Starts to keep an automatic version, if it is time.
    pub(crate) fn version_due(&mut self, cx: &mut Cx<'_>) {
        if self.version_due.is_some_and(|at| at <= cx.now) {
            self.version_due = None;
            self.wants_version = true;
            self.work(cx);
        }
    }

    /// Keeps the merged state as an automatic version.
    pub(super) fn keep_automatic(&self, cx: &mut Cx<'_>) {
        let occasion = Occasion {
            request: None,
            kind: VersionKind::Automatic,
            label: String::new(),
            user: None,
        };
        self.keep_version(occasion, self.base_seq, &self.base, cx);
    }

    /// Keeps `state`, which holds all up to record `seq`, as a version.
    pub(super) fn keep_version(
        &self,
        occasion: Occasion,
        seq: u64,
        state: &Bytes,
        cx: &mut Cx<'_>,
    ) {
        let user = occasion.user.as_ref().map_or("", UserId::as_str);
        cx.effects.push(Effect::Version(Draft {
            request: occasion.request,
            document: self.name.clone(),
            seq,
            kind: occasion.kind,
            label: occasion.label,
            user: user.to_owned(),
            bytes: state.len() as u64,
            data: encode_version(state),
        }));
    }
}
