//! What a document knows, without the document: state vector, deletions, updates that wait.
//!
//! The shadow follows the engine exactly (asserted by a property test), at the cost of some bytes
//! per client and per deleted range. It answers what a room asks for every update: is it new, can
//! it be relayed at once, how far is this peer.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::intervals::{self, IdSet, Intervals};
use super::update::{Digest, StateVector};
use crate::protocol::lib0::put_var_uint;

mod apply;
mod levels;
mod pending;
mod verdict;

use levels::Levels;
use pending::Pending;
pub use verdict::Verdict;

/// What is known of one document.
///
/// Invariants: `waiting_deletes` is the part of `deletes` that is not in `known`; what is in
/// `pending` is not in `known`.
#[derive(Clone, Debug, Default)]
pub struct Shadow {
    /// The structs that are integrated. With a hole where a client's earlier structs are missing.
    known: IdSet,
    /// All deletions seen.
    deletes: IdSet,
    /// Deletions of structs that are not known yet.
    waiting_deletes: IdSet,
    levels: BTreeMap<u64, Levels>,
    /// The deepest level that any struct has: how many shared types lie around it.
    nesting: u16,
    pending: Pending,
}

impl Shadow {
    /// The shadow of a document that is only this update: a snapshot.
    #[must_use]
    pub fn of(snapshot: &Digest) -> Self {
        let mut shadow = Self::default();
        shadow.apply(snapshot);
        shadow
    }

    /// What to do with an update. Changes nothing.
    #[must_use]
    pub fn verdict(&self, digest: &Digest) -> Verdict {
        verdict::verdict(self, digest)
    }

    /// Takes an update in: integrates what can be, keeps the rest until its causes come, and
    /// integrates what waited for this.
    pub fn apply(&mut self, digest: &Digest) {
        apply::apply(self, digest);
    }

    /// How far each client is known without a hole.
    #[must_use]
    pub fn state_vector(&self) -> StateVector {
        let clocks = self.known.iter();
        clocks
            .map(|(&client, known)| (client, known.prefix_end()))
            .collect()
    }

    /// The state vector, version 1: the body of a SyncStep1.
    #[must_use]
    pub fn encode_state_vector(&self) -> Bytes {
        self.state_vector().encode()
    }

    /// Whether a peer with this state vector has every struct that we have, also those that wait.
    #[must_use]
    pub fn covers(&self, peer: &StateVector) -> bool {
        self.pending.is_empty()
            && self
                .known
                .iter()
                .all(|(&client, known)| known.is_prefix() && known.prefix_end() <= peer.get(client))
    }

    /// The deletions seen: client, first clock, clock after the last. By client and clock.
    pub fn deletions(&self) -> impl Iterator<Item = (u64, u32, u32)> {
        self.deletes.iter().flat_map(|(&client, deleted)| {
            let ranges = deleted.ranges();
            ranges.map(move |(start, end)| (client, start, end))
        })
    }

    /// An update (v1) that has no structs and all deletions: the answer to a SyncStep1 of a peer
    /// whom [`Self::covers`] holds for.
    #[must_use]
    pub fn delete_set_update(&self) -> Bytes {
        let ranges: usize = self.deletes.values().map(|d| d.ranges().len()).sum();
        let mut out = BytesMut::with_capacity(2 + self.deletes.len() * 8 + ranges * 5);
        put_var_uint(&mut out, 0);
        put_var_uint(&mut out, self.deletes.len() as u64);
        for (&client, deleted) in self.deletes.iter().rev() {
            put_var_uint(&mut out, client);
            put_var_uint(&mut out, deleted.ranges().len() as u64);
            for (start, end) in deleted.ranges() {
                put_var_uint(&mut out, start.into());
                put_var_uint(&mut out, (end - start).into());
            }
        }
        out.freeze()
    }

    /// Whether structs or deletions wait for their causes.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty() || !self.waiting_deletes.is_empty()
    }

    /// The bytes of the updates that wait for their causes, and 8 for each deleted range that does.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        let deletes = self.waiting_deletes.values().map(|d| d.ranges().len());
        self.pending.bytes() + 8 * deletes.sum::<usize>()
    }

    fn insert_known(&mut self, client: u64, start: u32, end: u32) {
        self.known.entry(client).or_default().insert(start, end);
        if let Some(waiting) = self.waiting_deletes.get_mut(&client) {
            waiting.remove(start, end);
            if waiting.is_empty() {
                self.waiting_deletes.remove(&client);
            }
        }
    }

    fn insert_deleted(&mut self, client: u64, start: u32, end: u32) {
        let deleted = self.deletes.entry(client).or_default();
        if deleted.covers(start, end) {
            return;
        }
        deleted.insert(start, end);
        for (start, end) in intervals::gaps(&self.known, client, start, end) {
            let waiting: &mut Intervals = self.waiting_deletes.entry(client).or_default();
            waiting.insert(start, end);
        }
    }
}

#[cfg(test)]
mod tests;
