//! What a server is started with, resolved: no option is read anywhere else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use greenroom_core::service::{Counter, Echo, Relay};
use greenroom_service::{Factory, RoomId, Service};

use crate::auth::Pattern;
use crate::front::Front;
use crate::policy::Policy;
use crate::store::FreeLimits;

/// Where rooms are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataPlace {
    /// In memory: gone with the process.
    Memory,
    /// In this directory, made when it is not there.
    Directory(PathBuf),
}

/// Which pages the server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The demo page, `/status`.
    Dev,
    /// A name, a version.
    Serve,
}

/// What a room is.
#[derive(Clone)]
pub enum Kind {
    /// Documents that people edit together.
    Collab,
    /// A service.
    Service(Arc<Factory>),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The names that [`Kind::built_in`] knows.
pub const BUILT_IN_KINDS: [&str; 4] = ["collab", "relay", "echo", "counter"];

impl Kind {
    /// The kind of this name that comes with the server; see [`BUILT_IN_KINDS`].
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        Some(match name {
            "collab" => Self::Collab,
            "relay" => Self::Service(Arc::new(|_, _| Ok(Box::new(Relay) as Box<dyn Service>))),
            "echo" => Self::Service(Arc::new(|_, _| Ok(Box::new(Echo) as Box<dyn Service>))),
            "counter" => Self::Service(Arc::new(|_, saved| {
                Ok(Box::new(Counter::open(saved)?) as Box<dyn Service>)
            })),
            _ => return None,
        })
    }

    /// The word for logs and messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Collab => "collab",
            Self::Service(_) => "service",
        }
    }
}

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where rooms are stored.
    pub data: DataPlace,
    /// Which pages it shows.
    pub mode: Mode,
    /// Who may do what in which rooms at first, see
    /// [`Reloader::replace`](crate::Reloader::replace).
    pub policy: Policy,
    /// What the rooms are: the first that matches a name and has a kind says it, collab otherwise.
    /// Fixed for the life of the process: a room that is loaded cannot become another.
    pub kinds: Vec<(Pattern, Option<Kind>)>,
    /// What must stay free on the disk of the data for writes to be taken.
    pub disk_free: FreeLimits,
    /// How long a graceful stop may take, in milliseconds.
    pub drain_ms: u64,
    /// How it is reached.
    pub front: Front,
}

/// The pattern of the rooms that no configured one matches, as they are counted.
const PATTERN_OF_OTHERS: &str = "**";

impl Settings {
    /// The first configured pattern that matches this name: what rooms are counted by.
    #[must_use]
    pub fn pattern_of(&self, room: &RoomId) -> &str {
        let found = self.kinds.iter().find(|(pattern, _)| pattern.matches(room));
        found.map_or(PATTERN_OF_OTHERS, |(pattern, _)| pattern.as_str())
    }

    /// What the room of this name is.
    #[must_use]
    pub fn kind_of(&self, room: &RoomId) -> Kind {
        let mut said = self
            .kinds
            .iter()
            .filter(|(pattern, _)| pattern.matches(room));
        let found = said.find_map(|(_, kind)| kind.clone());
        found.unwrap_or(Kind::Collab)
    }
}
