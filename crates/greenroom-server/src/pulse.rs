//! The clock of one connection: pings, keep-alives, death, expiry, and how fast it may send.
//! Monotonic time, handed in.

#[cfg(test)]
mod tests;

use std::time::Duration;

use greenroom_core::limits::Limits;
use tokio::time::Instant;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing yet.
    None,
    /// Ask whether the peer is there.
    Ping,
    /// The peer has heard no message for a while.
    KeepAlive,
    /// The peer was silent for too long.
    Dead,
    /// Its credential's time is over.
    Expired,
}

#[derive(Debug)]
pub(crate) struct Pulse {
    ping_interval: Duration,
    dead_after: Duration,
    keep_alive: Duration,
    heard: Instant,
    pinged: Instant,
    /// What was last known of when something was written.
    written: Instant,
    expires: Option<Instant>,
    rate: f64,
    burst: f64,
    /// Messages that may come at once now.
    allowance: f64,
    refilled: Instant,
}

impl Pulse {
    pub(crate) fn new(limits: &Limits, now: Instant, expires: Option<Instant>) -> Self {
        let burst = f64::from(limits.messages_burst_max);
        Self {
            ping_interval: Duration::from_millis(limits.ping_interval_ms),
            dead_after: Duration::from_millis(limits.peer_dead_ms),
            keep_alive: Duration::from_millis(limits.yjs_keep_alive_ms),
            heard: now,
            pinged: now,
            written: now,
            expires,
            rate: f64::from(limits.messages_per_s_max),
            burst,
            allowance: burst,
            refilled: now,
        }
    }

    /// The peer sent something; any frame is life.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When [`Self::beat`] wants to be called.
    pub(crate) fn next(&self) -> Instant {
        let ping = self.heard.max(self.pinged) + self.ping_interval;
        let dead = self.heard + self.dead_after;
        let next = ping.min(dead).min(self.written + self.keep_alive);
        self.expires.map_or(next, |expires| next.min(expires))
    }

    /// What is due at `now`, when something was last written at `written`.
    pub(crate) fn beat(&mut self, now: Instant, written: Instant) -> Beat {
        self.written = self.written.max(written);
        if self.expires.is_some_and(|expires| expires <= now) {
            return Beat::Expired;
        }
        if self.heard + self.dead_after <= now {
            return Beat::Dead;
        }
        if self.heard.max(self.pinged) + self.ping_interval <= now {
            self.pinged = now;
            return Beat::Ping;
        }
        if self.written + self.keep_alive <= now {
            self.written = now;
            return Beat::KeepAlive;
        }
        Beat::None
    }

    /// Counts a message; gives how long to wait before the next when it came too fast.
    pub(crate) fn spend(&mut self, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.allowance = (self.allowance + passed * self.rate).min(self.burst) - 1.0;
        (self.allowance < 0.0).then(|| Duration::from_secs_f64(-self.allowance / self.rate))
    }
}
