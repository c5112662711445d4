//! Which rooms this node runs: one state machine for loading, serving and closing them, so that two
//! who arrive at the same moment meet in one room.
//!
//! ```text
//!  arrive        start            loaded            idle, no reference    stopped
//!  ──────▶ Queued ────▶ Loading ─────────▶ Live ───────────────────▶ Closing ────▶ (gone, or
//!                          │ stopped                                     Queued anew for those
//!                          ▼                                             who arrived meanwhile)
//!                       (gone, or Quarantined for a while)
//! ```
//! It does no IO: the server keeps it under one lock and carries out what it gives back.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use greenroom_service::{Millis, RoomId};

/// A room is kept out for this long after it faulted too often or could not be read.
pub const QUARANTINE_MS: u64 = 60_000;

/// One life of a room in memory, from load to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(pub u64);

/// Somebody who waits for a room; the server's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter(pub u64);

/// What the server is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the room and let it load.
    Start(RoomId, Instance),
    /// The room is live; this waiter holds a reference to it now.
    Grant(Waiter, Instance),
    /// There is no room for this waiter.
    Refuse(Waiter, Refused),
    /// Let the room drain: nobody holds a reference and nothing waits in its mailbox.
    Drain(Instance),
}

/// Why there is no room for a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It cannot be loaded now.
    Unavailable,
    /// Another node owns it.
    Moved,
    /// The process stops.
    Stopping,
}

/// How a room's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was drained.
    Drained,
    /// Another node owns it.
    Moved,
    /// It faulted too often or its data cannot be read.
    Quarantined,
    /// The store failed; a later try may succeed.
    Failed,
}

#[derive(Debug)]
enum Entry {
    Queued {
        waiters: Vec<Waiter>,
    },
    Loading {
        instance: Instance,
        waiters: Vec<Waiter>,
        /// It does nothing but wait for somebody outside, and does not count among those that load.
        waits_outside: bool,
    },
    Live {
        instance: Instance,
        references: usize,
    },
    Closing {
        instance: Instance,
        waiters: Vec<Waiter>,
    },
    Quarantined {
        until: Millis,
    },
}

/// The rooms of a node.
#[derive(Debug)]
pub struct Registry {
    entries: BTreeMap<RoomId, Entry>,
    queue: VecDeque<RoomId>,
    loads: usize,
    loads_max: usize,
    next_instance: u64,
    stopping: bool,
}

impl Registry {
    /// An empty registry that lets at most `loads_max` rooms load at a time.
    #[must_use]
    pub fn new(loads_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            queue: VecDeque::new(),
            loads: 0,
            loads_max: loads_max.max(1),
            next_instance: 0,
            stopping: false,
        }
    }

    /// Somebody wants the room. It is granted, refused or waits.
    pub fn arrive(&mut self, now: Millis, room: &RoomId, waiter: Waiter) -> Vec<Action> {
        if self.stopping {
            return vec![Action::Refuse(waiter, Refused::Stopping)];
        }
        match self.entries.get_mut(room) {
            Some(Entry::Quarantined { until }) if *until > now => {
                vec![Action::Refuse(waiter, Refused::Unavailable)]
            }
            Some(Entry::Live {
                instance,
                references,
            }) => {
                *references += 1;
                vec![Action::Grant(waiter, *instance)]
            }
            Some(
                Entry::Queued { waiters }
                | Entry::Loading { waiters, .. }
                | Entry::Closing { waiters, .. },
            ) => {
                waiters.push(waiter);
                Vec::new()
            }
            Some(Entry::Quarantined { .. }) | None => self.enqueue(room.clone(), vec![waiter]),
        }
    }

    /// The room is live.
    pub fn loaded(&mut self, room: &RoomId, loaded: Instance) -> Vec<Action> {
        let Some(entry) = self.entries.get_mut(room) else {
            return Vec::new();
        };
        let Entry::Loading {
            instance,
            waiters,
            waits_outside,
        } = entry
        else {
            return Vec::new();
        };
        if *instance != loaded {
            return Vec::new();
        }
        let counted = !*waits_outside;
        let waiters = std::mem::take(waiters);
        *entry = Entry::Live {
            instance: loaded,
            references: waiters.len(),
        };
        self.loads -= usize::from(counted);
        let mut actions: Vec<_> = waiters
            .into_iter()
            .map(|waiter| Action::Grant(waiter, loaded))
            .collect();
        actions.extend(self.start_queued());
        actions
    }

    /// The room, which loads, waits for somebody outside of the server from now on: others may load
    /// meanwhile.
    pub fn waits_outside(&mut self, room: &RoomId, of: Instance) -> Vec<Action> {
        match self.entries.get_mut(room) {
            Some(Entry::Loading {
                instance,
                waits_outside: waits @ false,
                ..
            }) if *instance == of => *waits = true,
            _ => return Vec::new(),
        }
        self.loads -= 1;
        self.start_queued()
    }

    /// A reference that was granted is given back.
    ///
    /// # Panics
    /// When there was none: references are counted by guards.
    pub fn release(&mut self, room: &RoomId, of: Instance) {
        if let Some(Entry::Live {
            instance,
            references,
        }) = self.entries.get_mut(room)
            && *instance == of
        {
            *references = references
                .checked_sub(1)
                .expect("each reference is given back once");
        }
    }

    /// The room says that nobody was there for a while. It may close only if nobody holds a
    /// reference and nothing waits in its mailbox; the caller holds the lock under which both are
    /// looked at.
    pub fn idle(&mut self, room: &RoomId, of: Instance, mailbox_is_empty: bool) -> Vec<Action> {
        match self.entries.get_mut(room) {
            Some(entry @ Entry::Live { .. }) if mailbox_is_empty => {
                if !matches!(entry, Entry::Live { instance, references: 0 } if *instance == of) {
                    return Vec::new();
                }
                *entry = Entry::Closing {
                    instance: of,
                    waiters: Vec::new(),
                };
                vec![Action::Drain(of)]
            }
            _ => Vec::new(),
        }
    }

    /// The room's life ended.
    pub fn ended(&mut self, now: Millis, room: &RoomId, of: Instance, ended: Ended) -> Vec<Action> {
        let current = match self.entries.get(room) {
            Some(
                Entry::Loading { instance, .. }
                | Entry::Live { instance, .. }
                | Entry::Closing { instance, .. },
            ) => *instance == of,
            _ => false,
        };
        if !current {
            return Vec::new();
        }
        let mut actions = Vec::new();
        let waiters = match self.entries.remove(room) {
            Some(Entry::Loading {
                waiters,
                waits_outside,
                ..
            }) => {
                self.loads -= usize::from(!waits_outside);
                let why = if ended == Ended::Moved {
                    Refused::Moved
                } else {
                    Refused::Unavailable
                };
                actions.extend(
                    waiters
                        .into_iter()
                        .map(|waiter| Action::Refuse(waiter, why)),
                );
                Vec::new()
            }
            Some(Entry::Closing { waiters, .. }) => waiters,
            _ => Vec::new(),
        };
        if ended == Ended::Quarantined {
            let refuse = |waiter| Action::Refuse(waiter, Refused::Unavailable);
            actions.extend(waiters.into_iter().map(refuse));
            let until = now.plus(QUARANTINE_MS);
            let is_over =
                |entry: &Entry| matches!(entry, Entry::Quarantined { until } if *until <= now);
            self.entries.retain(|_, entry| !is_over(entry));
            self.entries
                .insert(room.clone(), Entry::Quarantined { until });
        } else if self.stopping {
            let refuse = |waiter| Action::Refuse(waiter, Refused::Stopping);
            actions.extend(waiters.into_iter().map(refuse));
        } else if !waiters.is_empty() {
            actions.extend(self.enqueue(room.clone(), waiters));
        }
        actions.extend(self.start_queued());
        actions
    }

    /// The process stops: nobody is let in any more; gives the rooms that are to be drained,
    /// each with how many hold a reference to it.
    pub fn stop(&mut self) -> (Vec<(Instance, usize)>, Vec<Action>) {
        self.stopping = true;
        self.queue.clear();
        let (mut running, mut actions) = (Vec::new(), Vec::new());
        self.entries.retain(|_, entry| match entry {
            Entry::Queued { waiters } => {
                let refuse = |waiter| Action::Refuse(waiter, Refused::Stopping);
                actions.extend(waiters.drain(..).map(refuse));
                false
            }
            Entry::Quarantined { .. } => false,
            Entry::Live {
                instance,
                references,
            } => {
                running.push((*instance, *references));
                true
            }
            Entry::Loading { instance, .. } | Entry::Closing { instance, .. } => {
                running.push((*instance, 0));
                true
            }
        });
        (running, actions)
    }

    /// The rooms that are live, in the order of their names.
    pub fn live(&self) -> impl Iterator<Item = (&RoomId, Instance)> {
        self.entries.iter().filter_map(|(room, entry)| match entry {
            Entry::Live { instance, .. } => Some((room, *instance)),
            _ => None,
        })
    }

    /// Whether the room is in memory, or on its way there.
    #[must_use]
    pub fn runs(&self, room: &RoomId) -> bool {
        let entry = self.entries.get(room);
        entry.is_some_and(|entry| !matches!(entry, Entry::Quarantined { .. }))
    }

    /// How many rooms are in memory.
    #[must_use]
    pub fn running(&self) -> usize {
        let runs =
            |entry: &&Entry| !matches!(entry, Entry::Queued { .. } | Entry::Quarantined { .. });
        self.entries.values().filter(runs).count()
    }

    /// How many rooms load.
    #[must_use]
    pub fn loads(&self) -> usize {
        self.loads
    }

    fn enqueue(&mut self, room: RoomId, waiters: Vec<Waiter>) -> Vec<Action> {
        self.queue.push_back(room.clone());
        self.entries.insert(room, Entry::Queued { waiters });
        self.start_queued()
    }

    fn start_queued(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while self.loads < self.loads_max {
            let Some(room) = self.queue.pop_front() else {
                break;
            };
            let Some(entry @ Entry::Queued { .. }) = self.entries.get_mut(&room) else {
                continue;
            };
            let Entry::Queued { waiters } = entry else {
                unreachable!("matched above")
            };
            self.next_instance += 1;
            let instance = Instance(self.next_instance);
            *entry = Entry::Loading {
                instance,
                waiters: std::mem::take(waiters),
                waits_outside: false,
            };
            self.loads += 1;
            actions.push(Action::Start(room, instance));
        }
        actions
    }
}
