//! The one place where yrs documents are made and called.
//!
//! A document here is a cache: it is built from stored updates on demand, inside a job, and dropped
//! when idle. Where it edits it does so under the client id that it was made with, drawn by the room
//! for this one document: a document that is dropped with an edit in it that nobody else has must
//! never be continued under the same id.

mod edit;
mod restore;
mod view;

use std::collections::BTreeMap;

use bytes::Bytes;
use greenroom_service::Refuse;
use serde_json::Value;
use yrs::updates::decoder::Decode;
use yrs::{Doc, OffsetKind, Options, ReadTxn, Transact, Update};

use super::ask::{Answer, Ask, EMPTY_UPDATE, Outcome, Whole};
use super::gate::{CheckedUpdate, check_update};
use super::update::StateVector;

/// A yrs document that takes in updates and gives encoded state.
pub struct Engine {
    doc: Doc,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// An empty document that edits as `client`.
    #[must_use]
    pub fn new(client: u64) -> Self {
        let doc = Doc::with_options(Options {
            client_id: yrs::ClientID::new(client),
            guid: "greenroom".into(),
            collection_id: None,
            // Yjs counts UTF-16 code units.
            offset_kind: OffsetKind::Utf16,
            skip_gc: false,
            auto_load: false,
            should_load: true,
            // Clean-up would be an edit of our own, which nobody else makes.
            cleanup_formatting: false,
        });
        Self { doc }
    }

    /// Takes in updates, v1, as one transaction.
    ///
    /// # Errors
    /// The place of the first update that could not be taken in, and why; those before it are in.
    ///
    /// # Panics
    /// yrs panics on some malformed updates; the document is of no use then.
    pub fn apply<'a>(
        &mut self,
        updates: impl IntoIterator<Item = &'a Bytes>,
    ) -> Result<(), (usize, String)> {
        let mut transaction = self.doc.transact_mut();
        for (place, update) in updates.into_iter().enumerate() {
            let failed = |error: String| (place, error);
            let update = Update::decode_v1(update).map_err(|e| failed(e.to_string()))?;
            transaction
                .apply_update(update)
                .map_err(|e| failed(e.to_string()))?;
        }
        Ok(())
    }

    /// The whole state as one update, v1, with what still waits for its causes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.doc
            .transact()
            .encode_state_as_update_v1(&yrs::StateVector::default())
            .into()
    }

    /// What a peer with `vector` lacks, as an update, v1.
    #[must_use]
    pub fn diff(&self, vector: &StateVector) -> Bytes {
        let vector = vector
            .iter()
            .map(|(client, clock)| (yrs::ClientID::new(client), clock))
            .collect();
        self.doc
            .transact()
            .encode_state_as_update_v1(&vector)
            .into()
    }

    /// Answers what a request asks; an edit stays in this document.
    ///
    /// # Errors
    /// [`Refuse`]: nothing was changed.
    ///
    /// # Panics
    /// yrs may; the document is of no use then. `Ask::Apply` is no work for an engine.
    pub fn answer(&mut self, ask: &Ask) -> Result<Outcome, Refuse> {
        let transaction = || self.doc.transact();
        let answer = match ask {
            Ask::Update => Answer::Update(self.encode()),
            Ask::Json(root) => Answer::Json(view::json(root.as_deref(), &transaction())),
            Ask::Text(root) => Answer::Text(view::text(root.as_deref(), &transaction())?),
            Ask::Xml(root) => Answer::Xml(view::xml(root.as_deref(), &transaction())?),
            Ask::Whole(of) => Answer::Whole(Box::new(Whole {
                of: *of,
                update: self.encode(),
                json: of.json.then(|| view::json(None, &transaction())),
                text: of.text.then(|| view::texts(&transaction())),
            })),
            Ask::Edit(root, edit) => {
                let update = self.edit(root.as_deref(), edit)?;
                return Ok(Outcome::Edit(update));
            }
            Ask::Keep(_) => return Ok(Outcome::Keep(self.encode())),
            Ask::Restore(then) => return self.restore(then).map(Outcome::Restore),
            Ask::Apply(_) | Ask::Drop(_) => unreachable!("the room does that itself"),
        };
        Ok(Outcome::Answer(answer))
    }

    /// All roots as an object, or one of them.
    pub(crate) fn json(&self, root: Option<&str>) -> Value {
        view::json(root, &self.doc.transact())
    }

    /// Each root in lines, as people compare them, or one of them.
    pub(crate) fn lines(&self, root: Option<&str>) -> BTreeMap<String, Vec<String>> {
        view::lines(root, &self.doc.transact())
    }

    /// Makes these roots, by name.
    ///
    /// # Errors
    /// [`Refuse`]: one is neither a text, nor an array, nor a map.
    ///
    /// # Panics
    /// yrs may; the document is of no use then.
    pub fn make(
        &mut self,
        roots: &serde_json::Map<String, Value>,
    ) -> Result<Option<CheckedUpdate>, Refuse> {
        let mut transaction = self.doc.transact_mut();
        edit::make_roots(roots, &mut transaction)?;
        checked(transaction.encode_update_v1().into())
    }

    fn edit(
        &mut self,
        root: Option<&str>,
        edit: &super::ask::Edit,
    ) -> Result<Option<CheckedUpdate>, Refuse> {
        let mut transaction = self.doc.transact_mut();
        edit::edit(root, edit, &mut transaction)?;
        checked(transaction.encode_update_v1().into())
    }

    /// Becomes what it was when the update `then` was its whole state. Gives the state from before
    /// and the change.
    fn restore(&mut self, then: &Bytes) -> Result<Option<(Bytes, CheckedUpdate)>, Refuse> {
        let mut was = Self::new(1);
        was.apply([then]).map_err(|(_, error)| unreadable(&error))?;
        let before = self.encode();
        let mut now = self.doc.transact_mut();
        restore::restore(&mut now, &mut was.doc.transact_mut());
        let change = checked(now.encode_update_v1().into())?;
        Ok(change.map(|change| (before, change)))
    }
}

/// An edit as it is judged and sent; `None` when it changes nothing.
fn checked(update: Bytes) -> Result<Option<CheckedUpdate>, Refuse> {
    if update == EMPTY_UPDATE {
        return Ok(None);
    }
    let refused = |error| Refuse::new("update_refused", format!("the edit fails: {error}"));
    check_update(update).map(Some).map_err(refused)
}

fn unreadable(error: &str) -> Refuse {
    let reason = format!("the version cannot be read: {error}");
    Refuse::new("version_unreadable", reason)
}
