//! The dialect of y-sweet 0.9: y-websocket's, and a message by which a client asks whether all that
//! it wrote is saved.
//!
//! ```text
//! varUint 102, varBytes version    the client's own count of its edits; the same bytes come back
//! ```

#[cfg(test)]
mod tests;

use bytes::Bytes;
use greenroom_service::Message;

use super::lib0::Reader;
use super::yjs;
use super::{ClientMessage, ServerMessage};
use crate::close_reason::CloseReason;
use crate::limits::Limits;

const SYNC_STATUS: u64 = 102;

/// The longest version: a varUint.
const VERSION_BYTES_MAX: usize = 8;

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
        let mut ahead = reader.clone();
        if ahead.var_uint() == Ok(SYNC_STATUS) {
            let version = ahead.var_bytes().map_err(|_| CloseReason::Malformed)?;
            if version.len() > VERSION_BYTES_MAX {
                return Err(CloseReason::Malformed);
            }
            out.push(ClientMessage::Probe(bytes.slice_ref(version)));
            reader = ahead;
        } else {
            out.push(yjs::decode_one(bytes, &mut reader, limits)?);
        }
        if reader.is_empty() {
            return Ok(());
        }
    }
}

/// Encodes `message` as a frame; `None` when this dialect does not carry it.
#[must_use]
pub fn encode(message: &ServerMessage) -> Option<Bytes> {
    match message {
        ServerMessage::SavedUntil(version) => Some(yjs::framed(&[SYNC_STATUS], version)),
        other => yjs::encode(other),
    }
}
