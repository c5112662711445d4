//! The one place where yrs documents are made and called.
//!
//! A document here is a cache: it is built from stored updates on demand, inside a job, and dropped
//! when idle. It never edits, so that its client id does not matter; yrs would draw one at random.

use bytes::Bytes;
use yrs::updates::decoder::Decode;
use yrs::{Doc, OffsetKind, Options, ReadTxn, Transact, Update};

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
    /// An empty document.
    #[must_use]
    pub fn new() -> Self {
        let doc = Doc::with_options(Options {
            client_id: yrs::ClientID::new(0),
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
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}
