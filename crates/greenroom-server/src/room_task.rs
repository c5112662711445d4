//! The one place where IO meets a room: its turns. A turn hands the room what has come, carries out
//! what the room wants done, and writes what it wants sent. Who runs a turn when: `room_cell.rs`.

use std::sync::{Arc, Weak};

use greenroom_core::close_reason::CloseReason;
use greenroom_core::limits::Limits;
use greenroom_core::registry::Instance;
use greenroom_core::room::{Input, Output, Room, RoomConfig, RoomState, Stopped};
use greenroom_service::{Millis, RoomId};
use tokio::sync::mpsc;

use crate::desk::Desk;
use crate::edge::Edge;
use crate::errands::Errands;
use crate::mail::{Mail, Order};
use crate::meters::RoomMeters;
use crate::room_cell::RoomCell;
use crate::rooms::Rooms;
use crate::seats::Seats;

/// A room and what its turns need.
pub(crate) struct Turns {
    pub(crate) room: Room,
    edge: Arc<Edge>,
    rooms: Arc<Rooms>,
    id: RoomId,
    instance: Instance,
    cell: Weak<RoomCell>,
    orders: mpsc::UnboundedSender<Order>,
    seats: Seats,
    errands: Errands,
    desk: Desk,
    pub(crate) meters: RoomMeters,
    live: bool,
    /// The room is over.
    pub(crate) ended: bool,
    /// The room's task leaves the mailbox alone until the room accepts what is in it.
    pub(crate) task_waits_for_room: bool,
    /// When the room will be called, each earlier than the one before.
    alarms: Vec<Millis>,
    /// Room time of this turn.
    now: Millis,
}

impl Turns {
    /// Of a room that begins to load.
    pub(crate) fn new(
        rooms: &Arc<Rooms>,
        id: &RoomId,
        instance: Instance,
        cell: Weak<RoomCell>,
        desk: Desk,
        orders: mpsc::UnboundedSender<Order>,
    ) -> Self {
        let edge = Arc::clone(rooms.edge());
        let policy = edge.policy();
        let config = RoomConfig {
            id: id.clone(),
            node: edge.node,
            limits: Limits::clone(&policy.limits_of(id)),
            visibility: policy.visibility_of(id),
            hooks: edge.wishes_of(&policy, id),
            seed: edge.random(),
        };
        let now = edge.clock.now();
        Self {
            room: edge.room(config, now),
            meters: edge.meters(id),
            seats: Seats::new(id.clone(), orders.clone()),
            errands: Errands::new(Arc::clone(&edge), Weak::clone(&cell), orders.clone()),
            desk,
            edge,
            rooms: Arc::clone(rooms),
            id: id.clone(),
            instance,
            cell,
            orders,
            live: false,
            ended: false,
            task_waits_for_room: true,
            alarms: Vec::new(),
            now,
        }
    }

    /// Begins a turn, with so much mail waiting. One turn has one time.
    pub(crate) fn begin(&mut self, mail_waiting: usize) {
        self.now = self.edge.clock.now();
        self.meters.turn_begins(mail_waiting);
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.room.handle_input(self.now, input);
    }

    pub(crate) fn mail(&mut self, mail: Mail) {
        let input = match mail {
            Mail::Join(session, hello, conn) => {
                self.seats.add(session, conn, hello.user.clone());
                Input::Join(session, *hello)
            }
            Mail::Message(session, heard) => {
                self.meters.heard(heard.at);
                Input::Message(session, heard.message)
            }
            Mail::Renew(session, rights) => Input::Renew(session, rights),
            Mail::Leave(session) => {
                self.seats.remove(session);
                Input::Leave(session)
            }
            Mail::Request(asked, answer) => self.desk.take(*asked, answer),
            Mail::Watch(watcher) => self.desk.watch(watcher, self.room.durable_seq()),
        };
        self.input(input);
    }

    pub(crate) fn order(&mut self, order: Order) {
        match order {
            Order::ComputeDone(id, done) => self.input(Input::ComputeDone(id, *done)),
            Order::Input(input) => self.input(*input),
            Order::Drain(why) => self.input(Input::Drain(why)),
            Order::Writable(session) => {
                self.seats.unblock(session, &mut self.room, self.now);
            }
            Order::Alarm(at) => {
                self.alarms.retain(|alarm| *alarm != at);
                self.input(Input::Timeout);
            }
            Order::Look => {}
        }
    }

    /// Does what the room wants done.
    pub(crate) fn carry_out(&mut self) {
        self.meters.handled(&self.room);
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Flush(session) => self.seats.flush(session, &mut self.room, self.now),
                Output::TurnedAway(session, reason) => self.seats.turn_away(session, reason),
                Output::Reply(id, reply) => self.desk.answer(id, reply),
                Output::Seen(seen) => {
                    let input = self.desk.tell(&seen);
                    self.input(input);
                }
                Output::FirstContent => self.errands.fill(&self.rooms, &self.id, self.instance),
                Output::Store(task, request) => {
                    let answered = self.meters.asked(&request);
                    self.errands.ask_store(task, request, answered);
                }
                Output::HurryStore => self.edge.hurry_store(),
                Output::Compute(id, job) => self.errands.compute(id, job),
                Output::Task(id, spec) => self.errands.run_task(id, spec),
                Output::Idle => self.rooms.idle(&self.id, self.instance),
                Output::Note(text) => self.meters.note(&self.id, &text),
                Output::Stopped(why) => return self.stopped(&why),
            }
        }
        self.seats.settle(&self.edge);
        self.meters.turn_ends(&self.room);
        self.desk.count(self.room.session_count());
        self.set_alarm();
        if !self.live && self.room.state() == RoomState::Live {
            self.live = true;
            self.meters.live(&self.id);
            self.rooms.loaded(&self.id, self.instance);
        }
    }

    /// Asks to be called when the room wants to be, unless that happens before anyway.
    fn set_alarm(&mut self) {
        let Some(at) = self.room.poll_timeout() else {
            return;
        };
        if self.alarms.last().is_none_or(|alarm| at < *alarm) {
            self.alarms.push(at);
            self.edge.rounds.alarm(at, Weak::clone(&self.cell));
        }
    }

    /// After a turn that was not the task's: wakes the task when it has something to do by it.
    pub(crate) fn call_task(&mut self) {
        if self.ended || (self.task_waits_for_room && self.room.accepts()) {
            self.task_waits_for_room = false;
            let _ = self.orders.send(Order::Look);
        }
    }

    fn stopped(&mut self, why: &Stopped) {
        self.ended = true;
        if let Some(at) = self.room.next_wake() {
            self.edge.waker.wake_at(at, self.id.clone());
        }
        self.desk.close(why);
        self.seats.settle(&self.edge);
        self.seats.close_all(CloseReason::RoomFault);
        self.rooms.stopped(&self.id, self.instance, why);
    }
}
