//! What is asked of the operating system: cores, open files, the CPU time and memory of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The core of the server under test.
pub(crate) const SERVER_CORE: usize = 0;
/// The core of the generator.
pub(crate) const OWN_CORE: usize = 1;

/// Binds this thread, and what it starts from now on, to one core.
///
/// # Errors
/// When there is no such core.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores)
        .with_context(|| format!("no core {core}: a measurement takes two"))
}

/// Allows as many open files as the system lets a process have.
///
/// # Errors
/// When the system does not say how many.
pub(crate) fn open_files_max() -> Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// The CPU time of a process: user and system, all its threads, those that ended included.
///
/// # Errors
/// When there is no such process.
pub(crate) fn cpu_time(process: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(process.cast_signed()))
        .context("the server has ended")?;
    Ok(clock_gettime(clock)?.into())
}

/// The CPU time of the generator itself.
pub(crate) fn own_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Into::into)
}

/// Resident memory of a process in KiB: now, and the most it ever was.
///
/// # Errors
/// When there is no such process.
pub(crate) fn resident_kib(process: u32) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    };
    Ok((field("VmRSS:"), field("VmHWM:")))
}

/// Lets the most memory that a process ever had begin anew at what it has.
///
/// # Errors
/// When the process has ended or belongs to somebody else.
pub(crate) fn forget_resident_max(process: u32) -> Result<()> {
    const PEAK: &str = "5";
    fs::write(format!("/proc/{process}/clear_refs"), PEAK)
        .context("resetting the most memory that the server had")
}

/// How many cores the machine has.
pub(crate) fn cores() -> usize {
    let all = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    all.lines()
        .filter(|line| line.starts_with("processor"))
        .count()
}

/// The model name of the processor.
pub(crate) fn processor() -> String {
    let all = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    all.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned())
}
