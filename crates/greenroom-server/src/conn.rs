//! One WebSocket connection: reads frames, decodes them, puts messages into the room's mailbox;
//! keeps it alive and ends it. The room writes to it by itself, see `room_task.rs`.

use std::sync::Arc;
use std::time::Duration;

use greenroom_core::close_reason::{CloseReason, Protocol};
use greenroom_core::limits::Limits;
use greenroom_core::protocol::{self, ClientMessage, websocket, yjs};
use greenroom_core::room::session::Hello;
use greenroom_service::{Message, SessionId};
use tokio::time::Instant;

use crate::codec::Item;
use crate::edge::Clock;
use crate::link::Conn;
use crate::mail::Mail;
use crate::meters::{self, Meters};
use crate::pulse::{Beat, Pulse};
use crate::reader::{ConnReader, ReadError, Received};
use crate::rooms::RoomRef;
use crate::writer::Flushed;

/// How long a peer gets to take the close frame and what was before it.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// RFC 6455, section 7.4.1: message too big.
pub(crate) const CODE_TOO_LARGE: u16 = 1009;

/// RFC 6455, section 7.4.1: no close frame came. Never sent, only counted.
pub(crate) const CODE_GONE: u16 = 1006;

/// Items of one read, and messages of one frame, for which room is kept until the next: a burst
/// must not cost its connection memory for ever.
const ITEMS_KEPT: usize = 16;

/// Tells the room that the session is gone, however the task ends.
struct Membership {
    room: RoomRef,
    session: SessionId,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.room.leave(self.session);
    }
}

/// Runs a connection until it ends.
///
/// What it needs stands in one box that the task's future points to, as does what is seldom waited
/// for: a future keeps room for every value that is handed on in it, and there is one for each idle
/// connection.
pub(crate) async fn run(hello: Box<Hello>, mut task: Box<ConnTask>, early: Vec<u8>) {
    let _open = OpenGauge::new(task.protocol);
    let Membership { room, session } = &task.membership;
    let join = Mail::Join(*session, hello, Arc::clone(&task.conn));
    if room.send_at_once(join).await.is_err() {
        task.conn.close(CloseReason::Shutdown);
        return Box::pin(finish(&task.conn, &mut task.reader)).await;
    }
    let ended = task.run(early).await;
    let ConnTask {
        conn,
        mut reader,
        membership,
        ..
    } = *task;
    // The others need not wait for a peer that takes its close frame slowly.
    drop(membership);
    match ended {
        Ended::Closing => Box::pin(finish(&conn, &mut reader)).await,
        Ended::Gone => {
            conn.ended("gone", CODE_GONE);
        }
    }
}

/// Ends a connection that is not let in.
pub(crate) async fn turn_away(conn: &Conn, mut reader: ConnReader, reason: CloseReason) {
    conn.close(reason);
    Box::pin(finish(conn, &mut reader)).await;
}

/// Sends what is left, the close frame last, and hears the peer out: a socket that is closed with
/// unread bytes in it resets the connection, and the close frame may be lost by that.
pub(crate) async fn finish(conn: &Conn, reader: &mut ConnReader) {
    let closing = async {
        while let Flushed::Drained(_) = conn.writer.flush_rest().await {}
        let mut unheard = Vec::new();
        while let Ok(Received::Bytes(_)) = reader.read(&mut unheard).await {
            unheard.clear();
        }
    };
    // A peer that does not take part in time is dropped without.
    let _ = tokio::time::timeout(CLOSE_DEADLINE, closing).await;
}

/// How the loop of a connection ended.
enum Ended {
    /// A close frame is on its way out, or has left.
    Closing,
    /// There is nobody to tell.
    Gone,
}

/// A connection that was let in, with everything that its task needs.
pub(crate) struct ConnTask {
    conn: Arc<Conn>,
    reader: ConnReader,
    membership: Membership,
    protocol: Protocol,
    limits: Arc<Limits>,
    pulse: Pulse,
    clock: Clock,
    meters: &'static Meters,
    items: Vec<Item>,
    messages: Vec<ClientMessage>,
    /// When the items were read, or the last pause was over.
    now: Instant,
}

impl ConnTask {
    /// Of a connection that joins `room` as `session`; its credential ends when `expires`.
    pub(crate) fn new(
        conn: Arc<Conn>,
        reader: ConnReader,
        (room, session): (RoomRef, SessionId),
        limits: Arc<Limits>,
        expires: Option<Instant>,
    ) -> Box<Self> {
        let now = Instant::now();
        let protocol = conn.protocol();
        Box::new(Self {
            conn,
            reader,
            protocol,
            pulse: Pulse::new(&limits, now, expires),
            limits,
            clock: room.clock(),
            membership: Membership { room, session },
            meters: meters::of(protocol),
            items: Vec::new(),
            messages: Vec::new(),
            now,
        })
    }

    async fn run(&mut self, mut early: Vec<u8>) -> Ended {
        if !early.is_empty() {
            let fed = self.reader.feed(&mut early, &mut self.items);
            if let Some(ended) = self.received(fed.map_err(ReadError::from)).await {
                return ended;
            }
        }
        drop(early);
        // Hearing from the peer only puts the next beat off, so the alarm is set anew when it
        // rings and not for each frame.
        let mut alarm = std::pin::pin!(tokio::time::sleep_until(self.pulse.next()));
        loop {
            // All arms are cancel-safe: one that loses has done nothing.
            tokio::select! {
                read = self.reader.read(&mut self.items) => {
                    let fed = match read {
                        Ok(Received::End) => return Ended::Gone,
                        Ok(Received::Bytes(_)) => Ok(()),
                        Err(error) => Err(error),
                    };
                    if let Some(ended) = self.received(fed).await {
                        return ended;
                    }
                }
                flushed = self.conn.writer.flush_rest() => match flushed {
                    Flushed::Drained(rooms) => rooms.into_iter().for_each(|resume| resume()),
                    Flushed::Closed => return Ended::Closing,
                    Flushed::Broken(_) => return Ended::Gone,
                },
                () = alarm.as_mut() => {
                    if let Some(ended) = self.beat() {
                        return ended;
                    }
                    alarm.as_mut().reset(self.pulse.next());
                }
            }
        }
    }

    /// Hands on what was read; `fed` says whether reading can go on after it.
    async fn received(&mut self, fed: Result<(), ReadError>) -> Option<Ended> {
        self.now = Instant::now();
        self.pulse.heard(self.now);
        let mut items = std::mem::take(&mut self.items);
        for item in items.drain(..) {
            if let Some(ended) = self.item(item).await {
                return Some(ended);
            }
        }
        items.shrink_to(ITEMS_KEPT);
        self.items = items;
        if let Some(ended) = self.hand_over().await {
            return Some(ended);
        }
        match fed {
            Ok(()) => None,
            Err(ReadError::Io(_)) => Some(Ended::Gone),
            Err(ReadError::Codec(error)) => {
                tracing::debug!(%error, "a peer broke the WebSocket protocol");
                // Too large is a verdict of ours, with a code of the protocol's own.
                if error.close_code() == CODE_TOO_LARGE {
                    self.conn.close(CloseReason::TooLarge);
                } else {
                    self.conn.ended("protocol", error.close_code());
                    let frame = websocket::close_frame(error.close_code(), &error.to_string());
                    self.conn.writer.close(frame);
                }
                Some(Ended::Closing)
            }
        }
    }

    async fn item(&mut self, item: Item) -> Option<Ended> {
        let message = match item {
            Item::Text(text) => Message::Text(text),
            Item::Binary(bytes) => Message::Binary(bytes),
            Item::Ping(payload) => {
                self.conn
                    .write_control(websocket::pong(&payload), self.clock.now());
                return None;
            }
            Item::Pong(_) => return None,
            Item::Close(code) => {
                let code = code.map_or(1000, |(code, _)| code);
                self.conn.ended("peer", code);
                self.conn.writer.close(websocket::close_frame(code, ""));
                return Some(Ended::Closing);
            }
        };
        self.message(message).await
    }

    /// Hands what was decoded to the room.
    async fn hand_over(&mut self) -> Option<Ended> {
        if self.messages.is_empty() {
            return None;
        }
        let Membership { room, session } = &self.membership;
        let sent = room
            .send_messages(*session, &mut self.messages, self.now)
            .await;
        self.messages.shrink_to(ITEMS_KEPT);
        if sent.is_err() {
            self.conn.close(CloseReason::Shutdown);
            return Some(Ended::Closing);
        }
        None
    }

    async fn message(&mut self, message: Message) -> Option<Ended> {
        self.meters.frames_received.increment(1);
        self.meters
            .bytes_received
            .increment(message.payload().len() as u64);
        let mut counted = self.messages.len();
        let outcome = protocol::decode(self.protocol, message, &self.limits, &mut self.messages);
        // Each by itself: a frame may hold many, and it is they that the room has to handle.
        while counted < self.messages.len() {
            let pause = self.pulse.spend(self.now);
            if pause.is_some() || counted >= self.limits.turn_inputs_max {
                let rest = self.messages.split_off(counted);
                if let Some(ended) = self.hand_over().await {
                    return Some(ended);
                }
                (self.messages, counted) = (rest, 0);
            }
            // One that comes too fast delays reading: the peer's own socket fills up, nobody else
            // waits.
            if let Some(pause) = pause {
                meters::limit_hit("messages_per_s_max");
                Box::pin(tokio::time::sleep(pause)).await;
                self.now = Instant::now();
            }
            counted += 1;
        }
        let Err(reason) = outcome else { return None };
        // What came before was right.
        if let Some(ended) = self.hand_over().await {
            return Some(ended);
        }
        self.conn.close(reason);
        Some(Ended::Closing)
    }

    fn beat(&mut self) -> Option<Ended> {
        let written = self.clock.instant(self.conn.last_written());
        let now = self.clock.now();
        match self.pulse.beat(Instant::now(), written) {
            Beat::None => {}
            Beat::Ping => self.conn.write_control(websocket::ping(b""), now),
            Beat::KeepAlive if self.protocol != Protocol::Raw => {
                self.conn.write_control(yjs::keep_alive(), now);
            }
            Beat::KeepAlive => {}
            // Nobody answers: no close frame would arrive either.
            Beat::Dead => return Some(Ended::Gone),
            Beat::Expired => {
                self.conn.close(CloseReason::Expired);
                return Some(Ended::Closing);
            }
        }
        None
    }
}

/// Counts open connections.
pub(crate) struct OpenGauge(&'static Meters);

impl OpenGauge {
    pub(crate) fn new(protocol: Protocol) -> Self {
        let meters = meters::of(protocol);
        meters.opened.increment(1);
        meters.connections.add(1.0);
        Self(meters)
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        self.0.connections.add(-1.0);
    }
}
