//! The newest rows of all rooms: one blob per commit on disk, all of them in memory.
//!
//! A commit of a thousand rooms touches a thousand leaves of a table clustered by room. So a commit
//! writes one blob instead, and the rows stay in memory until they are many; then they move into
//! the clustered table, all of a room's together, in slices between commits. What a room trims
//! before that never moves. Figures: `docs/store-layouts.md`.
//!
//! ```text
//! commit    4 bytes   length of the directory, little-endian
//!           directory varUint number of rows; per row: varUint room, varUint first seq,
//!                     varUint number of records, varUint time, varUint length of the row
//!           4 bytes   CRC-32 of the directory, little-endian
//!           rows      their bytes, in the order of the directory
//!           directory again
//!           4 bytes   CRC-32 of the directory again
//!           4 bytes   length of the directory again
//! ```
//! The directory stands there twice because it speaks for many rooms: damage to one copy costs
//! nothing, damage to a row only its room.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::{BufMut, Bytes, BytesMut};
use greenroom_core::protocol::lib0::{ReadError, Reader, VAR_UINT_MAX, put_var_uint};
use greenroom_core::store::Append;
use greenroom_service::Millis;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::super::OpenError;
use super::{is_damage, schema, sql};

#[cfg(test)]
mod tests;

/// What a row costs in memory besides its bytes.
const ROW_OVERHEAD_BYTES: usize = 96;

/// How much stays in memory, and how fast it leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailLimits {
    /// Bytes of rows in memory after which they begin to move into the clustered table.
    pub(super) bytes_max: usize,
    /// At least so many bytes move at a time.
    pub(super) slice_bytes_min: usize,
}

impl Default for TailLimits {
    fn default() -> Self {
        Self {
            bytes_max: 16 << 20,
            // Delays the next commit by a millisecond or two.
            slice_bytes_min: 256 << 10,
        }
    }
}

/// Room and first seq.
type Key = (i64, u64);

/// Rows that are not in the clustered table yet. For each room they follow the rows there.
#[derive(Debug)]
pub(super) struct Tail {
    rows: BTreeMap<Key, TailRow>,
    bytes: usize,
    limits: TailLimits,
    /// Bytes that came in since the last slice moved: the next one is twice as large, so that the
    /// tail shrinks while commits go on.
    bytes_since_slice: usize,
    /// The id of the newest commit on disk.
    last_commit: i64,
    /// Rows of the open transaction.
    pending: Vec<Key>,
    /// Room, and the first seq that stays: rows to drop once the open transaction is committed.
    stale: Vec<(i64, u64)>,
    pass: Option<Pass>,
    /// Rooms whose rows met a damaged page when they were to move. They stay here, and nothing is
    /// added to them, so that no other room suffers.
    stuck: BTreeSet<i64>,
    /// Commits of which no copy could be read.
    missing: Vec<i64>,
}

/// A walk over all rows that moves those of the commits up to `upto`.
#[derive(Clone, Copy, Debug)]
struct Pass {
    upto: i64,
    cursor: Key,
}

/// A row in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TailRow {
    pub(super) count: u64,
    pub(super) time: Millis,
    pub(super) data: Bytes,
    commit: i64,
}

impl TailRow {
    const fn cost(&self) -> usize {
        self.data.len() + ROW_OVERHEAD_BYTES
    }
}

impl Tail {
    /// Reads what commits hold that the clustered table does not, and no trim or delete ended.
    /// Commits are numbered without gaps: those that should be there and cannot be read are
    /// [`Self::missing`].
    pub(super) fn load(db: &Connection) -> Result<Self, OpenError> {
        let moved = moved(db)?;
        let mut tail = Self {
            rows: BTreeMap::new(),
            bytes: 0,
            limits: TailLimits::default(),
            bytes_since_slice: 0,
            last_commit: moved,
            pending: Vec::new(),
            stale: Vec::new(),
            pass: None,
            stuck: BTreeSet::new(),
            missing: Vec::new(),
        };
        let mut known = HashMap::new();
        let mut one = db.prepare("SELECT data FROM commits WHERE id = ?1")?;
        for id in moved + 1..=newest(db)? {
            tail.last_commit = id;
            let blob = one.query_row([id], |row| row.get::<_, Vec<u8>>(0));
            let blob = match unless_damaged(blob.optional())? {
                Some(Some(blob)) => Bytes::from(blob),
                Some(None) | None => {
                    tail.missing.push(id);
                    continue;
                }
            };
            match decode(&blob) {
                None => tail.missing.push(id),
                Some(rows) => {
                    for (room, first_seq, count, time, data) in rows {
                        let begin = match known.get(&room) {
                            Some(begin) => *begin,
                            None => *known.entry(room).or_insert(begin_of(db, room)?),
                        };
                        if begin.is_some_and(|begin| first_seq + count > begin) {
                            let row = TailRow {
                                count,
                                time,
                                data,
                                commit: id,
                            };
                            tail.insert((room, first_seq), row);
                        }
                    }
                }
            }
        }
        Ok(tail)
    }

    /// Commits that should be there and cannot be read.
    pub(super) fn missing(&self) -> &[i64] {
        &self.missing
    }

    /// The number of the newest commit.
    pub(super) const fn last_commit(&self) -> i64 {
        self.last_commit
    }

    /// Whether nothing can be added to this room.
    pub(super) fn is_stuck(&self, room: i64) -> bool {
        self.stuck.contains(&room)
    }

    /// Adds a row that was found elsewhere, to be written by [`Self::write_whole`].
    pub(super) fn add(&mut self, key: (i64, u64), count: u64, time: Millis, data: Bytes) {
        let commit = self.last_commit;
        self.insert(
            key,
            TailRow {
                count,
                time,
                data,
                commit,
            },
        );
    }

    /// Writes all rows as the one commit `id` into the open transaction: none is missing then. Those
    /// before are left to [`delete_commits`].
    pub(super) fn write_whole(&mut self, db: &Connection, id: i64) -> rusqlite::Result<()> {
        let rows = self.rows.iter().map(|(key, row)| (*key, row));
        db.execute(
            "INSERT OR REPLACE INTO commits(id, data) VALUES(?1, ?2)",
            params![id, encode(rows)],
        )?;
        set_moved(db, id - 1)?;
        for row in self.rows.values_mut() {
            row.commit = id;
        }
        self.last_commit = id;
        self.missing.clear();
        // It knew older numbers.
        self.pass = None;
        Ok(())
    }

    /// Puts a damaged table of commits aside and writes a new one: memory has all that it held.
    pub(super) fn begin_anew(&mut self, db: &mut Connection) -> rusqlite::Result<()> {
        let id = self.last_commit + 1;
        let transaction = db.transaction()?;
        put_commits_aside(&transaction, id)?;
        self.write_whole(&transaction, id)?;
        transaction.commit()
    }

    /// Adds a row to the open transaction.
    pub(super) fn push(&mut self, room: i64, append: &Append) {
        let key = (room, append.first_seq);
        self.pending.push(key);
        self.insert(
            key,
            TailRow {
                count: append.count,
                time: append.meta.now,
                data: append.data.clone(),
                commit: self.last_commit + 1,
            },
        );
    }

    /// Rows of `room` once the open transaction is committed: none below `below_seq`.
    pub(super) fn drop_below(&mut self, room: i64, below_seq: u64) {
        self.stale.push((room, below_seq));
    }

    /// Writes the pending rows into the open transaction.
    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let rows = self.pending.iter().map(|key| (*key, &self.rows[key]));
        db.prepare_cached("INSERT INTO commits(id, data) VALUES(?1, ?2)")?
            .execute(params![self.last_commit + 1, encode(rows)])?;
        Ok(())
    }

    /// The open transaction was committed.
    pub(super) fn accept(&mut self) {
        if !self.pending.is_empty() {
            self.last_commit += 1;
            self.pending.clear();
        }
        for (room, below_seq) in std::mem::take(&mut self.stale) {
            let ended: Vec<_> = self
                .of_room(room)
                .take_while(|(first_seq, row)| first_seq + row.count <= below_seq)
                .map(|(first_seq, _)| (room, first_seq))
                .collect();
            self.remove(&ended);
        }
    }

    /// The open transaction was rolled back.
    pub(super) fn revert(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.remove(&pending);
        self.stale.clear();
    }

    /// The rows of a room in order, with their first seqs.
    pub(super) fn of_room(&self, room: i64) -> impl DoubleEndedIterator<Item = (u64, &TailRow)> {
        self.rows
            .range((room, 0)..=(room, u64::MAX))
            .map(|((_, first_seq), row)| (*first_seq, row))
    }

    /// Moves a slice into the clustered table, when there is something to move. Rooms that meet a
    /// damaged page there are stuck from then on.
    pub(super) fn move_slice(&mut self, db: &mut Connection) -> rusqlite::Result<()> {
        let incoming = std::mem::take(&mut self.bytes_since_slice);
        let pass = match self.pass {
            Some(pass) => pass,
            None if self.bytes - self.stuck_bytes() <= self.limits.bytes_max => return Ok(()),
            None => Pass {
                upto: self.last_commit,
                cursor: (i64::MIN, 0),
            },
        };
        let (slice, next) = self.slice(pass, self.limits.slice_bytes_min.max(incoming * 2));
        // The rows are durable already; that they moved becomes so with the next commit.
        db.pragma_update(None, "synchronous", "NORMAL")?;
        let written = self.write_slice(db, &slice, pass.upto, next.is_none());
        db.pragma_update(None, "synchronous", "FULL")?;
        let stuck = written?;
        let moved: Vec<_> = slice
            .into_iter()
            .filter(|(room, _)| !stuck.contains(room))
            .collect();
        self.remove(&moved);
        for room in stuck {
            tracing::error!(
                room,
                "rows cannot be moved: a page is damaged; this room takes no more writes"
            );
            self.stuck.insert(room);
        }
        self.pass = next;
        Ok(())
    }

    /// The rows to move next, and where to go on.
    fn slice(&self, pass: Pass, bytes_max: usize) -> (Vec<Key>, Option<Pass>) {
        let mut slice = Vec::new();
        let mut bytes = 0;
        for (key, row) in self.rows.range(pass.cursor..) {
            if row.commit > pass.upto || self.stuck.contains(&key.0) {
                continue;
            }
            if bytes >= bytes_max {
                let next = Pass {
                    cursor: *key,
                    ..pass
                };
                return (slice, Some(next));
            }
            bytes += row.cost();
            slice.push(*key);
        }
        (slice, None)
    }

    /// Writes them, and at the end of a pass ends the commits up to `upto`. Gives the rooms that
    /// could not be written because of damage.
    fn write_slice(
        &mut self,
        db: &mut Connection,
        slice: &[Key],
        upto: i64,
        is_last: bool,
    ) -> rusqlite::Result<BTreeSet<i64>> {
        let mut stuck = BTreeSet::new();
        // A transaction that met damage takes no further write, so each room gets one of its own.
        if unless_damaged(self.write_rows(db, slice))?.is_none() {
            for rows in slice.chunk_by(is_same_room) {
                if unless_damaged(self.write_rows(db, rows))?.is_none() {
                    stuck.insert(rows[0].0);
                }
            }
        }
        if is_last {
            self.end_pass(db, &stuck, upto)?;
        }
        Ok(stuck)
    }

    /// Writes rows in one transaction.
    fn write_rows(&self, db: &mut Connection, rows: &[Key]) -> rusqlite::Result<()> {
        let transaction = db.transaction()?;
        for rows in rows.chunk_by(is_same_room) {
            self.write_rows_of_room(&transaction, rows)?;
        }
        transaction.commit()
    }

    fn write_rows_of_room(
        &self,
        transaction: &Transaction<'_>,
        rows: &[Key],
    ) -> rusqlite::Result<()> {
        let mut insert = transaction.prepare_cached(
            "INSERT OR REPLACE INTO journal(room, seq, count, time, data)
             VALUES(?1, ?2, ?3, ?4, ?5)",
        )?;
        let mut head = None;
        for key in rows {
            let row = &self.rows[key];
            insert.execute(params![
                key.0,
                sql(key.1),
                sql(row.count),
                sql(row.time.0),
                &row.data[..]
            ])?;
            head = Some((key.0, sql(key.1 + row.count - 1), sql(row.time.0)));
        }
        // So that damage to the last moved row of a room is missed: nothing else knows the head.
        transaction
            .prepare_cached("UPDATE rooms SET head = ?2, changed = ?3 WHERE id = ?1 AND head < ?2")?
            .execute(head.expect("a room in a slice has a row"))?;
        Ok(())
    }

    /// Ends the commits up to `upto`. Rows of stuck rooms go into one more.
    fn end_pass(
        &mut self,
        db: &mut Connection,
        stuck: &BTreeSet<i64>,
        upto: i64,
    ) -> rusqlite::Result<()> {
        let kept: Vec<_> = self
            .stuck
            .union(stuck)
            .flat_map(|room| self.of_room(*room).map(|(seq, row)| ((*room, seq), row)))
            .filter(|(_, row)| row.commit <= upto)
            .collect();
        let before = moved(db)?;
        let transaction = db.transaction()?;
        if !kept.is_empty() {
            transaction.execute(
                "INSERT INTO commits(id, data) VALUES(?1, ?2)",
                params![self.last_commit + 1, encode(kept.iter().copied())],
            )?;
        }
        set_moved(&transaction, upto)?;
        transaction.commit()?;
        let kept: Vec<_> = kept.into_iter().map(|(key, _)| key).collect();
        if !kept.is_empty() {
            self.last_commit += 1;
        }
        for key in kept {
            if let Some(row) = self.rows.get_mut(&key) {
                row.commit = self.last_commit;
            }
        }
        delete_commits(db, before, upto)
    }

    fn stuck_bytes(&self) -> usize {
        let rows = self.stuck.iter().flat_map(|room| self.of_room(*room));
        rows.map(|(_, row)| row.cost()).sum()
    }

    #[cfg(test)]
    pub(super) const fn set_limits(&mut self, limits: TailLimits) {
        self.limits = limits;
    }

    fn insert(&mut self, key: Key, row: TailRow) {
        self.bytes += row.cost();
        self.bytes_since_slice += row.cost();
        self.rows.insert(key, row);
    }

    fn remove(&mut self, keys: &[Key]) {
        for key in keys {
            if let Some(row) = self.rows.remove(key) {
                self.bytes -= row.cost();
            }
        }
    }
}

/// Up to which commit all rows have moved.
pub(super) fn moved(db: &Connection) -> rusqlite::Result<i64> {
    let known = db
        .query_row("SELECT value FROM meta WHERE key = 'moved'", [], |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(moved) = known {
        return Ok(moved);
    }
    // Nothing has moved, or an earlier version did not say so.
    let oldest = db.query_row("SELECT min(id) FROM commits", [], |row| row.get(0));
    let oldest: Option<i64> = unless_damaged(oldest)?.flatten();
    Ok(oldest.map_or(0, |oldest| oldest - 1))
}

/// The number of the newest commit that is found; 0 when there is none.
fn newest(db: &Connection) -> rusqlite::Result<i64> {
    let newest = db.query_row("SELECT max(id) FROM commits", [], |row| row.get(0));
    Ok(unless_damaged(newest)?.flatten().unwrap_or(0))
}

fn set_moved(db: &Connection, upto: i64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES('moved', ?1)")?
        .execute([upto])?;
    Ok(())
}

/// Deletes the commits after `before`, up to `upto`: their rows have moved. One that meets damage
/// stays, and is not read again. In no transaction, since damage ends one.
pub(super) fn delete_commits(db: &Connection, before: i64, upto: i64) -> rusqlite::Result<()> {
    let deleted = db
        .prepare_cached("DELETE FROM commits WHERE id <= ?1")?
        .execute([upto]);
    if unless_damaged(deleted)?.is_some() {
        return Ok(());
    }
    let mut one = db.prepare_cached("DELETE FROM commits WHERE id = ?1")?;
    for id in before + 1..=upto {
        unless_damaged(one.execute([id]))?;
    }
    Ok(())
}

/// Whether the table of commits has a page that cannot be walked over.
pub(super) fn is_damaged_table(db: &Connection) -> rusqlite::Result<bool> {
    let walked = db.query_row("SELECT count(*) FROM commits", [], |_| Ok(()));
    Ok(unless_damaged(walked)?.is_none())
}

/// Gives the table of commits another name and makes an empty one. A table with damaged pages cannot
/// be dropped: that would walk over them.
pub(super) fn put_commits_aside(db: &Connection, id: i64) -> rusqlite::Result<()> {
    db.execute_batch(&format!(
        "ALTER TABLE commits RENAME TO commits_damaged_{id}; {}",
        schema::COMMITS
    ))
}

const fn is_same_room(one: &Key, other: &Key) -> bool {
    one.0 == other.0
}

/// `None` when a page was damaged.
fn unless_damaged<T>(result: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_damage(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first seq of a room that a commit may still hold alone: rows before it were trimmed or have
/// moved. `None` when the room was deleted. What is damaged is taken for absent: then a commit may
/// hold more than it has to, never less.
fn begin_of(db: &Connection, room: i64) -> rusqlite::Result<Option<u64>> {
    let trimmed = db
        .prepare_cached("SELECT trimmed FROM rooms WHERE id = ?1")?
        .query_row([room], |row| row.get::<_, i64>(0))
        .optional();
    let Some(trimmed) = unless_damaged(trimmed)?.unwrap_or(Some(0)) else {
        return Ok(None);
    };
    let moved = db
        .prepare_cached(
            "SELECT seq + count FROM journal WHERE room = ?1 ORDER BY seq DESC LIMIT 1",
        )?
        .query_row([room], |row| row.get::<_, i64>(0))
        .optional();
    let moved = unless_damaged(moved)?.flatten();
    Ok(Some(trimmed.max(moved.unwrap_or(0)) as u64))
}

pub(super) type Entry = (i64, u64, u64, Millis, Bytes);

fn encode<'a>(rows: impl ExactSizeIterator<Item = (Key, &'a TailRow)> + Clone) -> Vec<u8> {
    let mut directory = BytesMut::with_capacity(rows.len() * 16 + 16);
    put_var_uint(&mut directory, rows.len() as u64);
    let mut payload = 0;
    for ((room, first_seq), row) in rows.clone() {
        put_var_uint(&mut directory, room as u64);
        put_var_uint(&mut directory, first_seq);
        put_var_uint(&mut directory, row.count);
        put_var_uint(&mut directory, row.time.0.min(VAR_UINT_MAX));
        put_var_uint(&mut directory, row.data.len() as u64);
        payload += row.data.len();
    }
    let length = u32::try_from(directory.len()).expect("a batch is bounded far below 4 GiB");
    let sum = crc32fast::hash(&directory);
    let mut blob = Vec::with_capacity(payload + directory.len() * 2 + 16);
    blob.put_u32_le(length);
    blob.put_slice(&directory);
    blob.put_u32_le(sum);
    for (_, row) in rows {
        blob.put_slice(&row.data);
    }
    blob.put_slice(&directory);
    blob.put_u32_le(sum);
    blob.put_u32_le(length);
    blob
}

/// `None` when both copies of the directory are damaged.
pub(super) fn decode(blob: &Bytes) -> Option<Vec<Entry>> {
    let front = || {
        let length = u32::from_le_bytes(blob.first_chunk().copied()?) as usize;
        blob.get(4..length.checked_add(8)?)
    };
    let back = || {
        let length = u32::from_le_bytes(blob.last_chunk().copied()?) as usize;
        let end = blob.len().checked_sub(4)?;
        blob.get(end.checked_sub(length.checked_add(4)?)?..end)
    };
    let intact = |copy: Option<&[u8]>| {
        let (directory, sum) = copy?
            .split_last_chunk::<4>()
            .map(|(d, s)| (d.to_vec(), *s))?;
        (crc32fast::hash(&directory).to_le_bytes() == sum).then_some(directory)
    };
    let directory = intact(front()).or_else(|| intact(back()))?;
    entries(&directory, blob).ok()
}

fn entries(directory: &[u8], blob: &Bytes) -> Result<Vec<Entry>, ReadError> {
    let mut reader = Reader::new(directory);
    let mut at = directory.len() + 8;
    let mut rows = Vec::new();
    for _ in 0..reader.var_uint()? {
        let room = reader.var_uint()? as i64;
        let (first_seq, count) = (reader.var_uint()?, reader.var_uint()?);
        let time = Millis(reader.var_uint()?);
        let end = at + reader.var_uint()? as usize;
        if end > blob.len() {
            return Err(ReadError::End);
        }
        rows.push((room, first_seq, count, time, blob.slice(at..end)));
        at = end;
    }
    Ok(rows)
}
