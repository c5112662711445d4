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
