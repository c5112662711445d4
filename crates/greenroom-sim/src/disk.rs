//! The store's thread over the memory model of a store: what waits is taken as one batch, applied,
//! synced, and answered; while one batch is under way the next collects.

use std::collections::{BTreeMap, VecDeque};

use greenroom_core::registry::Instance;
use greenroom_core::room::StoreTask;
use greenroom_core::store::envelope::{decode_row, encode_row};
use greenroom_core::store::memory::MemoryStore;
use greenroom_core::store::{Append, Lease, StoreError, StoreReply, StoreRequest};
use greenroom_service::RoomId;

use crate::bug::Bug;
use crate::rng::Rng;

/// A request and who waits for its reply.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) node: u32,
    pub(crate) instance: Instance,
    pub(crate) task: StoreTask,
    pub(crate) request: StoreRequest,
}

/// A store and its thread.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) store: MemoryStore,
    waiting: VecDeque<Asked>,
    batch: Vec<(Asked, StoreReply)>,
    pub(crate) busy: bool,
    /// Rises with each crash: events of a former life are void.
    pub(crate) life: u64,
    /// No write finds room until then.
    pub(crate) full_until: u64,
    /// The next sync of something fails.
    pub(crate) fails_sync: bool,
    /// Everything takes long until then.
    pub(crate) slow_until: u64,
    /// When the last reply arrives: they stay in order.
    pub(crate) reply_at: u64,
    /// The newest lease of each room.
    pub(crate) leases: BTreeMap<RoomId, Lease>,
    bug: Option<Bug>,
}

impl Disk {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self {
            store: MemoryStore::new(seed),
            waiting: VecDeque::new(),
            batch: Vec::new(),
            busy: false,
            life: 0,
            full_until: 0,
            fails_sync: false,
            slow_until: 0,
            reply_at: 0,
            leases: BTreeMap::new(),
            bug,
        }
    }

    /// Takes a request in; true when the thread has to be woken.
    pub(crate) fn ask(&mut self, asked: Asked) -> bool {
        self.waiting.push_back(asked);
        !std::mem::replace(&mut self.busy, true)
    }

    /// Applies what waits; gives what is answered before the sync, which is nothing unless a bug
    /// is planted.
    pub(crate) fn take(&mut self, now: u64) -> Vec<(Asked, StoreReply)> {
        let full = now < self.full_until;
        for mut asked in std::mem::take(&mut self.waiting) {
            let refused = full && asked.request.is_write();
            let reply = if refused {
                StoreReply::Failed(StoreError::Full)
            } else {
                self.plant(&mut asked.request);
                self.store.apply(asked.request.clone())
            };
            if let (StoreRequest::Acquire { room, .. }, StoreReply::Acquired(acquired)) =
                (&asked.request, &reply)
            {
                self.leases.insert(room.clone(), acquired.lease);
            }
            self.batch.push((asked, reply));
        }
        if self.bug == Some(Bug::AckBeforeSync) { self.batch.clone() } else { Vec::new() }
    }

    /// Syncs what was taken. Gives the batch with its replies, and whether it is on the disk now.
    pub(crate) fn sync(&mut self, rng: &mut Rng) -> (Vec<(Asked, StoreReply)>, bool) {
        let mut batch = std::mem::take(&mut self.batch);
        self.busy = !self.waiting.is_empty();
        if self.bug == Some(Bug::LostBatch) && rng.chance(30) {
            return (batch, true);
        }
        if self.fails_sync && self.store.unsynced() > 0 {
            self.fails_sync = false;
            self.store.fail_sync_next();
        }
        let Err(error) = self.store.sync() else { return (batch, true) };
        for (asked, reply) in &mut batch {
            if !asked.request.is_write() {
                *reply = self.store.apply(asked.request.clone());
            } else if *reply == StoreReply::Done {
                *reply = StoreReply::Failed(error.clone());
            }
        }
        (batch, false)
    }

    /// The process or the machine dies: some of what was not synced may be on the disk.
    pub(crate) fn crash(&mut self, rng: &mut Rng) {
        let kept = rng.below(self.store.unsynced() as u64 + 1) as usize;
        let kept = if self.bug == Some(Bug::LostBatch) { 0 } else { kept };
        self.store.crash_keeping(kept);
        self.reset();
    }

    /// The process ends in order and the store is opened anew. After a failed sync that is no
    /// different from a crash.
    pub(crate) fn reopen(&mut self, rng: &mut Rng) {
        if self.store.is_poisoned() {
            return self.crash(rng);
        }
        self.store.reopen();
        self.reset();
    }

    fn reset(&mut self) {
        self.waiting.clear();
        self.batch.clear();
        self.busy = false;
        self.life += 1;
        self.reply_at = 0;
        self.leases.clear();
    }

    /// Does to a request what a planted bug would.
    fn plant(&self, request: &mut StoreRequest) {
        match (self.bug, request) {
            (Some(Bug::StaleLease), StoreRequest::Append(append)) => {
                append.lease = self.leases.get(&append.room).copied().unwrap_or(append.lease);
            }
            (Some(Bug::RecordsSwapped), StoreRequest::Append(append)) => swap_records(append),
            (Some(Bug::TrimTooFar), StoreRequest::Trim { below_seq, .. }) => *below_seq += 2,
            _ => {}
        }
    }
}

fn swap_records(append: &mut Append) {
    let Append { lease, first_seq, data, .. } = append;
    if let Ok(mut row) = decode_row(data, lease.incarnation, *first_seq) {
        row.records.reverse();
        *data = encode_row(lease.incarnation, lease.epoch, *first_seq, row.time, &row.records);
    }
}
