//! The WebSocket server codec (RFC 6455, with permessage-deflate of RFC 7692): the handshake and
//! what peers send, sans-IO. What the
//! server sends is encoded by [`greenroom_core::protocol::websocket`]; sockets are read by
//! [`crate::reader`] and written by [`crate::writer`].

mod decoder;
mod deflate;
mod error;
mod frame;
mod handshake;
mod inflate;

#[cfg(test)]
mod tests;

pub use decoder::{CodecLimits, Decoder, Item};
pub use deflate::{Agreed, deflate, negotiate};
pub use error::CodecError;
pub use handshake::{HandshakeError, Upgrade, upgrade};
