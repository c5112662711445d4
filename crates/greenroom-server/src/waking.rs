//! Loads rooms that nobody is in when their earliest durable timer is due.
//!
//! What is due is read from the store at start and then every [`LOOK_AGAIN`]; a room that unloads
//! meanwhile hands its next timer in.

use std::sync::Arc;
use std::time::Duration;

use greenroom_core::store::{StoreReply, StoreRequest};
use greenroom_service::RoomId;

use crate::rooms::Rooms;
use crate::waker::DUE_MAX;

/// How far ahead the store is asked, and how often: a timer further away is found the next time.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A room is held for this long after it was woken, so that its timer fires before it may go.
const HOLD: Duration = Duration::from_secs(1);

/// Wakes rooms until the process stops.
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
            () = edge.stopping() => return,
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
