//! Sets of clocks as ranges: what is known of a client, what is deleted of it.

use std::collections::BTreeMap;
use std::ops::Bound;

/// A set of clocks, as half-open ranges: start to end.
///
/// Invariant: the ranges are not empty, do not overlap and do not touch. A tree and no sorted
/// list, because hostile updates may fill many holes in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Intervals(BTreeMap<u32, u32>);

/// A set of clocks per client.
pub(super) type IdSet = BTreeMap<u64, Intervals>;

impl Intervals {
    /// The ranges, lowest first.
    pub(super) fn ranges(&self) -> impl ExactSizeIterator<Item = (u32, u32)> {
        self.0.iter().map(|(&start, &end)| (start, end))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first clock that is not in the set when counting up from zero.
    pub(super) fn prefix_end(&self) -> u32 {
        match self.0.first_key_value() {
            Some((0, &end)) => end,
            _ => 0,
        }
    }

    /// Whether the set has no hole below its highest clock.
    pub(super) fn is_prefix(&self) -> bool {
        match self.0.first_key_value() {
            None => true,
            Some((&start, _)) => start == 0 && self.0.len() == 1,
        }
    }

    /// Whether `clock` is in the set.
    pub(super) fn contains(&self, clock: u32) -> bool {
        self.covers(clock, clock.saturating_add(1))
    }

    /// Whether all of `start..end` is in the set.
    pub(super) fn covers(&self, start: u32, end: u32) -> bool {
        self.last_from(start).is_some_and(|(_, to)| end <= to)
    }

    /// The last range that begins at `start` or below. It is mostly the last of all, which is found
    /// without a search.
    fn last_from(&self, start: u32) -> Option<(u32, u32)> {
        let (from, to) = self.0.last_key_value()?;
        if *from <= start {
            return Some((*from, *to));
        }
        let below = self.0.range(..=start).next_back();
        below.map(|(from, to)| (*from, *to))
    }

    /// Adds `start..end`.
    pub(super) fn insert(&mut self, mut start: u32, mut end: u32) {
        if start >= end {
            return;
        }
        // What a client types stands behind what it typed before.
        if let Some(mut last) = self.0.last_entry()
            && (*last.key()..=*last.get()).contains(&start)
        {
            let to = last.get_mut();
            *to = end.max(*to);
            return;
        }
        if let Some((from, to)) = self.last_from(start)
            && start <= to
        {
            if end <= to {
                return;
            }
            start = from;
        }
        let after = |start, end| (Bound::Excluded(start), Bound::Included(end));
        while let Some((&from, &to)) = self.0.range(after(start, end)).next() {
            end = end.max(to);
            self.0.remove(&from);
        }
        self.0.insert(start, end);
    }

    /// Takes `start..end` out.
    pub(super) fn remove(&mut self, start: u32, end: u32) {
        if start >= end {
            return;
        }
        if let Some((_, to)) = self.0.range_mut(..start).next_back()
            && start < *to
        {
            let old_end = std::mem::replace(to, start);
            if end < old_end {
                self.0.insert(end, old_end);
                return;
            }
        }
        while let Some((&from, &to)) = self.0.range(start..end).next() {
            self.0.remove(&from);
            if end < to {
                self.0.insert(end, to);
            }
        }
    }

    /// The parts of `start..end` that are not in the set, lowest first.
    pub(super) fn gaps(&self, start: u32, end: u32) -> impl Iterator<Item = (u32, u32)> {
        let below = self.0.range(..=start).next_back();
        let mut at = below.map_or(start, |(_, &to)| to.max(start));
        let mut inside = self.0.range(start.min(end)..end);
        std::iter::from_fn(move || {
            while at < end {
                let gap_start = at;
                let (gap_end, next) = match inside.next() {
                    Some((&from, &to)) => (from, to.max(at)),
                    None => (end, end),
                };
                at = next;
                if gap_start < gap_end {
                    return Some((gap_start, gap_end));
                }
            }
            None
        })
    }
}

/// Whether `set` has that clock of that client.
pub(super) fn has(set: &IdSet, client: u64, clock: u32) -> bool {
    set.get(&client).is_some_and(|known| known.contains(clock))
}

/// Whether `set` has all those clocks of that client.
pub(super) fn covers(set: &IdSet, client: u64, start: u32, end: u32) -> bool {
    set.get(&client)
        .is_some_and(|known| known.covers(start, end))
}

/// The parts of `start..end` of that client that are not in `set`, lowest first.
pub(super) fn gaps(
    set: &IdSet,
    client: u64,
    start: u32,
    end: u32,
) -> impl Iterator<Item = (u32, u32)> {
    let known = set.get(&client);
    let whole = (known.is_none() && start < end).then_some((start, end));
    let gaps = known.map(|known| known.gaps(start, end));
    gaps.into_iter().flatten().chain(whole)
}

#[cfg(test)]
mod tests;
