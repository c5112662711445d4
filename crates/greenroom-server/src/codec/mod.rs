//! The WebSocket server codec (RFC 6455): the handshake and what peers send, sans-IO. What the
//! server sends is encoded by [`greenroom_core::protocol::websocket`]; sockets are read by
//! [`crate::reader`] and written by [`crate::writer`].

mod decoder;
mod error;
mod frame;
mod handshake;

#[cfg(test)]
mod tests;

pub use decoder::{CodecLimits, Decoder, Item};
pub use error::CodecError;
pub use handshake::{HandshakeError, Upgrade, upgrade};
