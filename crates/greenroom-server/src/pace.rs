//! How fast handshakes are answered right after a start.
//!
//! Everybody who was there before a restart comes back at the same moment, to rooms that are cold.
//! Who comes too early is answered later, in the order of arrival: they all get in within some
//! seconds, and those who are in work meanwhile. Only the switch to WebSocket waits: probes and pages
//! do not.

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use greenroom_core::limits::{HANDSHAKES_PACED_MS, Limits};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// This part of a second's handshakes may come at once before the rate counts.
const BURST_PART: f64 = 0.1;

/// The pace of handshakes: a bucket of tokens, and a queue before it.
#[derive(Debug)]
pub(crate) struct Pace {
    per_s: f64,
    /// Who comes later and finds nobody waiting is let in at once.
    paced_until: Instant,
    /// One permit: who holds it is next. Fair, and one who goes away while waiting costs nobody
    /// anything.
    queue: Semaphore,
    /// Permits for those who wait, the first included.
    waiting: Semaphore,
    /// How many of those there are.
    places: usize,
    /// Looked at by who is next, for a few lines.
    bucket: Mutex<Bucket>,
}

/// More wait already than are let in within the longest wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded;

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    /// When `tokens` was right.
    at: Instant,
}

impl Pace {
    /// For a server that starts now on rooms that were there before.
    pub(crate) fn after_start(limits: &Limits) -> Self {
        let until = Instant::now() + Duration::from_millis(HANDSHAKES_PACED_MS);
        Self::until(until, limits)
    }

    /// For a server that nobody can come back to.
    pub(crate) fn none(limits: &Limits) -> Self {
        Self::until(Instant::now(), limits)
    }

    fn until(paced_until: Instant, limits: &Limits) -> Self {
        let per_s = f64::from(limits.handshakes_per_s_max.max(1));
        let wait_s = limits.handshake_wait_ms as f64 / 1_000.0;
        // At least one, or nobody would ever come in.
        let places = ((per_s * wait_s).max(1.0) as usize).min(Semaphore::MAX_PERMITS);
        let bucket = Bucket {
            tokens: burst(per_s),
            at: Instant::now(),
        };
        Self {
            per_s,
            paced_until,
            queue: Semaphore::new(1),
            waiting: Semaphore::new(places),
            places,
            bucket: Mutex::new(bucket),
        }
    }

    /// Waits for this one's turn. Cancel-safe: one that is dropped has had no turn.
    ///
    /// # Errors
    /// [`Crowded`] at once when the wait would be too long.
    pub(crate) async fn turn(&self) -> Result<(), Crowded> {
        let nobody_waits = self.waiting.available_permits() == self.places;
        if nobody_waits && Instant::now() >= self.paced_until {
            return Ok(());
        }
        let _place = self.waiting.try_acquire().map_err(|_| Crowded)?;
        let _next = self.queue.acquire().await.map_err(|_| Crowded)?;
        while let Some(at) = self.take(Instant::now()) {
            tokio::time::sleep_until(at).await;
        }
        Ok(())
    }

    /// Takes a token, or says when there will be one.
    fn take(&self, now: Instant) -> Option<Instant> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        // However long nobody looked, for instance because the process stood still, no more than
        // the burst comes at once.
        bucket.tokens = (bucket.tokens + passed * self.per_s).min(burst(self.per_s));
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return None;
        }
        Some(now + Duration::from_secs_f64((1.0 - bucket.tokens) / self.per_s))
    }
}

fn burst(per_s: f64) -> f64 {
    (per_s * BURST_PART).max(1.0)
}
