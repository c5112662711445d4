//! A store from a backup: each room in a new incarnation, so that nothing of the rooms that were
//! copied (a row, a snapshot, what a client knows by its seq) is ever taken for theirs.
//!
//! The database is written under a name that does not count, and gets the one that does when it is
//! complete and synced.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use greenroom_core::store::VersionKind;
use greenroom_core::store::envelope::reincarnate;
use greenroom_service::RoomId;
use rusqlite::{Connection, params};

use super::super::backup::{
    BackupError, BackupHead, BackupReader, BackupRoom, BackupTotals, BackupVersion, Block,
};
use super::super::{DataDirectory, OpenError};
use super::schema::{file_name, open_file};
use super::sql;

/// How many damaged pieces are named; the others are counted.
const DAMAGES_MAX: usize = 100;

/// Bytes after which a transaction ends, so that the log stays small.
const TRANSACTION_BYTES: u64 = 32 << 20;

/// What a restore came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the backup says of itself.
    pub head: BackupHead,
    /// How much was restored.
    pub totals: BackupTotals,
    /// Rows and snapshots that were damaged when the backup was taken, at most 100 of them. They
    /// are kept as they are, and the room judges them as it would have.
    pub damages: Vec<Damage>,
    /// How many were damaged.
    pub damaged: u64,
}

/// A piece of a store that was damaged before it was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The room.
    pub room: RoomId,
    /// Which piece, and what is wrong with it.
    pub what: String,
}

/// Makes the store of `directory` out of a backup, and the directory where there is none.
/// `progress` is told how many bytes were read.
///
/// # Errors
/// [`BackupError`]; the directory then holds no store. [`OpenError::NotEmpty`] when it holds one
/// already, or anything else but keys.
pub fn restore(
    directory: &Path,
    input: impl Read,
    mut progress: impl FnMut(u64),
) -> Result<Restored, BackupError> {
    let (mut reader, head) = BackupReader::begin(input)?;
    let is_new = !directory.exists();
    if !is_new {
        // Before anything is written there.
        check_empty(directory)?;
    }
    let locked = DataDirectory::open(directory)?;
    check_empty(directory)?;
    let restored = restore_into(&locked, &mut reader, head, &mut progress);
    if restored.is_err() && is_new {
        locked.abandon();
    }
    restored
}

fn restore_into(
    directory: &DataDirectory,
    reader: &mut BackupReader<impl Read>,
    head: BackupHead,
    progress: &mut impl FnMut(u64),
) -> Result<Restored, BackupError> {
    let file = directory.path().join(file_name(1));
    let half_made = file.with_extension("db.new");
    remove(&half_made);
    let restored = fill(&half_made, reader, head, progress).and_then(|restored| {
        File::open(&half_made)?.sync_all()?;
        std::fs::rename(&half_made, &file)?;
        directory.sync()?;
        Ok(restored)
    });
    if restored.is_err() {
        remove(&half_made);
    }
    restored
}

/// What may stand in a directory that becomes a store: keys, the lock, what an interrupted restore
/// left, and what a file system puts at its root.
fn check_empty(directory: &Path) -> Result<(), OpenError> {
    for entry in directory.read_dir()? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let expected = ["keys.json", "lock", "lost+found"].contains(&&*name)
            || name.starts_with(&format!("{}.new", file_name(1)));
        if !expected {
            return Err(OpenError::NotEmpty);
        }
    }
    Ok(())
}

fn remove(half_made: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = half_made.as_os_str().to_owned();
        name.push(suffix);
        // There is none, as a rule; one that stays is opened, found foreign or overwritten.
        let _ = std::fs::remove_file(name);
    }
}

fn fill(
    file: &Path,
    reader: &mut BackupReader<impl Read>,
    head: BackupHead,
    progress: &mut impl FnMut(u64),
) -> Result<Restored, BackupError> {
    let db = open_file(file)?;
    // It is synced once, whole, before it gets its name.
    db.pragma_update(None, "synchronous", "OFF")?;
    db.execute_batch("BEGIN")?;
    db.execute(
        "UPDATE meta SET value = ?1 WHERE key = 'epoch'",
        [sql(head.epoch)],
    )?;
    let mut filling = Filling {
        db,
        at: reader.position(),
        room: None,
        restored: Restored {
            head,
            totals: BackupTotals::default(),
            damages: Vec::new(),
            damaged: 0,
        },
    };
    let mut begun = reader.position();
    loop {
        filling.at = reader.position();
        let block = reader.next()?;
        progress(reader.position());
        if let Block::End(totals) = block {
            filling.restored.totals = totals;
            break;
        }
        filling.take(block)?;
        if reader.position() - begun > TRANSACTION_BYTES {
            begun = reader.position();
            filling
                .db
                .execute_batch("COMMIT; PRAGMA wal_checkpoint; BEGIN")?;
        }
    }
    filling.db.execute_batch("COMMIT")?;
    // Closing carries the log into the file.
    filling.db.close().map_err(|(_, error)| error)?;
    Ok(filling.restored)
}

struct Filling {
    db: Connection,
    /// Where the block at hand begins.
    at: u64,
    room: Option<Room>,
    restored: Restored,
}

/// The room that is being filled.
struct Room {
    id: i64,
    name: RoomId,
    was: u128,
    is: u128,
}

impl Filling {
    fn take(&mut self, block: Block) -> Result<(), BackupError> {
        match block {
            Block::Room(room) => self.room(room),
            Block::Snapshot { part, seq, data } => {
                let what = || format!("the snapshot of `{part}` at seq {seq}");
                let (room, data) = self.renewed(&data, what)?;
                self.db
                    .prepare_cached(
                        "INSERT INTO snapshots(room, part, seq, data) VALUES(?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![room, part, sql(seq), &data[..]])?;
                Ok(())
            }
            Block::Row {
                first_seq,
                count,
                time_ms,
                data,
            } => {
                let what = || format!("the row at seq {first_seq}");
                let (room, data) = self.renewed(&data, what)?;
                let times = [sql(first_seq), sql(count), sql(time_ms)];
                self.db
                    .prepare_cached(
                        "INSERT INTO journal(room, seq, count, time, data)
                         VALUES(?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![room, times[0], times[1], times[2], &data[..]])?;
                Ok(())
            }
            Block::Version(version) => self.version(&version),
            Block::Queued(data) => {
                self.db
                    .prepare_cached("INSERT INTO queue(data) VALUES(?1)")?
                    .execute([&data[..]])?;
                Ok(())
            }
            Block::Head(_) | Block::End(_) => Err(self.misplaced()),
        }
    }

    fn room(&mut self, room: BackupRoom) -> Result<(), BackupError> {
        let name = RoomId::new(&room.name).map_err(|_| self.misplaced())?;
        let is: [u8; 16] = self
            .db
            .prepare_cached("SELECT randomblob(16)")?
            .query_row([], |row| row.get(0))?;
        self.db
            .prepare_cached(
                "INSERT INTO rooms(name, kind, incarnation, created, changed, head, trimmed,
                    next_wake, metadata, accesses)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                room.name,
                room.kind,
                is,
                sql(room.created_ms),
                sql(room.changed_ms),
                sql(room.head),
                sql(room.trimmed),
                room.next_wake_ms.map(sql),
                &room.metadata[..],
                &room.accesses[..],
            ])?;
        self.room = Some(Room {
            id: self.db.last_insert_rowid(),
            name,
            was: room.incarnation,
            is: u128::from_le_bytes(is),
        });
        Ok(())
    }

    fn version(&mut self, version: &BackupVersion) -> Result<(), BackupError> {
        let (document, id) = (&version.document, version.id);
        let what = || format!("version {id} of the document `{document}`");
        let (room, data) = self.renewed(&version.data, what)?;
        let Some(kind) = VersionKind::from_name(&version.kind) else {
            return Err(self.misplaced());
        };
        self.db
            .prepare_cached(
                "INSERT INTO versions(room, document, id, seq, kind, gives_way, label, user,
                    expires, bytes, data)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                room,
                document,
                sql(id),
                sql(version.seq),
                kind.name(),
                kind.gives_way(),
                version.label,
                version.user,
                version.expires_ms.map(sql),
                sql(version.bytes),
                &data[..],
            ])?;
        Ok(())
    }

    /// The room's id, and the piece in the room's new incarnation; a damaged piece as it is.
    fn renewed(
        &mut self,
        data: &Bytes,
        what: impl Fn() -> String,
    ) -> Result<(i64, Bytes), BackupError> {
        let Some(room) = &self.room else {
            return Err(self.misplaced());
        };
        let renewed = match reincarnate(data, room.was, room.is) {
            Ok(renewed) => renewed,
            Err(error) => {
                self.restored.damaged += 1;
                if self.restored.damages.len() < DAMAGES_MAX {
                    self.restored.damages.push(Damage {
                        room: room.name.clone(),
                        what: format!("{}: {error}", what()),
                    });
                }
                data.clone()
            }
        };
        Ok((room.id, renewed))
    }

    /// The block's checksum held, so that its writer was wrong.
    const fn misplaced(&self) -> BackupError {
        BackupError::Damaged {
            at: self.at,
            what: "a block makes no sense there",
        }
    }
}
