//! Results as the tables of `docs/performance.md`.

pub(crate) mod rows;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::measurement::Measurement;
use crate::plan::{OURS, PEERS};
use crate::results::Results;
use crate::stats::{self, Median};

use rows::Row;

/// Between these lines the page is written by [`write`].
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// More than this share of the deliveries missing is worth a note.
const MISSING_MAX: f64 = 0.001;
/// A generator as busy as this measures itself.
const OWN_CORE_MAX: f64 = 0.95;

/// Puts the tables into a page.
///
/// # Errors
/// When the page cannot be read or written, or lacks the lines between which they go.
pub(crate) fn write(page: &Path, tables: &str) -> Result<()> {
    let text =
        fs::read_to_string(page).with_context(|| format!("{} cannot be read", page.display()))?;
    let text = replaced(&text, tables).with_context(|| {
        format!(
            "{} has no lines `{BEGIN}` and `{END}`; hint: put them where the tables belong",
            page.display()
        )
    })?;
    Ok(fs::write(page, text)?)
}

fn replaced(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{tables}{END}{after}"))
}

/// All tables.
///
/// # Errors
/// When there is nothing to tell.
pub(crate) fn tables(results: &Results) -> Result<String> {
    ensure!(
        !(results.runs.is_empty() && results.sheets.is_empty()),
        "the results hold no run"
    );
    let mut out = sessions(results);
    out.push_str("\n### CPU per delivery, as a ratio to the floor\n\n");
    ours(&mut out, results, rows::COST);
    others(&mut out, results, rows::COST);
    out.push_str("\n### Latency, memory, joins, store\n\n");
    ours(&mut out, results, rows::OTHER);
    others(&mut out, results, rows::OTHER);
    out.push_str("\n### Medians of all runs\n\n");
    absolute(&mut out, results);
    notes(&mut out, results);
    Ok(out)
}

/// Where, when and with what.
fn sessions(results: &Results) -> String {
    let mut out = String::new();
    for session in &results.sessions {
        let versions: Vec<String> = session
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        let _ = writeln!(
            out,
            "{}Measured on {}, commit {}: {} with {} cores, Linux {}{}. {}.",
            if session.quick {
                "**A quick look, no measurement.** "
            } else {
                ""
            },
            date(session.at_s),
            session.commit,
            session.processor,
            session.cores,
            session.kernel,
            if session.alone {
                ""
            } else {
                ", disturbed by other work"
            },
            versions.join(", "),
        );
    }
    out.push_str(
        "\nThe median of the runs, and in brackets the interval that holds the true median with at \
         least 95 %; the range, where there are fewer than six.\n",
    );
    out
}

/// The day of a time in seconds since 1970, as `2026-11-25`.
fn date(at_s: u64) -> String {
    // Days since 0000-03-01, then eras of 400 years: "chrono-Compatible Low-Level Date Algorithms".
    let days = at_s / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

/// Ours, with goals.
fn ours(out: &mut String, results: &Results, rows: &[Row]) {
    out.push_str("| what | in memory | at most | | durable | at most | |\n");
    out.push_str("|---|---|---|---|---|---|---|\n");
    for row in rows {
        let mut cells = Vec::new();
        for (server, goal) in OURS.iter().zip(row.goals) {
            let median = stats::median(&row.figure.samples(results, server));
            cells.push(median.map_or(String::new(), figure));
            cells.push(goal.map_or(String::new(), |goal| format!("{goal}")));
            cells.push(verdict(median, goal).to_owned());
        }
        if cells.iter().step_by(3).any(|cell| !cell.is_empty()) {
            let _ = writeln!(out, "| {} | {} |", row.what, cells.join(" | "));
        }
    }
}

fn verdict(median: Option<Median>, goal: Option<f64>) -> &'static str {
    match (median, goal) {
        (Some(median), Some(goal)) if median.value <= goal => "met",
        (Some(_), Some(_)) => "**missed**",
        _ => "",
    }
}

/// Those of others that took part.
fn others(out: &mut String, results: &Results, rows: &[Row]) {
    let took_part = |peer: &&&str| {
        rows.iter()
            .any(|row| !row.figure.samples(results, peer).is_empty())
    };
    let peers: Vec<&str> = PEERS.iter().filter(took_part).copied().collect();
    if peers.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n| what | {} |", peers.join(" | "));
    let _ = writeln!(out, "|---|{}", "---|".repeat(peers.len()));
    for row in rows {
        let cells: Vec<String> = peers
            .iter()
            .map(|peer| row.figure.samples(results, peer))
            .map(|samples| stats::median(&samples).map_or(String::new(), figure))
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _ = writeln!(out, "| {} | {} |", row.what, cells.join(" | "));
        }
    }
}

/// `1.35 (1.33 to 1.38)`.
fn figure(median: Median) -> String {
    let Median {
        value, low, high, ..
    } = median;
    if low < high {
        format!("{} ({} to {})", number(value), number(low), number(high))
    } else {
        number(value)
    }
}

/// With as many digits as one may believe.
fn number(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// What each server took, not as a ratio.
fn absolute(out: &mut String, results: &Results) {
    out.push_str(
        "| workload | server | runs | CPU µs per delivery | p50 ms | p99 ms | deliveries per frame \
         | RSS MiB | CPU µs per connect |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for (workload, server) in measured(results) {
        let runs: Vec<&Measurement> = results.of(workload, server).map(|(_, run)| run).collect();
        let middle = |value: fn(&Measurement) -> f64| {
            let samples: Vec<f64> = runs.iter().map(|run| value(run)).collect();
            stats::median(&samples).map_or(String::new(), |median| number(median.value))
        };
        let cells = [
            middle(Measurement::cpu_us_per_delivery),
            middle(|run| run.latency.p50_ms),
            middle(|run| run.latency.p99_ms),
            middle(|run| run.deliveries as f64 / run.frames.max(1) as f64),
            middle(|run| run.resident_max_kib as f64 / 1_024.0),
            middle(|run| run.connect_cpu_us),
        ];
        let _ = writeln!(
            out,
            "| {workload} | {server} | {} | {} |",
            runs.len(),
            cells.join(" | ")
        );
    }
}

/// Every workload and server of a run, in the order of the plan.
fn measured(results: &Results) -> Vec<(&str, &str)> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (_, run) in &results.runs {
        let pair = (run.workload.name.as_str(), run.server.as_str());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    let first = |workload: &str| pairs.iter().position(|pair| pair.0 == workload);
    let mut sorted = pairs.clone();
    sorted.sort_by_key(|pair| first(pair.0));
    sorted
}

/// What must be known to read the tables rightly.
fn notes(out: &mut String, results: &Results) {
    let mut notes = BTreeSet::new();
    for (_, run) in &results.runs {
        let (workload, server) = (&run.workload.name, &run.server);
        let expected = run.deliveries as f64 + run.missing as f64;
        if run.missing as f64 > expected * MISSING_MAX {
            notes.insert(format!(
                "{workload}, {server}: in a run or more over 0.1 % of the deliveries are missing"
            ));
        }
        if run.closed > 0 {
            notes.insert(format!("{workload}, {server}: closed connections"));
        }
        if run.own_cpu_s > run.load_s * OWN_CORE_MAX {
            notes.insert(format!(
                "{workload}, {server}: the generator's own core was full, latencies are its own too"
            ));
        }
    }
    for (workload, server, why) in &results.failed {
        let why = why.lines().next().unwrap_or_default();
        notes.insert(format!("{workload}, {server}: failed: {why}"));
    }
    if !notes.is_empty() {
        out.push_str("\nTo be known:\n\n");
    }
    for note in notes {
        let _ = writeln!(out, "- {note}");
    }
}

#[cfg(test)]
mod tests;
