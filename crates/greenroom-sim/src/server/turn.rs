//! A room's task: hands its room inputs and carries out its outputs, as `room_task.rs` and `seat.rs`
//! of the server do.

use greenroom_core::close_reason::CloseReason;
use greenroom_core::registry::{Action, Ended, Instance};
use greenroom_core::room::{Input, Output, RoomState, Stopped, Taken};
use greenroom_service::SessionId;

use super::{Mail, Order, RoomTask};
use crate::disk::Asked;
use crate::plan::SECOND;
use crate::queue::Event;
use crate::world::World;

/// The most that is taken from a room for one write, in bytes.
const WRITE_BYTES: usize = 64 << 10;
/// Turns within a second that nothing but the clock causes; a room that wants more spins.
const TIMEOUTS_PER_SECOND_MAX: u64 = 300;

/// What a turn leaves to be done once the room stands in its place again.
#[derive(Debug, Default)]
struct After {
    actions: Vec<Action>,
    ended: Option<Ended>,
}

impl World {
    /// Plans a turn of a room, if none is planned.
    pub(crate) fn plan_turn(&mut self, node: u32, instance: Instance) {
        let at = self.now + self.rng.within(1..=200);
        self.plan_turn_at(node, instance, at);
    }

    fn plan_turn_at(&mut self, node: u32, instance: Instance, at: u64) {
        let there = self
            .nodes
            .get_mut(&node)
            .and_then(|node| node.rooms.get_mut(&instance));
        let Some(task) = there else { return };
        if task.turn_at.is_none_or(|planned| planned > at) {
            task.turn_at = Some(at);
            self.queue.plan(at, Event::Turn { node, instance });
        }
    }

    /// A room's task runs.
    pub(crate) fn turn(&mut self, node: u32, instance: Instance) {
        let Some(there) = self.nodes.get_mut(&node) else {
            return;
        };
        // An earlier turn was planned meanwhile, and this one is void.
        let due = |task: &RoomTask| task.turn_at == Some(self.now);
        if !there.rooms.get(&instance).is_some_and(due) {
            return;
        }
        let Some(mut task) = there.rooms.remove(&instance) else {
            return;
        };
        task.turn_at = None;
        let idle_before = !self.inputs(node, &mut task);
        if idle_before {
            self.time_out(node, &mut task);
        }
        let after = self.carry_out_turn(node, instance, &mut task);
        self.check_room(&task);
        self.stand_again(node, instance, task, after);
    }

    /// Hands over what waits; false when nothing did.
    fn inputs(&mut self, node: u32, task: &mut RoomTask) -> bool {
        let mut some = false;
        for _ in 0..self.plan.limits.turn_inputs_max {
            let input = if let Some(order) = task.orders.pop_front() {
                self.input_of(node, task, order)
            } else if task.room.accepts()
                && let Some(mail) = task.mail.pop_front()
            {
                Some(match mail {
                    Mail::Join(session, hello, conn) => {
                        task.seats.insert(session, conn);
                        Input::Join(session, hello)
                    }
                    Mail::Message(session, message) => Input::Message(session, message),
                    Mail::Leave(session) => {
                        task.seats.remove(&session);
                        Input::Leave(session)
                    }
                })
            } else {
                return some;
            };
            some = true;
            if let Some(input) = input {
                self.line(format_args!("{} {}", task.id, name_of(&input)));
                task.room
                    .handle_input(self.nodes[&node].room_time(self.now), input);
            }
        }
        some
    }

    fn input_of(&mut self, node: u32, task: &mut RoomTask, order: Order) -> Option<Input> {
        Some(match order {
            Order::StoreDone(id, reply) => Input::StoreDone(id, reply),
            Order::ComputeDone(id, done) => Input::ComputeDone(id, done),
            Order::Drain(why) => Input::Drain(why),
            Order::Writable(session) => {
                self.flush(node, task, session);
                return None;
            }
        })
    }

    fn time_out(&mut self, node: u32, task: &mut RoomTask) {
        let time = self.nodes[&node].room_time(self.now);
        if task.room.poll_timeout().is_none_or(|at| at > time) {
            return;
        }
        let second = self.now / SECOND;
        task.timeouts = (
            second,
            if task.timeouts.0 == second {
                task.timeouts.1 + 1
            } else {
                1
            },
        );
        if task.timeouts.1 > TIMEOUTS_PER_SECOND_MAX {
            let state = task.room.state();
            self.violate(format!(
                "{} ({state:?}) wants to be called again and again",
                task.id
            ));
        }
        self.line(format_args!("{} timeout", task.id));
        task.room.handle_input(time, Input::Timeout);
    }

    fn carry_out_turn(&mut self, node: u32, instance: Instance, task: &mut RoomTask) -> After {
        let mut after = After::default();
        while let Some(output) = task.room.poll_output() {
            match output {
                Output::Flush(session) => self.flush(node, task, session),
                Output::TurnedAway(session, reason) => {
                    if let Some(conn) = task.seats.remove(&session) {
                        self.close(conn, reason);
                    }
                }
                Output::Store(store_task, request) => {
                    self.line(format_args!(
                        "{} asks the store {}",
                        task.id,
                        kind_of(&request)
                    ));
                    let asked = Asked {
                        node,
                        instance,
                        task: store_task,
                        request,
                    };
                    self.ask_disk(asked);
                }
                Output::Compute(id, job) => {
                    let at = self.now + self.rng.within(self.plan.compute.clone());
                    self.line(format_args!("{} starts job {}", task.id, id.0));
                    self.queue.plan(
                        at,
                        Event::Computed {
                            node,
                            instance,
                            id,
                            job,
                        },
                    );
                }
                Output::Reply(..) => self.violate("nobody here asks for anything".to_owned()),
                Output::Seen(_) => self.violate("nobody here watches".to_owned()),
                // How long the disk takes does not depend on who waits.
                Output::HurryStore => {}
                Output::Task(..) => self.violate("no service here starts tasks".to_owned()),
                // No room of a plan has hooks.
                Output::FirstContent => {}
                Output::Idle => {
                    let empty = task.mail.is_empty();
                    if let Some(there) = self.nodes.get_mut(&node) {
                        after
                            .actions
                            .extend(there.registry.idle(&task.id, instance, empty));
                    }
                }
                Output::Note(text) => self.note(&task.id.clone(), &text),
                Output::Stopped(why) => {
                    self.stopped(task, &why, &mut after);
                    return after;
                }
            }
        }
        if !task.live && task.room.state() == RoomState::Live {
            task.live = true;
            self.line(format_args!("{} #{} is live", task.id, instance.0));
            if let Some(there) = self.nodes.get_mut(&node) {
                after
                    .actions
                    .extend(there.registry.loaded(&task.id, instance));
            }
        }
        after
    }

    fn stopped(&mut self, task: &mut RoomTask, why: &Stopped, after: &mut After) {
        self.line(format_args!("{} stopped: {why:?}", task.id));
        let (ended, reason) = match why {
            Stopped::Drained => (Ended::Drained, CloseReason::Shutdown),
            Stopped::Deleted => (Ended::Drained, CloseReason::Deleted),
            Stopped::Moved => (Ended::Moved, CloseReason::Moved),
            Stopped::Quarantined(_) => (Ended::Quarantined, CloseReason::RoomFault),
            Stopped::StoreFailed(_) | Stopped::NoFirstContent(_) => {
                (Ended::Failed, CloseReason::RoomFault)
            }
        };
        self.check_stopped(task, why);
        for conn in std::mem::take(&mut task.seats).into_values() {
            self.close(conn, reason);
        }
        // Whoever sits in the mailbox was never let in.
        for mail in std::mem::take(&mut task.mail) {
            if let Mail::Join(_, _, conn) = mail {
                self.close(conn, CloseReason::Shutdown);
            }
        }
        after.ended = Some(ended);
    }

    fn stand_again(&mut self, node: u32, instance: Instance, task: RoomTask, after: After) {
        let waits = !task.orders.is_empty() || (task.room.accepts() && !task.mail.is_empty());
        let timeout = task.room.poll_timeout();
        let Some(there) = self.nodes.get_mut(&node) else {
            return;
        };
        let timeout = timeout.map(|at| there.virtual_time(at));
        there.rooms.insert(instance, task);
        self.carry_out(node, after.actions);
        if let Some(ended) = after.ended {
            self.room_ended_for_good(node, instance, ended);
        } else if waits {
            self.plan_turn(node, instance);
        } else if let Some(at) = timeout {
            let at = at.max(self.now) + self.rng.within(1..=1_000);
            self.plan_turn_at(node, instance, at);
        }
    }

    fn room_ended_for_good(&mut self, node: u32, instance: Instance, ended: Ended) {
        let Some(there) = self.nodes.get_mut(&node) else {
            return;
        };
        let Some(task) = there.rooms.remove(&instance) else {
            return;
        };
        let time = there.room_time(self.now);
        let actions = there.registry.ended(time, &task.id, instance, ended);
        self.carry_out(node, actions);
        self.ended_by_now(node);
    }

    /// Writes what waits for `session`, for as long as its connection takes it.
    fn flush(&mut self, node: u32, task: &mut RoomTask, session: SessionId) {
        let Some(number) = task.seats.get(&session).copied() else {
            return;
        };
        let blocked = |world: &Self| world.conns.get(&number).is_some_and(|conn| conn.blocked);
        while !blocked(self) {
            let mut frames = Vec::new();
            let taken = task.room.take_frames(session, WRITE_BYTES, &mut frames);
            let none = frames.is_empty();
            let mut full = false;
            for frame in frames {
                self.check_gate(node, task, number, &frame);
                full |= self.write(number, frame);
            }
            if full && let Some(conn) = self.conns.get_mut(&number) {
                conn.blocked = true;
            }
            match taken {
                Taken::Close(reason) => return self.close(number, reason),
                Taken::All if none => return,
                Taken::All | Taken::More => {}
            }
        }
    }
}

const fn name_of(input: &Input) -> &'static str {
    match input {
        Input::Join(..) => "join",
        Input::Message(..) => "message",
        Input::Renew(..) => "renew",
        Input::Leave(_) => "leave",
        Input::End(..) => "end",
        Input::Request(..) => "request",
        Input::Watched(_) => "watched",
        Input::FirstContent(_) => "first content",
        Input::StoreDone(..) => "store done",
        Input::ComputeDone(..) => "compute done",
        Input::TaskDone(..) => "task done",
        Input::Timeout => "timeout",
        Input::Drain(_) => "drain",
    }
}

fn kind_of(request: &greenroom_core::store::StoreRequest) -> String {
    use greenroom_core::store::StoreRequest as R;
    match request {
        R::Append(append) => format!("append {}..+{}", append.first_seq, append.count),
        R::PutSnapshot { snapshot, .. } => format!("snapshot {}", snapshot.seq),
        R::Trim { below_seq, .. } => format!("trim {below_seq}"),
        R::Acquire { .. } => "acquire".into(),
        R::Release { .. } => "release".into(),
        R::Read { from_seq, .. } => format!("read {from_seq}"),
        R::Snapshots { .. } => "snapshots".into(),
        other => format!("{other:?}"),
    }
}
