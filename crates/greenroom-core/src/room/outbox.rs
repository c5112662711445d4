//! What waits to be sent: one ring of encoded frames per stream, a cursor and a small private queue
//! per session, and the output gate over both.
//!
//! A *stream* is what a set of sessions hear alike: a protocol, where it is about one document that
//! document, and whether frames are compressed. A frame for the whole stream is encoded once and stored once, however many hear
//! it. A session takes its frames when its connection can write; until then they cost nothing
//! beyond the ring. The ring is bounded: a session whose next frame was dropped has *lagged*.
//!
//! The gate: a frame carries the seq of the record that must be durable before it leaves. Frames of
//! one session leave strictly in order, so that nothing overtakes a held acknowledgement.

mod queues;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use greenroom_service::SessionId;

use super::behaviour::Slot;
use crate::close_reason::{CloseReason, Protocol};
use queues::{Closing, PrivateFrame, Ring, RingFrame, Seat};

/// A set of sessions that hear the same frames.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stream {
    /// The wire format.
    pub(crate) protocol: Protocol,
    /// The document, where the protocol is about one.
    pub(crate) document: String,
    /// Whether shared frames are compressed where that helps.
    pub(crate) deflate: bool,
}

/// When a frame may leave, and where the journal stood when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    /// Leaves once this record is durable; 0 for at once.
    pub(crate) gate: u64,
    /// The next record to be made: whoever has this frame has heard of all records before.
    pub(crate) next_seq: u64,
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
    /// The ring of each stream that somebody hears.
    by_stream: BTreeMap<Stream, usize>,
    /// Rings, found by a seat without a look at its stream; those in `free` are unused.
    rings: Vec<Ring>,
    free: Vec<usize>,
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
        let place = match self.by_stream.get(&stream) {
            Some(place) => *place,
            None => self.open_ring(stream.clone()),
        };
        let ring = &mut self.rings[place];
        ring.members.push(session);
        ring.caught_up += 1;
        let seat = Seat::new(stream, place, ring.end(), next_seq);
        let before = self.seats.insert(session, seat);
        assert!(before.is_none(), "a session enters once");
    }

    /// Takes a session's place away, with all that waited for it.
    pub(crate) fn leave(&mut self, session: SessionId) {
        let Some(seat) = self.seats.remove(&session) else {
            return;
        };
        let ring = &mut self.rings[seat.ring];
        ring.members.retain(|member| *member != session);
        ring.caught_up -= usize::from(seat.cursor == ring.end());
        ring.forget_heard();
        if ring.members.is_empty() {
            *ring = Ring::default();
            self.by_stream.remove(&seat.stream);
            self.free.push(seat.ring);
        }
    }

    fn open_ring(&mut self, stream: Stream) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.rings.push(Ring::default());
            self.rings.len() - 1
        });
        self.by_stream.insert(stream, place);
        place
    }

    /// What waits for a session, in bytes.
    pub(crate) fn bytes_for(&self, session: SessionId) -> usize {
        let Some(seat) = self.seats.get(&session) else {
            return 0;
        };
        let ring = &self.rings[seat.ring];
        let heard = seat.cursor.saturating_sub(ring.base) as usize;
        let shared = ring.frames.iter().skip(heard).map(|f| f.bytes.len());
        shared.sum::<usize>() + seat.private_bytes
    }

    /// The streams that somebody hears.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.by_stream.keys()
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
        if let Some(place) = self.by_stream.get(stream) {
            self.rings[*place].push(
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
        let at = self.rings[seat.ring].end();
        let frame = PrivateFrame {
            bytes,
            gate,
            at,
            slot,
            is_free: seat.restarting,
        };
        seat.push(frame, self.durable, self.bytes_max);
    }

    /// Closes a session at once, after those frames sent so far that wait for no gate.
    pub(crate) fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.close_after(session, reason, 0);
    }

    /// Closes a session once record `gate` is durable, after what it is owed until then. It gets
    /// nothing that is sent from now on. The first reason stays.
    pub(crate) fn close_after(&mut self, session: SessionId, reason: CloseReason, gate: u64) {
        let Some(seat) = self.seats.get_mut(&session) else {
            return;
        };
        let at = self.rings[seat.ring].end();
        let closing = seat.closing.get_or_insert(Closing { reason, gate, at });
        closing.gate = closing.gate.min(gate);
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
        for ring in self.rings.iter_mut() {
            ring.dirty |= !ring.frames.is_empty();
        }
        for (id, seat) in &mut self.seats {
            if !seat.private.is_empty() || seat.closing.is_some() {
                mark_dirty(&mut self.dirty, *id, seat);
            }
        }
    }

    /// Drops every frame whose record is not durable: its event was rolled back.
    pub(crate) fn roll_back(&mut self) {
        let durable = self.durable;
        self.rings
            .iter_mut()
            .for_each(|ring| ring.roll_back(durable));
        self.seats
            .values_mut()
            .for_each(|seat| seat.roll_back(durable));
    }

    /// Every session may have something to take.
    pub(crate) fn mark_all_dirty(&mut self) {
        for ring in self.rings.iter_mut() {
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
        for ring in self.rings.iter_mut().filter(|ring| ring.dirty) {
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
        if !seat.lagged && seat.cursor < self.rings[seat.ring].base {
            seat.lag();
        }
        (seat.lagged && seat.closing.is_none()).then_some(seat.heard)
    }

    /// A lagged session starts anew at the ring's end; what brings it up to date is sent next, and
    /// does not count until [`Self::restarted`]: it would make the session lag again at once.
    /// Until it has taken that, and a frame of the ring behind it, it has heard of nothing more.
    pub(crate) fn restart(&mut self, session: SessionId) {
        let Some(seat) = self.seats.get_mut(&session) else {
            return;
        };
        let ring = &mut self.rings[seat.ring];
        ring.caught_up += usize::from(seat.cursor != ring.end());
        seat.cursor = ring.end();
        seat.lagged = false;
        seat.restarting = true;
        ring.forget_heard();
    }

    /// What brings a session up to date is sent.
    pub(crate) fn restarted(&mut self, session: SessionId) {
        if let Some(seat) = self.seats.get_mut(&session) {
            seat.restarting = false;
        }
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
        let ring = &mut self.rings[seat.ring];
        let done = match &seat.closing {
            Some(closing) if closing.gate <= self.durable => Taken::Close(closing.reason),
            _ => Taken::All,
        };
        if seat.lagged || seat.cursor < ring.base {
            return done;
        }
        let mut spent = 0;
        while let Some(next) = seat.next(ring) {
            let skip = next.bytes.is_empty() || next.except == Some(session);
            // A session that is closed at once waits for no gate.
            if next.gate > self.durable && !skip {
                return done;
            }
            if !skip {
                if spent > 0 && spent + next.bytes.len() > budget {
                    return Taken::More;
                }
                spent += next.bytes.len();
                out.push(next.bytes.clone());
            }
            seat.advance(ring);
        }
        done
    }

    /// Bytes that wait in all rings and queues; a shared frame counts once.
    pub(crate) fn bytes(&self) -> usize {
        self.rings.iter().map(|ring| ring.bytes).sum::<usize>()
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
