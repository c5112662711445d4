//! The spans that log lines stand in: `room{room}`, `conn{conn,user}`, `store{task}`. Made when a
//! line is written and not kept: a span that lives as long as its connection would cost an idle one
//! a quarter of its memory, and one entered at each poll would cost time for lines nobody writes.

use greenroom_service::{RoomId, SessionId, UserId};
use tracing::{Span, info_span};

/// Of a room.
pub(crate) fn room(room: &RoomId) -> Span {
    info_span!("room", %room)
}

/// Of a connection in its room; `user` is empty for somebody without a token.
pub(crate) fn conn(in_room: &RoomId, conn: SessionId, user: Option<&UserId>) -> Span {
    let user = user.map(ToString::to_string).unwrap_or_default();
    room(in_room).in_scope(|| info_span!("conn", conn = conn.0, user))
}

/// Of what the store does by itself.
pub(crate) fn store(task: &'static str) -> Span {
    info_span!("store", task)
}
