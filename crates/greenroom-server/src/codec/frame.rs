//! Single frames of a peer: headers, masks, close payloads.
//!
//! A frame from a peer (RFC 6455, section 5.2) is a header of 2 to 10 bytes as drawn in
//! [`greenroom_core::protocol::websocket`], but with the MASK bit set; 4 bytes of mask; and the
//! payload, each byte of which is XORed with the mask's byte at its position modulo 4.

use greenroom_core::protocol::websocket::{CONTROL_BYTES_MAX, Opcode};

use super::CodecError;

/// Two bytes, a length of eight, the mask.
pub(super) const HEADER_BYTES_MAX: usize = 14;

const RESERVED: u8 = 0x70;

/// The bit that permessage-deflate gives a meaning (RFC 7692, section 6).
pub(super) const RSV1: u8 = 0x40;

/// A frame whose header is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) opcode: Opcode,
    pub(super) fin: bool,
    /// RSV1 is set: it begins a compressed message.
    pub(super) deflated: bool,
    /// Rotated so that its first byte is that of the next payload byte.
    pub(super) mask: [u8; 4],
    /// Payload bytes that have not come yet.
    pub(super) remaining: usize,
}

/// Reads a header from the start of `bytes`: the frame, and how many bytes the header takes.
/// `None` when it is not all there; what is there is judged all the same. Of the reserved bits those
/// in `agreed` may be set where a message begins.
pub(super) fn parse_header(bytes: &[u8], agreed: u8) -> Result<Option<(Frame, usize)>, CodecError> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let reserved = first & RESERVED;
    if reserved & !agreed != 0 {
        return Err(CodecError::ReservedBit);
    }
    let opcode = Opcode::from_bits(first & 0x0f).ok_or(CodecError::ReservedOpcode)?;
    if reserved != 0 && !matches!(opcode, Opcode::Text | Opcode::Binary) {
        return Err(CodecError::ReservedBit);
    }
    let fin = first & 0x80 != 0;
    if opcode.is_control() && !fin {
        return Err(CodecError::ControlFragmented);
    }
    let Some(&second) = bytes.get(1) else {
        return Ok(None);
    };
    if second & 0x80 == 0 {
        return Err(CodecError::Unmasked);
    }
    let short = usize::from(second & 0x7f);
    if opcode.is_control() && short > CONTROL_BYTES_MAX {
        return Err(CodecError::ControlTooLong);
    }
    let Some((length, mask_at)) = parse_length(short, &bytes[2..])? else {
        return Ok(None);
    };
    let Some(mask) = bytes[mask_at..].first_chunk::<4>() else {
        return Ok(None);
    };
    let frame = Frame {
        opcode,
        fin,
        deflated: reserved & RSV1 != 0,
        mask: *mask,
        remaining: length,
    };
    Ok(Some((frame, mask_at + 4)))
}

/// The payload's length and where the mask begins; `behind` is what follows the first two bytes.
fn parse_length(short: usize, behind: &[u8]) -> Result<Option<(usize, usize)>, CodecError> {
    let (length, bytes, smallest) = match short {
        126 => match behind.first_chunk::<2>() {
            Some(length) => (u16::from_be_bytes(*length).into(), 2, 126),
            None => return Ok(None),
        },
        127 => match behind.first_chunk::<8>() {
            Some(length) => (u64::from_be_bytes(*length), 8, 0x1_0000),
            None => return Ok(None),
        },
        _ => (short as u64, 0, 0),
    };
    if length < smallest {
        return Err(CodecError::LengthNotMinimal);
    }
    if length >> 63 != 0 {
        return Err(CodecError::LengthHighBit);
    }
    let length = usize::try_from(length).map_err(|_| CodecError::FrameTooLarge)?;
    Ok(Some((length, 2 + bytes)))
}

/// A close frame's code and text; the codes that may be sent are those of RFC 6455, section 7.4,
/// and of the IANA registry "WebSocket Close Code Number" (1012 to 1014).
pub(super) fn read_close(payload: &[u8]) -> Result<Option<(u16, String)>, CodecError> {
    if payload.is_empty() {
        return Ok(None);
    }
    let (code, text) = payload
        .split_first_chunk::<2>()
        .ok_or(CodecError::CloseTooShort)?;
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(CodecError::CloseCode);
    }
    let text = std::str::from_utf8(text).map_err(|_| CodecError::Utf8)?;
    Ok(Some((code, text.into())))
}

/// XORs `payload` with `mask`, eight bytes at a time (the compiler makes vectors of them).
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let half = u64::from(u32::from_ne_bytes(mask));
    let mask_twice = half << 32 | half;
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        let masked = u64::from_ne_bytes(word.try_into().expect("eight bytes"));
        word.copy_from_slice(&(masked ^ mask_twice).to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
