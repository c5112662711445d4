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

use std::collections::{BTreeMap, HashMap};

use bytes::{BufMut, Bytes, BytesMut};
use greenroom_core::protocol::lib0::{ReadError, Reader, VAR_UINT_MAX, put_var_uint};
use greenroom_core::store::Append;
use greenroom_service::Millis;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::OpenError;
use super::sql;

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
    pub(super) fn load(db: &Connection) -> Result<Self, OpenError> {
        let mut tail = Self {
            rows: BTreeMap::new(),
            bytes: 0,
            limits: TailLimits::default(),
            bytes_since_slice: 0,
            last_commit: 0,
            pending: Vec::new(),
            stale: Vec::new(),
            pass: None,
        };
        let mut known = HashMap::new();
        let mut commits = db.prepare("SELECT id, data FROM commits ORDER BY id")?;
        let mut found = commits.query([])?;
        while let Some(commit) = found.next()? {
            tail.last_commit = commit.get(0)?;
            let blob = Bytes::from(commit.get::<_, Vec<u8>>(1)?);
            let rows = decode(&blob)
                .ok_or_else(|| OpenError::Damaged("a commit cannot be read back".into()))?;
            for (room, first_seq, count, time, data) in rows {
                let begin = match known.get(&room) {
                    Some(begin) => *begin,
                    None => *known.entry(room).or_insert(begin_of(db, room)?),
                };
                if begin.is_some_and(|begin| first_seq + count > begin) {
                    let commit = tail.last_commit;
                    tail.insert(
                        (room, first_seq),
                        TailRow {
                            count,
                            time,
                            data,
                            commit,
                        },
                    );
                }
            }
        }
        Ok(tail)
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

    /// Moves a slice into the clustered table, when there is something to move.
    pub(super) fn move_slice(&mut self, db: &mut Connection) -> rusqlite::Result<()> {
        let incoming = std::mem::take(&mut self.bytes_since_slice);
        let pass = match self.pass {
            Some(pass) => pass,
            None if self.bytes <= self.limits.bytes_max => return Ok(()),
            None => Pass {
                upto: self.last_commit,
                cursor: (i64::MIN, 0),
            },
        };
        // The rows are durable already; that they moved becomes so with the next commit.
        db.pragma_update(None, "synchronous", "NORMAL")?;
        let moved = self.write_slice(db, pass, self.limits.slice_bytes_min.max(incoming * 2));
        db.pragma_update(None, "synchronous", "FULL")?;
        let (moved, next) = moved?;
        self.remove(&moved);
        self.pass = next;
        Ok(())
    }

    /// Gives the keys of the rows that were written, and where to go on.
    fn write_slice(
        &self,
        db: &mut Connection,
        pass: Pass,
        bytes_max: usize,
    ) -> rusqlite::Result<(Vec<Key>, Option<Pass>)> {
        let transaction = db.transaction()?;
        let mut insert = transaction.prepare_cached(
            "INSERT OR REPLACE INTO journal(room, seq, count, time, data)
             VALUES(?1, ?2, ?3, ?4, ?5)",
        )?;
        // So that damage to the last moved row of a room is missed: nothing else knows the head.
        let mut update = transaction.prepare_cached(
            "UPDATE rooms SET head = ?2, changed = ?3 WHERE id = ?1 AND head < ?2",
        )?;
        let mut moved: Vec<Key> = Vec::new();
        let mut bytes = 0;
        let mut next = None;
        for (key, row) in self.rows.range(pass.cursor..) {
            if row.commit > pass.upto {
                continue;
            }
            if bytes >= bytes_max {
                next = Some(Pass {
                    cursor: *key,
                    ..pass
                });
                break;
            }
            bytes += row.cost();
            insert.execute(params![
                key.0,
                sql(key.1),
                sql(row.count),
                sql(row.time.0),
                &row.data[..]
            ])?;
            moved.push(*key);
        }
        for (at, key) in moved.iter().enumerate() {
            if moved.get(at + 1).is_none_or(|next| next.0 != key.0) {
                let row = &self.rows[key];
                update.execute([key.0, sql(key.1 + row.count - 1), sql(row.time.0)])?;
            }
        }
        drop((insert, update));
        if next.is_none() {
            transaction
                .prepare_cached("DELETE FROM commits WHERE id <= ?1")?
                .execute([pass.upto])?;
        }
        transaction.commit()?;
        Ok((moved, next))
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

/// The first seq of a room that a commit may still hold alone: rows before it were trimmed or have
/// moved. `None` when the room was deleted.
fn begin_of(db: &Connection, room: i64) -> rusqlite::Result<Option<u64>> {
    let trimmed: Option<i64> = db
        .prepare_cached("SELECT trimmed FROM rooms WHERE id = ?1")?
        .query_row([room], |row| row.get(0))
        .optional()?;
    let Some(trimmed) = trimmed else {
        return Ok(None);
    };
    let moved: Option<i64> = db
        .prepare_cached(
            "SELECT seq + count FROM journal WHERE room = ?1 ORDER BY seq DESC LIMIT 1",
        )?
        .query_row([room], |row| row.get(0))
        .optional()?;
    Ok(Some(trimmed.max(moved.unwrap_or(0)) as u64))
}

type Entry = (i64, u64, u64, Millis, Bytes);

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
fn decode(blob: &Bytes) -> Option<Vec<Entry>> {
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
