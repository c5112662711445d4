//! How fast handshakes are answered right after a start.
//!
//! Everybody who was there before a restart comes back at the same moment, to rooms that are cold.
//! Answered one after the other at a steady rate they all get in within some seconds, and those who
//! are in work meanwhile. Only the switch to WebSocket waits: probes and pages do not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use greenroom_core::limits::{HANDSHAKES_PACED_MS, HANDSHAKES_PACED_PER_S};
use tokio::time::Instant;

/// Gives handshakes their turns.
#[derive(Debug)]
pub(crate) struct Pace {
    paced_until: Instant,
    /// When the next turn is; locked to take one, never across an await.
    next: Mutex<Instant>,
}

impl Pace {
    /// For a server that starts now on rooms that were there before.
    pub(crate) fn after_start(now: Instant) -> Self {
        Self {
            paced_until: now + Duration::from_millis(HANDSHAKES_PACED_MS),
            next: Mutex::new(now),
        }
    }

    /// For a server that nobody can come back to.
    pub(crate) fn none(now: Instant) -> Self {
        Self {
            paced_until: now,
            next: Mutex::new(now),
        }
    }

    /// Waits for a turn. Who goes away meanwhile leaves its turn unused.
    pub(crate) async fn turn(&self) {
        if let Some(at) = self.take(Instant::now()) {
            tokio::time::sleep_until(at).await;
        }
    }

    /// When the turn of one that comes `now` is; `None` at once. Those that wait when the time of
    /// pacing is over keep their turns, and who comes behind them waits too.
    fn take(&self, now: Instant) -> Option<Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = now.max(*next);
        if now >= self.paced_until && *next <= now {
            return None;
        }
        *next = at + Duration::from_secs(1) / HANDSHAKES_PACED_PER_S;
        (at > now).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_let_in_at_a_steady_rate_and_a_late_one_at_once() {
        let start = Instant::now();
        let pace = Pace::after_start(start);
        let turns: Vec<_> = (0..1_000)
            .map(|_| pace.take(start).unwrap_or(start))
            .collect();
        let second = |n: u64| start + Duration::from_secs(n);
        for n in 0..4 {
            let within = turns
                .iter()
                .filter(|at| (second(n)..second(n + 1)).contains(at));
            assert_eq!(within.count(), HANDSHAKES_PACED_PER_S as usize);
        }
        let later = start + Duration::from_millis(HANDSHAKES_PACED_MS);
        assert_eq!(pace.take(later), None);
    }

    #[test]
    fn nobody_overtakes_those_who_wait() {
        let start = Instant::now();
        let pace = Pace::after_start(start);
        let crowd = u64::from(HANDSHAKES_PACED_PER_S) * (HANDSHAKES_PACED_MS / 1_000 + 5);
        let last = (0..crowd).filter_map(|_| pace.take(start)).last();
        let later = start + Duration::from_millis(HANDSHAKES_PACED_MS + 1_000);
        assert!(pace.take(later) > last);
        assert_eq!(Pace::none(start).take(start), None);
    }
}
