//! Takes apart what a room sent to a peer.

use bytes::Bytes;

use crate::close_reason::Protocol;
use crate::protocol::YjsMessage;
use crate::protocol::lib0::{ReadError, Reader};
use crate::protocol::websocket::Opcode;

/// A message as a peer got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Raw peers: text; also a refusal, as JSON.
    Text(String),
    /// Raw peers: bytes.
    Binary(Bytes),
    /// Yjs peers: a message about their document.
    Yjs(YjsMessage),
    /// Yjs peers: what they sent was refused; code and reason.
    Denied(String),
    /// Hocuspocus peers: what they may do.
    Scope(String),
    /// Hocuspocus peers: whether a write of theirs is on stable storage; else it was refused.
    Saved(bool),
    /// y-sweet peers: how far all is saved, a number of a byte.
    SavedUntil(u8),
}

/// Takes a server's frame apart: header of 2, 4 or 10 bytes, payload.
pub(super) fn payload(frame: &Bytes) -> (Opcode, Bytes) {
    let opcode = Opcode::from_bits(frame[0] & 0x0f).expect("a known opcode");
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    (opcode, frame.slice(header..))
}

pub(super) fn decode(protocol: Protocol, frame: &Bytes) -> Heard {
    let (opcode, payload) = payload(frame);
    match (protocol, opcode) {
        (Protocol::Ysweet, _) if payload[0] == 102 => Heard::SavedUntil(payload[2]),
        (Protocol::Yjs | Protocol::Ysweet, _) => {
            yjs(&payload).expect("one whole message in a frame")
        }
        (Protocol::Raw, Opcode::Text) => Heard::Text(String::from_utf8_lossy(&payload).into()),
        (Protocol::Raw, _) => Heard::Binary(payload),
        (Protocol::Hocuspocus, _) => hocuspocus(&payload).expect("one whole message in a frame"),
    }
}

fn hocuspocus(payload: &Bytes) -> Result<Heard, ReadError> {
    let mut reader = Reader::new(payload);
    reader.var_string()?;
    let body = payload.slice_ref(reader.rest());
    Ok(match (reader.var_uint()?, body[1]) {
        (0 | 1, _) => yjs(&body)?,
        (2, 2) => {
            reader.byte()?;
            Heard::Scope(reader.var_string()?.to_owned())
        }
        (5, _) => Heard::Text(reader.var_string()?.to_owned()),
        (8, saved) => Heard::Saved(saved == 1),
        other => panic!("a message of unknown kind {other:?}"),
    })
}

fn yjs(payload: &Bytes) -> Result<Heard, ReadError> {
    let mut reader = Reader::new(payload);
    let kind = (reader.var_uint()?, payload[1]);
    if kind.0 != 1 {
        reader.byte()?;
    }
    let body = payload.slice_ref(reader.var_bytes()?);
    assert!(
        reader.is_empty(),
        "clients ignore what follows the first message"
    );
    Ok(match kind {
        (0, 0) => Heard::Yjs(YjsMessage::SyncStep1(body)),
        (0, 1) => Heard::Yjs(YjsMessage::SyncStep2(body)),
        (0, 2) => Heard::Yjs(YjsMessage::Update(body)),
        (1, _) => Heard::Yjs(YjsMessage::Awareness(body)),
        (2, 0) => Heard::Denied(String::from_utf8_lossy(&body).into()),
        other => panic!("a message of unknown kind {other:?}"),
    })
}
