//! Ephemeral state of a room. It is the room's, not the behaviour's: a rebuild leaves it alone.

use std::collections::BTreeMap;

use greenroom_service::SessionId;

use crate::collab::doc::awareness::Awareness;
use crate::collab::doc::update::StateVector;

/// What is known of who is here and what they do, newest wins, never journaled.
#[derive(Debug, Default)]
pub struct Presence {
    /// The awareness table of each Yjs document that has one.
    pub awareness: BTreeMap<String, Awareness>,
    /// The Yjs sync steps 1 that were not answered yet: a peer asks once and waits.
    pub unanswered: BTreeMap<SessionId, Asked>,
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
