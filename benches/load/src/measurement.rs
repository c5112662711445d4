//! What a run gives: one line of JSON in the results.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::workload::Workload;

/// Times of many events, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Spread {
    /// Of a histogram of microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1_000.0;
        Self {
            p50_ms: ms(histogram.value_at_quantile(0.5)),
            p99_ms: ms(histogram.value_at_quantile(0.99)),
            max_ms: ms(histogram.max()),
        }
    }
}

/// One run of one workload against one freshly started server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// Seconds since 1970.
    pub(crate) at_s: u64,
    /// The name of the server's kind.
    pub(crate) server: String,
    pub(crate) workload: Workload,
    /// Connections, and the server's CPU and the time that each took until it was in step.
    pub(crate) connections: usize,
    pub(crate) connect_cpu_us: f64,
    pub(crate) connect_s: f64,
    /// Updates written while it was measured.
    pub(crate) updates: u64,
    pub(crate) deliveries: u64,
    /// Deliveries that never came.
    pub(crate) missing: i64,
    /// From the first update to the last delivery.
    pub(crate) load_s: f64,
    /// The server's CPU seconds from the first update until it had settled.
    pub(crate) cpu_s: f64,
    /// The generator's, until the last delivery.
    pub(crate) own_cpu_s: f64,
    pub(crate) latency: Spread,
    /// The 99th percentile of the member for which it is the highest, where that is asked for.
    #[serde(default)]
    pub(crate) worst_member_p99_ms: Option<f64>,
    /// Frames that the generator read: fewer than deliveries where a server merges.
    pub(crate) frames: u64,
    /// Connections that the server ended during the load.
    pub(crate) closed: u64,
    /// The server's memory before the load, after it, and the most meanwhile.
    pub(crate) resident_before_kib: u64,
    pub(crate) resident_kib: u64,
    pub(crate) resident_max_kib: u64,
    /// Commits to its store, where it counts them.
    pub(crate) commits: Option<u64>,
}

impl Measurement {
    /// The server's CPU microseconds for one delivery.
    pub(crate) fn cpu_us_per_delivery(&self) -> f64 {
        self.cpu_s * 1e6 / self.deliveries.max(1) as f64
    }
}

/// One run of a workload that gives other numbers: each with its name and unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sheet {
    /// Seconds since 1970.
    pub(crate) at_s: u64,
    pub(crate) workload: String,
    pub(crate) server: String,
    /// In the order in which they were put.
    pub(crate) values: Vec<(String, f64)>,
}

impl Sheet {
    /// A sheet without numbers.
    pub(crate) fn new(workload: &str, server: &str) -> Self {
        Self {
            at_s: now_s(),
            workload: workload.to_owned(),
            server: server.to_owned(),
            values: Vec::new(),
        }
    }

    /// Adds a number; the name ends in its unit.
    pub(crate) fn put(&mut self, name: &str, value: f64) {
        self.values.push((name.to_owned(), value));
    }

    /// The number called `name`.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        let found = self.values.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| *value)
    }
}

/// Now, in seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// Appends one line to `results/NAME.jsonl`.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn append<T: Serialize>(results: &Path, name: &str, line: &T) -> Result<()> {
    fs::create_dir_all(results)?;
    let path = results.join(name).with_extension("jsonl");
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{}", serde_json::to_string(line)?)?;
    Ok(())
}
