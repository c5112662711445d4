//! The process and its runtime, read when the metrics are shown. Where the system has no `/proc`,
//! what comes from there is not shown.

use std::path::Path;

use super::table;

/// Clock ticks in a second as `/proc` counts them: fixed by the interface of Linux.
const TICKS_PER_S: f64 = 100.0;

/// Bytes of a page; what is larger is so on few machines, and there it is off by that factor.
const PAGE_BYTES: f64 = 4_096.0;

/// Reads everything anew.
pub(super) fn read() {
    runtime();
    // Absent on systems other than Linux.
    let _ = process(Path::new("/proc/self"));
}

fn runtime() {
    let Ok(handle) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let metrics = handle.metrics();
    let workers = metrics.num_workers();
    table::TOKIO_WORKERS.with(&[]).set(workers as f64);
    let alive = metrics.num_alive_tasks();
    table::TOKIO_ALIVE_TASKS.with(&[]).set(alive as f64);
    let queued = metrics.global_queue_depth();
    table::TOKIO_GLOBAL_QUEUE_DEPTH.with(&[]).set(queued as f64);
    let busy = (0..workers).map(|worker| metrics.worker_total_busy_duration(worker));
    let busy = busy.map(|busy| busy.as_secs_f64()).sum();
    table::TOKIO_BUSY_SECONDS.with(&[]).set(busy);
}

fn process(proc: &Path) -> Option<()> {
    let stat = std::fs::read_to_string(proc.join("stat")).ok()?;
    // The name of the program comes second, in parentheses, and may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<f64> = rest
        .split_ascii_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    // Counted from the state, which is field 3 of proc(5).
    let field = |number: usize| fields.get(number - 3).copied();
    let cpu = (field(14)? + field(15)?) / TICKS_PER_S;
    table::PROCESS_CPU_SECONDS.with(&[]).set(cpu);
    table::PROCESS_THREADS.with(&[]).set(field(20)?);
    table::PROCESS_VIRTUAL_BYTES.with(&[]).set(field(23)?);
    table::PROCESS_RESIDENT_BYTES
        .with(&[])
        .set(field(24)? * PAGE_BYTES);
    let booted = std::fs::read_to_string("/proc/stat").ok()?;
    let booted = booted.lines().find_map(|line| line.strip_prefix("btime "));
    let booted: f64 = booted?.trim().parse().ok()?;
    table::PROCESS_START_SECONDS
        .with(&[])
        .set(booted + field(22)? / TICKS_PER_S);
    let open = std::fs::read_dir(proc.join("fd")).ok()?.count();
    table::PROCESS_OPEN_FDS.with(&[]).set(open as f64);
    let limits = std::fs::read_to_string(proc.join("limits")).ok()?;
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = files?.split_ascii_whitespace().next()?;
    table::PROCESS_MAX_FDS
        .with(&[])
        .set(soft.parse().unwrap_or(f64::INFINITY));
    Some(())
}
