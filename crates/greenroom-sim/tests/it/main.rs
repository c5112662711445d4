//! Runs of the simulator.

use greenroom_sim::run;

#[test]
fn some() {
    let n: u64 = std::env::var("GREENROOM_SIM_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let first: u64 = std::env::var("GREENROOM_SIM_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let mut bad = 0;
    for seed in first..first + n {
        if std::env::var("V").is_ok() { println!("run {seed}"); }
        if let Err(failure) = run(seed, None) {
            if n == 1 { println!("{failure}"); } else { println!("seed {seed}: {}", failure.what.chars().take(300).collect::<String>()); }
            bad += 1;
        }
    }
    assert_eq!(bad, 0);
}
