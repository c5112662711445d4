//! Which rooms there are, known apart from the index that finds them: damage to that index must
//! not make a room that exists look like a new one.
//!
//! Names stand in the table and in two indexes. Those of the indexes are read once, at the start;
//! a room that is not found although one of them knows its name is damaged.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use rusqlite::Connection;

use super::text_of;

/// A hash of the name of every room; a false match in 2^64 refuses a new room.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashSet<u64>,
    hasher: RandomState,
    /// What the open transaction changed, and whether it was known before; newest last.
    undo: Vec<(u64, bool)>,
    /// So many stand in the index that finds rooms.
    count: u64,
}

/// Each is covered by its index: no room's row is read.
const SCANS: [&str; 3] = [
    "SELECT name FROM rooms INDEXED BY sqlite_autoindex_rooms_1",
    "SELECT name FROM rooms INDEXED BY rooms_kind",
    "SELECT name FROM rooms NOT INDEXED",
];

impl Names {
    /// Reads the indexes; where they differ, makes the one that finds rooms anew, if the table
    /// agrees with the other.
    pub(super) fn load(db: &Connection) -> Self {
        let mut names = Self::default();
        let [found, other] = [names.scan(db, SCANS[0]), names.scan(db, SCANS[1])];
        match (found, other) {
            (Ok(found), Ok(other)) if found == other => {
                names.count = found.len() as u64;
                names.known = found;
            }
            (found, other) => names.mend(db, found, other),
        }
        names
    }

    fn mend(&mut self, db: &Connection, found: Scan, other: Scan) {
        let table = self.scan(db, SCANS[2]);
        let what = match (&found, &other) {
            (Err(error), _) | (_, Err(error)) => error.clone(),
            _ => "the names of rooms differ between indexes".to_owned(),
        };
        let agreed = matches!((&table, &other), (Ok(table), Ok(other)) if table == other)
            || matches!((&table, &found), (Ok(table), Ok(found)) if table == found);
        for names in [found, other, table].into_iter().flatten() {
            self.count = self.count.max(names.len() as u64);
            self.known.extend(names);
        }
        if agreed && db.execute_batch("REINDEX rooms").is_ok() {
            tracing::warn!(what, "an index of rooms was damaged; it was made anew");
            return;
        }
        tracing::error!(
            what,
            "the index of rooms is damaged: rooms that are not found are refused"
        );
    }

    fn scan(&self, db: &Connection, sql: &str) -> Scan {
        let read = || -> rusqlite::Result<HashSet<u64>> {
            let mut select = db.prepare(sql)?;
            let mut rows = select.query([])?;
            let mut names = HashSet::new();
            while let Some(row) = rows.next()? {
                let name = row.get_ref(0)?.as_bytes()?;
                names.insert(self.hasher.hash_one(name));
            }
            Ok(names)
        };
        read().map_err(|error| text_of(&error))
    }

    /// How many there were at the start.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Whether there is a room of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.known.contains(&self.hasher.hash_one(name.as_bytes()))
    }

    /// The open transaction creates it.
    pub(super) fn insert(&mut self, name: &str) {
        let hash = self.hasher.hash_one(name.as_bytes());
        let was_known = !self.known.insert(hash);
        self.undo.push((hash, was_known));
    }

    /// The open transaction deletes it.
    pub(super) fn remove(&mut self, name: &str) {
        let hash = self.hasher.hash_one(name.as_bytes());
        let was_known = self.known.remove(&hash);
        self.undo.push((hash, was_known));
    }

    pub(super) fn accept(&mut self) {
        self.undo.clear();
    }

    pub(super) fn revert(&mut self) {
        for (hash, was_known) in self.undo.drain(..).rev() {
            if was_known {
                self.known.insert(hash);
            } else {
                self.known.remove(&hash);
            }
        }
    }
}

type Scan = Result<HashSet<u64>, String>;
