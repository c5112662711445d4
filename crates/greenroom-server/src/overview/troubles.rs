//! Rooms that could not go on.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use greenroom_service::RoomId;

/// Rooms that are kept, the last ones.
const TROUBLES_MAX: usize = 32;

/// A room that could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Which.
    pub(crate) room: RoomId,
    /// `quarantined` or `store_failed`.
    pub(crate) why: &'static str,
    /// When, in milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
}

/// The last rooms that could not go on, each once.
#[derive(Default)]
pub(crate) struct Troubles(Mutex<VecDeque<Trouble>>);

impl Troubles {
    /// Notes one.
    pub(crate) fn note(&self, room: &RoomId, why: &'static str, at_ms: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|trouble| trouble.room != *room);
        if kept.len() == TROUBLES_MAX {
            kept.pop_front();
        }
        let room = room.clone();
        kept.push_back(Trouble { room, why, at_ms });
    }

    /// Those from `at_ms` on, the last first.
    pub(super) fn since(&self, at_ms: u64) -> Vec<Trouble> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = kept.iter().rev().filter(|trouble| trouble.at_ms >= at_ms);
        since.cloned().collect()
    }
}
