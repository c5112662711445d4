//! The rooms of this process: the registry under its lock, and what it wants done.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use greenroom_core::protocol::ClientMessage;
use greenroom_core::registry::{Action, Ended, Instance, Refused, Registry, Waiter};
use greenroom_core::room::{Drain, Stopped};
use greenroom_service::{RoomId, SessionId};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::desk::Desk;
use crate::edge::{Clock, Edge};
use crate::lifecycle;
use crate::mail::{Heard, Inboxes, Mail, Order};
use crate::meters::table;
use crate::overview::Troubles;
use crate::room_cell::{self, RoomCell};
use crate::spans;

/// The ways into a room's task.
#[derive(Clone)]
struct Handle {
    mailbox: mpsc::Sender<Mail>,
    cell: Arc<RoomCell>,
    /// How many sessions are in the room, as of its last turn.
    sessions: Arc<AtomicUsize>,
}

struct Inner {
    registry: Registry,
    handles: HashMap<Instance, Handle>,
    waiters: HashMap<Waiter, oneshot::Sender<Result<RoomRef, Refused>>>,
    next_waiter: u64,
}

/// The rooms of this process.
pub(crate) struct Rooms {
    /// Looked at by each arrival and each closing room, for a few lines; never across an await.
    inner: Mutex<Inner>,
    edge: Arc<Edge>,
    /// A room has ended.
    ended: Notify,
    /// Rooms that could not go on.
    pub(crate) troubles: Troubles,
}

/// A reference to a live room: while one is held, the room is not closed.
pub(crate) struct RoomRef {
    rooms: Arc<Rooms>,
    room: RoomId,
    instance: Instance,
    handle: Handle,
}

/// The room ended; nothing reaches it any more.
#[derive(Debug)]
pub(crate) struct RoomEnded;

/// Why a room did not take what it was given without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Its mailbox is full.
    Full,
    /// It ended.
    Ended,
}

impl NotTaken {
    const fn of(error: &TrySendError<()>) -> Self {
        match error {
            TrySendError::Full(()) => Self::Full,
            TrySendError::Closed(()) => Self::Ended,
        }
    }
}

/// A place in a room's mailbox.
pub(crate) struct MailPlace {
    place: mpsc::OwnedPermit<Mail>,
    cell: Arc<RoomCell>,
}

impl MailPlace {
    /// Takes it.
    pub(crate) fn send(self, mail: Mail) {
        self.cell.mail_comes();
        let _ = self.place.send(mail);
    }
}

impl RoomRef {
    /// Room time.
    pub(crate) fn clock(&self) -> Clock {
        self.rooms.edge.clock
    }

    /// Who runs its turns.
    #[cfg(test)]
    pub(crate) fn cell(&self) -> &RoomCell {
        &self.handle.cell
    }

    /// The room's name.
    pub(crate) fn id(&self) -> &RoomId {
        &self.room
    }

    /// Hands over what a session sent, received at `at`, all at once: to the room itself if it is free, else into its
    /// mailbox, waiting while that is full.
    pub(crate) async fn send_messages(
        &self,
        session: SessionId,
        messages: &mut Vec<ClientMessage>,
        at: Instant,
    ) -> Result<(), RoomEnded> {
        let Handle { mailbox, cell, .. } = &self.handle;
        if cell.messages(session, messages, at).is_ok() {
            return Ok(());
        }
        match mailbox.try_reserve_many(messages.len()) {
            Ok(places) => {
                for (place, message) in places.zip(messages.drain(..)) {
                    cell.mail_comes();
                    place.send(Mail::Message(session, Box::new(Heard { at, message })));
                }
                Ok(())
            }
            Err(TrySendError::Closed(())) => Err(RoomEnded),
            // In a box: every idle connection's future would keep room for the wait.
            Err(TrySendError::Full(())) => {
                Box::pin(self.send_one_by_one(session, messages, at)).await
            }
        }
    }

    /// As [`Self::send_messages`], without waiting: what the mailbox has no place for stays in
    /// `messages`.
    pub(crate) fn try_messages(
        &self,
        session: SessionId,
        messages: &mut Vec<ClientMessage>,
        at: Instant,
    ) -> Result<(), NotTaken> {
        let Handle { mailbox, cell, .. } = &self.handle;
        if cell.messages(session, messages, at).is_ok() {
            return Ok(());
        }
        let mut rest = std::mem::take(messages).into_iter();
        while rest.len() > 0 {
            match mailbox.try_reserve() {
                Ok(place) => {
                    let Some(message) = rest.next() else { break };
                    cell.mail_comes();
                    place.send(Mail::Message(session, Box::new(Heard { at, message })));
                }
                Err(error) => {
                    messages.extend(rest);
                    return Err(NotTaken::of(&error));
                }
            }
        }
        Ok(())
    }

    /// Hands over mail without waiting, to the room itself if it is free, else into its mailbox; gives
    /// it back when that is full.
    pub(crate) fn try_send(&self, mail: Mail) -> Result<(), (NotTaken, Mail)> {
        let Handle { mailbox, cell, .. } = &self.handle;
        let Err(mail) = cell.mail(mail) else {
            return Ok(());
        };
        match mailbox.try_reserve() {
            Ok(place) => {
                cell.mail_comes();
                place.send(mail);
                Ok(())
            }
            Err(error) => Err((NotTaken::of(&error), mail)),
        }
    }

    /// Waits for a place in the mailbox, by itself.
    pub(crate) fn place(&self) -> impl Future<Output = Result<MailPlace, RoomEnded>> + use<> {
        let Handle { mailbox, cell, .. } = self.handle.clone();
        async move {
            let place = mailbox.reserve_owned().await.map_err(|_| RoomEnded)?;
            Ok(MailPlace { place, cell })
        }
    }

    async fn send_one_by_one(
        &self,
        session: SessionId,
        messages: &mut Vec<ClientMessage>,
        at: Instant,
    ) -> Result<(), RoomEnded> {
        for message in messages.drain(..) {
            let heard = Box::new(Heard { at, message });
            self.send(Mail::Message(session, heard)).await?;
        }
        Ok(())
    }

    /// Hands over mail to the room itself if it is free, else as [`Self::send`].
    pub(crate) async fn send_at_once(&self, mail: Mail) -> Result<(), RoomEnded> {
        match self.handle.cell.mail(mail) {
            Ok(()) => Ok(()),
            Err(mail) => Box::pin(self.send(mail)).await,
        }
    }

    /// Puts an input into the mailbox; waits while it is full.
    pub(crate) async fn send(&self, mail: Mail) -> Result<(), RoomEnded> {
        send(&self.handle, mail).await
    }

    /// Tells the room that a session is gone, behind all that it sent.
    pub(crate) fn leave(&self, session: SessionId) {
        let Err(leave) = self.handle.cell.mail(Mail::Leave(session)) else {
            return;
        };
        self.handle.cell.mail_comes();
        let Err(not_taken) = self.handle.mailbox.try_send(leave) else {
            return;
        };
        self.handle.cell.mail_gone();
        if let TrySendError::Full(leave) = not_taken {
            let handle = self.handle.clone();
            self.rooms.edge.spawn(async move {
                // A room that ended meanwhile has forgotten the session anyway.
                let _ = send(&handle, leave).await;
            });
        }
    }
}

/// Puts mail into the mailbox; waits while it is full. Cancel-safe: what was not taken is not
/// counted.
async fn send(handle: &Handle, mail: Mail) -> Result<(), RoomEnded> {
    let place = handle.mailbox.reserve().await.map_err(|_| RoomEnded)?;
    handle.cell.mail_comes();
    place.send(mail);
    Ok(())
}

impl Drop for RoomRef {
    fn drop(&mut self) {
        self.rooms
            .lock()
            .registry
            .release(&self.room, self.instance);
    }
}

impl Rooms {
    pub(crate) fn new(edge: Arc<Edge>, loads_max: usize) -> Arc<Self> {
        let inner = Inner {
            registry: Registry::new(loads_max),
            handles: HashMap::new(),
            waiters: HashMap::new(),
            next_waiter: 0,
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            edge,
            ended: Notify::new(),
            troubles: Troubles::default(),
        })
    }

    /// Waits for the room to be live.
    pub(crate) async fn open(self: &Arc<Self>, room: &RoomId) -> Result<RoomRef, Refused> {
        let (granted, wait) = oneshot::channel();
        {
            let mut inner = self.lock();
            inner.next_waiter += 1;
            let waiter = Waiter(inner.next_waiter);
            inner.waiters.insert(waiter, granted);
            let actions = inner.registry.arrive(self.edge.clock.now(), room, waiter);
            self.carry_out(&mut inner, room, actions);
        }
        wait.await.unwrap_or(Err(Refused::Unavailable))
    }

    pub(crate) fn loaded(self: &Arc<Self>, room: &RoomId, instance: Instance) {
        let mut inner = self.lock();
        let actions = inner.registry.loaded(room, instance);
        self.carry_out(&mut inner, room, actions);
    }

    /// A room that loads waits for somebody outside of the server.
    pub(crate) fn waits_outside(self: &Arc<Self>, room: &RoomId, instance: Instance) {
        let mut inner = self.lock();
        let actions = inner.registry.waits_outside(room, instance);
        self.carry_out(&mut inner, room, actions);
    }

    pub(crate) fn idle(self: &Arc<Self>, room: &RoomId, instance: Instance) {
        let mut inner = self.lock();
        let Some(handle) = inner.handles.get(&instance) else {
            return;
        };
        let mailbox_is_empty = handle.mailbox.capacity() == handle.mailbox.max_capacity();
        let actions = inner.registry.idle(room, instance, mailbox_is_empty);
        self.carry_out(&mut inner, room, actions);
    }

    /// A room's task ends.
    pub(crate) fn stopped(self: &Arc<Self>, room: &RoomId, instance: Instance, why: &Stopped) {
        lifecycle::closed(room, why);
        let (ended, word) = match why {
            Stopped::Drained => (Ended::Drained, "drained"),
            Stopped::Deleted => (Ended::Drained, "deleted"),
            Stopped::Moved => (Ended::Moved, "moved"),
            Stopped::Quarantined(why) => {
                spans::room(room).in_scope(|| tracing::error!(why, "quarantined"));
                self.troubles
                    .note(room, "quarantined", self.edge.clock.now().0);
                (Ended::Quarantined, "quarantined")
            }
            Stopped::StoreFailed(why) => {
                spans::room(room).in_scope(|| tracing::error!(why, "store failed"));
                self.troubles
                    .note(room, "store_failed", self.edge.clock.now().0);
                (Ended::Failed, "store_failed")
            }
            Stopped::NoFirstContent(why) => {
                spans::room(room).in_scope(|| tracing::warn!(why, "no first content"));
                (Ended::Failed, "no_first_content")
            }
        };
        table::ROOMS_STOPPED.with(&[word]).increment(1);
        self.ended(room, instance, ended);
    }

    fn ended(self: &Arc<Self>, room: &RoomId, instance: Instance, ended: Ended) {
        let mut inner = self.lock();
        inner.handles.remove(&instance);
        let actions = inner
            .registry
            .ended(self.edge.clock.now(), room, instance, ended);
        self.carry_out(&mut inner, room, actions);
        self.ended.notify_waiters();
    }

    /// Guards a room's task.
    pub(crate) fn watch(self: &Arc<Self>, room: &RoomId, instance: Instance) -> Watch {
        let (rooms, id) = (Arc::clone(self), room.clone());
        Watch {
            rooms,
            id,
            instance,
        }
    }

    /// Lets nobody in any more, drains every room, and waits until all have ended. Room by room,
    /// so that no more than `per_s` sessions are sent away in a second, but within `spread_max`:
    /// they all come back somewhere. A room goes as a whole, after its records are stored.
    pub(crate) async fn stop(self: &Arc<Self>, per_s: u32, spread_max: Duration) {
        let running = {
            let mut inner = self.lock();
            let (running, actions) = inner.registry.stop();
            for action in actions {
                if let Action::Refuse(waiter, why) = action {
                    answer(&mut inner, waiter, Err(why));
                }
            }
            running
        };
        let sessions: usize = running.iter().map(|(_, references)| references).sum();
        let fair = Duration::from_secs_f64(sessions as f64 / f64::from(per_s.max(1)));
        let pause = fair.min(spread_max).div_f64(sessions.max(1) as f64);
        let (begun, mut gone) = (Instant::now(), 0_usize);
        for (instance, references) in running {
            tokio::time::sleep_until(begun + pause.mul_f64(gone as f64)).await;
            gone += references;
            if let Some(handle) = self.lock().handles.get(&instance) {
                handle.cell.post(Order::Drain(Drain::Shutdown));
            }
        }
        loop {
            let ended = self.ended.notified();
            if self.running() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// The rooms that are live, with the number of sessions in each, in the order of their names.
    pub(crate) fn live(&self) -> Vec<(RoomId, usize)> {
        let inner = self.lock();
        let live = inner.registry.live();
        let counted = live.map(|(room, instance)| {
            let handle = inner.handles.get(&instance);
            let sessions = handle.map_or(0, |handle| handle.sessions.load(Relaxed));
            (room.clone(), sessions)
        });
        counted.collect()
    }

    /// Whether the room is in memory.
    pub(crate) fn runs(&self, room: &RoomId) -> bool {
        self.lock().registry.runs(room)
    }

    /// How many rooms are in memory.
    pub(crate) fn running(&self) -> usize {
        self.lock().registry.running()
    }

    fn carry_out(self: &Arc<Self>, inner: &mut Inner, room: &RoomId, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(room, instance) => {
                    let (mailbox, mail) =
                        mpsc::channel(self.edge.policy().limits_of(&room).room_mailbox_max);
                    // Unbounded by type, bounded by use: each message answers a request of the
                    // room itself, or is one per session.
                    let (send_order, orders) = mpsc::unbounded_channel();
                    let sessions = Arc::new(AtomicUsize::new(0));
                    let desk = Desk::new(Arc::clone(&sessions));
                    let cell = RoomCell::new(self, &room, instance, desk, send_order);
                    let handle = Handle {
                        mailbox,
                        cell: Arc::clone(&cell),
                        sessions,
                    };
                    inner.handles.insert(instance, handle);
                    let inboxes = Inboxes {
                        instance,
                        mail,
                        orders,
                    };
                    let task = room_cell::run(Arc::clone(self), cell, room, inboxes);
                    self.edge.spawn(task);
                }
                Action::Grant(waiter, instance) => {
                    let handle = inner.handles[&instance].clone();
                    let rooms = Arc::clone(self);
                    let granted = RoomRef {
                        rooms,
                        room: room.clone(),
                        instance,
                        handle,
                    };
                    answer(inner, waiter, Ok(granted));
                }
                Action::Refuse(waiter, why) => answer(inner, waiter, Err(why)),
                Action::Drain(instance) => {
                    if let Some(handle) = inner.handles.get(&instance) {
                        handle.cell.post(Order::Drain(Drain::Unload));
                    }
                }
            }
        }
    }

    pub(crate) fn edge(&self) -> &Arc<Edge> {
        &self.edge
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a room whose task panicked out of the registry; one that stopped is gone from it already.
pub(crate) struct Watch {
    rooms: Arc<Rooms>,
    id: RoomId,
    instance: Instance,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.rooms
            .ended(&self.id, self.instance, Ended::Quarantined);
    }
}

/// Answers a waiter. One that went away meanwhile gives its reference back: but not under the lock
/// that its drop would take, so that is done by a task.
fn answer(inner: &mut Inner, waiter: Waiter, given: Result<RoomRef, Refused>) {
    let Some(waiting) = inner.waiters.remove(&waiter) else {
        return;
    };
    if let Err(Ok(unwanted)) = waiting.send(given) {
        let edge = Arc::clone(&unwanted.rooms.edge);
        edge.spawn(async move { drop(unwanted) });
    }
}
