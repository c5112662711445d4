//! The log lines on who came and went. At `debug`, since an access log is off by default; what shows
//! them, as `greenroom dev` does, asks for their target.

use greenroom_core::close_reason::{Close, CloseReason, Protocol};
use greenroom_core::room::Stopped;
use greenroom_service::{RoomId, SessionId, UserId};
use tracing::{Level, debug, enabled};

use crate::spans;

/// The target of these lines, and of no others: `RUST_LOG=info,greenroom_server::lifecycle=debug`.
pub const LIFECYCLE_TARGET: &str = "greenroom_server::lifecycle";

/// Whom a line is about.
#[derive(Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) room: &'a RoomId,
    pub(crate) session: SessionId,
    pub(crate) user: Option<&'a UserId>,
    pub(crate) protocol: Protocol,
}

impl Who<'_> {
    fn span(self) -> tracing::Span {
        spans::conn(self.room, self.session, self.user)
    }
}

/// Whether anybody reads these lines.
pub(crate) fn wanted() -> bool {
    enabled!(target: LIFECYCLE_TARGET, Level::DEBUG)
}

/// A room has read its past.
pub(crate) fn opened(room: &RoomId, kind: &'static str) {
    if wanted() {
        spans::room(room).in_scope(|| debug!(target: LIFECYCLE_TARGET, kind, "opened"));
    }
}

/// A room is over.
pub(crate) fn closed(room: &RoomId, why: &Stopped) {
    if !wanted() {
        return;
    }
    let why = match why {
        Stopped::Drained => "nobody is here",
        Stopped::Deleted => "deleted",
        Stopped::Moved => "moved to another node",
        Stopped::Quarantined(why) | Stopped::StoreFailed(why) | Stopped::NoFirstContent(why) => why,
    };
    spans::room(room).in_scope(|| debug!(target: LIFECYCLE_TARGET, why, "closed"));
}

/// Somebody is in; now there are so many `sessions`, of so many `protocols`.
pub(crate) fn joined(who: Who<'_>, sessions: usize, protocols: usize) {
    if wanted() {
        let protocol = who.protocol.name();
        who.span().in_scope(|| {
            debug!(target: LIFECYCLE_TARGET, protocol, sessions, protocols, "joined");
        });
    }
}

/// Somebody went; so many `sessions` are left.
pub(crate) fn left(who: Who<'_>, sessions: usize) {
    if wanted() {
        let protocol = who.protocol.name();
        who.span()
            .in_scope(|| debug!(target: LIFECYCLE_TARGET, protocol, sessions, "left"));
    }
}

/// Somebody was sent away.
pub(crate) fn sent_away(who: Who<'_>, reason: CloseReason) {
    if wanted() {
        let Close { code, text, .. } = reason.close(who.protocol);
        let reason = reason.name();
        who.span().in_scope(|| {
            debug!(target: LIFECYCLE_TARGET, reason, code, why = text, "sent away");
        });
    }
}
