//! What is left of the spans without the feature: nothing.

use greenroom_core::store::{Append, StoreReply};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

/// The span of a commit.
pub(crate) struct CommitSpan;

impl CommitSpan {
    /// The store is asked to append.
    pub(crate) fn begin(_: &Append, _: Option<Instant>) -> Self {
        Self
    }

    /// The store has answered.
    pub(crate) fn end(self, _: &StoreReply) {}
}

/// The span of a request.
pub(crate) struct RequestSpan;

impl RequestSpan {
    /// A request came.
    pub(crate) fn begin(_: &str, _: &'static str, _: &HeaderMap) -> Self {
        Self
    }

    /// It is answered.
    pub(crate) fn end(self, _: StatusCode) {}
}
