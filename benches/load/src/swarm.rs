//! Many peers on one thread: their connections, the event loop, and what they see.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use memchr::memchr_iter;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::dialect::{Dialect, Incoming};
use crate::frame::{self, Opcode};
use crate::update::{Marker, Writer};

/// Handshakes under way at a time: below the accept backlog of every server.
const OPENING_MAX: usize = 64;
/// The most that one read takes.
const READ_BYTES: usize = 256 << 10;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The HTTP answer has not come.
    Handshake,
    /// The server's content has not come.
    Open,
    /// It has what the server had.
    InStep,
    /// The server or the network ended it.
    Closed,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
    room: usize,
    /// Its number in the room; the first of a room are its writers.
    number: usize,
    pub(crate) stage: Stage,
    /// The start of a frame whose rest has not come.
    partial: Vec<u8>,
    /// The start of a message whose last frame has not come.
    fragments: Vec<u8>,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
    /// For each writer of the room the seq that comes next.
    next: Vec<u32>,
    pub(crate) opened: Instant,
    /// The size of the documents and updates that it got.
    pub(crate) content_bytes: u64,
    /// When it was in step and had got [`Swarm::whole_bytes`].
    pub(crate) whole: Option<Instant>,
}

/// One room as the generator sees it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: String,
    /// Those that read.
    readers: u32,
    pub(crate) writers: Vec<Writer>,
    /// Connections of the writers.
    writer_peers: Vec<usize>,
    /// For each update of the first writer that some have not seen: how many.
    missing: VecDeque<u32>,
    /// The seq of the first of them.
    missing_from: u32,
}

impl Room {
    /// The updates of the first writer that not all have seen.
    pub(crate) fn outstanding(&self) -> usize {
        self.missing.len()
    }
}

/// What was seen since the last [`Swarm::begin`].
#[derive(Debug)]
pub(crate) struct Seen {
    /// Updates seen by somebody who did not write them.
    pub(crate) deliveries: u64,
    /// Updates that a peer never saw, because a later one of the same writer came first.
    pub(crate) skipped: u64,
    /// From write to read, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// Frames read.
    pub(crate) frames: u64,
    /// Bytes read.
    pub(crate) bytes: u64,
    /// Connections that the server ended.
    pub(crate) closed: u64,
    /// For each peer the microseconds of its deliveries, where that is asked for.
    pub(crate) of_each: Option<Vec<Vec<u32>>>,
    /// Text frames that came, for the acknowledgements of a service.
    pub(crate) texts: Vec<(usize, Instant)>,
}

impl Seen {
    fn new() -> Result<Self> {
        Ok(Self {
            deliveries: 0,
            skipped: 0,
            latency: Histogram::new_with_bounds(1, 600_000_000, 3)?,
            frames: 0,
            bytes: 0,
            closed: 0,
            of_each: None,
            texts: Vec::new(),
        })
    }

    /// The 99th percentile of the peer for which it is the highest.
    pub(crate) fn worst_p99_ms(&self) -> Option<f64> {
        let p99 = |times: &Vec<u32>| {
            let mut times = times.clone();
            times.sort_unstable();
            let rank = (times.len() * 99).div_ceil(100);
            times.get(rank.checked_sub(1)?).copied()
        };
        let worst = self.of_each.as_ref()?.iter().filter_map(p99).max()?;
        Some(f64::from(worst) / 1_000.0)
    }
}

/// What a writer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Payload {
    /// Text at the end of the document.
    Text,
    /// Presence.
    Awareness,
}

/// All connections to one server.
#[derive(Debug)]
pub(crate) struct Swarm {
    poll: Poll,
    events: Events,
    address: SocketAddr,
    dialect: Dialect,
    clock: Instant,
    /// How many were in step, and how many were closed, so far.
    in_step: usize,
    closed: usize,
    /// So much makes a document whole, for those who join it.
    pub(crate) whole_bytes: u64,
    pub(crate) peers: Vec<Peer>,
    pub(crate) rooms: Vec<Room>,
    pub(crate) seen: Seen,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    framed: Vec<u8>,
}

impl Swarm {
    /// A swarm without connections.
    ///
    /// # Errors
    /// When the system has no event queue for us.
    pub(crate) fn new(address: SocketAddr, dialect: Dialect) -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(4_096),
            address,
            dialect,
            clock: Instant::now(),
            in_step: 0,
            closed: 0,
            whole_bytes: 0,
            peers: Vec::new(),
            rooms: Vec::new(),
            seen: Seen::new()?,
            buffer: vec![0; READ_BYTES],
            scratch: Vec::new(),
            framed: Vec::new(),
        })
    }

    /// Adds a room that so many will write to; gives its number.
    pub(crate) fn add_room(&mut self, name: String, writers: usize) -> usize {
        let number = self.rooms.len();
        self.rooms.push(Room {
            name,
            readers: 0,
            writers: (0..writers)
                .map(|w| Writer::new(number, w as u16))
                .collect(),
            writer_peers: Vec::new(),
            missing: VecDeque::new(),
            missing_from: 0,
        });
        number
    }

    /// Opens `each` connections to each of `rooms` and waits until all are in step.
    ///
    /// # Errors
    /// When one is closed, or not all are in step within `deadline`.
    pub(crate) fn fill(
        &mut self,
        rooms: std::ops::Range<usize>,
        each: usize,
        deadline: Duration,
    ) -> Result<()> {
        let started = Instant::now();
        let (first, before, closed) = (self.peers.len(), self.in_step, self.closed);
        let mut wanted = (0..each).flat_map(|_| rooms.clone());
        let total = rooms.len() * each;
        loop {
            let (opened, in_step) = (self.peers.len() - first, self.in_step - before);
            if in_step == total {
                return Ok(());
            }
            let closed = self.closed - closed;
            ensure!(
                closed == 0,
                "the server closed {closed} connections that began"
            );
            let late = started.elapsed() > deadline;
            ensure!(
                !late,
                "{in_step} of {total} connections in step after {deadline:?}"
            );
            for room in wanted.by_ref().take(OPENING_MAX - (opened - in_step)) {
                self.connect(room)?;
            }
            self.turn(Duration::from_millis(20))?;
        }
    }

    /// Starts one connection to `room`; gives its number.
    ///
    /// # Errors
    /// When the system has no socket for it.
    pub(crate) fn connect(&mut self, room: usize) -> Result<usize> {
        let mut stream = TcpStream::connect(self.address)?;
        let token = self.peers.len();
        self.poll.registry().register(
            &mut stream,
            Token(token),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let into = &mut self.rooms[room];
        let number = into.readers as usize;
        into.readers += 1;
        if number < into.writers.len() {
            into.writer_peers.push(token);
        }
        let next = into.writers.iter().map(|writer| writer.seq).collect();
        let unsent = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.dialect.path(&into.name),
            self.address
        );
        self.peers.push(Peer {
            stream,
            room,
            number,
            stage: Stage::Handshake,
            partial: Vec::new(),
            fragments: Vec::new(),
            unsent: unsent.into_bytes(),
            next,
            opened: Instant::now(),
            content_bytes: 0,
            whole: None,
        });
        Ok(token)
    }

    /// Forgets what was seen so far: a measurement begins.
    ///
    /// # Errors
    /// Never in practice: the bounds of the histogram are constants.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.seen = Seen::new()?;
        Ok(())
    }

    /// Lets `peer` read nothing from now on. It is not counted on for deliveries.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn stick(&mut self, peer: usize) -> Result<()> {
        let peer = &mut self.peers[peer];
        self.rooms[peer.room].readers -= 1;
        self.poll.registry().deregister(&mut peer.stream)?;
        Ok(())
    }

    /// Lets a peer that was stuck read again, to see what became of it.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn unstick(&mut self, number: usize) -> Result<()> {
        let peer = &mut self.peers[number];
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut peer.stream, Token(number), interest)?;
        Ok(())
    }

    /// Writes the next update of a writer; gives how many should see it.
    ///
    /// # Errors
    /// When the server closed the writer's connection.
    pub(crate) fn write(
        &mut self,
        room: usize,
        writer: usize,
        payload: Payload,
        len: usize,
    ) -> Result<u64> {
        let at_us = self.clock.elapsed().as_micros() as u32;
        let mut message = std::mem::take(&mut self.scratch);
        message.clear();
        let into = &mut self.rooms[room];
        self.dialect.put_front(&mut message, &into.name);
        match payload {
            Payload::Text => into.writers[writer].put_update(&mut message, len, at_us),
            Payload::Awareness => into.writers[writer].put_awareness(&mut message, len, at_us),
        }
        let others = into.readers - 1;
        if writer == 0 {
            into.missing.push_back(others);
        }
        let peer = into.writer_peers[writer];
        let sent = self.send(peer, Opcode::Binary, &message);
        self.scratch = message;
        sent?;
        Ok(u64::from(others))
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the connection is closed.
    pub(crate) fn send(&mut self, peer: usize, opcode: Opcode, payload: &[u8]) -> Result<()> {
        let to = &mut self.peers[peer];
        if to.stage == Stage::Closed {
            bail!("the server closed the connection of a writer");
        }
        self.framed.clear();
        frame::put(&mut self.framed, opcode, payload);
        if !to.unsent.is_empty() {
            to.unsent.extend_from_slice(&self.framed);
            return Ok(());
        }
        let taken = match to.stream.write(&self.framed) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error).context("writing to the server"),
        };
        to.unsent.extend_from_slice(&self.framed[taken..]);
        Ok(())
    }

    /// Waits for events, at most so long, and handles them.
    ///
    /// # Errors
    /// When the event queue fails, or a server does not speak WebSocket.
    pub(crate) fn turn(&mut self, wait_max: Duration) -> Result<()> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(1));
        let polled = match self.poll.poll(&mut events, Some(wait_max)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            other => other,
        };
        for event in &events {
            let peer = event.token().0;
            if event.is_writable() {
                self.flush(peer);
            }
            if event.is_readable() {
                self.read(peer)?;
            }
        }
        self.events = events;
        Ok(polled?)
    }

    /// Turns for so long.
    ///
    /// # Errors
    /// As [`Self::turn`].
    pub(crate) fn rest(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.turn(left)?;
        }
    }

    /// Turns until `done` says so; gives whether that was before the deadline.
    ///
    /// # Errors
    /// As [`Self::turn`].
    pub(crate) fn rest_until(
        &mut self,
        deadline: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<bool> {
        let started = Instant::now();
        while !done(self) {
            if started.elapsed() > deadline {
                return Ok(false);
            }
            self.turn(Duration::from_millis(10))?;
        }
        Ok(true)
    }

    fn flush(&mut self, peer: usize) {
        let peer = &mut self.peers[peer];
        while !peer.unsent.is_empty() && peer.stage != Stage::Closed {
            match peer.stream.write(&peer.unsent) {
                Ok(n) => drop(peer.unsent.drain(..n)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Not connected yet, full, or at its end: reading tells which.
                Err(_) => return,
            }
        }
        peer.unsent.shrink_to(4_096);
    }

    fn read(&mut self, peer: usize) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut result = Ok(());
        while self.peers[peer].stage != Stage::Closed && result.is_ok() {
            match self.peers[peer].stream.read(&mut buffer) {
                Ok(0) => self.close(peer),
                Ok(n) => {
                    self.seen.bytes += n as u64;
                    result = self.take_bytes(peer, &buffer[..n]);
                    if n < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.close(peer),
            }
        }
        self.buffer = buffer;
        result
    }

    fn close(&mut self, peer: usize) {
        self.peers[peer].stage = Stage::Closed;
        self.seen.closed += 1;
        self.closed += 1;
        // The number of a connection is its token, so it stays in the list.
        let _ = self
            .poll
            .registry()
            .deregister(&mut self.peers[peer].stream);
    }

    /// Handles all whole frames and keeps the rest.
    fn take_bytes(&mut self, peer: usize, bytes: &[u8]) -> Result<()> {
        let mut partial = std::mem::take(&mut self.peers[peer].partial);
        let used = if partial.is_empty() {
            let used = self.take_frames(peer, bytes)?;
            partial.extend_from_slice(&bytes[used..]);
            0
        } else {
            partial.extend_from_slice(bytes);
            self.take_frames(peer, &partial)?
        };
        partial.drain(..used);
        self.peers[peer].partial = partial;
        Ok(())
    }

    fn take_frames(&mut self, peer: usize, bytes: &[u8]) -> Result<usize> {
        let mut at = 0;
        if self.peers[peer].stage == Stage::Handshake {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
                return Ok(0);
            };
            let status = bytes.get(9..12).unwrap_or_default();
            let said = String::from_utf8_lossy(&bytes[..end.min(200)]);
            ensure!(status == b"101", "a handshake was refused: {said}");
            at = end + 4;
            self.greet(peer)?;
        }
        let read_at = Instant::now();
        while let Some(head) = frame::head(&bytes[at..]).unwrap_or(None) {
            let Some(payload) = bytes.get(at + head.start..at + head.end) else {
                break;
            };
            self.take_frame(peer, head, payload, read_at)?;
            at += head.end;
        }
        Ok(at)
    }

    fn greet(&mut self, peer: usize) -> Result<()> {
        self.peers[peer].stage = Stage::Open;
        if self.dialect == Dialect::Counter {
            self.in_step(peer);
        }
        let hello = self.dialect.hello(&self.rooms[self.peers[peer].room].name);
        for message in hello {
            self.send(peer, Opcode::Binary, &message)?;
        }
        Ok(())
    }

    fn in_step(&mut self, peer: usize) {
        let peer = &mut self.peers[peer];
        if peer.stage == Stage::Open {
            peer.stage = Stage::InStep;
            self.in_step += 1;
        }
    }

    /// A peer got so much more of the document.
    fn got(&mut self, peer: usize, bytes: usize) {
        let peer = &mut self.peers[peer];
        peer.content_bytes += bytes as u64;
        let whole = peer.stage == Stage::InStep && peer.content_bytes >= self.whole_bytes;
        if whole && peer.whole.is_none() {
            peer.whole = Some(Instant::now());
        }
    }

    fn take_frame(
        &mut self,
        peer: usize,
        head: frame::Head,
        payload: &[u8],
        read_at: Instant,
    ) -> Result<()> {
        self.seen.frames += 1;
        match head.opcode {
            Opcode::Ping => return self.send(peer, Opcode::Pong, payload),
            Opcode::Close => self.close(peer),
            Opcode::Pong => {}
            Opcode::Text => self.seen.texts.push((peer, read_at)),
            Opcode::Binary | Opcode::Continuation => {
                let mut fragments = std::mem::take(&mut self.peers[peer].fragments);
                if head.last && fragments.is_empty() {
                    return self.take_message(peer, payload, read_at);
                }
                fragments.extend_from_slice(payload);
                if head.last {
                    return self.take_message(peer, &fragments, read_at);
                }
                self.peers[peer].fragments = fragments;
            }
        }
        Ok(())
    }

    fn take_message(&mut self, peer: usize, message: &[u8], read_at: Instant) -> Result<()> {
        match self.dialect.read(message) {
            Incoming::Ask => {
                let answer = self.dialect.answer(&self.rooms[self.peers[peer].room].name);
                return self.send(peer, Opcode::Binary, &answer);
            }
            Incoming::InStep(content) => {
                self.in_step(peer);
                self.got(peer, content.len());
                self.count(peer, content, read_at);
            }
            Incoming::Content(content) => {
                self.got(peer, content.len());
                self.count(peer, content, read_at);
            }
            Incoming::Other => {}
        }
        Ok(())
    }

    /// Counts the markers that this peer has not seen yet.
    fn count(&mut self, number: usize, content: &[u8], read_at: Instant) {
        let now_us = read_at.duration_since(self.clock).as_micros() as u32;
        let peer = &mut self.peers[number];
        let room = &mut self.rooms[peer.room];
        for at in memchr_iter(Marker::START, content) {
            let Some(marker) = Marker::read(&content[at..]) else {
                continue;
            };
            let writer = usize::from(marker.writer);
            let Some(next) = peer.next.get_mut(writer) else {
                continue;
            };
            if writer == peer.number || marker.seq < *next {
                continue;
            }
            self.seen.skipped += u64::from(marker.seq - *next);
            *next = marker.seq + 1;
            self.seen.deliveries += 1;
            let waited = u64::from(now_us.saturating_sub(marker.at_us)).max(1);
            self.seen.latency.saturating_record(waited);
            if let Some(each) = &mut self.seen.of_each {
                each[number].push(waited as u32);
            }
            if writer == 0 {
                room.seen_one(marker.seq);
            }
        }
    }
}

impl Room {
    /// One more peer has seen this update of the first writer.
    fn seen_one(&mut self, seq: u32) {
        let at = seq.wrapping_sub(self.missing_from) as usize;
        if let Some(missing) = self.missing.get_mut(at) {
            *missing = missing.saturating_sub(1);
        }
        while self.missing.front() == Some(&0) {
            self.missing.pop_front();
            self.missing_from += 1;
        }
    }
}
