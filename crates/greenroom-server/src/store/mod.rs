//! The embedded store: SQLite in a data directory that one process owns, behind one thread.
//!
//! [`DataDirectory`] is the lock, [`SqliteStore`] does requests in batches, [`StoreThread`] collects
//! what many rooms ask for into one synced transaction (group commit).

mod backup;
mod directory;
mod disk;
mod error;
mod sqlite;
mod thread;

pub use backup::{BackupError, BackupHead, BackupTotals, check_backup};
pub use directory::DataDirectory;
pub use disk::{DiskState, DiskWatch, FreeLimits, RESERVE_BYTES, Space};
pub use error::OpenError;
pub use sqlite::{Damage, Loss, Restored, SqliteStore, StoreCopy, restore};
pub use thread::{Busy, Reply, StoreHandle, StoreThread, ThreadLimits};

use std::sync::Arc;

use greenroom_core::store::{Level, StoreReply, StoreRequest};

/// How a store is doing: for `/readyz`, metrics and the start log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What an answered write survives; checked when the store was opened.
    pub level: Level,
    /// Why no writes are taken, for the operator; `None` while they are.
    pub read_only: Option<String>,
    /// Whether appends are refused because the disk is nearly full; they are taken again once it
    /// is not.
    pub full: bool,
    /// How many rooms it knows.
    pub rooms: u64,
}

/// What a [`StoreThread`] drives.
pub trait Engine: Send + 'static {
    /// Does requests in order and gives one reply each, in the same order. When it returns, every
    /// write that was answered with `Done` is on stable storage.
    fn handle_batch(&mut self, requests: Vec<StoreRequest>) -> Vec<StoreReply>;

    /// Upkeep that nobody waits for; called after the replies of a batch went out.
    fn maintain(&mut self);

    /// How it is doing.
    fn health(&self) -> Health;

    /// The disk that it writes to, if any.
    fn disk(&self) -> Option<Arc<DiskWatch>> {
        None
    }
}
