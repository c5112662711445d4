//! Structs that wait for others: kept without their contents, by client.

use std::collections::{BTreeMap, BTreeSet};

use crate::collab::doc::integrate::Queue;
use crate::collab::doc::intervals::{self, IdSet, Intervals};
use crate::collab::doc::update::{Digest, Mark, Run};

/// A run that waits.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) run: Run,
    /// The first holds at the start of the run.
    pub(super) marks: Vec<Mark>,
    /// The bytes of the update that brought it; of its runs only one has them.
    weight: usize,
}

/// All that waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    /// Invariant: no empty list; each sorted and without overlap.
    held: BTreeMap<u64, Vec<Held>>,
    /// The clients whose structs something waits for.
    roots: BTreeSet<u64>,
    /// Shared types that came with what waits, and perhaps no longer does.
    types: usize,
    bytes: usize,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn types(&self) -> usize {
        self.types
    }

    /// How many clients have structs that wait.
    pub(super) fn clients(&self) -> usize {
        self.held.len()
    }

    /// Whether structs of that client wait.
    pub(super) fn has_client(&self, client: u64) -> bool {
        self.held.contains_key(&client)
    }

    /// Whether structs of that client may set something free.
    pub(super) fn waits_for(&self, client: u64) -> bool {
        self.roots.contains(&client)
    }

    /// Whether what waits fills the holes of `known` in `start..end`.
    pub(super) fn completes(&self, known: &IdSet, client: u64, start: u32, end: u32) -> bool {
        let Some(held) = self.held.get(&client) else {
            return false;
        };
        let mut gaps = intervals::gaps(known, client, start, end);
        gaps.all(|(mut start, end)| {
            let first = held.partition_point(|held| held.run.end <= start);
            for Held { run, .. } in &held[first..] {
                if end <= start || start < run.start {
                    break;
                }
                start = run.end;
            }
            end <= start
        })
    }

    /// Keeps what `queues` did not integrate of an update.
    pub(super) fn hold(
        &mut self,
        known: &IdSet,
        digest: &Digest,
        queues: &[Queue],
        roots: BTreeSet<u64>,
    ) {
        let mut weight = digest.update_bytes();
        self.roots.extend(roots);
        self.types += digest.types();
        for (section, queue) in digest.sections().iter().zip(queues) {
            if queue.is_done() {
                continue;
            }
            let held = self.held.entry(section.client).or_default();
            let mut there = Intervals::default();
            for Held { run, .. } in held.iter() {
                there.insert(run.start, run.end);
            }
            for run in &digest.runs(section)[queue.done..] {
                let marks = digest.marks_of(section, run).map(|at| *digest.mark(at));
                let whole = Held {
                    run: *run,
                    marks: marks.collect(),
                    weight: 0,
                };
                for (start, end) in intervals::gaps(known, section.client, run.start, run.end) {
                    for (start, end) in there.gaps(start, end) {
                        let weight = std::mem::take(&mut weight);
                        self.bytes += weight;
                        held.push(whole.part(start, end, weight));
                    }
                }
            }
            held.sort_unstable_by_key(|held| held.run.start);
            if held.is_empty() {
                self.held.remove(&section.client);
            }
        }
    }

    /// Takes all that waits and is not known meanwhile.
    pub(super) fn take(&mut self, known: &IdSet) -> Vec<(u64, Vec<Held>)> {
        let all = std::mem::take(self).held.into_iter();
        let rest = all.map(|(client, held)| {
            let parts = held.into_iter().flat_map(|held| {
                let mut weight = held.weight;
                let gaps = intervals::gaps(known, client, held.run.start, held.run.end);
                gaps.into_iter()
                    .map(move |(start, end)| held.part(start, end, std::mem::take(&mut weight)))
            });
            (client, parts.collect::<Vec<_>>())
        });
        rest.filter(|(_, held)| !held.is_empty()).collect()
    }

    /// Keeps what [`Self::take`] gave and `queues` did not integrate.
    pub(super) fn put_back(
        &mut self,
        rest: Vec<(u64, Vec<Held>)>,
        queues: &[Queue],
        roots: BTreeSet<u64>,
        types: usize,
    ) {
        for ((client, mut held), queue) in rest.into_iter().zip(queues) {
            held.drain(..queue.done);
            if !held.is_empty() {
                self.bytes += held.iter().map(|held| held.weight).sum::<usize>();
                self.held.insert(client, held);
            }
        }
        if !self.held.is_empty() {
            self.roots = roots;
            self.types = types;
        }
    }
}

impl Held {
    /// The part of it in `start..end`. A part that does not begin where it begins has no causes
    /// but what stands before it.
    fn part(&self, start: u32, end: u32, weight: usize) -> Self {
        let from = self.marks.partition_point(|mark| mark.clock <= start);
        let to = self.marks.partition_point(|mark| mark.clock < end);
        let causes = if start == self.run.start {
            self.run.causes
        } else {
            [None, None]
        };
        Self {
            run: Run { start, end, causes },
            marks: self.marks[from.saturating_sub(1)..to].to_vec(),
            weight,
        }
    }
}
