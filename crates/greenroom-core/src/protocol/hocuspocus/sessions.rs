//! The sessions of one Hocuspocus connection: who is let in, who waits for that, and what waits
//! with them. Sans-IO: whoever drives it judges tokens and opens rooms.
//!
//! ```text
//!            token             let in
//!  (none) ─────────▶ waiting ─────────▶ open ──── leaves ────▶ (none)
//!                    ▲  │ not let in      │ ended by us
//!             token  │  ▼                 ▼
//!                    denied           closed ── token ──▶ waiting
//! ```
//!
//! What a peer sends of a session that waits is kept as it came, undecoded, and within limits that
//! all sessions of the connection share. One that was denied keeps what it sent as long as nobody
//! else needs the place: with a better token it goes on from there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use greenroom_service::{Message, RoomId, SessionId};

use super::{Opened, Said, decode, is_auth, is_close, open, parts_of};
use crate::close_reason::CloseReason;
use crate::limits::Limits;
use crate::protocol::ClientMessage;

/// A try to be let in; unique on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(u64);

/// What is to be done about a session.
#[derive(Debug)]
pub enum Step {
    /// Judge this token, and let it in or deny it.
    Judge {
        /// Whom.
        address: Arc<str>,
        /// The room that it wants.
        room: RoomId,
        /// Which try this is.
        attempt: Attempt,
        /// What it shows; `""` is none.
        token: String,
    },
    /// Tell it that it is not let in; no try of it is under way.
    Deny(Arc<str>, String),
    /// The room is to hear this.
    Hear(SessionId, ClientMessage),
    /// Judge this token: it is to go on with the session that it has.
    Renew(SessionId, String),
    /// What the session sent is not of the protocol: it is out.
    Fault(SessionId, CloseReason),
    /// It has left.
    Leave(SessionId),
}

#[derive(Debug)]
enum Entry {
    Waiting(Waiting),
    Open(SessionId),
    /// Ended by us: what comes is dropped until there is a token.
    Closed,
}

#[derive(Debug, Default)]
struct Waiting {
    queue: VecDeque<Bytes>,
    judged: Judged,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Judged {
    #[default]
    NoToken,
    UnderWay(Attempt),
    Denied,
}

/// The sessions of one connection.
#[derive(Debug, Default)]
pub struct Sessions {
    entries: BTreeMap<Arc<str>, Entry>,
    attempts: u64,
    /// Those that wait.
    waiting: usize,
    /// What waits with them.
    queued: usize,
    queued_bytes: usize,
    knows_pings: bool,
    was_let_in: bool,
}

impl Sessions {
    /// Takes in a frame.
    ///
    /// # Errors
    /// The reason with which the whole connection is to be closed.
    pub fn receive(
        &mut self,
        frame: &Message,
        limits: &Limits,
    ) -> Result<Option<Step>, CloseReason> {
        let Opened::Addressed { address, body } = open(frame, limits)? else {
            return Ok(None);
        };
        match self.entries.get_key_value(address) {
            Some((address, Entry::Open(session))) => {
                let (address, session) = (Arc::clone(address), *session);
                Ok(Some(self.said(&address, session, &body, limits)))
            }
            Some((address, Entry::Waiting(_))) => {
                let address = Arc::clone(address);
                self.wait(&address, body, limits)
            }
            Some((_, Entry::Closed)) if !is_auth(&body) && !is_close(&body) => Ok(None),
            Some((address, Entry::Closed)) => {
                let address = Arc::clone(address);
                self.begin(address, body, limits)
            }
            None => self.begin(Arc::from(address), body, limits),
        }
    }

    /// What an open session says.
    fn said(
        &mut self,
        address: &Arc<str>,
        session: SessionId,
        body: &Bytes,
        limits: &Limits,
    ) -> Step {
        match decode(body, limits) {
            Ok(Said::Message(message)) => Step::Hear(session, message),
            Ok(Said::Token { token, knows_pings }) => {
                self.knows_pings |= knows_pings;
                Step::Renew(session, token)
            }
            Ok(Said::Close) => {
                self.entries.remove(address);
                Step::Leave(session)
            }
            Err(reason) => {
                self.entries.insert(Arc::clone(address), Entry::Closed);
                Step::Fault(session, reason)
            }
        }
    }

    /// The first frame of an address.
    fn begin(
        &mut self,
        address: Arc<str>,
        body: Bytes,
        limits: &Limits,
    ) -> Result<Option<Step>, CloseReason> {
        if is_close(&body) {
            self.entries.remove(&address);
            return Ok(None);
        }
        // Whoever is told no, is told once for each token, and nothing is kept of it.
        let deny = |why: &str| Ok(is_auth(&body).then(|| Step::Deny(address.clone(), why.into())));
        let name = parts_of(&address).0;
        if name.trim().is_empty() || RoomId::new(name).is_err() {
            return deny("room_name: a name has 1 to 128 bytes, and none of control");
        }
        if self.entries.len() >= limits.hocuspocus_sessions_max {
            self.entries
                .retain(|_, entry| !matches!(entry, Entry::Closed));
            if self.entries.len() >= limits.hocuspocus_sessions_max {
                return deny("sessions_full: the connection has all the documents it may have");
            }
        }
        if self.waiting >= limits.hocuspocus_pending_max {
            self.forget_denied();
            if self.waiting >= limits.hocuspocus_pending_max {
                return Err(CloseReason::Overrun);
            }
        }
        self.waiting += 1;
        let entry = Entry::Waiting(Waiting::default());
        self.entries.insert(Arc::clone(&address), entry);
        self.wait(&address, body, limits)
    }

    /// A frame of a session that waits.
    fn wait(
        &mut self,
        address: &Arc<str>,
        body: Bytes,
        limits: &Limits,
    ) -> Result<Option<Step>, CloseReason> {
        if is_close(&body) {
            self.stop_waiting(address, None);
            return Ok(None);
        }
        let is_judged = matches!(
            self.waiting(address).map(|waiting| &waiting.judged),
            Some(Judged::UnderWay(_))
        );
        if is_auth(&body) && !is_judged {
            return Ok(Some(self.judge(address, &body, limits)));
        }
        let fits = |table: &Self| {
            table.queued < limits.hocuspocus_queue_messages_max
                && table.queued_bytes + body.len() <= limits.hocuspocus_queue_bytes_max
        };
        if !fits(self) {
            self.forget_denied();
            if !fits(self) {
                return Err(CloseReason::Overrun);
            }
        }
        if let Some(Entry::Waiting(waiting)) = self.entries.get_mut(address) {
            self.queued += 1;
            self.queued_bytes += body.len();
            waiting.queue.push_back(body);
        }
        Ok(None)
    }

    fn waiting(&mut self, address: &str) -> Option<&mut Waiting> {
        match self.entries.get_mut(address)? {
            Entry::Waiting(waiting) => Some(waiting),
            Entry::Open(_) | Entry::Closed => None,
        }
    }

    /// Begins a try with the token of this body.
    fn judge(&mut self, address: &Arc<str>, body: &Bytes, limits: &Limits) -> Step {
        let room = RoomId::new(parts_of(address).0);
        let (Ok(Said::Token { token, knows_pings }), Ok(room)) = (decode(body, limits), room)
        else {
            self.stop_waiting(address, Some(Entry::Closed));
            let why = "malformed: a message does not follow the protocol";
            return Step::Deny(Arc::clone(address), why.into());
        };
        self.knows_pings |= knows_pings;
        self.attempts += 1;
        let attempt = Attempt(self.attempts);
        if let Some(waiting) = self.waiting(address) {
            waiting.judged = Judged::UnderWay(attempt);
        }
        Step::Judge {
            address: Arc::clone(address),
            room,
            attempt,
            token,
        }
    }

    /// Takes a session that waits out, with what waits with it; `next` takes its place.
    fn stop_waiting(&mut self, address: &Arc<str>, next: Option<Entry>) -> VecDeque<Bytes> {
        let before = match next {
            Some(entry) => self.entries.insert(Arc::clone(address), entry),
            None => self.entries.remove(address),
        };
        let Some(Entry::Waiting(waiting)) = before else {
            return VecDeque::new();
        };
        self.waiting -= 1;
        self.queued -= waiting.queue.len();
        self.queued_bytes -= waiting.queue.iter().map(Bytes::len).sum::<usize>();
        waiting.queue
    }

    /// Those who were denied have no claim to their places.
    fn forget_denied(&mut self) {
        let denied =
            |entry: &Entry| matches!(entry, Entry::Waiting(w) if w.judged == Judged::Denied);
        let all = self.entries.iter().filter(|(_, entry)| denied(entry));
        let denied: Vec<_> = all.map(|(address, _)| Arc::clone(address)).collect();
        for address in denied {
            self.stop_waiting(&address, Some(Entry::Closed));
        }
    }

    fn is_under_way(&mut self, address: &str, attempt: Attempt) -> bool {
        let waiting = self.waiting(address);
        waiting.is_some_and(|waiting| waiting.judged == Judged::UnderWay(attempt))
    }

    /// The try was good: it is `session` from now on. Gives what the session said meanwhile; `None`
    /// when it has left meanwhile.
    pub fn let_in(
        &mut self,
        address: &Arc<str>,
        attempt: Attempt,
        session: SessionId,
        limits: &Limits,
    ) -> Option<Vec<Step>> {
        if !self.is_under_way(address, attempt) {
            return None;
        }
        self.was_let_in = true;
        let queue = self.stop_waiting(address, Some(Entry::Open(session)));
        let mut steps = Vec::with_capacity(queue.len());
        for body in queue {
            let step = self.said(address, session, &body, limits);
            let is_over = matches!(step, Step::Fault(..) | Step::Leave(_));
            steps.push(step);
            if is_over {
                break;
            }
        }
        Some(steps)
    }

    /// The try was not good. Gives what to do next: tell it, or judge the token that it showed
    /// meanwhile; nothing when it has left.
    pub fn deny(
        &mut self,
        address: &Arc<str>,
        attempt: Attempt,
        why: String,
        limits: &Limits,
    ) -> Option<Step> {
        if !self.is_under_way(address, attempt) {
            return None;
        }
        let waiting = self.waiting(address)?;
        waiting.judged = Judged::Denied;
        let Some(at) = waiting.queue.iter().position(is_auth) else {
            return Some(Step::Deny(Arc::clone(address), why));
        };
        let token = waiting.queue.remove(at)?;
        self.queued -= 1;
        self.queued_bytes -= token.len();
        Some(self.judge(address, &token, limits))
    }

    /// An open session was ended by us.
    pub fn ended(&mut self, address: &Arc<str>) {
        if matches!(self.entries.get(address), Some(Entry::Open(_))) {
            self.entries.insert(Arc::clone(address), Entry::Closed);
        }
    }

    /// Whether the peer knows pings.
    #[must_use]
    pub const fn knows_pings(&self) -> bool {
        self.knows_pings
    }

    /// Whether anybody was ever let in on this connection.
    #[must_use]
    pub const fn was_let_in(&self) -> bool {
        self.was_let_in
    }

    /// How many sessions wait, how many frames wait with them, and how many bytes those have.
    #[must_use]
    pub const fn waits(&self) -> (usize, usize, usize) {
        (self.waiting, self.queued, self.queued_bytes)
    }
}
