//! What a run is made of, drawn from its seed: rooms, clients, limits, and which faults happen.
//! Each run has some faults only: with all of them at once, each would hide the others.

use std::ops::RangeInclusive;

use greenroom_core::limits::Limits;
use greenroom_service::{Rights, RoomId};

use crate::rng::Rng;

/// Virtual time is in microseconds.
pub(crate) const MS: u64 = 1_000;
/// A second.
pub(crate) const SECOND: u64 = 1_000 * MS;

/// What a room does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Collab,
    /// The counter of the core.
    Counter,
    /// The simulator's own service.
    Tally,
}

#[derive(Clone, Debug)]
pub(crate) struct RoomPlan {
    pub(crate) id: RoomId,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) struct ClientPlan {
    /// Its place in [`Plan::rooms`].
    pub(crate) room: usize,
    /// The document it edits.
    pub(crate) document: &'static str,
    pub(crate) rights: Rights,
    /// Whether its user has a name.
    pub(crate) named: bool,
    /// It has no presence of its own.
    pub(crate) silent: bool,
    /// It makes its room fault, or sends what it may not.
    pub(crate) offends: bool,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A connection breaks: what is under way is lost, and either end learns of it some time later.
    Cut,
    /// A client reads nothing for a while.
    Stall,
    /// The process dies; the disk keeps what was synced, and perhaps more.
    Crash,
    /// The process stops in order and starts again.
    Restart,
    /// Another node takes the rooms over while the old one still runs.
    Failover,
    /// A sync fails; the store takes no writes until the process is started anew.
    FailSync,
    /// No write finds room for a while.
    Full,
    /// The store takes its time.
    SlowStore,
    /// An editor's tab is closed, and another is opened, empty.
    CloseTab,
    /// Everybody leaves for a while, so that rooms are unloaded.
    Exodus,
}

impl Fault {
    const ALL: [Self; 10] = [
        Self::Cut,
        Self::Stall,
        Self::Crash,
        Self::Restart,
        Self::Failover,
        Self::FailSync,
        Self::Full,
        Self::SlowStore,
        Self::CloseTab,
        Self::Exodus,
    ];

    /// The mean time between two of a kind.
    pub(crate) const fn mean_wait(self) -> u64 {
        match self {
            Self::Cut | Self::Stall => SECOND,
            Self::SlowStore | Self::CloseTab => 2 * SECOND,
            Self::Crash | Self::Restart | Self::Exodus => 3 * SECOND,
            Self::Failover | Self::FailSync | Self::Full => 4 * SECOND,
        }
    }
}

/// What a run is made of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) limits: Limits,
    pub(crate) rooms: Vec<RoomPlan>,
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) faults: Vec<Fault>,
    /// How long clients write and faults happen.
    pub(crate) active: u64,
    /// How long a frame is under way.
    pub(crate) latency: RangeInclusive<u64>,
    /// Bytes that a connection takes before it says that it is full.
    pub(crate) socket_bytes: usize,
    /// How long the store's thread needs to come round, and how long a sync takes.
    pub(crate) disk: RangeInclusive<u64>,
    /// How long a job takes.
    pub(crate) compute: RangeInclusive<u64>,
    /// The mean time between two writes of a client.
    pub(crate) write_wait: u64,
    /// Whether the clock stands elsewhere after each start of the process.
    pub(crate) clock_jumps: bool,
    /// Whether clients send again, in any order, what they sent before.
    pub(crate) resends: bool,
}

impl Plan {
    /// Draws a plan.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let faults: Vec<_> = Fault::ALL.into_iter().filter(|_| rng.chance(35)).collect();
        let rooms = draw_rooms(rng);
        let clients = draw_clients(rng, &rooms);
        Self {
            limits: draw_limits(rng),
            rooms,
            clients,
            faults,
            active: rng.within(3..=9) * SECOND,
            latency: rng.pick(&[100..=2 * MS, MS..=30 * MS, 10 * MS..=300 * MS]).clone(),
            socket_bytes: *rng.pick(&[512, 4 << 10, 64 << 10]),
            disk: rng.pick(&[50..=MS, MS..=15 * MS, 5 * MS..=60 * MS]).clone(),
            compute: rng.pick(&[20..=MS, MS..=20 * MS, 10 * MS..=80 * MS]).clone(),
            write_wait: rng.within(20..=250) * MS,
            clock_jumps: rng.chance(30),
            resends: rng.chance(40),
        }
    }
}

fn draw_rooms(rng: &mut Rng) -> Vec<RoomPlan> {
    let mut kinds = vec![*rng.pick(&[Kind::Collab, Kind::Collab, Kind::Tally])];
    if rng.chance(30) {
        kinds.push(*rng.pick(&[Kind::Collab, Kind::Counter, Kind::Tally]));
    }
    let named = |(n, kind)| {
        let id = RoomId::new(&format!("room {n}")).expect("a plain name");
        RoomPlan { id, kind }
    };
    kinds.into_iter().enumerate().map(named).collect()
}

fn draw_clients(rng: &mut Rng, rooms: &[RoomPlan]) -> Vec<ClientPlan> {
    let mut clients = Vec::new();
    for (room, plan) in rooms.iter().enumerate() {
        let documents: &[&'static str] = if rng.chance(25) { &["", "second"] } else { &[""] };
        for n in 0..rng.within(2..=4) {
            let named = rng.chance(50);
            let document = *rng.pick(documents);
            let silent = rng.chance(15);
            let offends = n == 2 && rng.chance(50);
            clients.push(ClientPlan { room, document, rights: Rights::ALL, named, silent, offends });
        }
        if rng.chance(30) {
            let seen = if rng.chance(50) { Rights::PRESENCE } else { Rights::NONE };
            let rights = Rights::READ | seen;
            let offends = plan.kind == Kind::Collab && rng.chance(50);
            let (named, silent) = (false, false);
            clients.push(ClientPlan { room, document: "", rights, named, silent, offends });
        }
    }
    // In a collab room only a reader offends, by writing: what offends there is closed for good.
    for client in &mut clients {
        let collab = rooms[client.room].kind == Kind::Collab;
        client.offends &= collab != client.rights.has(Rights::WRITE);
        client.offends &= rooms[client.room].kind != Kind::Counter;
    }
    clients
}

fn draw_limits(rng: &mut Rng) -> Limits {
    Limits {
        outbox_bytes_max: *rng.pick(&[300, 2 << 10, 1 << 20]),
        compact_updates_max: *rng.pick(&[3, 12, 500]),
        compact_bytes_min: *rng.pick(&[200, 2 << 10, 256 << 10]),
        commit_window_ms: *rng.pick(&[20, 100]),
        commit_bytes_max: *rng.pick(&[100, 256 << 10]),
        room_idle_ms: *rng.pick(&[50, 300, 1_000]),
        turn_inputs_max: *rng.pick(&[1, 4, 256]),
        fault_hold_off_ms: 3_000,
        ..Limits::default()
    }
}
