//! The shared half of a connection: what rooms hold of it, to write to it and to end it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use greenroom_core::close_reason::{Close, CloseReason, Protocol};
use greenroom_core::protocol::websocket;
use greenroom_service::{Millis, SessionId};
use tokio::sync::mpsc;

use crate::meters;
use crate::writer::ConnWriter;

/// Left with a connection that is blocked: called when it can write again.
pub(crate) type Resume = Box<dyn FnOnce() + Send>;

/// A room has ended one of several sessions of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// It was never let in.
    TurnedAway(SessionId, CloseReason),
    /// It was in the room.
    Closed(SessionId, CloseReason),
}

/// The shared half of a connection.
pub(crate) struct Conn {
    pub(crate) writer: ConnWriter<Resume>,
    protocol: Protocol,
    /// When something was last written, in milliseconds of room time.
    written_ms: AtomicU64,
    /// Its end was counted.
    counted: AtomicBool,
    /// Where a connection of several sessions hears that one has ended. Unbounded by type; each
    /// session ends once.
    endings: Option<mpsc::UnboundedSender<Ending>>,
}

impl Conn {
    pub(crate) fn new(writer: ConnWriter<Resume>, protocol: Protocol, now: Millis) -> Self {
        Self {
            writer,
            protocol,
            written_ms: AtomicU64::new(now.0),
            counted: AtomicBool::new(false),
            endings: None,
        }
    }

    /// Of several sessions; where it is told which of them have ended.
    pub(crate) fn with_endings(self) -> (Self, mpsc::UnboundedReceiver<Ending>) {
        let (endings, ended) = mpsc::unbounded_channel();
        let conn = Self {
            endings: Some(endings),
            ..self
        };
        (conn, ended)
    }

    /// Ends a session: with its connection, if that carries no others.
    pub(crate) fn close_session(&self, session: SessionId, reason: CloseReason) {
        match &self.endings {
            // A connection that is gone needs to hear nothing.
            Some(endings) => drop(endings.send(Ending::Closed(session, reason))),
            None => self.close(reason),
        }
    }

    /// As [`Self::close_session`], of one that was never let in.
    pub(crate) fn turn_away(&self, session: SessionId, reason: CloseReason) {
        match &self.endings {
            Some(endings) => drop(endings.send(Ending::TurnedAway(session, reason))),
            None => self.close(reason),
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
