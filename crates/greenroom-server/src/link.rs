//! The shared half of a connection: what rooms hold of it, to write to it and to end it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use greenroom_core::close_reason::{Close, CloseReason, Protocol};
use greenroom_core::protocol::websocket;
use greenroom_service::Millis;

use crate::meters;
use crate::writer::ConnWriter;

/// Left with a connection that is blocked: called when it can write again.
pub(crate) type Resume = Box<dyn FnOnce() + Send>;

/// The shared half of a connection.
pub(crate) struct Conn {
    pub(crate) writer: ConnWriter<Resume>,
    protocol: Protocol,
    /// When something was last written, in milliseconds of room time.
    written_ms: AtomicU64,
    /// Its end was counted.
    counted: AtomicBool,
}

impl Conn {
    pub(crate) fn new(writer: ConnWriter<Resume>, protocol: Protocol, now: Millis) -> Self {
        Self {
            writer,
            protocol,
            written_ms: AtomicU64::new(now.0),
            counted: AtomicBool::new(false),
        }
    }

    /// The wire format.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Something was written at `now`.
    pub(crate) fn wrote(&self, now: Millis) {
        self.written_ms.store(now.0, Ordering::Relaxed);
    }

    /// When something was last written.
    pub(crate) fn last_written(&self) -> Millis {
        Millis(self.written_ms.load(Ordering::Relaxed))
    }

    /// Ends it for `reason`, after what was written before.
    pub(crate) fn close(&self, reason: CloseReason) {
        let Close { code, text, .. } = reason.close(self.protocol);
        if self.ended(reason.name(), code)
            && let Some(limit) = meters::limit_of(reason)
        {
            meters::limit_hit(limit);
        }
        self.writer.close(websocket::close_frame(code, text));
    }

    /// Counts its end, once; whether this was the first to count it.
    pub(crate) fn ended(&self, reason: &str, code: u16) -> bool {
        let first = !self.counted.swap(true, Ordering::Relaxed);
        if first {
            meters::closed(self.protocol, code, reason);
        }
        first
    }

    /// Writes a control frame, unless the peer has better things to read.
    pub(crate) fn write_control(&self, frame: Bytes, now: Millis) {
        self.wrote(now);
        // A blocked writer has better things to send than a pong.
        let _ = self.writer.write(&mut vec![frame]);
    }
}
