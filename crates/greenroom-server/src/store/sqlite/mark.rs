//! What was acknowledged, told apart from the database: the number of the newest commit that was.
//!
//! SQLite cuts its log at the first page that is not whole, whatever follows: it cannot know
//! whether that is the end of a crash or damage to what was promised. The mark knows. It is
//! overwritten in place after each sync and before the answers, and is not synced itself: after a
//! kill it is exact, after a loss of power it may be older than the database, never newer.
//!
//! ```text
//! 4 bytes  "GRMK"
//! 8 bytes  number of the commit, little-endian
//! 4 bytes  CRC-32 of the 12 bytes before, little-endian
//! ```

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use super::super::{DataDirectory, OpenError};

const NAME: &str = "acknowledged";
const MAGIC: [u8; 4] = *b"GRMK";

/// The file, and what it said when it was opened.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    written: i64,
}

impl Mark {
    /// Opens the mark of a directory. One that is missing or damaged says 0: then nothing can be
    /// missed by it.
    pub(super) fn open(directory: &DataDirectory) -> Result<Self, OpenError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.path().join(NAME))?;
        let mut bytes = [0; 16];
        let written = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => decode(&bytes).unwrap_or_else(|| {
                tracing::warn!("the mark of what was acknowledged is damaged; it begins anew");
                0
            }),
            Err(_) => 0,
        };
        Ok(Self { file, written })
    }

    /// The newest commit that was acknowledged, as far as the mark knows.
    pub(super) const fn acknowledged(&self) -> i64 {
        self.written
    }

    /// `commit` is synced, and will be acknowledged.
    pub(super) fn advance(&mut self, commit: i64) {
        if commit == self.written {
            return;
        }
        // Where this fails, only what the mark could have told is lost.
        if self.file.write_all_at(&encode(commit), 0).is_ok() {
            self.written = commit;
        }
    }
}

fn encode(commit: i64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..12].copy_from_slice(&commit.to_le_bytes());
    let sum = crc32fast::hash(&bytes[..12]);
    bytes[12..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; 16]) -> Option<i64> {
    let (_, number) = bytes[..12].split_first_chunk::<4>()?;
    let commit = i64::from_le_bytes(number.try_into().ok()?);
    (encode(commit) == *bytes).then_some(commit)
}
