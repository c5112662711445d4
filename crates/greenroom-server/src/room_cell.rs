//! Who runs a room's turns. A room has a task, which runs a turn for whatever is in its mailbox. Who
//! brings something to a small room that does nothing else just now runs the turn himself: waking a
//! task costs more than such a turn. A large room gathers instead: what comes meanwhile shares its
//! writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use greenroom_core::protocol::ClientMessage;
use greenroom_core::registry::Instance;
use greenroom_core::room::{Input, StoreTask};
use greenroom_core::store::StoreReply;
use greenroom_service::{RoomId, SessionId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::desk::Desk;
use crate::mail::{Inboxes, Mail, Order, turn_away_unread};
use crate::room_task::Turns;
use crate::rooms::Rooms;

/// Up to so many sessions a room's turn is run by whoever brings its input.
const TURN_AT_ONCE_SESSIONS_MAX: usize = 16;

/// A room, shared by those who run its turns.
pub(crate) struct RoomCell {
    /// Held for one turn, never across an await. Only the room's own task waits for it; nobody
    /// else runs a turn of a large room, so that it does not wait long.
    turns: Mutex<Turns>,
    /// Answers of the store that the room's next turn begins with; and whether it waits for them.
    /// As many as the room has requests under way. Locked for a few instructions.
    answers: Mutex<Answers>,
    /// Mail that was put into the mailbox and not handed to the room yet: more than what stands in
    /// the mailbox, for the task may hold one and wait for its turn.
    mail_waiting: AtomicUsize,
    /// The room has more sessions than are served at once. Set at the end of a turn.
    is_large: AtomicBool,
    /// To the room's task.
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Default)]
struct Answers {
    came: Vec<(StoreTask, StoreReply)>,
    /// Something hangs on them: a turn is run for them alone.
    awaited: bool,
}

impl Answers {
    /// Whether a turn is run for this one. A failure is always news.
    fn is_wanted(&self, reply: &StoreReply) -> bool {
        self.awaited || matches!(reply, StoreReply::Failed(_))
    }
}

/// Somebody else runs a turn, or the room is not in the state for this one.
#[derive(Debug)]
pub(crate) struct Busy;

impl RoomCell {
    pub(crate) fn new(
        rooms: &Arc<Rooms>,
        id: &RoomId,
        instance: Instance,
        desk: Desk,
        orders: mpsc::UnboundedSender<Order>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|cell| Self {
            turns: Mutex::new(Turns::new(
                rooms,
                id,
                instance,
                Weak::clone(cell),
                desk,
                orders.clone(),
            )),
            answers: Mutex::default(),
            mail_waiting: AtomicUsize::new(0),
            is_large: AtomicBool::new(false),
            orders: orders.clone(),
        })
    }

    /// Hands over what a session sent, received at `at`, all in one turn, if the room is small and stands idle. The
    /// caller has nothing of this session's in the mailbox.
    pub(crate) fn messages(
        &self,
        session: SessionId,
        messages: &mut Vec<ClientMessage>,
        at: Instant,
    ) -> Result<(), Busy> {
        if !self.takes_at_once() {
            return Err(Busy);
        }
        self.turn_at_once(|turns| {
            if !turns.room.accepts() {
                return Err(Busy);
            }
            turns.meters.heard(at);
            for message in messages.drain(..) {
                turns.input(Input::Message(session, message));
            }
            Ok(())
        })
    }

    /// Hands over mail in a turn of its own, if the room is small and stands idle.
    pub(crate) fn mail(&self, mail: Mail) -> Result<(), Mail> {
        let mut mail = Some(mail);
        if self.takes_at_once() {
            let _ = self.turn_at_once(|turns| {
                if turns.room.accepts()
                    && let Some(mail) = mail.take()
                {
                    turns.mail(mail);
                }
                Ok(())
            });
        }
        mail.map_or(Ok(()), Err)
    }

    /// Whether who brings something may run a turn for it: in a small room, when nothing waits that
    /// came before.
    fn takes_at_once(&self) -> bool {
        !self.is_large.load(Ordering::Relaxed) && self.mail_waiting.load(Ordering::Acquire) == 0
    }

    /// Hands over what is not of a session.
    pub(crate) fn order(&self, order: Order) -> Result<(), Order> {
        let mut order = Some(order);
        let _ = self.turn_at_once(|turns| {
            if let Some(order) = order.take() {
                turns.order(order);
            }
            Ok(())
        });
        order.map_or(Ok(()), Err)
    }

    /// The store has answered. Gives whether the room is to be told at once: one that waits for
    /// nothing hears it when it has a turn anyway.
    pub(crate) fn answered(&self, task: StoreTask, reply: StoreReply) -> bool {
        let mut answers = self.answers();
        let wanted = answers.is_wanted(&reply);
        answers.came.push((task, reply));
        wanted
    }

    /// Takes the answers in.
    fn tell_answers(&self, turns: &mut Turns) {
        let came = std::mem::take(&mut self.answers().came);
        for (task, reply) in came {
            turns.input(Input::StoreDone(task, reply));
        }
    }

    /// Ends a turn: says whether the room waits for answers. One that came during the turn, when it
    /// seemed that nobody does, may be what it waits for now.
    fn settle(&self, turns: &mut Turns) {
        let is_large = turns.room.session_count() > TURN_AT_ONCE_SESSIONS_MAX;
        if is_large != self.is_large.load(Ordering::Relaxed) {
            self.is_large.store(is_large, Ordering::Relaxed);
        }
        while !turns.ended {
            let mut answers = self.answers();
            answers.awaited = turns.room.awaits_store();
            if !answers
                .came
                .iter()
                .any(|(_, reply)| answers.is_wanted(reply))
            {
                return;
            }
            drop(answers);
            self.tell_answers(turns);
            turns.carry_out();
        }
    }

    // A panic under the lock left a whole value behind.
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mail is about to be put into the mailbox.
    pub(crate) fn mail_comes(&self) {
        self.mail_waiting.fetch_add(1, Ordering::AcqRel);
    }

    /// Mail was handed to the room, or not taken by the mailbox.
    pub(crate) fn mail_gone(&self) {
        self.mail_waiting.fetch_sub(1, Ordering::AcqRel);
    }

    /// Leaves an order to the room's task. One that has ended needs none.
    pub(crate) fn post(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Runs a turn unless somebody else does or the room is over; `inputs` may still say no.
    fn turn_at_once(
        &self,
        inputs: impl FnOnce(&mut Turns) -> Result<(), Busy>,
    ) -> Result<(), Busy> {
        let mut turns = match self.turns.try_lock() {
            Ok(turns) if !turns.ended => turns,
            // A turn that panicked ends the room's task, which takes the room out of the registry.
            Ok(_) | Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => return Err(Busy),
        };
        turns.begin(0);
        let turn = catch_unwind(AssertUnwindSafe(|| {
            // Moved in, so that a panic poisons the lock.
            let mut turns = turns;
            self.tell_answers(&mut turns);
            let taken = inputs(&mut turns);
            turns.carry_out();
            self.settle(&mut turns);
            turns.call_task();
            taken
        }));
        turn.unwrap_or_else(|_| {
            self.post(Order::Look);
            Err(Busy)
        })
    }

    /// Stands still until it is dropped: nobody runs a turn meanwhile.
    #[cfg(test)]
    pub(crate) fn stand_still(&self) -> impl Sized {
        self.wait()
    }

    /// For the room's task; `None` after a turn that panicked.
    fn wait(&self) -> Option<MutexGuard<'_, Turns>> {
        self.turns.lock().ok()
    }
}

/// Runs the turns of a room that nobody runs at once, from its load to its stop.
pub(crate) async fn run(rooms: Arc<Rooms>, cell: Arc<RoomCell>, id: RoomId, inboxes: Inboxes) {
    let _watch = rooms.watch(&id, inboxes.instance);
    let Inboxes {
        mut mail,
        mut orders,
        ..
    } = inboxes;
    let turn_inputs_max = rooms.edge().policy().limits_of(&id).turn_inputs_max;
    let mut woken = Woken::Order(Order::Look);
    loop {
        if cell.is_large.load(Ordering::Relaxed) {
            // Those who are ready to bring something share the turn.
            tokio::task::yield_now().await;
        }
        let accepts = {
            let Some(mut turns) = cell.wait() else { break };
            turns.begin(mail.len());
            cell.tell_answers(&mut turns);
            match woken {
                Woken::Order(order) => turns.order(order),
                Woken::Mail(mail) => {
                    turns.mail(mail);
                    cell.mail_gone();
                }
            }
            for _ in 1..turn_inputs_max {
                if let Ok(order) = orders.try_recv() {
                    turns.order(order);
                } else if turns.room.accepts()
                    && let Ok(mail) = mail.try_recv()
                {
                    turns.mail(mail);
                    cell.mail_gone();
                } else {
                    break;
                }
            }
            turns.carry_out();
            cell.settle(&mut turns);
            if turns.ended {
                break;
            }
            turns.task_waits_for_room = !turns.room.accepts();
            turns.room.accepts()
        };
        // Receiving is cancel-safe. Neither way in closes as long as the cell is there.
        woken = tokio::select! {
            biased;
            Some(order) = orders.recv() => Woken::Order(order),
            Some(mail) = mail.recv(), if accepts => Woken::Mail(mail),
        };
    }
    turn_away_unread(mail);
}

/// What a turn of the task begins with.
enum Woken {
    Order(Order),
    Mail(Mail),
}
