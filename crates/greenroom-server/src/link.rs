//! The shared half of a connection: what rooms hold of it, to write to it and to end it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use greenroom_core::close_reason::{Close, CloseReason, Protocol};
use greenroom_core::protocol::websocket;
use tokio::time::Instant;

use crate::writer::ConnWriter;

/// Left with a connection that is blocked: called when it can write again.
pub(crate) type Resume = Box<dyn FnOnce() + Send>;

/// The shared half of a connection.
pub(crate) struct Conn {
    pub(crate) writer: ConnWriter<Resume>,
    protocol: Protocol,
    started: Instant,
    /// When something was last written, in milliseconds since `started`.
    written_ms: AtomicU64,
}

impl Conn {
    pub(crate) fn new(writer: ConnWriter<Resume>, protocol: Protocol) -> Self {
        let started = Instant::now();
        Self {
            writer,
            protocol,
            started,
            written_ms: AtomicU64::new(0),
        }
    }

    /// A room wrote to it.
    pub(crate) fn wrote(&self) {
        let ms = self.started.elapsed().as_millis() as u64;
        self.written_ms.store(ms, Ordering::Relaxed);
    }

    /// When something was last written.
    pub(crate) fn last_written(&self) -> Instant {
        self.started + Duration::from_millis(self.written_ms.load(Ordering::Relaxed))
    }

    /// Ends it for `reason`, after what was written before.
    pub(crate) fn close(&self, reason: CloseReason) {
        metrics::counter!(
            "greenroom_connections_closed_total",
            "protocol" => self.protocol.name(), "reason" => reason.name()
        )
        .increment(1);
        let Close { code, text, .. } = reason.close(self.protocol);
        self.writer.close(websocket::close_frame(code, text));
    }

    /// Writes a control frame, unless the peer has better things to read.
    pub(crate) fn write_control(&self, frame: Bytes) {
        self.wrote();
        // A blocked writer has better things to send than a pong.
        let _ = self.writer.write(&mut vec![frame]);
    }
}
