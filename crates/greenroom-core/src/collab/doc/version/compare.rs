//! Differences: of JSON values as a JSON Patch, of texts as a unified diff.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

/// Pairs of items or lines that are compared one by one; in longer stretches all is replaced.
const PAIRS_MAX: usize = 1 << 22;
/// Unchanged lines around a change.
const CONTEXT_LINES: usize = 3;

/// The operations of RFC 6902 by which `from` becomes `to`.
pub(super) fn patch(from: &Value, to: &Value) -> Vec<Value> {
    let mut operations = Vec::new();
    patch_at("", from, to, &mut operations);
    operations
}

fn patch_at(path: &str, from: &Value, to: &Value, out: &mut Vec<Value>) {
    match (from, to) {
        (from, to) if from == to => {}
        (Value::Object(from), Value::Object(to)) => {
            for key in from.keys().filter(|key| !to.contains_key(*key)) {
                out.push(json!({ "op": "remove", "path": below(path, key) }));
            }
            for (key, value) in to {
                let path = below(path, key);
                match from.get(key) {
                    Some(was) => patch_at(&path, was, value, out),
                    None => out.push(json!({ "op": "add", "path": path, "value": value })),
                }
            }
        }
        (Value::Array(from), Value::Array(to)) => patch_items(path, from, to, out),
        (_, to) => out.push(json!({ "op": "replace", "path": path, "value": to })),
    }
}

/// Items that went and came in one place are one that changed.
fn patch_items(path: &str, from: &[Value], to: &[Value], out: &mut Vec<Value>) {
    let mut at = 0;
    for change in changes(from, to) {
        let (gone, came) = (&from[change.from.clone()], &to[change.to.clone()]);
        at = change.to.start.max(at);
        let both = gone.len().min(came.len());
        for (was, is) in gone.iter().zip(came) {
            patch_at(&below(path, &at.to_string()), was, is, out);
            at += 1;
        }
        for _ in &gone[both..] {
            out.push(json!({ "op": "remove", "path": below(path, &at.to_string()) }));
        }
        for is in &came[both..] {
            let path = below(path, &at.to_string());
            out.push(json!({ "op": "add", "path": path, "value": is }));
            at += 1;
        }
    }
}

fn below(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A stretch that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    from: std::ops::Range<usize>,
    to: std::ops::Range<usize>,
}

/// Where two rows differ, in order.
fn changes<T: PartialEq>(from: &[T], to: &[T]) -> Vec<Change> {
    let same = |(a, b): &(&T, &T)| a == b;
    let start = from.iter().zip(to).take_while(same).count();
    let rest = from.len().min(to.len()) - start;
    let backwards = from.iter().rev().zip(to.iter().rev());
    let end = backwards.take(rest).take_while(same).count();
    let (from_end, to_end) = (from.len() - end, to.len() - end);
    let (gone, came) = (&from[start..from_end], &to[start..to_end]);
    if gone.is_empty() && came.is_empty() {
        return Vec::new();
    }
    let kept = if gone.len().saturating_mul(came.len()) <= PAIRS_MAX {
        longest(gone, came)
    } else {
        Vec::new()
    };
    let mut changes = Vec::new();
    let (mut f, mut t) = (start, start);
    let pairs = kept.into_iter().map(|(f, t)| (start + f, start + t));
    for (next_f, next_t) in pairs.chain([(from_end, to_end)]) {
        if next_f > f || next_t > t {
            changes.push(Change {
                from: f..next_f,
                to: t..next_t,
            });
        }
        (f, t) = (next_f + 1, next_t + 1);
    }
    changes
}

/// The longest common subsequence, as places in both.
fn longest<T: PartialEq>(from: &[T], to: &[T]) -> Vec<(usize, usize)> {
    let width = to.len() + 1;
    let mut lengths = vec![0_u32; (from.len() + 1) * width];
    for f in (0..from.len()).rev() {
        for t in (0..to.len()).rev() {
            lengths[f * width + t] = if from[f] == to[t] {
                lengths[(f + 1) * width + t + 1] + 1
            } else {
                lengths[(f + 1) * width + t].max(lengths[f * width + t + 1])
            };
        }
    }
    let (mut f, mut t, mut pairs) = (0, 0, Vec::new());
    while f < from.len() && t < to.len() {
        if from[f] == to[t] {
            pairs.push((f, t));
            (f, t) = (f + 1, t + 1);
        } else if lengths[(f + 1) * width + t] >= lengths[f * width + t + 1] {
            f += 1;
        } else {
            t += 1;
        }
    }
    pairs
}

/// The unified diff of roots in lines: a head for each root that is different.
pub(super) fn unified(
    from: &BTreeMap<String, Vec<String>>,
    to: &BTreeMap<String, Vec<String>>,
) -> String {
    let mut text = String::new();
    let names: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    for name in names {
        let lines = |of: &BTreeMap<_, Vec<String>>| of.get(name).cloned().unwrap_or_default();
        let (was, is) = (lines(from), lines(to));
        let changes = changes(&was, &is);
        if !changes.is_empty() {
            let _ = write!(text, "--- a/{name}\n+++ b/{name}\n");
            hunks(&was, &is, &changes, &mut text);
        }
    }
    text
}

fn hunks(was: &[String], is: &[String], changes: &[Change], out: &mut String) {
    let mut rest = changes;
    while !rest.is_empty() {
        // Changes whose surroundings touch stand together.
        let touches = |pair: &[Change]| pair[1].from.start - pair[0].from.end <= 2 * CONTEXT_LINES;
        let together = 1 + rest.windows(2).take_while(|pair| touches(pair)).count();
        let (hunk, later) = rest.split_at(together);
        rest = later;
        let (first, last) = (&hunk[0], &hunk[together - 1]);
        let before = first.from.start.min(CONTEXT_LINES);
        let after = (was.len() - last.from.end).min(CONTEXT_LINES);
        let from = first.from.start - before..last.from.end + after;
        let to = first.to.start - before..last.to.end + after;
        let _ = writeln!(out, "@@ -{} +{} @@", place(&from), place(&to));
        let mut at = from.start;
        for change in hunk {
            lines(' ', &was[at..change.from.start], out);
            lines('-', &was[change.from.clone()], out);
            lines('+', &is[change.to.clone()], out);
            at = change.from.end;
        }
        lines(' ', &was[at..from.end], out);
    }
}

/// Lines are counted from 1; an empty stretch names the line before it.
fn place(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        length => format!("{},{length}", range.start + 1),
    }
}

fn lines(mark: char, lines: &[String], out: &mut String) {
    for line in lines {
        let _ = writeln!(out, "{mark}{line}");
    }
}
