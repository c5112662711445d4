//! How a room ends: commit what is left, keep snapshots when there is time, give up the lease.

use super::behaviour::Progress;
use super::commit::Asked;
use super::{Drain, Output, Phase, Room, Stopped};
use crate::close_reason::CloseReason;
use crate::store::StoreRequest;

#[derive(Debug)]
pub(super) struct Draining {
    why: Drain,
    prepared: bool,
    releasing: bool,
}

impl Room {
    pub(super) fn drain(&mut self, why: Drain) {
        match self.phase {
            Phase::Live => {}
            // Nothing is committed yet that is not on its way: the rest is in the peers' hands.
            Phase::Loading(_) if self.journal.is_settled() => {
                self.close_all(CloseReason::Shutdown);
                return self.stopped(Stopped::Drained);
            }
            Phase::Loading(_) => {
                self.drain_wanted = Some(why);
                return;
            }
            Phase::Draining(_) | Phase::Stopped => return,
        }
        self.close_all(CloseReason::Shutdown);
        self.phase = Phase::Draining(Draining {
            why,
            prepared: false,
            releasing: false,
        });
        self.submit_all();
        self.go_on_draining();
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
        if !self.journal.is_settled() || !self.snapshots.is_empty() || !self.asked.is_empty() {
            return;
        }
        let Phase::Draining(draining) = &mut self.phase else {
            return;
        };
        draining.releasing = true;
        match self.journal.lease {
            Some(lease) => {
                let room = self.config.id.clone();
                self.ask(Asked::Release, StoreRequest::Release { room, lease });
            }
            None => self.stopped(Stopped::Drained),
        }
    }

    /// The last output, after what the sessions are still owed.
    pub(super) fn stopped(&mut self, why: Stopped) {
        if matches!(self.phase, Phase::Stopped) {
            return;
        }
        self.phase = Phase::Stopped;
        self.behaviour = None;
        for session in self.outbox.take_dirty() {
            self.outputs.push_back(Output::Flush(session));
        }
        self.outputs.push_back(Output::Stopped(why));
    }
}
