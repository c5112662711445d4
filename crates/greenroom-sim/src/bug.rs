//! Bugs that can be planted, to prove that the checkers see them. They sit in the simulator's own
//! models and in wrappers around the core's parts; the product knows nothing of them.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// The store answers an append before it is synced.
    AckBeforeSync,
    /// The store says that it synced a batch and did not.
    LostBatch,
    /// The store takes appends under a lease that is over.
    StaleLease,
    /// The store keeps the records of a commit in the wrong order.
    RecordsSwapped,
    /// The store trims a row too many.
    TrimTooFar,
    /// What a durable event sends leaves at once.
    GateOff,
    /// A snapshot claims one record more than it holds.
    SnapshotAhead,
    /// A room that is being closed is opened a second time.
    TwoInstances,
    /// A room says that it is ready before its documents are read.
    EmptyFirstSync,
    /// Nobody is told of the presence of a session that left.
    PresenceLeft,
    /// A relayed update is not journaled.
    NotJournaled,
    /// A deferred apply leaves an update out.
    DroppedApply,
    /// A session that fell behind is not brought up to date.
    LaggedForgotten,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 13] = [
        Self::AckBeforeSync,
        Self::LostBatch,
        Self::StaleLease,
        Self::RecordsSwapped,
        Self::TrimTooFar,
        Self::GateOff,
        Self::SnapshotAhead,
        Self::TwoInstances,
        Self::EmptyFirstSync,
        Self::PresenceLeft,
        Self::NotJournaled,
        Self::DroppedApply,
        Self::LaggedForgotten,
    ];
}
