//! A connection that carries many sessions, each in a room of its own (`/hocuspocus`). One task reads
//! and decodes for all of them and waits for none: a room that loads is waited for aside, and what a
//! room's mailbox has no place for waits with its session.
//!
//! Rooms write to the connection by themselves, as to any other.

mod member;
mod outgoing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use greenroom_core::close_reason::{CloseReason, Protocol, Retry};
use greenroom_core::limits::{Limits, TOKEN_ASKED_MS};
use greenroom_core::protocol::hocuspocus::sessions::{Attempt, Sessions, Step};
use greenroom_core::protocol::{ClientMessage, hocuspocus, websocket};
use greenroom_core::registry::Refused;
use greenroom_core::room::session::Hello;
use greenroom_service::{ConnId, Message, RoomId, SessionId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::app::App;
use crate::auth::{AuthError, Identity};
use crate::codec::Item;
use crate::conn::{self, CODE_TOO_LARGE, OpenGauge};
use crate::crowd::Place;
use crate::doors::{end_of, reason_of};
use crate::edge::wall_ms;
use crate::link::{Conn, Ending, Resume};
use crate::mail::Mail;
use crate::meters::{self, Meters, table};
use crate::pulse::{Beat, Pulse};
use crate::reader::{ConnReader, ReadError, Received};
use crate::rooms::{MailPlace, RoomEnded, RoomRef};
use crate::settings::Kind;
use crate::spans;
use crate::writer::{ConnWriter, Flushed};
use member::{Backlog, Member};
use outgoing::Outgoing;

/// What the handshake said of the peer.
pub(crate) struct Peer {
    /// For sessions that show no token of their own.
    pub(crate) token: Option<String>,
    pub(crate) origin: String,
    /// It is sent compressed messages.
    pub(crate) deflates: bool,
    /// Counts as a connection of its address while it lives.
    pub(crate) _place: Option<Place>,
}

/// Runs a connection until it ends.
pub(crate) async fn run(
    app: Arc<App>,
    writer: ConnWriter<Resume>,
    reader: ConnReader,
    limits: Arc<Limits>,
    peer: Peer,
    early: Vec<u8>,
) {
    let protocol = Protocol::Hocuspocus;
    let _open = OpenGauge::new(protocol);
    let conn = Conn::new(writer, protocol, app.edge().clock.now());
    let (conn, endings) = conn.with_endings();
    let n = app.next_connection();
    let now = Instant::now();
    let mut task = Box::new(Multiplex {
        conn: Arc::new(conn),
        id: ConnId {
            node: app.edge().node.0,
            n,
        },
        outgoing: Outgoing::new(limits.outbox_bytes_max),
        app,
        reader,
        endings,
        sessions: Sessions::default(),
        members: BTreeMap::new(),
        backlog: Backlog::default(),
        arriving: JoinSet::new(),
        places: JoinSet::new(),
        pulse: Pulse::new(&limits, now, None),
        token_due: now + Duration::from_millis(limits.hocuspocus_token_ms),
        limits,
        peer,
        meters: meters::of(protocol),
        items: Vec::new(),
        heard: Heard::default(),
        now,
    });
    let ended = task.run(early).await;
    let Multiplex {
        conn, mut reader, ..
    } = {
        // The others need not wait for a peer that takes its close frame slowly.
        task.members.clear();
        *task
    };
    match ended {
        Ended::Closing => Box::pin(conn::finish(&conn, &mut reader)).await,
        Ended::Gone => {
            conn.ended("gone", conn::CODE_GONE);
        }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
enum Ended {
    /// A close frame is on its way out, or has left.
    Closing,
    /// There is nobody to tell.
    Gone,
}

/// A try to be let in whose room has answered.
struct Arrived {
    address: Arc<str>,
    attempt: Attempt,
    identity: Identity,
    room: Result<RoomRef, Refused>,
}

/// Messages of one session that came one behind the other: they are handed over together.
#[derive(Default)]
struct Heard {
    session: Option<SessionId>,
    messages: Vec<ClientMessage>,
}

struct Multiplex {
    app: Arc<App>,
    conn: Arc<Conn>,
    id: ConnId,
    reader: ConnReader,
    peer: Peer,
    limits: Arc<Limits>,
    sessions: Sessions,
    members: BTreeMap<SessionId, Member>,
    backlog: Backlog,
    outgoing: Outgoing,
    /// Rooms that are being opened; as many as may wait to be let in.
    arriving: JoinSet<Arrived>,
    /// Places in mailboxes that are waited for; one per session at most.
    places: JoinSet<(SessionId, Result<MailPlace, RoomEnded>)>,
    endings: mpsc::UnboundedReceiver<Ending>,
    pulse: Pulse,
    /// By then somebody has to be let in.
    token_due: Instant,
    meters: &'static Meters,
    items: Vec<Item>,
    heard: Heard,
    now: Instant,
}

impl Multiplex {
    async fn run(&mut self, mut early: Vec<u8>) -> Ended {
        if !early.is_empty() {
            let fed = self.reader.feed(&mut early, &mut self.items);
            if let Err(ended) = self.received(fed.map_err(ReadError::from)).await {
                return ended;
            }
        }
        drop(early);
        let mut alarm = std::pin::pin!(tokio::time::sleep_until(self.alarm()));
        loop {
            // All arms are cancel-safe: one that loses has done nothing.
            let done = tokio::select! {
                read = self.reader.read(&mut self.items) => match read {
                    Ok(Received::End) => return Ended::Gone,
                    Ok(Received::Bytes(_)) => self.received(Ok(())).await,
                    Err(error) => self.received(Err(error)).await,
                },
                flushed = self.conn.writer.flush_rest() => match flushed {
                    Flushed::Drained(rooms) => {
                        self.outgoing.resume(&self.conn.writer);
                        rooms.into_iter().for_each(|resume| resume());
                        Ok(())
                    }
                    Flushed::Closed => return Ended::Closing,
                    Flushed::Broken(_) => return Ended::Gone,
                },
                Some(arrived) = self.arriving.join_next() => match arrived {
                    Ok(arrived) => self.arrived(arrived),
                    // One that panicked leaves its session waiting, and says so in the log.
                    Err(_) => Ok(()),
                },
                Some(place) = self.places.join_next() => match place {
                    Ok((session, place)) => self.place(session, place),
                    Err(_) => Ok(()),
                },
                Some(ending) = self.endings.recv() => self.ending(ending),
                () = alarm.as_mut() => self.beat(),
            };
            if let Err(ended) = done {
                return ended;
            }
            let next = self.alarm();
            if alarm.deadline() > next || alarm.is_elapsed() {
                alarm.as_mut().reset(next);
            }
        }
    }

    /// Closes the whole connection.
    fn close(&self, reason: CloseReason) -> Ended {
        self.conn.close(reason);
        Ended::Closing
    }

    async fn received(&mut self, fed: Result<(), ReadError>) -> Result<(), Ended> {
        self.now = Instant::now();
        self.pulse.heard(self.now);
        for item in std::mem::take(&mut self.items) {
            let message = match item {
                Item::Text(text) => Message::Text(text),
                Item::Binary(bytes) => Message::Binary(bytes),
                Item::Ping(payload) => {
                    let pong = websocket::pong(&payload);
                    self.conn.write_control(pong, self.app.edge().clock.now());
                    continue;
                }
                Item::Pong(_) => continue,
                Item::Close(code) => {
                    self.hand_over()?;
                    let code = code.map_or(1000, |(code, _)| code);
                    self.conn.ended("peer", code);
                    self.conn.writer.close(websocket::close_frame(code, ""));
                    return Err(Ended::Closing);
                }
            };
            self.message(&message).await?;
        }
        self.hand_over()?;
        match fed {
            Ok(()) => Ok(()),
            Err(ReadError::Io(_)) => Err(Ended::Gone),
            Err(ReadError::Codec(error)) if error.close_code() == CODE_TOO_LARGE => {
                Err(self.close(CloseReason::TooLarge))
            }
            Err(ReadError::Codec(error)) => {
                tracing::debug!(%error, "a peer broke the WebSocket protocol");
                self.conn.ended("protocol", error.close_code());
                let frame = websocket::close_frame(error.close_code(), &error.to_string());
                self.conn.writer.close(frame);
                Err(Ended::Closing)
            }
        }
    }

    async fn message(&mut self, message: &Message) -> Result<(), Ended> {
        self.meters.frames_received.increment(1);
        let bytes = message.payload().len() as u64;
        self.meters.bytes_received.increment(bytes);
        // One that sends too fast is read later: its own socket fills up.
        if let Some(pause) = self.pulse.spend(self.now) {
            self.hand_over()?;
            meters::limit_hit("messages_per_s_max");
            Box::pin(tokio::time::sleep(pause)).await;
            self.now = Instant::now();
        }
        match self.sessions.receive(message, &self.limits) {
            Ok(Some(step)) => self.step(step),
            Ok(None) => Ok(()),
            Err(reason) => {
                self.hand_over()?;
                Err(self.close(reason))
            }
        }
    }

    fn step(&mut self, step: Step) -> Result<(), Ended> {
        if let Step::Hear(session, message) = step {
            if self.heard.session != Some(session) {
                self.hand_over()?;
                self.heard.session = Some(session);
            }
            self.heard.messages.push(message);
            if self.heard.messages.len() >= self.limits.turn_inputs_max {
                return self.hand_over();
            }
            return Ok(());
        }
        self.hand_over()?;
        match step {
            Step::Hear(..) => Ok(()),
            Step::Judge {
                address,
                room,
                attempt,
                token,
            } => self.judge(address, room, attempt, &token),
            Step::Deny(address, why) => self.tell(hocuspocus::permission_denied(&address, &why)),
            Step::Renew(session, token) => self.renew(session, &token),
            Step::Fault(session, reason) => {
                let Some(member) = self.members.remove(&session) else {
                    return Ok(());
                };
                self.backlog.forget(member.drop_backlog());
                let text = reason.close(Protocol::Hocuspocus).text;
                self.tell(hocuspocus::close(&member.address, text))
            }
            Step::Leave(session) => {
                let Some(member) = self.members.get_mut(&session) else {
                    return Ok(());
                };
                let frame = hocuspocus::close(&member.address, "provider_initiated");
                // What it said before is heard before.
                if member.leaves() {
                    self.members.remove(&session);
                }
                self.tell(frame)
            }
        }
    }

    /// Hands over what one session said, without waiting for its room.
    fn hand_over(&mut self) -> Result<(), Ended> {
        let Some(session) = self.heard.session.take() else {
            return Ok(());
        };
        let Some(member) = self.members.get_mut(&session) else {
            self.heard.messages.clear();
            return Ok(());
        };
        let messages = &mut self.heard.messages;
        let handed = member.messages(session, messages, self.now, &mut self.backlog);
        self.handed(session, handed)
    }

    /// Asks for a place when something waits; closes when too much does, or the room has ended.
    fn handed(&mut self, session: SessionId, handed: Result<(), RoomEnded>) -> Result<(), Ended> {
        if handed.is_err() {
            return Err(self.close(CloseReason::Shutdown));
        }
        if self.backlog.is_over(&self.limits) {
            return Err(self.close(CloseReason::Overrun));
        }
        if let Some(place) = self.members.get_mut(&session).and_then(Member::wants_place) {
            self.places.spawn(async move { (session, place.await) });
        }
        Ok(())
    }

    /// There is a place in the mailbox of a session's room.
    fn place(
        &mut self,
        session: SessionId,
        place: Result<MailPlace, RoomEnded>,
    ) -> Result<(), Ended> {
        let Some(member) = self.members.get_mut(&session) else {
            return Ok(());
        };
        let handed = member.place(place, &mut self.backlog);
        if member.has_left() {
            self.members.remove(&session);
        }
        self.handed(session, handed)
    }

    /// Sends a frame of the connection's own.
    fn tell(&mut self, frame: bytes::Bytes) -> Result<(), Ended> {
        self.conn.wrote(self.app.edge().clock.now());
        if self.outgoing.send(frame, &self.conn.writer) {
            Ok(())
        } else {
            Err(self.close(CloseReason::Slow))
        }
    }

    /// Who shows this token, in that room.
    fn authenticate(&self, token: &str, room: &RoomId) -> Result<Identity, String> {
        let token = Some(token).filter(|token| !token.is_empty());
        let token = token.or(self.peer.token.as_deref());
        let policy = self.app.policy();
        let identity = policy.authenticate(token, room, wall_ms() / 1_000);
        let identity = identity.map_err(|error: AuthError| {
            table::AUTH_FAILURES.with(&[error.name()]).increment(1);
            spans::room(room).in_scope(|| tracing::debug!(%error, "not let in"));
            format!("{}: {error}", error.close_reason().name())
        })?;
        match self.app.settings().kind_of(room) {
            Kind::Collab => Ok(identity),
            Kind::Service(_) => Err("forbidden: the room holds a service, not a document".into()),
        }
    }

    fn judge(
        &mut self,
        address: Arc<str>,
        room: RoomId,
        attempt: Attempt,
        token: &str,
    ) -> Result<(), Ended> {
        match self.authenticate(token, &room) {
            Ok(identity) => {
                let rooms = Arc::clone(self.app.rooms());
                self.arriving.spawn(async move {
                    Arrived {
                        room: rooms.open(&room).await,
                        address,
                        attempt,
                        identity,
                    }
                });
                Ok(())
            }
            Err(why) => self.deny(&address, attempt, why),
        }
    }

    fn deny(&mut self, address: &Arc<str>, attempt: Attempt, why: String) -> Result<(), Ended> {
        let next = self.sessions.deny(address, attempt, why, &self.limits);
        next.map_or(Ok(()), |step| self.step(step))
    }

    /// A room has answered somebody who wants to be let in.
    fn arrived(&mut self, arrived: Arrived) -> Result<(), Ended> {
        let Arrived {
            address,
            attempt,
            identity,
            room,
        } = arrived;
        let room = match room.map_err(reason_of) {
            Ok(room) => room,
            Err(CloseReason::Shutdown) => return Err(self.close(CloseReason::Shutdown)),
            Err(reason) => {
                let why = reason.close(Protocol::Hocuspocus).text;
                return self.deny(&address, attempt, why.into());
            }
        };
        let session = SessionId(self.app.next_connection());
        let Some(said) = self
            .sessions
            .let_in(&address, attempt, session, &self.limits)
        else {
            return Ok(());
        };
        self.now = Instant::now();
        let ends = end_of(&identity);
        let hello = Box::new(Hello {
            conn: self.id,
            user: identity.user.clone(),
            rights: identity.rights,
            protocol: Protocol::Hocuspocus,
            document: String::new(),
            address: address.to_string(),
            deflate: self.peer.deflates,
            origin: self.peer.origin.clone(),
        });
        let mut member = Member::new(room, session, address, identity.user);
        member.ends_at(ends, self.now, Duration::from_millis(TOKEN_ASKED_MS));
        let join = Mail::Join(session, hello, Arc::clone(&self.conn));
        let handed = member.mail(join, &mut self.backlog);
        self.members.insert(session, member);
        self.handed(session, handed)?;
        for step in said {
            self.step(step)?;
        }
        self.hand_over()
    }

    /// A session shows another token.
    fn renew(&mut self, session: SessionId, token: &str) -> Result<(), Ended> {
        let Some(room) = self.members.get(&session).map(|m| m.room.id().clone()) else {
            return Ok(());
        };
        let identity = self.authenticate(token, &room);
        let Some(member) = self.members.get_mut(&session) else {
            return Ok(());
        };
        match identity {
            Ok(identity) if identity.user == member.user => {
                let lead = Duration::from_millis(TOKEN_ASKED_MS);
                member.ends_at(end_of(&identity), self.now, lead);
                let renew = Mail::Renew(session, identity.rights);
                let handed = member.mail(renew, &mut self.backlog);
                self.handed(session, handed)
            }
            Ok(_) => self.end(session, "forbidden: the token is of another user"),
            Err(why) => self.end(session, &why),
        }
    }

    /// Ends a session for its token: its peer may show another.
    fn end(&mut self, session: SessionId, why: &str) -> Result<(), Ended> {
        let Some(member) = self.members.remove(&session) else {
            return Ok(());
        };
        self.backlog.forget(member.drop_backlog());
        self.sessions.ended(&member.address);
        self.tell(hocuspocus::permission_denied(&member.address, why))?;
        self.tell(hocuspocus::close(&member.address, why))
    }

    /// A room has ended a session.
    fn ending(&mut self, ending: Ending) -> Result<(), Ended> {
        let (Ending::TurnedAway(session, reason) | Ending::Closed(session, reason)) = ending;
        let close = reason.close(Protocol::Hocuspocus);
        let comes_again = matches!(ending, Ending::Closed(..)) && close.retry == Retry::Again;
        if comes_again || reason == CloseReason::Shutdown {
            // A session that is told that it is over does not come back by itself, a connection does.
            return Err(self.close(reason));
        }
        if close.retry != Retry::Never || reason == CloseReason::Forbidden {
            return self.end(session, close.text);
        }
        let Some(member) = self.members.remove(&session) else {
            return Ok(());
        };
        self.backlog.forget(member.drop_backlog());
        self.sessions.ended(&member.address);
        self.tell(hocuspocus::close(&member.address, close.text))
    }

    /// When [`Self::beat`] wants to be called.
    fn alarm(&self) -> Instant {
        let due = self.members.values().filter_map(Member::due);
        let token = (!self.sessions.was_let_in()).then_some(self.token_due);
        due.chain(token).fold(self.pulse.next(), Instant::min)
    }

    fn beat(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if !self.sessions.was_let_in() && self.token_due <= now {
            return Err(self.close(CloseReason::Unauthenticated));
        }
        let over: Vec<_> = self
            .members
            .iter()
            .filter(|(_, m)| m.is_over(now))
            .collect();
        let over: Vec<_> = over.into_iter().map(|(session, _)| *session).collect();
        for session in over {
            let text = CloseReason::Expired.close(Protocol::Hocuspocus).text;
            self.end(session, text)?;
        }
        let asked = self.members.values_mut().filter_map(|m| m.ask_token(now));
        for frame in asked.collect::<Vec<_>>() {
            self.tell(frame)?;
        }
        let clock = self.app.edge().clock;
        let written = clock.instant(self.conn.last_written());
        match self.pulse.beat(now, written) {
            Beat::None | Beat::Expired => Ok(()),
            Beat::Ping => {
                self.conn.write_control(websocket::ping(b""), clock.now());
                Ok(())
            }
            Beat::KeepAlive if self.sessions.knows_pings() => self.tell(hocuspocus::ping()),
            Beat::KeepAlive => match self.members.values().next() {
                Some(member) => {
                    let frame = hocuspocus::keep_alive(&member.address);
                    self.tell(frame)
                }
                None => Ok(()),
            },
            // Nobody answers: no close frame would arrive either.
            Beat::Dead => Err(Ended::Gone),
        }
    }
}
