//! Clients: how they connect, come back, and what they are sent.

pub(crate) mod awareness;
pub(crate) mod editor;
pub(crate) mod raw;
pub(crate) mod replica;

use bytes::Bytes;
use greenroom_core::close_reason::{CloseReason, Protocol, Retry};
use greenroom_core::protocol::websocket::{Opcode, read_server_frame};
use greenroom_service::{Message, Rights};

use crate::check::Sighting;
use crate::plan::{ClientPlan, Kind, MS, SECOND};
use crate::queue::Event;
use crate::wire::{Conn, Down, Up};
use crate::world::World;
use editor::{Editor, Heard};
use raw::Raw;

/// y-websocket gives a connection up on which no message came for this long.
const WATCHDOG: u64 = 30 * SECOND;

/// What a client is.
#[derive(Debug)]
pub(crate) enum Side {
    Editor(Box<Editor>),
    Raw(Raw),
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) plan: ClientPlan,
    pub(crate) side: Side,
    /// The connection that it has or waits for.
    pub(crate) conn: Option<u64>,
    pub(crate) open: bool,
    /// The number of its next attempt to connect: an older one is void.
    pub(crate) attempt: u64,
    tries: u32,
    heard: u64,
    /// It is away, on purpose, until then.
    pub(crate) away_until: u64,
    /// It was told to stay away.
    pub(crate) banned: bool,
}

impl Client {
    pub(crate) fn new(plan: ClientPlan, kind: Kind, number: usize, id: u64, now: u64) -> Self {
        let side = match kind {
            Kind::Collab => Side::Editor(Box::new(Editor::new(id, plan.silent, now))),
            Kind::Counter | Kind::Tally => Side::Raw(Raw::new(format!("c{number}"), kind)),
        };
        Self {
            plan,
            side,
            conn: None,
            open: false,
            attempt: 0,
            tries: 0,
            heard: now,
            away_until: 0,
            banned: false,
        }
    }

    /// A new tab of the same user, with nothing in it.
    pub(crate) fn renew(&mut self, id: u64, now: u64) {
        self.side = Side::Editor(Box::new(Editor::new(id, self.plan.silent, now)));
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        match self.side {
            Side::Editor(_) => Protocol::Yjs,
            Side::Raw(_) => Protocol::Raw,
        }
    }

    /// Whether what it writes counts.
    pub(crate) fn may_write(&self) -> bool {
        self.plan.rights.has(Rights::WRITE)
    }
}

impl World {
    /// A client connects.
    pub(crate) fn connect(&mut self, number: usize, attempt: u64) {
        let client = &mut self.clients[number];
        if client.attempt != attempt || client.conn.is_some() || client.banned {
            return;
        }
        if self.now < client.away_until {
            let at = client.away_until;
            return self.queue.plan(
                at,
                Event::Connect {
                    client: number,
                    attempt,
                },
            );
        }
        let latency = self.rng.within(self.plan.latency.clone());
        let node = self.current.filter(|node| !self.nodes[node].stopping);
        let Some(node) = node else {
            let learns = Event::ClientLearns {
                client: number,
                conn: None,
            };
            return self.queue.plan(self.now + latency, learns);
        };
        let conn = self.next_conn;
        self.next_conn += 1;
        self.conns.insert(conn, Conn::new(number, node, self.now));
        self.clients[number].conn = Some(conn);
        self.line(format_args!("client {number} connects as conn {conn}"));
        self.queue.plan(self.now + latency, Event::Arrive { conn });
    }

    /// A client learns that its connection is over, or could not be made.
    pub(crate) fn client_learns(&mut self, number: usize, conn: Option<u64>) {
        if self.clients[number].conn != conn {
            return;
        }
        if let Some(conn) = conn {
            if let Some(conn) = self.conns.get_mut(&conn) {
                conn.client_there = false;
            }
            self.forget_conn(conn);
        }
        let client = &mut self.clients[number];
        client.conn = None;
        client.open = false;
        if let Side::Editor(editor) = &mut client.side {
            editor.lost();
        }
        // y-websocket: 100 ms, doubled each time, at most 2.5 s.
        let backoff = (100 << client.tries.min(5)).min(2_500) * MS;
        client.tries += 1;
        client.attempt += 1;
        let at = (self.now + backoff + self.rng.below(20 * MS)).max(client.away_until);
        let attempt = client.attempt;
        self.line(format_args!("client {number} lost its connection"));
        self.queue.plan(
            at,
            Event::Connect {
                client: number,
                attempt,
            },
        );
    }

    /// A client ends its connection: a tab is closed, or its watchdog bites.
    pub(crate) fn hang_up(&mut self, number: usize) {
        let Some(conn) = self.clients[number].conn else {
            return;
        };
        self.push_up(conn, Up::Close);
        self.client_learns(number, Some(conn));
    }

    /// The next frame of the server reaches the client.
    pub(crate) fn down(&mut self, number: u64) {
        let Some(conn) = self.conns.get_mut(&number).filter(|conn| !conn.cut) else {
            return;
        };
        if conn.stalled_until > self.now && conn.client_there {
            let at = conn.stalled_until;
            return self.queue.plan(at, Event::Down { conn: number });
        }
        let Some(item) = conn.down.pop() else { return };
        if let Some(at) = conn.down.next_at() {
            self.queue
                .plan(at.max(self.now), Event::Down { conn: number });
        }
        let client = conn.client;
        if conn.client_there {
            match item {
                Down::Opened => self.client_opened(client),
                Down::Frame(frame) => self.client_frame(client, number, &frame),
            }
        }
        self.took(number);
    }

    fn client_opened(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.open = true;
        client.heard = self.now;
        let mut say = match &mut client.side {
            Side::Editor(editor) => editor.opened(),
            Side::Raw(raw) => raw.opened(),
        };
        self.line(format_args!("client {number} is connected"));
        if let Side::Editor(editor) = &self.clients[number].side
            && self.plan.resends
            && !editor.made.is_empty()
        {
            // What it sent before comes again, at any place and in any order.
            for _ in 0..self.rng.below(4) {
                let update = self.rng.pick(&editor.made).clone();
                let at = self.rng.below(say.len() as u64 + 1) as usize;
                say.insert(at, editor::message(&[0, 2], &update));
            }
        }
        self.client_says(number, say);
    }

    fn client_frame(&mut self, number: usize, conn: u64, frame: &Bytes) {
        let sum = crc32fast::hash(frame);
        self.line(format_args!(
            "client {number} hears {} bytes {sum:08x}",
            frame.len()
        ));
        let Some((opcode, payload, _)) = read_server_frame(frame) else {
            return self.violate(format!("client {number} cannot read a frame"));
        };
        match opcode {
            Opcode::Close => self.client_closed(number, conn, payload),
            Opcode::Ping => self.push_up(conn, Up::Pong),
            _ => self.client_message(number, payload),
        }
    }

    fn client_message(&mut self, number: usize, payload: &[u8]) {
        let now = self.now;
        let client = &mut self.clients[number];
        client.heard = now;
        client.tries = 0;
        match &mut client.side {
            Side::Editor(editor) => {
                let (heard, say) = editor.heard(payload, now);
                match heard {
                    Heard::Nonsense => {
                        self.violate(format!("editor {number} cannot read a message"))
                    }
                    Heard::Update(update) => self.saw_update(number, &update, Sighting::Relayed),
                    Heard::Answer(update) => self.saw_update(number, &update, Sighting::Answer),
                    Heard::Denied(reason) => self.line(format_args!("client {number}: {reason}")),
                    Heard::Vector | Heard::Other => {}
                }
                self.client_says(number, say);
            }
            Side::Raw(raw) => {
                if let Err(broken) = raw.heard(&String::from_utf8_lossy(payload)) {
                    self.violate(broken);
                }
            }
        }
    }

    fn client_closed(&mut self, number: usize, conn: u64, payload: &[u8]) {
        let code = payload
            .first_chunk()
            .map_or(1005, |code| u16::from_be_bytes(*code));
        let protocol = self.clients[number].protocol();
        let mut reasons = CloseReason::ALL.into_iter();
        let reason = reasons.find(|reason| reason.close(protocol).code == code);
        let Some(reason) = reason else {
            return self.violate(format!("client {number} was closed with {code}"));
        };
        self.check_close(number, reason);
        if reason.close(protocol).retry == Retry::Never {
            self.clients[number].banned = true;
        }
        self.client_learns(number, Some(conn));
    }

    /// A client sends messages.
    pub(crate) fn client_says(&mut self, number: usize, messages: Vec<Message>) {
        let client = &self.clients[number];
        let Some(conn) = client.conn.filter(|_| client.open) else {
            return;
        };
        for message in messages {
            self.push_up(conn, Up::Message(message));
        }
    }

    fn push_up(&mut self, number: u64, item: Up) {
        let latency = self.rng.within(self.plan.latency.clone());
        let Some(conn) = self.conns.get_mut(&number) else {
            return;
        };
        let first = conn.up.push(self.now + latency, 0, item);
        if let Some(at) = first.filter(|_| !conn.cut) {
            self.queue.plan(at, Event::Up { conn: number });
        }
    }

    /// A client looks at its clock.
    pub(crate) fn tick(&mut self, number: usize) {
        let now = self.now;
        let client = &mut self.clients[number];
        let silent = now.saturating_sub(client.heard) > WATCHDOG;
        let mut say = Vec::new();
        if let Side::Editor(editor) = &mut client.side {
            say = editor.tick(now);
            if client.open && silent {
                return self.watchdog(number);
            }
        }
        self.client_says(number, say);
        self.queue
            .plan(now + 3 * SECOND, Event::Tick { client: number });
    }

    fn watchdog(&mut self, number: usize) {
        self.line(format_args!("client {number} heard nothing for too long"));
        let conn = self.clients[number]
            .conn
            .and_then(|conn| self.conns.get(&conn));
        let faulty = conn.is_some_and(|conn| conn.cut || conn.stalled_until + SECOND > self.now);
        if !faulty {
            self.violate(format!(
                "client {number} heard nothing for 30 s on a sound connection"
            ));
        }
        self.hang_up(number);
        self.queue
            .plan(self.now + 3 * SECOND, Event::Tick { client: number });
    }

    /// A client writes.
    pub(crate) fn client_writes(&mut self, number: usize) {
        let wait = self.rng.wait(self.plan.write_wait) + MS;
        self.queue
            .plan(self.now + wait, Event::Write { client: number });
        let client = &mut self.clients[number];
        if let Side::Raw(raw) = &mut client.side
            && client.open
            && std::mem::take(&mut raw.refused)
        {
            let again = raw.send_again();
            return self.client_says(number, again);
        }
        if self.calm {
            return;
        }
        let offends = client.plan.offends && self.rng.chance(8);
        let say = match &mut client.side {
            _ if client.banned => Vec::new(),
            Side::Editor(editor) => {
                let moves = self.rng.chance(30) && !client.plan.silent;
                let writes = client.plan.rights.has(Rights::WRITE) || offends;
                if moves {
                    vec![editor.move_cursor(&mut self.rng, self.now)]
                } else if writes {
                    vec![editor.write(&mut self.rng)]
                } else {
                    Vec::new()
                }
            }
            Side::Raw(_) if offends => vec![Raw::offend(&mut self.rng)],
            Side::Raw(_) if !client.plan.rights.has(Rights::WRITE) => Vec::new(),
            Side::Raw(_) if !client.open => Vec::new(),
            Side::Raw(raw) => raw.write(),
        };
        self.client_says(number, say);
    }
}
