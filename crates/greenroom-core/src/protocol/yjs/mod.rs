//! The y-websocket dialect (y-protocols 1.0.7 sync and awareness, y-websocket 3): one binary
//! WebSocket frame is one message. Trailing messages of peers that pipeline are read too; we never
//! send any, because the clients read the first message of a frame and ignore the rest.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use greenroom_service::Message;

use super::lib0::{ReadError, Reader, put_var_uint};
use super::websocket::{Opcode, frame, frame_of};
use super::{ClientMessage, ServerMessage, YjsMessage};
use crate::close_reason::CloseReason;
use crate::collab::doc::awareness::read_awareness;
use crate::collab::doc::gate::check_update;
use crate::collab::doc::update::StateVector;
use crate::limits::Limits;

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;

pub(super) const STEP1: u64 = 0;
pub(super) const STEP2: u64 = 1;
pub(super) const UPDATE: u64 = 2;

/// A message that changes nothing: an awareness update of no states. Sent to a peer that would
/// otherwise hear nothing for 30 s and give up.
#[must_use]
pub fn keep_alive() -> Bytes {
    frame(Opcode::Binary, &[AWARENESS as u8, 1, 0])
}

/// Decodes the messages of one frame.
///
/// # Errors
/// The reason with which the connection is to be closed.
pub fn decode(
    received: &Message,
    limits: &Limits,
    out: &mut Vec<ClientMessage>,
) -> Result<(), CloseReason> {
    let Message::Binary(bytes) = received else {
        return Err(CloseReason::Malformed);
    };
    if bytes.len() > limits.yjs_frame_bytes_max {
        return Err(CloseReason::TooLarge);
    }
    let mut reader = Reader::new(bytes);
    loop {
        out.push(decode_one(bytes, &mut reader, limits)?);
        if reader.is_empty() {
            return Ok(());
        }
    }
}

pub(super) fn decode_one(
    bytes: &Bytes,
    reader: &mut Reader<'_>,
    limits: &Limits,
) -> Result<ClientMessage, CloseReason> {
    let malformed = |_: ReadError| CloseReason::Malformed;
    match reader.var_uint().map_err(malformed)? {
        SYNC => decode_sync(bytes, reader),
        AWARENESS => decode_awareness(bytes, reader, limits),
        // y-sweet's client answers the question with the question's own type and a body.
        QUERY_AWARENESS if reader.is_empty() => Ok(ClientMessage::QueryAwareness),
        QUERY_AWARENESS => decode_awareness(bytes, reader, limits),
        _ => Err(CloseReason::Malformed),
    }
}

/// Decodes the body of a sync message, which `reader` stands before in `bytes`.
pub(super) fn decode_sync(
    bytes: &Bytes,
    reader: &mut Reader<'_>,
) -> Result<ClientMessage, CloseReason> {
    let malformed = |_: ReadError| CloseReason::Malformed;
    let step = reader.var_uint().map_err(malformed)?;
    let body = bytes.slice_ref(reader.var_bytes().map_err(malformed)?);
    match step {
        STEP1 => StateVector::decode(&body)
            .map(ClientMessage::SyncStep1)
            .map_err(|_| CloseReason::Malformed),
        STEP2 => check_update(body)
            .map(ClientMessage::SyncStep2)
            .map_err(|_| CloseReason::Malformed),
        UPDATE => check_update(body)
            .map(ClientMessage::Update)
            .map_err(|_| CloseReason::Malformed),
        _ => Err(CloseReason::Malformed),
    }
}

/// Decodes the body of an awareness message, which `reader` stands before in `bytes`.
pub(super) fn decode_awareness(
    bytes: &Bytes,
    reader: &mut Reader<'_>,
    limits: &Limits,
) -> Result<ClientMessage, CloseReason> {
    let body = reader.var_bytes().map_err(|_| CloseReason::Malformed)?;
    read_awareness(&bytes.slice_ref(body), limits).map(ClientMessage::Awareness)
}

/// Encodes `message` as a frame; `None` when this dialect does not carry it.
#[must_use]
pub fn encode(message: &ServerMessage) -> Option<Bytes> {
    Some(match message {
        ServerMessage::Yjs(_, yjs) => match yjs {
            YjsMessage::SyncStep1(vector) => framed(&[SYNC, STEP1], vector),
            YjsMessage::SyncStep2(update) => framed(&[SYNC, STEP2], update),
            YjsMessage::Update(update) => framed(&[SYNC, UPDATE], update),
            YjsMessage::Awareness(update) => framed(&[AWARENESS], update),
        },
        ServerMessage::Refused(refuse) => {
            // Sub-type 0, permission denied: the client shows the reason in its console.
            let reason = format!("{}: {}", refuse.code, refuse.reason);
            framed(&[AUTH, 0], reason.as_bytes())
        }
        ServerMessage::Frame(_)
        | ServerMessage::LetIn(_)
        | ServerMessage::Saved
        | ServerMessage::SavedUntil(_) => return None,
    })
}

/// A frame of one message: its kind, then `body` with its length.
pub(super) fn framed(kind: &[u64], body: &[u8]) -> Bytes {
    // A kind has at most two numbers of a byte, and a length ten.
    let mut head = [0; 12];
    let mut rest = &mut head[..];
    for number in kind {
        put_var_uint(&mut rest, *number);
    }
    put_var_uint(&mut rest, body.len() as u64);
    let unused = rest.len();
    let head = &head[..head.len() - unused];
    frame_of(Opcode::Binary, &[head, body])
}
