//! The ring of a stream and the seat of a session: what waits, in which order, at what cost.

use std::collections::VecDeque;

use bytes::Bytes;
use greenroom_service::SessionId;

use super::{Stamp, Stream};
use crate::close_reason::CloseReason;
use crate::room::behaviour::Slot;

/// What a frame that waits costs besides its bytes: small frames must not escape the limit.
const FRAME_BYTES: usize = 64;

#[derive(Debug)]
pub(super) struct RingFrame {
    pub(super) bytes: Bytes,
    pub(super) stamp: Stamp,
    pub(super) except: Option<SessionId>,
}

#[derive(Debug)]
pub(super) struct Ring {
    pub(super) stream: Stream,
    /// The position of the first frame in `frames`.
    pub(super) base: u64,
    pub(super) frames: VecDeque<RingFrame>,
    pub(super) bytes: usize,
    pub(super) members: Vec<SessionId>,
    /// How many members have their cursor at the end; when all have, the frames are dropped.
    pub(super) caught_up: usize,
    /// Members may have frames to take.
    pub(super) dirty: bool,
}

impl Ring {
    pub(super) const fn new(stream: Stream) -> Self {
        Self {
            stream,
            base: 0,
            frames: VecDeque::new(),
            bytes: 0,
            members: Vec::new(),
            caught_up: 0,
            dirty: false,
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.base + self.frames.len() as u64
    }

    pub(super) fn push(&mut self, frame: RingFrame, durable: u64, bytes_max: usize) {
        // One that is held is told of when its record is durable.
        self.dirty |= frame.stamp.gate <= durable;
        self.bytes += frame.bytes.len() + FRAME_BYTES;
        self.frames.push_back(frame);
        self.caught_up = 0;
        // The frame being written does not count: one that is larger than the limit still passes.
        while self.bytes > bytes_max && self.frames.len() > 1 {
            let first = self.frames.pop_front().expect("there are two");
            self.bytes -= first.bytes.len() + FRAME_BYTES;
            self.base += 1;
            // Somebody may have lagged by this.
            self.dirty = true;
        }
    }

    /// Drops the frames once every member has them.
    pub(super) fn forget_heard(&mut self) {
        if self.caught_up == self.members.len() {
            self.base = self.end();
            self.frames.clear();
            self.frames.shrink_to(16);
            self.bytes = 0;
        }
    }

    /// Takes back the frames that wait for more than `durable`. Cursors count positions, so that
    /// such a frame is emptied, not removed. The seqs of the records that are lost are given anew:
    /// nobody who takes an old frame has heard of those.
    pub(super) fn roll_back(&mut self, durable: u64) {
        for frame in &mut self.frames {
            frame.stamp.next_seq = frame.stamp.next_seq.min(durable + 1);
        }
        let lost = self.frames.iter_mut().filter(|f| f.stamp.gate > durable);
        for frame in lost {
            self.bytes -= frame.bytes.len();
            frame.bytes = Bytes::new();
            frame.stamp.gate = 0;
        }
    }
}

/// A frame for one session alone. It stands between the ring's frames by its position.
#[derive(Debug)]
pub(super) struct PrivateFrame {
    pub(super) bytes: Bytes,
    pub(super) gate: u64,
    pub(super) at: u64,
    pub(super) slot: Option<Slot>,
    /// It does not count against the limit.
    pub(super) is_free: bool,
    /// Among all frames for this session alone.
    pub(super) order: u64,
}

/// A frame for one session alone that holds up no other, and is not lost when the session lags.
#[derive(Debug)]
pub(super) struct Receipt {
    pub(super) bytes: Bytes,
    pub(super) gate: u64,
    /// Among all frames for this session alone.
    pub(super) order: u64,
    /// It says that a write is on stable storage.
    pub(super) is_of_write: bool,
}

impl PrivateFrame {
    /// What it costs, as far as that counts against the limit.
    fn counted(&self) -> usize {
        if self.is_free || self.is_answer() {
            0
        } else {
            self.bytes.len() + FRAME_BYTES
        }
    }

    /// Whether it is of an answer to a sync step 1.
    fn is_answer(&self) -> bool {
        matches!(self.slot, Some(Slot::SyncAnswer | Slot::SyncPart(_)))
    }
}

/// A session is to be closed.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) reason: CloseReason,
    /// Once this record is durable.
    pub(super) gate: u64,
    /// It gets the frames of the ring up to this position.
    pub(super) at: u64,
}

/// What a seat's session gets next.
#[derive(Debug)]
pub(super) struct Next<'a> {
    pub(super) bytes: &'a Bytes,
    pub(super) gate: u64,
    pub(super) except: Option<SessionId>,
    pub(super) step: Step,
}

/// How a seat comes behind what it got.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Private,
    /// It has heard then of all records before this one.
    Shared {
        next_seq: u64,
    },
}

#[derive(Debug)]
pub(super) struct Seat {
    /// The place of its stream's ring.
    pub(super) ring: usize,
    pub(super) cursor: u64,
    pub(super) private: VecDeque<PrivateFrame>,
    pub(super) private_bytes: usize,
    pub(super) receipts: VecDeque<Receipt>,
    /// How many frames were for it alone.
    pub(super) orders: u64,
    /// The first record of which it has not heard; 0 when it has to hear everything.
    pub(super) heard: u64,
    pub(super) dirty: bool,
    pub(super) lagged: bool,
    /// It is being brought up to date.
    pub(super) restarting: bool,
    pub(super) closing: Option<Closing>,
}

impl Seat {
    pub(super) const fn new(ring: usize, cursor: u64, heard: u64) -> Self {
        Self {
            ring,
            cursor,
            private: VecDeque::new(),
            private_bytes: 0,
            receipts: VecDeque::new(),
            orders: 0,
            heard,
            dirty: false,
            lagged: false,
            restarting: false,
            closing: None,
        }
    }

    /// The place of a new frame among those for this session alone.
    pub(super) fn next_order(&mut self) -> u64 {
        self.orders += 1;
        self.orders
    }

    /// Takes a frame in, or lags when too much waits.
    pub(super) fn push(&mut self, frame: PrivateFrame, durable: u64, bytes_max: usize) {
        if frame.slot == Some(Slot::SyncPart(0)) {
            let is_part = |f: &PrivateFrame| matches!(f.slot, Some(Slot::SyncPart(_)));
            self.private.retain(|waiting| !is_part(waiting));
        }
        if let Some(place) = self.replaced(&frame, durable) {
            let replaced = self.private.remove(place).expect("found there");
            self.private_bytes -= replaced.counted();
        }
        let counted = frame.counted();
        if counted > 0 && self.private_bytes > 0 && self.private_bytes + counted > bytes_max {
            return self.lag();
        }
        self.private_bytes += counted;
        self.private.push_back(frame);
    }

    /// Which frame of the same slot a new one replaces. A frame that leaves earlier than the new
    /// one stays, but only one: where every frame came before the last was durable, none would ever
    /// leave otherwise.
    fn replaced(&self, new: &PrivateFrame, durable: u64) -> Option<usize> {
        // The first part has replaced all others.
        if matches!(new.slot, None | Some(Slot::SyncPart(_))) {
            return None;
        }
        let waiting = self.private.iter().enumerate();
        let mut same = waiting.rev().filter(|(_, frame)| frame.slot == new.slot);
        let (place, newest) = same.next()?;
        let leaves_later = new.gate > durable && new.gate > newest.gate;
        (!leaves_later || same.next().is_some()).then_some(place)
    }

    /// It cannot be told all that waits for it.
    pub(super) fn lag(&mut self) {
        self.lagged = true;
        if self.private.iter().any(PrivateFrame::is_answer) {
            self.heard = 0;
        }
        self.private.clear();
        self.private_bytes = 0;
    }

    /// Takes back the frames that wait for more than `durable`. A close that does is undone as
    /// well; but the session got nothing since, so that it has to come back. Gives how many writes
    /// are lost of which it was to be told; a question stands, since it will be answered.
    pub(super) fn roll_back(&mut self, durable: u64) -> u32 {
        self.heard = self.heard.min(durable + 1);
        self.private.retain(|frame| frame.gate <= durable);
        self.private_bytes = self.private.iter().map(PrivateFrame::counted).sum();
        if let Some(closing) = self.closing.as_mut().filter(|c| c.gate > durable) {
            closing.reason = CloseReason::RoomFault;
            closing.gate = 0;
        }
        let before = self.receipts.len();
        self.receipts
            .retain(|receipt| !receipt.is_of_write || receipt.gate <= durable);
        self.receipts
            .iter_mut()
            .for_each(|r| r.gate = r.gate.min(durable));
        (before - self.receipts.len()) as u32
    }

    /// What comes next: private frames stand before the ring's frame at their position.
    pub(super) fn next<'a>(&'a self, ring: &'a Ring) -> Option<Next<'a>> {
        if let Some(frame) = self.private.front().filter(|f| f.at <= self.cursor) {
            return Some(Next {
                bytes: &frame.bytes,
                gate: frame.gate,
                except: None,
                step: Step::Private,
            });
        }
        let ends = self.closing.as_ref().is_some_and(|c| c.at <= self.cursor);
        let frame = ring.frames.get((self.cursor - ring.base) as usize);
        frame.filter(|_| !ends).map(|frame| Next {
            bytes: &frame.bytes,
            gate: frame.stamp.gate,
            except: frame.except,
            step: Step::Shared {
                next_seq: frame.stamp.next_seq,
            },
        })
    }

    /// Takes the receipts that may leave. What this session alone was sent before one of them, and may
    /// leave as well, goes before it.
    #[cold]
    pub(super) fn take_receipts(&mut self, durable: u64, out: &mut Vec<Bytes>) {
        while let Some(receipt) = self.receipts.pop_front_if(|r| r.gate <= durable) {
            let order = receipt.order;
            let is_before = |f: &mut PrivateFrame| f.order < order && f.gate <= durable;
            while self.private.front().is_some_and(|f| f.at <= self.cursor)
                && let Some(frame) = self.private.pop_front_if(is_before)
            {
                self.private_bytes -= frame.counted();
                out.push(frame.bytes);
            }
            out.push(receipt.bytes);
        }
    }

    /// What [`Self::next`] gave with this step is taken.
    pub(super) fn advance(&mut self, ring: &mut Ring, step: Step) {
        match step {
            Step::Private => {
                let frame = self.private.pop_front().expect("looked at");
                self.private_bytes -= frame.counted();
            }
            Step::Shared { next_seq } => {
                self.heard = next_seq;
                self.cursor += 1;
                if self.cursor == ring.end() {
                    ring.caught_up += 1;
                    ring.forget_heard();
                }
            }
        }
    }
}
