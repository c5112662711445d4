//! The sessions' connections as their room sees them: takes frames from the room and writes them,
//! for as long as the sockets take them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use greenroom_core::close_reason::CloseReason;
use greenroom_core::room::{Room, Taken};
use greenroom_service::{Millis, SessionId};
use tokio::sync::mpsc;

use crate::edge::Edge;
use crate::link::Conn;
use crate::mail::Order;
use crate::meters::Sent;
use crate::writer::Written;

/// The most that is taken from a room for one write, in bytes: what a blocked peer costs.
const WRITE_BYTES: usize = 64 << 10;

/// So many members a turn writes to itself, and each helper of a large room's turn: above, writing
/// would keep the worker from all that waits on it.
const FLUSHED_AT_ONCE_MAX: usize = 128;

/// A session's connection.
struct Seat {
    conn: Arc<Conn>,
    /// Taken from the room and not written: another room filled the socket meanwhile.
    held: Vec<Bytes>,
    blocked: bool,
}

/// The connections of a room's sessions.
pub(crate) struct Seats {
    seats: BTreeMap<SessionId, Seat>,
    /// Where a blocked connection tells that it can write again.
    orders: mpsc::UnboundedSender<Order>,
    sent: Sent,
    /// Members written to in this turn.
    flushed: usize,
    /// Those whose frames helpers of this turn write.
    kept: Vec<Arc<Conn>>,
}

impl Seats {
    pub(crate) fn new(orders: mpsc::UnboundedSender<Order>) -> Self {
        Self {
            seats: BTreeMap::new(),
            orders,
            sent: Sent::default(),
            flushed: 0,
            kept: Vec::new(),
        }
    }

    /// A session has come.
    pub(crate) fn add(&mut self, session: SessionId, conn: Arc<Conn>) {
        let seat = Seat {
            conn,
            held: Vec::new(),
            blocked: false,
        };
        self.seats.insert(session, seat);
    }

    /// A session has gone.
    pub(crate) fn remove(&mut self, session: SessionId) {
        self.seats.remove(&session);
    }

    /// A session was never let in.
    pub(crate) fn turn_away(&mut self, session: SessionId, reason: CloseReason) {
        if let Some(seat) = self.seats.remove(&session) {
            seat.conn.turn_away(session, reason);
        }
    }

    /// Closes whoever is left.
    pub(crate) fn close_all(&mut self, reason: CloseReason) {
        for (session, seat) in std::mem::take(&mut self.seats) {
            seat.conn.close_session(session, reason);
        }
    }

    /// The connection of `session` can write again.
    pub(crate) fn unblock(&mut self, session: SessionId, room: &mut Room, now: Millis) {
        if let Some(seat) = self.seats.get_mut(&session) {
            seat.blocked = false;
            self.flush(session, room, now);
        }
    }

    /// Writes what waits for `session`. When the socket is full, the connection tells by an order.
    pub(crate) fn flush(&mut self, session: SessionId, room: &mut Room, now: Millis) {
        let Some(seat) = self.seats.get_mut(&session) else {
            return;
        };
        let later = self.flushed >= FLUSHED_AT_ONCE_MAX;
        self.flushed += 1;
        while !seat.blocked {
            let taken = if seat.held.is_empty() {
                room.take_frames(session, WRITE_BYTES, &mut seat.held)
            } else {
                Taken::More
            };
            if !seat.held.is_empty() {
                seat.conn.wrote(now);
                self.sent.add(seat.conn.protocol(), &seat.held);
                let written = if later {
                    seat.conn.writer.keep(&mut seat.held)
                } else {
                    seat.conn.writer.write(&mut seat.held)
                };
                match written {
                    Written::All => {}
                    Written::Kept => self.kept.push(Arc::clone(&seat.conn)),
                    Written::Blocked => {
                        let orders = self.orders.clone();
                        // A room that ended meanwhile has nothing to write.
                        let resume = move || drop(orders.send(Order::Writable(session)));
                        seat.blocked = seat.conn.writer.wait(Box::new(resume)).is_none();
                    }
                    Written::Closed => return seat.held.clear(),
                }
            }
            match taken {
                Taken::Close(reason) => return seat.conn.close_session(session, reason),
                Taken::All if seat.held.is_empty() => return,
                Taken::All | Taken::More => {}
            }
        }
    }

    /// The turn is over: hands the counts to the meters, and what was kept to helpers, which run
    /// wherever a worker is free.
    pub(crate) fn settle(&mut self, edge: &Edge) {
        self.sent.settle();
        self.flushed = 0;
        let mut kept = std::mem::take(&mut self.kept);
        while !kept.is_empty() {
            let rest = kept.split_off(kept.len().min(FLUSHED_AT_ONCE_MAX));
            let conns = std::mem::replace(&mut kept, rest);
            edge.spawn(async move { conns.iter().for_each(|conn| conn.writer.push()) });
        }
    }
}
