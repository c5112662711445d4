//! Kept versions of documents. Each is one row; its state is in pages of its own, which a list
//! does not touch.

use greenroom_core::store::{
    Lease, StoreError, StoreReply, Version, VersionId, VersionKind, VersionMeta, VersionsKept,
};
use greenroom_service::{Millis, RoomId};
use rusqlite::{OptionalExtension, Row, params};

use super::requests::{FENCED, damaged, number};
use super::{SqliteStore, sql};

/// What [`meta_of`] reads.
const META: &str = "id, seq, kind, label, user, expires, bytes";

impl SqliteStore {
    pub(super) fn put_version(
        &self,
        room: &RoomId,
        lease: Lease,
        document: &str,
        version: &Version,
        kept: VersionsKept,
    ) -> rusqlite::Result<StoreReply> {
        let Some(room) = self.held(room, lease).and_then(|held| held.room) else {
            return Ok(FENCED);
        };
        if self.full {
            return Ok(StoreReply::Failed(StoreError::Full));
        }
        let (newest, named): (Option<i64>, i64) = self
            .db
            .prepare_cached(
                "SELECT (SELECT max(id) FROM versions WHERE room = ?1 AND document = ?2),
                    (SELECT count(*) FROM versions WHERE room = ?1 AND document = ?2
                     AND gives_way = 0)",
            )?
            .query_row(params![room.id, document], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let newest = newest.map(|id| VersionId(id as u64));
        let checked = version
            .check(room.head)
            .and_then(|()| kept.check(version, newest, || named as u64));
        if let Err(error) = checked {
            return Ok(StoreReply::Failed(error));
        }
        let meta = &version.meta;
        self.db
            .prepare_cached(
                "INSERT INTO versions(room, document, id, seq, kind, gives_way, label, user,
                    expires, bytes, data)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                room.id,
                document,
                sql(meta.id.0),
                sql(meta.seq),
                meta.kind.name(),
                meta.kind.gives_way(),
                meta.label,
                meta.user,
                meta.expires.map(|at| sql(at.0)),
                sql(meta.bytes),
                &version.data[..],
            ])?;
        self.db
            .prepare_cached(
                "DELETE FROM versions WHERE room = ?1 AND document = ?2 AND gives_way = 1 AND id <=
                    (SELECT id FROM versions WHERE room = ?1 AND document = ?2 AND gives_way = 1
                     ORDER BY id DESC LIMIT 1 OFFSET ?3)",
            )?
            .execute(params![room.id, document, sql(kept.automatic_max)])?;
        Ok(StoreReply::Done)
    }

    pub(super) fn drop_version(
        &self,
        room: &RoomId,
        lease: Lease,
        document: &str,
        id: VersionId,
    ) -> rusqlite::Result<StoreReply> {
        let Some(held) = self.held(room, lease) else {
            return Ok(FENCED);
        };
        let dropped = match held.room {
            Some(room) => self
                .db
                .prepare_cached(
                    "DELETE FROM versions WHERE room = ?1 AND document = ?2 AND id = ?3",
                )?
                .execute(params![room.id, document, sql(id.0)])?,
            None => 0,
        };
        if dropped == 0 {
            return Ok(StoreReply::Failed(StoreError::VersionMissing));
        }
        Ok(StoreReply::Done)
    }

    pub(super) fn list_versions(
        &self,
        room: &RoomId,
        document: &str,
        before: Option<VersionId>,
        limit: usize,
    ) -> rusqlite::Result<StoreReply> {
        let mut versions = Vec::new();
        let Some((id, _)) = self.id_of(room)? else {
            return Ok(StoreReply::Versions(versions));
        };
        let before = before.map_or(i64::MAX, |before| sql(before.0));
        let mut select = self.db.prepare_cached(&format!(
            "SELECT {META} FROM versions WHERE room = ?1 AND document = ?2 AND id < ?3
             ORDER BY id DESC LIMIT ?4"
        ))?;
        let mut rows = select.query(params![id, document, before, sql(limit as u64)])?;
        while let Some(row) = rows.next()? {
            versions.push(meta_of(row)?);
        }
        Ok(StoreReply::Versions(versions))
    }

    pub(super) fn version(
        &self,
        room: &RoomId,
        document: &str,
        id: VersionId,
    ) -> rusqlite::Result<StoreReply> {
        let Some((room, _)) = self.id_of(room)? else {
            return Ok(StoreReply::Version(None));
        };
        let found = self
            .db
            .prepare_cached(&format!(
                "SELECT {META}, data FROM versions WHERE room = ?1 AND document = ?2 AND id = ?3"
            ))?
            .query_row(params![room, document, sql(id.0)], |row| {
                Ok(Box::new(Version {
                    meta: meta_of(row)?,
                    data: row.get::<_, Vec<u8>>(7)?.into(),
                }))
            })
            .optional()?;
        Ok(StoreReply::Version(found))
    }

    pub(super) fn expire_versions(
        &self,
        before: Millis,
        limit: usize,
    ) -> rusqlite::Result<StoreReply> {
        let expired = self
            .db
            .prepare_cached(
                "DELETE FROM versions WHERE rowid IN (SELECT rowid FROM versions
                    WHERE expires IS NOT NULL AND expires <= ?1
                    ORDER BY expires, room, document, id LIMIT ?2)",
            )?
            .execute([sql(before.0), sql(limit as u64)])?;
        Ok(StoreReply::Expired(expired as u64))
    }
}

fn meta_of(row: &Row<'_>) -> rusqlite::Result<VersionMeta> {
    let kind = VersionKind::from_name(row.get_ref(2)?.as_str()?);
    let expires: Option<i64> = row.get(5)?;
    Ok(VersionMeta {
        id: VersionId(number(row, 0)?),
        seq: number(row, 1)?,
        kind: kind.ok_or_else(damaged)?,
        label: row.get(3)?,
        user: row.get(4)?,
        expires: expires.map(|at| Millis(at as u64)),
        bytes: number(row, 6)?,
    })
}
