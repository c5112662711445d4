//! What waits to be sent: one ring of encoded frames per stream, a cursor and a small private queue
//! per session, and the output gate over both.
//!
//! A *stream* is what a set of sessions hear alike: a protocol, where it is about one document that
//! document, where it has addresses one address, and whether frames are compressed. A frame for the whole stream is encoded once and stored once, however many hear
//! it. A session takes its frames when its connection can write; until then they cost nothing
//! beyond the ring. The ring is bounded: a session whose next frame was dropped has *lagged*.
//!
//! The gate: a frame carries the seq of the record that must be durable before it leaves. Frames of
//! one session leave strictly in order, so that nothing overtakes a held acknowledgement.
//!
//! Beside that stand the *receipts* of a session: that a write of a Yjs peer is on stable storage,
//! and the questions whose answers are told apart by their order. They keep their own order, but hold
//! nobody up: what others edit needs not wait for a peer's own writes. A session that lags loses none.

mod by_session;
mod queues;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use greenroom_service::SessionId;

use super::behaviour::Slot;
use crate::close_reason::{CloseReason, Protocol};
use crate::limits::RECEIPTS_MAX;
use by_session::BySession;
use queues::{Closing, PrivateFrame, Receipt, Ring, RingFrame, Seat};

/// A set of sessions that hear the same frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// The wire format.
    pub(crate) protocol: Protocol,
    /// The document, where the protocol is about one.
    pub(crate) document: String,
    /// What its frames are addressed with, where the protocol has addresses.
    pub(crate) address: String,
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
    /// One per stream; those without members are free. A seat knows the place of its own.
    rings: Vec<Ring>,
    seats: BySession<Seat>,
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
        let place = self.place_of(stream);
        let ring = &mut self.rings[place];
        ring.members.push(session);
        ring.caught_up += 1;
        let seat = Seat::new(place, ring.end(), next_seq);
        self.seats.insert(session, seat);
    }

    /// Takes a session's place away, with all that waited for it.
    pub(crate) fn leave(&mut self, session: SessionId) {
        let Some(seat) = self.seats.remove(session) else {
            return;
        };
        let ring = &mut self.rings[seat.ring];
        ring.members.retain(|member| *member != session);
        ring.caught_up -= usize::from(seat.cursor == ring.end());
        ring.forget_heard();
    }

    /// The place of the stream's ring, which is made when nobody heard the stream yet.
    fn place_of(&mut self, stream: Stream) -> usize {
        let mut rings = self.rings.iter();
        let hears = |ring: &Ring| !ring.members.is_empty() && ring.stream == stream;
        if let Some(place) = rings.position(hears) {
            return place;
        }
        let ring = Ring::new(stream);
        match self.rings.iter().position(|ring| ring.members.is_empty()) {
            Some(place) => {
                self.rings[place] = ring;
                place
            }
            None => {
                self.rings.push(ring);
                self.rings.len() - 1
            }
        }
    }

    /// What waits for a session, in bytes.
    pub(crate) fn bytes_for(&self, session: SessionId) -> usize {
        let Some(seat) = self.seats.get(session) else {
            return 0;
        };
        let ring = &self.rings[seat.ring];
        let heard = seat.cursor.saturating_sub(ring.base) as usize;
        let shared = ring.frames.iter().skip(heard).map(|f| f.bytes.len());
        shared.sum::<usize>() + seat.private_bytes
    }

    /// The stream of a session.
    pub(crate) fn stream_of(&self, session: SessionId) -> Option<&Stream> {
        let seat = self.seats.get(session)?;
        Some(&self.rings[seat.ring].stream)
    }

    /// Sends an encoded frame to all members of each stream for which `encode` gives one, or to
    /// all but one session.
    pub(crate) fn broadcast(
        &mut self,
        mut encode: impl FnMut(&Stream) -> Option<Bytes>,
        stamp: Stamp,
        except: Option<SessionId>,
    ) {
        let heard = |ring: &&mut Ring| !ring.members.is_empty();
        for ring in self.rings.iter_mut().filter(heard) {
            if let Some(bytes) = encode(&ring.stream) {
                let frame = RingFrame {
                    bytes,
                    stamp,
                    except,
                };
                ring.push(frame, self.durable, self.bytes_max);
            }
        }
    }

    /// Sends an encoded frame to one session. With a `slot`, it replaces one that waits there.
    pub(crate) fn send(&mut self, session: SessionId, bytes: Bytes, gate: u64, slot: Option<Slot>) {
        let Some(seat) = self.seats.get_mut(session) else {
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
            order: seat.next_order(),
        };
        seat.push(frame, self.durable, self.bytes_max);
    }

    /// Sends an encoded frame that the session gets even when it lags; `is_of_write` says that it tells
    /// of a write.
    pub(crate) fn send_sure(
        &mut self,
        session: SessionId,
        bytes: Bytes,
        gate: u64,
        is_of_write: bool,
    ) {
        let Some(seat) = self.seats.get_mut(session) else {
            return;
        };
        if seat.closing.is_some() {
            return;
        }
        if seat.receipts.len() >= RECEIPTS_MAX {
            return self.close(session, CloseReason::Slow);
        }
        mark_dirty(&mut self.dirty, session, seat);
        let order = seat.next_order();
        seat.receipts.push_back(Receipt {
            bytes,
            gate,
            order,
            is_of_write,
        });
    }

    /// The session counts its writes anew: those before are covered by what it does next, and it is to
    /// hear of that only.
    pub(crate) fn forget_receipts(&mut self, session: SessionId) {
        if let Some(seat) = self.seats.get_mut(session) {
            seat.receipts.retain(|receipt| !receipt.is_of_write);
        }
    }

    /// Closes a session at once, after those frames sent so far that wait for no gate.
    pub(crate) fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.close_after(session, reason, 0);
    }

    /// Closes a session once record `gate` is durable, after what it is owed until then. It gets
    /// nothing that is sent from now on. The first reason stays.
    pub(crate) fn close_after(&mut self, session: SessionId, reason: CloseReason, gate: u64) {
        let Some(seat) = self.seats.get_mut(session) else {
            return;
        };
        let at = self.rings[seat.ring].end();
        let closing = seat.closing.get_or_insert(Closing { reason, gate, at });
        closing.gate = closing.gate.min(gate);
        mark_dirty(&mut self.dirty, session, seat);
    }

    /// Whether the session is to be closed.
    pub(crate) fn is_closing(&self, session: SessionId) -> bool {
        let seat = self.seats.get(session);
        seat.is_some_and(|seat| seat.closing.is_some())
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
        for (id, seat) in self.seats.iter_mut() {
            let waits = !seat.private.is_empty() || !seat.receipts.is_empty();
            if waits || seat.closing.is_some() {
                mark_dirty(&mut self.dirty, id, seat);
            }
        }
    }

    /// Drops every frame whose record is not durable: its event was rolled back. Gives the sessions
    /// that are owed receipts for writes which are lost by that, and how many.
    pub(crate) fn roll_back(&mut self) -> Vec<(SessionId, u32)> {
        let durable = self.durable;
        self.rings
            .iter_mut()
            .for_each(|ring| ring.roll_back(durable));
        let seats = self.seats.iter_mut();
        let lost = seats.map(|(id, seat)| (id, seat.roll_back(durable)));
        lost.filter(|(_, lost)| *lost > 0).collect()
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
            if let Some(seat) = self.seats.get_mut(*id) {
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
        let seat = self.seats.get_mut(session)?;
        if !seat.lagged && seat.cursor < self.rings[seat.ring].base {
            seat.lag();
        }
        (seat.lagged && seat.closing.is_none()).then_some(seat.heard)
    }

    /// A lagged session starts anew at the ring's end; what brings it up to date is sent next, and
    /// does not count until [`Self::restarted`]: it would make the session lag again at once.
    /// Until it has taken that, and a frame of the ring behind it, it has heard of nothing more.
    pub(crate) fn restart(&mut self, session: SessionId) {
        let Some(seat) = self.seats.get_mut(session) else {
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
        if let Some(seat) = self.seats.get_mut(session) {
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
        let Some(seat) = self.seats.get_mut(session) else {
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
        if !seat.receipts.is_empty() {
            seat.take_receipts(self.durable, out);
        }
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
            let step = next.step;
            seat.advance(ring, step);
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
