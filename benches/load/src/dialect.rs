//! What servers speak: where a room is found, and how the Yjs messages are wrapped.

use serde::{Deserialize, Serialize};

use crate::update::{put_var_bytes, put_var_uint, take_var_bytes, take_var_uint};

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dialect {
    /// y-websocket at `/yjs/ROOM`.
    Yjs,
    /// y-websocket at `/ROOM`.
    YWebsocket,
    /// y-websocket at `/d/ROOM/ws/ROOM`; the document must be made first.
    YSweet,
    /// Each message with the room in front, after a token; at `/hocuspocus`, where theirs does not
    /// care.
    Hocuspocus,
    /// Text frames of a service at `/ws/room/counter/ROOM`.
    Counter,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// The server asks for what it lacks.
    Ask,
    /// The server's whole content: from here on the peer is in step.
    InStep(&'a [u8]),
    /// An update or awareness of others.
    Content(&'a [u8]),
    /// Nothing that matters here.
    Other,
}

/// The empty state vector: everything is wanted.
const SYNC_STEP_1: [u8; 4] = [0, 0, 1, 0];
/// Nothing is brought along.
const SYNC_STEP_2: [u8; 5] = [0, 1, 2, 0, 0];

impl Dialect {
    /// The path of `room`.
    pub(crate) fn path(self, room: &str) -> String {
        match self {
            Self::Yjs => format!("/yjs/{room}"),
            Self::YWebsocket => format!("/{room}"),
            Self::YSweet => format!("/d/{room}/ws/{room}"),
            Self::Hocuspocus => "/hocuspocus".to_owned(),
            Self::Counter => format!("/ws/room/counter/{room}"),
        }
    }

    /// The messages with which a peer begins, each already wrapped.
    pub(crate) fn hello(self, room: &str) -> Vec<Vec<u8>> {
        let mut hello = Vec::new();
        match self {
            Self::Counter => return hello,
            Self::Hocuspocus => {
                let mut token = Vec::new();
                put_var_bytes(&mut token, room.as_bytes());
                put_var_uint(&mut token, 2);
                put_var_uint(&mut token, 0);
                put_var_bytes(&mut token, b"");
                hello.push(token);
            }
            Self::Yjs | Self::YWebsocket | Self::YSweet => {}
        }
        hello.push(self.wrapped(room, &SYNC_STEP_1));
        hello
    }

    /// The answer to [`Incoming::Ask`].
    pub(crate) fn answer(self, room: &str) -> Vec<u8> {
        self.wrapped(room, &SYNC_STEP_2)
    }

    /// Appends what stands in front of each message.
    pub(crate) fn put_front(self, out: &mut Vec<u8>, room: &str) {
        if self == Self::Hocuspocus {
            put_var_bytes(out, room.as_bytes());
        }
    }

    fn wrapped(self, room: &str, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.put_front(&mut out, room);
        out.extend_from_slice(message);
        out
    }

    /// Says what a message from the server is. Nonsense counts as [`Incoming::Other`]: then
    /// deliveries are missing, which every measurement tells.
    pub(crate) fn read(self, message: &[u8]) -> Incoming<'_> {
        self.try_read(message).unwrap_or(Incoming::Other)
    }

    fn try_read(self, mut message: &[u8]) -> Option<Incoming<'_>> {
        if self == Self::Hocuspocus {
            take_var_bytes(&mut message)?;
        }
        match take_var_uint(&mut message)? {
            // 4 is how Hocuspocus marks an answer to a question that was itself an answer.
            0 | 4 => match take_var_uint(&mut message)? {
                0 => Some(Incoming::Ask),
                1 => Some(Incoming::InStep(message)),
                _ => Some(Incoming::Content(message)),
            },
            1 => Some(Incoming::Content(message)),
            _ => Some(Incoming::Other),
        }
    }
}

#[cfg(test)]
mod tests;
