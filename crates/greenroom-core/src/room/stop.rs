//! How a room ends: commit what is left, keep snapshots when there is time, give up the lease.

use super::behaviour::Progress;
use super::commit::Asked;
use super::{Drain, Output, Phase, Room, Stopped};
use crate::close_reason::CloseReason;
use crate::hooks::{Event, Mark, Unloaded};
use crate::store::{StoreReply, StoreRequest};

#[derive(Debug)]
pub(super) struct Draining {
    why: Drain,
    prepared: bool,
    /// That it ends is in the queue of the hooks, if they want to know.
    marked: bool,
    releasing: bool,
}

impl Room {
    pub(super) fn drain(&mut self, why: Drain) {
        let prepared = match self.phase {
            Phase::Live => false,
            // Nothing is committed that is not on its way: the rest is in the peers' hands.
            Phase::Loading(_) if self.journal.lease.is_some() && self.journal.is_settled() => {
                self.behaviour = None;
                self.asked.retain(|(_, asked)| *asked != Asked::Load);
                true
            }
            // What was asked for decides what has to be given up.
            Phase::Loading(_) => {
                self.drain_wanted = Some(why);
                return;
            }
            Phase::Draining(_) | Phase::Stopped => return,
        };
        self.close_all(CloseReason::Shutdown);
        self.phase = Phase::Draining(Draining {
            why,
            prepared,
            marked: false,
            releasing: false,
        });
        self.submit_all();
        self.go_on_draining();
    }

    /// Drains if that was wanted while it could not be done; whether it was.
    pub(super) fn drains_now(&mut self) -> bool {
        let why = self.drain_wanted.take();
        why.map(|why| self.drain(why)).is_some()
    }

    /// Goes on once what it waited for has come.
    pub(super) fn go_on_draining(&mut self) {
        let Phase::Draining(draining) = &mut self.phase else {
            return;
        };
        if draining.releasing {
            return;
        }
        if !draining.prepared {
            draining.prepared = true;
            // A process that stops leaves compaction to the next start: it has a deadline.
            if draining.why == Drain::Unload {
                let progress = self.event(super::Source::Room, |b, cx| Ok(b.prepare_stop(cx)));
                if progress == Some(Progress::Working) {
                    if let Phase::Draining(draining) = &mut self.phase {
                        draining.prepared = false;
                    }
                    return;
                }
            }
        }
        self.submit_all();
        let is_settled = self.journal.is_settled() && self.snapshots.is_empty();
        if !is_settled || !self.drafts.is_empty() || !self.asked.is_empty() {
            return;
        }
        let Phase::Draining(draining) = &mut self.phase else {
            return;
        };
        if !draining.marked && self.config.hooks.unloads && self.was_joined {
            draining.marked = true;
            let why = draining.why;
            return self.mark_unload(why);
        }
        draining.releasing = true;
        let lease = self.journal.lease.expect("it has come to live under one");
        let room = self.config.id.clone();
        self.ask(Asked::Release, StoreRequest::Release { room, lease });
    }

    /// Puts into the durable queue that the room is unloaded.
    fn mark_unload(&mut self, why: Drain) {
        let mark = Mark {
            room: self.config.id.clone(),
            at: self.now,
            event: Event::Unloaded {
                seq: self.journal.durable(),
                why: match why {
                    Drain::Unload => Unloaded::Idle,
                    Drain::Shutdown => Unloaded::Shutdown,
                },
            },
        };
        let items = vec![mark.encode()];
        self.ask(Asked::Unloaded, StoreRequest::Enqueue { items });
    }

    pub(super) fn unload_marked(&mut self, reply: &StoreReply) {
        if let StoreReply::Failed(error) = reply {
            let note = format!("no hook will hear of its unloading: {error}");
            self.outputs.push_back(Output::Note(note));
        }
        self.go_on_draining();
    }

    /// Whether the room is giving its lease up: nothing may be written any more.
    pub(super) fn is_releasing(&self) -> bool {
        matches!(&self.phase, Phase::Draining(draining) if draining.releasing)
    }

    /// The last output, after what the sessions are still owed.
    pub(super) fn stopped(&mut self, why: Stopped) {
        if matches!(self.phase, Phase::Stopped) {
            return;
        }
        self.close_all(match why {
            Stopped::Drained => CloseReason::Shutdown,
            Stopped::Deleted => CloseReason::Deleted,
            Stopped::Moved => CloseReason::Moved,
            Stopped::Quarantined(_) | Stopped::StoreFailed(_) | Stopped::NoFirstContent(_) => {
                CloseReason::RoomFault
            }
        });
        self.phase = Phase::Stopped;
        self.behaviour = None;
        let flushes = std::mem::take(&mut self.flushes).chain(self.outbox.take_dirty());
        self.outputs.extend(flushes.map(Output::Flush));
        self.outputs.push_back(Output::Stopped(why));
    }
}
