//! Ephemeral state of a room. It is the room's, not the behaviour's: a rebuild leaves it alone.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use greenroom_service::SessionId;

use crate::collab::doc::awareness::Awareness;
use crate::collab::doc::update::StateVector;
use crate::limits::QUESTIONS_MAX;

/// What is known of who is here and what they do, newest wins, never journaled.
#[derive(Debug, Default)]
pub struct Presence {
    /// The awareness table of each Yjs document that has one.
    pub awareness: BTreeMap<String, Awareness>,
    /// The Yjs sync steps 1 that were not answered yet: a peer asks once and waits.
    pub unanswered: BTreeMap<SessionId, Asked>,
    /// What the sessions are owed that are told of their writes.
    pub debts: BTreeMap<SessionId, Debt>,
}

/// Which receipts a session is owed. Its peer counts what it has written and was told nothing of: a
/// handshake starts the count at one, each update adds one, each receipt takes one off. The answer
/// to a question of ours beyond the handshake it does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debt {
    /// How many receipts are due for the answer to each question that is open, oldest first: answers
    /// come in the order of the questions.
    asked: VecDeque<u32>,
    /// For writes that were lost here: due when the peer has sent them again.
    lost: u32,
    /// A write was refused: what was written since the handshake will not all be saved.
    refused: bool,
    /// How far the peer last asked, and how far it was told that all is saved: a peer that does not
    /// count receipts, but asks.
    probe: Option<Bytes>,
    told: Option<Bytes>,
}

impl Debt {
    /// The peer begins a handshake, and its count anew: it is asked, and one receipt is due.
    pub fn begin(&mut self) {
        (self.lost, self.refused) = (0, false);
        // What is on its way is dropped, and may not have become true.
        self.told = None;
        self.asked.iter_mut().for_each(|due| *due = 0);
        self.ask(1);
    }

    /// The peer is asked besides: its answer has all that was lost until now.
    pub fn ask_again(&mut self) {
        let lost = std::mem::take(&mut self.lost);
        self.ask(lost);
    }

    fn ask(&mut self, due: u32) {
        if self.asked.len() >= QUESTIONS_MAX {
            self.asked.pop_front();
        }
        self.asked.push_back(due);
    }

    /// The peer answered; gives how many receipts are due for that. One that was not asked is owed
    /// one as for any write.
    pub fn answered(&mut self) -> u32 {
        self.asked.pop_front().unwrap_or(1)
    }

    /// A write was refused.
    pub const fn refuse(&mut self) {
        self.refused = true;
    }

    /// The peer asks whether all is saved until there.
    pub fn probe(&mut self, version: Bytes) {
        self.probe = Some(version);
    }

    /// What to tell a peer that asked, once all records until now are on stable storage. While
    /// something of what it wrote is not here (it was refused, lost, or is still to come with the
    /// answer to a question), that is what it was told last, unless that came to nothing: it hears that
    /// we are there.
    pub fn saved_until(&mut self, writable: bool) -> Option<Bytes> {
        let is_all = writable && !self.refused && self.lost == 0 && self.asked.is_empty();
        if is_all {
            self.told.clone_from(&self.probe);
        }
        self.told.clone()
    }

    /// So many receipts are not due before the peer has sent again what it wrote.
    pub fn lose(&mut self, receipts: u32) {
        self.lost = self.lost.saturating_add(receipts);
        self.told = None;
    }
}

/// A sync step 1 that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What the peer has.
    pub vector: StateVector,
    /// The last record that was made before it asked: the answer has it, what comes later is
    /// relayed. A session that fell behind asks anew, and lacks what an older answer leaves out.
    pub seq: u64,
}
