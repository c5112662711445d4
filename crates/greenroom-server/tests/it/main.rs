//! The server's integration tests, one binary: over real sockets, against foreign peers.

mod codec;
