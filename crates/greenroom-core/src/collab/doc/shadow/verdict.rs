//! Judges an update against what is known.

use super::Shadow;
use crate::collab::doc::integrate::{PerSection, Queue, Work, integrate};
use crate::collab::doc::intervals::{self, Intervals};
use crate::collab::doc::update::{
    CLIENTS_MAX, Cause, Digest, Id, Mark, Run, Section, TYPE_NESTING_MAX, UpdateError,
};

/// What an update is to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is known already, or waits already: nothing to journal, nothing to relay.
    NoOp,
    /// Causally ready: every struct starts at or below the known clock of its client, and origins
    /// and parents are known or come earlier in the update; a parent is a shared type or deleted;
    /// nothing is deleted that is not known; nothing that waits would be set free.
    Ready,
    /// Something is missing, or this is what something waits for: the slow path.
    Pending,
    /// It goes beyond a bound of the document. [`UpdateError::Clients`]: the structs of more
    /// clients than `CLIENTS_MAX`. [`UpdateError::Nested`]: shared types would, or could, lie in
    /// one another deeper than `TYPE_NESTING_MAX`. "Could" is said of what comes before its
    /// causes; an honest sender's handshake brings it again in order.
    Refused(UpdateError),
}

pub(super) fn verdict(shadow: &Shadow, digest: &Digest) -> Verdict {
    if is_known(shadow, digest) {
        return Verdict::NoOp;
    }
    if clients(shadow, digest) > CLIENTS_MAX {
        return Verdict::Refused(UpdateError::Clients);
    }
    // Each shared type of the update can add one level, which is rarely too much.
    let types = shadow.pending.types() + digest.types();
    let may_be_too_deep = usize::from(shadow.nesting) + types > usize::from(TYPE_NESTING_MAX);
    let levels = if may_be_too_deep {
        digest.mark_count()
    } else {
        0
    };
    let mut strict = Strict::new(shadow, digest, levels);
    let is_ready = !unlocks(shadow, digest) && strict.is_ready();
    if strict.deepest > TYPE_NESTING_MAX || (may_be_too_deep && !is_ready) {
        return Verdict::Refused(UpdateError::Nested);
    }
    if is_ready {
        Verdict::Ready
    } else {
        Verdict::Pending
    }
}

/// The clients whose structs the document would hold or keep waiting.
fn clients(shadow: &Shadow, digest: &Digest) -> usize {
    let before = shadow.known.len() + shadow.pending.clients();
    let sections = digest.sections();
    if before + sections.len() <= CLIENTS_MAX {
        return before + sections.len();
    }
    let is_new = |section: &&Section| {
        let Section { client, .. } = **section;
        !shadow.known.contains_key(&client) && !shadow.pending.has_client(client)
    };
    before + sections.iter().filter(is_new).count()
}

/// Whether it brings what something may wait for.
fn unlocks(shadow: &Shadow, digest: &Digest) -> bool {
    let mut sections = digest.sections().iter();
    sections.any(|section| shadow.pending.waits_for(section.client))
}

/// Whether each struct is integrated or waits, and each deletion was seen.
fn is_known(shadow: &Shadow, digest: &Digest) -> bool {
    let mut structs = digest.structs();
    let mut deletions = digest.deletions();
    structs.all(|(client, start, end)| {
        intervals::covers(&shadow.known, client, start, end)
            || shadow.pending.completes(&shadow.known, client, start, end)
    }) && deletions
        .all(|(client, start, end)| intervals::covers(&shadow.deletes, client, start, end))
}

fn prefix_end(shadow: &Shadow, client: u64) -> u32 {
    shadow.known.get(&client).map_or(0, Intervals::prefix_end)
}

/// Integrates an update on paper.
struct Strict<'a> {
    shadow: &'a Shadow,
    digest: &'a Digest,
    /// Per section the first clock of the client that is not known.
    clocks: PerSection<u32>,
    /// The level at each mark; empty when nobody asks.
    levels: Vec<u16>,
    deepest: u16,
}

impl<'a> Strict<'a> {
    fn new(shadow: &'a Shadow, digest: &'a Digest, levels: usize) -> Self {
        let clock = |section: &Section| prefix_end(shadow, section.client);
        Self {
            shadow,
            digest,
            clocks: PerSection::new(digest, clock),
            levels: vec![0; levels],
            deepest: 0,
        }
    }

    fn is_ready(&mut self) -> bool {
        let mut queues = PerSection::queues(self.digest);
        integrate(&mut queues, self);
        let mut deletions = self.digest.deletions();
        queues.iter().all(Queue::is_done)
            && deletions.all(|(client, _, end)| end <= self.clock(client))
    }

    /// The first clock of that client that is not known.
    fn clock(&self, client: u64) -> u32 {
        let sections = self.digest.sections();
        match sections.binary_search_by_key(&client, |section| section.client) {
            Ok(at) => self.clocks[at],
            Err(_) => prefix_end(self.shadow, client),
        }
    }

    fn is_met(&self, cause: &Cause) -> bool {
        let Cause { id, parent } = *cause;
        id.clock < self.clock(id.client) && (!parent || self.is_parent(id))
    }

    /// Whether others may lie in that element. What is known counts, not what the update says of
    /// it once more; nor what it deletes, which the engine does behind all its structs.
    fn is_parent(&self, id: Id) -> bool {
        let known = intervals::has(&self.shadow.known, id.client, id.clock);
        let is_fine = if known {
            self.shadow.level(id).is_type
        } else {
            let mark = self.digest.mark_index(id);
            mark.is_some_and(|at| self.digest.mark(at).is_type) || self.digest.brings_as_gone(id)
        };
        is_fine || intervals::has(&self.shadow.deletes, id.client, id.clock)
    }

    fn level(&self, mark: &Mark) -> u16 {
        let base = mark.base.map_or(0, |id| {
            if intervals::has(&self.shadow.known, id.client, id.clock) {
                return self.shadow.level(id).level;
            }
            self.digest.mark_index(id).map_or(0, |at| self.levels[at])
        });
        base.saturating_add(mark.level)
    }

    fn section(&self, queue: usize, at: usize) -> (&'a Section, &'a Run) {
        let section = &self.digest.sections()[queue];
        (section, &self.digest.runs(section)[at])
    }
}

impl Work for Strict<'_> {
    fn missing(&self, queue: usize, at: usize) -> Option<u64> {
        let (section, run) = self.section(queue, at);
        if intervals::covers(&self.shadow.known, section.client, run.start, run.end) {
            return None;
        }
        if self.clocks[queue] < run.start {
            return Some(section.client);
        }
        let mut causes = run.causes.iter().flatten();
        let unmet = causes.find(|cause| !self.is_met(cause));
        unmet.map(|cause| cause.id.client)
    }

    fn integrate(&mut self, queue: usize, at: usize) {
        let (section, run) = self.section(queue, at);
        // A run beyond a hole may be known: the hole stays.
        if run.start <= self.clocks[queue] {
            self.clocks[queue] = self.clocks[queue].max(run.end);
        }
        if self.levels.is_empty() {
            return;
        }
        for at in self.digest.marks_of(section, run) {
            let mark = self.digest.mark(at);
            let level = self.level(mark);
            self.levels[at] = level;
            self.deepest = self.deepest.max(level);
        }
    }
}
