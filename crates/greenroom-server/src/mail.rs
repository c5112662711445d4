//! What travels to a room's task: mail of sessions, which may have to wait, and orders, which may
//! not.

use std::sync::Arc;

use greenroom_core::close_reason::CloseReason;
use greenroom_core::protocol::ClientMessage;
use greenroom_core::registry::Instance;
use greenroom_core::room::job::{ComputeId, JobDone};
use greenroom_core::room::request::{Caller, Reply, Request};
use greenroom_core::room::session::Hello;
use greenroom_core::room::{Drain, Input};
use greenroom_service::{Millis, Rights, SessionId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::desk::Watcher;
use crate::link::Conn;

/// What sessions put into a room's mailbox; waits while the room loads. Boxed, because a channel
/// keeps room for dozens of them, and there are many rooms.
pub(crate) enum Mail {
    Join(SessionId, Box<Hello>, Arc<Conn>),
    Message(SessionId, Box<Heard>),
    /// A session showed a new credential, which gives it these rights.
    Renew(SessionId, Rights),
    Leave(SessionId),
    /// A request of somebody who is not in the room, and where the answer is waited for.
    Request(Box<(Caller, Request)>, oneshot::Sender<Reply>),
    Watch(Watcher),
}

/// A message, and when it was received.
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) message: ClientMessage,
}

/// What reaches a room at once, whatever it is doing. Boxed as [`Mail`].
pub(crate) enum Order {
    ComputeDone(ComputeId, Box<JobDone>),
    /// What came of an errand.
    Input(Box<Input>),
    Writable(SessionId),
    Drain(Drain),
    /// The time has come that the room asked for.
    Alarm(Millis),
    /// The store has answered, or somebody else's turn gave the room's task something to do.
    Look,
}

/// The ends of a room's channels that its task reads.
pub(crate) struct Inboxes {
    pub(crate) instance: Instance,
    pub(crate) mail: mpsc::Receiver<Mail>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
}

/// Closes a mailbox; whoever sits in it was never let in.
pub(crate) fn turn_away_unread(mut mail: mpsc::Receiver<Mail>) {
    mail.close();
    while let Ok(unread) = mail.try_recv() {
        if let Mail::Join(session, _, conn) = unread {
            conn.turn_away(session, CloseReason::Shutdown);
        }
    }
}
