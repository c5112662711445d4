//! How the server is doing, for the console: figures of now, rates of the last minutes, and what an
//! operator should look at.

mod attention;
mod sample;
#[cfg(test)]
mod tests;
mod troubles;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Access;
use crate::meters::{self, table};
use crate::settings::{DataPlace, Mode};
use crate::store::Health;
pub(crate) use attention::Attention;
use sample::{Sample, quantile};
pub(crate) use troubles::Troubles;

/// How often the counters are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks that are kept: 15 minutes and the one before.
const LOOKS_MAX: usize = 91;

/// Busy rooms that are named.
const BUSIEST_MAX: usize = 8;

/// The counters as they were.
#[derive(Default)]
pub(crate) struct Looks {
    /// Oldest first, at most [`LOOKS_MAX`]; locked for a few lines, never across an await.
    kept: Mutex<VecDeque<Sample>>,
}

/// How the server is doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct Overview {
    /// Of the server.
    pub(crate) version: &'static str,
    /// `dev` or `serve`.
    pub(crate) mode: &'static str,
    /// How long it has been running.
    pub(crate) uptime_s: u64,
    /// What `/readyz` says.
    pub(crate) ready: bool,
    /// What an operator should look at, the worst first; empty when all is well.
    pub(crate) attention: Vec<Attention>,
    /// What rates and latencies are taken over.
    pub(crate) window_s: u64,
    /// Connections by protocol.
    pub(crate) connections: Vec<Named>,
    /// Sessions in rooms.
    pub(crate) sessions: u64,
    /// Rooms that the store knows.
    pub(crate) rooms_stored: u64,
    /// Rooms in memory.
    pub(crate) rooms_loaded: usize,
    /// The rooms with most sessions, and how many.
    pub(crate) busiest: Vec<Named>,
    /// From the receipt of a message to its record being on stable storage.
    pub(crate) ack: Latency,
    /// How late a task of the server runs.
    pub(crate) lag: Latency,
    /// The store.
    pub(crate) store: StoreFigures,
    /// The process.
    pub(crate) process: ProcessFigures,
    /// Messages and connections over time, oldest first.
    pub(crate) series: Vec<Point>,
}

/// A figure with a name.
#[derive(Serialize, ToSchema)]
pub(crate) struct Named {
    /// Of what.
    pub(crate) name: String,
    /// How much.
    pub(crate) value: u64,
}

/// Two quantiles of a time; `null` when there was nothing to measure.
#[derive(Serialize, ToSchema)]
pub(crate) struct Latency {
    /// Half are below it.
    #[schema(required)]
    pub(crate) p50_ms: Option<f64>,
    /// One in a hundred is above it.
    #[schema(required)]
    pub(crate) p99_ms: Option<f64>,
    /// How many were measured.
    #[serde(skip)]
    pub(crate) count: u64,
}

/// The store.
#[derive(Serialize, ToSchema)]
pub(crate) struct StoreFigures {
    /// What an answered write survives: `memory`, `local` or `replicated`.
    pub(crate) level: &'static str,
    /// How long an edit may wait for its commit.
    pub(crate) commit_window_ms: u64,
    /// What it takes on disk, by part.
    pub(crate) bytes: Vec<Named>,
    /// What is free on its disk.
    #[schema(required)]
    pub(crate) free_bytes: Option<u64>,
    /// What must stay free there.
    #[schema(required)]
    pub(crate) free_min_bytes: Option<u64>,
}

/// The process; what the system does not say is 0.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProcessFigures {
    /// Processor time per time, over the window: 1 is one core.
    pub(crate) cpu: f64,
    /// Memory in RAM.
    pub(crate) resident_bytes: u64,
    /// File descriptors that are open.
    pub(crate) open_fds: u64,
    /// File descriptors that may be open.
    pub(crate) max_fds: u64,
}

/// What happened between two looks.
#[derive(Serialize, ToSchema)]
pub(crate) struct Point {
    /// When that time ended, in milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// Messages that peers sent, in a second.
    pub(crate) received_per_s: f64,
    /// Frames that rooms sent, in a second.
    pub(crate) sent_per_s: f64,
    /// Connections at the end of it.
    pub(crate) connections: u64,
}

/// Looks at the counters until the process stops.
pub(crate) async fn watch(app: Arc<App>) {
    let edge = Arc::clone(app.edge());
    let mut at = Instant::now();
    loop {
        app.looks.keep(Sample::now(edge.clock.now().0));
        at += LOOK_EVERY;
        // Both arms are cancel-safe.
        tokio::select! {
            () = tokio::time::sleep_until(at) => {}
            () = edge.stopping() => return,
        }
    }
}

impl Looks {
    fn keep(&self, sample: Sample) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == LOOKS_MAX {
            kept.pop_front();
        }
        kept.push_back(sample);
    }

    /// Those that are kept, and `now`.
    fn with(&self, now: Sample) -> Vec<Sample> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().chain([now]).collect()
    }
}

/// How the server is doing now.
pub(crate) fn overview(app: &App, health: &Health) -> Overview {
    meters::read(app, health);
    let now_ms = app.edge().clock.now().0;
    let looks = app.looks.with(Sample::now(now_ms));
    let (first, now) = (&looks[0], &looks[looks.len() - 1]);
    let reasons = app.not_ready(health);
    let settings = app.settings();
    let mut overview = Overview {
        version: env!("CARGO_PKG_VERSION"),
        mode: match settings.mode {
            Mode::Dev => "dev",
            Mode::Serve => "serve",
        },
        uptime_s: app.edge().clock.elapsed().as_secs(),
        ready: reasons.is_empty(),
        attention: Vec::new(),
        window_s: now_ms.saturating_sub(first.at_ms) / 1_000,
        connections: named(table::CONNECTIONS.all(|meter| meter.get() as u64)),
        sessions: table::SESSIONS
            .all(|meter| meter.get() as u64)
            .values()
            .sum(),
        rooms_stored: health.rooms,
        rooms_loaded: app.rooms().running(),
        busiest: busiest(app),
        ack: Latency::of(table::ACK_SECONDS.buckets(), &first.ack, &now.ack),
        lag: Latency::of(table::RUNTIME_LAG_SECONDS.buckets(), &first.lag, &now.lag),
        store: store(app, health),
        process: process(first, now),
        series: looks.windows(2).filter_map(Point::between).collect(),
    };
    let is_safe = settings.mode == Mode::Dev
        || app.policy().authenticator.access() == Access::Keyed
        || settings.listen.ip().is_loopback();
    let found = attention::Found {
        overview: &overview,
        reasons: &reasons,
        counts: now.counts.since(&first.counts),
        troubles: app.rooms().troubles.since(first.at_ms),
        clock_offset_s: sum(&table::CLOCK_OFFSET_SECONDS),
        is_open_to_strangers: !is_safe,
        forgets: settings.mode == Mode::Serve && settings.data == DataPlace::Memory,
        now_ms,
    };
    overview.attention = found.attention();
    overview
}

fn busiest(app: &App) -> Vec<Named> {
    let mut rooms = app.rooms().live();
    rooms.retain(|(_, sessions)| *sessions > 0);
    // Of equals the first by name, so that the list does not jump.
    rooms.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rooms.truncate(BUSIEST_MAX);
    let named = rooms.into_iter().map(|(room, sessions)| Named {
        name: room.as_str().to_owned(),
        value: sessions as u64,
    });
    named.collect()
}

fn store(app: &App, health: &Health) -> StoreFigures {
    let store = meters::store_name(health.level);
    let of = |family: &meters::Family<meters::Gauge>| {
        let found = family.all(meters::Gauge::get);
        found.get([store.to_owned()].as_slice()).map(|n| *n as u64)
    };
    let bytes = table::STORE_BYTES.all(|meter| meter.get() as u64);
    let bytes = bytes.into_iter().filter(|(labels, _)| labels[0] == store);
    StoreFigures {
        level: health.level.name(),
        commit_window_ms: app.policy().commit_window_ms_max(),
        bytes: bytes
            .map(|(mut labels, value)| Named {
                name: labels.swap_remove(1),
                value,
            })
            .collect(),
        free_bytes: of(&table::STORE_FREE_BYTES),
        free_min_bytes: of(&table::STORE_FREE_MIN_BYTES),
    }
}

fn process(first: &Sample, now: &Sample) -> ProcessFigures {
    let s = now.at_ms.saturating_sub(first.at_ms) as f64 / 1e3;
    ProcessFigures {
        cpu: if s > 0.0 {
            ((now.cpu_s - first.cpu_s) / s).max(0.0)
        } else {
            0.0
        },
        resident_bytes: sum(&table::PROCESS_RESIDENT_BYTES) as u64,
        open_fds: sum(&table::PROCESS_OPEN_FDS) as u64,
        max_fds: sum(&table::PROCESS_MAX_FDS) as u64,
    }
}

fn sum(family: &meters::Family<meters::Gauge>) -> f64 {
    family.all(meters::Gauge::get).values().sum()
}

/// Figures of a metric with one label.
fn named(all: std::collections::BTreeMap<Vec<String>, u64>) -> Vec<Named> {
    let named = all.into_iter().map(|(labels, value)| Named {
        name: labels.join(" "),
        value,
    });
    named.collect()
}

impl Latency {
    fn of(bounds: &[f64], first: &[u64], now: &[u64]) -> Self {
        let counts: Vec<u64> = (0..now.len())
            .map(|at| now[at].saturating_sub(first.get(at).copied().unwrap_or(0)))
            .collect();
        let ms = |q| quantile(bounds, &counts, q).map(|s| s * 1e3);
        Self {
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            count: counts.iter().sum(),
        }
    }
}

impl Point {
    fn between(pair: &[Sample]) -> Option<Self> {
        let [before, after] = pair else { return None };
        let s = after.at_ms.saturating_sub(before.at_ms) as f64 / 1e3;
        // Two looks at almost the same time give no rate.
        (s >= 1.0).then(|| Self {
            at_ms: after.at_ms,
            received_per_s: after.received.saturating_sub(before.received) as f64 / s,
            sent_per_s: after.sent.saturating_sub(before.sent) as f64 / s,
            connections: after.connections,
        })
    }
}
