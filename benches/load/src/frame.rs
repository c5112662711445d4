//! The client's half of WebSocket framing (RFC 6455), without extensions.

/// The mask of every frame. A server must undo it like any other; that it never changes only saves
/// the generator the random numbers.
const MASK: [u8; 4] = [0x5a, 0x17, 0xc3, 0x9e];

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// The head of a frame from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) opcode: Opcode,
    /// Whether the message ends here.
    pub(crate) last: bool,
    /// Where the payload begins.
    pub(crate) start: usize,
    /// Where it ends; there may be fewer bytes yet.
    pub(crate) end: usize,
}

/// Reads the head of the frame that `bytes` begin with; `None` when it is not there in full.
///
/// # Errors
/// The opcode that nobody knows.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>, u8> {
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    let opcode = match first & 15 {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        other => return Err(other),
    };
    let (start, len) = match second & 127 {
        126 => match bytes.get(2..4) {
            Some(len) => (4, usize::from(len[0]) << 8 | usize::from(len[1])),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10) {
            Some(len) => (10, len.iter().fold(0, |n, &b| n << 8 | usize::from(b))),
            None => return Ok(None),
        },
        len => (2, usize::from(len)),
    };
    Ok(Some(Head {
        opcode,
        last: first & 128 != 0,
        start,
        end: start + len,
    }))
}

/// Appends one masked frame that is a whole message.
pub(crate) fn put(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    let code = match opcode {
        Opcode::Continuation => 0,
        Opcode::Text => 1,
        Opcode::Binary => 2,
        Opcode::Close => 8,
        Opcode::Ping => 9,
        Opcode::Pong => 10,
    };
    out.push(0x80 | code);
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
}

#[cfg(test)]
mod tests;
