//! What needs the store's inside: failing commits, rows that move.

use std::collections::VecDeque;

use rusqlite::ffi;

/// Commits that fail before SQLite sees them.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// SQLite's extended codes for the next commits, 0 for one that succeeds.
    pub(super) commits: VecDeque<i32>,
}

impl Faults {
    pub(super) fn before_commit(&mut self) -> rusqlite::Result<()> {
        match self.commits.pop_front() {
            None | Some(0) => Ok(()),
            Some(code) => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
        }
    }
}
