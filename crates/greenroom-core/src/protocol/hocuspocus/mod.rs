//! The dialect of Hocuspocus (`@hocuspocus/provider` 3.4 and 4): many sessions on one connection,
//! told apart by the address that each frame begins with; an exchange of tokens per session; and a
//! receipt for each write.
//!
//! ```text
//! frame     varString address, varUint kind, body           one frame is one message
//!           or one byte alone, 09 ping, 0a pong: of the connection
//! address   the room's name, and of peers that are several in one room: name, 00, a word of theirs
//! ```
//!
//! What of a connection's sessions stands where is kept by [`sessions`].

pub mod sessions;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use greenroom_service::{Message, Rights, Text};

use super::lib0::{ReadError, Reader, put_var_uint};
use super::websocket::{Opcode, frame, frame_of};
use super::yjs::{self, STEP1, STEP2, UPDATE};
use super::{ClientMessage, ServerMessage, YjsMessage};
use crate::close_reason::CloseReason;
use crate::limits::{HOCUSPOCUS_ADDRESS_BYTES_MAX, Limits};

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;
const STATELESS: u64 = 5;
const CLOSE: u64 = 7;
const SYNC_STATUS: u64 = 8;
const PING: u64 = 9;
const PONG: u64 = 10;

const TOKEN: u64 = 0;
const PERMISSION_DENIED: u64 = 1;
const AUTHENTICATED: u64 = 2;

/// A frame of a peer, its body unread: whoever has no right to be heard costs no decoding.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened<'a> {
    /// A sign of life, of the connection.
    Pong,
    /// Something about one session.
    Addressed {
        /// The session's address.
        address: &'a str,
        /// Kind and body.
        body: Bytes,
    },
}

/// What a peer says of one session.
#[derive(Debug)]
pub enum Said {
    /// It shows a token; `""` is none.
    Token {
        /// The token.
        token: String,
        /// It named the provider's version, as those from 4 on do: it knows pings.
        knows_pings: bool,
    },
    /// Something for the room.
    Message(ClientMessage),
    /// It leaves.
    Close,
}

/// Reads whom a frame is about.
///
/// # Errors
/// The reason with which the connection is to be closed: without an address there is no session to
/// lay it to.
pub fn open<'a>(received: &'a Message, limits: &Limits) -> Result<Opened<'a>, CloseReason> {
    let Message::Binary(bytes) = received else {
        return Err(CloseReason::Malformed);
    };
    if bytes.len() > limits.yjs_frame_bytes_max {
        return Err(CloseReason::TooLarge);
    }
    if let [byte] = bytes[..] {
        let is_life = [PING, PONG].contains(&u64::from(byte));
        return is_life
            .then_some(Opened::Pong)
            .ok_or(CloseReason::Malformed);
    }
    let mut reader = Reader::new(bytes);
    let address = reader.var_string().map_err(|_| CloseReason::Malformed)?;
    if address.len() > HOCUSPOCUS_ADDRESS_BYTES_MAX || reader.is_empty() {
        return Err(CloseReason::Malformed);
    }
    let body = bytes.slice_ref(reader.rest());
    Ok(Opened::Addressed { address, body })
}

/// The room that an address names, and the word behind it, where there is one.
#[must_use]
pub fn parts_of(address: &str) -> (&str, Option<&str>) {
    match address.split_once('\0') {
        Some((room, word)) => (room, Some(word)),
        None => (address, None),
    }
}

/// Whether a body begins the exchange of tokens.
fn is_auth(body: &Bytes) -> bool {
    Reader::new(body).var_uint() == Ok(AUTH)
}

/// Whether with this body the peer leaves.
fn is_close(body: &Bytes) -> bool {
    Reader::new(body).var_uint() == Ok(CLOSE)
}

/// Reads a body.
///
/// # Errors
/// The reason with which the session is to be closed. What only servers say to one another (kinds 4
/// and 6) is as malformed from a peer as what nobody says.
pub fn decode(body: &Bytes, limits: &Limits) -> Result<Said, CloseReason> {
    let malformed = |_: ReadError| CloseReason::Malformed;
    let mut reader = Reader::new(body);
    let said = match reader.var_uint().map_err(malformed)? {
        SYNC => Said::Message(yjs::decode_sync(body, &mut reader)?),
        AWARENESS => Said::Message(yjs::decode_awareness(body, &mut reader, limits)?),
        QUERY_AWARENESS => Said::Message(ClientMessage::QueryAwareness),
        STATELESS => {
            let payload = body.slice_ref(reader.var_bytes().map_err(malformed)?);
            if payload.len() > limits.native_frame_bytes_max {
                return Err(CloseReason::TooLarge);
            }
            let payload = Text::from_utf8(payload).map_err(|_| CloseReason::Malformed)?;
            Said::Message(ClientMessage::Frame(Message::Text(payload)))
        }
        CLOSE => Said::Close,
        AUTH if reader.var_uint() == Ok(TOKEN) => {
            let token = reader.var_string().map_err(malformed)?.to_owned();
            let knows_pings = !reader.is_empty();
            // Whatever a later provider may add here is its own business.
            return Ok(Said::Token { token, knows_pings });
        }
        _ => return Err(CloseReason::Malformed),
    };
    if reader.is_empty() {
        Ok(said)
    } else {
        Err(CloseReason::Malformed)
    }
}

/// Decodes the frame of a session that was let in.
///
/// # Errors
/// The reason with which it is to be closed.
pub fn decode_addressed(
    received: &Message,
    limits: &Limits,
    out: &mut Vec<ClientMessage>,
) -> Result<(), CloseReason> {
    let Opened::Addressed { body, .. } = open(received, limits)? else {
        return Ok(());
    };
    match decode(&body, limits)? {
        Said::Message(message) => out.push(message),
        Said::Token { .. } | Said::Close => return Err(CloseReason::Malformed),
    }
    Ok(())
}

/// Encodes `message` as a frame to `address`; `None` when this dialect does not carry it.
#[must_use]
pub fn encode(address: &str, message: &ServerMessage) -> Option<Bytes> {
    Some(match message {
        ServerMessage::Yjs(_, yjs) => match yjs {
            YjsMessage::SyncStep1(vector) => framed(address, &[SYNC, STEP1], vector),
            YjsMessage::SyncStep2(update) => framed(address, &[SYNC, STEP2], update),
            YjsMessage::Update(update) => framed(address, &[SYNC, UPDATE], update),
            YjsMessage::Awareness(update) => framed(address, &[AWARENESS], update),
        },
        ServerMessage::LetIn(rights) => {
            let scope = if rights.has(Rights::WRITE) {
                "read-write"
            } else {
                "readonly"
            };
            framed(address, &[AUTH, AUTHENTICATED], scope.as_bytes())
        }
        ServerMessage::Saved => bare(address, &[SYNC_STATUS, 1]),
        // Nothing but writes is refused in a room of documents.
        ServerMessage::Refused(_) => bare(address, &[SYNC_STATUS, 0]),
        ServerMessage::Frame(Message::Text(text)) => framed(address, &[STATELESS], text.as_bytes()),
        ServerMessage::Frame(Message::Binary(_)) | ServerMessage::SavedUntil(_) => return None,
    })
}

/// Asks the peer to show its token again.
#[must_use]
pub fn ask_token(address: &str) -> Bytes {
    bare(address, &[AUTH, TOKEN])
}

/// Tells the peer that it is not let in. It may show another token.
#[must_use]
pub fn permission_denied(address: &str, why: &str) -> Bytes {
    framed(address, &[AUTH, PERMISSION_DENIED], why.as_bytes())
}

/// Tells the peer that one of its sessions is over.
#[must_use]
pub fn close(address: &str, why: &str) -> Bytes {
    framed(address, &[CLOSE], why.as_bytes())
}

/// A sign of life for a peer that knows it, which answers with another.
#[must_use]
pub fn ping() -> Bytes {
    frame(Opcode::Binary, &[PING as u8])
}

/// A sign of life for any peer: an awareness update of no states.
#[must_use]
pub fn keep_alive(address: &str) -> Bytes {
    framed(address, &[AWARENESS], &[0])
}

/// A frame of one message: its address, its kind, then `body` with its length.
fn framed(address: &str, kind: &[u64], body: &[u8]) -> Bytes {
    let mut end = Head::new(kind);
    end.put(body.len() as u64);
    let start = Head::new(&[address.len() as u64]);
    let parts = [start.bytes(), address.as_bytes(), end.bytes(), body];
    frame_of(Opcode::Binary, &parts)
}

/// A frame of one message that is all kind.
fn bare(address: &str, kind: &[u64]) -> Bytes {
    let (start, end) = (Head::new(&[address.len() as u64]), Head::new(kind));
    let parts = [start.bytes(), address.as_bytes(), end.bytes()];
    frame_of(Opcode::Binary, &parts)
}

/// A few numbers, written without an allocation: at most two of a byte and a length of ten.
struct Head {
    written: [u8; 12],
    len: usize,
}

impl Head {
    fn new(numbers: &[u64]) -> Self {
        let mut head = Self {
            written: [0; 12],
            len: 0,
        };
        numbers.iter().for_each(|number| head.put(*number));
        head
    }

    fn put(&mut self, number: u64) {
        let mut rest = &mut self.written[self.len..];
        put_var_uint(&mut rest, number);
        let unused = rest.len();
        self.len = self.written.len() - unused;
    }

    fn bytes(&self) -> &[u8] {
        &self.written[..self.len]
    }
}
