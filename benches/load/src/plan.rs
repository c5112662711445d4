//! What a whole bench runs, and in which order.

use crate::kinds::{self, Kind};

/// Those that have goals.
pub(crate) const OURS: [&str; 2] = ["greenroom-memory", "greenroom-durable"];
/// Those of others.
pub(crate) const PEERS: [&str; 5] = [
    "y-websocket",
    "y-websocket-leveldb",
    "hocuspocus",
    "hocuspocus-sqlite",
    "y-sweet",
];

/// Those that peers take part in when it should be quick.
const QUICK_PEERS: [&str; 2] = ["steady", "saturated"];

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// A fan-out; the name of its workload.
    FanOut(&'static str),
    Idle,
    Joins,
    Acknowledgements,
}

impl Job {
    /// The name in results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FanOut(name) => name,
            Self::Idle => "idle",
            Self::Joins => "joins",
            Self::Acknowledgements => "acknowledgements",
        }
    }
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Those with the same number are compared.
    pub(crate) group: u32,
    pub(crate) job: Job,
    pub(crate) kind: &'static Kind,
}

/// One workload of the plan.
#[derive(Clone, Copy, Debug)]
struct Row {
    job: Job,
    /// What a group holds besides its servers.
    bound: Bound,
    /// Servers of ours, and how many rounds at most.
    ours: (&'static [&'static str], usize),
    /// How many rounds peers take part in at most.
    peers: usize,
}

/// What servers are measured against.
#[derive(Clone, Copy, Debug)]
enum Bound {
    None,
    /// The same workload on this server, between two others.
    Server(&'static str),
    /// Another workload on the same server.
    Workload(&'static str),
}

/// More rounds than anybody asks for.
const ALWAYS: usize = usize::MAX;

const ROWS: &[Row] = &[
    Row::against_floor("steady"),
    Row::against_floor("saturated"),
    Row::against_floor("small-rooms"),
    Row::against_floor("long-text"),
    Row {
        // Presence is merged: what is measured against writes each update alone.
        bound: Bound::Server("floor-direct"),
        ..Row::against_floor("presence")
    },
    Row {
        ours: (&OURS, 5),
        peers: 1,
        ..Row::against_floor("big-room")
    },
    Row {
        // Peers are left out: the load alone is more than most of them can take.
        bound: Bound::Workload("stuck-none"),
        ours: (&OURS, 5),
        peers: 0,
        ..Row::against_floor("stuck")
    },
    Row {
        bound: Bound::None,
        ours: (&["greenroom-durable"], 5),
        peers: 0,
        ..Row::against_floor("busy-rooms")
    },
    Row {
        job: Job::Idle,
        bound: Bound::None,
        ours: (&OURS, 5),
        peers: 1,
    },
    Row {
        job: Job::Joins,
        bound: Bound::None,
        ours: (&OURS, 5),
        peers: 1,
    },
    Row {
        job: Job::Acknowledgements,
        bound: Bound::None,
        ours: (&["greenroom-counter"], 7),
        peers: 0,
    },
];

impl Row {
    const fn against_floor(workload: &'static str) -> Self {
        Self {
            job: Job::FanOut(workload),
            bound: Bound::Server("floor"),
            ours: (&OURS, ALWAYS),
            peers: ALWAYS,
        }
    }
}

/// What of the plan is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Peers take part only where it is quick.
    pub(crate) quick: bool,
    /// Rounds of ours, and of peers.
    pub(crate) rounds: usize,
    pub(crate) peer_rounds: usize,
    /// Workloads; all when there are none.
    pub(crate) workloads: Vec<String>,
    /// Servers; all when there are none.
    pub(crate) servers: Vec<String>,
}

impl Wanted {
    fn workload(&self, name: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|wanted| wanted == name)
    }

    /// How many rounds peers take part in.
    fn peer_rounds(&self, row: &Row) -> usize {
        if self.quick && !QUICK_PEERS.contains(&row.job.name()) {
            return 0;
        }
        row.peers.min(self.peer_rounds)
    }

    fn server(&self, name: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|wanted| wanted == name)
    }
}

/// The names of all workloads of the plan.
pub(crate) fn workloads() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.job.name()).collect()
}

/// All runs in order: every round goes through the whole table, so that a slow quarter of an hour
/// touches every figure a little and none alone. Peers take part in the first rounds.
pub(crate) fn steps(wanted: &Wanted) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut groups = 0;
    for round in 0..wanted.rounds {
        for row in ROWS.iter().filter(|row| wanted.workload(row.job.name())) {
            let ours = row.ours.0.iter().filter(|_| round < row.ours.1);
            let peers = PEERS.iter().filter(|_| round < wanted.peer_rounds(row));
            let servers: Vec<&'static Kind> = ours
                .chain(peers)
                .filter(|name| wanted.server(name))
                .filter_map(|name| kinds::kind(name).ok())
                .collect();
            add(&mut steps, &mut groups, row, &servers, round);
        }
    }
    steps
}

/// Adds one row of one round. Whoever comes second may find the machine warmer: the order changes
/// from round to round.
fn add(
    steps: &mut Vec<Step>,
    groups: &mut u32,
    row: &Row,
    servers: &[&'static Kind],
    round: usize,
) {
    let size = match row.bound {
        // The one that they are measured against runs between two, next to both.
        Bound::Server(_) => 2,
        Bound::None | Bound::Workload(_) => 1,
    };
    for servers in servers.chunks(size) {
        let group = *groups;
        let step = |kind| Step {
            group,
            job: row.job,
            kind,
        };
        *groups += 1;
        let mut some: Vec<Step> = servers.iter().map(|kind| step(*kind)).collect();
        match row.bound {
            Bound::None => {}
            Bound::Server(name) => some.extend(kinds::kind(name).map(step)),
            Bound::Workload(name) => some.push(Step {
                job: Job::FanOut(name),
                ..some[0]
            }),
        }
        if some.len() == 3 {
            some.swap(1, 2);
        }
        if round % 2 == 1 {
            some.reverse();
        }
        steps.extend(some);
    }
}

#[cfg(test)]
mod tests;
