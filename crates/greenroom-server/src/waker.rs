//! Loads rooms that nobody is in when their earliest durable timer is due: one process-wide heap.
//!
//! It holds no room itself. What is due is read from the store at start and then every
//! [`LOOK_AGAIN`]; a room that unloads meanwhile hands its next timer in.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use greenroom_core::store::{StoreReply, StoreRequest};
use greenroom_service::{Millis, RoomId};
use tokio::sync::Notify;

use crate::rooms::Rooms;

/// How far ahead the store is asked, and how often: a timer further away is found the next time.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Rooms that are asked for at a time, and kept in the heap at the most: who is left out is found
/// the next time.
const DUE_MAX: usize = 10_000;

/// A room is held for this long after it was woken, so that its timer fires before it may go.
const HOLD: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Waker {
    /// Rooms by when they want to be loaded; locked for a few lines.
    due: Mutex<BTreeSet<(Millis, RoomId)>>,
    changed: Notify,
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
    fn next(&self, now: Millis) -> Result<RoomId, Option<Millis>> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        match due.first() {
            Some((at, _)) if *at <= now => Ok(due.pop_first().expect("it was looked at").1),
            first => Err(first.map(|(at, _)| *at)),
        }
    }
}

/// Wakes rooms for as long as the process runs.
pub(crate) async fn run(rooms: Arc<Rooms>) {
    let edge = rooms.edge();
    let waker = &edge.waker;
    let mut look = tokio::time::interval(LOOK_AGAIN);
    loop {
        let next = match waker.next(edge.clock.now()) {
            Ok(room) => {
                wake(&rooms, room);
                continue;
            }
            Err(next) => next.map_or_else(|| edge.clock.far(), |at| edge.clock.instant(at)),
        };
        // All arms are cancel-safe.
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = waker.changed.notified() => {}
            _ = look.tick() => {
                let before = edge.clock.now().plus(LOOK_AGAIN.as_millis() as u64);
                let request = StoreRequest::Due { before, limit: DUE_MAX };
                if let StoreReply::Due(due) = edge.request_store(request).await {
                    due.into_iter().for_each(|(room, at)| waker.wake_at(at, room));
                }
            }
        }
    }
}

fn wake(rooms: &Arc<Rooms>, room: RoomId) {
    let held = Arc::clone(rooms);
    rooms.edge().spawn(async move {
        // A room that cannot be loaded now is due again when the store is asked the next time.
        if let Ok(reference) = held.open(&room).await {
            tokio::time::sleep(HOLD).await;
            drop(reference);
        }
    });
}
