//! The deterministic memory model of a store: the contract in its plainest form, against which the
//! real stores are compared and on which the simulator runs rooms.
//!
//! Stable storage is modelled as two contents: what requests see, and what a crash leaves. Writes
//! go to the first, [`MemoryStore::sync`] carries them over to the second. No clock, no threads;
//! randomness comes from the seed alone.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use greenroom_service::{Millis, RoomId};

use super::{
    Acquired, Append, Lease, ListFilter, NodeId, Part, RoomMeta, Row, Snapshot, StoreError,
    StoreReply, StoreRequest, Version, VersionId, VersionsKept,
};

#[cfg(test)]
mod tests;

/// A store in memory whose syncs, crashes and failures are in the caller's hands.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    /// What requests see.
    live: Content,
    /// What a crash leaves.
    stable: Content,
    /// The writes in `live` that are not in `stable`, oldest first; after a failed sync those of
    /// which nobody knows whether they reached the disk (`live` no longer holds them).
    unsynced: Vec<StoreRequest>,
    leases: BTreeMap<RoomId, (NodeId, Lease)>,
    /// The epoch of the newest lease.
    epoch: u64,
    /// Whom the newest lease was given to: another node gets a higher epoch.
    newest_owner: Option<NodeId>,
    random: u64,
    failures: VecDeque<StoreError>,
    fail_sync: bool,
    poisoned: bool,
}

/// What a disk holds.
#[derive(Clone, Debug, Default)]
struct Content {
    rooms: BTreeMap<RoomId, Stored>,
    queue: BTreeMap<u64, Bytes>,
    /// The newest id given in `queue`; ids are not used again.
    queue_last: u64,
}

#[derive(Clone, Debug)]
struct Stored {
    incarnation: u128,
    meta: RoomMeta,
    /// By first seq: the number of records, the row.
    rows: BTreeMap<u64, (u64, Bytes)>,
    /// By part, then by seq.
    snapshots: BTreeMap<Part, BTreeMap<u64, Bytes>>,
    /// By document, then by id.
    versions: BTreeMap<String, BTreeMap<VersionId, Version>>,
}

impl MemoryStore {
    /// An empty store; equal seeds and requests give equal replies.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            live: Content::default(),
            stable: Content::default(),
            unsynced: Vec::new(),
            leases: BTreeMap::new(),
            epoch: 1,
            newest_owner: None,
            random: seed,
            failures: VecDeque::new(),
            fail_sync: false,
            poisoned: false,
        }
    }

    /// Handles one request, durably: a batch of one.
    pub fn handle(&mut self, request: StoreRequest) -> StoreReply {
        self.handle_batch(vec![request])
            .pop()
            .expect("a batch of one has one reply")
    }

    /// Handles requests in order and syncs; one reply each, in the same order. When the sync fails,
    /// every write of the batch fails and every read is answered from what was there before.
    pub fn handle_batch(&mut self, requests: Vec<StoreRequest>) -> Vec<StoreReply> {
        let mut replies: Vec<_> = requests.iter().map(|r| self.apply(r.clone())).collect();
        if let Err(error) = self.sync() {
            for (request, reply) in requests.into_iter().zip(&mut replies) {
                if !request.is_write() {
                    *reply = self.apply(request);
                } else if !matches!(reply, StoreReply::Failed(_)) {
                    *reply = StoreReply::Failed(error.clone());
                }
            }
        }
        replies
    }

    /// Handles one request without a sync. The reply to a write holds only once [`Self::sync`]
    /// succeeded: whoever drives the model keeps it back until then.
    pub fn apply(&mut self, request: StoreRequest) -> StoreReply {
        if let Some(error) = self.failures.pop_front() {
            return StoreReply::Failed(error);
        }
        if request.is_write() {
            let done = match &request {
                StoreRequest::ExpireVersions { before, limit } => {
                    StoreReply::Expired(self.live.expired(*before, *limit).len() as u64)
                }
                _ => StoreReply::Done,
            };
            return match self.write(request) {
                Ok(()) => done,
                Err(error) => StoreReply::Failed(error),
            };
        }
        match request {
            StoreRequest::Acquire { room, node } => self.acquire(room, node),
            StoreRequest::Renew { node, rooms } => StoreReply::Renewed(
                rooms
                    .into_iter()
                    .filter(|(room, lease)| self.leases.get(room) == Some(&(node, *lease)))
                    .map(|(room, _)| room)
                    .collect(),
            ),
            StoreRequest::Release { room, lease } => {
                if self.leases.get(&room).is_some_and(|held| held.1 == lease) {
                    self.leases.remove(&room);
                }
                StoreReply::Done
            }
            read => self.live.read(&read),
        }
    }

    /// Makes every write so far survive [`Self::crash`].
    ///
    /// # Errors
    /// The injected failure of [`Self::fail_sync_next`]: the writes are rolled back, whether they
    /// reached the disk stays unknown, and the store takes no writes until it is opened anew.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if self.poisoned || self.unsynced.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.fail_sync) {
            self.poisoned = true;
            self.live = self.stable.clone();
            return Err(StoreError::Io("the sync failed".into()));
        }
        for request in std::mem::take(&mut self.unsynced) {
            self.stable.write(request);
        }
        Ok(())
    }

    /// How many writes a crash would lose.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// The process or the machine dies and comes back: what was not synced is gone, leases are
    /// over, epochs rise.
    pub fn crash(&mut self) {
        self.crash_keeping(0);
    }

    /// As [`Self::crash`], but the oldest `writes` of the unsynced writes happened to reach the
    /// disk: what nobody was promised may still be there.
    pub fn crash_keeping(&mut self, writes: usize) {
        for request in self.unsynced.drain(..).take(writes) {
            self.stable.write(request);
        }
        self.live = self.stable.clone();
        self.leases.clear();
        self.epoch += 1;
        self.newest_owner = None;
        self.poisoned = false;
    }

    /// The store is closed in order and opened anew: nothing is lost, leases are over, epochs rise.
    pub fn reopen(&mut self) {
        self.crash_keeping(usize::MAX);
    }

    /// All leases of `node` run out: another node may acquire its rooms.
    pub fn expire(&mut self, node: NodeId) {
        self.leases.retain(|_, (owner, _)| *owner != node);
    }

    /// The next request is not done and answered by `error`; several calls queue up.
    pub fn fail_next(&mut self, error: StoreError) {
        self.failures.push_back(error);
    }

    /// The next sync that has something to sync fails.
    pub fn fail_sync_next(&mut self) {
        self.fail_sync = true;
    }

    /// Whether a sync failed since the store was opened.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn acquire(&mut self, room: RoomId, node: NodeId) -> StoreReply {
        let stored = self.live.rooms.get(&room).cloned();
        let lease = match self.leases.get(&room) {
            Some((owner, _)) if *owner != node => {
                return StoreReply::Failed(StoreError::Held(*owner));
            }
            Some((_, lease)) => *lease,
            None => self.new_lease(stored.as_ref(), node),
        };
        self.leases.insert(room, (node, lease));
        StoreReply::Acquired(Acquired {
            lease,
            head: stored.as_ref().map_or(0, |s| s.meta.head),
            meta: stored.map(|s| s.meta),
        })
    }

    fn new_lease(&mut self, stored: Option<&Stored>, node: NodeId) -> Lease {
        if self.newest_owner != Some(node) {
            self.newest_owner = Some(node);
            self.epoch += 1;
        }
        let incarnation = stored.map_or_else(
            || u128::from(self.next_random()) << 64 | u128::from(self.next_random()),
            |s| s.incarnation,
        );
        Lease {
            incarnation,
            epoch: self.epoch,
        }
    }

    fn write(&mut self, request: StoreRequest) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::ReadOnly);
        }
        self.check(&request)?;
        if let StoreRequest::Delete { room } = &request {
            self.leases.remove(room);
        }
        self.live.write(request.clone());
        self.unsynced.push(request);
        Ok(())
    }

    /// Whether the lease and the head allow this write.
    fn check(&self, request: &StoreRequest) -> Result<(), StoreError> {
        let (room, lease) = match request {
            StoreRequest::Append(append) => (&append.room, append.lease),
            StoreRequest::PutSnapshot { room, lease, .. }
            | StoreRequest::PutVersion { room, lease, .. }
            | StoreRequest::DropVersion { room, lease, .. }
            | StoreRequest::Trim { room, lease, .. } => (room, *lease),
            _ => return Ok(()),
        };
        if self.leases.get(room).is_none_or(|held| held.1 != lease) {
            return Err(StoreError::Fenced);
        }
        let head = self.live.rooms.get(room).map_or(0, |s| s.meta.head);
        match request {
            StoreRequest::Append(append) => append.check(head),
            StoreRequest::PutSnapshot { snapshot, .. } => snapshot.check(head),
            StoreRequest::PutVersion {
                document,
                version,
                kept,
                ..
            } => {
                version.check(head)?;
                let versions = self.live.versions(room, document);
                let newest = versions.and_then(|all| all.keys().next_back().copied());
                let named = || {
                    let all = versions.into_iter().flat_map(BTreeMap::values);
                    all.filter(|v| !v.meta.kind.gives_way()).count() as u64
                };
                kept.check(version, newest, named)
            }
            StoreRequest::DropVersion { document, id, .. } => {
                let versions = self.live.versions(room, document);
                let found = versions.and_then(|all| all.get(id));
                found.map(drop).ok_or(StoreError::VersionMissing)
            }
            _ => Ok(()),
        }
    }

    /// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Content {
    /// Does a write that was checked.
    fn write(&mut self, request: StoreRequest) {
        match request {
            StoreRequest::Append(append) => self.append(append),
            StoreRequest::PutSnapshot { room, snapshot, .. } => {
                if let Some(stored) = self.rooms.get_mut(&room) {
                    let kept = stored.snapshots.entry(snapshot.part).or_default();
                    kept.insert(snapshot.seq, snapshot.data);
                    while kept.len() > 2 {
                        kept.pop_first();
                    }
                }
            }
            StoreRequest::Trim {
                room, below_seq, ..
            } => {
                if let Some(stored) = self.rooms.get_mut(&room) {
                    stored
                        .rows
                        .retain(|first, (count, _)| *first + *count > below_seq);
                }
            }
            StoreRequest::PutVersion {
                room,
                document,
                version,
                kept,
                ..
            } => self.put_version(&room, document, version, kept),
            StoreRequest::DropVersion {
                room, document, id, ..
            } => self.drop_version(&room, &document, id),
            StoreRequest::ExpireVersions { before, limit } => {
                for (_, room, document, id) in self.expired(before, limit) {
                    self.drop_version(&room, &document, id);
                }
            }
            StoreRequest::Delete { room } => {
                self.rooms.remove(&room);
            }
            StoreRequest::Enqueue { items } => self.enqueue(items),
            StoreRequest::QueueDone { ids } => self.queue.retain(|id, _| !ids.contains(id)),
            other => unreachable!("{other:?} is no write"),
        }
    }

    fn append(&mut self, append: Append) {
        let stored = self
            .rooms
            .entry(append.room.clone())
            .or_insert_with(|| Stored {
                incarnation: append.lease.incarnation,
                meta: RoomMeta {
                    room: append.room,
                    kind: String::new(),
                    created: append.meta.now,
                    changed: append.meta.now,
                    head: 0,
                    metadata: Bytes::new(),
                    accesses: Bytes::new(),
                    next_wake: None,
                },
                rows: BTreeMap::new(),
                snapshots: BTreeMap::new(),
                versions: BTreeMap::new(),
            });
        stored
            .rows
            .insert(append.first_seq, (append.count, append.data));
        let meta = &mut stored.meta;
        meta.head = append.first_seq + append.count - 1;
        meta.changed = append.meta.now;
        meta.next_wake = append.next_wake;
        append.meta.kind.into_iter().for_each(|k| meta.kind = k);
        append
            .meta
            .metadata
            .into_iter()
            .for_each(|m| meta.metadata = m);
        append
            .meta
            .accesses
            .into_iter()
            .for_each(|a| meta.accesses = a);
        self.enqueue(append.queue);
    }

    fn enqueue(&mut self, items: Vec<Bytes>) {
        for item in items {
            self.queue_last += 1;
            self.queue.insert(self.queue_last, item);
        }
    }

    fn versions(&self, room: &RoomId, document: &str) -> Option<&BTreeMap<VersionId, Version>> {
        self.rooms.get(room)?.versions.get(document)
    }

    fn put_version(
        &mut self,
        room: &RoomId,
        document: String,
        version: Version,
        kept: VersionsKept,
    ) {
        let Some(stored) = self.rooms.get_mut(room) else {
            return;
        };
        let versions = stored.versions.entry(document).or_default();
        versions.insert(version.meta.id, version);
        let give_way = versions.values().filter(|v| v.meta.kind.gives_way());
        let ids: Vec<_> = give_way.map(|version| version.meta.id).collect();
        let gone = ids.len().saturating_sub(kept.automatic_max as usize);
        for id in &ids[..gone] {
            versions.remove(id);
        }
    }

    fn drop_version(&mut self, room: &RoomId, document: &str, id: VersionId) {
        let stored = self.rooms.get_mut(room);
        if let Some(versions) = stored.and_then(|stored| stored.versions.get_mut(document)) {
            versions.remove(&id);
        }
    }

    /// Which versions expire, those that did first.
    fn expired(&self, before: Millis, limit: usize) -> Vec<(Millis, RoomId, String, VersionId)> {
        let mut expired = Vec::new();
        for (room, stored) in &self.rooms {
            for (document, versions) in &stored.versions {
                let times = versions.values().filter_map(|version| {
                    let at = version.meta.expires.filter(|at| *at <= before)?;
                    Some((at, room.clone(), document.clone(), version.meta.id))
                });
                expired.extend(times);
            }
        }
        expired.sort();
        expired.truncate(limit);
        expired
    }

    fn list_versions(
        &self,
        room: &RoomId,
        document: &str,
        before: Option<VersionId>,
        limit: usize,
    ) -> StoreReply {
        let versions = self.versions(room, document).into_iter();
        let newest_first = versions.flat_map(|all| all.values().rev());
        let below = newest_first.filter(|v| before.is_none_or(|before| v.meta.id < before));
        StoreReply::Versions(below.take(limit).map(|v| v.meta.clone()).collect())
    }

    fn read(&self, request: &StoreRequest) -> StoreReply {
        match request {
            StoreRequest::Versions {
                room,
                document,
                before,
                limit,
            } => self.list_versions(room, document, *before, *limit),
            StoreRequest::Version { room, document, id } => {
                let versions = self.versions(room, document);
                let found = versions.and_then(|all| all.get(id)).cloned();
                StoreReply::Version(found.map(Box::new))
            }
            StoreRequest::Read {
                room,
                from_seq,
                bytes_max,
            } => self.rows(room, *from_seq, *bytes_max),
            StoreRequest::Snapshots { room } => self.snapshots(room),
            StoreRequest::Due { before, limit } => self.due(*before, *limit),
            StoreRequest::List(filter) => self.list(filter),
            StoreRequest::Queue { after, limit } => StoreReply::Queue(
                self.queue
                    .range(after + 1..)
                    .take(*limit)
                    .map(|(id, item)| (*id, item.clone()))
                    .collect(),
            ),
            other => unreachable!("{other:?} is no read"),
        }
    }

    fn rows(&self, room: &RoomId, from_seq: u64, bytes_max: usize) -> StoreReply {
        let mut rows = Vec::new();
        let mut bytes = 0;
        let stored = self.rooms.get(room).into_iter().flat_map(|s| &s.rows);
        for (first, (_, data)) in stored.filter(|(first, (n, _))| *first + *n > from_seq) {
            bytes += data.len();
            if bytes > bytes_max && !rows.is_empty() {
                return StoreReply::Rows { rows, more: true };
            }
            rows.push(Row {
                first_seq: *first,
                data: data.clone(),
            });
        }
        StoreReply::Rows { rows, more: false }
    }

    fn snapshots(&self, room: &RoomId) -> StoreReply {
        let parts = self.rooms.get(room).into_iter().flat_map(|s| &s.snapshots);
        let newest_first = parts.flat_map(|(part, kept)| {
            kept.iter().rev().map(|(seq, data)| Snapshot {
                part: part.clone(),
                seq: *seq,
                data: data.clone(),
            })
        });
        StoreReply::Snapshots(newest_first.collect())
    }

    fn due(&self, before: Millis, limit: usize) -> StoreReply {
        let mut due: Vec<_> = self
            .rooms
            .iter()
            .filter_map(|(room, stored)| Some((room.clone(), stored.meta.next_wake?)))
            .filter(|(_, wake)| *wake <= before)
            .collect();
        due.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        due.truncate(limit);
        StoreReply::Due(due)
    }

    fn list(&self, filter: &ListFilter) -> StoreReply {
        StoreReply::Rooms(
            self.rooms
                .values()
                .map(|stored| &stored.meta)
                .filter(|meta| meta.room.as_str().starts_with(&filter.prefix))
                .filter(|meta| filter.kind.as_ref().is_none_or(|kind| *kind == meta.kind))
                .filter(|meta| filter.after.as_ref().is_none_or(|after| *after < meta.room))
                .take(filter.limit)
                .cloned()
                .collect(),
        )
    }
}
