//! The store on SQLite: batches of requests as transactions.
//!
//! Per batch one transaction: leases and heads are checked in memory before anything is written, so
//! that one fenced room fails no other; the rows of all rooms go into one blob (see [`tail`]). What
//! memory knows of rooms follows the transaction: it is kept when the commit succeeded and undone
//! when it did not.
//!
//! When a write or a sync fails for another reason than a full disk, nobody knows what the file
//! holds any more: [`recovery`] carries the last good state and the batch into a new file, and if
//! that fails too, the store takes no more writes.

mod copy;
mod log;
mod mark;
mod names;
mod recovery;
mod requests;
mod restore;
mod salvage;
mod schema;
mod tail;
mod versions;

use std::collections::HashMap;
use std::path::Path;
use std::slice;
use std::sync::Arc;

use greenroom_core::store::{Lease, Level, NodeId, StoreError, StoreReply, StoreRequest};
use greenroom_service::{Millis, RoomId};
use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode};

use super::{DataDirectory, DiskWatch, Engine, FreeLimits, Health, OpenError};
pub use copy::StoreCopy;
use mark::Mark;
use names::Names;
pub use restore::{Damage, Restored, restore};
pub use salvage::Loss;
use tail::Tail;

#[cfg(test)]
mod tests;

/// Pages in the write-ahead log after which they are carried into the database: 16 MiB.
const WAL_PAGES_MAX: i32 = 4_096;

/// A store in one SQLite database.
#[derive(Debug)]
pub struct SqliteStore {
    db: Connection,
    /// Where the database is; `None` when it is in memory.
    home: Option<Home>,
    level: Level,
    /// Why no writes are taken any more.
    read_only: Option<String>,
    /// Appends are refused until there is space again.
    full: bool,
    disk: Option<Arc<DiskWatch>>,
    owners: Owners,
    names: Names,
    tail: Tail,
    /// What was acknowledged, told apart from the database.
    mark: Option<Mark>,
    /// What was found missing when it was opened.
    loss: Option<Loss>,
    #[cfg(test)]
    faults: tests::Faults,
}

/// The place of a database on disk.
#[derive(Clone, Debug)]
struct Home {
    directory: Arc<DataDirectory>,
    /// The number in the file's name, higher with each recovery.
    generation: u64,
}

/// Who owns which room; all leases end with the process, so this is never on disk.
#[derive(Debug)]
struct Owners {
    held: HashMap<RoomId, Held>,
    newest: Newest,
    /// What `held` was before the open transaction, newest change last.
    undo: Vec<(RoomId, Option<Held>)>,
    /// What `newest` was before the open transaction.
    newest_before: Newest,
    /// How many rooms there are.
    rooms: u64,
    /// What `rooms` was before the open transaction.
    rooms_before: u64,
}

/// The newest epoch, and whom it was given to: another node gets a higher one.
#[derive(Clone, Copy, Debug)]
struct Newest {
    epoch: u64,
    node: Option<NodeId>,
}

/// A room with an owner.
#[derive(Clone, Copy, Debug)]
struct Held {
    node: NodeId,
    lease: Lease,
    /// `None` until the room is written for the first time.
    room: Option<RoomState>,
}

/// What an owned room's appends need to know, so that none of them reads or updates its row.
#[derive(Clone, Copy, Debug)]
struct RoomState {
    id: i64,
    head: u64,
    /// Room time of the last append.
    changed: Millis,
    /// The first seq that no trim ended.
    trimmed: u64,
    next_wake: Option<Millis>,
}

/// Why a batch was not committed.
#[derive(Debug)]
enum Failure {
    /// The disk is full; the file is as it was.
    Full,
    /// A write or a sync failed: what the file holds is unknown.
    Write(String),
    /// One request met an error that need not concern the others.
    Request(StoreError),
    /// The table of commits, which all rooms share, has a damaged page.
    Shared(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        failure_of(&error)
    }
}

impl Owners {
    fn set(&mut self, room: &RoomId, held: Option<Held>) {
        let before = match held {
            Some(held) => self.held.insert(room.clone(), held),
            None => self.held.remove(room),
        };
        self.undo.push((room.clone(), before));
    }

    fn accept(&mut self) {
        self.undo.clear();
        self.newest_before = self.newest;
        self.rooms_before = self.rooms;
    }

    fn revert(&mut self) {
        for (room, before) in self.undo.drain(..).rev() {
            match before {
                Some(held) => self.held.insert(room, held),
                None => self.held.remove(&room),
            };
        }
        self.newest = self.newest_before;
        self.rooms = self.rooms_before;
    }
}

impl SqliteStore {
    /// Opens the store of a data directory, creating it where there is none, and probes that a sync
    /// succeeds there. The directory stays locked as long as the store lives.
    ///
    /// # Errors
    /// [`OpenError`]; nothing of an existing database was changed when it is
    /// [`OpenError::NewerFormat`] or [`OpenError::Foreign`].
    pub fn open(directory: Arc<DataDirectory>) -> Result<Self, OpenError> {
        Self::open_with(directory, FreeLimits::default())
    }

    /// As [`Self::open`], with so much of the disk to be left free.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(directory: Arc<DataDirectory>, free: FreeLimits) -> Result<Self, OpenError> {
        let disk = DiskWatch::new(directory.path(), free);
        let mark = Mark::open(&directory)?;
        let (db, home) = schema::open_newest(directory, |home| {
            if mark.acknowledged() > 0 {
                salvage::keep_log(home, mark.acknowledged())?;
            }
            Ok(())
        })?;
        let (db, tail, mark, loss) = Self::whole(db, &home, mark)?;
        let mut store = Self::with(db, Some(home), tail, Level::Local)?;
        (store.mark, store.loss) = (Some(mark), loss);
        store.disk = Some(Arc::new(disk));
        Ok(store)
    }

    /// Whether this program can open the store in `directory`, which may be in use: `None` when
    /// there is none, else the number of its format.
    ///
    /// # Errors
    /// [`OpenError`]: of a newer format, of another program, not readable.
    pub fn format_of(directory: &Path) -> Result<Option<u32>, OpenError> {
        schema::format_of(directory)
    }

    /// An empty store that ends with this value: [`Level::Memory`].
    ///
    /// # Errors
    /// [`OpenError::Io`] when there is no memory for it.
    pub fn in_memory() -> Result<Self, OpenError> {
        let db = schema::open_memory()?;
        let tail = Tail::load(&db)?;
        Self::with(db, None, tail, Level::Memory)
    }

    fn with(
        db: Connection,
        home: Option<Home>,
        tail: Tail,
        level: Level,
    ) -> Result<Self, OpenError> {
        let newest = Newest {
            epoch: schema::next_epoch(&db)?,
            node: None,
        };
        if let Some(home) = &home {
            schema::probe_sync(home)?;
        }
        let names = Names::load(&db);
        let rooms = names.count();
        Ok(Self {
            db,
            home,
            level,
            read_only: None,
            full: false,
            disk: None,
            owners: Owners {
                held: HashMap::new(),
                newest,
                undo: Vec::new(),
                newest_before: newest,
                rooms,
                rooms_before: rooms,
            },
            names,
            tail,
            mark: None,
            loss: None,
            #[cfg(test)]
            faults: tests::Faults::default(),
        })
    }

    /// Compares what is there with what was acknowledged, before anything is written.
    fn whole(
        db: Connection,
        home: &Home,
        mut mark: Mark,
    ) -> Result<(Connection, Tail, Mark, Option<Loss>), OpenError> {
        let acknowledged = mark.acknowledged();
        let tail = Tail::load(&db)?;
        let is_whole = tail.missing().is_empty() && tail.last_commit() >= acknowledged;
        let (db, tail, loss) = if is_whole {
            (db, tail, None)
        } else {
            let (db, tail, loss) = salvage::salvage(db, home, tail, acknowledged)?;
            (db, tail, Some(loss))
        };
        mark.advance(tail.last_commit());
        Ok((db, tail, mark, loss))
    }

    /// What had been acknowledged and was not there when the store was opened; `None` when all was.
    #[must_use]
    pub const fn loss(&self) -> Option<&Loss> {
        self.loss.as_ref()
    }

    fn batch(&mut self, requests: &[StoreRequest]) -> Vec<StoreReply> {
        match self.attempt(requests) {
            Ok(replies) => replies,
            Err(Failure::Full) => {
                self.full = true;
                // The next who asks finds room: a snapshot, a trim, the end of the database.
                if let Some(disk) = &self.disk {
                    disk.give_up_reserve();
                }
                self.without_writes(requests, &StoreError::Full)
            }
            Err(Failure::Write(reason)) => match recovery::recover(self, requests) {
                Ok(replies) => {
                    tracing::warn!(reason, "a write failed; the store moved to a new file");
                    replies
                }
                Err(error) => {
                    tracing::error!(?error, "the store could not move to a new file");
                    self.poison(reason.clone());
                    self.without_writes(requests, &StoreError::Io(reason))
                }
            },
            Err(Failure::Shared(reason)) => match self.attempt_anew(requests) {
                Ok(replies) => {
                    tracing::error!(reason, "the table of commits was damaged; it was made anew");
                    replies
                }
                Err(error) => {
                    tracing::error!(?error, "the table of commits could not be made anew");
                    self.poison(shared(&reason));
                    self.without_writes(requests, &StoreError::ReadOnly)
                }
            },
            Err(Failure::Request(error)) if requests.len() == 1 => {
                vec![StoreReply::Failed(error)]
            }
            Err(Failure::Request(_)) => requests
                .iter()
                .flat_map(|request| self.batch(slice::from_ref(request)))
                .collect(),
        }
    }

    /// Does the requests in one transaction; nothing of them is left when it fails.
    fn attempt(&mut self, requests: &[StoreRequest]) -> Result<Vec<StoreReply>, Failure> {
        let result = self.execute(requests).and_then(|replies| {
            self.commit()?;
            Ok(replies)
        });
        match result {
            Ok(replies) => {
                self.accept();
                Ok(replies)
            }
            Err(failure) => {
                self.revert();
                Err(failure)
            }
        }
    }

    /// As [`Self::attempt`], in a new table of commits.
    fn attempt_anew(&mut self, requests: &[StoreRequest]) -> Result<Vec<StoreReply>, Failure> {
        self.tail.begin_anew(&mut self.db)?;
        self.attempt(requests)
    }

    /// Does the requests in a transaction and leaves that open.
    fn execute(&mut self, requests: &[StoreRequest]) -> Result<Vec<StoreReply>, Failure> {
        if self.read_only.is_none() && requests.iter().any(StoreRequest::is_write) {
            self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        }
        let mut replies = Vec::with_capacity(requests.len());
        for request in requests {
            replies.push(self.one(request)?);
        }
        match self.tail.write(&self.db) {
            Err(error) if is_damage(&error) => Err(Failure::Shared(text_of(&error))),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(replies),
        }
    }

    fn commit(&mut self) -> rusqlite::Result<()> {
        #[cfg(test)]
        self.faults.before_commit()?;
        if !self.db.is_autocommit() {
            self.db.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(())
    }

    fn accept(&mut self) {
        self.owners.accept();
        self.names.accept();
        self.tail.accept();
        if let Some(mark) = &mut self.mark {
            mark.advance(self.tail.last_commit());
        }
    }

    fn revert(&mut self) {
        // SQLite has rolled back on its own after some errors.
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            self.poison(text_of(&error));
        }
        self.owners.revert();
        self.names.revert();
        self.tail.revert();
    }

    /// Answers the writes among the requests with `error` and does the others.
    fn without_writes(&mut self, requests: &[StoreRequest], error: &StoreError) -> Vec<StoreReply> {
        let mut answer = |request: &StoreRequest| {
            if request.is_write() {
                return StoreReply::Failed(error.clone());
            }
            self.one(request)
                .unwrap_or_else(|error| StoreReply::Failed(store_error(&error)))
        };
        let replies = requests.iter().map(&mut answer).collect();
        self.accept();
        replies
    }

    fn look_at_space(&mut self) {
        let state = self.disk.as_ref().and_then(|disk| disk.look_now());
        self.full = state.is_some_and(|state| state.is_low);
    }

    /// Takes no writes from now on, and leaves the file as it is even at the end.
    fn poison(&mut self, reason: String) {
        tracing::error!(reason, "the store takes no more writes");
        // A failure here changes nothing: the log is replayed when the store is opened anew.
        let _ = self
            .db
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        self.read_only.get_or_insert(reason);
    }

    /// Moves a slice of the tail and keeps the write-ahead log bounded.
    fn upkeep(&mut self) -> rusqlite::Result<()> {
        match self.tail.move_slice(&mut self.db) {
            // Damage to the pages of rooms is dealt with: this is that of the commits.
            Err(error) if is_damage(&error) => {
                let reason = text_of(&error);
                tracing::error!(reason, "the table of commits is damaged; it is made anew");
                self.tail.begin_anew(&mut self.db)?;
            }
            moved => moved?,
        }
        let (pages, _) = self
            .db
            .wal_checkpoint_v2(None::<&str>, CheckpointMode::NOOP)?;
        if pages > WAL_PAGES_MAX {
            self.db
                .wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)?;
        }
        Ok(())
    }
}

impl Engine for SqliteStore {
    fn handle_batch(&mut self, requests: Vec<StoreRequest>) -> Vec<StoreReply> {
        let appends = |request: &StoreRequest| matches!(request, StoreRequest::Append(_));
        if self.full || requests.iter().any(appends) {
            self.look_at_space();
        }
        self.batch(&requests)
    }

    fn maintain(&mut self) {
        if self.read_only.is_some() {
            return;
        }
        if let Err(error) = self.upkeep() {
            match failure_of(&error) {
                // Appends are refused for the same reason, so that the tail does not grow.
                Failure::Full => tracing::warn!("upkeep of the store waits: the disk is full"),
                Failure::Write(reason) => self.poison(reason),
                Failure::Shared(reason) => self.poison(shared(&reason)),
                Failure::Request(StoreError::Damaged(reason)) => self.poison(shared(&reason)),
                Failure::Request(error) => self.poison(error.to_string()),
            }
        }
    }

    fn health(&self) -> Health {
        Health {
            level: self.level,
            read_only: self.read_only.clone(),
            full: self.full,
            rooms: self.owners.rooms,
        }
    }

    fn disk(&self) -> Option<Arc<DiskWatch>> {
        self.disk.clone()
    }
}

/// A number as SQLite has it; none of ours comes near the limit.
fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether the error is that of a page that is not what it should be.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(store_error(error), StoreError::Damaged(_))
}

/// Why a store takes no more writes after damage that is not that of some rooms.
fn shared(reason: &str) -> String {
    format!("a page that all rooms share is damaged ({reason}): check the disk, restore a backup")
}

fn failure_of(error: &rusqlite::Error) -> Failure {
    use rusqlite::ffi;
    let reading = [
        ffi::SQLITE_IOERR_READ,
        ffi::SQLITE_IOERR_SHORT_READ,
        ffi::SQLITE_IOERR_CORRUPTFS,
    ];
    let extended = error.sqlite_error().map_or(0, |e| e.extended_code);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Failure::Full,
        Some(ErrorCode::SystemIoFailure) if is_index_full(error) => Failure::Full,
        Some(ErrorCode::SystemIoFailure) if reading.contains(&extended) => {
            Failure::Request(store_error(error))
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            Failure::Write(text_of(error))
        }
        _ => Failure::Request(store_error(error)),
    }
}

/// Whether the index of the log could not grow. It is no part of what is durable, and what the
/// transaction wrote into the log does not count without it.
pub(super) fn is_index_full(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|e| e.extended_code);
    extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

fn store_error(error: &rusqlite::Error) -> StoreError {
    let text = text_of(error);
    if is_index_full(error) {
        return StoreError::Full;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(text),
        None => StoreError::Damaged(text),
        Some(_) => StoreError::Io(text),
    }
}

/// What happened, without the path that SQLite's own message may hold.
pub(super) fn text_of(error: &rusqlite::Error) -> String {
    error.sqlite_error().map_or_else(
        || "a stored value has another type".into(),
        ToString::to_string,
    )
}
