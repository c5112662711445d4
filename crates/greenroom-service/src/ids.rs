//! The names of things: newtypes, so that a room can never be passed where a session is meant.

use std::fmt;
use std::sync::Arc;

/// Milliseconds of room time since the Unix epoch: wall clock at load plus monotonic elapsed,
/// never decreasing, never below the last journaled time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// This time `ms` milliseconds later (saturating).
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` until this time; 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The longest room name, in bytes of UTF-8.
pub const ROOM_NAME_BYTES_MAX: usize = 128;

/// Why a string is no room name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomNameError {
    /// The name is empty.
    Empty,
    /// The name is longer than [`ROOM_NAME_BYTES_MAX`]; holds its length in bytes.
    TooLong(usize),
    /// The name holds a control character; holds its byte offset.
    Control(usize),
}

impl fmt::Display for RoomNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a room name has at least one byte"),
            Self::TooLong(n) => {
                write!(
                    f,
                    "a room name has at most {ROOM_NAME_BYTES_MAX} bytes, this one has {n}"
                )
            }
            Self::Control(at) => {
                write!(
                    f,
                    "a room name has no control characters, this one has one at byte {at}"
                )
            }
        }
    }
}

impl std::error::Error for RoomNameError {}

/// The name of a room: 1 to 128 bytes of UTF-8 without control characters. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(Arc<str>);

impl RoomId {
    /// Checks `name` and makes it a room name.
    ///
    /// # Errors
    /// [`RoomNameError`] when it is empty, too long, or holds a control character.
    pub fn new(name: &str) -> Result<Self, RoomNameError> {
        if name.is_empty() {
            return Err(RoomNameError::Empty);
        }
        if name.len() > ROOM_NAME_BYTES_MAX {
            return Err(RoomNameError::TooLong(name.len()));
        }
        match name.char_indices().find(|(_, c)| c.is_control()) {
            Some((at, _)) => Err(RoomNameError::Control(at)),
            None => Ok(Self(name.into())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One logical membership of a room; dense within a loaded room, never reused while it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// One transport link: the node that holds it and a number of that node. Never a handle, so that
/// a room cannot learn whether its peers are local.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// The node whose socket it is.
    pub node: u32,
    /// The connection's number on that node.
    pub n: u64,
}

/// The authenticated identity behind a session, or the anonymous one. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Names a user; any text, chosen by whoever signed the token.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Work outside the room that was asked for by [`Context::task`](crate::Context::task).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);
