//! What a room does, written by you: implement [`Service`] and Greenroom runs it, one event at a time.
//!
//! A shared counter, whole. Its plain field survives a crash, because [`Service::save`] is called
//! after each event and journaled when the bytes changed:
//!
//! ```
//! use greenroom_service::{Context, Message, Outcome, Service, Session, To};
//!
//! #[derive(Default)]
//! struct Counter {
//!     value: i64,
//! }
//!
//! impl Service for Counter {
//!     fn message(&mut self, _: &Session, message: Message, cx: &mut Context<'_>) -> Outcome {
//!         self.value += match message.as_text() {
//!             Some("increment") => 1,
//!             Some("decrement") => -1,
//!             _ => return Ok(()),
//!         };
//!         cx.send(To::All, format!("new value: {}", self.value));
//!         Ok(())
//!     }
//!
//!     fn save(&self) -> Option<Vec<u8>> {
//!         Some(self.value.to_be_bytes().to_vec())
//!     }
//! }
//! ```
//!
//! An event is a transaction. A handler changes itself and records effects in its [`Context`];
//! `Ok` commits them together. [`Halt::Refuse`] says that nothing was changed: the effects are
//! dropped and the sender is told. [`Halt::Fault`], or a panic: the effects are dropped and the
//! service is built anew from what is durable. There is no `async` here on purpose: an `await`
//! inside a handler would let other events in between, and could not be replayed.

mod context;
mod ids;
mod rights;

pub use context::{CloseBy, Context, Effect, Message, Session, TaskSpec, Text, To, View};
pub use ids::{
    ConnId, Millis, ROOM_NAME_BYTES_MAX, RoomId, RoomNameError, SessionId, TaskId, UserId,
};
pub use rights::Rights;

use bytes::Bytes;

/// The services of the book are built as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/services.md")]
struct Book;

/// The most that [`Service::save`] may give, in bytes.
pub const SAVE_BYTES_MAX: usize = 64 * 1024;

/// What a handler gives back: `Ok` commits its effects, [`Halt`] drops them.
pub type Outcome = Result<(), Halt>;

/// Why a handler did not commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The sender asked for what may not be; nothing was changed and the sender is told.
    Refuse(Refuse),
    /// The handler cannot go on; the service is built anew from what is durable.
    Fault(Fault),
}

impl From<Refuse> for Halt {
    fn from(refuse: Refuse) -> Self {
        Self::Refuse(refuse)
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A refusal: a stable code for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refuse {
    /// Stable, `snake_case`.
    pub code: &'static str,
    /// What was wrong, where, what to do.
    pub reason: String,
}

impl Refuse {
    /// Makes a refusal.
    #[must_use]
    pub fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

/// Why a service cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

/// Why a service starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The room has no durable past.
    Created,
    /// The room was unloaded, or the process restarted.
    Woken,
    /// The service faulted and was built anew; the sessions are still there.
    Rebuilt,
}

/// Why a session left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Its connection said so or went away.
    Gone,
    /// It was closed from here.
    Closed,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskResult {
    /// It gave these bytes.
    Done(Bytes),
    /// It failed, or no runner has its name; a sentence for people.
    Failed(String),
}

/// A room's behaviour as its author writes it. Object-safe; every method has a default.
///
/// Handlers run one at a time. What is durable is what goes through the [`Context`] (entries,
/// timers) or through [`save`](Self::save); a service with neither is never unloaded while the
/// process lives.
#[allow(unused_variables, reason = "defaults ignore what implementations use")]
pub trait Service: Send {
    /// The room starts; `sessions` are those that stayed when it was built anew.
    ///
    /// # Errors
    /// [`Halt`]: a fault here quarantines the room.
    fn start(&mut self, why: Start, cx: &mut Context<'_>) -> Outcome {
        Ok(())
    }

    /// May `session` join, and with which rights? It may narrow them, never widen.
    ///
    /// # Errors
    /// [`Refuse`] turns it away.
    fn admit(&mut self, session: &Session, cx: &Context<'_>) -> Result<Rights, Refuse> {
        Ok(session.rights)
    }

    /// A session joined.
    ///
    /// # Errors
    /// See [`Halt`].
    fn join(&mut self, session: &Session, cx: &mut Context<'_>) -> Outcome {
        Ok(())
    }

    /// A session sent a message.
    ///
    /// # Errors
    /// See [`Halt`].
    fn message(&mut self, session: &Session, message: Message, cx: &mut Context<'_>) -> Outcome {
        Ok(())
    }

    /// A session left; it is no longer among [`Context::sessions`].
    ///
    /// # Errors
    /// See [`Halt`].
    fn leave(&mut self, session: &Session, why: Left, cx: &mut Context<'_>) -> Outcome {
        Ok(())
    }

    /// The timer `name` is due; it is gone unless it is set again.
    ///
    /// # Errors
    /// See [`Halt`].
    fn timer(&mut self, name: &str, cx: &mut Context<'_>) -> Outcome {
        Ok(())
    }

    /// Work outside ended.
    ///
    /// # Errors
    /// See [`Halt`].
    fn task_done(&mut self, task: TaskId, result: TaskResult, cx: &mut Context<'_>) -> Outcome {
        Ok(())
    }

    /// The state in bytes, at most [`SAVE_BYTES_MAX`]; `None` when the service keeps none.
    /// Called after each event and journaled when it changed; the factory is given it back.
    fn save(&self) -> Option<Vec<u8>> {
        None
    }
}

/// Makes the service of a room; `saved` is what [`Service::save`] last gave.
///
/// # Errors
/// A factory gives [`Fault`] when `saved` cannot be read: the room is then quarantined, and its
/// data kept.
pub type Factory = dyn Fn(&RoomId, Option<&[u8]>) -> Result<Box<dyn Service>, Fault> + Send + Sync;
