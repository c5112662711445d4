//! What is reported, and what it should be at most: data.

use crate::measurement::Measurement;
use crate::results::Results;

/// A number that a bench gives for a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    /// CPU per delivery of a workload over that of this bound.
    Cpu(&'static str, &'static str),
    /// The median latency of a workload over that of the floor.
    Latency(&'static str),
    /// The 99th percentile of the latency of a workload.
    P99Ms(&'static str),
    /// The worst member's 99th percentile in the big room over that of all members of the floor.
    WorstMember,
    /// The same over the worst member's of the floor.
    WorstMemberEach,
    /// The others' 99th percentile with stuck readers over that without.
    StuckP99,
    /// Memory of the server for each stuck reader, at its most, above what it takes without.
    StuckMib,
    /// Commits per update of a workload.
    Commits(&'static str),
    /// A number of a sheet.
    Sheet(&'static str, &'static str),
    /// The 99th percentile of acknowledgements over thrice that of a raw sync and 2 ms.
    Acknowledgement,
}

/// One line of the report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) figure: Figure,
    /// What it should be at most, in memory and durable.
    pub(crate) goals: [Option<f64>; 2],
}

const fn row(what: &'static str, figure: Figure, goals: [Option<f64>; 2]) -> Row {
    Row {
        what,
        figure,
        goals,
    }
}

/// The same goal for both.
const fn both(goal: f64) -> [Option<f64>; 2] {
    [Some(goal), Some(goal)]
}

const NONE: [Option<f64>; 2] = [None, None];

/// CPU per delivery as a ratio to the floor.
pub(crate) const COST: &[Row] = &[
    row(
        "steady: 10 rooms x 50, 20 updates/s each",
        Figure::Cpu("steady", "floor"),
        [Some(1.3), Some(1.5)],
    ),
    row(
        "saturated: 4 updates outstanding in each of 10 rooms x 50",
        Figure::Cpu("saturated", "floor"),
        [Some(1.5), Some(1.7)],
    ),
    row(
        "small rooms: 1,000 x 2, 5 updates/s each",
        Figure::Cpu("small-rooms", "floor"),
        [Some(1.6), Some(2.5)],
    ),
    row(
        "long text: one room of 6, 200 x 1 kB/s",
        Figure::Cpu("long-text", "floor"),
        [Some(3.0), Some(4.0)],
    ),
    row(
        "presence: 50 x 10/s, against a floor that writes each update alone",
        Figure::Cpu("presence", "floor-direct"),
        both(0.6),
    ),
    row(
        "big room: 1,000 members, 10 updates/s",
        Figure::Cpu("big-room", "floor"),
        NONE,
    ),
];

/// Everything else.
pub(crate) const OTHER: &[Row] = &[
    row(
        "steady: p50 from write to read, ratio to the floor",
        Figure::Latency("steady"),
        both(1.3),
    ),
    row("steady: p99 ms", Figure::P99Ms("steady"), both(4.0)),
    row("presence: p99 ms", Figure::P99Ms("presence"), both(20.0)),
    row(
        "big room: worst member's p99, ratio to the floor's p99",
        Figure::WorstMember,
        both(3.0),
    ),
    row(
        "big room: worst member's p99, ratio to the floor's worst",
        Figure::WorstMemberEach,
        NONE,
    ),
    row(
        "20 stuck readers: p99 of 100 others, ratio to none stuck",
        Figure::StuckP99,
        both(1.2),
    ),
    row(
        "20 stuck readers: MiB for each",
        Figure::StuckMib,
        both(1.0),
    ),
    row(
        "10,000 idle in 1,000 rooms: KiB for each, rooms included",
        Figure::Sheet("idle", "RSS KiB per connection"),
        both(6.0),
    ),
    row(
        "CPU per connect, µs",
        Figure::Sheet("idle", "CPU us per connect"),
        both(60.0),
    ),
    row(
        "connects per second, one core",
        Figure::Sheet("idle", "connects per s"),
        NONE,
    ),
    row(
        "idle CPU of 10,000, % of a core",
        Figure::Sheet("idle", "idle CPU %"),
        NONE,
    ),
    row(
        "50 join 100,000 edits at once: CPU ms for each",
        Figure::Sheet("joins", "warm CPU per join ms"),
        both(1.0),
    ),
    row(
        "50 join at once: the last has it after, ms",
        Figure::Sheet("joins", "warm join max ms"),
        NONE,
    ),
    row(
        "50 join at once: longest stall in another room, ms",
        Figure::Sheet("joins", "warm other room max ms"),
        both(10.0),
    ),
    row(
        "first join after a restart, ms",
        Figure::Sheet("joins", "cold first join ms"),
        [None, Some(100.0)],
    ),
    row(
        "50 join at once after a restart: CPU ms for each",
        Figure::Sheet("joins", "cold CPU per join ms"),
        NONE,
    ),
    row(
        "50 join at once after a restart: longest stall in another room, ms",
        Figure::Sheet("joins", "cold other room max ms"),
        [None, Some(10.0)],
    ),
    row(
        "100 busy rooms: commits per update",
        Figure::Commits("busy-rooms"),
        [None, Some(0.1)],
    ),
    row(
        "acknowledgement p99, ratio to 3 x raw fdatasync p99 + 2 ms",
        Figure::Acknowledgement,
        [None, Some(1.0)],
    ),
    row(
        "acknowledgement p99 ms",
        Figure::Sheet("acknowledgements", "ack p99 ms"),
        NONE,
    ),
    row(
        "raw fdatasync p99 ms, the same run and disk",
        Figure::Sheet("acknowledgements", "raw fdatasync p99 ms"),
        NONE,
    ),
];

impl Figure {
    /// All samples for one server, each of a run or of a pair of runs.
    pub(crate) fn samples(self, results: &Results, server: &str) -> Vec<f64> {
        let against_floor = |workload, value: fn(&Measurement, &Measurement) -> Option<f64>| {
            pairs(results, (workload, server), (workload, "floor"), value)
        };
        match self {
            Self::Cpu(workload, bound) => {
                pairs(results, (workload, server), (workload, bound), |a, b| {
                    Some(a.cpu_us_per_delivery() / b.cpu_us_per_delivery())
                })
            }
            Self::Latency(workload) => {
                against_floor(workload, |a, b| Some(a.latency.p50_ms / b.latency.p50_ms))
            }
            Self::P99Ms(workload) => {
                let runs = results.of(workload, server);
                runs.map(|(_, run)| run.latency.p99_ms).collect()
            }
            Self::WorstMember => against_floor("big-room", |a, b| {
                Some(a.worst_member_p99_ms? / b.latency.p99_ms)
            }),
            Self::WorstMemberEach => against_floor("big-room", |a, b| {
                Some(a.worst_member_p99_ms? / b.worst_member_p99_ms?)
            }),
            Self::StuckP99 => with_stuck(results, server, |a, b| {
                Some(a.latency.p99_ms / b.latency.p99_ms)
            }),
            Self::StuckMib => with_stuck(results, server, |a, b| {
                let grown = |run: &Measurement| {
                    run.resident_max_kib as f64 - run.resident_before_kib as f64
                };
                Some((grown(a) - grown(b)) / 1_024.0 / a.workload.stuck as f64)
            }),
            Self::Commits(workload) => {
                let runs = results.of(workload, server);
                runs.filter_map(|(_, run)| Some(run.commits? as f64 / run.updates as f64))
                    .collect()
            }
            Self::Sheet(workload, name) => {
                results.values(workload, counter_of(workload, server), name)
            }
            Self::Acknowledgement => {
                let of = |name| {
                    let server = counter_of("acknowledgements", server);
                    results.values("acknowledgements", server, name)
                };
                let raw = of("raw fdatasync p99 ms");
                let acknowledged = of("ack p99 ms");
                let ratio = |(ms, raw): (f64, f64)| ms / (3.0 * raw + 2.0);
                acknowledged.into_iter().zip(raw).map(ratio).collect()
            }
        }
    }
}

/// Acknowledgements are measured with a service of the durable server.
fn counter_of<'a>(workload: &str, server: &'a str) -> &'a str {
    match (workload, server) {
        ("acknowledgements", "greenroom-durable") => "greenroom-counter",
        _ => server,
    }
}

fn with_stuck(
    results: &Results,
    server: &str,
    value: fn(&Measurement, &Measurement) -> Option<f64>,
) -> Vec<f64> {
    pairs(results, ("stuck", server), ("stuck-none", server), value)
}

fn pairs(
    results: &Results,
    a: (&str, &str),
    b: (&str, &str),
    value: fn(&Measurement, &Measurement) -> Option<f64>,
) -> Vec<f64> {
    let pairs = results.pairs(a, b);
    pairs.iter().filter_map(|(a, b)| value(a, b)).collect()
}
