//! A session's connection as its room sees it: takes frames from the room and writes them, for as
//! long as the socket takes them.

use std::sync::Arc;

use bytes::Bytes;
use greenroom_core::room::{Room, Taken};
use greenroom_service::{Millis, SessionId};
use tokio::sync::mpsc;

use crate::link::Conn;
use crate::mail::Order;
use crate::meters::{self, Meters};
use crate::writer::Written;

/// The most that is taken from a room for one write, in bytes: what a blocked peer costs.
const WRITE_BYTES: usize = 64 << 10;

pub(crate) struct Seat {
    pub(crate) conn: Arc<Conn>,
    /// Taken from the room and not written: another room filled the socket meanwhile.
    held: Vec<Bytes>,
    blocked: bool,
    meters: &'static Meters,
}

impl Seat {
    pub(crate) fn new(conn: Arc<Conn>) -> Self {
        Self {
            meters: meters::of(conn.protocol()),
            conn,
            held: Vec::new(),
            blocked: false,
        }
    }

    /// The connection can write again.
    pub(crate) fn unblock(&mut self) {
        self.blocked = false;
    }

    /// Writes what waits for `session`. When the socket is full, the connection tells by an order.
    pub(crate) fn flush(
        &mut self,
        session: SessionId,
        room: &mut Room,
        orders: &mpsc::UnboundedSender<Order>,
        now: Millis,
    ) {
        while !self.blocked {
            let taken = if self.held.is_empty() {
                room.take_frames(session, WRITE_BYTES, &mut self.held)
            } else {
                Taken::More
            };
            if !self.held.is_empty() {
                self.conn.wrote(now);
                self.meters.writes.increment(1);
                match self.conn.writer.write(&mut self.held) {
                    Written::All => {}
                    Written::Blocked => {
                        let orders = orders.clone();
                        // A room that ended meanwhile has nothing to write.
                        let resume = move || drop(orders.send(Order::Writable(session)));
                        self.blocked = self.conn.writer.wait(Box::new(resume)).is_none();
                    }
                    Written::Closed => return self.held.clear(),
                }
            }
            match taken {
                Taken::Close(reason) => return self.conn.close(reason),
                Taken::All if self.held.is_empty() => return,
                Taken::All | Taken::More => {}
            }
        }
    }
}
