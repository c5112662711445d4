//! Decodes what one peer sends: frames are unmasked in place, checked, and joined to messages.
//!
//! A frame from a peer (RFC 6455, section 5.2) is a header of 2 to 10 bytes as drawn in
//! [`greenroom_core::protocol::websocket`], but with the MASK bit set; 4 bytes of mask; and the
//! payload, each byte of which is XORed with the mask's byte at its position modulo 4.

use bytes::Bytes;
use greenroom_core::protocol::websocket::{CONTROL_BYTES_MAX, Opcode};
use greenroom_service::Text;

/// What a peer may send at most; more ends the connection with code 1009.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecLimits {
    /// A message, all its fragments together, in bytes of payload.
    pub message_bytes_max: usize,
    /// A frame, in bytes of payload.
    pub frame_bytes_max: usize,
    /// Frames that one message may come in: an empty one costs the peer next to nothing.
    pub fragments_max: usize,
}

/// What a peer sent, whole and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
    /// A ping; to be answered with a pong of the same payload.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// The peer closes, with a code and a text unless it gave none. Nothing comes after it.
    Close(Option<(u16, String)>),
}

/// What a peer did against RFC 6455 or the limits; the connection is to be closed with
/// [`close_code`](Self::close_code), and the display is a close text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A reserved bit is set, though no extension was agreed on.
    #[error("a reserved bit is set")]
    ReservedBit,
    /// An opcode that RFC 6455 does not define.
    #[error("a reserved opcode")]
    ReservedOpcode,
    /// A frame without a mask.
    #[error("a frame is not masked")]
    Unmasked,
    /// A fragment of a close, ping or pong.
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// A close, ping or pong with more than 125 bytes.
    #[error("a control frame has more than 125 bytes")]
    ControlTooLong,
    /// A length in more bytes than it needs.
    #[error("a length takes more bytes than it needs")]
    LengthNotMinimal,
    /// A length of 2^63 or more.
    #[error("a length has its highest bit set")]
    LengthHighBit,
    /// A continuation, though no message is under way.
    #[error("a continuation of nothing")]
    ContinuationOfNothing,
    /// A new message, though another is under way.
    #[error("a message begins within another")]
    MessageWithinMessage,
    /// A close payload of one byte.
    #[error("a close code of one byte")]
    CloseTooShort,
    /// A close code that may not be sent.
    #[error("a close code that may not be sent")]
    CloseCode,
    /// A text message or a close text is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A frame larger than [`CodecLimits::frame_bytes_max`].
    #[error("a frame is too large")]
    FrameTooLarge,
    /// A message larger than [`CodecLimits::message_bytes_max`].
    #[error("a message is too large")]
    MessageTooLarge,
    /// A message in more frames than [`CodecLimits::fragments_max`].
    #[error("a message has too many fragments")]
    TooManyFragments,
}

impl CodecError {
    /// The close code for it: 1002 protocol error, 1007 not UTF-8, 1009 too large (RFC 6455,
    /// section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Utf8 => 1007,
            Self::FrameTooLarge | Self::MessageTooLarge | Self::TooManyFragments => 1009,
            Self::ReservedBit
            | Self::ReservedOpcode
            | Self::Unmasked
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::LengthNotMinimal
            | Self::LengthHighBit
            | Self::ContinuationOfNothing
            | Self::MessageWithinMessage
            | Self::CloseTooShort
            | Self::CloseCode => 1002,
        }
    }
}

/// The decoder of one connection. Between calls it keeps a frame or a message that is not all
/// there yet, in no more memory than twice what arrived of it; an idle one owns no heap.
#[derive(Debug)]
pub struct Decoder {
    limits: CodecLimits,
    phase: Phase,
    /// A header that is not all there yet.
    header: [u8; HEADER_BYTES_MAX],
    header_filled: u8,
    /// The frame whose payload is under way.
    frame: Option<Frame>,
    /// The control payload under way, unmasked.
    control: Vec<u8>,
    message: Partial,
}

impl Decoder {
    /// A decoder at the start of a connection.
    #[must_use]
    pub const fn new(limits: CodecLimits) -> Self {
        Self {
            limits,
            phase: Phase::Open,
            header: [0; HEADER_BYTES_MAX],
            header_filled: 0,
            frame: None,
            control: Vec::new(),
            message: Partial::new(),
        }
    }

    /// Decodes `received`, the next bytes of the connection in any portions, and adds what is
    /// whole to `out`. The bytes are unmasked in place and of no use afterwards.
    ///
    /// After a close frame the rest is ignored (RFC 6455, section 5.5.1).
    ///
    /// # Errors
    /// [`CodecError`] as soon as it shows, also within a frame; `out` has what came before. Every
    /// later call gives the same error.
    pub fn feed(&mut self, received: &mut [u8], out: &mut Vec<Item>) -> Result<(), CodecError> {
        let result = match self.phase {
            Phase::Open => self.decode(received, out),
            Phase::Closed => Ok(()),
            Phase::Failed(error) => Err(error),
        };
        if let Err(error) = result {
            *self = Self::new(self.limits);
            self.phase = Phase::Failed(error);
        }
        result
    }

    /// The heap that partial frames and messages take now, in bytes.
    #[must_use]
    pub const fn kept_bytes(&self) -> usize {
        self.control.capacity() + self.message.payload.capacity()
    }

    fn decode(&mut self, mut rest: &mut [u8], out: &mut Vec<Item>) -> Result<(), CodecError> {
        while matches!(self.phase, Phase::Open) {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.read_header(&mut rest)? {
                    Some(frame) => frame,
                    None => return Ok(()),
                },
            };
            let here = frame.remaining.min(rest.len());
            let (payload, behind) = rest.split_at_mut(here);
            rest = behind;
            unmask(payload, frame.mask);
            frame.mask.rotate_left(here % 4);
            frame.remaining -= here;
            if frame.opcode.is_control() {
                self.take_control(frame, payload, out)?;
            } else {
                self.take_data(frame, payload, out)?;
            }
            if frame.remaining > 0 {
                self.frame = Some(frame);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes a header off `rest`; `None` when it is not all there, what there is being kept.
    fn read_header(&mut self, rest: &mut &mut [u8]) -> Result<Option<Frame>, CodecError> {
        if self.header_filled == 0
            && let Some((frame, bytes)) = parse_header(rest)?
        {
            *rest = &mut std::mem::take(rest)[bytes..];
            return self.begin(frame).map(Some);
        }
        while let Some((first, behind)) = std::mem::take(rest).split_first_mut() {
            *rest = behind;
            self.header[usize::from(self.header_filled)] = *first;
            self.header_filled += 1;
            if let Some((frame, _)) = parse_header(&self.header[..self.header_filled.into()])? {
                self.header_filled = 0;
                return self.begin(frame).map(Some);
            }
        }
        Ok(None)
    }

    /// Judges a header by what came before it and by the limits, before anything is allocated.
    fn begin(&mut self, frame: Frame) -> Result<Frame, CodecError> {
        let message = &mut self.message;
        match (frame.opcode, message.kind) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(frame),
            (Opcode::Continuation, None) => return Err(CodecError::ContinuationOfNothing),
            (Opcode::Continuation, Some(_)) => {}
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(CodecError::MessageWithinMessage);
            }
            (Opcode::Text, None) => message.kind = Some(Kind::Text),
            (Opcode::Binary, None) => message.kind = Some(Kind::Binary),
        }
        if frame.remaining > self.limits.frame_bytes_max {
            return Err(CodecError::FrameTooLarge);
        }
        if frame.remaining > self.limits.message_bytes_max - message.payload.len() {
            return Err(CodecError::MessageTooLarge);
        }
        message.fragments += 1;
        if message.fragments > self.limits.fragments_max {
            return Err(CodecError::TooManyFragments);
        }
        Ok(frame)
    }

    fn take_control(
        &mut self,
        frame: Frame,
        payload: &[u8],
        out: &mut Vec<Item>,
    ) -> Result<(), CodecError> {
        if frame.remaining > 0 || !self.control.is_empty() {
            self.control.extend_from_slice(payload);
        }
        if frame.remaining > 0 {
            return Ok(());
        }
        let kept = std::mem::take(&mut self.control);
        let payload = if kept.is_empty() { payload } else { &kept };
        out.push(match frame.opcode {
            Opcode::Close => {
                self.phase = Phase::Closed;
                self.message = Partial::new();
                Item::Close(read_close(payload)?)
            }
            Opcode::Ping => Item::Ping(Bytes::copy_from_slice(payload)),
            _ => Item::Pong(Bytes::copy_from_slice(payload)),
        });
        Ok(())
    }

    fn take_data(
        &mut self,
        frame: Frame,
        payload: &[u8],
        out: &mut Vec<Item>,
    ) -> Result<(), CodecError> {
        let message = &mut self.message;
        let last = frame.fin && frame.remaining == 0;
        if last && message.payload.is_empty() {
            let kind = message.kind;
            *message = Partial::new();
            out.push(whole(kind, Bytes::copy_from_slice(payload))?);
            return Ok(());
        }
        let bytes_max = if frame.fin {
            message.payload.len() + payload.len() + frame.remaining
        } else {
            self.limits.message_bytes_max
        };
        message.append(payload, bytes_max)?;
        if last {
            let message = std::mem::replace(message, Partial::new());
            out.push(whole(message.kind, Bytes::from(message.payload))?);
        }
        Ok(())
    }
}

/// Mask, opcode and two length bytes at least; a u64 length at most.
const HEADER_BYTES_MAX: usize = 14;

#[derive(Clone, Copy, Debug)]
enum Phase {
    Open,
    Closed,
    Failed(CodecError),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Binary,
}

/// A frame whose header is read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    /// Rotated so that its first byte is that of the next payload byte.
    mask: [u8; 4],
    /// Payload bytes that have not come yet.
    remaining: usize,
}

/// A message that is not all there yet.
#[derive(Debug)]
struct Partial {
    /// `None` between messages.
    kind: Option<Kind>,
    fragments: usize,
    payload: Vec<u8>,
    /// So many bytes of a text are known to be UTF-8; behind them there is at most the beginning
    /// of one character.
    utf8_bytes: usize,
}

impl Partial {
    const fn new() -> Self {
        Self {
            kind: None,
            fragments: 0,
            payload: Vec::new(),
            utf8_bytes: 0,
        }
    }

    /// Appends to a message that will have at most `bytes_max`. The buffer doubles, but not
    /// beyond that: a peer gets memory for what it sent, not for what it announced.
    fn append(&mut self, more: &[u8], bytes_max: usize) -> Result<(), CodecError> {
        let needed = self.payload.len() + more.len();
        if needed > self.payload.capacity() {
            let wanted = needed.max((2 * self.payload.capacity()).min(bytes_max));
            self.payload.reserve_exact(wanted - self.payload.len());
        }
        self.payload.extend_from_slice(more);
        if matches!(self.kind, Some(Kind::Text)) {
            self.check_utf8()?;
        }
        Ok(())
    }

    fn check_utf8(&mut self) -> Result<(), CodecError> {
        match std::str::from_utf8(&self.payload[self.utf8_bytes..]) {
            Ok(_) => self.utf8_bytes = self.payload.len(),
            Err(error) if error.error_len().is_none() => self.utf8_bytes += error.valid_up_to(),
            Err(_) => return Err(CodecError::Utf8),
        }
        Ok(())
    }
}

fn whole(kind: Option<Kind>, payload: Bytes) -> Result<Item, CodecError> {
    match kind.expect("a data frame has set it") {
        Kind::Text => Text::from_utf8(payload)
            .map(Item::Text)
            .map_err(|_| CodecError::Utf8),
        Kind::Binary => Ok(Item::Binary(payload)),
    }
}

/// Reads a header from the start of `bytes`: the frame, and how many bytes the header takes.
/// `None` when it is not all there; what is there is judged all the same.
fn parse_header(bytes: &[u8]) -> Result<Option<(Frame, usize)>, CodecError> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(CodecError::ReservedBit);
    }
    let opcode = Opcode::from_bits(first & 0x0f).ok_or(CodecError::ReservedOpcode)?;
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
fn read_close(payload: &[u8]) -> Result<Option<(u16, String)>, CodecError> {
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
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
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
