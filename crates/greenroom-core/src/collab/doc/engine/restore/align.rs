//! What two rows have in common, in the same order.

use std::collections::BTreeMap;

use yrs::Out;

use super::NestedId;

/// Up to so many pairs are compared one by one; longer rows are told apart by what is in them once.
const PAIRS_MAX: usize = 1 << 20;

/// What an item of a row is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A nested type that both rows have.
    Shared(NestedId),
    /// What it holds.
    Content(String),
}

/// How one row becomes the other.
pub(super) enum Step<'a> {
    /// So many are removed.
    Remove(u32),
    /// One stays: as it is, as it was.
    Keep(&'a Out, &'a Out),
    /// These are inserted.
    Insert(&'a [Out]),
}

/// The steps by which `is` becomes `was`; each item comes with its key.
pub(super) fn align<'a>(
    (is, is_keys): (&'a [Out], &[Key]),
    (was, was_keys): (&'a [Out], &[Key]),
) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let (mut i, mut w) = (0, 0);
    let end = (is.len(), was.len());
    for (next_i, next_w) in common(is_keys, was_keys).into_iter().chain([end]) {
        if next_i > i {
            steps.push(Step::Remove((next_i - i) as u32));
        }
        if next_w > w {
            steps.push(Step::Insert(&was[w..next_w]));
        }
        if (next_i, next_w) != end {
            steps.push(Step::Keep(&is[next_i], &was[next_w]));
        }
        (i, w) = (next_i + 1, next_w + 1);
    }
    steps
}

/// The places of what both have, rising on both sides.
fn common(is_keys: &[Key], was_keys: &[Key]) -> Vec<(usize, usize)> {
    let same = |(a, b): &(&Key, &Key)| a == b;
    let start = is_keys.iter().zip(was_keys).take_while(same).count();
    let rest = is_keys.len().min(was_keys.len()) - start;
    let backwards = is_keys.iter().rev().zip(was_keys.iter().rev());
    let end = backwards.take(rest).take_while(same).count();
    let (is_end, was_end) = (is_keys.len() - end, was_keys.len() - end);
    let middle = (&is_keys[start..is_end], &was_keys[start..was_end]);
    let middle = if middle.0.len().saturating_mul(middle.1.len()) <= PAIRS_MAX {
        longest(middle.0, middle.1)
    } else {
        anchors(middle.0, middle.1)
    };
    let mut pairs: Vec<_> = (0..start).map(|at| (at, at)).collect();
    pairs.extend(middle.into_iter().map(|(i, w)| (start + i, start + w)));
    pairs.extend((0..end).map(|at| (is_end + at, was_end + at)));
    pairs
}

/// The longest common subsequence.
fn longest(is: &[Key], was: &[Key]) -> Vec<(usize, usize)> {
    let width = was.len() + 1;
    let mut lengths = vec![0_u32; (is.len() + 1) * width];
    for i in (0..is.len()).rev() {
        for w in (0..was.len()).rev() {
            lengths[i * width + w] = if is[i] == was[w] {
                lengths[(i + 1) * width + w + 1] + 1
            } else {
                lengths[(i + 1) * width + w].max(lengths[i * width + w + 1])
            };
        }
    }
    let (mut i, mut w, mut pairs) = (0, 0, Vec::new());
    while i < is.len() && w < was.len() {
        if is[i] == was[w] {
            pairs.push((i, w));
            (i, w) = (i + 1, w + 1);
        } else if lengths[(i + 1) * width + w] >= lengths[i * width + w + 1] {
            i += 1;
        } else {
            w += 1;
        }
    }
    pairs
}

/// Nested types, whose ids are theirs alone: what both have is in the same order in both.
fn anchors(is: &[Key], was: &[Key]) -> Vec<(usize, usize)> {
    let shared = is.iter().enumerate();
    let shared = shared.filter(|(_, key)| matches!(key, Key::Shared(_)));
    let places: BTreeMap<_, _> = shared.map(|(at, key)| (key, at)).collect();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (w, key) in was.iter().enumerate() {
        let last = pairs.last().map(|(i, _)| *i);
        if let Some(i) = places.get(key).filter(|i| last.is_none_or(|l| l < **i)) {
            pairs.push((*i, w));
        }
    }
    pairs
}
