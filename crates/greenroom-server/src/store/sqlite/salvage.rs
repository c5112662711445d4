//! What to do when commits that were acknowledged are not there: keep what can be kept, say what
//! is lost.
//!
//! SQLite's own state, up to the damage, is what is kept as it is. Beyond it, [`log`] makes a log of
//! the frames that hold, and a second look at the database through that gives rows; each is judged
//! by its own checksum, incarnation and seq, and taken when it follows what its room has. The
//! damaged log is kept beside the database for whoever wants to look.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use greenroom_core::store::envelope::decode_row;
use greenroom_service::{Millis, RoomId};
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::super::OpenError;
use super::requests::{Found, ROOM, found};
use super::tail::{self, Tail, decode};
use super::{Home, log, schema};

/// What was acknowledged and is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Commits of which nothing could be read. Which rooms they were of is known only where later
    /// rows were found.
    pub commits: u64,
    /// Rooms, with the first and the last seq that are known to be lost.
    pub rooms: Vec<(RoomId, u64, u64)>,
    /// Rows that were found behind the damage and kept.
    pub rows_kept: u64,
}

/// A row found behind the damage.
struct Candidate {
    count: u64,
    time: Millis,
    data: Bytes,
}

type Candidates = BTreeMap<(i64, u64), Candidate>;

/// Brings the database to hold what can be found of the commits up to `acknowledged`.
///
/// # Errors
/// As the file system or the database fails; the next start tries again.
pub(super) fn salvage(
    db: Connection,
    home: &Home,
    mut tail: Tail,
    acknowledged: i64,
) -> Result<(Connection, Tail, Loss), OpenError> {
    // What SQLite took of the log must not be carried over before the log was kept.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let missing: Vec<i64> = tail
        .missing()
        .iter()
        .copied()
        .chain(tail.last_commit() + 1..=acknowledged)
        .collect();
    db.close().map_err(|(_, error)| error)?;
    let behind = Behind::open(home, acknowledged)?;
    let db = schema::open_file(&home.file())?;
    let mut loss = Loss::default();
    let mut id = acknowledged.max(tail.last_commit());
    let is_damaged = !tail.missing().is_empty() || tail::is_damaged_table(&db)?;
    let before = tail::moved(&db)?;
    if let Some(behind) = behind {
        let mut candidates = Candidates::new();
        id = id.max(behind.newest());
        let wanted = missing.iter().copied();
        for id in wanted.chain(acknowledged.max(tail.last_commit()) + 1..=id) {
            let is_read = behind.commit(id, &mut candidates).unwrap_or(false);
            if !is_read && id <= acknowledged {
                loss.commits += 1;
            }
        }
        begin(&db, is_damaged, id + 1)?;
        behind.keep(&db, &mut tail, candidates, &mut loss)?;
    } else {
        loss.commits = missing.len() as u64;
        begin(&db, is_damaged, id + 1)?;
    }
    tail.write_whole(&db, id + 1)?;
    db.execute_batch("COMMIT")?;
    tail::delete_commits(&db, before, id)?;
    tell(&loss, acknowledged);
    Ok((db, tail, loss))
}

/// Begins to write, into a new table of commits when the one that is there is damaged.
fn begin(db: &Connection, is_damaged: bool, id: i64) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    if is_damaged {
        tail::put_commits_aside(db, id)?;
    }
    Ok(())
}

fn tell(loss: &Loss, acknowledged: i64) {
    for (room, first, last) in &loss.rooms {
        tracing::error!(
            %room,
            first_seq = first,
            last_seq = last,
            "records that were acknowledged are lost: what is stored was damaged"
        );
    }
    if loss.commits == 0 && loss.rooms.is_empty() {
        tracing::warn!(
            rows = loss.rows_kept,
            "the log was damaged; all of it was found"
        );
        return;
    }
    tracing::error!(
        commits = loss.commits,
        rooms = loss.rooms.len(),
        rows_kept = loss.rows_kept,
        kept = format!("damaged-*-{acknowledged}.wal"),
        "what was acknowledged is not whole: the newest records, snapshots, deletions and metadata \
         of rooms may be those of before; check the disk, and restore a backup if in doubt"
    );
}

/// Puts a copy of the log aside, before anything writes over it; gives where it is. An earlier
/// attempt may have begun to write over the log, so its copy stays.
pub(super) fn keep_log(home: &Home, acknowledged: i64) -> Result<PathBuf, OpenError> {
    let log = with_suffix(&home.file(), "-wal");
    let name = format!("damaged-{}-{acknowledged}.wal", home.generation);
    let kept = home.directory.path().join(name);
    if !kept.exists() && log.exists() {
        write_durably(&kept, &std::fs::read(&log)?)?;
        home.directory.sync()?;
    }
    Ok(kept)
}

/// The database as the whole frames of its log make it, apart from the one that is used.
struct Behind {
    db: Connection,
    tail: Tail,
    file: PathBuf,
}

impl Behind {
    /// Keeps the log aside and opens it anew; `None` when it has no whole frame.
    fn open(home: &Home, acknowledged: i64) -> Result<Option<Self>, OpenError> {
        let kept = keep_log(home, acknowledged)?;
        let bytes = if kept.exists() {
            std::fs::read(&kept)?
        } else {
            Vec::new()
        };
        let Some(rebuilt) = log::rebuild(&bytes) else {
            return Ok(None);
        };
        tracing::warn!(
            frames_dropped = rebuilt.dropped,
            "the write-ahead log is damaged"
        );
        let file = home.file().with_extension("db.behind");
        remove(&file);
        // A link would not do: SQLite shares the index of a log among all names of a file.
        std::fs::copy(home.file(), &file)?;
        std::fs::write(with_suffix(&file, "-wal"), &rebuilt.log)?;
        match Self::look(&file) {
            Ok((db, tail)) => Ok(Some(Self { db, tail, file })),
            Err(error) => {
                tracing::warn!(%error, "nothing can be read behind the damage");
                remove(&file);
                Ok(None)
            }
        }
    }

    fn look(file: &Path) -> Result<(Connection, Tail), OpenError> {
        let db = Connection::open(file)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        db.pragma_update(None, "query_only", true)?;
        db.pragma_update(None, "cell_size_check", true)?;
        let tail = Tail::load(&db)?;
        Ok((db, tail))
    }

    fn newest(&self) -> i64 {
        self.tail.last_commit()
    }

    /// Collects the rows of a commit; `false` when it cannot be read.
    fn commit(&self, id: i64, into: &mut Candidates) -> rusqlite::Result<bool> {
        if id <= tail::moved(&self.db)? {
            return self.moved(into);
        }
        let blob = self
            .db
            .prepare_cached("SELECT data FROM commits WHERE id = ?1")?
            .query_row([id], |row| row.get::<_, Vec<u8>>(0));
        let Some(rows) = blob.ok().and_then(|blob| decode(&Bytes::from(blob))) else {
            return Ok(false);
        };
        for (room, seq, count, time, data) in rows {
            into.insert((room, seq), Candidate { count, time, data });
        }
        Ok(true)
    }

    /// Its rows are in the clustered table by now, with those of others.
    fn moved(&self, into: &mut Candidates) -> rusqlite::Result<bool> {
        let mut rows = self
            .db
            .prepare_cached("SELECT room, seq, count, time, data FROM journal")?;
        let mut found = rows.query([])?;
        while let Ok(Some(row)) = found.next() {
            let key: (i64, i64) = (row.get(0)?, row.get(1)?);
            let (count, time): (i64, i64) = (row.get(2)?, row.get(3)?);
            let candidate = Candidate {
                count: count as u64,
                time: Millis(time as u64),
                data: row.get::<_, Vec<u8>>(4)?.into(),
            };
            into.insert((key.0, key.1 as u64), candidate);
        }
        Ok(true)
    }

    /// Takes the rows that hold and follow what their room has.
    fn keep(
        &self,
        db: &Connection,
        tail: &mut Tail,
        candidates: Candidates,
        loss: &mut Loss,
    ) -> Result<(), OpenError> {
        let mut at: Option<(i64, Option<Place>)> = None;
        for ((id, first_seq), row) in candidates {
            if at.as_ref().is_none_or(|(room, _)| *room != id) {
                if let Some((_, Some(place))) = at.take() {
                    place.settle(loss);
                }
                at = Some((id, self.place(db, tail, id)?));
            }
            let Some((_, Some(place))) = &mut at else {
                continue;
            };
            let last = first_seq + row.count - 1;
            if last <= place.head {
                continue;
            }
            let holds = decode_row(&row.data, place.incarnation, first_seq)
                .is_ok_and(|decoded| decoded.records.len() as u64 == row.count);
            if holds && first_seq == place.head + 1 {
                tail.add((id, first_seq), row.count, row.time, row.data);
                place.head = last;
                loss.rows_kept += 1;
            }
            place.seen = place.seen.max(last);
        }
        if let Some((_, Some(place))) = at {
            place.settle(loss);
        }
        Ok(())
    }

    /// What a room has before the damage. One that was created behind it is created here.
    fn place(&self, db: &Connection, tail: &Tail, id: i64) -> Result<Option<Place>, OpenError> {
        if let Some(room) = room_of(db, tail, id) {
            return Ok(Some(Place::of(&room)));
        }
        let columns = "id, name, kind, incarnation, created, changed, head, trimmed, next_wake, \
                       metadata, accesses";
        let row = self.db.query_row(
            &format!("SELECT {columns} FROM rooms WHERE id = ?1"),
            [id],
            |row| {
                (0..11)
                    .map(|at| row.get(at))
                    .collect::<Result<Vec<Value>, _>>()
            },
        );
        let Ok(mut row) = row else {
            return Ok(None);
        };
        // As it is created: the rows tell the rest.
        row[6] = Value::Integer(0);
        row[7] = Value::Integer(0);
        let sql = format!("INSERT OR IGNORE INTO rooms({columns}) VALUES(?,?,?,?,?,?,?,?,?,?,?)");
        db.execute(&sql, params_from_iter(row))?;
        Ok(room_of(db, tail, id).as_ref().map(Place::of))
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        remove(&self.file);
    }
}

struct Place {
    room: RoomId,
    incarnation: u128,
    head: u64,
    /// The last seq that was found, whole or not.
    seen: u64,
}

impl Place {
    fn of(room: &Found) -> Self {
        Self {
            room: room.meta.room.clone(),
            incarnation: room.incarnation,
            head: room.meta.head,
            seen: room.meta.head,
        }
    }

    fn settle(self, loss: &mut Loss) {
        if self.seen > self.head {
            loss.rooms.push((self.room, self.head + 1, self.seen));
        }
    }
}

/// `None` when there is none, or when it cannot be read.
fn room_of(db: &Connection, tail: &Tail, id: i64) -> Option<Found> {
    db.query_row(&format!("{ROOM} WHERE id = ?1"), [id], |row| {
        found(tail, row)
    })
    .optional()
    .ok()?
}

fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let half_made = path.with_extension("wal.new");
    let mut file = File::create(&half_made)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&half_made, path)
}

fn remove(file: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        // There is none, as a rule; the next start removes what stays.
        let _ = std::fs::remove_file(with_suffix(file, suffix));
    }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
