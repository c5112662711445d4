//! The server's integration tests, one binary: over real sockets and real files, against foreign
//! peers.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod codec;
mod compression;
mod hocuspocus;
mod large_room;
mod limits;
mod panics;
mod peer;
mod rest;
mod store;
#[cfg(feature = "tls")]
mod tls;
