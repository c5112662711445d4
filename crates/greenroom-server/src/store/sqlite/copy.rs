//! One moment of a store, read while it is written: a connection of its own with one read
//! transaction. The writer goes on meanwhile; its log is carried over and cut back only after the
//! reader is done.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::OpenError;
use super::super::backup::{
    BackupError, BackupHead, BackupRoom, BackupTotals, BackupVersion, BackupWriter, Block,
};
use super::requests::{Found, ROOM, found, number};
use super::schema::{check_ours, file_name, newest_generation};
use super::tail::Tail;

/// How long to wait for a lock, which only the recovery of a log holds.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// One moment of a store.
#[derive(Debug)]
pub struct StoreCopy {
    db: Connection,
    tail: Tail,
    head: BackupHead,
    /// Whether the database has versions: one that an older program wrote last has none.
    has_versions: bool,
}

impl StoreCopy {
    /// Fixes the moment: what is durable in the store of this data directory now. The store may be
    /// open in this process, or in none.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(directory: &Path, now_ms: u64) -> Result<Self, OpenError> {
        let generation = newest_generation(directory)?.ok_or(OpenError::Empty)?;
        let db = Connection::open_with_flags(
            directory.join(file_name(generation)),
            // To read a log, its index must be writable. Nothing else is written.
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        db.busy_timeout(LOCK_WAIT)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        db.pragma_update(None, "query_only", true)?;
        check_ours(&db)?;
        // The moment is that of the first read in it.
        db.execute_batch("BEGIN")?;
        let epoch: i64 = db.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |r| {
            r.get(0)
        })?;
        let rooms: i64 = db.query_row("SELECT count(*) FROM rooms", [], |r| r.get(0))?;
        let tail = Tail::load(&db)?;
        if !tail.missing().is_empty() {
            let what = "a commit cannot be read back";
            return Err(OpenError::Damaged(what.into()));
        }
        let has_versions = db.table_exists(None, "versions")?;
        Ok(Self {
            db,
            has_versions,
            tail,
            head: BackupHead {
                taken_ms: now_ms,
                rooms: rooms as u64,
                epoch: epoch as u64,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
        })
    }

    /// What the backup will say of itself.
    #[must_use]
    pub const fn head(&self) -> &BackupHead {
        &self.head
    }

    /// Writes the backup.
    ///
    /// # Errors
    /// [`BackupError::Store`] as the store cannot be read, [`BackupError::Io`] as `out` fails.
    pub fn write(self, out: impl Write) -> Result<BackupTotals, BackupError> {
        let mut writer = BackupWriter::begin(out, self.head.clone())?;
        let mut rooms = self.db.prepare(&format!("{ROOM} ORDER BY id"))?;
        let mut rows = rooms.query([])?;
        while let Some(row) = rows.next()? {
            self.room(&found(&self.tail, row)?, &mut writer)?;
        }
        let mut queue = self.db.prepare("SELECT data FROM queue ORDER BY id")?;
        let mut rows = queue.query([])?;
        while let Some(row) = rows.next()? {
            writer.put(&Block::Queued(row.get::<_, Vec<u8>>(0)?.into()))?;
        }
        writer.finish()
    }

    fn room(&self, room: &Found, writer: &mut BackupWriter<impl Write>) -> Result<(), BackupError> {
        let meta = &room.meta;
        writer.put(&Block::Room(BackupRoom {
            name: meta.room.as_str().to_owned(),
            kind: meta.kind.clone(),
            incarnation: room.incarnation,
            created_ms: meta.created.0,
            changed_ms: meta.changed.0,
            head: meta.head,
            trimmed: room.state.trimmed,
            next_wake_ms: meta.next_wake.map(|wake| wake.0),
            metadata: meta.metadata.clone(),
            accesses: meta.accesses.clone(),
        }))?;
        let id = room.state.id;
        let mut snapshots = self.db.prepare_cached(
            "SELECT part, seq, data FROM snapshots WHERE room = ?1 ORDER BY part, seq",
        )?;
        let mut rows = snapshots.query([id])?;
        while let Some(row) = rows.next()? {
            writer.put(&Block::Snapshot {
                part: row.get(0)?,
                seq: number(row, 1)?,
                data: row.get::<_, Vec<u8>>(2)?.into(),
            })?;
        }
        self.journal(id, room.state.trimmed, writer)?;
        if self.has_versions {
            self.versions(id, writer)?;
        }
        Ok(())
    }

    fn versions(&self, id: i64, writer: &mut BackupWriter<impl Write>) -> Result<(), BackupError> {
        let mut versions = self.db.prepare_cached(
            "SELECT document, id, seq, kind, label, user, expires, bytes, data FROM versions
             WHERE room = ?1 ORDER BY document, id",
        )?;
        let mut rows = versions.query([id])?;
        while let Some(row) = rows.next()? {
            let expires: Option<i64> = row.get(6)?;
            writer.put(&Block::Version(BackupVersion {
                document: row.get(0)?,
                id: number(row, 1)?,
                seq: number(row, 2)?,
                kind: row.get(3)?,
                label: row.get(4)?,
                user: row.get(5)?,
                expires_ms: expires.map(|at| at as u64),
                bytes: number(row, 7)?,
                data: row.get::<_, Vec<u8>>(8)?.into(),
            }))?;
        }
        Ok(())
    }

    /// The rows of the clustered table, then those that have not moved there yet.
    fn journal(
        &self,
        id: i64,
        trimmed: u64,
        writer: &mut BackupWriter<impl Write>,
    ) -> Result<(), BackupError> {
        let mut journal = self.db.prepare_cached(
            "SELECT seq, count, time, data FROM journal WHERE room = ?1 ORDER BY seq",
        )?;
        let mut rows = journal.query([id])?;
        while let Some(row) = rows.next()? {
            writer.put(&Block::Row {
                first_seq: number(row, 0)?,
                count: number(row, 1)?,
                time_ms: number(row, 2)?,
                data: row.get::<_, Vec<u8>>(3)?.into(),
            })?;
        }
        for (first_seq, row) in self.tail.of_room(id) {
            if first_seq + row.count > trimmed {
                writer.put(&Block::Row {
                    first_seq,
                    count: row.count,
                    time_ms: row.time.0,
                    data: row.data.clone(),
                })?;
            }
        }
        Ok(())
    }
}
