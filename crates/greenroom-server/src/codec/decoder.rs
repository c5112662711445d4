//! Decodes what one peer sends: frames are unmasked in place, checked, and joined to messages.

use bytes::Bytes;
use greenroom_core::protocol::websocket::Opcode;
use greenroom_service::Text;

use super::CodecError;
use super::frame::{Frame, HEADER_BYTES_MAX, RSV1, parse_header, read_close, unmask};
use super::inflate::inflate;

/// What a peer may send at most; more ends the connection with code 1009.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecLimits {
    /// A message, all its fragments together, in bytes of payload; compressed ones also inflated.
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

/// The decoder of one connection. Between calls it keeps a frame or a message that is not all
/// there yet, in no more memory than twice what arrived of it; an idle one owns no heap.
#[derive(Debug)]
pub struct Decoder {
    limits: CodecLimits,
    /// The reserved bits that may be set where a message begins.
    agreed: u8,
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
            agreed: 0,
            phase: Phase::Open,
            header: [0; HEADER_BYTES_MAX],
            header_filled: 0,
            frame: None,
            control: Vec::new(),
            message: Partial::new(),
        }
    }

    /// A decoder at the start of a connection on which permessage-deflate was agreed on, without
    /// context takeover: it also takes compressed messages, and gives them inflated.
    #[must_use]
    pub const fn inflating(limits: CodecLimits) -> Self {
        let mut decoder = Self::new(limits);
        decoder.agreed = RSV1;
        decoder
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
            && let Some((frame, bytes)) = parse_header(rest, self.agreed)?
        {
            *rest = &mut std::mem::take(rest)[bytes..];
            return self.begin(frame).map(Some);
        }
        while let Some((first, behind)) = std::mem::take(rest).split_first_mut() {
            *rest = behind;
            self.header[usize::from(self.header_filled)] = *first;
            self.header_filled += 1;
            let header = &self.header[..self.header_filled.into()];
            if let Some((frame, _)) = parse_header(header, self.agreed)? {
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
        message.deflated |= frame.deflated;
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
            let Partial { kind, deflated, .. } = std::mem::replace(message, Partial::new());
            let payload = if deflated {
                inflate(payload, self.limits.message_bytes_max)?
            } else {
                Bytes::copy_from_slice(payload)
            };
            out.push(whole(kind, payload)?);
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
            let payload = if message.deflated {
                inflate(&message.payload, self.limits.message_bytes_max)?
            } else {
                Bytes::from(message.payload)
            };
            out.push(whole(message.kind, payload)?);
        }
        Ok(())
    }
}

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

/// A message that is not all there yet.
#[derive(Debug)]
struct Partial {
    /// `None` between messages.
    kind: Option<Kind>,
    /// Its payload is compressed, and inflated once it is all there.
    deflated: bool,
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
            deflated: false,
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
        if matches!(self.kind, Some(Kind::Text)) && !self.deflated {
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
