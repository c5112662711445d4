//! The disk under a store: how much of it is free, and what is kept back for its end.
//!
//! A full disk takes the last word from everything that writes, so that new writes are refused
//! while there is still some room, and a file of [`RESERVE_BYTES`] is given up when there is none:
//! snapshots, which let the journal be trimmed, and the last commits of a stop find their place
//! there.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is kept back.
pub const RESERVE_BYTES: u64 = 16 << 20;

/// The name of the file that keeps it.
const RESERVE_NAME: &str = "reserve";

/// The disk is looked at this often at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What must stay free on the disk for writes to be taken. The smaller of the two counts: a twentieth
/// of a large disk is no shortage, and neither is 200 MiB on one of a gigabyte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeLimits {
    /// So many bytes: snapshots under way and the write-ahead log fit.
    pub bytes_min: u64,
    /// Such a share of the disk, in percent.
    pub percent_min: u8,
}

impl Default for FreeLimits {
    fn default() -> Self {
        Self {
            bytes_min: 256 << 20,
            percent_min: 5,
        }
    }
}

impl FreeLimits {
    /// Writes are taken as long as the disk takes them.
    pub const NONE: Self = Self {
        bytes_min: 0,
        percent_min: 0,
    };

    /// What must stay free of a disk of `total_bytes`.
    const fn bytes_of(self, total_bytes: u64) -> u64 {
        let share = total_bytes / 100 * self.percent_min as u64;
        if share < self.bytes_min {
            share
        } else {
            self.bytes_min
        }
    }
}

/// The space of a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this process may still write.
    pub free_bytes: u64,
    /// All there is.
    pub total_bytes: u64,
}

impl Space {
    /// The space of the disk that `path` is on; `None` where the system does not say.
    fn of(path: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(path).ok()?;
        Some(Self {
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        })
    }
}

/// How a disk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskState {
    /// What is free.
    pub free_bytes: u64,
    /// What must be.
    pub min_bytes: u64,
    /// Writes are refused: it was below that, and is not a tenth above it yet.
    pub is_low: bool,
}

type Probe = Box<dyn Fn() -> Option<Space> + Send + Sync>;

/// Looks at the disk of a data directory.
pub struct DiskWatch {
    directory: PathBuf,
    limits: FreeLimits,
    probe: Probe,
    /// Looked at by the store's thread and by `/readyz`, for a few lines.
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    at: Option<Instant>,
    state: Option<DiskState>,
    has_reserve: bool,
}

impl std::fmt::Debug for DiskWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskWatch")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl DiskWatch {
    /// Watches the disk that `directory` is on.
    #[must_use]
    pub fn new(directory: &Path, limits: FreeLimits) -> Self {
        let path = directory.to_owned();
        Self::with_probe(directory, limits, Box::new(move || Space::of(&path)))
    }

    /// As [`Self::new`], told by `probe` what is free.
    #[must_use]
    pub fn with_probe(directory: &Path, limits: FreeLimits, probe: Probe) -> Self {
        let seen = Seen {
            has_reserve: directory.join(RESERVE_NAME).exists(),
            ..Seen::default()
        };
        Self {
            directory: directory.to_owned(),
            limits,
            probe,
            seen: Mutex::new(seen),
        }
    }

    /// How the disk stands, as of the last second; `None` where the system does not say.
    #[must_use]
    pub fn look(&self) -> Option<DiskState> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            seen.at = Some(Instant::now());
            self.look_again(&mut seen);
        }
        seen.state
    }

    /// As [`Self::look`], whenever the last look was.
    #[must_use]
    pub fn look_now(&self) -> Option<DiskState> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.look_again(&mut seen);
        seen.state
    }

    fn look_again(&self, seen: &mut Seen) {
        let was_low = seen.state.is_some_and(|state| state.is_low);
        seen.state = (self.probe)().map(|space| {
            let min_bytes = self.limits.bytes_of(space.total_bytes);
            // A little more than needed, so that it does not come and go with each write.
            let wanted = if was_low {
                min_bytes + min_bytes / 10
            } else {
                min_bytes
            };
            DiskState {
                free_bytes: space.free_bytes,
                min_bytes,
                is_low: space.free_bytes < wanted,
            }
        });
        let Some(state) = seen.state else { return };
        match (was_low, state.is_low) {
            (false, true) => tracing::error!(
                free_bytes = state.free_bytes,
                min_bytes = state.min_bytes,
                "disk low: writes are refused"
            ),
            (true, false) => tracing::info!(
                free_bytes = state.free_bytes,
                "disk has space again: writes are taken"
            ),
            _ => {}
        }
        let is_wanted = state.min_bytes > 0 && !seen.has_reserve;
        if is_wanted && state.free_bytes > state.min_bytes.saturating_add(2 * RESERVE_BYTES) {
            seen.has_reserve = reserve(&self.directory.join(RESERVE_NAME));
        }
    }

    /// Gives up what is kept back, because the disk is full; whether there was something.
    pub fn give_up_reserve(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = std::mem::take(&mut seen.has_reserve)
            && std::fs::remove_file(self.directory.join(RESERVE_NAME)).is_ok();
        if removed {
            tracing::error!(
                bytes = RESERVE_BYTES,
                "disk full: the store's reserve was given up"
            );
        }
        removed
    }

    /// What the store takes on the disk: the database, the log written ahead of it, the reserve.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, u64); 3] {
        let [mut database, mut log, mut reserve] = [0; 3];
        let entries = self.directory.read_dir().into_iter().flatten().flatten();
        for entry in entries {
            let bytes = entry.metadata().map_or(0, |found| found.len());
            let name = entry.file_name();
            let name = name.to_string_lossy();
            match &*name {
                RESERVE_NAME => reserve += bytes,
                name if name.ends_with(".db-wal") => log += bytes,
                name if name.ends_with(".db") => database += bytes,
                _ => {}
            }
        }
        [("database", database), ("log", log), ("reserve", reserve)]
    }
}

/// Makes the file of the reserve; whether it is there. A file system that cannot promise space has
/// none.
fn reserve(path: &Path) -> bool {
    let made = || -> std::io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let flags = rustix::fs::FallocateFlags::empty();
        rustix::fs::fallocate(&file, flags, 0, RESERVE_BYTES)?;
        Ok(file)
    };
    match made() {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%error, "no reserve on this file system");
            let _ = std::fs::remove_file(path);
            // Not tried again: the next look would fail as well.
            true
        }
    }
}
