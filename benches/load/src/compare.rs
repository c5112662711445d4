//! Two servers against each other, interleaved: A B, B A, A B, ...

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::fan_out;
use crate::kinds::Kind;
use crate::measurement::{Measurement, append, now_s};
use crate::server::Places;
use crate::stats;
use crate::workload::Workload;

/// The outcome of all pairs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Comparison {
    /// Seconds since 1970.
    pub(crate) at_s: u64,
    pub(crate) workload: String,
    pub(crate) a: String,
    pub(crate) b: String,
    /// CPU per delivery of A over that of B, pair by pair.
    pub(crate) ratios: Vec<f64>,
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// How surely the true median lies between `low` and `high`.
    pub(crate) confidence: f64,
    /// Medians of CPU microseconds per delivery.
    pub(crate) a_cpu_us: f64,
    pub(crate) b_cpu_us: f64,
    /// Medians of the median latencies and of the 99th percentiles.
    pub(crate) a_latency_ms: (f64, f64),
    pub(crate) b_latency_ms: (f64, f64),
}

/// Runs so many pairs and prints each.
///
/// # Errors
/// As [`fan_out::run`].
pub(crate) fn run(
    a: &'static Kind,
    b: &'static Kind,
    pairs: usize,
    workload: &Workload,
    places: &Places,
) -> Result<Comparison> {
    println!("{}: {} / {}", workload.name, a.name, b.name);
    let mut measured = Vec::new();
    for pair in 0..pairs {
        let one = |kind| -> Result<Measurement> {
            let measurement = fan_out::run(kind, places, workload)?;
            append(&places.results, "runs", &measurement)?;
            Ok(measurement)
        };
        // Whoever comes second may find the machine warmer: the order changes.
        let (of_a, of_b) = if pair % 2 == 0 {
            let of_a = one(a)?;
            (of_a, one(b)?)
        } else {
            let of_b = one(b)?;
            (one(a)?, of_b)
        };
        println!(
            "  {:2}  {:.2}  {}",
            pair + 1,
            ratio(&of_a, &of_b),
            side(&of_a)
        );
        println!("            {}", side(&of_b));
        measured.push((of_a, of_b));
    }
    let comparison = outcome(&measured);
    append(&places.results, "comparisons", &comparison)?;
    println!(
        "  median {:.2} ({:.2} to {:.2} with {:.1} %)",
        comparison.median,
        comparison.low,
        comparison.high,
        comparison.confidence * 100.0
    );
    Ok(comparison)
}

fn ratio(a: &Measurement, b: &Measurement) -> f64 {
    a.cpu_us_per_delivery() / b.cpu_us_per_delivery()
}

/// One line about a run.
pub(crate) fn side(m: &Measurement) -> String {
    let commits = m
        .commits
        .map_or(String::new(), |n| format!(", {n} commits"));
    let missing = if m.missing == 0 {
        String::new()
    } else {
        format!(", {} MISSING", m.missing)
    };
    format!(
        "{:17} {:6.2} us/delivery, {} deliveries in {:.1} s, p50 {:.2} p99 {:.2} max {:.1} ms, \
         {:.1} per frame, {} MB, connect {:.0} us, own core {:.0} %{commits}{missing}",
        m.server,
        m.cpu_us_per_delivery(),
        m.deliveries,
        m.load_s,
        m.latency.p50_ms,
        m.latency.p99_ms,
        m.latency.max_ms,
        m.deliveries as f64 / m.frames.max(1) as f64,
        m.resident_kib / 1_024,
        m.connect_cpu_us,
        m.own_cpu_s / m.load_s * 100.0,
    )
}

fn outcome(measured: &[(Measurement, Measurement)]) -> Comparison {
    let all = |value: &dyn Fn(&(Measurement, Measurement)) -> f64| -> Vec<f64> {
        measured.iter().map(value).collect()
    };
    let middle = |value: &dyn Fn(&(Measurement, Measurement)) -> f64| {
        stats::median(&all(value)).map_or(f64::NAN, |median| median.value)
    };
    let ratios = all(&|(a, b)| ratio(a, b));
    let median = stats::median(&ratios);
    let name = |of: fn(&(Measurement, Measurement)) -> &String| {
        measured.first().map(of).cloned().unwrap_or_default()
    };
    Comparison {
        at_s: now_s(),
        workload: name(|(a, _)| &a.workload.name),
        a: name(|(a, _)| &a.server),
        b: name(|(_, b)| &b.server),
        median: median.map_or(f64::NAN, |m| m.value),
        low: median.map_or(f64::NAN, |m| m.low),
        high: median.map_or(f64::NAN, |m| m.high),
        confidence: median.map_or(0.0, |m| m.confidence),
        a_cpu_us: middle(&|(a, _)| a.cpu_us_per_delivery()),
        b_cpu_us: middle(&|(_, b)| b.cpu_us_per_delivery()),
        a_latency_ms: (
            middle(&|(a, _)| a.latency.p50_ms),
            middle(&|(a, _)| a.latency.p99_ms),
        ),
        b_latency_ms: (
            middle(&|(_, b)| b.latency.p50_ms),
            middle(&|(_, b)| b.latency.p99_ms),
        ),
        ratios,
    }
}
