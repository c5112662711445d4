//! Each request as SQL and as a change of what memory knows.

use bytes::Bytes;
use greenroom_core::store::{
    Acquired, Append, Lease, ListFilter, NodeId, Part, RoomMeta, Row, Snapshot, StoreError,
    StoreReply, StoreRequest,
};
use greenroom_service::{Millis, RoomId};
use rusqlite::{OptionalExtension, params};

use super::tail::Tail;
use super::{Held, RoomState, SqliteStore, schema, sql};

/// A room's row with what the clustered journal knows better.
pub(super) const ROOM: &str = "
SELECT id, name, kind, incarnation, created, changed, head, trimmed, next_wake, metadata, accesses,
    (SELECT seq + count - 1 FROM journal WHERE room = id ORDER BY seq DESC LIMIT 1),
    (SELECT time FROM journal WHERE room = id ORDER BY seq DESC LIMIT 1)
FROM rooms";

pub(super) const FENCED: StoreReply = StoreReply::Failed(StoreError::Fenced);

/// A room that was written.
pub(super) struct Found {
    pub(super) incarnation: u128,
    pub(super) state: RoomState,
    pub(super) meta: RoomMeta,
}

impl SqliteStore {
    /// Does one request within the open transaction; an error ends that transaction.
    pub(super) fn one(&mut self, request: &StoreRequest) -> rusqlite::Result<StoreReply> {
        if request.is_write() && self.read_only.is_some() {
            return Ok(StoreReply::Failed(StoreError::ReadOnly));
        }
        match request {
            StoreRequest::Acquire { room, node } => self.acquire(room, *node),
            StoreRequest::Renew { node, rooms } => Ok(self.renew(*node, rooms)),
            StoreRequest::Append(append) => self.append(append),
            StoreRequest::Release { room, lease } => {
                if self.held(room, *lease).is_some() {
                    self.owners.set(room, None);
                }
                Ok(StoreReply::Done)
            }
            StoreRequest::Read {
                room,
                from_seq,
                bytes_max,
            } => self.read(room, *from_seq, *bytes_max),
            StoreRequest::Snapshots { room } => self.snapshots(room),
            StoreRequest::PutSnapshot {
                room,
                lease,
                snapshot,
            } => self.put_snapshot(room, *lease, snapshot),
            StoreRequest::Trim {
                room,
                lease,
                below_seq,
            } => self.trim(room, *lease, *below_seq),
            StoreRequest::PutVersion {
                room,
                lease,
                document,
                version,
                kept,
            } => self.put_version(room, *lease, document, version, *kept),
            StoreRequest::DropVersion {
                room,
                lease,
                document,
                id,
            } => self.drop_version(room, *lease, document, *id),
            StoreRequest::Versions {
                room,
                document,
                before,
                limit,
            } => self.list_versions(room, document, *before, *limit),
            StoreRequest::Version { room, document, id } => self.version(room, document, *id),
            StoreRequest::ExpireVersions { before, limit } => self.expire_versions(*before, *limit),
            StoreRequest::Due { before, limit } => self.due(*before, *limit),
            StoreRequest::List(filter) => self.list(filter),
            StoreRequest::Delete { room } => self.delete(room),
            StoreRequest::Queue { after, limit } => self.queue(*after, *limit),
            StoreRequest::Enqueue { .. } if self.full => Ok(StoreReply::Failed(StoreError::Full)),
            StoreRequest::Enqueue { items } => {
                self.enqueue(items)?;
                Ok(StoreReply::Done)
            }
            StoreRequest::QueueDone { ids } => self.queue_done(ids),
            other => Ok(StoreReply::Failed(StoreError::Io(format!(
                "this store does not know the request {other:?}"
            )))),
        }
    }

    fn acquire(&mut self, room: &RoomId, node: NodeId) -> rusqlite::Result<StoreReply> {
        let held = self.owners.held.get(room).copied();
        if let Some(held) = held.filter(|held| held.node != node) {
            return Ok(StoreReply::Failed(StoreError::Held(held.node)));
        }
        let is_new_owner = self.owners.newest.node.is_some_and(|owner| owner != node);
        if held.is_none() && is_new_owner && self.read_only.is_some() {
            // A new epoch would have to be written.
            return Ok(StoreReply::Failed(StoreError::ReadOnly));
        }
        let found = self.find(room)?;
        let lease = match held {
            Some(held) => held.lease,
            None => self.new_lease(found.as_ref(), node)?,
        };
        self.owners.set(
            room,
            Some(Held {
                node,
                lease,
                room: found.as_ref().map(|found| found.state),
            }),
        );
        Ok(StoreReply::Acquired(Acquired {
            lease,
            head: found.as_ref().map_or(0, |found| found.meta.head),
            meta: found.map(|found| found.meta),
        }))
    }

    fn new_lease(&mut self, found: Option<&Found>, node: NodeId) -> rusqlite::Result<Lease> {
        let newest = &mut self.owners.newest;
        if newest.node.is_some_and(|owner| owner != node) {
            newest.epoch = schema::next_epoch(&self.db)?;
        }
        newest.node = Some(node);
        let incarnation = match found {
            Some(found) => found.incarnation,
            None => self
                .db
                .prepare_cached("SELECT randomblob(16)")?
                .query_row([], |row| row.get(0))
                .map(u128::from_le_bytes)?,
        };
        Ok(Lease {
            incarnation,
            epoch: self.owners.newest.epoch,
        })
    }

    fn renew(&self, node: NodeId, rooms: &[(RoomId, Lease)]) -> StoreReply {
        let is_held = |(room, lease): &&(RoomId, Lease)| {
            self.held(room, *lease)
                .is_some_and(|held| held.node == node)
        };
        StoreReply::Renewed(
            rooms
                .iter()
                .filter(is_held)
                .map(|(room, _)| room.clone())
                .collect(),
        )
    }

    /// The room's entry, when this is its lease.
    pub(super) fn held(&self, room: &RoomId, lease: Lease) -> Option<Held> {
        let held = self.owners.held.get(room).copied();
        held.filter(|held| held.lease == lease)
    }

    fn append(&mut self, append: &Append) -> rusqlite::Result<StoreReply> {
        let Some(held) = self.held(&append.room, append.lease) else {
            return Ok(FENCED);
        };
        if self.full {
            return Ok(StoreReply::Failed(StoreError::Full));
        }
        if held.room.is_some_and(|room| self.tail.is_stuck(room.id)) {
            let what = "its rows cannot be moved: a page is damaged";
            return Ok(StoreReply::Failed(StoreError::Damaged(what.into())));
        }
        if let Err(error) = append.check(held.room.map_or(0, |room| room.head)) {
            return Ok(StoreReply::Failed(error));
        }
        let id = match held.room {
            None => {
                let id = self.create_room(append)?;
                self.owners.rooms += 1;
                self.names.insert(append.room.as_str());
                id
            }
            Some(room) => {
                self.update_meta(&room, append)?;
                room.id
            }
        };
        self.tail.push(id, append);
        self.enqueue(&append.queue)?;
        let room = RoomState {
            id,
            head: append.first_seq + append.count - 1,
            changed: append.meta.now,
            trimmed: held.room.map_or(0, |room| room.trimmed),
            next_wake: append.next_wake,
        };
        let held = Held {
            room: Some(room),
            ..held
        };
        self.owners.set(&append.room, Some(held));
        Ok(StoreReply::Done)
    }

    fn create_room(&self, append: &Append) -> rusqlite::Result<i64> {
        let meta = &append.meta;
        self.db
            .prepare_cached(
                "INSERT INTO rooms(name, kind, incarnation, created, changed, head, trimmed,
                    next_wake, metadata, accesses)
                 VALUES(?1, ?2, ?3, ?4, ?4, 0, 0, ?5, ?6, ?7)",
            )?
            .execute(params![
                append.room.as_str(),
                meta.kind.as_deref().unwrap_or_default(),
                append.lease.incarnation.to_le_bytes(),
                sql(meta.now.0),
                append.next_wake.map(|wake| sql(wake.0)),
                meta.metadata.as_deref().unwrap_or_default(),
                meta.accesses.as_deref().unwrap_or_default(),
            ])?;
        Ok(self.db.last_insert_rowid())
    }

    /// Writes the room's row only when something in it changes.
    fn update_meta(&self, room: &RoomState, append: &Append) -> rusqlite::Result<()> {
        let meta = &append.meta;
        let changes = meta.kind.is_some() || meta.metadata.is_some() || meta.accesses.is_some();
        if !changes && append.next_wake == room.next_wake {
            return Ok(());
        }
        self.db
            .prepare_cached(
                "UPDATE rooms SET next_wake = ?2, kind = coalesce(?3, kind),
                    metadata = coalesce(?4, metadata), accesses = coalesce(?5, accesses)
                 WHERE id = ?1",
            )?
            .execute(params![
                room.id,
                append.next_wake.map(|wake| sql(wake.0)),
                meta.kind,
                meta.metadata.as_deref(),
                meta.accesses.as_deref(),
            ])?;
        Ok(())
    }

    fn read(&self, room: &RoomId, from_seq: u64, bytes_max: usize) -> rusqlite::Result<StoreReply> {
        let mut rows = Vec::new();
        let Some((id, trimmed)) = self.id_of(room)? else {
            return Ok(StoreReply::Rows { rows, more: false });
        };
        let mut bytes = 0;
        let mut fits = |rows: &[Row], data: &[u8]| {
            bytes += data.len();
            bytes <= bytes_max || rows.is_empty()
        };
        let mut journal = self.db.prepare_cached(
            "SELECT seq, count, data FROM journal WHERE room = ?1 AND seq >= coalesce(
                (SELECT max(seq) FROM journal WHERE room = ?1 AND seq <= ?2), 0) ORDER BY seq",
        )?;
        let mut found = journal.query([id, sql(from_seq)])?;
        while let Some(row) = found.next()? {
            let first_seq = number(row, 0)?;
            if first_seq + number(row, 1)? <= from_seq {
                continue;
            }
            let data = row.get_ref(2)?.as_blob()?;
            if !fits(&rows, data) {
                return Ok(StoreReply::Rows { rows, more: true });
            }
            let data = Bytes::copy_from_slice(data);
            rows.push(Row { first_seq, data });
        }
        for (first_seq, row) in self.tail.of_room(id) {
            if first_seq + row.count <= from_seq.max(trimmed) {
                continue;
            }
            if !fits(&rows, &row.data) {
                return Ok(StoreReply::Rows { rows, more: true });
            }
            let data = row.data.clone();
            rows.push(Row { first_seq, data });
        }
        Ok(StoreReply::Rows { rows, more: false })
    }

    fn snapshots(&self, room: &RoomId) -> rusqlite::Result<StoreReply> {
        let mut snapshots = Vec::new();
        let Some((id, _)) = self.id_of(room)? else {
            return Ok(StoreReply::Snapshots(snapshots));
        };
        let mut select = self
            .db
            .prepare_cached("SELECT part, seq, data FROM snapshots WHERE room = ?1")?;
        let mut found = select.query([id])?;
        while let Some(row) = found.next()? {
            let Some(part) = Part::from_name(row.get_ref(0)?.as_str()?) else {
                let what = "a snapshot of a part that this version does not know";
                return Ok(StoreReply::Failed(StoreError::Damaged(what.into())));
            };
            snapshots.push(Snapshot {
                part,
                seq: number(row, 1)?,
                data: row.get::<_, Vec<u8>>(2)?.into(),
            });
        }
        snapshots.sort_by(|a, b| a.part.cmp(&b.part).then(b.seq.cmp(&a.seq)));
        Ok(StoreReply::Snapshots(snapshots))
    }

    fn put_snapshot(
        &self,
        room: &RoomId,
        lease: Lease,
        snapshot: &Snapshot,
    ) -> rusqlite::Result<StoreReply> {
        let Some(room) = self.held(room, lease).and_then(|held| held.room) else {
            return Ok(FENCED);
        };
        if let Err(error) = snapshot.check(room.head) {
            return Ok(StoreReply::Failed(error));
        }
        let part = snapshot.part.name();
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO snapshots(room, part, seq, data) VALUES(?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                room.id,
                part,
                sql(snapshot.seq),
                &snapshot.data[..]
            ])?;
        self.db
            .prepare_cached(
                "DELETE FROM snapshots WHERE room = ?1 AND part = ?2 AND seq <
                    (SELECT seq FROM snapshots WHERE room = ?1 AND part = ?2
                     ORDER BY seq DESC LIMIT 1 OFFSET 1)",
            )?
            .execute(params![room.id, part])?;
        Ok(StoreReply::Done)
    }

    fn trim(
        &mut self,
        room: &RoomId,
        lease: Lease,
        below_seq: u64,
    ) -> rusqlite::Result<StoreReply> {
        let Some(held) = self.held(room, lease) else {
            return Ok(FENCED);
        };
        let Some(state) = held.room else {
            return Ok(StoreReply::Done);
        };
        let below_seq = below_seq.min(state.head + 1);
        if below_seq <= state.trimmed {
            return Ok(StoreReply::Done);
        }
        self.db
            .prepare_cached(
                "DELETE FROM journal WHERE room = ?1 AND seq < ?2 AND seq + count <= ?2",
            )?
            .execute([state.id, sql(below_seq)])?;
        // When all rows go, nothing else knows the head.
        self.db
            .prepare_cached("UPDATE rooms SET head = ?2, changed = ?3, trimmed = ?4 WHERE id = ?1")?
            .execute([
                state.id,
                sql(state.head),
                sql(state.changed.0),
                sql(below_seq),
            ])?;
        self.tail.drop_below(state.id, below_seq);
        let state = RoomState {
            trimmed: below_seq,
            ..state
        };
        let held = Held {
            room: Some(state),
            ..held
        };
        self.owners.set(room, Some(held));
        Ok(StoreReply::Done)
    }

    fn due(&self, before: Millis, limit: usize) -> rusqlite::Result<StoreReply> {
        let mut select = self.db.prepare_cached(
            "SELECT name, next_wake FROM rooms WHERE next_wake <= ?1
             ORDER BY next_wake, name LIMIT ?2",
        )?;
        let found = select.query_map([sql(before.0), sql(limit as u64)], |row| {
            let name = RoomId::new(&String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?));
            Ok(name.ok().zip(Some(Millis(number(row, 1)?))))
        })?;
        // A name that is none is damaged; the others are woken.
        let due = found.filter_map(Result::transpose);
        Ok(StoreReply::Due(due.collect::<Result<_, _>>()?))
    }

    fn list(&self, filter: &ListFilter) -> rusqlite::Result<StoreReply> {
        let kind = match filter.kind {
            Some(_) => "kind = ?3",
            None => "?3 IS NULL",
        };
        let mut select = self.db.prepare_cached(&format!(
            "{ROOM} WHERE {kind} AND name >= ?1 AND name > ?2 ORDER BY name LIMIT ?4"
        ))?;
        let after = filter.after.as_ref().map_or("", RoomId::as_str);
        let limit = sql(filter.limit as u64);
        let mut rows = select.query(params![filter.prefix, after, filter.kind, limit])?;
        let mut rooms = Vec::new();
        while let Some(row) = rows.next()? {
            // From the first name that begins otherwise on, all do.
            if !row.get_ref(1)?.as_str()?.starts_with(&filter.prefix) {
                break;
            }
            rooms.push(found(&self.tail, row)?.meta);
        }
        Ok(StoreReply::Rooms(rooms))
    }

    fn delete(&mut self, room: &RoomId) -> rusqlite::Result<StoreReply> {
        if let Some((id, _)) = self.id_of(room)? {
            self.owners.rooms = self.owners.rooms.saturating_sub(1);
            self.names.remove(room.as_str());
            for table in [
                "journal WHERE room",
                "snapshots WHERE room",
                "versions WHERE room",
                "rooms WHERE id",
            ] {
                self.db
                    .prepare_cached(&format!("DELETE FROM {table} = ?1"))?
                    .execute([id])?;
            }
            self.tail.drop_below(id, u64::MAX);
        }
        self.owners.set(room, None);
        Ok(StoreReply::Done)
    }

    fn enqueue(&self, items: &[Bytes]) -> rusqlite::Result<()> {
        for item in items {
            self.db
                .prepare_cached("INSERT INTO queue(data) VALUES(?1)")?
                .execute([&item[..]])?;
        }
        Ok(())
    }

    fn queue(&self, after: u64, limit: usize) -> rusqlite::Result<StoreReply> {
        let mut select = self
            .db
            .prepare_cached("SELECT id, data FROM queue WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let found = select.query_map([sql(after), sql(limit as u64)], |row| {
            Ok((number(row, 0)?, row.get::<_, Vec<u8>>(1)?.into()))
        })?;
        Ok(StoreReply::Queue(found.collect::<Result<_, _>>()?))
    }

    fn queue_done(&self, ids: &[u64]) -> rusqlite::Result<StoreReply> {
        let mut delete = self.db.prepare_cached("DELETE FROM queue WHERE id = ?1")?;
        for id in ids {
            delete.execute([sql(*id)])?;
        }
        Ok(StoreReply::Done)
    }

    /// The id of a room that was written, and the first seq that no trim ended.
    pub(super) fn id_of(&self, room: &RoomId) -> rusqlite::Result<Option<(i64, u64)>> {
        if let Some(state) = self.owners.held.get(room).and_then(|held| held.room) {
            return Ok(Some((state.id, state.trimmed)));
        }
        let found = self
            .db
            .prepare_cached("SELECT id, trimmed, name FROM rooms WHERE name = ?1")?
            .query_row([room.as_str()], |row| {
                let is_it = row.get_ref(2)?.as_bytes()? == room.as_str().as_bytes();
                is_it.then_some(()).ok_or_else(damaged)?;
                Ok((row.get(0)?, number(row, 1)?))
            })
            .optional()?;
        self.not_hidden(room, found)
    }

    fn find(&self, room: &RoomId) -> rusqlite::Result<Option<Found>> {
        let found = self
            .db
            .prepare_cached(&format!("{ROOM} WHERE name = ?1"))?
            .query_row([room.as_str()], |row| found(&self.tail, row))
            .optional()?;
        // An index that is damaged may lead to another room.
        if found.as_ref().is_some_and(|found| found.meta.room != *room) {
            return Err(damaged());
        }
        self.not_hidden(room, found)
    }

    /// A room that exists and is not found is damaged, not new.
    fn not_hidden<T>(&self, room: &RoomId, found: Option<T>) -> rusqlite::Result<Option<T>> {
        if found.is_none() && self.names.contains(room.as_str()) {
            return Err(damaged());
        }
        Ok(found)
    }
}

/// What SQLite does not see of damage.
pub(super) fn damaged() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, None)
}

/// Reads a row of [`ROOM`]; the newest rows are in the tail.
pub(super) fn found(tail: &Tail, row: &rusqlite::Row<'_>) -> rusqlite::Result<Found> {
    let id = row.get(0)?;
    let newest = tail.of_room(id).next_back();
    let in_tail = newest.map_or((0, 0), |(seq, row)| (seq + row.count - 1, row.time.0));
    let (head, changed) = [
        (number(row, 6)?, number(row, 5)?),
        (number(row, 11)?, number(row, 12)?),
        in_tail,
    ]
    .into_iter()
    .max()
    .expect("there are three");
    let next_wake = row
        .get::<_, Option<i64>>(8)?
        .map(|wake| Millis(wake as u64));
    Ok(Found {
        incarnation: u128::from_le_bytes(row.get(3)?),
        state: RoomState {
            id,
            head,
            changed: Millis(changed),
            trimmed: number(row, 7)?,
            next_wake,
        },
        meta: RoomMeta {
            room: room_name(row, 1)?,
            kind: row.get(2)?,
            created: Millis(number(row, 4)?),
            changed: Millis(changed),
            head,
            metadata: row.get::<_, Vec<u8>>(9)?.into(),
            accesses: row.get::<_, Vec<u8>>(10)?.into(),
            next_wake,
        },
    })
}

/// A number of ours; 0 where there is none.
pub(super) fn number(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, Option<i64>>(column)?.unwrap_or(0) as u64)
}

fn room_name(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<RoomId> {
    let name = row.get_ref(column)?.as_str()?;
    RoomId::new(name).map_err(|error| {
        let text = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, text, Box::new(error))
    })
}
