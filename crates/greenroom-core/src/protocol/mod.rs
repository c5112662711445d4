//! Wire formats: one folder each, translating between frames and typed messages, sans-IO.

pub mod hocuspocus;
pub mod lib0;
pub mod raw;
pub mod websocket;
pub mod yjs;
pub mod ysweet;

use bytes::Bytes;
use greenroom_service::{Message, Refuse, Rights};

use crate::close_reason::{CloseReason, Protocol};
use crate::collab::doc::awareness::AwarenessEntry;
use crate::collab::doc::gate::CheckedUpdate;
use crate::collab::doc::update::StateVector;
use crate::limits::Limits;

/// What a peer said, decoded and checked as far as that needs no room.
#[derive(Clone, Debug)]
pub enum ClientMessage {
    /// It has these updates and wants the others (Yjs sync step 1).
    SyncStep1(StateVector),
    /// Its answer to our sync step 1: what it believes we lack.
    SyncStep2(CheckedUpdate),
    /// An edit.
    Update(CheckedUpdate),
    /// Awareness states that it knows.
    Awareness(Vec<AwarenessEntry>),
    /// It wants all awareness states.
    QueryAwareness,
    /// It asks whether all that it wrote is saved, and names how far that is.
    Probe(Bytes),
    /// A frame for a service.
    Frame(Message),
}

/// What a room says, before it is encoded for a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// About a Yjs document: its name, and what.
    Yjs(String, YjsMessage),
    /// A service's own frame.
    Frame(Message),
    /// The receiver's message was refused and changed nothing.
    Refused(Refuse),
    /// The receiver is in the room, with these rights.
    LetIn(Rights),
    /// What the receiver wrote is on stable storage.
    Saved,
    /// All that the receiver wrote before it asked with this is on stable storage.
    SavedUntil(Bytes),
}

/// What a room says about a Yjs document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum YjsMessage {
    /// The room has these updates: an encoded state vector.
    SyncStep1(Bytes),
    /// What the receiver lacked: an update, v1.
    SyncStep2(Bytes),
    /// An edit: an update, v1.
    Update(Bytes),
    /// Awareness states: an encoded awareness update.
    Awareness(Bytes),
}

/// Decodes one frame of `protocol` into the messages that it holds, appended to `out`.
///
/// # Errors
/// The reason with which the connection is to be closed.
pub fn decode(
    protocol: Protocol,
    frame: Message,
    limits: &Limits,
    out: &mut Vec<ClientMessage>,
) -> Result<(), CloseReason> {
    match protocol {
        Protocol::Yjs => yjs::decode(&frame, limits, out),
        Protocol::Raw => {
            out.push(ClientMessage::Frame(frame));
            Ok(())
        }
        Protocol::Ysweet => ysweet::decode(&frame, limits, out),
        Protocol::Hocuspocus => hocuspocus::decode_addressed(&frame, limits, out),
    }
}

/// Encodes `message` as one WebSocket frame of `protocol`, for the session that has this `address`
/// on its connection, where the protocol has addresses; `None` when that protocol does not carry it.
#[must_use]
pub fn encode(protocol: Protocol, address: &str, message: &ServerMessage) -> Option<Bytes> {
    match protocol {
        Protocol::Yjs => yjs::encode(message),
        Protocol::Raw => raw::encode(message),
        Protocol::Ysweet => ysweet::encode(message),
        Protocol::Hocuspocus => hocuspocus::encode(address, message),
    }
}
