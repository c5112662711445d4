//! The order in which structs of several clients are integrated.
//!
//! It is the engine's (yrs 0.28.1, `Update::integrate`): the highest client first; where a struct
//! needs another client's, that client's next struct comes first; where nothing can bring what is
//! missing, all structs that wait for it stay, and so does what follows them of the same clients.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};

use super::update::{Digest, Section};

/// The runs that are to be integrated, in queues by client, and what they change.
pub(super) trait Work {
    /// The client without whose structs run `at` of `queue` cannot be integrated.
    fn missing(&self, queue: usize, at: usize) -> Option<u64>;

    /// Integrates run `at` of `queue`.
    fn integrate(&mut self, queue: usize, at: usize);
}

/// The runs of one client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    pub(super) client: u64,
    pub(super) len: usize,
    /// How many of them are integrated.
    pub(super) done: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// Its next run waits for another queue.
    Waiting,
    /// Its next run waits for something that is not here.
    Stuck,
}

impl Queue {
    pub(super) const fn new(client: u64, len: usize) -> Self {
        Self {
            client,
            len,
            done: 0,
            state: State::Free,
        }
    }

    /// Whether all its runs are integrated.
    pub(super) const fn is_done(&self) -> bool {
        self.done == self.len
    }
}

/// Something for each section of an update: mostly it has one, and then this needs no list.
#[derive(Debug)]
pub(super) enum PerSection<T> {
    One([T; 1]),
    Many(Vec<T>),
}

impl<T> PerSection<T> {
    pub(super) fn new(digest: &Digest, make: impl Fn(&Section) -> T) -> Self {
        match digest.sections() {
            [section] => Self::One([make(section)]),
            sections => Self::Many(sections.iter().map(make).collect()),
        }
    }
}

impl PerSection<Queue> {
    /// All runs of `digest`.
    pub(super) fn queues(digest: &Digest) -> Self {
        Self::new(digest, |section| {
            Queue::new(section.client, digest.runs(section).len())
        })
    }
}

impl<T> Deref for PerSection<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

impl<T> DerefMut for PerSection<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

/// Integrates what can be integrated of `queues`, which are sorted by client, each client once.
/// Returns the clients whose structs were missing.
pub(super) fn integrate(queues: &mut [Queue], work: &mut impl Work) -> BTreeSet<u64> {
    let mut missing_clients = BTreeSet::new();
    let mut stack = Vec::new();
    for first in (0..queues.len()).rev() {
        while queues[first].state == State::Free && !queues[first].is_done() {
            // Mostly nothing has to come before it.
            if work.missing(first, queues[first].done).is_none() {
                work.integrate(first, queues[first].done);
                queues[first].done += 1;
                continue;
            }
            // One run of this queue, with all that has to come before it.
            queues[first].state = State::Waiting;
            stack.push(first);
            while let Some(&top) = stack.last() {
                let Some(missing) = work.missing(top, queues[top].done) else {
                    work.integrate(top, queues[top].done);
                    queues[top].done += 1;
                    queues[top].state = State::Free;
                    stack.pop();
                    continue;
                };
                let at = queues.binary_search_by_key(&missing, |queue| queue.client);
                let source = at
                    .ok()
                    .filter(|&at| queues[at].state == State::Free && !queues[at].is_done());
                if let Some(source) = source {
                    queues[source].state = State::Waiting;
                    stack.push(source);
                } else {
                    missing_clients.insert(missing);
                    for stuck in stack.drain(..) {
                        queues[stuck].state = State::Stuck;
                    }
                }
            }
        }
    }
    missing_clients
}
