//! How deep each element of a client lies, and which are shared types.

use std::collections::BTreeMap;

/// One element's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Level {
    /// How many shared types lie around it, the root type not counted.
    pub(super) level: u16,
    /// It is itself a shared type.
    pub(super) is_type: bool,
}

/// The levels of one client's elements: from each key on, until the next. What it says of clocks
/// that are not known means nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels(BTreeMap<u32, Level>);

impl Levels {
    /// The level at `clock`.
    pub(super) fn at(&self, clock: u32) -> Level {
        let below = self.0.range(..=clock).next_back();
        below.map_or_else(Level::default, |(_, level)| *level)
    }

    /// All of `start..end` lies at `level`.
    pub(super) fn set(&mut self, start: u32, end: u32, level: Level) {
        let after = self.at(end);
        while let Some((&inside, _)) = self.0.range(start..end).next() {
            self.0.remove(&inside);
        }
        if self.at(start) != level {
            self.0.insert(start, level);
        }
        if after != level {
            self.0.entry(end).or_insert(after);
        }
    }
}
