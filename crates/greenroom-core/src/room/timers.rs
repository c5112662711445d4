//! Named deadlines in room time.

use std::collections::{BTreeMap, BTreeSet};

use greenroom_service::Millis;

/// Named deadlines; each name has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timers {
    by_name: BTreeMap<String, Millis>,
    by_time: BTreeSet<(Millis, String)>,
}

impl Timers {
    /// Sets or cancels the deadline `name`.
    pub(crate) fn set(&mut self, name: &str, at: Option<Millis>) {
        if let Some(before) = self.by_name.remove(name) {
            self.by_time.remove(&(before, name.to_owned()));
        }
        if let Some(at) = at {
            self.by_name.insert(name.to_owned(), at);
            self.by_time.insert((at, name.to_owned()));
        }
    }

    /// The deadline of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Millis> {
        self.by_name.get(name).copied()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Millis> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The names of the deadlines at or before `now`, earliest first.
    pub(crate) fn due(&self, now: Millis) -> Vec<String> {
        let due = self.by_time.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, name)| name.clone()).collect()
    }

    /// All deadlines, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Millis)> {
        self.by_name.iter().map(|(name, at)| (name.as_str(), *at))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }
}
