//! What the server does with the world outside: files, processes, sockets.

mod store;
