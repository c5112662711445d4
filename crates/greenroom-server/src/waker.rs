//! When rooms that nobody is in want to be loaded: one process-wide heap.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use greenroom_service::{Millis, RoomId};
use tokio::sync::Notify;

/// Rooms that are asked for at a time, and kept in the heap at the most: who is left out is found
/// the next time.
pub(crate) const DUE_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Waker {
    /// Rooms by when they want to be loaded; locked for a few lines.
    due: Mutex<BTreeSet<(Millis, RoomId)>>,
    pub(crate) changed: Notify,
}

impl Waker {
    /// A room was unloaded that wants to be loaded at `at`.
    pub(crate) fn wake_at(&self, at: Millis, room: RoomId) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.insert((at, room));
        while due.len() > DUE_MAX {
            due.pop_last();
        }
        self.changed.notify_one();
    }

    /// The room that is due at `now`, or else when the next one is.
    pub(crate) fn next(&self, now: Millis) -> Result<RoomId, Option<Millis>> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        match due.first() {
            Some((at, _)) if *at <= now => Ok(due.pop_first().expect("it was looked at").1),
            first => Err(first.map(|(at, _)| *at)),
        }
    }
}
