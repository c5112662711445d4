//! WebSocket frames as a server sends them (RFC 6455, section 5.2): never masked, never
//! fragmented, encoded once per room and shared by all who get them.
//!
//! ```text
//! byte 0   FIN (1 bit), RSV1 (1 bit: the payload is compressed), reserved (2 bits, zero),
//!          opcode (4 bits)
//! byte 1   MASK (1 bit, zero from a server), length (7 bits)
//!          length 0 to 125: that many bytes; 126: a u16 follows; 127: a u64 follows
//! then     the length (0, 2 or 8 bytes, big-endian), the payload
//! ```
//!
//! What peers send is decoded at the edge, by the server's own codec.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::limits::{DEFLATE_BYTES_MAX, DEFLATE_BYTES_MIN};

/// Compresses the payload of a message for permessage-deflate without context takeover (RFC 7692,
/// section 7.2.1); `None` when that does not make it smaller. The same payload always gives the
/// same bytes. The driver of a room lends it, because a compressor wants 256 KiB of memory that
/// all the rooms of a thread can share.
pub type Deflate = fn(payload: &[u8]) -> Option<Vec<u8>>;

/// The most that the payload of a control frame (close, ping, pong) may have, in bytes
/// (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// The most that the text of a close frame may have, in bytes: its code takes two.
pub const CLOSE_TEXT_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

const FIN: u8 = 0x80;
/// On the first frame of a message: it is compressed (RFC 7692, section 6).
const RSV1: u8 = 0x40;
const MASK: u8 = 0x80;
const HEADER_BYTES_MAX: usize = 10;

/// What a frame is (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A further fragment of the message that is under way.
    Continuation,
    /// A text message, or its first fragment.
    Text,
    /// A binary message, or its first fragment.
    Binary,
    /// The last frame of one direction.
    Close,
    /// To be answered with a pong of the same payload.
    Ping,
    /// The answer to a ping, or a sign of life.
    Pong,
}

impl Opcode {
    /// The opcode of these four bits; `None` when RFC 6455 reserves them.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    /// Its four bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    /// Whether it is close, ping or pong: at most [`CONTROL_BYTES_MAX`], never fragmented.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// One whole frame, header and payload in one shared buffer.
///
/// # Panics
/// When a control frame is larger than [`CONTROL_BYTES_MAX`]: the caller's mistake.
#[must_use]
pub fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    frame_of(opcode, &[payload])
}

/// As [`frame`], with the payload in parts: they need no buffer of their own before.
///
/// # Panics
/// As [`frame`].
#[must_use]
pub fn frame_of(opcode: Opcode, parts: &[&[u8]]) -> Bytes {
    let payload_bytes = parts.iter().map(|part| part.len()).sum();
    let mut whole = Vec::with_capacity(header_bytes(payload_bytes) + payload_bytes);
    put_header(&mut whole, opcode, payload_bytes);
    for part in parts {
        whole.extend_from_slice(part);
    }
    Bytes::from(whole)
}

/// `whole`, an encoded data frame, with its payload compressed; as it is when it is too small or
/// too large for that (see [`DEFLATE_BYTES_MIN`] and [`DEFLATE_BYTES_MAX`]), or would not get
/// smaller.
///
/// # Panics
/// When `whole` is not one that [`frame`] made of data: the caller's mistake.
#[must_use]
pub fn deflated(whole: &Bytes, deflate: Deflate) -> Bytes {
    let (opcode, payload, _) = read_server_frame(whole).expect("a frame of this module");
    assert!(!opcode.is_control(), "only data may be compressed");
    if !(DEFLATE_BYTES_MIN..=DEFLATE_BYTES_MAX).contains(&payload.len()) {
        return whole.clone();
    }
    let Some(smaller) = deflate(payload).filter(|deflated| deflated.len() < payload.len()) else {
        return whole.clone();
    };
    let mut frame = Vec::with_capacity(header_bytes(smaller.len()) + smaller.len());
    put_header(&mut frame, opcode, smaller.len());
    frame[0] |= RSV1;
    frame.extend_from_slice(&smaller);
    Bytes::from(frame)
}

/// The header of a frame whose payload is sent right behind it as a buffer of its own, for
/// payloads that are too large to be copied.
///
/// # Panics
/// As [`frame`].
#[must_use]
pub fn header(opcode: Opcode, payload_bytes: usize) -> Bytes {
    let mut header = Vec::with_capacity(header_bytes(payload_bytes));
    put_header(&mut header, opcode, payload_bytes);
    Bytes::from(header)
}

/// A close frame; `text` is cut at a character's end to [`CLOSE_TEXT_BYTES_MAX`].
#[must_use]
pub fn close_frame(code: u16, text: &str) -> Bytes {
    let text = &text[..text.floor_char_boundary(CLOSE_TEXT_BYTES_MAX)];
    let mut payload = [0; CONTROL_BYTES_MAX];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + text.len()].copy_from_slice(text.as_bytes());
    frame(Opcode::Close, &payload[..2 + text.len()])
}

/// A ping.
///
/// # Panics
/// As [`frame`].
#[must_use]
pub fn ping(payload: &[u8]) -> Bytes {
    frame(Opcode::Ping, payload)
}

/// A pong; `payload` is that of the ping it answers.
///
/// # Panics
/// As [`frame`].
#[must_use]
pub fn pong(payload: &[u8]) -> Bytes {
    frame(Opcode::Pong, payload)
}

/// Reads the frame at the start of `received`, as [`frame`] writes it: its opcode, its payload
/// and how many bytes it takes. For tests and the simulator, which play the peer.
///
/// `None` when the frame is not all there, or is none that this module writes (masked,
/// fragmented, reserved bits, a length in more bytes than it needs).
#[must_use]
pub fn read_server_frame(received: &[u8]) -> Option<(Opcode, &[u8], usize)> {
    let (&first, &second) = (received.first()?, received.get(1)?);
    let opcode = Opcode::from_bits(first & 0x0f)?;
    if first & 0xf0 != FIN || second & MASK != 0 {
        return None;
    }
    let (start, length) = match second {
        126 => {
            let bytes = received.get(2..4)?.try_into().ok()?;
            (4, usize::from(u16::from_be_bytes(bytes)))
        }
        127 => {
            let bytes = received.get(2..10)?.try_into().ok()?;
            (10, usize::try_from(u64::from_be_bytes(bytes)).ok()?)
        }
        short => (2, usize::from(short)),
    };
    if start != header_bytes(length) {
        return None;
    }
    let end = start.checked_add(length)?;
    Some((opcode, received.get(start..end)?, end))
}

const fn header_bytes(payload_bytes: usize) -> usize {
    match payload_bytes {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => HEADER_BYTES_MAX,
    }
}

fn put_header(to: &mut Vec<u8>, opcode: Opcode, payload_bytes: usize) {
    assert!(
        !opcode.is_control() || payload_bytes <= CONTROL_BYTES_MAX,
        "a control frame of {payload_bytes} bytes"
    );
    to.push(FIN | opcode.bits());
    match header_bytes(payload_bytes) {
        2 => to.push(payload_bytes as u8),
        4 => {
            to.push(126);
            to.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            to.push(127);
            to.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}
