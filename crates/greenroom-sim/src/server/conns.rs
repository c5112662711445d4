//! The server's side of a connection, as `conn.rs` of the server has it.

use bytes::Bytes;
use greenroom_core::close_reason::{CloseReason, Protocol};
use greenroom_core::protocol::{self, websocket, yjs};
use greenroom_core::registry::{Instance, Waiter};
use greenroom_service::{Message, SessionId};

use super::{Mail, Order};
use crate::plan::{MS, SECOND};
use crate::queue::Event;
use crate::wire::{Down, ServerEnd, Up};
use crate::world::World;

impl World {
    /// A connection reaches its node.
    pub(crate) fn arrive(&mut self, number: u64) {
        let Some(conn) = self.conns.get_mut(&number).filter(|conn| !conn.cut) else { return };
        let (node, room) = (conn.node, self.clients[conn.client].plan.room);
        let Some(there) = self.nodes.get_mut(&node) else { return };
        let waiter = Waiter(there.next_waiter);
        there.next_waiter += 1;
        there.waiters.insert(waiter, number);
        conn.server = ServerEnd::Waiting(waiter);
        let id = self.plan.rooms[room].id.clone();
        let actions = there.registry.arrive(there.room_time(self.now), &id, waiter);
        self.carry_out(node, actions);
    }

    /// Sends a frame to a client, `bytes` long.
    pub(crate) fn push_down(&mut self, number: u64, item: Down, bytes: usize) {
        let latency = self.rng.within(self.plan.latency.clone());
        let Some(conn) = self.conns.get_mut(&number) else { return };
        conn.written = self.now;
        let first = conn.down.push(self.now + latency, bytes, item);
        if let Some(at) = first.filter(|_| !conn.cut) {
            self.queue.plan(at.max(conn.stalled_until), Event::Down { conn: number });
        }
    }

    /// Writes a frame unless a close frame was sent; true when the connection is full by that.
    pub(crate) fn write(&mut self, number: u64, frame: Bytes) -> bool {
        let open = |c: &&mut crate::wire::Conn| !c.closed && c.server != ServerEnd::Gone;
        if self.conns.get_mut(&number).filter(open).is_none() {
            return false;
        }
        let bytes = frame.len();
        self.push_down(number, Down::Frame(frame), bytes);
        let full = |conn: &crate::wire::Conn| conn.down.bytes() > self.plan.socket_bytes;
        self.conns.get(&number).is_some_and(full)
    }

    /// Closes a connection that was not let in.
    pub(crate) fn turn_away(&mut self, number: u64, reason: CloseReason) {
        self.push_down(number, Down::Opened, 0);
        self.close(number, reason);
    }

    /// Ends a connection after what was written before.
    pub(crate) fn close(&mut self, number: u64, reason: CloseReason) {
        let Some(conn) = self.conns.get_mut(&number) else { return };
        if conn.closed || conn.server == ServerEnd::Gone {
            return;
        }
        conn.closed = true;
        let protocol = self.clients[conn.client].protocol();
        let close = reason.close(protocol);
        self.line(format_args!("conn {number} is closed: {}", reason.name()));
        let frame = websocket::close_frame(close.code, close.text);
        let bytes = frame.len();
        self.push_down(number, Down::Frame(frame), bytes);
        self.closing_went_out(number);
    }

    /// The server is through with a connection once its close frame has left.
    pub(crate) fn closing_went_out(&mut self, number: u64) {
        let Some(conn) = self.conns.get(&number) else { return };
        if conn.closed && conn.down.bytes() <= self.plan.socket_bytes {
            let at = self.now + self.rng.within(10..=MS);
            self.queue.plan(at, Event::ServerLearns { conn: number });
        }
    }

    /// The next frame of the client is read.
    pub(crate) fn up(&mut self, number: u64) {
        let Some(conn) = self.conns.get_mut(&number).filter(|conn| !conn.cut) else { return };
        let Some(item) = conn.up.pop() else { return };
        if let Some(at) = conn.up.next_at() {
            self.queue.plan(at.max(self.now), Event::Up { conn: number });
        }
        conn.heard = self.now;
        let ServerEnd::Member(instance, session) = conn.server else { return };
        match item {
            Up::Pong => {}
            Up::Close => self.server_end_over(number),
            Up::Message(message) => self.read(number, instance, session, message),
        }
    }

    fn read(&mut self, number: u64, instance: Instance, session: SessionId, message: Message) {
        let conn = &self.conns[&number];
        let (node, closed) = (conn.node, conn.closed);
        let protocol = self.clients[conn.client].protocol();
        let mut messages = Vec::new();
        let sum = crc32fast::hash(message.payload());
        let decoded = protocol::decode(protocol, message, &self.plan.limits, &mut messages);
        let room = self.nodes.get_mut(&node).and_then(|node| node.rooms.get_mut(&instance));
        let Some(task) = room else {
            return self.close(number, CloseReason::Shutdown);
        };
        let name = task.id.clone();
        task.mail.extend(messages.into_iter().map(|message| Mail::Message(session, message)));
        self.line(format_args!("conn {number} says {sum:08x} to {name} #{}", instance.0));
        self.plan_turn(node, instance);
        if let Err(reason) = decoded
            && !closed
        {
            self.close(number, reason);
        }
    }

    /// The server's end is over, whyever.
    pub(crate) fn server_end_over(&mut self, number: u64) {
        let Some(conn) = self.conns.get_mut(&number) else { return };
        let (end, node, closed) = (conn.server, conn.node, conn.closed);
        if end == ServerEnd::Gone {
            return;
        }
        conn.server = ServerEnd::Gone;
        conn.up.clear();
        self.line(format_args!("conn {number} is over for the server"));
        if let ServerEnd::Member(instance, session) = end
            && let Some(there) = self.nodes.get_mut(&node)
            && let Some(task) = there.rooms.get_mut(&instance)
        {
            task.mail.push_back(Mail::Leave(session));
            there.registry.release(&task.id, instance);
            self.plan_turn(node, instance);
        }
        if !closed {
            // The client gets what is under way and then the end of the stream.
            self.client_learns_later(number, 20 * MS);
        }
        self.forget_conn(number);
    }

    /// Plans that the client learns of the end of its connection.
    pub(crate) fn client_learns_later(&mut self, number: u64, within: u64) {
        let Some(conn) = self.conns.get(&number).filter(|conn| conn.client_there) else { return };
        let client = conn.client;
        let at = self.now + self.rng.within(0..=within);
        self.queue.plan(at, Event::ClientLearns { client, conn: Some(number) });
    }

    /// Drops a connection with which nobody has anything to do any more.
    pub(crate) fn forget_conn(&mut self, number: u64) {
        if self.conns.get(&number).is_some_and(crate::wire::Conn::is_over) {
            self.conns.remove(&number);
        }
    }

    /// A node is gone: its connections break, some of what was under way arrives.
    pub(crate) fn lose_conns_of(&mut self, node: u32, within: u64) {
        let lost: Vec<_> =
            self.conns.iter().filter(|(_, conn)| conn.node == node).map(|(n, _)| *n).collect();
        for number in lost {
            let delivers = self.rng.chance(50);
            let conn = self.conns.get_mut(&number).expect("listed above");
            conn.server = ServerEnd::Gone;
            conn.up.clear();
            conn.cut |= !delivers;
            self.client_learns_later(number, within);
            self.forget_conn(number);
        }
    }

    /// Looks after a connection: dead peers, pings, keep-alives.
    pub(crate) fn beat(&mut self, number: u64) {
        let limits = &self.plan.limits;
        let Some(conn) = self.conns.get_mut(&number) else { return };
        if !matches!(conn.server, ServerEnd::Member(..)) {
            return;
        }
        let since = |at: u64| (self.now - at) / MS;
        let heard = since(conn.heard);
        let ping = since(conn.heard.max(conn.pinged)) >= limits.ping_interval_ms;
        let keep_alive = since(conn.written) >= limits.yjs_keep_alive_ms;
        let yjs = self.clients[conn.client].protocol() == Protocol::Yjs;
        if heard >= limits.peer_dead_ms {
            return self.server_end_over(number);
        }
        if ping {
            conn.pinged = self.now;
            self.write(number, websocket::ping(b""));
        } else if keep_alive && yjs {
            self.write(number, yjs::keep_alive());
        }
        self.queue.plan(self.now + 5 * SECOND, Event::Beat { conn: number });
    }

    /// The client has taken a frame: a room that waits for that is told.
    pub(crate) fn took(&mut self, number: u64) {
        let Some(conn) = self.conns.get_mut(&number) else { return };
        if conn.blocked && conn.down.bytes() <= self.plan.socket_bytes / 2 {
            conn.blocked = false;
            if let ServerEnd::Member(instance, session) = conn.server {
                let node = conn.node;
                self.order(node, instance, Order::Writable(session));
            }
        }
        self.closing_went_out(number);
    }
}
