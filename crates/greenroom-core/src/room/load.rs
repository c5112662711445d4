//! How a room comes to live, at first and after a fault: lease, snapshots, journal, behaviour.

use std::collections::BTreeMap;

use greenroom_service::{Halt, Start};

use super::behaviour::{Past, Progress};
use super::job::{ComputeId, JobDone};
use super::{Output, Phase, Room, Source, Stopped};
use crate::store::envelope::{decode_row, open_snapshot};
use crate::store::{Acquired, Part, Row, Snapshot, StoreError, StoreReply, StoreRequest};

/// Rows that are read at a time, in bytes.
const READ_BYTES: usize = 4 << 20;

/// What the room waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Lease,
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
    past: Past,
}

impl Load {
    pub(super) fn first() -> Self {
        Self {
            step: Step::Lease,
            why: Start::Created,
            past: Past::default(),
        }
    }

    pub(super) fn rebuild() -> Self {
        Self {
            step: Step::Settle,
            why: Start::Rebuilt,
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
        let Phase::Loading(load) = &mut self.phase else {
            return;
        };
        self.known_to_store = acquired.meta.is_some();
        if self.known_to_store {
            load.why = Start::Woken;
            load.step = Step::Snapshots;
            let room = self.config.id.clone();
            self.ask(super::commit::Asked::Load, StoreRequest::Snapshots { room });
        } else {
            load.step = Step::Behaviour;
            self.load_behaviour();
        }
    }

    /// After a fault: goes on once nothing is under way any more.
    pub(super) fn go_on_loading(&mut self) {
        let Phase::Loading(load) = &mut self.phase else {
            return;
        };
        if load.step != Step::Settle || !self.journal.is_settled() {
            return;
        }
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
            self.now = self.now.max(decoded.time);
            let numbered = decoded.records.into_iter().zip(row.first_seq..);
            load.past
                .records
                .extend(numbered.map(|(record, seq)| (seq, record)));
        }
        let next = load.past.records.last().map_or(1, |(seq, _)| seq + 1);
        if more {
            return self.read_rows(next);
        }
        let snapshots = load.past.snapshots.iter();
        let newest = snapshots.map(|(_, seq, _)| *seq).max().unwrap_or(0);
        let first = load.past.records.first().map_or(next, |(seq, _)| *seq);
        if first > 1 && load.past.snapshots.is_empty() {
            return self.damaged(format!(
                "the journal starts at seq {first} without a snapshot"
            ));
        }
        load.past.head = newest.max(next - 1);
        load.step = Step::Behaviour;
        self.load_behaviour();
    }

    fn load_behaviour(&mut self) {
        let Phase::Loading(load) = &mut self.phase else {
            return;
        };
        let past = std::mem::take(&mut load.past);
        let head = past.head.max(self.journal.head());
        self.journal.reset_head(head);
        self.outbox.set_durable(head);
        let behaviour = (self.factory)(&self.config.id);
        self.kind = behaviour.kind();
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
        if let Some(why) = self.drain_wanted.take() {
            self.drain(why);
        }
    }

    pub(super) fn compute_done(&mut self, id: ComputeId, done: JobDone) {
        let progress = self.event(Source::Room, |b, cx| {
            b.compute_done(id, done, cx).map_err(Halt::Fault)
        });
        if progress != Some(Progress::Ready) {
            return;
        }
        match self.phase {
            Phase::Loading(_) => self.behaviour_ready(),
            Phase::Draining(_) => self.go_on_draining(),
            Phase::Live | Phase::Stopped => {}
        }
    }

    fn load_failed(&mut self, error: StoreError) {
        match error {
            StoreError::Held(_) | StoreError::Fenced => self.stopped(Stopped::Moved),
            StoreError::Damaged(what) => self.damaged(what),
            StoreError::Full | StoreError::ReadOnly | StoreError::Io(_) => {
                self.close_all(crate::close_reason::CloseReason::RoomFault);
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
