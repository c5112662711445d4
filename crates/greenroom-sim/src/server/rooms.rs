//! What the registry wants done, and how a node starts, stops and dies.

use std::collections::{BTreeMap, VecDeque};

use greenroom_core::close_reason::CloseReason;
use greenroom_core::hooks::Wishes;
use greenroom_core::registry::{Action, Ended, Instance, Refused};
use greenroom_core::room::behaviour::Visibility;
use greenroom_core::room::session::Hello;
use greenroom_core::room::{Drain, Room, RoomConfig};
use greenroom_core::store::NodeId;
use greenroom_service::{ConnId, RoomId, SessionId, UserId};

use super::{Mail, Node, Order, RoomTask, behaviours};
use crate::bug::Bug;
use crate::plan::{Kind, MS, SECOND};
use crate::queue::Event;
use crate::wire::{Down, ServerEnd};
use crate::world::World;

/// How long a node that stops in order may take.
const DRAIN_MAX: u64 = 10 * SECOND;
/// The wall clock when virtual time begins.
const WALL_CLOCK_MS: u64 = 1_700_000_000_000;

impl World {
    /// A node starts, and is where clients connect from now on.
    pub(crate) fn start_node(&mut self) {
        if self.current.is_some() {
            return;
        }
        let jump = if self.plan.clock_jumps {
            self.rng.below(7_200_000)
        } else {
            3_600_000
        };
        let node = self.next_node;
        self.next_node += 1;
        self.line(format_args!("node {node} starts, clock {jump}"));
        self.nodes
            .insert(node, Node::new(WALL_CLOCK_MS - 3_600_000 + jump));
        self.current = Some(node);
    }

    /// A node stops in order: rooms drain, then it is gone.
    pub(crate) fn stop_node(&mut self, node: u32) {
        let Some(stopping) = self.nodes.get_mut(&node).filter(|node| !node.stopping) else {
            return;
        };
        stopping.stopping = true;
        let (running, actions) = stopping.registry.stop();
        self.line(format_args!("node {node} stops, {} rooms", running.len()));
        for (instance, _) in running {
            self.order(node, instance, Order::Drain(Drain::Shutdown));
        }
        self.carry_out(node, actions);
        self.queue.plan(self.now + DRAIN_MAX, Event::Kill { node });
        self.ended_by_now(node);
    }

    /// A node that stops ends when its last room has.
    pub(crate) fn ended_by_now(&mut self, node: u32) {
        let over = |node: &Node| node.stopping && node.registry.running() == 0;
        if !self.nodes.get(&node).is_some_and(over) {
            return;
        }
        self.line(format_args!("node {node} has stopped"));
        self.nodes.remove(&node);
        self.lose_conns_of(node, 10 * MS);
        if self.current == Some(node) {
            self.current = None;
            self.check_graceful_stop();
            self.disk.reopen(&mut self.rng);
            self.disk_came_back();
            let downtime = self.rng.within(10..=1_000) * MS;
            self.queue.plan(self.now + downtime, Event::Start);
        }
    }

    /// Every node dies at once, and the store with them.
    pub(crate) fn crash_all(&mut self) {
        let dead: Vec<_> = std::mem::take(&mut self.nodes).into_keys().collect();
        for node in dead {
            self.lose_conns_of(node, 200 * MS);
        }
        self.current = None;
        self.disk.crash(&mut self.rng);
        self.disk_came_back();
        let downtime = self.rng.within(10..=1_500) * MS;
        self.queue.plan(self.now + downtime, Event::Start);
    }

    /// Another node takes over; the old one still runs for a while.
    pub(crate) fn fail_over(&mut self) {
        let Some(old) = self.current.take() else {
            return;
        };
        self.line(format_args!("node {old} is taken over"));
        if let Some(node) = self.nodes.get_mut(&old) {
            node.deposed = true;
        }
        self.disk.store.expire(NodeId(old));
        self.last_failover = self.now;
        self.ledger.forget_seen();
        let dies = self.now + self.rng.within(50..=4_000) * MS;
        self.queue.plan(dies, Event::Kill { node: old });
        self.start_node();
    }

    /// A node dies alone.
    pub(crate) fn kill_node(&mut self, node: u32) {
        let Some(gone) = self.nodes.get(&node) else {
            return;
        };
        if gone.stopping && !gone.deposed {
            let rooms = gone.registry.running();
            self.violate(format!(
                "node {node} did not stop in time, {rooms} rooms are left"
            ));
        }
        self.nodes.remove(&node);
        self.line(format_args!("node {node} dies"));
        // What it may have taken again meanwhile.
        self.disk.store.expire(NodeId(node));
        self.lose_conns_of(node, 200 * MS);
    }

    pub(crate) fn carry_out(&mut self, node: u32, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(room, instance) => self.start_room(node, room, instance),
                Action::Grant(waiter, instance) => {
                    let conn = self
                        .nodes
                        .get_mut(&node)
                        .and_then(|n| n.waiters.remove(&waiter));
                    self.grant(node, conn, instance);
                }
                Action::Refuse(waiter, why) => {
                    let conn = self
                        .nodes
                        .get_mut(&node)
                        .and_then(|n| n.waiters.remove(&waiter));
                    let reason = match why {
                        Refused::Unavailable => CloseReason::RoomFault,
                        Refused::Moved => CloseReason::Moved,
                        Refused::Stopping => CloseReason::Shutdown,
                    };
                    if let Some(conn) = conn {
                        self.turn_away(conn, reason);
                    }
                }
                Action::Drain(instance) => {
                    self.order(node, instance, Order::Drain(Drain::Unload));
                    if self.bug == Some(Bug::TwoInstances) {
                        self.room_ended(node, instance, Ended::Drained);
                    }
                }
            }
        }
    }

    /// Tells the registry that a room's life ended.
    pub(crate) fn room_ended(&mut self, node: u32, instance: Instance, ended: Ended) {
        let Some(there) = self.nodes.get_mut(&node) else {
            return;
        };
        let Some(id) = there.rooms.get(&instance).map(|task| task.id.clone()) else {
            return;
        };
        let time = there.room_time(self.now);
        let actions = there.registry.ended(time, &id, instance, ended);
        self.carry_out(node, actions);
    }

    fn start_room(&mut self, node: u32, id: RoomId, instance: Instance) {
        let planned = self.plan.rooms.iter().find(|room| room.id == id);
        let kind = planned.expect("clients join planned rooms").kind;
        let config = RoomConfig {
            id: id.clone(),
            node: NodeId(node),
            limits: self.plan.limits.clone(),
            visibility: Visibility::Early,
            hooks: Wishes::default(),
            seed: self.rng.next(),
        };
        let Some(there) = self.nodes.get_mut(&node) else {
            return;
        };
        if there.rooms.values().any(|task| task.id == id) {
            return self.violate(format!("{id} runs twice on node {node}"));
        }
        let room = Room::new(
            config,
            behaviours(kind, self.bug),
            there.room_time(self.now),
        );
        let task = RoomTask {
            id: id.clone(),
            kind,
            room,
            mail: VecDeque::new(),
            orders: VecDeque::new(),
            seats: BTreeMap::new(),
            live: false,
            turn_at: None,
            timeouts: (0, 0),
        };
        there.rooms.insert(instance, task);
        self.line(format_args!("{id} #{} loads on node {node}", instance.0));
        self.plan_turn(node, instance);
    }

    /// A waiter has its room.
    fn grant(&mut self, node: u32, conn: Option<u64>, instance: Instance) {
        let Some(there) = self.nodes.get_mut(&node) else {
            return;
        };
        let Some(task) = there.rooms.get_mut(&instance) else {
            return self.violate(format!(
                "a waiter was granted room #{}, which is gone",
                instance.0
            ));
        };
        let waits = |n: &u64| {
            self.conns
                .get(n)
                .is_some_and(|c| matches!(c.server, ServerEnd::Waiting(_)))
        };
        let Some(number) = conn.filter(waits) else {
            // It went away meanwhile and gives its reference back.
            return there.registry.release(&task.id, instance);
        };
        there.next_session += 1;
        let session = SessionId(there.next_session);
        let conn = self.conns.get_mut(&number).expect("looked up above");
        conn.server = ServerEnd::Member(instance, session);
        let client = &self.clients[conn.client];
        let hello = Hello {
            conn: ConnId { node, n: number },
            user: client
                .plan
                .named
                .then(|| UserId::new(&format!("user{}", conn.client))),
            rights: client.plan.rights,
            protocol: client.protocol(),
            document: match task.kind {
                Kind::Collab => client.plan.document.to_owned(),
                Kind::Counter | Kind::Tally => String::new(),
            },
            address: String::new(),
            origin: format!("address {}", conn.client),
            deflate: false,
        };
        task.mail.push_back(Mail::Join(session, hello, number));
        self.push_down(number, Down::Opened, 0);
        self.queue
            .plan(self.now + 5 * SECOND, Event::Beat { conn: number });
        self.plan_turn(node, instance);
    }

    /// Tells a room at once.
    pub(crate) fn order(&mut self, node: u32, instance: Instance, order: Order) {
        let Some(there) = self.nodes.get_mut(&node) else {
            return;
        };
        let Some(task) = there.rooms.get_mut(&instance) else {
            return;
        };
        task.orders.push_back(order);
        self.plan_turn(node, instance);
    }
}
