//! Ephemeral state of a room. It is the room's, not the behaviour's: a rebuild leaves it alone.

use std::collections::{BTreeMap, VecDeque};

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
}

impl Debt {
    /// The peer begins a handshake, and its count anew: it is asked, and one receipt is due.
    pub fn begin(&mut self) {
        self.lost = 0;
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

    /// So many receipts are not due before the peer has sent again what it wrote.
    pub fn lose(&mut self, receipts: u32) {
        self.lost = self.lost.saturating_add(receipts);
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
