//! One session of a connection that carries several: its room, what waits for that, and the end of
//! its token.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use greenroom_core::limits::Limits;
use greenroom_core::protocol::{ClientMessage, hocuspocus};
use greenroom_service::{SessionId, UserId};
use tokio::time::Instant;

use crate::mail::{Heard, Mail};
use crate::rooms::{MailPlace, NotTaken, RoomEnded, RoomRef};

/// How much waits on a connection for rooms that take nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backlog {
    messages: usize,
    bytes: usize,
}

impl Backlog {
    pub(super) const fn is_over(&self, limits: &Limits) -> bool {
        self.messages > limits.hocuspocus_queue_messages_max
            || self.bytes > limits.hocuspocus_queue_bytes_max
    }

    const fn add(&mut self, mail: &Mail) {
        self.messages += 1;
        self.bytes += bytes_of(mail);
    }

    /// What waited elsewhere does not any more.
    pub(super) const fn forget(&mut self, other: Self) {
        self.messages -= other.messages;
        self.bytes -= other.bytes;
    }
}

/// What mail costs while it waits, beside what all mail does.
const fn bytes_of(mail: &Mail) -> usize {
    match mail {
        Mail::Message(_, heard) => match &heard.message {
            ClientMessage::SyncStep2(update) | ClientMessage::Update(update) => update.bytes.len(),
            // Bounded by their own limits, and rare.
            ClientMessage::SyncStep1(_)
            | ClientMessage::Awareness(_)
            | ClientMessage::QueryAwareness
            | ClientMessage::Probe(_)
            | ClientMessage::Frame(_) => 0,
        },
        _ => 0,
    }
}

/// When a session's token ends, and when its peer is asked for another.
#[derive(Clone, Copy, Debug)]
struct Ends {
    at: Instant,
    /// `None`: it was asked.
    ask_at: Option<Instant>,
}

/// A session. When it is dropped, its room is told that it has left.
pub(super) struct Member {
    pub(super) room: RoomRef,
    session: SessionId,
    pub(super) address: Arc<str>,
    pub(super) user: Option<UserId>,
    ends: Option<Ends>,
    /// What its room has no place for, in order.
    backlog: VecDeque<Mail>,
    waits_for_place: bool,
    leaves: bool,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.room.leave(self.session);
    }
}

impl Member {
    pub(super) const fn new(
        room: RoomRef,
        session: SessionId,
        address: Arc<str>,
        user: Option<UserId>,
    ) -> Self {
        Self {
            room,
            session,
            address,
            user,
            ends: None,
            backlog: VecDeque::new(),
            waits_for_place: false,
            leaves: false,
        }
    }

    /// Its token ends `at`. The peer is asked for another `lead` before, but not before half of the
    /// time is over; and not again for one that ends no later.
    pub(super) fn ends_at(&mut self, at: Option<Instant>, now: Instant, lead: Duration) {
        let before = self.ends;
        self.ends = at.map(|at| {
            let left = at.saturating_duration_since(now);
            let ask_in = left.saturating_sub(lead).max(left / 2);
            let is_new = before.is_none_or(|before| before.at < at);
            Ends {
                at,
                ask_at: is_new.then(|| now + ask_in),
            }
        });
    }

    /// When something about its token is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.ends.map(|ends| ends.ask_at.unwrap_or(ends.at))
    }

    /// Whether its token has ended.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.ends.is_some_and(|ends| ends.at <= now)
    }

    /// The question for another token, when it is time for that.
    pub(super) fn ask_token(&mut self, now: Instant) -> Option<Bytes> {
        let ends = self.ends.as_mut()?;
        ends.ask_at.take_if(|at| *at <= now)?;
        Some(hocuspocus::ask_token(&self.address))
    }

    /// Hands over what it said; what the room does not take now waits.
    pub(super) fn messages(
        &mut self,
        session: SessionId,
        messages: &mut Vec<ClientMessage>,
        at: Instant,
        backlog: &mut Backlog,
    ) -> Result<(), RoomEnded> {
        if self.backlog.is_empty() {
            match self.room.try_messages(session, messages, at) {
                Ok(()) => return Ok(()),
                Err(NotTaken::Full) => {}
                Err(NotTaken::Ended) => return Err(RoomEnded),
            }
        }
        for message in messages.drain(..) {
            let mail = Mail::Message(session, Box::new(Heard { at, message }));
            self.put_by(mail, backlog);
        }
        Ok(())
    }

    /// As [`Self::messages`], of other mail.
    pub(super) fn mail(&mut self, mail: Mail, backlog: &mut Backlog) -> Result<(), RoomEnded> {
        let mail = if self.backlog.is_empty() {
            match self.room.try_send(mail) {
                Ok(()) => return Ok(()),
                Err((NotTaken::Ended, _)) => return Err(RoomEnded),
                Err((NotTaken::Full, mail)) => mail,
            }
        } else {
            mail
        };
        self.put_by(mail, backlog);
        Ok(())
    }

    fn put_by(&mut self, mail: Mail, backlog: &mut Backlog) {
        backlog.add(&mail);
        self.backlog.push_back(mail);
    }

    /// Waits for a place in the mailbox, when one is needed and nobody waits yet.
    pub(super) fn wants_place(
        &mut self,
    ) -> Option<impl Future<Output = Result<MailPlace, RoomEnded>> + Send + use<>> {
        if self.backlog.is_empty() || self.waits_for_place {
            return None;
        }
        self.waits_for_place = true;
        Some(self.room.place())
    }

    /// There is a place: hands over what waits, as far as there are more.
    pub(super) fn place(
        &mut self,
        place: Result<MailPlace, RoomEnded>,
        backlog: &mut Backlog,
    ) -> Result<(), RoomEnded> {
        self.waits_for_place = false;
        let mut place = Some(place?);
        while let Some(mail) = self.backlog.pop_front() {
            let cost = Backlog {
                messages: 1,
                bytes: bytes_of(&mail),
            };
            if let Some(place) = place.take() {
                place.send(mail);
            } else {
                match self.room.try_send(mail) {
                    Ok(()) => {}
                    Err((NotTaken::Ended, _)) => return Err(RoomEnded),
                    Err((NotTaken::Full, mail)) => {
                        self.backlog.push_front(mail);
                        return Ok(());
                    }
                }
            }
            backlog.forget(cost);
        }
        Ok(())
    }

    /// It leaves; whether it has left with that. Otherwise it does behind what it said.
    pub(super) fn leaves(&mut self) -> bool {
        self.leaves = true;
        self.has_left()
    }

    pub(super) fn has_left(&self) -> bool {
        self.leaves && self.backlog.is_empty()
    }

    /// What waits is not to be heard; gives what that was.
    pub(super) fn drop_backlog(&self) -> Backlog {
        let waiting = self.backlog.iter();
        waiting.fold(Backlog::default(), |mut all, mail| {
            all.add(mail);
            all
        })
    }
}
