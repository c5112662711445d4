//! The sessions' connections as their room sees them: takes frames from the room and writes them,
//! for as long as the sockets take them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use greenroom_core::close_reason::{CloseReason, Protocol};
use greenroom_core::room::{Room, Taken};
use greenroom_service::{Millis, RoomId, SessionId, UserId};
use tokio::sync::mpsc;

use crate::edge::Edge;
use crate::lifecycle::{self, Who};
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
    user: Option<UserId>,
    /// Taken from the room and not written: another room filled the socket meanwhile.
    held: Vec<Bytes>,
    blocked: bool,
    /// The room has ended the session, and its connection is told.
    closed: bool,
}

impl Seat {
    fn who<'a>(&'a self, room: &'a RoomId, session: SessionId) -> Who<'a> {
        Who {
            room,
            session,
            user: self.user.as_ref(),
            protocol: self.conn.protocol(),
        }
    }
}

/// The connections of a room's sessions.
pub(crate) struct Seats {
    room: RoomId,
    seats: BTreeMap<SessionId, Seat>,
    /// Who came in this turn and may yet be turned away. Empty while nobody reads of it.
    arrived: Vec<SessionId>,
    /// How many seats there are of each protocol that has any.
    protocols: BTreeMap<Protocol, usize>,
    /// Where a blocked connection tells that it can write again.
    orders: mpsc::UnboundedSender<Order>,
    sent: Sent,
    /// Members written to in this turn.
    flushed: usize,
    /// Those whose frames helpers of this turn write.
    kept: Vec<Arc<Conn>>,
}

impl Seats {
    pub(crate) fn new(room: RoomId, orders: mpsc::UnboundedSender<Order>) -> Self {
        Self {
            room,
            seats: BTreeMap::new(),
            arrived: Vec::new(),
            protocols: BTreeMap::new(),
            orders,
            sent: Sent::default(),
            flushed: 0,
            kept: Vec::new(),
        }
    }

    /// A session has come.
    pub(crate) fn add(&mut self, session: SessionId, conn: Arc<Conn>, user: Option<UserId>) {
        *self.protocols.entry(conn.protocol()).or_default() += 1;
        if lifecycle::wanted() {
            self.arrived.push(session);
        }
        let seat = Seat {
            conn,
            user,
            held: Vec::new(),
            blocked: false,
            closed: false,
        };
        self.seats.insert(session, seat);
    }

    /// A session has gone.
    pub(crate) fn remove(&mut self, session: SessionId) {
        self.tell_arrived();
        if let Some(seat) = self.take(session)
            && !seat.closed
        {
            lifecycle::left(seat.who(&self.room, session), self.seats.len());
        }
    }

    fn take(&mut self, session: SessionId) -> Option<Seat> {
        let seat = self.seats.remove(&session)?;
        if let Entry::Occupied(mut seats) = self.protocols.entry(seat.conn.protocol()) {
            *seats.get_mut() -= 1;
            if *seats.get() == 0 {
                seats.remove();
            }
        }
        Some(seat)
    }

    /// Tells who was let in since the last time.
    fn tell_arrived(&mut self) {
        for session in self.arrived.drain(..) {
            if let Some(seat) = self.seats.get(&session) {
                let who = seat.who(&self.room, session);
                lifecycle::joined(who, self.seats.len(), self.protocols.len());
            }
        }
    }

    /// A session was never let in.
    pub(crate) fn turn_away(&mut self, session: SessionId, reason: CloseReason) {
        if let Some(seat) = self.take(session) {
            lifecycle::sent_away(seat.who(&self.room, session), reason);
            seat.conn.turn_away(session, reason);
        }
    }

    /// Closes whoever is left.
    pub(crate) fn close_all(&mut self, reason: CloseReason) {
        self.protocols.clear();
        for (session, seat) in std::mem::take(&mut self.seats) {
            if !seat.closed {
                lifecycle::sent_away(seat.who(&self.room, session), reason);
            }
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
                Taken::Close(reason) => {
                    seat.closed = true;
                    lifecycle::sent_away(seat.who(&self.room, session), reason);
                    return seat.conn.close_session(session, reason);
                }
                Taken::All if seat.held.is_empty() => return,
                Taken::All | Taken::More => {}
            }
        }
    }

    /// The turn is over: hands the counts to the meters, and what was kept to helpers, which run
    /// wherever a worker is free.
    pub(crate) fn settle(&mut self, edge: &Edge) {
        self.tell_arrived();
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
