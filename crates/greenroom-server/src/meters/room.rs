//! The meters of one room: looked up when it is loaded, settled once per turn.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use greenroom_core::close_reason::Protocol;
use greenroom_core::room::hits::Hits;
use greenroom_core::room::{Room, Tally};
use greenroom_core::store::{StoreReply, StoreRequest};
use greenroom_service::RoomId;
use tokio::time::Instant;

use super::family::{Counter, Gauge, Histogram};
use super::table;
use crate::lifecycle;
use crate::spans;
use crate::traces::CommitSpan;

/// One turn in so many is timed: reading the clock and counting into histograms would cost a small
/// room a percent of its turn.
const SAMPLE_EVERY: u32 = 8;

/// What the rooms of one pattern and kind share.
#[derive(Debug)]
struct Series {
    sessions: &'static Gauge,
    loaded: &'static Gauge,
    notes: &'static Counter,
    load_seconds: &'static Histogram,
    mailbox_depth: &'static Histogram,
    ok: &'static Counter,
    refused: &'static Counter,
    faults: &'static Counter,
    event_seconds: &'static Histogram,
    ack_seconds: &'static Histogram,
    fanout_seconds: &'static Histogram,
    coalesced: &'static Counter,
}

impl Series {
    fn new(pattern: &str, kind: &str) -> Self {
        Self {
            sessions: table::SESSIONS.with(&[pattern, kind]),
            loaded: table::ROOMS_LOADED.with(&[pattern, kind]),
            notes: table::ROOM_NOTES.with(&[pattern]),
            load_seconds: table::ROOM_LOAD_SECONDS.with(&[pattern]),
            mailbox_depth: table::ROOM_MAILBOX_DEPTH.with(&[pattern]),
            ok: table::EVENTS.with(&[kind, "ok"]),
            refused: table::EVENTS.with(&[kind, "refused"]),
            faults: table::EVENTS.with(&[kind, "fault"]),
            event_seconds: table::EVENT_SECONDS.with(&[kind]),
            ack_seconds: table::ACK_SECONDS.with(&[pattern]),
            fanout_seconds: table::FANOUT_SECONDS.with(&[pattern]),
            // Nothing but awareness is told on a tick.
            coalesced: table::FRAMES_COALESCED.with(&[Protocol::Yjs.name()]),
        }
    }

    /// The series of this pattern and kind: one for all their rooms.
    fn of(pattern: &str, kind: &'static str) -> &'static Self {
        type All = BTreeMap<(String, &'static str), &'static Series>;
        static ALL: Mutex<All> = Mutex::new(BTreeMap::new());
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((pattern.to_owned(), kind))
            .or_insert_with(|| Box::leak(Box::new(Self::new(pattern, kind))))
    }
}

/// The meters of one room.
#[derive(Debug)]
pub(crate) struct RoomMeters {
    series: &'static Series,
    kind: &'static str,
    began: Instant,
    turns: u32,
    /// When this turn began, if it is timed.
    turn_began: Option<Instant>,
    /// When the first message of this turn was received.
    turn_heard: Option<Instant>,
    /// When the first message since the last append was received.
    append_heard: Option<Instant>,
    /// What was counted already.
    events: Tally,
    hits: Hits,
    sessions: usize,
}

impl RoomMeters {
    /// For a room that begins to load.
    pub(crate) fn new(pattern: &str, kind: &'static str) -> Self {
        let series = Series::of(pattern, kind);
        series.loaded.add(1.0);
        Self {
            series,
            kind,
            began: Instant::now(),
            turns: 0,
            turn_began: None,
            turn_heard: None,
            append_heard: None,
            events: Tally::default(),
            hits: Hits::default(),
            sessions: 0,
        }
    }

    /// The room is live.
    pub(crate) fn live(&self, room: &RoomId) {
        let took = self.began.elapsed();
        self.series.load_seconds.record(took.as_secs_f64());
        lifecycle::opened(room, self.kind);
    }

    /// A turn begins, with so many messages waiting.
    pub(crate) fn turn_begins(&mut self, waiting: usize) {
        if self.turns.is_multiple_of(SAMPLE_EVERY) {
            self.turn_began = Some(Instant::now());
            self.series.mailbox_depth.record(waiting as f64);
        }
        self.turns = self.turns.wrapping_add(1);
    }

    /// A message, which was received at `at`, is handled in this turn.
    pub(crate) fn heard(&mut self, at: Instant) {
        self.turn_heard.get_or_insert(at);
        self.append_heard.get_or_insert(at);
    }

    /// The room has handled what this turn had.
    pub(crate) fn handled(&mut self, room: &Room) {
        if *room.hits() != self.hits {
            self.count_hits(room.hits());
        }
        let now = room.tally();
        let new = now.since(self.events);
        if new == Tally::default() {
            return;
        }
        self.events = now;
        let Tally {
            ok,
            refused,
            faults,
        } = new;
        self.series.ok.increment(ok);
        if refused > 0 {
            self.series.refused.increment(refused);
        }
        if faults > 0 {
            self.series.faults.increment(faults);
        }
        if let Some(began) = self.turn_began {
            let events = ok + refused + faults;
            let mean = began.elapsed().as_secs_f64() / events as f64;
            self.series.event_seconds.record_many(mean, events);
        }
    }

    /// The store is asked: gives what takes in its reply.
    pub(crate) fn asked(
        &mut self,
        request: &StoreRequest,
    ) -> impl FnOnce(&StoreReply) + Send + 'static {
        let (heard, span) = match request {
            StoreRequest::Append(append) => {
                let heard = self.append_heard.take();
                (heard, Some(CommitSpan::begin(append, heard)))
            }
            _ => (None, None),
        };
        let ack_seconds = self.series.ack_seconds;
        move |reply| {
            if let Some(span) = span {
                span.end(reply);
            }
            if let Some(heard) = heard
                && *reply == StoreReply::Done
            {
                ack_seconds.record(heard.elapsed().as_secs_f64());
            }
        }
    }

    /// Tells the operator.
    pub(crate) fn note(&self, room: &RoomId, text: &str) {
        self.series.notes.increment(1);
        spans::room(room).in_scope(|| tracing::warn!(note = text, "noted"));
    }

    /// What this turn had to send was written.
    pub(crate) fn turn_ends(&mut self, room: &Room) {
        let heard = self.turn_heard.take();
        if self.turn_began.take().is_some()
            && let Some(heard) = heard
        {
            let took: Duration = heard.elapsed();
            self.series.fanout_seconds.record(took.as_secs_f64());
        }
        self.count_sessions(room.session_count());
    }

    fn count_hits(&mut self, now: &Hits) {
        for (limit, times) in now.limits() {
            let before = self.hits.limits().find(|(name, _)| *name == limit);
            let new = times - before.map_or(0, |(_, times)| times);
            if new > 0 {
                table::LIMIT_HITS.with(&[limit]).increment(new);
            }
        }
        let coalesced = now.coalesced() - self.hits.coalesced();
        self.series.coalesced.increment(coalesced);
        self.hits.clone_from(now);
    }

    fn count_sessions(&mut self, now: usize) {
        if now != self.sessions {
            self.series.sessions.add(now as f64 - self.sessions as f64);
            self.sessions = now;
        }
    }
}

impl Drop for RoomMeters {
    fn drop(&mut self) {
        self.count_sessions(0);
        self.series.loaded.add(-1.0);
    }
}
