//! The whole command: exit code, stdout and stderr of what people type.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod backup;
#[cfg(unix)]
mod book;
mod command;
mod config;
mod deploy;
#[cfg(unix)]
mod dev;
mod health;
mod help;
mod hooks;
mod options;
mod reference;
#[cfg(unix)]
mod reload;
mod room;
mod server;
mod token;
#[cfg(all(unix, feature = "otel"))]
mod traces;
