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

/// One test for each bug: some take hundreds of seeds, and they run side by side.
macro_rules! planted {
    ($($name:ident $bug:ident)*) => {
        $(#[test]
        fn $name() {
            find(Bug::$bug);
        })*

        #[test]
        fn no_planted_bug_is_left_out() {
            assert_eq!(Bug::ALL, [$(Bug::$bug),*]);
        }
    };
}

planted! {
    an_acknowledgement_before_the_sync_is_found AckBeforeSync
    a_lost_batch_is_found LostBatch
    a_stale_lease_is_found StaleLease
    swapped_records_are_found RecordsSwapped
    trimming_too_far_is_found TrimTooFar
    an_open_gate_is_found GateOff
    a_snapshot_ahead_is_found SnapshotAhead
    two_instances_are_found TwoInstances
    an_empty_first_sync_is_found EmptyFirstSync
    presence_that_stays_is_found PresenceLeft
    what_is_not_journaled_is_found NotJournaled
    a_dropped_apply_is_found DroppedApply
    a_forgotten_laggard_is_found LaggedForgotten
}

fn find(bug: Bug) {
    let seed = (0..SEEDS_TO_FIND).find(|seed| run(*seed, Some(bug)).is_err());
    assert!(
        seed.is_some(),
        "{bug:?} breaks no promise in {SEEDS_TO_FIND} seeds"
    );
}
