//! Every maximum of the product, with its unit and its reason. The configuration may change the
//! values of [`Limits`]; the constants are part of a format or of a promise.

/// The settable limits. Sizes in bytes, times in milliseconds, as the names say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A frame from a `/yjs` peer: an offline editor brings its whole document back in one.
    pub yjs_frame_bytes_max: usize,
    /// A frame from any other peer of ours: presence, events, service messages.
    pub native_frame_bytes_max: usize,
    /// Fragments that one message may come in.
    pub frame_fragments_max: usize,
    /// A document: its snapshot and the updates since. Beyond it no edit is accepted.
    pub document_bytes_max: usize,
    /// Named documents in one room: each has a snapshot, a shadow and a part in the store.
    pub documents_max: usize,
    /// The name of a document, in bytes of UTF-8.
    pub document_name_bytes_max: usize,
    /// Awareness entries in one update: one per tab that the sender knows of.
    pub awareness_entries_max: usize,
    /// One awareness state, its JSON.
    pub awareness_state_bytes_max: usize,
    /// Client ids that one session may own: a provider with many sub-documents has one each.
    pub awareness_owned_max: usize,
    /// Entries in one document's awareness table, tombstones included: each join and each renewal
    /// walks it.
    pub awareness_table_max: usize,
    /// Updates whose causes are unknown, per document: legal only until the sender's handshake ends.
    pub pending_bytes_max: usize,
    /// Such updates, per document: each later update is held against each of them.
    pub parked_updates_max: usize,
    /// Connections in one room.
    pub room_connections_max: usize,
    /// Inputs that wait for one room; beyond it the senders wait.
    pub room_mailbox_max: usize,
    /// Unsent bytes for one session behind the frame being written; beyond it the session is
    /// brought up to date at once or closed as slow.
    pub outbox_bytes_max: usize,
    /// Inputs handled in one turn of a room, before what they caused is sent.
    pub turn_inputs_max: usize,
    /// Records wait this long for company before they are committed, when nobody waits for them.
    pub commit_window_ms: u64,
    /// Records are committed at once when so many bytes wait.
    pub commit_bytes_max: usize,
    /// Updates since the last snapshot after which a document is compacted.
    pub compact_updates_max: usize,
    /// Bytes since the last snapshot after which a document is compacted, unless the snapshot is
    /// larger: then as many as it has.
    pub compact_bytes_min: usize,
    /// A room without sessions is unloaded after this.
    pub room_idle_ms: u64,
    /// A session that made its room fault is kept out for this long.
    pub fault_hold_off_ms: u64,
    /// Faults are counted over this long.
    pub fault_window_ms: u64,
    /// Faults of different sessions within the window after which the room is quarantined.
    pub faults_max: usize,
    /// Durable timers of one room.
    pub timers_max: usize,
    /// Tasks of one room that run at a time.
    pub tasks_max: usize,
    /// Durable entries of one room, keys and values together.
    pub entries_bytes_max: usize,
    /// Presence of one session.
    pub presence_bytes_max: usize,
    /// Presence changes of a room are told together, at most this often.
    pub presence_tick_ms: u64,
    /// What a room may send of presence, to all its sessions together: the tick grows until it
    /// keeps to that.
    pub presence_bytes_per_s_max: usize,
    /// A ping is sent to a silent peer after this.
    pub ping_interval_ms: u64,
    /// A peer without any frame for this long is gone.
    pub peer_dead_ms: u64,
    /// A `/yjs` peer gets some message at least this often: its watchdog ends a connection that
    /// was silent for 30 s, and counts no ping.
    pub yjs_keep_alive_ms: u64,
    /// Messages per second from one connection; excess delays reading and never closes.
    pub messages_per_s_max: u32,
    /// Messages that may come at once before the rate counts.
    pub messages_burst_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            yjs_frame_bytes_max: 16 << 20,
            native_frame_bytes_max: 1 << 20,
            frame_fragments_max: 128,
            document_bytes_max: 64 << 20,
            documents_max: 1_000,
            document_name_bytes_max: 128,
            awareness_entries_max: 2_000,
            awareness_state_bytes_max: 64 << 10,
            awareness_owned_max: 64,
            awareness_table_max: 10_000,
            pending_bytes_max: 1 << 20,
            parked_updates_max: 1_000,
            room_connections_max: 1_100,
            room_mailbox_max: 1_024,
            outbox_bytes_max: 1 << 20,
            turn_inputs_max: 256,
            commit_window_ms: 100,
            commit_bytes_max: 256 << 10,
            compact_updates_max: 500,
            compact_bytes_min: 256 << 10,
            room_idle_ms: 30_000,
            fault_hold_off_ms: 60_000,
            fault_window_ms: 60_000,
            faults_max: 3,
            timers_max: 1_000,
            tasks_max: 64,
            entries_bytes_max: 64 << 20,
            presence_bytes_max: 64 << 10,
            presence_tick_ms: 10,
            presence_bytes_per_s_max: 20_000_000,
            ping_interval_ms: 30_000,
            peer_dead_ms: 60_000,
            yjs_keep_alive_ms: 20_000,
            messages_per_s_max: 1_000,
            messages_burst_max: 2_000,
        }
    }
}

/// Frames with less payload are not compressed: what little they would lose is not worth the time.
pub const DEFLATE_BYTES_MIN: usize = 256;

/// Frames with more payload are not compressed: their room would stand still meanwhile (256 KiB
/// take about 1 ms).
pub const DEFLATE_BYTES_MAX: usize = 256 << 10;

/// An awareness entry that its owner did not renew for this long is removed: what every Yjs peer
/// does on its own (y-protocols 1.0.7, `outdatedTimeout`).
pub const AWARENESS_EXPIRY_MS: u64 = 30_000;

/// A removed awareness entry is remembered for this long, so that a late echo does not revive it.
pub const AWARENESS_TOMBSTONE_MS: u64 = 60_000;
