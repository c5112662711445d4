//! What a request asks of a document, and what it is answered: the document in a form that programs
//! read, or an edit that the server makes for them. Both are work for a job.

use bytes::Bytes;
use serde_json::Value;

use super::gate::CheckedUpdate;
use crate::store::VersionId;

/// What is asked of a document. A root type may be left out where the document has exactly one.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Its whole state as an update, v1.
    Update,
    /// One root as JSON, or all of them as an object.
    Json(Option<String>),
    /// The text of a root.
    Text(Option<String>),
    /// The XML of a root.
    Xml(Option<String>),
    /// All of it in several forms, for a hook.
    Whole(WholeAsk),
    /// Take in an update.
    Apply(CheckedUpdate),
    /// Change a root.
    Edit(Option<String>, Edit),
    /// Become what this update of an earlier state holds, by an edit.
    Restore(Bytes),
    /// Keep the state of now as a version of this name.
    Keep(String),
    /// Drop a version.
    Drop(VersionId),
}

/// What a hook wants of a document, besides its state as an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeAsk {
    /// The room's incarnation and the seq that the answer is about; it may hold more.
    pub incarnation: u128,
    /// See above.
    pub seq: u64,
    /// All roots as JSON.
    pub json: bool,
    /// The roots that are texts.
    pub text: bool,
}

/// A document, for a hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// What was asked for.
    pub of: WholeAsk,
    /// Its whole state as an update, v1.
    pub update: Bytes,
    /// All roots by name.
    pub json: Option<Value>,
    /// The roots that are texts, by name.
    pub text: Option<serde_json::Map<String, Value>>,
}

/// A change that the server makes on the state of now.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Edits of a text, in order, each on what those before it left.
    Text(Vec<TextEdit>),
    /// A text becomes this one: what differs is edited.
    ReplaceText(String),
    /// The value at a place of a map becomes this one; without a place the map itself.
    Set(Vec<String>, Value),
    /// The value at a place of a map is removed.
    Remove(Vec<String>),
}

/// One edit of a text, counted in UTF-16 units as Yjs does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEdit {
    /// Where.
    pub at: u32,
    /// How much is removed there.
    pub delete: u32,
    /// What is inserted there then.
    pub insert: String,
}

/// A document in the form that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// An update, v1.
    Update(Bytes),
    /// A value, or all roots by name.
    Json(Value),
    /// A text.
    Text(String),
    /// XML.
    Xml(String),
    /// All of it.
    Whole(Box<Whole>),
}

/// What a job gives for an [`Ask`].
#[derive(Debug)]
pub enum Outcome {
    /// What was asked for.
    Answer(Answer),
    /// The update that makes the change; `None` when there is nothing to change.
    Edit(Option<CheckedUpdate>),
    /// The state of now, to be kept as a version.
    Keep(Bytes),
    /// The state from before, and the update that brings an earlier one back; `None` when nothing
    /// is different.
    Restore(Option<(Bytes, CheckedUpdate)>),
}

impl Ask {
    /// The answer of a document in which nothing is; `None` for what changes it.
    pub(crate) fn of_nothing(&self) -> Option<Answer> {
        Some(match self {
            Self::Update => Answer::Update(EMPTY_UPDATE),
            Self::Json(None) => Answer::Json(Value::Object(serde_json::Map::new())),
            Self::Json(Some(_)) => Answer::Json(Value::Null),
            Self::Text(_) => Answer::Text(String::new()),
            Self::Xml(_) => Answer::Xml(String::new()),
            Self::Whole(of) => Answer::Whole(Box::new(Whole {
                of: *of,
                update: EMPTY_UPDATE,
                json: of.json.then(|| Value::Object(serde_json::Map::new())),
                text: of.text.then(serde_json::Map::new),
            })),
            Self::Apply(_) | Self::Edit(..) | Self::Restore(_) | Self::Keep(_) | Self::Drop(_) => {
                return None;
            }
        })
    }
}

/// An update of nothing: no clients, no deletes.
pub(crate) const EMPTY_UPDATE: Bytes = Bytes::from_static(&[0, 0]);
