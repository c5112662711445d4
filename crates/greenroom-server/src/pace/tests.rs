use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, advance};

use greenroom_core::limits::{HANDSHAKES_PACED_MS, Limits};

use super::Pace;

fn limits(per_s: u32, wait_ms: u64) -> Limits {
    Limits {
        handshakes_per_s_max: per_s,
        handshake_wait_ms: wait_ms,
        ..Limits::default()
    }
}

fn pace(per_s: u32, wait_ms: u64) -> Pace {
    Pace::after_start(&limits(per_s, wait_ms))
}

/// When each of `count` who come at once is let in, in milliseconds.
async fn stampede(pace: &Arc<Pace>, count: usize) -> Vec<u128> {
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..count {
        let pace = Arc::clone(pace);
        all.spawn(async move { pace.turn().await.map(|()| begun.elapsed().as_millis()) });
    }
    let let_in = all.join_all().await;
    let mut times: Vec<u128> = let_in.into_iter().flatten().collect();
    times.sort_unstable();
    times
}

/// The most within any second.
fn densest(times: &[u128]) -> usize {
    let within = |from: u128| {
        let second = from..from + 1_000;
        times.iter().filter(|at| second.contains(at)).count()
    };
    times.iter().map(|from| within(*from)).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_come_in_at_the_pace_and_nobody_is_left_out() {
    let pace = Arc::new(pace(200, 20_000));
    let times = stampede(&pace, 1_000).await;
    assert_eq!(times.len(), 1_000);
    assert!(densest(&times) <= 220, "{}", densest(&times));
    assert!(times[999] < 5_500, "{}", times[999]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_saves_up_no_more_than_the_burst() {
    let pace = Arc::new(pace(200, 20_000));
    advance(Duration::from_millis(HANDSHAKES_PACED_MS - 1)).await;
    let times = stampede(&pace, 300).await;
    assert!(times[19] == 0 && times[20] > 0, "{:?}", &times[..30]);
}

#[tokio::test(start_paused = true)]
async fn those_who_would_wait_too_long_are_told_at_once() {
    let pace = Arc::new(pace(10, 2_000));
    let times = stampede(&pace, 100).await;
    // The first does not wait, twenty do.
    assert_eq!(times.len(), 21);
    assert_eq!(pace.turn().await, Ok(()), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn one_who_goes_away_while_waiting_costs_the_others_nothing() {
    let pace = Arc::new(pace(1, 3_000));
    pace.turn().await.unwrap();
    let begun = Instant::now();
    let gone = tokio::time::timeout(Duration::from_millis(500), pace.turn()).await;
    assert!(gone.is_err());
    for _ in 0..2 {
        pace.turn().await.unwrap();
    }
    assert_eq!(begun.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn later_nobody_waits_but_behind_those_who_do() {
    let pace = Arc::new(pace(10, 60_000));
    assert_eq!(stampede(&pace, 2).await, [0, 100]);
    let mut crowd = JoinSet::new();
    for _ in 0..200 {
        let pace = Arc::clone(&pace);
        crowd.spawn(async move { pace.turn().await });
    }
    tokio::task::yield_now().await;
    advance(Duration::from_millis(HANDSHAKES_PACED_MS)).await;
    assert!(*stampede(&pace, 1).await.first().unwrap() > 5_000);
    crowd.join_all().await;
    assert_eq!(stampede(&pace, 1_000).await, [0; 1_000]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_come_back_does_not_wait() {
    let pace = Arc::new(Pace::none(&limits(1, 1_000)));
    assert_eq!(stampede(&pace, 1_000).await, [0; 1_000]);
}
