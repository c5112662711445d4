//! What waits to be sent: one ring of encoded frames per stream, a cursor and a small private queue
//! per session, and the output gate over both.
//!
//! A *stream* is what a set of sessions hear alike: a protocol and, where it is about one document,
//! that document. A frame for the whole stream is encoded once and stored once, however many hear
//! it. A session takes its frames when its connection can write; until then they cost nothing
//! beyond the ring. The ring is bounded: a session whose next frame was dropped has *lagged*.
//!
//! The gate: a frame carries the seq of the record that must be durable before it leaves. Frames of
//! one session leave strictly in order, so that nothing overtakes a held acknowledgement.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use greenroom_service::SessionId;

use super::behaviour::Slot;
use crate::close_reason::{CloseReason, Protocol};

/// A set of sessions that hear the same frames.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stream {
    /// The wire format.
    pub(crate) protocol: Protocol,
    /// The document, where the protocol is about one.
    pub(crate) document: String,
}

/// When a frame may leave, and where the journal stood when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    /// Leaves once this record is durable; 0 for at once.
    pub(crate) gate: u64,
    /// The next record to be made: whoever has this frame has heard of all records before.
    pub(crate) next_seq: u64,
}

#[derive(Debug)]
struct RingFrame {
    bytes: Bytes,
    stamp: Stamp,
    except: Option<SessionId>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The position of the first frame in `frames`.
    base: u64,
    frames: VecDeque<RingFrame>,
    bytes: usize,
    members: Vec<SessionId>,
    /// How many members have their cursor at the end; when all have, the frames are dropped.
    caught_up: usize,
    /// Members may have frames to take.
    dirty: bool,
}

impl Ring {
    fn end(&self) -> u64 {
        self.base + self.frames.len() as u64
    }

    fn push(&mut self, frame: RingFrame, bytes_max: usize) {
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
        self.caught_up = 0;
        self.dirty = true;
        // The frame being written does not count: one that is larger than the limit still passes.
        while self.bytes > bytes_max && self.frames.len() > 1 {
            let first = self.frames.pop_front().expect("there are two");
            self.bytes -= first.bytes.len();
            self.base += 1;
        }
    }

    /// Drops the frames once every member has them.
    fn forget_heard(&mut self) {
        if self.caught_up == self.members.len() {
            self.base = self.end();
            self.frames.clear();
            self.frames.shrink_to(16);
            self.bytes = 0;
        }
    }
}

/// A frame for one session alone. It stands between the ring's frames by its position.
#[derive(Debug)]
struct PrivateFrame {
    bytes: Bytes,
    gate: u64,
    at: u64,
    slot: Option<Slot>,
}

impl PrivateFrame {
    /// Its bytes as far as they count against the limit.
    fn counted(&self) -> usize {
        if self.slot == Some(Slot::SyncAnswer) {
            0
        } else {
            self.bytes.len()
        }
    }
}

#[derive(Debug)]
struct Seat {
    stream: Stream,
    cursor: u64,
    private: VecDeque<PrivateFrame>,
    private_bytes: usize,
    /// The first record of which it has not heard.
    heard: u64,
    dirty: bool,
    lagged: bool,
    closing: Option<CloseReason>,
}

impl Seat {
    fn lag(&mut self) {
        self.lagged = true;
        self.private.clear();
        self.private_bytes = 0;
    }
}

/// What taking frames gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Nothing more is to be sent now.
    All,
    /// More can be taken at once.
    More,
    /// Everything was taken, and the session is to be closed.
    Close(CloseReason),
}

/// The way out of a room.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    rings: BTreeMap<Stream, Ring>,
    seats: BTreeMap<SessionId, Seat>,
    /// Sessions with private frames to take, or to be closed.
    dirty: Vec<SessionId>,
    /// The last durable record.
    durable: u64,
    bytes_max: usize,
}

impl Outbox {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            ..Self::default()
        }
    }

    /// Gives a session its place: it hears what is sent from now on, and knows of all records
    /// before `next_seq` by other means.
    pub(crate) fn enter(&mut self, session: SessionId, stream: Stream, next_seq: u64) {
        let ring = self.rings.entry(stream.clone()).or_default();
        ring.members.push(session);
        ring.caught_up += 1;
        let seat = Seat {
            stream,
            cursor: ring.end(),
            private: VecDeque::new(),
            private_bytes: 0,
            heard: next_seq,
            dirty: false,
            lagged: false,
            closing: None,
        };
        let before = self.seats.insert(session, seat);
        assert!(before.is_none(), "a session enters once");
    }

    /// Takes a session's place away, with all that waited for it.
    pub(crate) fn leave(&mut self, session: SessionId) {
        let Some(seat) = self.seats.remove(&session) else {
            return;
        };
        let ring = self.rings.get_mut(&seat.stream).expect("a seat has a ring");
        ring.members.retain(|member| *member != session);
        ring.caught_up -= usize::from(seat.cursor == ring.end());
        ring.forget_heard();
        if ring.members.is_empty() {
            self.rings.remove(&seat.stream);
        }
    }

    /// The streams that somebody hears.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.rings.keys()
    }

    /// The stream of a session.
    pub(crate) fn stream_of(&self, session: SessionId) -> Option<&Stream> {
        self.seats.get(&session).map(|seat| &seat.stream)
    }

    /// Sends an encoded frame to all members of a stream, or all but one.
    pub(crate) fn broadcast(
        &mut self,
        stream: &Stream,
        bytes: Bytes,
        stamp: Stamp,
        except: Option<SessionId>,
    ) {
        if let Some(ring) = self.rings.get_mut(stream) {
            ring.push(
                RingFrame {
                    bytes,
                    stamp,
                    except,
                },
                self.bytes_max,
            );
        }
    }

    /// Sends an encoded frame to one session. With a `slot`, it replaces one that waits there.
    pub(crate) fn send(&mut self, session: SessionId, bytes: Bytes, gate: u64, slot: Option<Slot>) {
        let Some(seat) = self.seats.get_mut(&session) else {
            return;
        };
        if seat.closing.is_some() || seat.lagged {
            return;
        }
        mark_dirty(&mut self.dirty, session, seat);
        if let Some(waiting) = seat
            .private
            .iter_mut()
            .find(|f| slot.is_some() && f.slot == slot)
        {
            seat.private_bytes -= waiting.counted();
            waiting.bytes = bytes;
            seat.private_bytes += waiting.counted();
            waiting.gate = waiting.gate.max(gate);
            return;
        }
        let at = self.rings[&seat.stream].end();
        let frame = PrivateFrame {
            bytes,
            gate,
            at,
            slot,
        };
        if seat.private_bytes + frame.counted() > self.bytes_max && !seat.private.is_empty() {
            seat.lag();
            return;
        }
        seat.private_bytes += frame.counted();
        seat.private.push_back(frame);
    }

    /// Closes a session after what it is still owed; the first reason stays.
    pub(crate) fn close(&mut self, session: SessionId, reason: CloseReason) {
        let Some(seat) = self.seats.get_mut(&session) else {
            return;
        };
        seat.closing.get_or_insert(reason);
        mark_dirty(&mut self.dirty, session, seat);
    }

    /// Whether the session is to be closed.
    pub(crate) fn is_closing(&self, session: SessionId) -> bool {
        self.seats
            .get(&session)
            .is_some_and(|seat| seat.closing.is_some())
    }

    /// Record `seq` and all before it are durable: opens the gate so far.
    pub(crate) fn set_durable(&mut self, seq: u64) {
        if seq <= self.durable {
            return;
        }
        self.durable = seq;
        for ring in self.rings.values_mut() {
            ring.dirty |= !ring.frames.is_empty();
        }
        for (id, seat) in &mut self.seats {
            if !seat.private.is_empty() {
                mark_dirty(&mut self.dirty, *id, seat);
            }
        }
    }

    /// Drops every frame whose record is not durable: its event was rolled back.
    pub(crate) fn roll_back(&mut self) {
        let durable = self.durable;
        for ring in self.rings.values_mut() {
            // Cursors count positions, so a frame that is taken back is emptied, not removed.
            for frame in ring.frames.iter_mut().filter(|f| f.stamp.gate > durable) {
                ring.bytes -= frame.bytes.len();
                frame.bytes = Bytes::new();
                frame.stamp.gate = 0;
            }
        }
        for seat in self.seats.values_mut() {
            seat.private.retain(|frame| frame.gate <= durable);
            seat.private_bytes = seat.private.iter().map(PrivateFrame::counted).sum();
        }
    }

    /// Every session may have something to take.
    pub(crate) fn mark_all_dirty(&mut self) {
        for ring in self.rings.values_mut() {
            ring.dirty = true;
        }
    }

    /// The sessions that may have something to take since the last call, each once.
    pub(crate) fn take_dirty(&mut self) -> Vec<SessionId> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in &dirty {
            if let Some(seat) = self.seats.get_mut(id) {
                seat.dirty = false;
            }
        }
        let private = dirty.len();
        for ring in self.rings.values_mut().filter(|ring| ring.dirty) {
            ring.dirty = false;
            dirty.extend_from_slice(&ring.members);
        }
        if private > 0 && dirty.len() > private {
            dirty.sort_unstable();
            dirty.dedup();
        }
        dirty
    }

    /// The first record that a lagged session may have missed; `None` when it has not lagged.
    pub(crate) fn lagged(&mut self, session: SessionId) -> Option<u64> {
        let seat = self.seats.get_mut(&session)?;
        if !seat.lagged && seat.cursor < self.rings[&seat.stream].base {
            seat.lag();
        }
        (seat.lagged && seat.closing.is_none()).then_some(seat.heard)
    }

    /// A lagged session starts anew at the ring's end; what brings it up to date is sent next.
    pub(crate) fn restart(&mut self, session: SessionId, next_seq: u64) {
        let Some(seat) = self.seats.get_mut(&session) else {
            return;
        };
        let ring = self.rings.get_mut(&seat.stream).expect("a seat has a ring");
        ring.caught_up += usize::from(seat.cursor != ring.end());
        seat.cursor = ring.end();
        seat.lagged = false;
        seat.heard = next_seq;
        ring.forget_heard();
    }

    /// Moves up to `budget` bytes of frames for `session` into `out`, at least one frame when one
    /// may leave. A lagged session has none: see [`Self::lagged`].
    pub(crate) fn take(
        &mut self,
        session: SessionId,
        budget: usize,
        out: &mut Vec<Bytes>,
    ) -> Taken {
        let Some(seat) = self.seats.get_mut(&session) else {
            return Taken::All;
        };
        let ring = self.rings.get_mut(&seat.stream).expect("a seat has a ring");
        let done = seat.closing.map_or(Taken::All, Taken::Close);
        if seat.lagged || seat.cursor < ring.base {
            return done;
        }
        let mut spent = 0;
        loop {
            let private = seat
                .private
                .front()
                .is_some_and(|frame| frame.at <= seat.cursor);
            let (bytes, gate, skip) = if private {
                let frame = &seat.private[0];
                (&frame.bytes, frame.gate, false)
            } else if let Some(frame) = ring.frames.get((seat.cursor - ring.base) as usize) {
                let skip = frame.bytes.is_empty() || frame.except == Some(session);
                (&frame.bytes, frame.stamp.gate, skip)
            } else {
                return done;
            };
            // A session that is to be closed waits for no gate: what it is not sent it is not owed.
            if gate > self.durable && !skip {
                return done;
            }
            if !skip {
                if spent > 0 && spent + bytes.len() > budget {
                    return Taken::More;
                }
                spent += bytes.len();
                out.push(bytes.clone());
            }
            if private {
                let frame = seat.private.pop_front().expect("it was looked at");
                seat.private_bytes -= frame.counted();
            } else {
                seat.heard = ring.frames[(seat.cursor - ring.base) as usize]
                    .stamp
                    .next_seq;
                seat.cursor += 1;
                if seat.cursor == ring.end() {
                    ring.caught_up += 1;
                    ring.forget_heard();
                }
            }
        }
    }

    /// Bytes that wait in all rings and queues; a shared frame counts once.
    pub(crate) fn bytes(&self) -> usize {
        self.rings.values().map(|ring| ring.bytes).sum::<usize>()
            + self
                .seats
                .values()
                .map(|seat| seat.private_bytes)
                .sum::<usize>()
    }
}

fn mark_dirty(dirty: &mut Vec<SessionId>, session: SessionId, seat: &mut Seat) {
    if !seat.dirty {
        seat.dirty = true;
        dirty.push(session);
    }
}
