//! The meters of the hot path, looked up once: by name and labels they would be found anew for each
//! frame.

use std::sync::LazyLock;

use greenroom_core::close_reason::Protocol;
use metrics::{Counter, Gauge, counter, gauge};

/// The meters of one protocol.
pub(crate) struct Meters {
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Connections that were opened.
    pub(crate) opened: Counter,
    /// Frames that peers sent.
    pub(crate) frames_received: Counter,
    /// Bytes of their payloads.
    pub(crate) bytes_received: Counter,
    /// Frames that were handed to sockets.
    pub(crate) frames_sent: Counter,
}

impl Meters {
    fn new(protocol: Protocol) -> Self {
        let name = protocol.name();
        Self {
            connections: gauge!("greenroom_connections", "protocol" => name),
            opened: counter!("greenroom_connections_opened_total", "protocol" => name),
            frames_received: counter!("greenroom_frames_received_total", "protocol" => name),
            bytes_received: counter!("greenroom_received_bytes_total", "protocol" => name),
            frames_sent: counter!("greenroom_frames_sent_total", "protocol" => name),
        }
    }
}

/// The meters of `protocol`. The recorder must be there before the first call.
pub(crate) fn of(protocol: Protocol) -> &'static Meters {
    static METERS: LazyLock<[Meters; Protocol::ALL.len()]> =
        LazyLock::new(|| Protocol::ALL.map(Meters::new));
    &METERS[protocol as usize]
}

/// Frames sent in one turn of a room, by protocol: a counter for each frame would cost as much as a
/// tenth of the write.
#[derive(Debug, Default)]
pub(crate) struct Sent([u64; Protocol::ALL.len()]);

impl Sent {
    /// Counts frames.
    pub(crate) fn add(&mut self, protocol: Protocol, frames: usize) {
        self.0[protocol as usize] += frames as u64;
    }

    /// Hands the counts to the meters.
    pub(crate) fn settle(&mut self) {
        for protocol in Protocol::ALL {
            let frames = std::mem::take(&mut self.0[protocol as usize]);
            if frames > 0 {
                of(protocol).frames_sent.increment(frames);
            }
        }
    }
}
