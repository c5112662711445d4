use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;

use super::needs::Need;
use super::{CI, Outcome, SOAK, Step, call, command, report, tally};

static WANTED: Need = Need::unmet(false, "get it");
static REQUIRED: Need = Need::unmet(true, "get it now");

fn outcome(step: &Step) -> Outcome {
    step.outcome(Path::new(env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn a_step_passes_fails_or_is_skipped() {
    assert_eq!(outcome(&call("a", |_| Ok(true))), Outcome::Passed);
    assert_eq!(
        outcome(&call("a", |_| Ok(false))),
        Outcome::Failed(String::new())
    );
    assert_eq!(
        outcome(&call("a", |_| bail!("b"))),
        Outcome::Failed("b".to_owned())
    );
    assert_eq!(
        outcome(&call("a", |_| Ok(true)).needs(&WANTED)),
        Outcome::Skipped("get it")
    );
    let failed = Outcome::Failed("get it now".to_owned());
    assert_eq!(outcome(&call("a", |_| Ok(true)).needs(&REQUIRED)), failed);
}

#[test]
fn a_command_runs_in_its_folder_with_its_variable() {
    let read = &[
        "cargo",
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--quiet",
    ];
    assert_eq!(
        outcome(&command("a", read).within("src").with("A", "b")),
        Outcome::Passed
    );
    let broken = command("a", read).with("CARGO_TERM_COLOR", "no such colour");
    assert_eq!(outcome(&broken), Outcome::Failed(String::new()));
    let Outcome::Failed(hint) = outcome(&command("a", &["no-such-program"])) else {
        panic!("a program that is not there cannot pass");
    };
    assert!(hint.starts_with("cannot run no-such-program"), "{hint}");
}

#[test]
fn the_report_counts_and_names() {
    let outcomes = [
        Outcome::Passed,
        Outcome::Skipped("b"),
        Outcome::Failed("c".to_owned()),
        Outcome::Passed,
    ];
    assert_eq!(tally(outcomes.iter()), (2, 1));
    let step = call("a step", |_| Ok(true));
    let lines: Vec<String> = outcomes
        .iter()
        .map(|outcome| report(&step, outcome, Duration::from_millis(1234)))
        .collect();
    assert_eq!(
        lines,
        [
            "passed  a step             1.2 s",
            "SKIPPED a step             1.2 s  b",
            "FAILED  a step             1.2 s  c",
            "passed  a step             1.2 s",
        ]
    );
}

#[test]
fn the_tables_name_each_step_once() {
    for table in [CI, SOAK] {
        let names: BTreeSet<&str> = table.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), table.len());
    }
}
