//! The one place where IO meets a room: a task that owns it, hands it inputs and carries out its
//! outputs.

use std::sync::Arc;

use greenroom_core::close_reason::CloseReason;
use greenroom_core::registry::Instance;
use greenroom_core::room::{Input, Output, Room, RoomConfig, RoomState, Stopped};
use greenroom_service::{Millis, RoomId};
use tokio::time::Instant;

use crate::desk::Desk;
use crate::edge::Edge;
use crate::errands::Errands;
use crate::mail::{Inboxes, Mail, Order, turn_away_unread};
use crate::meters::RoomMeters;
use crate::rooms::Rooms;
use crate::seats::Seats;

/// Runs a room from its load to its stop.
pub(crate) async fn run(rooms: Arc<Rooms>, id: RoomId, instance: Instance, inboxes: Inboxes) {
    let _watch = rooms.watch(&id, instance);
    let edge = Arc::clone(rooms.edge());
    let config = RoomConfig {
        id: id.clone(),
        node: edge.node,
        limits: edge.settings.limits.clone(),
        seed: edge.random(),
    };
    let now = edge.clock.now();
    let meters = edge.meters(&id);
    let Inboxes {
        mut mail,
        mut orders,
        send_order,
        desk,
    } = inboxes;
    let mut task = RoomTask {
        room: edge.room(config, now),
        errands: Errands::new(Arc::clone(&edge), send_order.clone()),
        edge,
        rooms,
        id,
        instance,
        seats: Seats::new(send_order),
        meters,
        desk,
        live: false,
        now,
    };
    let mut alarm = std::pin::pin!(tokio::time::sleep_until(task.alarm_at()));
    while !task.carry_out() {
        let at = task.alarm_at();
        if at != alarm.deadline() {
            alarm.as_mut().reset(at);
        }
        // Receiving is cancel-safe.
        let woken = tokio::select! {
            biased;
            Some(order) = orders.recv() => Woken::Order(order),
            Some(mail) = mail.recv(), if task.room.accepts() => Woken::Mail(mail),
            () = alarm.as_mut() => Woken::Alarm,
        };
        // One turn has one time.
        task.now = task.edge.clock.now();
        task.meters.turn_begins(mail.len());
        match woken {
            Woken::Order(order) => task.order(order),
            Woken::Mail(mail) => task.mail(mail),
            Woken::Alarm => task.input(Input::Timeout),
        }
        for _ in 1..task.edge.settings.limits.turn_inputs_max {
            if let Ok(order) = orders.try_recv() {
                task.order(order);
            } else if task.room.accepts()
                && let Ok(mail) = mail.try_recv()
            {
                task.mail(mail);
            } else {
                break;
            }
        }
        task.meters.handled(&task.room);
    }
    turn_away_unread(mail);
}

/// What a turn begins with.
enum Woken {
    Order(Order),
    Mail(Mail),
    Alarm,
}

struct RoomTask {
    room: Room,
    edge: Arc<Edge>,
    rooms: Arc<Rooms>,
    id: RoomId,
    instance: Instance,
    errands: Errands,
    seats: Seats,
    meters: RoomMeters,
    desk: Desk,
    live: bool,
    /// Room time of this turn.
    now: Millis,
}

impl RoomTask {
    /// When the room wants to be called; a time that does not come when it does not.
    fn alarm_at(&self) -> Instant {
        let clock = self.edge.clock;
        let at = self.room.poll_timeout();
        at.map_or_else(|| clock.far(), |at| clock.instant(at))
    }

    fn input(&mut self, input: Input) {
        self.room.handle_input(self.now, input);
    }

    fn mail(&mut self, mail: Mail) {
        let input = match mail {
            Mail::Join(session, hello, conn) => {
                self.seats.add(session, conn);
                Input::Join(session, *hello)
            }
            Mail::Message(session, heard) => {
                self.meters.heard(heard.at);
                Input::Message(session, heard.message)
            }
            Mail::Leave(session) => {
                self.seats.remove(session);
                Input::Leave(session)
            }
            Mail::Request(asked, answer) => self.desk.take(*asked, answer),
            Mail::Watch(watcher) => self.desk.watch(watcher, self.room.durable_seq()),
        };
        self.input(input);
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::StoreDone(task, reply) => self.input(Input::StoreDone(task, *reply)),
            Order::ComputeDone(id, done) => self.input(Input::ComputeDone(id, *done)),
            Order::TaskDone(id, result) => self.input(Input::TaskDone(id, *result)),
            Order::Drain(why) => self.input(Input::Drain(why)),
            Order::Writable(session) => {
                self.seats.unblock(session, &mut self.room, self.now);
            }
        }
    }

    /// Does what the room wants done; true when it is over.
    fn carry_out(&mut self) -> bool {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Flush(session) => self.seats.flush(session, &mut self.room, self.now),
                Output::TurnedAway(session, reason) => self.seats.turn_away(session, reason),
                Output::Reply(id, reply) => self.desk.answer(id, reply),
                Output::Seen(seen) => {
                    let input = self.desk.tell(&seen);
                    self.input(input);
                }
                Output::Store(task, request) => {
                    let answered = self.meters.asked(&request);
                    self.errands.ask_store(task, request, answered);
                }
                Output::Compute(id, job) => self.errands.compute(id, job),
                Output::Task(id, spec) => self.errands.run_task(id, spec),
                Output::Idle => self.rooms.idle(&self.id, self.instance),
                Output::Note(text) => self.meters.note(&self.id, &text),
                Output::Stopped(why) => {
                    self.stopped(&why);
                    return true;
                }
            }
        }
        self.seats.settle();
        self.meters.turn_ends(&self.room);
        self.desk.count(self.room.session_count());
        if !self.live && self.room.state() == RoomState::Live {
            self.live = true;
            self.meters.live(&self.id);
            self.rooms.loaded(&self.id, self.instance);
        }
        false
    }

    fn stopped(&mut self, why: &Stopped) {
        if let Some(at) = self.room.next_wake() {
            self.edge.waker.wake_at(at, self.id.clone());
        }
        self.desk.close(why);
        self.seats.close_all(CloseReason::RoomFault);
        self.rooms.stopped(&self.id, self.instance, why);
    }
}
