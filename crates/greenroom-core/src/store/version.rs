//! Kept versions of a document: what a store is asked of them.
//!
//! A version holds the whole state of a document at one time; it needs neither the journal nor
//! another version. The rules, besides those of the contract:
//!
//! 8. Versions of a document have rising ids; the room draws them. A put under one that is not
//!    above all others fails, and nothing is replaced.
//! 9. Like a snapshot, a version is put under the room's lease and never beyond the head.
//! 10. Of the automatic versions the newest so many stay, of the named ones none more is taken.
//! 11. They go with their room, or when they expire, and not otherwise.

use bytes::Bytes;
use greenroom_service::Millis;

use super::StoreError;

/// A version's number among those of its document: the room time at which it was made, or the next
/// number when that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(pub u64);

/// Why a version was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionKind {
    /// Somebody asked for it.
    Named,
    /// The room made it of a stretch of changes.
    Automatic,
    /// The state that a restore went back from.
    Restore,
}

impl VersionKind {
    /// The word in stores, answers and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Automatic => "automatic",
            Self::Restore => "restore",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Named, Self::Automatic, Self::Restore];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether the oldest goes when there are too many.
    #[must_use]
    pub const fn gives_way(self) -> bool {
        match self {
            Self::Named => false,
            Self::Automatic | Self::Restore => true,
        }
    }
}

/// What is told of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionMeta {
    /// Its id.
    pub id: VersionId,
    /// The last record of the room that it includes.
    pub seq: u64,
    /// Why it was made.
    pub kind: VersionKind,
    /// What people call it; empty for one without a name.
    pub label: String,
    /// Who asked for it; empty for the room itself, or somebody without a name.
    pub user: String,
    /// When it goes by itself.
    pub expires: Option<Millis>,
    /// How many bytes its state has, an update.
    pub bytes: u64,
}

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What is told of it.
    pub meta: VersionMeta,
    /// The document's own format, sealed by [`envelope::seal_snapshot`](super::envelope).
    pub data: Bytes,
}

/// How many versions a document may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionsKept {
    /// Named: one more is refused.
    pub named_max: u64,
    /// Automatic ones and those that a restore left: the oldest of them goes for one more.
    pub automatic_max: u64,
}

impl VersionsKept {
    /// Checks that a document whose newest version is `newest`, with so many named ones, may have
    /// this one.
    ///
    /// # Errors
    /// [`StoreError::VersionTaken`], [`StoreError::VersionsFull`].
    pub fn check(
        self,
        version: &Version,
        newest: Option<VersionId>,
        named: impl FnOnce() -> u64,
    ) -> Result<(), StoreError> {
        if newest.is_some_and(|newest| version.meta.id <= newest) {
            return Err(StoreError::VersionTaken);
        }
        if !version.meta.kind.gives_way() && named() >= self.named_max {
            return Err(StoreError::VersionsFull);
        }
        Ok(())
    }
}

impl Version {
    /// Checks that the journal whose last record is `head` backs this version.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when it is beyond the head, or the room was never written.
    pub const fn check(&self, head: u64) -> Result<(), StoreError> {
        if head == 0 || self.meta.seq > head {
            return Err(StoreError::Fenced);
        }
        Ok(())
    }
}
