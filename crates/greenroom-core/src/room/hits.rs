//! Which limits a room has met, and what it did not have to send: for whoever counts.

use std::collections::BTreeMap;

use crate::limits::LimitField;

/// What a room counted since it was made, beside how its events ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    limits: BTreeMap<&'static str, u64>,
    /// Changes that a newer one replaced before anybody was told.
    coalesced: u64,
}

impl Hits {
    /// The limit of this name was met: what was too much was refused, left out or closed.
    ///
    /// # Panics
    /// In debug builds, when there is no limit of this name.
    pub fn limit(&mut self, name: &'static str) {
        debug_assert!(LimitField::find(name).is_some(), "{name} is no limit");
        *self.limits.entry(name).or_default() += 1;
    }

    /// So many changes were replaced by newer ones before anybody was told.
    pub fn coalesce(&mut self, changes: u64) {
        self.coalesced += changes;
    }

    /// Adds what another has counted.
    pub fn take_in(&mut self, other: Self) {
        for (name, times) in other.limits {
            *self.limits.entry(name).or_default() += times;
        }
        self.coalesced += other.coalesced;
    }

    /// How often each limit was met.
    pub fn limits(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.limits.iter().map(|(name, times)| (*name, *times))
    }

    /// How many changes were replaced.
    #[must_use]
    pub const fn coalesced(&self) -> u64 {
        self.coalesced
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.coalesced == 0 && self.limits.is_empty()
    }
}
