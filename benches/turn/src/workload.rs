//! What a turn consists of.

use anyhow::{Result, ensure};
use greenroom_core::close_reason::Protocol;
use greenroom_core::collab::collab_rooms;
use greenroom_core::service::{Counter, service_rooms};
use greenroom_service::{Message, Service, SessionId};
use std::sync::Arc;

use crate::driver::Driver;
use crate::frames;

/// Frames are made for so many turns, however many run: making them is to cost the same.
pub(crate) const TURNS_MAX: usize = 2_000;
/// Pieces of text that are there when somebody joins.
const PIECES: usize = 100;

/// A kind of turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    name: &'static str,
    /// Who is in the room.
    members: usize,
    /// Time between two turns.
    pause_ms: u64,
    run: fn(&Self, usize) -> (Driver, usize),
}

/// All kinds. `cargo xtask turn` reads the names from its baseline.
const WORKLOADS: [Workload; 5] = [
    // One member writes 20 updates/s, 49 others get them.
    workload("update-50", 50, 50, updates),
    // The same with one other: what a room costs, not its members.
    workload("update-2", 2, 200, updates),
    // Each of 50 shows 10 presences/s: most turns only note one, each fifth tells of five.
    workload("presence-50", 50, 2, presences),
    // A service answers all 50 when what it saved is durable.
    workload("service-50", 50, 50, service_messages),
    // Somebody comes back to a document that he has, is seen by 50, and leaves.
    workload("join-50", 50, 50, joins),
];

const fn workload(
    name: &'static str,
    members: usize,
    pause_ms: u64,
    run: fn(&Workload, usize) -> (Driver, usize),
) -> Workload {
    Workload {
        name,
        members,
        pause_ms,
        run,
    }
}

impl Workload {
    /// The workload of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        WORKLOADS.into_iter().find(|workload| workload.name == name)
    }

    /// The names of all.
    pub(crate) fn names() -> String {
        WORKLOADS.map(|workload| workload.name).join(", ")
    }

    /// Runs so many turns, and checks that they did what they are to do.
    pub(crate) fn run(&self, turns: usize) -> Result<()> {
        let (driver, expected) = (self.run)(self, turns);
        ensure!(
            driver.sent == expected,
            "{} frames left the room in {turns} turns, not {expected}",
            driver.sent
        );
        Ok(())
    }

    /// A Yjs room with all members in it.
    fn collab_room(&self) -> Driver {
        let mut driver = Driver::new(collab_rooms(), Protocol::Yjs);
        self.enter(&mut driver);
        driver
    }

    fn enter(&self, driver: &mut Driver) {
        for member in 0..self.members {
            driver.join(session(member), &format!("user {member}"));
        }
        driver.sent = 0;
    }
}

fn session(member: usize) -> SessionId {
    SessionId(member as u64 + 1)
}

/// Member 0 types.
fn updates(workload: &Workload, turns: usize) -> (Driver, usize) {
    let mut driver = workload.collab_room();
    let frames: Vec<_> = (0..TURNS_MAX).map(|n| frames::update(0, n)).collect();
    for frame in frames.into_iter().take(turns) {
        driver.advance(workload.pause_ms);
        driver.frame(session(0), Message::Binary(frame));
    }
    (driver, turns * (workload.members - 1))
}

/// The members move their cursors in turn.
fn presences(workload: &Workload, turns: usize) -> (Driver, usize) {
    let mut driver = workload.collab_room();
    let members = workload.members;
    let frames: Vec<_> = (0..TURNS_MAX)
        .map(|n| frames::presence(n % members, n / members))
        .collect();
    for (n, frame) in frames.into_iter().take(turns).enumerate() {
        driver.advance(workload.pause_ms);
        driver.frame(session(n % members), Message::Binary(frame));
    }
    // The first is told at once, the others on the next ticks.
    let tick_turns = 5;
    (driver, turns.div_ceil(tick_turns) * members)
}

/// The members count up in turn.
fn service_messages(workload: &Workload, turns: usize) -> (Driver, usize) {
    let rooms = service_rooms(Arc::new(|_, saved| {
        Ok(Box::new(Counter::open(saved)?) as Box<dyn Service>)
    }));
    let mut driver = Driver::new(rooms, Protocol::Raw);
    workload.enter(&mut driver);
    for n in 0..turns {
        driver.advance(workload.pause_ms);
        driver.frame(session(n % workload.members), Message::from("increment"));
    }
    (driver, turns * workload.members)
}

/// One more joins, is told what there is, shows itself, and leaves.
fn joins(workload: &Workload, turns: usize) -> (Driver, usize) {
    let mut driver = workload.collab_room();
    for n in 0..PIECES {
        driver.frame(session(0), Message::Binary(frames::update(0, n)));
    }
    driver.sent = 0;
    let newcomer = workload.members;
    let step_1 = frames::sync_step_1(PIECES);
    let frames: Vec<_> = (0..TURNS_MAX)
        .map(|n| frames::presence(newcomer, 2 * n))
        .collect();
    for (n, frame) in frames.into_iter().take(turns).enumerate() {
        let session = session(newcomer + n);
        driver.join(session, "newcomer");
        driver.frame(session, Message::Binary(step_1.clone()));
        driver.frame(session, Message::Binary(frame));
        // Twice: what is shown is told, and that it is gone.
        driver.advance(workload.pause_ms);
        driver.leave(session);
        driver.advance(workload.pause_ms);
    }
    // Two answers to the newcomer, its own presence to it and all, its leave to all others.
    let members = workload.members;
    (driver, turns * (2 + members + 1 + members))
}
