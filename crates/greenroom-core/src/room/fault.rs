//! What a fault costs: the sender is closed and held off, the behaviour is built anew, and a room
//! that faults without one sender to blame is quarantined.

use std::collections::BTreeMap;

use greenroom_service::{Fault, Millis, Refuse};

use super::load::Load;
use super::{Output, Phase, Room, Source, Stopped};
use crate::close_reason::CloseReason;
use crate::limits::Limits;

/// Senders that are remembered; the oldest goes first. They are few: each cost a rebuild.
const HELD_OFF_MAX: usize = 1_000;

/// The faults of a room that still count.
#[derive(Debug, Default)]
pub(super) struct Faults {
    recent: Vec<(Millis, Option<String>)>,
    held_off: BTreeMap<String, Millis>,
}

impl Faults {
    pub(super) fn holds_off(&self, sender: &str, now: Millis) -> bool {
        self.held_off.get(sender).is_some_and(|until| *until > now)
    }

    fn hold_off(&mut self, sender: String, until: Millis) {
        self.held_off
            .retain(|_, other| until.since(*other) < 600_000);
        while self.held_off.len() >= HELD_OFF_MAX {
            let earliest = self.held_off.iter().min_by_key(|(_, until)| **until);
            let Some(earliest) = earliest.map(|(sender, _)| sender.clone()) else {
                break;
            };
            self.held_off.remove(&earliest);
        }
        self.held_off.insert(sender, until);
    }

    /// Counts a fault; whether the room is to be quarantined: too many within the window, and not
    /// all of them from one sender, which is held off anyway.
    fn count(&mut self, now: Millis, sender: Option<String>, limits: &Limits) -> bool {
        self.recent
            .retain(|(at, _)| now.since(*at) < limits.fault_window_ms);
        self.recent.push((now, sender));
        let several = self
            .recent
            .iter()
            .any(|(_, sender)| sender.is_none() || *sender != self.recent[0].1);
        several && self.recent.len() >= limits.faults_max
    }
}

impl Room {
    /// An event faulted; its behaviour is gone already.
    pub(super) fn fault(&mut self, source: Source<'_>, fault: &Fault) {
        self.tally.faults += 1;
        self.behaviour = None;
        self.outputs
            .push_back(Output::Note(format!("room fault: {}", fault.0)));
        let sender = match source {
            Source::Session(id) => {
                self.outbox.close(id, CloseReason::RoomFault);
                self.links.get(&id).map(|link| link.sender.clone())
            }
            Source::Outsider(link) => Some(link.sender.clone()),
            Source::Request(id, sender) => {
                let reason = "the request made the room fault, and changed nothing";
                self.refuse(id, Refuse::new("room_fault", reason));
                Some(sender.to_owned())
            }
            Source::Room => None,
        };
        if let Some(sender) = &sender {
            let until = self.now.plus(self.config.limits.fault_hold_off_ms);
            self.faults.hold_off(sender.clone(), until);
        }
        let too_many = self.faults.count(self.now, sender, &self.config.limits);
        match self.phase {
            Phase::Loading(_) => self.quarantine(fault.0.clone()),
            Phase::Live if too_many => self.quarantine(fault.0.clone()),
            Phase::Live => self.rebuild(),
            // What is committed is on its way already; there is nothing to rebuild for.
            Phase::Draining(_) | Phase::Stopped => {}
        }
    }

    /// Builds the behaviour anew from what is durable. What was submitted is awaited first, and
    /// what committed events recorded is submitted first.
    pub(super) fn rebuild(&mut self) {
        self.behaviour = None;
        self.drop_requests();
        self.phase = Phase::Loading(Load::rebuild());
        self.submit_all();
        self.go_on_loading();
    }

    /// Stops; nothing is written after this.
    pub(super) fn quarantine(&mut self, why: String) {
        self.stopped(Stopped::Quarantined(why));
    }

    pub(super) fn close_all(&mut self, reason: CloseReason) {
        let ids: Vec<_> = self.sessions.keys().copied().collect();
        for id in ids {
            self.outbox.close(id, reason);
        }
    }
}
