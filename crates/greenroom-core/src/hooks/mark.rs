//! An item of the durable queue:
//!
//! ```text
//! 1 byte     what: 1 a document changed, 2 the room was unloaded
//! varString  room
//! varUint    room time in milliseconds
//! 1: varString document
//! 2: varUint the last seq, 1 byte why: 1 nobody was in it, 2 the process stopped
//! ```

use bytes::Bytes;
use greenroom_service::{Millis, RoomId};

use crate::protocol::lib0::{Reader, put_var_bytes, put_var_uint};

/// What happened to a room that a hook is to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The room.
    pub room: RoomId,
    /// Room time of the first change that nobody was told of, or of the end.
    pub at: Millis,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The Yjs document of this name changed.
    Changed(String),
    /// The room left memory.
    Unloaded {
        /// Its last record.
        seq: u64,
        /// Why.
        why: Unloaded,
    },
}

/// Why a room was unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unloaded {
    /// Nobody was in it for a while.
    Idle,
    /// The process stopped.
    Shutdown,
}

impl Unloaded {
    /// The word for receivers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Shutdown => "shutdown",
        }
    }
}

const CHANGED: u8 = 1;
const UNLOADED: u8 = 2;

impl Mark {
    /// The item.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut item = Vec::new();
        item.push(match self.event {
            Event::Changed(_) => CHANGED,
            Event::Unloaded { .. } => UNLOADED,
        });
        put_var_bytes(&mut item, self.room.as_str().as_bytes());
        put_var_uint(&mut item, self.at.0);
        match &self.event {
            Event::Changed(document) => put_var_bytes(&mut item, document.as_bytes()),
            Event::Unloaded { seq, why } => {
                put_var_uint(&mut item, *seq);
                item.push(match why {
                    Unloaded::Idle => 1,
                    Unloaded::Shutdown => 2,
                });
            }
        }
        item.into()
    }

    /// What an item says; `None` when it is not one of these.
    #[must_use]
    pub fn decode(item: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(item);
        let what = reader.byte().ok()?;
        let room = RoomId::new(reader.var_string().ok()?).ok()?;
        let at = Millis(reader.var_uint().ok()?);
        let event = match what {
            CHANGED => Event::Changed(reader.var_string().ok()?.to_owned()),
            UNLOADED => Event::Unloaded {
                seq: reader.var_uint().ok()?,
                why: match reader.byte().ok()? {
                    1 => Unloaded::Idle,
                    2 => Unloaded::Shutdown,
                    _ => return None,
                },
            },
            _ => return None,
        };
        reader.is_empty().then_some(Self { room, at, event })
    }
}
