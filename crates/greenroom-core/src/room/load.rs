//! How a room comes to live, at first and after a fault: lease, snapshots, journal, behaviour.

use std::collections::BTreeMap;

use greenroom_service::{Halt, Start};

use super::behaviour::{Past, Progress};
use super::job::{ComputeId, JobDone};
use super::{Output, Phase, Room, Source, Stopped};
use crate::collab::doc::document::document_record;
use crate::collab::doc::gate::CheckedUpdate;
use crate::store::envelope::{decode_row, open_snapshot};
use crate::store::{Acquired, Part, Row, Snapshot, StoreError, StoreReply, StoreRequest};

/// Rows that are read at a time, in bytes.
const READ_BYTES: usize = 4 << 20;

/// What the room waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Lease,
    /// What it is to hold at first.
    FirstContent,
    /// Appends that were submitted before a rebuild.
    Settle,
    Snapshots,
    Rows,
    Behaviour,
}

#[derive(Debug)]
pub(super) struct Load {
    step: Step,
    why: Start,
    /// The kind that wrote what is stored; empty when nothing is.
    kind: String,
    past: Past,
}

impl Load {
    pub(super) fn first() -> Self {
        Self {
            step: Step::Lease,
            why: Start::Created,
            kind: String::new(),
            past: Past::default(),
        }
    }

    pub(super) fn rebuild() -> Self {
        Self {
            step: Step::Settle,
            why: Start::Rebuilt,
            kind: String::new(),
            past: Past::default(),
        }
    }

    pub(super) fn is_rebuild(&self) -> bool {
        self.why == Start::Rebuilt
    }
}

impl Room {
    pub(super) fn acquire(&mut self) {
        let request = StoreRequest::Acquire {
            room: self.config.id.clone(),
            node: self.config.node,
        };
        self.ask(super::commit::Asked::Load, request);
    }

    /// A reply for the load has come.
    pub(super) fn loaded(&mut self, reply: StoreReply) {
        let Phase::Loading(load) = &mut self.phase else {
            return;
        };
        match (load.step, reply) {
            (Step::Lease, StoreReply::Acquired(acquired)) => self.acquired(&acquired),
            (Step::Snapshots, StoreReply::Snapshots(snapshots)) => {
                let incarnation = self.journal.lease.expect("acquired").incarnation;
                let sound = sound_snapshots(&snapshots, incarnation);
                for (part, generations) in &sound.generations {
                    self.generations.insert(part.clone(), *generations);
                }
                for note in sound.notes {
                    self.outputs.push_back(Output::Note(note));
                }
                load.past.snapshots = sound.newest;
                load.step = Step::Rows;
                self.read_rows(1);
            }
            (Step::Rows, StoreReply::Rows { rows, more }) => self.rows_read(&rows, more),
            (_, StoreReply::Failed(error)) => self.load_failed(error),
            (step, reply) => {
                let what = format!("store answered {reply:?} at {step:?}");
                self.stopped(Stopped::StoreFailed(what));
            }
        }
    }

    fn acquired(&mut self, acquired: &Acquired) {
        self.journal.start(acquired.lease, acquired.head);
        self.outbox.set_durable(acquired.head);
        if self.drains_now() {
            return;
        }
        let Phase::Loading(load) = &mut self.phase else {
            return;
        };
        self.known_to_store = acquired.meta.is_some();
        if let Some(meta) = &acquired.meta {
            load.why = Start::Woken;
            load.kind.clone_from(&meta.kind);
            self.meta.start(meta);
            self.read_snapshots();
        } else if self.config.hooks.first_content {
            load.step = Step::FirstContent;
            self.outputs.push_back(Output::FirstContent);
        } else {
            load.step = Step::Behaviour;
            self.load_behaviour();
        }
    }

    /// What the room is to hold at first. It is stored before anybody is let in, and then read as
    /// any past.
    pub(super) fn first_content(&mut self, found: Result<Option<CheckedUpdate>, String>) {
        let Phase::Loading(load) = &mut self.phase else {
            return;
        };
        if load.step != Step::FirstContent {
            return;
        }
        match found {
            Err(why) => self.stopped(Stopped::NoFirstContent(why)),
            Ok(None) => {
                load.step = Step::Behaviour;
                self.load_behaviour();
            }
            Ok(Some(update)) => {
                load.step = Step::Settle;
                self.kind = (self.factory)(&self.config.id).kind();
                self.journal
                    .push(document_record("", &update.bytes), self.now);
                // Whoever gave it need not be told of it.
                self.marks.know("", self.journal.head());
                self.submit_all();
            }
        }
    }

    /// After a fault: goes on once nothing is under way any more.
    pub(super) fn go_on_loading(&mut self) {
        let settling = matches!(&self.phase, Phase::Loading(load) if load.step == Step::Settle);
        if settling && self.journal.is_settled() && !self.drains_now() {
            self.read_snapshots();
        }
    }

    fn read_snapshots(&mut self) {
        let Phase::Loading(load) = &mut self.phase else {
            return;
        };
        load.step = Step::Snapshots;
        let room = self.config.id.clone();
        self.ask(super::commit::Asked::Load, StoreRequest::Snapshots { room });
    }

    fn read_rows(&mut self, from_seq: u64) {
        let room = self.config.id.clone();
        let request = StoreRequest::Read {
            room,
            from_seq,
            bytes_max: READ_BYTES,
        };
        self.ask(super::commit::Asked::Load, request);
    }

    fn rows_read(&mut self, rows: &[Row], more: bool) {
        let incarnation = self.journal.lease.expect("acquired").incarnation;
        let Phase::Loading(load) = &mut self.phase else {
            return;
        };
        for row in rows {
            let last = load.past.records.last().map(|(seq, _)| *seq);
            let decoded = match decode_row(&row.data, incarnation, row.first_seq) {
                Ok(decoded) if last.is_none_or(|last| last + 1 == row.first_seq) => decoded,
                Ok(_) => return self.damaged(format!("seq {} does not follow", row.first_seq)),
                Err(error) => {
                    return self.damaged(format!("row at seq {}: {error}", row.first_seq));
                }
            };
            // The clock may be behind what is journaled; from then on time goes on at its pace.
            self.ahead_ms += decoded.time.since(self.now);
            self.now = self.now.max(decoded.time);
            let numbered = decoded.records.into_iter().zip(row.first_seq..);
            load.past
                .records
                .extend(numbered.map(|(record, seq)| (seq, record)));
        }
        let last = load.past.records.last().map_or(0, |(seq, _)| *seq);
        if more && rows.is_empty() {
            let what = "the store has more rows and gives none".into();
            return self.stopped(Stopped::StoreFailed(what));
        }
        if more {
            return self.read_rows(last + 1);
        }
        let covered = load.past.snapshots.iter().map(|(_, seq, _)| *seq);
        let (oldest, newest) = (
            covered.clone().min().unwrap_or(0),
            covered.max().unwrap_or(0),
        );
        let first = load.past.records.first().map_or(last + 1, |(seq, _)| *seq);
        load.past.head = newest.max(last);
        if first > oldest + 1 {
            let what = format!("the journal starts at seq {first}, snapshots reach to {oldest}");
            return self.damaged(what);
        }
        if load.past.head < self.journal.head() {
            let what = format!("seq {last} is the last, not {}", self.journal.head());
            return self.damaged(what);
        }
        load.step = Step::Behaviour;
        self.load_behaviour();
    }

    fn load_behaviour(&mut self) {
        let Phase::Loading(load) = &mut self.phase else {
            return;
        };
        let past = std::mem::take(&mut load.past);
        let behaviour = (self.factory)(&self.config.id);
        self.kind = behaviour.kind();
        // Another kind would not know what to keep when it trims the journal.
        if !load.kind.is_empty() && load.kind != self.kind {
            let (was, is) = (&load.kind, self.kind);
            let why = format!("the room was a {was} room, and is to be a {is} room");
            return self.quarantine(why);
        }
        let head = past.head.max(self.journal.head());
        self.journal.reset_head(head);
        self.outbox.set_durable(head);
        self.behaviour = Some(behaviour);
        let progress = self.event(Source::Room, |b, cx| b.load(past, cx).map_err(Halt::Fault));
        if progress == Some(Progress::Ready) {
            self.behaviour_ready();
        }
    }

    fn behaviour_ready(&mut self) {
        let Phase::Loading(load) = &self.phase else {
            return;
        };
        let why = load.why;
        self.phase = Phase::Live;
        self.next_wake = self
            .behaviour
            .as_ref()
            .and_then(|behaviour| behaviour.next_wake());
        if self.sessions.is_empty() {
            self.idle_at = Some(self.now.plus(self.config.limits.room_idle_ms));
        }
        self.event(Source::Room, |b, cx| b.start(why, cx));
        self.outbox.mark_all_dirty();
    }

    pub(super) fn compute_done(&mut self, id: ComputeId, done: JobDone) {
        if self.is_releasing() {
            return;
        }
        let progress = self.event(Source::Room, |b, cx| {
            b.compute_done(id, done, cx).map_err(Halt::Fault)
        });
        match (&self.phase, progress) {
            (Phase::Loading(_), Some(Progress::Ready)) => self.behaviour_ready(),
            // Also after a fault: then there is nothing left to wait for.
            (Phase::Draining(_), Some(Progress::Ready) | None) => self.go_on_draining(),
            _ => {}
        }
    }

    fn load_failed(&mut self, error: StoreError) {
        match error {
            StoreError::Held(_) | StoreError::Fenced => self.stopped(Stopped::Moved),
            StoreError::Damaged(what) => self.damaged(what),
            StoreError::Full
            | StoreError::ReadOnly
            | StoreError::VersionTaken
            | StoreError::VersionsFull
            | StoreError::VersionMissing
            | StoreError::Io(_) => {
                self.stopped(Stopped::StoreFailed(error.to_string()));
            }
        }
    }

    fn damaged(&mut self, what: String) {
        self.quarantine(format!("what is stored of this room is damaged: {what}"));
    }
}

struct SoundSnapshots {
    newest: Vec<(Part, u64, bytes::Bytes)>,
    generations: BTreeMap<Part, super::commit::Generations>,
    notes: Vec<String>,
}

/// Takes the newest sound snapshot of each part; a damaged one is passed over for the older.
fn sound_snapshots(snapshots: &[Snapshot], incarnation: u128) -> SoundSnapshots {
    let mut found = SoundSnapshots {
        newest: Vec::new(),
        generations: BTreeMap::new(),
        notes: Vec::new(),
    };
    for snapshot in snapshots {
        match open_snapshot(&snapshot.data, incarnation, snapshot.seq) {
            Ok(data) => {
                let generations = found.generations.entry(snapshot.part.clone()).or_default();
                if generations.newest == 0 {
                    generations.newest = snapshot.seq;
                    found
                        .newest
                        .push((snapshot.part.clone(), snapshot.seq, data));
                } else {
                    generations.older = snapshot.seq;
                }
            }
            Err(error) => found.notes.push(format!(
                "snapshot of {} at seq {} is damaged, an older one is used: {error}",
                snapshot.part.name(),
                snapshot.seq
            )),
        }
    }
    found
}
