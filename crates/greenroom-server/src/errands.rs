//! What a room wants done outside of it, and how the end comes back: the store's answers to
//! the cell, the others as orders.

use std::sync::{Arc, Weak};

use greenroom_core::registry::Instance;
use greenroom_core::room::job::{ComputeId, Job};
use greenroom_core::room::{Input, StoreTask};
use greenroom_core::store::{StoreReply, StoreRequest};
use greenroom_service::{RoomId, TaskId, TaskSpec};
use tokio::sync::mpsc;

use crate::edge::Edge;
use crate::hooks;
use crate::mail::Order;
use crate::room_cell::RoomCell;
use crate::rooms::Rooms;

/// Runs a room's errands.
pub(crate) struct Errands {
    edge: Arc<Edge>,
    room: Weak<RoomCell>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Errands {
    /// For the room that takes these orders.
    pub(crate) fn new(
        edge: Arc<Edge>,
        room: Weak<RoomCell>,
        orders: mpsc::UnboundedSender<Order>,
    ) -> Self {
        Self { edge, room, orders }
    }

    /// Asks the store; `answered` is called with its reply first.
    pub(crate) fn ask_store(
        &self,
        task: StoreTask,
        request: StoreRequest,
        answered: impl FnOnce(&StoreReply) + Send + 'static,
    ) {
        let room = Weak::clone(&self.room);
        let marks = match &request {
            StoreRequest::Append(append) => !append.queue.is_empty(),
            StoreRequest::Enqueue { .. } => true,
            _ => false,
        };
        self.edge.ask_store(request, move |edge, reply| {
            answered(&reply);
            if marks && reply == StoreReply::Done {
                edge.hooks.marked();
            }
            // A room that ended meanwhile has no use for it; so below.
            if room
                .upgrade()
                .is_some_and(|room| room.answered(task, reply))
            {
                edge.rounds.call(room, Order::Look);
            }
        });
    }

    /// Runs a job on the pool.
    pub(crate) fn compute(&self, id: ComputeId, job: Job) {
        let orders = self.orders.clone();
        self.edge.compute(job, move |done| {
            let _ = orders.send(Order::ComputeDone(id, Box::new(done)));
        });
    }

    /// Asks what the room is to hold at first.
    pub(crate) fn fill(&self, rooms: &Arc<Rooms>, room: &RoomId, instance: Instance) {
        rooms.waits_outside(room, instance);
        let (edge, orders) = (Arc::clone(&self.edge), self.orders.clone());
        let room = room.clone();
        self.edge.spawn(async move {
            let found = hooks::first_content(&edge, &room).await;
            let _ = orders.send(Order::Input(Box::new(Input::FirstContent(found))));
        });
    }

    /// Runs a service's task.
    pub(crate) fn run_task(&self, id: TaskId, spec: TaskSpec) {
        let orders = self.orders.clone();
        self.edge.run_task(spec, move |result| {
            let _ = orders.send(Order::Input(Box::new(Input::TaskDone(id, result))));
        });
    }
}
