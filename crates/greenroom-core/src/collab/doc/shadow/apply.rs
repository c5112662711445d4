//! Takes an update into the shadow as the engine takes it into the document.

use super::Shadow;
use super::levels::Level;
use super::pending::Held;
use crate::collab::doc::integrate::{PerSection, Queue, Work, integrate};
use crate::collab::doc::intervals;
use crate::collab::doc::update::{Digest, Id, Mark, Run};

pub(super) fn apply(shadow: &mut Shadow, digest: &Digest) {
    let mut sections = digest.sections().iter();
    let unlocks = sections.any(|s| shadow.pending.waits_for(s.client));
    let mut queues = PerSection::queues(digest);
    let gone: Vec<_> = new_gone(shadow, digest).collect();
    let roots = integrate(&mut queues, &mut Fresh { shadow, digest });
    if !queues.iter().all(Queue::is_done) {
        shadow.pending.hold(&shadow.known, digest, &queues, roots);
    }
    if unlocks {
        while retry(shadow) {}
    }
    for (client, start, end) in digest.deletions().chain(gone) {
        shadow.insert_deleted(client, start, end);
    }
}

/// What comes as deleted and is not known yet. What is known the engine does not take in again.
fn new_gone(shadow: &Shadow, digest: &Digest) -> impl Iterator<Item = (u64, u32, u32)> {
    digest.gone().flat_map(|(client, start, end)| {
        let gaps = intervals::gaps(&shadow.known, client, start, end);
        gaps.map(move |(start, end)| (client, start, end))
    })
}

/// Integrates what can be integrated meanwhile of what waits. Whether there was something.
fn retry(shadow: &mut Shadow) -> bool {
    let types = shadow.pending.types();
    let rest = shadow.pending.take(&shadow.known);
    let queues = rest
        .iter()
        .map(|(client, held)| Queue::new(*client, held.len()));
    let mut queues: Vec<_> = queues.collect();
    let mut work = Waited {
        shadow,
        rest: &rest,
    };
    let roots = integrate(&mut queues, &mut work);
    shadow.pending.put_back(rest, &queues, roots, types);
    queues.iter().any(|queue| queue.done > 0)
}

/// An update that just came.
struct Fresh<'a> {
    shadow: &'a mut Shadow,
    digest: &'a Digest,
}

impl Work for Fresh<'_> {
    fn missing(&self, queue: usize, at: usize) -> Option<u64> {
        let section = &self.digest.sections()[queue];
        self.shadow
            .missing(section.client, &self.digest.runs(section)[at])
    }

    fn integrate(&mut self, queue: usize, at: usize) {
        let section = &self.digest.sections()[queue];
        let run = &self.digest.runs(section)[at];
        let marks = self
            .digest
            .marks_of(section, run)
            .map(|at| self.digest.mark(at));
        self.shadow.integrate(section.client, run, marks);
    }
}

/// What waited.
struct Waited<'a> {
    shadow: &'a mut Shadow,
    rest: &'a [(u64, Vec<Held>)],
}

impl Work for Waited<'_> {
    fn missing(&self, queue: usize, at: usize) -> Option<u64> {
        let (client, held) = &self.rest[queue];
        self.shadow.missing(*client, &held[at].run)
    }

    fn integrate(&mut self, queue: usize, at: usize) {
        let (client, held) = &self.rest[queue];
        self.shadow
            .integrate(*client, &held[at].run, held[at].marks.iter());
    }
}

impl Shadow {
    /// The level of an element that is known.
    pub(super) fn level(&self, id: Id) -> Level {
        let levels = self.levels.get(&id.client);
        levels.map_or_else(Level::default, |levels| levels.at(id.clock))
    }

    fn missing(&self, client: u64, run: &Run) -> Option<u64> {
        if intervals::has(&self.known, client, run.start) {
            return None;
        }
        let mut causes = run.causes.iter().flatten();
        let unmet = causes.find(|c| !intervals::has(&self.known, c.id.client, c.id.clock));
        unmet.map(|cause| cause.id.client)
    }

    fn integrate<'m>(
        &mut self,
        client: u64,
        run: &Run,
        mut marks: impl Iterator<Item = &'m Mark> + Clone,
    ) {
        // Where nothing is nested, all lies at level zero, which needs no entry.
        if self.nesting > 0 || marks.clone().any(|mark| mark.is_type || mark.level > 0) {
            let mut next = marks.next();
            while let Some(mark) = next {
                next = marks.next();
                let start = mark.clock.max(run.start);
                let end = next.map_or(run.end, |next| next.clock);
                self.place(client, start, end, mark);
            }
        }
        self.insert_known(client, run.start, run.end);
    }

    /// Notes how deep `start..end` lies. What is known already stays as it is.
    fn place(&mut self, client: u64, start: u32, end: u32, mark: &Mark) {
        let base = mark.base.map_or(0, |id| self.level(id).level);
        let level = Level {
            level: base.saturating_add(mark.level),
            is_type: mark.is_type,
        };
        let depth = level.level.saturating_add(level.is_type.into());
        let levels = self.levels.entry(client).or_default();
        for (start, end) in intervals::gaps(&self.known, client, start, end) {
            self.nesting = self.nesting.max(depth);
            levels.set(start, end, level);
        }
    }
}
