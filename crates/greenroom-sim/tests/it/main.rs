//! Runs of the simulator: many seeds keep every promise, each planted bug breaks one, and the same
//! seed is the same run.
//!
//! `GREENROOM_SIM_SEEDS` says how many seeds, `GREENROOM_SIM_SEED` which is the first.

use greenroom_sim::{Bug, run};

/// The seeds within which a planted bug must be found.
const SEEDS_TO_FIND: u64 = 1_000;

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn every_seed_keeps_every_promise() {
    let first = number("GREENROOM_SIM_SEED", 0);
    let seeds = number("GREENROOM_SIM_SEEDS", 200);
    let failures: Vec<_> = (first..first + seeds)
        .filter_map(|seed| run(seed, None).err())
        .collect();
    for failure in failures.iter().take(3) {
        println!("{failure}\n");
    }
    let broken: Vec<_> = failures.iter().map(|failure| failure.seed).collect();
    assert!(broken.is_empty(), "seeds {broken:?} of {seeds}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        let [first, second] = [run(seed, None), run(seed, None)];
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn each_planted_bug_is_found() {
    let mut unseen = Vec::new();
    for bug in Bug::ALL {
        match (0..SEEDS_TO_FIND).find(|seed| run(*seed, Some(bug)).is_err()) {
            Some(seed) => println!("{bug:?} is found by seed {seed}"),
            None => unseen.push(bug),
        }
    }
    assert_eq!(unseen, []);
}
