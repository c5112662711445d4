//! Counts the instructions of a room's turn, and holds them against what was accepted last.
//!
//! Instructions and not time: they are the same on a machine that does other work, so that a few
//! per cent show. `benches/turn` has the turns.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::printer;

/// What was accepted last: a workload and the instructions of one turn in each line.
const BASELINE: &str = "benches/turn/baseline.txt";
/// What the baseline begins with.
const BASELINE_HEAD: &str = "\
# Instructions of one turn, x86-64 Linux, release build. `cargo xtask turn --accept` writes them.
";
/// A turn may cost so much more than the baseline, in per cent: compilers and C libraries differ.
const TOLERANCE_PERCENT: u64 = 5;
/// Turns that go before: what happens once must cost the same in both counts.
const TURNS_BEFORE: u64 = 100;
/// Turns that make the difference between both counts.
const TURNS: u64 = 1_000;

/// The instructions of one turn of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cost {
    workload: String,
    instructions: u64,
}

/// What a count is, next to the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Holds,
    Dearer,
    /// So much cheaper that the baseline would not notice when that is lost again.
    Cheaper,
}

/// Counts and compares; `false` when a turn became dearer.
pub(crate) fn check(root: &Path) -> Result<bool> {
    let baseline = read_baseline(root)?;
    let counted = count_all(root, &baseline)?;
    let mut verdicts = Vec::new();
    for (before, now) in baseline.iter().zip(&counted) {
        verdicts.push(judge(before, now));
        printer::line(&describe(before, now));
    }
    if verdicts.contains(&Verdict::Dearer) {
        printer::error(&format!(
            "error: a turn takes over {TOLERANCE_PERCENT} % more instructions than {BASELINE} says"
        ));
        printer::error(
            "hint: benches/README.md says how to see where they go. When they buy something, \
             `cargo xtask turn --accept` makes them the new baseline; say in the commit what.",
        );
        return Ok(false);
    }
    if verdicts.contains(&Verdict::Cheaper) {
        printer::line("cheaper than the baseline: keep it with `cargo xtask turn --accept`");
    }
    Ok(true)
}

/// Counts and makes that the baseline.
pub(crate) fn accept(root: &Path) -> Result<bool> {
    let baseline = read_baseline(root)?;
    let counted = count_all(root, &baseline)?;
    for (before, now) in baseline.iter().zip(&counted) {
        printer::line(&describe(before, now));
    }
    fs::write(root.join(BASELINE), format_baseline(&counted)).context(BASELINE)?;
    printer::line(&format!("wrote {BASELINE}"));
    Ok(true)
}

fn judge(before: &Cost, now: &Cost) -> Verdict {
    let percent = |cost: &Cost, percent| cost.instructions * percent;
    if percent(now, 100) > percent(before, 100 + TOLERANCE_PERCENT) {
        Verdict::Dearer
    } else if percent(now, 100) < percent(before, 100 - TOLERANCE_PERCENT) {
        Verdict::Cheaper
    } else {
        Verdict::Holds
    }
}

fn describe(before: &Cost, now: &Cost) -> String {
    let (was, is) = (before.instructions, now.instructions);
    let change = (is as f64 / was as f64 - 1.0) * 100.0;
    let name = &now.workload;
    format!("{name:<14}{is:>9} instructions a turn, baseline {was:>9} ({change:+.1} %)")
}

fn read_baseline(root: &Path) -> Result<Vec<Cost>> {
    let text = fs::read_to_string(root.join(BASELINE)).context(BASELINE)?;
    parse_baseline(&text).context(BASELINE)
}

fn parse_baseline(text: &str) -> Result<Vec<Cost>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = |line: &str| {
        let (workload, count) = line.split_once(' ')?;
        let instructions = count.trim().parse().ok().filter(|count| *count > 0)?;
        let workload = workload.to_owned();
        Some(Cost {
            workload,
            instructions,
        })
    };
    lines
        .map(|line| read(line).with_context(|| format!("not `WORKLOAD COUNT`: {line:?}")))
        .collect()
}

fn format_baseline(costs: &[Cost]) -> String {
    let mut text = BASELINE_HEAD.to_owned();
    for cost in costs {
        writeln!(text, "{} {}", cost.workload, cost.instructions).expect("a string takes all");
    }
    text
}

/// Counts the workloads of the baseline, in its order.
fn count_all(root: &Path, baseline: &[Cost]) -> Result<Vec<Cost>> {
    let words = ["build", "--release", "--locked", "--package", "turn"];
    let built = Command::new("cargo")
        .args(words)
        .current_dir(root)
        .stdin(Stdio::null())
        .status()
        .context("cannot run cargo")?;
    if !built.success() {
        bail!("benches/turn does not build");
    }
    let program = program()?;
    let counted = baseline.iter().map(|cost| {
        let before = count(&program, &cost.workload, TURNS_BEFORE)?;
        let all = count(&program, &cost.workload, TURNS_BEFORE + TURNS)?;
        Ok(Cost {
            workload: cost.workload.clone(),
            instructions: all.saturating_sub(before) / TURNS,
        })
    });
    counted.collect()
}

/// Where Cargo puts the program: we are in `debug` of the same folder.
fn program() -> Result<PathBuf> {
    let ours = std::env::current_exe()?;
    let target = ours.parent().and_then(Path::parent);
    let target = target.context("xtask lies in a target folder")?;
    Ok(target.join("release").join("turn"))
}

/// The instructions of a whole run.
fn count(program: &Path, workload: &str, turns: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([workload, &turns.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("cannot run valgrind")?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{workload} failed under valgrind:\n{told}");
    }
    collected(&told).with_context(|| format!("callgrind told no count:\n{told}"))
}

/// The count in what callgrind tells: `==1== Collected : 123`.
fn collected(told: &str) -> Option<u64> {
    let line = told.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}
