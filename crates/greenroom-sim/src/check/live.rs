//! What must hold after each step.

use bytes::Bytes;
use greenroom_core::close_reason::CloseReason;
use greenroom_core::protocol::websocket::{Opcode, read_server_frame};
use greenroom_core::room::Stopped;
use greenroom_core::store::{StoreReply, StoreRequest};
use greenroom_service::RoomId;

use super::Sighting;
use crate::client::Side;
use crate::disk::Asked;
use crate::plan::{Fault, Kind, MS, SECOND};
use crate::server::RoomTask;
use crate::world::World;

/// What a fault of the store may still cause after it is over.
const AFTERMATH: u64 = 8 * SECOND;

impl World {
    /// The store failed a moment ago, or does now.
    fn store_fails(&self) -> bool {
        let full = self.disk.full_until + AFTERMATH > self.now && self.disk.full_until > 0;
        full || self.disk.store.is_poisoned() || self.store_failed + AFTERMATH > self.now
    }

    fn has(&self, fault: Fault) -> bool {
        self.plan.faults.contains(&fault)
    }

    /// A frame leaves a room: what it acknowledges must be on stable storage.
    pub(crate) fn check_gate(&mut self, node: u32, task: &RoomTask, conn: u64, frame: &Bytes) {
        if task.kind == Kind::Collab {
            return;
        }
        let Some((Opcode::Text, payload, _)) = read_server_frame(frame) else {
            return;
        };
        let text = String::from_utf8_lossy(payload).into_owned();
        let counted = self
            .ledger
            .journals
            .get(&task.id)
            .map(|journal| journal.counted.clone());
        let counted = counted.unwrap_or_default();
        if let Some(value) = text
            .strip_prefix("new value: ")
            .and_then(|v| v.parse::<u64>().ok())
        {
            if counted.value.is_none_or(|durable| durable < value) {
                let durable = counted.value;
                self.violate(format!("{} told {value}, {durable:?} is durable", task.id));
            }
        } else if let Some(ack) = text.strip_prefix("ack ") {
            let acked = ack
                .split_once(' ')
                .map(|(who, n)| (who, n.parse::<u64>().unwrap_or(u64::MAX)));
            let durable = acked.and_then(|(who, _)| counted.entries.get(who)).copied();
            if acked.is_none_or(|(_, n)| durable.is_none_or(|durable| durable < n)) {
                self.violate(format!(
                    "node {node} told conn {conn} {text:?}, {durable:?} is durable"
                ));
            }
        }
    }

    /// A room's queues are bounded.
    pub(crate) fn check_room(&mut self, task: &RoomTask) {
        let limits = &self.plan.limits;
        // A ring per document and a queue per session, each with one frame beyond its limit.
        let places = task.seats.len() * 2 + 2;
        let frame_max = 64 << 10;
        let max = places * (limits.outbox_bytes_max + frame_max);
        if task.room.outbox_bytes() > max {
            let bytes = task.room.outbox_bytes();
            self.violate(format!(
                "{} holds {bytes} bytes to be sent, {max} are allowed",
                task.id
            ));
        }
    }

    /// A room told the operator something.
    pub(crate) fn note(&mut self, room: &RoomId, text: &str) {
        self.line(format_args!("{room} notes: {text}"));
        let append = text.starts_with("append failed") && self.store_fails();
        let fault = text.starts_with("room fault: ") && self.clients.iter().any(|c| c.plan.offends);
        let fenced = text.contains("Fenced") && self.has(Fault::Failover);
        let snapshot = text.starts_with("snapshot not kept") && (self.store_fails() || fenced);
        if !append && !fault && !snapshot {
            self.violate(format!("{room} notes: {text}"));
        }
    }

    /// A room stopped: was there a reason?
    pub(crate) fn check_stopped(&mut self, task: &RoomTask, why: &Stopped) {
        let explained = match why {
            Stopped::Drained => true,
            Stopped::Deleted => false,
            Stopped::Moved => self.has(Fault::Failover),
            Stopped::Quarantined(_) => false,
            Stopped::StoreFailed(_) | Stopped::NoFirstContent(_) => self.store_fails(),
        };
        if !explained {
            self.violate(format!("{} stopped: {why:?}", task.id));
        }
    }

    /// A client was closed: was it to blame, or was there another reason?
    pub(crate) fn check_close(&mut self, client: usize, reason: CloseReason) {
        self.line(format_args!("client {client} is told: {}", reason.name()));
        let offends = self.clients[client].plan.offends;
        let yjs = matches!(self.clients[client].side, Side::Editor(_));
        let explained = match reason {
            CloseReason::Shutdown => true,
            CloseReason::Moved => self.has(Fault::Failover),
            CloseReason::Slow => !yjs,
            CloseReason::RoomFault => offends || (self.store_fails() && !yjs) || self.load_failed(),
            _ => false,
        };
        if !explained {
            self.violate(format!("client {client} was closed as {}", reason.name()));
        }
    }

    /// A load may have met a store that fails, or a former owner that was not gone yet.
    fn load_failed(&self) -> bool {
        self.store_fails()
            || (self.has(Fault::Failover) && self.last_failover + AFTERMATH > self.now)
    }

    /// A client saw an update.
    pub(crate) fn saw_update(&mut self, client: usize, update: &[u8], how: Sighting) {
        let seer = &self.clients[client];
        let conn = seer.conn.and_then(|conn| self.conns.get(&conn));
        // What a node relays that was taken over may be lost: its append is refused.
        let deposed = conn
            .and_then(|c| self.nodes.get(&c.node))
            .is_none_or(|node| node.deposed);
        if deposed || self.store_fails() {
            return;
        }
        let room = self.plan.rooms[seer.plan.room].id.clone();
        self.ledger
            .saw(self.now, (&room, seer.plan.document), update, how);
    }

    /// A batch of the store was answered.
    pub(crate) fn check_batch(&mut self, batch: &[(Asked, StoreReply)], synced: bool) {
        let mut look = false;
        for (asked, reply) in batch {
            match (&asked.request, reply) {
                (StoreRequest::Append(append), StoreReply::Done) => {
                    let newest = self.disk.leases.get(&append.room);
                    if newest.is_some_and(|lease| lease.epoch > append.lease.epoch) || !synced {
                        self.violate(format!(
                            "{} was appended to under an old lease",
                            append.room
                        ));
                    }
                    if let Err(broken) = self.ledger.appended(append) {
                        self.violate(broken);
                    }
                }
                (StoreRequest::Trim { .. }, StoreReply::Done) => look = true,
                _ => {}
            }
        }
        if look {
            self.check_store();
        }
        self.check_seen();
    }

    /// What the store holds is what was synced.
    pub(crate) fn check_store(&mut self) {
        if self.disk.store.unsynced() > 0 {
            return;
        }
        if let Err(broken) = self.ledger.check_store(&self.disk.store, &self.plan.rooms) {
            self.violate(broken);
        }
    }

    /// What was seen long enough ago is on stable storage.
    pub(crate) fn check_seen(&mut self) {
        if self.store_fails() {
            return self.ledger.forget_seen();
        }
        // An append under way, then the next; each waits for a batch under way and for its own.
        let disk = self.plan.disk.end() * 2
            + if self.has(Fault::SlowStore) {
                SECOND
            } else {
                0
            };
        let bound = self.plan.limits.commit_window_ms * MS + 5 * disk + 50 * MS;
        if let Err(broken) = self.ledger.check_seen(self.now.saturating_sub(bound)) {
            self.violate(broken);
        }
    }

    /// The store was opened anew: all that was synced is there, and what was seen long enough ago.
    pub(crate) fn disk_came_back(&mut self) {
        self.check_store();
        self.check_seen();
        self.ledger.forget_seen();
    }

    /// A node stopped in order: everything that anybody saw is kept.
    pub(crate) fn check_graceful_stop(&mut self) {
        if self.store_fails() {
            return;
        }
        if let Err(broken) = self.ledger.check_seen(self.now) {
            self.violate(format!("after a graceful stop: {broken}"));
        }
    }
}
