//! Puts a digest together while an update is read.

use super::read::{Content, Place};
use super::{
    CLOCK_MAX, Cause, Deleted, Digest, Fit, Id, Mark, Run, SUB_DOCUMENTS_MAX, Section,
    TYPE_NESTING_MAX, UpdateError,
};

/// A digest that is being read.
pub(super) struct Builder {
    digest: Digest,
    client: u64,
    /// The clock of the next struct.
    clock: u32,
    /// Where the structs without a gap before [`Self::clock`] begin.
    stretch: u32,
    /// The clients whose deletions were read.
    delete_clients: Vec<u64>,
    /// The end of the last deletion of this client.
    delete_end: u32,
    sub_documents: usize,
}

impl Builder {
    pub(super) const fn new(bytes: usize) -> Self {
        Self {
            digest: Digest {
                sections: Vec::new(),
                runs: Vec::new(),
                marks: Vec::new(),
                deletes: Vec::new(),
                gone: Vec::new(),
                types: 0,
                fit: Fit::Plain,
                bytes,
            },
            client: 0,
            clock: 0,
            stretch: 0,
            delete_clients: Vec::new(),
            delete_end: 0,
            sub_documents: 0,
        }
    }

    /// The contents fit no better than this.
    pub(super) fn fit(&mut self, fit: Fit) {
        self.digest.fit = self.digest.fit.max(fit);
    }

    /// Another sub-document: only the engine knows whether it is fine.
    pub(super) fn sub_document(&mut self) -> Result<(), UpdateError> {
        self.fit(Fit::Check);
        self.sub_documents += 1;
        if self.sub_documents > SUB_DOCUMENTS_MAX {
            return Err(UpdateError::SubDocuments);
        }
        Ok(())
    }

    /// The structs of `client` from `clock` on follow.
    pub(super) fn begin(&mut self, client: u64, clock: u32) {
        self.client = client;
        self.clock = clock;
        self.stretch = clock;
        let runs = self.digest.runs.len() as u32;
        let marks = self.digest.marks.len() as u32;
        self.digest.sections.push(Section {
            client,
            runs: (runs, runs),
            marks: (marks, marks),
        });
    }

    /// The structs of that client are read.
    pub(super) fn end(&mut self) {
        let runs = self.digest.runs.len() as u32;
        let marks = self.digest.marks.len() as u32;
        if let Some(section) = self.digest.sections.last_mut() {
            section.runs.1 = runs;
            section.marks.1 = marks;
        }
    }

    pub(super) fn gc(&mut self, len: u32) -> Result<(), UpdateError> {
        let end = self.advance(len)?;
        self.gone(end);
        self.mark(None, 0, false);
        self.push([None, None], end);
        Ok(())
    }

    pub(super) fn skip(&mut self, len: u32) -> Result<(), UpdateError> {
        self.clock = self.advance(len)?;
        self.stretch = self.clock;
        Ok(())
    }

    pub(super) fn item(&mut self, place: Place, content: Content) -> Result<(), UpdateError> {
        let len = match content {
            Content::Live { len } | Content::Deleted { len } => len,
            Content::Type => 1,
        };
        if len == 0 {
            // Old versions wrote such items; the engine passes over them, and so do we.
            self.fit(Fit::Check);
            return Ok(());
        }
        let end = self.advance(len)?;
        if matches!(content, Content::Deleted { .. }) {
            self.gone(end);
        }
        let (base, level) = self.level(place);
        if level > TYPE_NESTING_MAX {
            return Err(UpdateError::Nested);
        }
        let causes = self.causes(place);
        self.mark(base, level, content == Content::Type);
        self.digest.types += usize::from(content == Content::Type);
        self.push(causes, end);
        Ok(())
    }

    /// The deletions of `client` follow.
    pub(super) fn deletes_of(&mut self, client: u64) {
        self.client = client;
        self.delete_end = 0;
        self.delete_clients.push(client);
    }

    pub(super) fn delete(&mut self, start: u32, len: u32) -> Result<(), UpdateError> {
        let end = end_of(start, len)?;
        if start < self.delete_end {
            self.fit(Fit::Check);
        }
        self.delete_end = end;
        push_range(&mut self.digest.deletes, self.client, start, end);
        Ok(())
    }

    /// Sorts what was read, and refuses what appears twice.
    pub(super) fn finish(mut self) -> Result<Digest, UpdateError> {
        self.delete_clients.sort_unstable();
        let twice = self.delete_clients.windows(2).any(|two| two[0] == two[1]);
        self.digest.sections.sort_unstable_by_key(|s| s.client);
        let sections = self.digest.sections.windows(2);
        if twice
            || sections
                .into_iter()
                .any(|two| two[0].client == two[1].client)
        {
            return Err(UpdateError::Repeated);
        }
        merge(&mut self.digest.deletes);
        merge(&mut self.digest.gone);
        Ok(self.digest)
    }

    fn advance(&self, len: u32) -> Result<u32, UpdateError> {
        end_of(self.clock, len)
    }

    /// Whether `id` comes before in the same stretch: then it is integrated first anyway.
    const fn is_before(&self, id: Id) -> bool {
        id.client == self.client && self.stretch <= id.clock && id.clock < self.clock
    }

    fn causes(&self, place: Place) -> [Option<Cause>; 2] {
        let beside = |id: Option<Id>| {
            let id = id.filter(|id| !self.is_before(*id))?;
            Some(Cause { id, parent: false })
        };
        match place {
            Place::Root => [None, None],
            Place::Beside {
                origin,
                right_origin,
            } => [beside(origin), beside(right_origin)],
            Place::Parent(id) => {
                let is_fine = self.is_before(id) && self.mark_at(id.clock).is_type;
                [(!is_fine).then_some(Cause { id, parent: true }), None]
            }
        }
    }

    /// How deep a struct at this place lies.
    fn level(&self, place: Place) -> (Option<Id>, u16) {
        let of = |id: Id| {
            if self.is_before(id) {
                let mark = self.mark_at(id.clock);
                (mark.base, mark.level)
            } else {
                (Some(id), 0)
            }
        };
        match place {
            Place::Root => (None, 0),
            Place::Parent(id) => {
                let (base, level) = of(id);
                (base, level + 1)
            }
            Place::Beside {
                origin: Some(id), ..
            }
            | Place::Beside {
                right_origin: Some(id),
                ..
            } => of(id),
            Place::Beside { .. } => (None, 0),
        }
    }

    /// The mark that holds at `clock`, which is before in this stretch.
    fn mark_at(&self, clock: u32) -> Mark {
        let first = self.digest.sections.last().map_or(0, |s| s.marks.0);
        let marks = &self.digest.marks[first as usize..];
        let at = marks.partition_point(|mark| mark.clock <= clock);
        marks[at - 1]
    }

    fn mark(&mut self, base: Option<Id>, level: u16, is_type: bool) {
        let first = self.digest.sections.last().map_or(0, |s| s.marks.0);
        let mark = Mark {
            clock: self.clock,
            base,
            level,
            is_type,
        };
        let same = |last: &Mark| {
            (last.base, last.level, last.is_type) == (mark.base, mark.level, mark.is_type)
        };
        let marks = &self.digest.marks[first as usize..];
        if !marks.last().is_some_and(same) {
            self.digest.marks.push(mark);
        }
    }

    fn push(&mut self, causes: [Option<Cause>; 2], end: u32) {
        let start = std::mem::replace(&mut self.clock, end);
        let follows = start != self.stretch && causes == [None, None];
        match self.digest.runs.last_mut() {
            Some(run) if follows => run.end = end,
            _ => self.digest.runs.push(Run { start, end, causes }),
        }
    }

    /// What follows up to `end` came as deleted.
    fn gone(&mut self, end: u32) {
        push_range(&mut self.digest.gone, self.client, self.clock, end);
    }
}

fn push_range(ranges: &mut Vec<Deleted>, client: u64, start: u32, end: u32) {
    match ranges.last_mut() {
        Some(last) if last.client == client && last.end == start => last.end = end,
        _ => ranges.push(Deleted { client, start, end }),
    }
}

/// Sorts ranges, and joins those that touch.
fn merge(ranges: &mut Vec<Deleted>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, range| {
        let joins = next.client == range.client && next.start <= range.end;
        if joins {
            range.end = range.end.max(next.end);
        }
        joins
    });
}

fn end_of(start: u32, len: u32) -> Result<u32, UpdateError> {
    if len == 0 {
        return Err(UpdateError::Empty);
    }
    let end = start.checked_add(len).filter(|end| *end <= CLOCK_MAX);
    end.ok_or(UpdateError::Clock)
}
