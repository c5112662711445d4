//! Encodes a message for those who shall hear it.

use bytes::Bytes;

use super::outbox::Stream;
use crate::close_reason::Protocol;
use crate::protocol::websocket::{self, Deflate};
use crate::protocol::{self, ServerMessage};

/// A message, encoded when it is first asked for: once per protocol, and once more compressed. For a
/// stream with an address, once for that stream.
pub(super) struct Encoded<'a> {
    message: &'a ServerMessage,
    deflate: Option<Deflate>,
    /// By protocol; inside `None` when the protocol does not carry it.
    plain: [Option<Option<Bytes>>; Protocol::ALL.len()],
    deflated: [Option<Bytes>; Protocol::ALL.len()],
}

impl<'a> Encoded<'a> {
    pub(super) const fn new(message: &'a ServerMessage, deflate: Option<Deflate>) -> Self {
        Self {
            message,
            deflate,
            plain: [const { None }; Protocol::ALL.len()],
            deflated: [const { None }; Protocol::ALL.len()],
        }
    }

    /// The frame for that stream, if its protocol carries the message.
    pub(super) fn frame(&mut self, stream: &Stream) -> Option<Bytes> {
        let at = stream.protocol as usize;
        let encode = || protocol::encode(stream.protocol, &stream.address, self.message);
        if !stream.address.is_empty() {
            // There are as many addresses as streams, mostly.
            let plain = encode()?;
            let deflate = self.deflate.filter(|_| stream.deflate);
            return Some(deflate.map_or_else(
                || plain.clone(),
                |deflate| websocket::deflated(&plain, deflate),
            ));
        }
        let plain = self.plain[at].get_or_insert_with(encode).as_ref()?;
        let frame = match self.deflate.filter(|_| stream.deflate) {
            Some(deflate) => {
                self.deflated[at].get_or_insert_with(|| websocket::deflated(plain, deflate))
            }
            None => plain,
        };
        Some(frame.clone())
    }
}
