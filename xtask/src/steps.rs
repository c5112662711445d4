//! The tables of checks, and the loop that runs one: what the build machine runs, you run.

mod needs;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{book, printer, tidy, turn};
use needs::{ADVISORIES, DENY, MUSL, NEXTEST, Need, PYTHON, VALGRIND, WASM, WEB};

/// What `cargo xtask ci` runs, in this order: the quick ones first, the pages before the server
/// that embeds them.
pub(crate) const CI: &[Step] = &[
    command("format", &["cargo", "fmt", "--all", "--check"]),
    call("tidy", tidy::run),
    command(
        "licences",
        &["cargo", "deny", "check", "licenses", "bans", "sources"],
    )
    .needs(&DENY),
    command(
        "advisories",
        &["cargo", "deny", "check", "advisories", "--disable-fetch"],
    )
    .needs(&ADVISORIES),
    command("book", &["bash", "scripts/book.sh", "build"]),
    call("links", book::check),
    command("web install", &["bash", "scripts/web.sh", "install"]).needs(&WEB),
    command("web build", &["npm", "run", "build"])
        .within("web")
        .needs(&WEB),
    command("web tests", &["npm", "test"])
        .within("web")
        .needs(&WEB),
    command(
        "clippy",
        &[
            "cargo",
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    ),
    // What is off by default and no test of a push builds.
    command(
        "features",
        &[
            "cargo",
            "clippy",
            "--package",
            "greenroom",
            "--all-targets",
            "--features",
            "acme,otel",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    )
    .slow(),
    command(
        "tests",
        &["cargo", "nextest", "run", "--workspace", "--locked"],
    )
    .needs(&NEXTEST),
    command(
        "doc tests",
        &["cargo", "test", "--doc", "--workspace", "--locked"],
    ),
    command(
        "api docs",
        &["cargo", "doc", "--workspace", "--no-deps", "--locked"],
    )
    .with("RUSTDOCFLAGS", "-D warnings"),
    call("turn", turn::check).needs(&VALGRIND).slow(),
    call("wasm", build_wasm).needs(&WASM).slow(),
    command(
        "binary",
        &["cargo", "build", "--package", "greenroom", "--locked"],
    )
    .slow(),
    call("browser tests", test_in_browser).needs(&WEB).slow(),
    command("clients install", INSTALL_CLIENTS).slow(),
    call("clients", test_clients).slow(),
];

/// Brings the packages that the tests of `clients/` need.
const INSTALL_CLIENTS: &[&str] = &["bash", "scripts/clients.sh"];

/// What `cargo xtask soak` runs.
pub(crate) const SOAK: &[Step] = &[
    // 20,000 cases instead of proptest's 256, and each place where a file can be damaged.
    command(
        "property tests",
        &[
            "cargo",
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--release",
            "--profile",
            "soak",
        ],
    )
    .with("PROPTEST_CASES", "20000")
    .and_with("GREENROOM_RUNS", "1000")
    .needs(&NEXTEST),
    command(
        "binary",
        &["cargo", "build", "--package", "greenroom", "--locked"],
    ),
    // 10,000 worlds instead of 200.
    command(
        "simulator",
        &[
            "cargo",
            "test",
            "--release",
            "--locked",
            "--package",
            "greenroom-sim",
        ],
    )
    .with("GREENROOM_SIM_SEEDS", "10000"),
    // What fills a data directory for a start on many rooms.
    command(
        "filler",
        &[
            "cargo",
            "build",
            "--locked",
            "--package",
            "greenroom-server",
            "--example",
            "fill_store",
        ],
    ),
    // In a folder of their own: the binary of the other steps is the one that we ship.
    command(
        "features",
        &[
            "cargo",
            "nextest",
            "run",
            "--package",
            "greenroom",
            "--package",
            "greenroom-server",
            "--features",
            "greenroom/acme,greenroom/otel",
            "--locked",
            "--target-dir",
            "target/features",
        ],
    )
    .needs(&NEXTEST),
    command("static build", &["bash", "scripts/musl.sh"]).needs(&MUSL),
    call("rest", fuzz_rest).needs(&PYTHON),
    command("clients install", INSTALL_CLIENTS),
    call("clients", soak_clients),
    command("fuzz", &["bash", "fuzz/run.sh"]).with("FUZZ_SECONDS", "60"),
    command("conformance", &["bash", "conformance/autobahn/run.sh"]),
];

/// How much of a table to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every step.
    Full,
    /// Without the slow ones.
    Fast,
}

/// One check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    name: &'static str,
    run: Run,
    /// Relative to the root.
    folder: &'static str,
    environment: [Option<(&'static str, &'static str)>; 2],
    need: Option<&'static Need>,
    slow: bool,
}

#[derive(Clone, Copy, Debug)]
enum Run {
    /// A program and its arguments.
    Command(&'static [&'static str]),
    /// A function of the root; `Ok(false)` says that it found something.
    Call(fn(&Path) -> Result<bool>),
}

const fn command(name: &'static str, words: &'static [&'static str]) -> Step {
    Step {
        name,
        run: Run::Command(words),
        folder: "",
        environment: [None, None],
        need: None,
        slow: false,
    }
}

const fn call(name: &'static str, function: fn(&Path) -> Result<bool>) -> Step {
    Step {
        name,
        run: Run::Call(function),
        folder: "",
        environment: [None, None],
        need: None,
        slow: false,
    }
}

impl Step {
    /// Runs it in a folder of the repository.
    const fn within(self, folder: &'static str) -> Self {
        Self { folder, ..self }
    }

    /// Sets a variable for its command.
    const fn with(self, name: &'static str, value: &'static str) -> Self {
        Self {
            environment: [Some((name, value)), None],
            ..self
        }
    }

    /// Sets a second one.
    const fn and_with(self, name: &'static str, value: &'static str) -> Self {
        Self {
            environment: [self.environment[0], Some((name, value))],
            ..self
        }
    }

    /// Names what must be there for it.
    const fn needs(self, need: &'static Need) -> Self {
        Self {
            need: Some(need),
            ..self
        }
    }

    /// Leaves it out with `--fast`.
    const fn slow(self) -> Self {
        Self { slow: true, ..self }
    }

    /// Runs it, or says why not.
    fn outcome(&self, root: &Path) -> Outcome {
        if let Some(need) = self.need
            && !need.is_met(root)
        {
            return if need.must_be_met() {
                Outcome::Failed(need.hint.to_owned())
            } else {
                Outcome::Skipped(need.hint)
            };
        }
        let result = match self.run {
            Run::Command(words) => {
                let mut command = child(words, &root.join(self.folder));
                command.envs(self.environment.into_iter().flatten());
                succeeds(&mut command)
            }
            Run::Call(function) => function(root),
        };
        match result {
            Ok(true) => Outcome::Passed,
            Ok(false) => Outcome::Failed(String::new()),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        }
    }
}

/// How a step ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// With a hint, where there is one beyond what the step printed.
    Failed(String),
    /// With what is missing.
    Skipped(&'static str),
}

/// Runs `steps` one after the other, also after a failure; `false` when one failed.
pub(crate) fn run(root: &Path, steps: &[Step], extent: Extent) -> Result<bool> {
    let steps: Vec<&Step> = steps
        .iter()
        .filter(|step| extent == Extent::Full || !step.slow)
        .collect();
    let mut done = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        printer::line(&format!(
            "\n== {} ({} of {})",
            step.name,
            at + 1,
            steps.len()
        ));
        let start = Instant::now();
        let outcome = step.outcome(root);
        let report = report(step, &outcome, start.elapsed());
        printer::line(&report);
        done.push((outcome, report));
    }
    printer::line("\n== summary");
    for (_, report) in &done {
        printer::line(report);
    }
    let (passed, failed) = tally(done.iter().map(|(outcome, _)| outcome));
    printer::line(&format!("{passed} passed, {failed} failed"));
    Ok(failed == 0)
}

/// How many passed and how many failed; what was skipped is neither.
fn tally<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> (usize, usize) {
    outcomes.fold((0, 0), |(passed, failed), outcome| match outcome {
        Outcome::Passed => (passed + 1, failed),
        Outcome::Failed(_) => (passed, failed + 1),
        Outcome::Skipped(_) => (passed, failed),
    })
}

fn report(step: &Step, outcome: &Outcome, took: Duration) -> String {
    let (word, hint) = match outcome {
        Outcome::Passed => ("passed", ""),
        Outcome::Failed(hint) => ("FAILED", hint.as_str()),
        Outcome::Skipped(hint) => ("SKIPPED", *hint),
    };
    let line = format!(
        "{word:<8}{:<16}{:>6.1} s  {hint}",
        step.name,
        took.as_secs_f64()
    );
    line.trim_end().to_owned()
}

/// A command that reads nothing and prints where we print.
fn child(words: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn succeeds(command: &mut Command) -> Result<bool> {
    let program = command.get_program().to_string_lossy().into_owned();
    Ok(command
        .status()
        .with_context(|| format!("cannot run {program}"))?
        .success())
}

/// Builds what must run in a browser.
fn build_wasm(root: &Path) -> Result<bool> {
    let mut words = vec![
        "cargo",
        "build",
        "--locked",
        "--target",
        "wasm32-unknown-unknown",
    ];
    for package in ["greenroom-service", "greenroom-core", "greenroom-client"] {
        // The client is created when the first feature needs it.
        if root.join("crates").join(package).exists() {
            words.extend(["--package", package]);
        }
    }
    succeeds(&mut child(&words, root))
}

/// Runs the browser tests against the binary that a step before has built.
fn test_in_browser(root: &Path) -> Result<bool> {
    succeeds(&mut on_binary(
        &["npm", "run", "test:browser"],
        &root.join("web"),
    )?)
}

/// Runs real clients against the binary that a step before has built.
fn test_clients(root: &Path) -> Result<bool> {
    succeeds(&mut on_binary(&["npm", "test"], &root.join("clients"))?)
}

/// As [`test_clients`], with as many kills and losses of power as the promises speak of.
fn soak_clients(root: &Path) -> Result<bool> {
    let mut command = on_binary(&["npm", "test"], &root.join("clients"))?;
    let filler = format!("examples/fill_store{}", std::env::consts::EXE_SUFFIX);
    command.env("GREENROOM_FILL_STORE", beside_us(&filler)?);
    succeeds(command.env("GREENROOM_RUNS", "100"))
}

/// Holds the REST interface against its description, with requests that nobody thought of.
fn fuzz_rest(root: &Path) -> Result<bool> {
    succeeds(&mut on_binary(&["bash", "scripts/rest.sh"], root)?)
}

/// A command that is told where the binary is.
fn on_binary(words: &[&str], folder: &Path) -> Result<Command> {
    let binary = format!("greenroom{}", std::env::consts::EXE_SUFFIX);
    let mut command = child(words, folder);
    command.env("GREENROOM_BIN", beside_us(&binary)?);
    Ok(command)
}

/// What Cargo has built: it lies beside this program, wherever the target folder is.
fn beside_us(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
