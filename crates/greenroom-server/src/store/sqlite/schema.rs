//! Opening a database: its file, its settings, its tables, the epoch of this process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::{DataDirectory, OpenError};
use super::Home;

/// `user_version` of the database.
const FORMAT: u32 = 2;
/// `application_id` of the database: "GRNM".
const APPLICATION_ID: u32 = 0x4752_4e4d;
/// Statements kept prepared: more than there are.
const STATEMENTS_MAX: usize = 64;
/// Pages kept in memory, as SQLite has it: negative, in KiB.
const CACHE_KIB: i64 = -16_384;
/// The file of the write-ahead log is cut back to this after a burst, in bytes.
const WAL_BYTES_KEPT: i64 = 64 << 20;

/// The newest rows of all rooms: see [`super::tail`].
pub(super) const COMMITS: &str =
    "CREATE TABLE commits(id INTEGER PRIMARY KEY, data BLOB NOT NULL);";

/// Ids of rooms are not used again: what a commit holds of a deleted room stays dead. `head` and
/// `changed` are as of the last trim, or of the last row that moved into the journal; the rows of
/// commits tell newer ones.
const SCHEMA: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('epoch', 0), ('moved', 0);
CREATE TABLE rooms(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    incarnation BLOB NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    head INTEGER NOT NULL,
    trimmed INTEGER NOT NULL,
    next_wake INTEGER,
    metadata BLOB NOT NULL,
    accesses BLOB NOT NULL);
CREATE INDEX rooms_kind ON rooms(kind, name);
CREATE INDEX rooms_wake ON rooms(next_wake, name) WHERE next_wake IS NOT NULL;
CREATE TABLE journal(
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    time INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY(room, seq)) WITHOUT ROWID;
CREATE TABLE snapshots(
    room INTEGER NOT NULL,
    part TEXT NOT NULL,
    seq INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY(room, part, seq));
CREATE TABLE queue(id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL);
";

/// Format 2 has this besides. The state stands last and apart from the index, so that a list reads
/// none of it.
const VERSIONS: &str = "
CREATE TABLE versions(
    room INTEGER NOT NULL,
    document TEXT NOT NULL,
    id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    gives_way INTEGER NOT NULL,
    label TEXT NOT NULL,
    user TEXT NOT NULL,
    expires INTEGER,
    bytes INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY(room, document, id));
CREATE INDEX versions_kept ON versions(room, document, gives_way, id);
CREATE INDEX versions_expire ON versions(expires, room, document, id)
    WHERE expires IS NOT NULL;
";

impl Home {
    /// The database's file.
    pub(super) fn file(&self) -> PathBuf {
        self.directory.path().join(file_name(self.generation))
    }

    /// Removes the files of other generations, whole or half made. A failure leaves them behind
    /// and harms nothing.
    pub(super) fn remove_others(&self) {
        let own = file_name(self.generation);
        let Ok(entries) = self.directory.path().read_dir() else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_ours = [&own, &format!("{own}-wal"), &format!("{own}-shm")]
                .iter()
                .any(|kept| **kept == name);
            if !is_ours && name.starts_with("rooms-") && name.contains(".db") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

pub(super) fn file_name(generation: u64) -> String {
    format!("rooms-{generation}.db")
}

/// The highest generation of a database in a directory, `None` when it holds none.
pub(super) fn newest_generation(directory: &Path) -> std::io::Result<Option<u64>> {
    let mut newest = None;
    for entry in directory.read_dir()? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix("rooms-")?.strip_suffix(".db"));
        newest = newest.max(number.and_then(|n| n.parse().ok()));
    }
    Ok(newest)
}

/// Opens the newest database of a directory, or a new one. Before anything is written to one that
/// has nothing but a log, `lost` is told when nothing can be read of that.
pub(super) fn open_newest(
    directory: Arc<DataDirectory>,
    lost: impl FnOnce(&Home) -> Result<(), OpenError>,
) -> Result<(Connection, Home), OpenError> {
    let generation = newest_generation(directory.path())?.unwrap_or(1);
    let home = Home {
        directory,
        generation,
    };
    if is_log_alone(&home.file())? {
        lost(&home)?;
    }
    let db = open_file(&home.file())?;
    home.remove_others();
    Ok((db, home))
}

/// Whether nothing has been carried over from the log, and nothing can be read of it.
fn is_log_alone(file: &Path) -> Result<bool, OpenError> {
    // Of a new database only the first page is written without the log.
    if file.metadata().is_ok_and(|metadata| metadata.len() > 4_096) {
        return Ok(false);
    }
    if !file.exists() {
        return Ok(true);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0)
}

/// Opens the database of this file.
pub(super) fn open_file(file: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    prepare(db)
}

/// An empty database in memory.
/// The format of the newest database in `directory`, which is left as it is.
pub(super) fn format_of(directory: &Path) -> Result<Option<u32>, OpenError> {
    let Some(generation) = newest_generation(directory)? else {
        return Ok(None);
    };
    let file = directory.join(file_name(generation));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    check_ours(&db)?;
    Ok(Some(db.pragma_query_value(
        None,
        "user_version",
        |row| row.get(0),
    )?))
}

pub(super) fn open_memory() -> Result<Connection, OpenError> {
    prepare(Connection::open_in_memory()?)
}

/// Refuses a database of another program, or of a newer version of this one.
pub(super) fn check_ours(db: &Connection) -> Result<(), OpenError> {
    let format: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: u32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID && !is_empty(db)? {
        return Err(OpenError::Foreign);
    }
    if format > FORMAT {
        return Err(OpenError::NewerFormat {
            found: format,
            supported: FORMAT,
        });
    }
    Ok(())
}

/// Whether nothing was ever written to it.
fn is_empty(db: &Connection) -> Result<bool, OpenError> {
    let format: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: u32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(format == 0 && application == 0 && tables == 0)
}

/// Others may read the database while it is used: a backup does, with a connection of its own.
fn prepare(db: Connection) -> Result<Connection, OpenError> {
    check_ours(&db)?;
    let is_new = is_empty(&db)?;
    // It answers "memory" for a database in memory.
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // Where a plain sync stops at the drive's cache (macOS), go through it.
    db.pragma_update(None, "fullfsync", true)?;
    db.pragma_update(None, "checkpoint_fullfsync", true)?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    db.pragma_update(None, "cache_size", CACHE_KIB)?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    if is_new {
        // What says where the tables are does not stand in the log alone.
        db.execute_batch(&format!(
            "BEGIN; {SCHEMA} {VERSIONS} {COMMITS} PRAGMA application_id = {APPLICATION_ID};
             PRAGMA user_version = {FORMAT}; COMMIT;
             PRAGMA wal_checkpoint(TRUNCATE)"
        ))?;
    } else {
        bring_forward(&db)?;
    }
    Ok(db)
}

/// Makes a database of an older format one of this.
fn bring_forward(db: &Connection) -> rusqlite::Result<()> {
    let format: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format < FORMAT {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {VERSIONS} PRAGMA user_version = {FORMAT}; COMMIT"
        ))?;
    }
    Ok(())
}

/// Raises the epoch, durably: every lease of this process is newer than those of any before.
pub(super) fn next_epoch(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("UPDATE meta SET value = value + 1 WHERE key = 'epoch' RETURNING value")?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(|epoch| epoch as u64)
}

/// Syncs the database's file and its directory, so that a level is never claimed unchecked.
pub(super) fn probe_sync(home: &Home) -> Result<(), OpenError> {
    File::open(home.file())?.sync_all()?;
    home.directory.sync()
}
