//! A room's desk: where programs that are not in the room ask, and where those stand who watch it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use greenroom_core::limits::TAILS_MAX;
use greenroom_core::room::request::{Caller, Reply, Request, RequestId, Seen};
use greenroom_core::room::{Input, Stopped};
use tokio::sync::{mpsc, oneshot};

/// Somebody who watches a room.
pub(crate) struct Watcher {
    /// Where it is told; bounded, and who does not keep up is sent away.
    pub(crate) told: mpsc::Sender<Seen>,
    /// Why it is told no more.
    pub(crate) ended: Arc<OnceLock<&'static str>>,
}

/// The requests that wait for their answers, and the watchers.
pub(crate) struct Desk {
    last: u64,
    waiting: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    watchers: Vec<Watcher>,
    sessions: Arc<AtomicUsize>,
}

impl Desk {
    /// The desk of a room that says in `sessions` how many are in it.
    pub(crate) fn new(sessions: Arc<AtomicUsize>) -> Self {
        Self {
            last: 0,
            waiting: BTreeMap::new(),
            watchers: Vec::new(),
            sessions,
        }
    }

    /// A request has come; gives what the room is told of it.
    pub(crate) fn take(
        &mut self,
        (caller, request): (Caller, Request),
        answer: oneshot::Sender<Reply>,
    ) -> Input {
        self.last += 1;
        let id = RequestId(self.last);
        self.waiting.insert(id, answer);
        Input::Request(id, caller, request)
    }

    /// The room answers.
    pub(crate) fn answer(&mut self, id: RequestId, reply: Reply) {
        if let Some(waiting) = self.waiting.remove(&id) {
            // Whoever went away meanwhile does not want it.
            let _ = waiting.send(reply);
        }
    }

    /// Somebody wants to watch; the first word is how far stable storage has come. Gives what the
    /// room is told of it.
    pub(crate) fn watch(&mut self, watcher: Watcher, durable: u64) -> Input {
        self.watchers.retain(|w| !w.told.is_closed());
        if self.watchers.len() >= TAILS_MAX {
            let _ = watcher.ended.set("too_many_tails");
        } else if watcher.told.try_send(Seen::Durable(durable)).is_ok() {
            self.watchers.push(watcher);
        }
        Input::Watched(!self.watchers.is_empty())
    }

    /// Tells those who watch. Gives what the room is told of it.
    pub(crate) fn tell(&mut self, seen: &Seen) -> Input {
        self.watchers.retain(|watcher| {
            let told = watcher.told.try_send(seen.clone());
            if let Err(mpsc::error::TrySendError::Full(_)) = told {
                let _ = watcher.ended.set("slow");
            }
            told.is_ok()
        });
        Input::Watched(!self.watchers.is_empty())
    }

    /// So many sessions are in the room now.
    pub(crate) fn count(&self, sessions: usize) {
        self.sessions.store(sessions, Relaxed);
    }

    /// The room is over.
    pub(crate) fn close(&mut self, why: &Stopped) {
        for watcher in self.watchers.drain(..) {
            let _ = watcher.ended.set(match why {
                Stopped::Drained => "shutdown",
                Stopped::Deleted => "deleted",
                Stopped::Moved => "moved",
                Stopped::Quarantined(_) | Stopped::StoreFailed(_) | Stopped::NoFirstContent(_) => {
                    "room_fault"
                }
            });
        }
    }
}
