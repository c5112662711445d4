//! Everything of the Greenroom server that does IO: sockets, stores, authentication, metrics.
//!
//! [`Server`] is a whole server; [`Settings`] is all it is told.

mod app;
pub mod auth;
mod backup;
pub mod codec;
mod compute;
mod conn;
mod console;
mod crowd;
mod desk;
mod doors;
mod edge;
mod errands;
mod expiring;
mod front;
pub mod hooks;
mod http_meters;
mod lifecycle;
mod link;
mod listen;
mod mail;
mod meters;
mod multiplex;
mod overview;
mod pace;
mod pages;
mod policy;
mod problem;
mod proxies;
mod proxy_protocol;
mod pulse;
pub mod reader;
#[cfg(test)]
mod reference_pages;
mod rest;
mod room_cell;
mod room_task;
mod rooms;
mod rounds;
mod router;
mod seats;
mod server;
mod settings;
mod spans;
pub mod store;
#[cfg(feature = "tls")]
mod tls;
mod traces;
mod waker;
mod waking;
pub mod writer;

/// The file of an exported room, for those who write and read one.
pub mod room_file {
    pub use greenroom_core::export::{Decoder, ExportError, ExportHead, MEDIA_TYPE, Piece};
    pub use greenroom_core::limits::IMPORT_BYTES_MAX;
}

pub use edge::TaskRunner;
pub use front::{AcmeOrder, BasePath, BasePathError, Front, TlsFiles, TlsSource};
pub use greenroom_core::limits::{LimitField, LimitUnit, Limits};
pub use greenroom_core::room::behaviour::Visibility;
pub use lifecycle::LIFECYCLE_TARGET;
pub use meters::reference as metrics_reference;
pub use policy::{Policy, RoomRule};
pub use proxies::{Client, ProxyRuleError, TrustedProxies};
pub use server::{Reloader, Server, StartError, Stop};
pub use settings::{BUILT_IN_KINDS, DataPlace, Kind, Mode, Settings};
#[cfg(feature = "tls")]
pub use tls::TlsError;
