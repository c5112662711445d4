//! Rooms that have something to do though nobody sent them anything: the store answered, or a time
//! has come. With many rooms both happen to many at once, because their commit windows end
//! together; one task then runs all their turns one after the other, which costs less than waking
//! a task for each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use greenroom_service::Millis;
use tokio::sync::Notify;

use crate::edge::Edge;
use crate::mail::Order;
use crate::room_cell::RoomCell;

/// Turns that are run before other tasks get to run.
const TURNS_MAX: usize = 32;

/// A room and what it is to be told.
type Call = (Weak<RoomCell>, Order);

/// What rooms are to be told.
#[derive(Default)]
pub(crate) struct Rounds {
    /// Locked for a few lines, by rooms, by the store's thread, and by the task.
    inner: Mutex<Inner>,
    /// The task has to look again.
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    /// At once. As many as there are requests to the store.
    calls: Vec<Call>,
    /// Later. As many as rooms have alarms: each a few, each earlier than the one before.
    alarms: BTreeMap<Millis, Vec<Weak<RoomCell>>>,
}

impl Rounds {
    /// A room is to be told `order` as soon as can be.
    pub(crate) fn call(&self, room: Weak<RoomCell>, order: Order) {
        let mut inner = self.lock();
        inner.calls.push((room, order));
        let first = inner.calls.len() == 1;
        drop(inner);
        if first {
            self.changed.notify_one();
        }
    }

    /// A room wants to be called at `at`.
    pub(crate) fn alarm(&self, at: Millis, room: Weak<RoomCell>) {
        let mut inner = self.lock();
        let earliest = inner
            .alarms
            .first_key_value()
            .is_none_or(|(first, _)| at < *first);
        inner.alarms.entry(at).or_default().push(room);
        drop(inner);
        if earliest {
            self.changed.notify_one();
        }
    }

    /// What is to be done at `now`, or when there is something.
    fn due(&self, now: Millis) -> Result<Vec<Call>, Option<Millis>> {
        let mut inner = self.lock();
        let mut due = std::mem::take(&mut inner.calls);
        while let Some(entry) = inner.alarms.first_entry().filter(|e| *e.key() <= now) {
            let (at, rooms) = entry.remove_entry();
            due.extend(rooms.into_iter().map(|room| (room, Order::Alarm(at))));
        }
        if due.is_empty() {
            return Err(inner.alarms.first_key_value().map(|(at, _)| *at));
        }
        Ok(due)
    }

    // A panic under the lock left whole values behind: they are only ever added and taken.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the turns until the process stops.
pub(crate) async fn run(edge: Arc<Edge>) {
    loop {
        let next = match edge.rounds.due(edge.clock.now()) {
            Ok(due) => {
                let mut turns = 0;
                for (room, order) in due {
                    tell(&room, order);
                    turns += 1;
                    if turns % TURNS_MAX == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                continue;
            }
            Err(next) => next.map_or_else(|| edge.clock.far(), |at| edge.clock.instant(at)),
        };
        // All arms are cancel-safe.
        tokio::select! {
            () = edge.rounds.changed.notified() => {}
            () = tokio::time::sleep_until(next) => {}
            () = edge.stopping() => return,
        }
    }
}

/// A room that is over needs not be told.
fn tell(room: &Weak<RoomCell>, order: Order) {
    if let Some(room) = room.upgrade()
        && let Err(order) = room.order(order)
    {
        room.post(order);
    }
}
