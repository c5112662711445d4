//! What the server counts. [`table`] declares it; here are the handles of the hot path, looked up
//! once: by name and labels they would be found anew for each frame.

mod family;
mod process;
mod reference;
mod room;
pub(crate) mod table;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use greenroom_core::close_reason::{CloseReason, Protocol};
use greenroom_core::store::Level;
use tokio::time::Instant;

use crate::app::App;
use crate::edge::{Edge, wall_ms};
use crate::store::Health;
#[cfg(test)]
pub(crate) use family::Collect;
pub(crate) use family::{Counter, Family, Gauge, Histogram, Reading};
pub use reference::reference;
pub(crate) use room::RoomMeters;

/// The meters of one protocol.
pub(crate) struct Meters {
    /// Connections that are open.
    pub(crate) connections: &'static Gauge,
    /// Connections that were opened.
    pub(crate) opened: &'static Counter,
    /// Frames that peers sent.
    pub(crate) frames_received: &'static Counter,
    /// Bytes of their payloads.
    pub(crate) bytes_received: &'static Counter,
    /// Frames that were handed to sockets.
    pub(crate) frames_sent: &'static Counter,
    /// Their bytes.
    pub(crate) bytes_sent: &'static Counter,
}

impl Meters {
    fn new(protocol: Protocol) -> Self {
        let name = &[protocol.name()];
        Self {
            connections: table::CONNECTIONS.with(name),
            opened: table::CONNECTIONS_OPENED.with(name),
            frames_received: table::FRAMES_RECEIVED.with(name),
            bytes_received: table::RECEIVED_BYTES.with(name),
            frames_sent: table::FRAMES_SENT.with(name),
            bytes_sent: table::SENT_BYTES.with(name),
        }
    }
}

/// The meters of `protocol`.
pub(crate) fn of(protocol: Protocol) -> &'static Meters {
    static METERS: LazyLock<[Meters; Protocol::ALL.len()]> =
        LazyLock::new(|| Protocol::ALL.map(Meters::new));
    &METERS[protocol as usize]
}

/// Frames sent in one turn of a room, by protocol: a counter for each frame would cost as much as a
/// tenth of the write.
#[derive(Debug, Default)]
pub(crate) struct Sent([(u64, u64); Protocol::ALL.len()]);

impl Sent {
    /// Counts frames.
    pub(crate) fn add(&mut self, protocol: Protocol, frames: &[Bytes]) {
        let (count, bytes) = &mut self.0[protocol as usize];
        *count += frames.len() as u64;
        *bytes += frames.iter().map(Bytes::len).sum::<usize>() as u64;
    }

    /// Hands the counts to the meters.
    pub(crate) fn settle(&mut self) {
        for protocol in Protocol::ALL {
            let (frames, bytes) = std::mem::take(&mut self.0[protocol as usize]);
            if frames > 0 {
                of(protocol).frames_sent.increment(frames);
                of(protocol).bytes_sent.increment(bytes);
            }
        }
    }
}

/// Counts the end of a connection, or of one that was not let in.
pub(crate) fn closed(protocol: Protocol, code: u16, reason: &str) {
    // A peer may send any code: only those with a meaning of their own have a series.
    let code = match code {
        1000..=1015 | 4000..=4999 => code.to_string(),
        _ => "other".to_owned(),
    };
    table::CONNECTIONS_CLOSED
        .with(&[protocol.name(), &code, reason])
        .increment(1);
}

/// Counts that a limit was met; `limit` is its name in [`greenroom_core::limits`], or of its kind.
pub(crate) fn limit_hit(limit: &str) {
    table::LIMIT_HITS.with(&[limit]).increment(1);
}

/// The limit that `reason` says was met.
pub(crate) const fn limit_of(reason: CloseReason) -> Option<&'static str> {
    match reason {
        CloseReason::Slow => Some("outbox_bytes_max"),
        CloseReason::TooLarge => Some("frame_or_document_bytes_max"),
        CloseReason::RoomFull => Some("room_connections_max"),
        CloseReason::Overrun => Some("hocuspocus_queue_messages_or_bytes_max"),
        CloseReason::RoomFault => None,
        CloseReason::Shutdown
        | CloseReason::Malformed
        | CloseReason::Unauthenticated
        | CloseReason::Expired
        | CloseReason::Forbidden
        | CloseReason::Deleted
        | CloseReason::Kicked
        | CloseReason::Moved => None,
    }
}

/// The word for a store of this level in labels.
pub(crate) const fn store_name(level: Level) -> &'static str {
    match level {
        Level::Memory => "memory",
        Level::Local => "sqlite",
        Level::Replicated => "replicated",
    }
}

/// Which commit the build is of, where its builder said so.
const COMMIT: &str = match option_env!("GREENROOM_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Reads what is read on demand.
pub(crate) fn read(app: &App, health: &Health) {
    process::read();
    table::BUILD_INFO
        .with(&[env!("CARGO_PKG_VERSION"), COMMIT])
        .set(1.0);
    let ready = app.not_ready(health).is_empty();
    table::READY.with(&[]).set(f64::from(u8::from(ready)));
    let offset_ms = wall_ms() as f64 - app.edge().clock.now().0 as f64;
    table::CLOCK_OFFSET_SECONDS.with(&[]).set(offset_ms / 1e3);
    app.store.read_meters();
}

/// The metrics in Prometheus' text format, with what is read on demand read now.
pub(crate) fn page(app: &App, health: &Health) -> String {
    read(app, health);
    let mut page = String::with_capacity(32 << 10);
    for metric in table::TABLE {
        metric.render(&mut page);
    }
    page
}

/// How often the runtime's lag is looked at.
const LAG_EVERY: Duration = Duration::from_millis(500);

/// Counts how late a task is woken, until the process stops.
pub(crate) async fn watch_lag(edge: Arc<Edge>) {
    let lag = table::RUNTIME_LAG_SECONDS.with(&[]);
    let mut wanted = Instant::now() + LAG_EVERY;
    loop {
        // Both arms are cancel-safe.
        tokio::select! {
            () = tokio::time::sleep_until(wanted) => {}
            () = edge.stopping() => return,
        }
        // Tokio's timers have the grain of a millisecond.
        lag.record(wanted.elapsed().as_secs_f64());
        wanted = Instant::now() + LAG_EVERY;
    }
}
