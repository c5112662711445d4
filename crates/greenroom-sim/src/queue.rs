//! What is going to happen, by virtual time; of two events at the same time the one that was
//! planned first comes first.

use std::collections::BTreeMap;

use greenroom_core::registry::Instance;
use greenroom_core::room::StoreTask;
use greenroom_core::room::job::{ComputeId, Job};
use greenroom_core::store::StoreReply;

use crate::plan::Fault;

/// Something that is going to happen. Whatever it is about may be gone by then.
#[derive(Debug)]
pub(crate) enum Event {
    /// A client connects.
    Connect { client: usize, attempt: u64 },
    /// A connection reaches the server.
    Arrive { conn: u64 },
    /// The next frame from the client reaches the server.
    Up { conn: u64 },
    /// The next frame from the server reaches the client.
    Down { conn: u64 },
    /// The server learns that a connection broke.
    ServerLearns { conn: u64 },
    /// The client learns that a connection broke, or could not be made.
    ClientLearns { client: usize, conn: Option<u64> },
    /// The server looks after a connection.
    Beat { conn: u64 },
    /// A client looks at its clock.
    Tick { client: usize },
    /// A client writes.
    Write { client: usize },
    /// A room's task runs.
    Turn { node: u32, instance: Instance },
    /// A job ends.
    Computed {
        node: u32,
        instance: Instance,
        id: ComputeId,
        job: Job,
    },
    /// The store's thread takes what waits.
    DiskTake { life: u64 },
    /// The store's thread syncs.
    DiskSync { life: u64 },
    /// A reply of the store reaches a room.
    Reply {
        node: u32,
        instance: Instance,
        task: StoreTask,
        reply: StoreReply,
    },
    /// A fault happens.
    Fault(Fault),
    /// The operator starts the process anew, after a failed sync.
    Repair,
    /// A node starts.
    Start,
    /// A node that stops in order is given up, or one that was taken over dies.
    Kill { node: u32 },
    /// Faults and writes end.
    Calm,
    /// A fresh reader joins each document.
    Probe,
    /// Every editor asks once more for what it lacks, which is nothing.
    Ask,
    /// Everything must have come together by now.
    End,
}

/// The queue of events.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    planned: u64,
}

impl Queue {
    /// Plans `event` for the virtual time `at`.
    pub(crate) fn plan(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.events.insert((at, self.planned), event);
    }

    /// The next event and its time.
    pub(crate) fn next(&mut self) -> Option<(u64, Event)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
