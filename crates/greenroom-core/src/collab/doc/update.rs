//! What an update says about clocks, causes and deletions, read without building a document.
//!
//! The format is the Yjs update v1 (Yjs 13.6, `src/utils/encoding.js` and `src/structs`):
//! ```text
//! varUint number of clients; for each
//!     varUint number of structs, varUint client, varUint clock of the first; for each struct
//!         1 byte: low five bits kind; 0x80 has origin, 0x40 has right origin, 0x20 has a key
//!         GC and Skip: varUint length
//!         others: origin id, right origin id; with neither: varUint 1 and the name of a root
//!                 type, or another number and the id of the parent; the key; the content
//! varUint number of clients with deletions; for each
//!     varUint client, varUint number of ranges; for each: varUint clock, varUint length
//! ```
//! Lengths of strings count UTF-16 code units. Our reader checks everything that it passes over
//! and never trusts a count: what it accepts has no bytes left over, no nested value deeper than
//! [`ANY_NESTING_MAX`], no clock above [`CLOCK_MAX`].

use std::ops::Range;

use crate::protocol::lib0::ReadError;

mod build;
mod read;
mod state_vector;

pub use state_vector::StateVector;

/// Clocks stay below this: the engine computes with their signed differences. No real client
/// gets there, it would have typed for 60 years.
pub const CLOCK_MAX: u32 = i32::MAX as u32;

/// How deep arrays and objects may lie in one value. The engine reads and drops them recursively,
/// and a stack that overflows ends the process.
pub const ANY_NESTING_MAX: usize = 64;

/// How many shared types may lie in one another. The engine deletes and collects them recursively:
/// yrs 0.28.1 ends the process on a stack of 2 MiB with less than 10,000.
pub const TYPE_NESTING_MAX: u16 = 256;

/// Clients whose structs one update may bring, and one document may hold. The engine walks
/// chains of clients that stand on each other recursively, and looks up each in the whole chain:
/// yrs 0.28.1 ends the process with 30,000 on a stack of 2 MiB, and needs 0.3 s for 20,000. Each page
/// load of an editor that writes is one client.
pub const CLIENTS_MAX: usize = 16_384;

/// The stack of a thread that applies updates to a document of the engine: enough for
/// [`CLIENTS_MAX`] and [`TYPE_NESTING_MAX`] in a debug build.
pub const ENGINE_STACK_BYTES: usize = 32 << 20;

/// Sub-documents in one update: the engine takes some 700 bytes for each of at least 5.
pub const SUB_DOCUMENTS_MAX: usize = 8_192;

/// Why an update is refused before the engine sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateError {
    /// The bytes are no update.
    Read(ReadError),
    /// A struct of a kind, or a type, that no version of Yjs 13 writes.
    Kind(u8),
    /// A struct or a deletion reaches beyond [`CLOCK_MAX`].
    Clock,
    /// A GC, a Skip or a deletion of no length.
    Empty,
    /// A client appears twice: Yjs and the engine read that differently.
    Repeated,
    /// More clients than [`CLIENTS_MAX`].
    Clients,
    /// More sub-documents than [`SUB_DOCUMENTS_MAX`].
    SubDocuments,
    /// Shared types in one another beyond [`TYPE_NESTING_MAX`].
    Nested,
    /// Bytes follow the update.
    Trailing,
}

impl std::fmt::Display for UpdateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => write!(f, "no update: {error}"),
            Self::Kind(kind) => write!(f, "a struct of unknown kind {kind:#04x}"),
            Self::Clock => f.write_str("a clock is too large"),
            Self::Empty => f.write_str("a range without length"),
            Self::Repeated => f.write_str("a client appears twice"),
            Self::Clients => f.write_str("too many clients"),
            Self::SubDocuments => f.write_str("too many sub-documents in one update"),
            Self::Nested => f.write_str("shared types are nested too deep"),
            Self::Trailing => f.write_str("bytes follow the update"),
        }
    }
}

impl std::error::Error for UpdateError {}

impl From<ReadError> for UpdateError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// What the reader thinks of an update's contents with regard to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Checked to the last byte: the engine reads it as we do and writes it again. Asserted
    /// against the engine by a property test.
    Plain,
    /// Has embedded JSON, a sub-document or an odd shape: the engine has to try.
    Check,
    /// The engine cannot hold it: yrs 0.28.1 reads the contents of the old kind JSON one element
    /// too far and knows no key of an XML hook.
    Unfit,
}

/// The identity of one element: who made it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) client: u64,
    pub(super) clock: u32,
}

/// Something that must be known before a struct can be integrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) id: Id,
    /// It is named as the parent, and so has to be a shared type or deleted.
    pub(super) parent: bool,
}

/// Structs of one client that follow each other without a gap. Only the first may have causes,
/// apart from what stands before it in the same stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u32,
    pub(super) end: u32,
    /// Origin and right origin, or the parent.
    pub(super) causes: [Option<Cause>; 2],
}

/// From this clock on, until the next mark, structs lie so deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) clock: u32,
    /// Where the level is counted from: an element outside of the stretch, or a root type.
    pub(super) base: Option<Id>,
    /// Shared types between the base and the struct.
    pub(super) level: u16,
    /// The struct is itself a shared type.
    pub(super) is_type: bool,
}

/// The structs of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) client: u64,
    runs: (u32, u32),
    marks: (u32, u32),
}

/// A deleted range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deleted {
    pub(super) client: u64,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// What an update brings, without its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// By client, each once.
    sections: Vec<Section>,
    runs: Vec<Run>,
    marks: Vec<Mark>,
    /// The delete set, sorted and merged.
    deletes: Vec<Deleted>,
    /// The structs that came as deleted, sorted and merged. One that is known already stays as it
    /// is: the engine passes over it.
    gone: Vec<Deleted>,
    /// How many shared types it brings.
    types: usize,
    fit: Fit,
    bytes: usize,
}

impl Digest {
    /// Reads `update` (v1). Allocates at most 48 times its length: what a hostile peer
    /// can cause. The snapshot of a real text takes some ten times.
    ///
    /// # Errors
    /// [`UpdateError`]; the whole update is refused.
    pub fn read(update: &[u8]) -> Result<Self, UpdateError> {
        read::digest(update)
    }

    /// Whether the engine has to try it.
    #[must_use]
    pub const fn fit(&self) -> Fit {
        self.fit
    }

    /// The length of the update in bytes.
    #[must_use]
    pub const fn update_bytes(&self) -> usize {
        self.bytes
    }

    /// What this digest holds on the heap, in bytes.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.sections.capacity() * size_of::<Section>()
            + self.runs.capacity() * size_of::<Run>()
            + self.marks.capacity() * size_of::<Mark>()
            + self.deletes.capacity() * size_of::<Deleted>()
            + self.gone.capacity() * size_of::<Deleted>()
    }

    /// Whether it brings neither structs nor deletions.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.deletes.is_empty()
    }

    /// The structs that it brings: client, first clock, clock after the last. By client and clock.
    pub fn structs(&self) -> impl Iterator<Item = (u64, u32, u32)> {
        self.sections.iter().flat_map(|section| {
            let runs = self.runs(section).iter();
            runs.map(|run| (section.client, run.start, run.end))
        })
    }

    /// What it deletes: client, first clock, clock after the last. By client and clock.
    pub fn deletions(&self) -> impl Iterator<Item = (u64, u32, u32)> {
        let deletes = self.deletes.iter();
        deletes.map(|range| (range.client, range.start, range.end))
    }

    /// The structs that come as deleted: client, first clock, clock after the last. By client and
    /// clock.
    pub fn gone(&self) -> impl Iterator<Item = (u64, u32, u32)> {
        let gone = self.gone.iter();
        gone.map(|range| (range.client, range.start, range.end))
    }

    /// The clients with structs, lowest first.
    pub(super) fn sections(&self) -> &[Section] {
        &self.sections
    }

    pub(super) fn runs(&self, section: &Section) -> &[Run] {
        &self.runs[section.runs.0 as usize..section.runs.1 as usize]
    }

    pub(super) fn mark(&self, at: usize) -> &Mark {
        &self.marks[at]
    }

    pub(super) const fn mark_count(&self) -> usize {
        self.marks.len()
    }

    /// The marks that hold in that run: the first may stand before it.
    pub(super) fn marks_of(&self, section: &Section, run: &Run) -> Range<usize> {
        let first = section.marks.0 as usize;
        let marks = &self.marks[first..section.marks.1 as usize];
        let from = marks.partition_point(|mark| mark.clock <= run.start);
        let inside = &marks[from..];
        let to = from + inside.partition_point(|mark| mark.clock < run.end);
        first + from - 1..first + to
    }

    pub(super) const fn types(&self) -> usize {
        self.types
    }

    /// The section of that client.
    pub(super) fn section(&self, client: u64) -> Option<&Section> {
        let at = self.sections.binary_search_by_key(&client, |s| s.client);
        at.ok().map(|at| &self.sections[at])
    }

    /// The mark that holds for that element, if this update brings it.
    pub(super) fn mark_index(&self, id: Id) -> Option<usize> {
        let section = self.section(id.client)?;
        let runs = self.runs(section);
        let before = runs.partition_point(|run| run.start <= id.clock);
        let run = runs.get(before.checked_sub(1)?)?;
        if run.end <= id.clock {
            return None;
        }
        let first = section.marks.0 as usize;
        let marks = &self.marks[first..section.marks.1 as usize];
        let before = marks.partition_point(|mark| mark.clock <= id.clock);
        Some(first + before - 1)
    }

    /// Whether that element comes as deleted.
    pub(super) fn brings_as_gone(&self, id: Id) -> bool {
        let before = |range: &Deleted| (range.client, range.start) <= (id.client, id.clock);
        let at = self.gone.partition_point(before);
        at > 0 && {
            let range = self.gone[at - 1];
            range.client == id.client && id.clock < range.end
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
