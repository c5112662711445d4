//! The JSON of the interface.

use greenroom_core::room::request::{PartShown, Present, SessionShown, Shown};
use greenroom_core::store::{Part, RoomMeta, VersionMeta};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Users' own data: any JSON object.
pub(super) type Metadata = Map<String, Value>;

/// A page of rooms.
#[derive(Serialize, ToSchema)]
pub(super) struct RoomPage {
    /// In the order of their names' bytes.
    pub(super) rooms: Vec<RoomSummary>,
    /// The `after` of the next page; `null` on the last.
    #[schema(required)]
    pub(super) next: Option<String>,
}

/// A room in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct RoomSummary {
    /// Its name.
    pub(super) id: String,
    /// `collab` or `service`.
    pub(super) kind: String,
    /// Whether it is in memory.
    pub(super) loaded: bool,
    /// Whether the store has it.
    pub(super) stored: bool,
    /// How many sessions are in it.
    pub(super) sessions: usize,
    /// The seq of its last record.
    pub(super) seq: u64,
    /// When the first record was written.
    #[schema(required)]
    pub(super) created_ms: Option<u64>,
    /// When the last record was written.
    #[schema(required)]
    pub(super) changed_ms: Option<u64>,
    /// Its earliest durable timer.
    #[schema(required)]
    pub(super) next_wake_ms: Option<u64>,
    /// Users' own data.
    #[schema(value_type = Object)]
    pub(super) metadata: Metadata,
}

impl RoomSummary {
    /// A room of the store.
    pub(super) fn stored(meta: &RoomMeta, live: Option<usize>) -> Self {
        Self {
            id: meta.room.as_str().to_owned(),
            kind: meta.kind.clone(),
            loaded: live.is_some(),
            stored: true,
            sessions: live.unwrap_or(0),
            seq: meta.head,
            created_ms: Some(meta.created.0),
            changed_ms: Some(meta.changed.0),
            next_wake_ms: meta.next_wake.map(|at| at.0),
            metadata: metadata_of(meta),
        }
    }

    /// A room that people are in and nobody wrote to.
    pub(super) fn unwritten(id: &str, kind: &str, sessions: usize) -> Self {
        Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            loaded: true,
            stored: false,
            sessions,
            seq: 0,
            created_ms: None,
            changed_ms: None,
            next_wake_ms: None,
            metadata: Map::new(),
        }
    }
}

/// The metadata that the store has of a room.
pub(super) fn metadata_of(meta: &RoomMeta) -> Metadata {
    serde_json::from_slice(&meta.metadata).unwrap_or_default()
}

/// A room.
#[derive(Serialize, ToSchema)]
pub(super) struct Room {
    /// Its name.
    pub(super) id: String,
    /// `collab` or `service`.
    pub(super) kind: String,
    /// Whether it is in memory.
    pub(super) loaded: bool,
    /// Whether the store has it.
    pub(super) stored: bool,
    /// `live`, or `unavailable` when it cannot be loaded now.
    pub(super) state: &'static str,
    /// The seq of its last record.
    pub(super) seq: u64,
    /// The seq of the last record on stable storage.
    pub(super) durable_seq: u64,
    /// When the first record was written.
    #[schema(required)]
    pub(super) created_ms: Option<u64>,
    /// When the last record was written.
    #[schema(required)]
    pub(super) changed_ms: Option<u64>,
    /// Its earliest durable timer.
    #[schema(required)]
    pub(super) next_wake_ms: Option<u64>,
    /// Users' own data.
    #[schema(value_type = Object)]
    pub(super) metadata: Metadata,
    /// What its parts have in memory, together.
    pub(super) bytes: usize,
    /// Who is in it.
    pub(super) sessions: Vec<SessionModel>,
    /// What it holds.
    pub(super) parts: Vec<PartModel>,
}

impl Room {
    /// A room that is loaded.
    pub(super) fn shown(id: &str, shown: Shown) -> Self {
        let parts: Vec<_> = shown.parts.iter().map(PartModel::of).collect();
        Self {
            id: id.to_owned(),
            kind: shown.kind.to_owned(),
            loaded: true,
            stored: shown.is_stored,
            state: "live",
            seq: shown.seq,
            durable_seq: shown.durable_seq,
            created_ms: shown.created.map(|at| at.0),
            changed_ms: shown.changed.map(|at| at.0),
            next_wake_ms: shown.next_wake.map(|at| at.0),
            metadata: shown.metadata,
            bytes: parts.iter().map(|part| part.bytes).sum(),
            sessions: shown.sessions.iter().map(SessionModel::of).collect(),
            parts,
        }
    }

    /// A room that cannot be loaded now.
    pub(super) fn unavailable(meta: &RoomMeta) -> Self {
        Self {
            id: meta.room.as_str().to_owned(),
            kind: meta.kind.clone(),
            loaded: false,
            stored: true,
            state: "unavailable",
            seq: meta.head,
            durable_seq: meta.head,
            created_ms: Some(meta.created.0),
            changed_ms: Some(meta.changed.0),
            next_wake_ms: meta.next_wake.map(|at| at.0),
            metadata: metadata_of(meta),
            bytes: 0,
            sessions: Vec::new(),
            parts: Vec::new(),
        }
    }
}

/// A session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionModel {
    /// Its id, to kick it.
    pub(super) id: u64,
    /// The user; `null` for somebody without a token.
    #[schema(required)]
    pub(super) user: Option<String>,
    /// `yjs` or `raw`.
    pub(super) protocol: &'static str,
    /// The document that it is about.
    pub(super) document: String,
    /// The tag that the room's service gave it.
    #[schema(required)]
    pub(super) tag: Option<String>,
    /// What it may do.
    pub(super) rights: Vec<&'static str>,
    /// When it joined.
    pub(super) joined_ms: u64,
    /// What waits to be sent to it.
    pub(super) outbox_bytes: usize,
}

impl SessionModel {
    fn of(shown: &SessionShown) -> Self {
        Self {
            id: shown.id.0,
            user: shown.user.as_ref().map(|user| user.as_str().to_owned()),
            protocol: shown.protocol.name(),
            document: shown.document.clone(),
            tag: shown.tag.clone(),
            rights: shown.rights.names().collect(),
            joined_ms: shown.joined.0,
            outbox_bytes: shown.outbox_bytes,
        }
    }
}

/// A part of a room.
#[derive(Serialize, ToSchema)]
#[schema(as = Part)]
pub(super) struct PartModel {
    /// `document` or `service`.
    pub(super) part: &'static str,
    /// The document's name.
    pub(super) name: String,
    /// Its bytes in memory.
    pub(super) bytes: usize,
    /// Updates since the last snapshot.
    pub(super) updates: usize,
    /// Updates whose causes are not here yet.
    pub(super) parked: usize,
}

impl PartModel {
    pub(super) fn of(shown: &PartShown) -> Self {
        let (part, name) = match &shown.part {
            Part::Document(name) => ("document", name.clone()),
            Part::Service => ("service", String::new()),
        };
        Self {
            part,
            name,
            bytes: shown.bytes,
            updates: shown.updates,
            parked: shown.parked,
        }
    }
}

/// The documents of a room.
#[derive(Serialize, ToSchema)]
pub(super) struct Documents {
    /// In the order of their names.
    pub(super) documents: Vec<PartModel>,
}

/// A room to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRoom {
    /// Its name: 1 to 128 bytes without control characters.
    #[schema(min_length = 1, max_length = 128)]
    pub(super) id: String,
    /// Users' own data.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Metadata>,
}

/// What a new room is to have.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomOptions {
    /// Users' own data.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Metadata>,
}

/// What became of an edit.
#[derive(Serialize, ToSchema)]
pub(super) struct Edited {
    /// The seq of its record, or of the room's last when nothing changed.
    pub(super) seq: u64,
    /// Whether there was anything to change.
    pub(super) changed: bool,
}

/// A page of versions of a document.
#[derive(Serialize, ToSchema)]
pub(super) struct VersionPage {
    /// Newest first.
    pub(super) versions: Vec<VersionModel>,
    /// The `before` of the next page; `null` on the last.
    #[schema(required)]
    pub(super) next: Option<u64>,
}

/// A kept version of a document.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
pub(super) struct VersionModel {
    /// Its id: milliseconds since the Unix epoch when it was made, or the next that was free.
    pub(super) id: u64,
    /// `named`; `automatic` when the room made it of a stretch of changes; `restore` when it is the
    /// state that a restore went back from.
    pub(super) kind: &'static str,
    /// What people call it; empty without a name.
    pub(super) label: String,
    /// Who asked for it; `null` for the room itself, or somebody without a name.
    #[schema(required)]
    pub(super) user: Option<String>,
    /// The last record of the room that it includes.
    pub(super) seq: u64,
    /// Bytes of its state, an update.
    pub(super) bytes: u64,
    /// When it goes by itself; `null` when it does not.
    #[schema(required)]
    pub(super) expires_ms: Option<u64>,
}

impl VersionModel {
    pub(super) fn of(meta: &VersionMeta) -> Self {
        Self {
            id: meta.id.0,
            kind: meta.kind.name(),
            label: meta.label.clone(),
            user: (!meta.user.is_empty()).then(|| meta.user.clone()),
            seq: meta.seq,
            bytes: meta.bytes,
            expires_ms: meta.expires.map(|at| at.0),
        }
    }
}

/// What a new version is to be.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewVersion {
    /// What people call it.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub(super) label: String,
}

/// Edits of a text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TextEdits {
    /// In order, each on what those before it left.
    #[schema(max_items = 1000)]
    pub(super) edits: Vec<TextEditModel>,
}

/// One edit of a text, in UTF-16 units.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TextEdit)]
pub(super) struct TextEditModel {
    /// Where.
    pub(super) at: u32,
    /// How much is removed there.
    #[serde(default)]
    pub(super) delete: u32,
    /// What is inserted there then.
    #[serde(default)]
    pub(super) insert: String,
}

/// Who shows what of themselves.
#[derive(Serialize, ToSchema)]
pub(super) struct PresencePage {
    /// One for each Yjs client.
    pub(super) presence: Vec<PresenceModel>,
}

/// What one client shows of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Presence)]
pub(super) struct PresenceModel {
    /// Its session; `null` when that is gone and its entry is not yet.
    #[schema(required)]
    pub(super) session: Option<u64>,
    /// The session's user.
    #[schema(required)]
    pub(super) user: Option<String>,
    /// The document.
    pub(super) document: String,
    /// The Yjs client id.
    pub(super) client: u64,
    /// The state.
    #[schema(value_type = Object)]
    pub(super) state: Value,
}

impl PresenceModel {
    pub(super) fn of(present: &Present) -> Self {
        Self {
            session: present.session.map(|session| session.0),
            user: present.user.as_ref().map(|user| user.as_str().to_owned()),
            document: present.document.clone(),
            client: present.client,
            // What is no JSON was never let in.
            state: serde_json::from_slice(&present.state).unwrap_or_default(),
        }
    }
}

/// What became of an event.
#[derive(Serialize, ToSchema)]
pub(super) struct Sent {
    /// How many sessions get it.
    pub(super) sessions: usize,
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemModel {
    /// `about:blank`.
    r#type: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// Stable, for programs.
    code: String,
    /// What is wrong, for people.
    detail: String,
    /// What to do about it, for people.
    hint: Option<String>,
}
