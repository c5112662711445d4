//! What programs ask of a room that are not in it: an operator, a server of the user's own, over
//! REST. A request enters by the room's one door and is answered once, unless the room stops first.

use bytes::Bytes;
use greenroom_service::{Message, Millis, Refuse, Rights, SessionId, UserId};
use serde_json::{Map, Value};

use crate::close_reason::Protocol;
use crate::collab::doc::ask::{Answer, Ask};
use crate::store::envelope::Record;
use crate::store::{Part, VersionMeta};

/// A request; unique while the room is loaded, numbered by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Who asks. What may be asked was judged at the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The identity that the edge authenticated.
    pub user: Option<UserId>,
    /// Where it comes from, to hold off an anonymous one that made the room fault.
    pub origin: String,
}

impl Caller {
    /// Whom to hold off: as a session's sender.
    pub(super) fn sender(&self) -> String {
        match &self.user {
            Some(user) => format!("user {user}"),
            None => format!("origin {}", self.origin),
        }
    }
}

/// What is asked of a room.
#[derive(Debug)]
pub enum Request {
    /// What the room is, who is in it, what it holds.
    Show,
    /// Make it a room that is stored, when it is not one yet.
    Create(Option<Map<String, Value>>),
    /// Replace the metadata.
    SetMetadata(Map<String, Value>),
    /// Change the metadata by a JSON Merge Patch (RFC 7396).
    MergeMetadata(Map<String, Value>),
    /// Close a session.
    Kick(SessionId),
    /// Send everybody a message that leaves no record.
    Broadcast(Message),
    /// Delete the room with all it holds.
    Delete,
    /// Become the room of this past; only when nothing was ever written.
    Import(Box<Import>),
    /// Something about what the room holds.
    Content(ContentRequest),
    /// Something for the hooks.
    Hook(HookRequest),
}

/// What is asked of a room for its hooks.
#[derive(Clone, Debug)]
pub enum HookRequest {
    /// What a document holds, unless it is still being changed.
    Take {
        /// The document.
        document: String,
        /// It is to be left alone for so long,
        quiet_ms: u64,
        /// but not beyond this time.
        latest: Millis,
        /// Also as JSON.
        json: bool,
        /// Also its texts.
        text: bool,
    },
    /// A hook was told what a document held at this seq.
    Told {
        /// The document.
        document: String,
        /// As the answer to `Take` said.
        seq: u64,
    },
    /// No hook will be told of what a document's mark is about.
    Forget {
        /// The document.
        document: String,
    },
}

/// The past of another room that this one is to have.
#[derive(Debug)]
pub struct Import {
    /// The kind that wrote it.
    pub kind: String,
    /// The users' own data about the room.
    pub metadata: Map<String, Value>,
    /// The records by which an empty room comes to hold what it held.
    pub records: Vec<Record>,
}

/// What is asked about what a room holds; the behaviour answers.
#[derive(Debug)]
pub enum ContentRequest {
    /// Who shows what of themselves.
    Presence,
    /// Something of the Yjs document of this name.
    Document(String, Ask),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It is done: kicked, deleted, imported, a version dropped.
    Done,
    /// To `Show`.
    Shown(Box<Shown>),
    /// To `Create`: whether the room is new.
    Created(bool),
    /// The metadata, after a change.
    Metadata(Map<String, Value>),
    /// To `Take`: the document is still being changed, ask again at this time.
    Later(Millis),
    /// To `Told`: whether nothing has changed since.
    Told(bool),
    /// To `Broadcast`: how many sessions get it.
    Sent(usize),
    /// To `Presence`.
    Presence(Vec<Present>),
    /// A document, in the form that was asked for.
    Document(Answer),
    /// To an edit.
    Edited {
        /// The seq of its record, or of the room's last when nothing changed.
        seq: u64,
        /// Whether there was anything to change.
        changed: bool,
    },
    /// A version was kept.
    Kept(VersionMeta),
    /// It was not done, and changed nothing.
    Refused(Refuse),
}

/// A room as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The room's kind.
    pub kind: &'static str,
    /// Whether the store has it.
    pub is_stored: bool,
    /// The last record made, and the last on stable storage.
    pub seq: u64,
    /// The last record on stable storage.
    pub durable_seq: u64,
    /// Room time of the first record.
    pub created: Option<Millis>,
    /// Room time of the last row.
    pub changed: Option<Millis>,
    /// The earliest durable timer.
    pub next_wake: Option<Millis>,
    /// The users' own data about the room.
    pub metadata: Map<String, Value>,
    /// Who is in it, in the order of their ids.
    pub sessions: Vec<SessionShown>,
    /// What it holds.
    pub parts: Vec<PartShown>,
}

/// A session as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionShown {
    /// Its id.
    pub id: SessionId,
    /// The identity; `None` for an anonymous one.
    pub user: Option<UserId>,
    /// The wire format.
    pub protocol: Protocol,
    /// The document that it is about.
    pub document: String,
    /// The tag that the room gave it.
    pub tag: Option<String>,
    /// What it may do.
    pub rights: Rights,
    /// When it joined.
    pub joined: Millis,
    /// What waits to be sent to it.
    pub outbox_bytes: usize,
}

/// A part of a room as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartShown {
    /// Which.
    pub part: Part,
    /// Its bytes in memory: last merged state and what came since.
    pub bytes: usize,
    /// Records since the last snapshot that was stored.
    pub updates: usize,
    /// Of a document: updates whose causes are not here yet.
    pub parked: usize,
}

/// What one session shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Who; `None` when it left and its entry did not yet.
    pub session: Option<SessionId>,
    /// The session's identity.
    pub user: Option<UserId>,
    /// The document.
    pub document: String,
    /// The Yjs client id.
    pub client: u64,
    /// The state, a JSON object.
    pub state: Bytes,
}

/// What those who watch a room are told, when it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// All records up to this one are on stable storage.
    Durable(u64),
    /// A session joined.
    Joined {
        /// Which.
        session: SessionId,
        /// Its identity.
        user: Option<UserId>,
        /// The wire format.
        protocol: Protocol,
        /// The document that it is about.
        document: String,
        /// Room time.
        at: Millis,
    },
    /// A session left.
    Left {
        /// Which.
        session: SessionId,
        /// Room time.
        at: Millis,
    },
    /// A session said something that is meant for the server.
    Said {
        /// Which.
        session: SessionId,
        /// What.
        message: Message,
        /// Room time.
        at: Millis,
    },
    /// A message was broadcast.
    Broadcast {
        /// What.
        message: Message,
        /// Room time.
        at: Millis,
    },
}
