//! Every maximum of the product, with its unit and its reason. The configuration may change the
//! values of [`Limits`]; those of [`FIXED`] are part of a format or of a promise.
//!
//! A new limit is one entry below: it is then a key of `[limits]` and of a room rule's `limits`, a
//! variable, a line of the reference. Its name ends in its unit (`_bytes`, `_ms`, else a count),
//! before `_max` and `_min`. The range is what an operator may ask for; code, as a test, may ask
//! for anything.

#[cfg(test)]
mod tests;

/// One settable limit: what its entry below says, and the way to its value.
#[derive(Clone, Copy)]
pub struct LimitField {
    /// Its name.
    pub name: &'static str,
    /// What it bounds and why, one line of the source each.
    pub doc: &'static [&'static str],
    /// The least that it may be set to.
    pub min: u64,
    /// The most that it may be set to.
    pub max: u64,
    get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitUnit {
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// Things.
    Count,
}

impl LimitField {
    /// The field of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        Limits::FIELDS.iter().find(|field| field.name == name)
    }

    /// What it counts, by its name.
    #[must_use]
    pub fn unit(&self) -> LimitUnit {
        if self.name.contains("_bytes") {
            LimitUnit::Bytes
        } else if self.name.ends_with("_ms") {
            LimitUnit::Milliseconds
        } else {
            LimitUnit::Count
        }
    }

    /// Its value in `limits`.
    #[must_use]
    pub fn get(&self, limits: &Limits) -> u64 {
        (self.get)(limits)
    }

    /// Sets it in `limits`.
    ///
    /// # Errors
    /// [`LimitRange`] when `value` is outside its range; `limits` is as before then.
    pub fn set(&self, limits: &mut Limits, value: u64) -> Result<(), LimitRange> {
        if !(self.min..=self.max).contains(&value) {
            return Err(LimitRange(*self));
        }
        (self.set)(limits, value);
        Ok(())
    }
}

impl std::fmt::Debug for LimitField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for LimitField {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for LimitField {}

/// A value is outside the range of its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRange(pub LimitField);

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, in $min:expr => $max:expr;)+) => {
        /// The settable limits. Sizes in bytes, times in milliseconds, as the names say.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// Every limit, in the order of this file.
            pub const FIELDS: &[LimitField] = &[$(LimitField {
                name: stringify!($name),
                doc: &[$($doc),+],
                min: $min,
                max: $max,
                get: |limits| limits.$name as u64,
                // The range is checked before, and each ends below 2^31.
                set: |limits, value| limits.$name = value as $type,
            },)+];
        }
    };
}

limits! {
    /// A frame from a `/yjs` peer: an offline editor brings its whole document back in one.
    yjs_frame_bytes_max: usize = 16 << 20, in 4 << 10 => 1 << 30;
    /// A frame from any other peer of ours: presence, events, service messages.
    native_frame_bytes_max: usize = 1 << 20, in 1 << 10 => 1 << 30;
    /// Fragments that one message may come in.
    frame_fragments_max: usize = 128, in 1 => 65_536;
    /// A document: its snapshot and the updates since. Beyond it no edit is accepted.
    document_bytes_max: usize = 64 << 20, in 64 << 10 => 1 << 30;
    /// Named documents in one room: each has a snapshot, a shadow and a part in the store.
    documents_max: usize = 1_000, in 1 => 100_000;
    /// The name of a document, in bytes of UTF-8.
    document_name_bytes_max: usize = 128, in 1 => 1_024;
    /// Awareness entries in one update: one per tab that the sender knows of.
    awareness_entries_max: usize = 2_000, in 1 => 100_000;
    /// One awareness state, its JSON.
    awareness_state_bytes_max: usize = 64 << 10, in 256 => 16 << 20;
    /// Client ids that one session may own: a provider with many sub-documents has one each.
    awareness_owned_max: usize = 64, in 1 => 10_000;
    /// Entries in one document's awareness table, tombstones included: each join and each renewal
    /// walks it.
    awareness_table_max: usize = 10_000, in 1 => 1_000_000;
    /// Updates whose causes are unknown, per document: legal only until the sender's handshake ends.
    pending_bytes_max: usize = 1 << 20, in 0 => 64 << 20;
    /// Such updates, per document: each later update is held against each of them.
    parked_updates_max: usize = 1_000, in 0 => 100_000;
    /// Connections in one room.
    room_connections_max: usize = 1_100, in 1 => 100_000;
    /// Inputs that wait for one room; beyond it the senders wait.
    room_mailbox_max: usize = 1_024, in 16 => 65_536;
    /// Requests of one room that are not answered yet: each holds a task at the edge.
    room_requests_max: usize = 1_000, in 1 => 65_536;
    /// The users' own data about a room, its JSON: it is read with each list of rooms.
    metadata_bytes_max: usize = 64 << 10, in 2 => 1 << 20;
    /// Unsent bytes for one session behind the frame being written; beyond it the session is
    /// brought up to date at once or closed as slow.
    outbox_bytes_max: usize = 1 << 20, in 64 << 10 => 1 << 30;
    /// Inputs handled in one turn of a room, before what they caused is sent.
    turn_inputs_max: usize = 256, in 1 => 65_536;
    /// Records wait this long for company before they are committed, when nobody waits for them.
    commit_window_ms: u64 = 100, in 1 => 60_000;
    /// Records are committed at once when so many bytes wait.
    commit_bytes_max: usize = 256 << 10, in 1 => 64 << 20;
    /// Updates since the last snapshot after which a document is compacted.
    compact_updates_max: usize = 500, in 10 => 1_000_000;
    /// Bytes since the last snapshot after which a document is compacted, unless the snapshot is
    /// larger: then as many as it has.
    compact_bytes_min: usize = 256 << 10, in 4 << 10 => 1 << 30;
    /// A room without sessions is unloaded after this.
    room_idle_ms: u64 = 30_000, in 0 => 86_400_000;
    /// Named versions of one document: each holds its whole state. One more is refused.
    versions_named_max: usize = 10_000, in 0 => 1_000_000;
    /// Automatic versions of one document, and the states that restores went back from: the oldest
    /// goes for one more.
    versions_automatic_max: usize = 100, in 0 => 1_000_000;
    /// A document in which something changes is kept as an automatic version after this, and when its
    /// room is unloaded; 0: never.
    version_interval_ms: u64 = 0, in 0 => 604_800_000;
    /// Days after which a version goes by itself, counted from when it is made; 0: it stays.
    version_age_days_max: u32 = 0, in 0 => 36_500;
    /// A session that made its room fault is kept out for this long.
    fault_hold_off_ms: u64 = 60_000, in 0 => 3_600_000;
    /// Faults are counted over this long.
    fault_window_ms: u64 = 60_000, in 1_000 => 3_600_000;
    /// Faults of different sessions within the window after which the room is quarantined.
    faults_max: usize = 3, in 1 => 1_000;
    /// Durable timers of one room.
    timers_max: usize = 1_000, in 0 => 1_000_000;
    /// Tasks of one room that run at a time.
    tasks_max: usize = 64, in 0 => 10_000;
    /// Durable entries of one room, keys and values together.
    entries_bytes_max: usize = 64 << 20, in 0 => 1 << 30;
    /// Presence changes of a room are told together, at most this often.
    presence_tick_ms: u64 = 10, in 1 => 10_000;
    /// What a room may send of presence, to all its sessions together: the tick grows until it
    /// keeps to that.
    presence_bytes_per_s_max: usize = 20_000_000, in 1_000 => 1_000_000_000;
    /// A ping is sent to a silent peer after this.
    ping_interval_ms: u64 = 30_000, in 1_000 => 3_600_000;
    /// A peer without any frame for this long is gone.
    peer_dead_ms: u64 = 60_000, in 2_000 => 7_200_000;
    /// A `/yjs` peer gets some message at least this often: its watchdog ends a connection that
    /// was silent for 30 s, and counts no ping.
    yjs_keep_alive_ms: u64 = 20_000, in 1_000 => 30_000;
    /// What waits on one `/hocuspocus` connection for sessions that are not let in yet, and again for
    /// sessions whose room takes nothing more just now.
    hocuspocus_queue_bytes_max: usize = 5 << 20, in 64 << 10 => 1 << 30;
    /// Messages that wait there, in the same two ways.
    hocuspocus_queue_messages_max: usize = 1_000, in 10 => 1_000_000;
    /// Sessions of one `/hocuspocus` connection that wait to be let in.
    hocuspocus_pending_max: usize = 100, in 1 => 10_000;
    /// Sessions of one `/hocuspocus` connection.
    hocuspocus_sessions_max: usize = 1_000, in 1 => 100_000;
    /// A `/hocuspocus` connection has to show a good token for one document within this.
    hocuspocus_token_ms: u64 = 60_000, in 1_000 => 600_000;
    /// Handshakes per second that a server answers which starts on rooms that were there before: all
    /// who were in them come back at once. Excess is answered later, in the order of arrival.
    handshakes_per_s_max: u32 = 250, in 1 => 100_000;
    /// Handshakes that would have to wait longer are refused at once, to come again.
    handshake_wait_ms: u64 = 20_000, in 100 => 600_000;
    /// Messages per second from one connection; excess delays reading and never closes.
    messages_per_s_max: u32 = 1_000, in 1 => 1_000_000;
    /// Messages that may come at once before the rate counts.
    messages_burst_max: u32 = 2_000, in 1 => 1_000_000;
}

/// A peer would be taken for dead before it is asked: `peer_dead_ms` is not above
/// `ping_interval_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadBeforePing;

impl Limits {
    /// Whether they fit together.
    ///
    /// # Errors
    /// [`DeadBeforePing`], the one contradiction there can be within the ranges.
    pub const fn check(&self) -> Result<(), DeadBeforePing> {
        if self.peer_dead_ms > self.ping_interval_ms {
            Ok(())
        } else {
            Err(DeadBeforePing)
        }
    }
}

/// A limit that nobody sets: part of a format, of a promise, or of what a machine can bear.
#[derive(Clone, Copy, Debug)]
pub struct FixedLimit {
    /// Its name.
    pub name: &'static str,
    /// What it bounds and why, one line of the source each.
    pub doc: &'static [&'static str],
    /// Its value, in the unit of its name.
    pub value: u64,
}

macro_rules! fixed_limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $value:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: $type = $value;)+

        /// The limits that nobody sets, in the order of this file.
        pub const FIXED: &[FixedLimit] = &[$(FixedLimit {
            name: stringify!($name),
            doc: &[$($doc),+],
            value: $name as u64,
        },)+];
    };
}

fixed_limits! {
    /// Those who watch one room at a time.
    TAILS_MAX: usize = 32;
    /// What a watcher may be behind before it is sent away.
    TAIL_EVENTS_MAX: usize = 1_024;
    /// A watcher whose socket takes nothing for this long is given up.
    TAIL_STALL_MS_MAX: u64 = 30_000;
    /// Operators who are signed in to the console at a time; one more signs out who was idle longest.
    CONSOLE_SIGN_INS_MAX: usize = 64;
    /// A sign-in to the console ends after this, whatever is done in it.
    CONSOLE_SIGN_IN_MS_MAX: u64 = 12 * 60 * 60 * 1_000;
    /// A sign-in to the console ends when nothing was asked for this long.
    CONSOLE_IDLE_MS_MAX: u64 = 2 * 60 * 60 * 1_000;
    /// Used console links that are remembered, each until its time is over; one more is not taken.
    CONSOLE_LINKS_USED_MAX: usize = 1_000;
    /// The body of a request that is JSON: metadata, edits, an event.
    REQUEST_JSON_BYTES_MAX: usize = 1 << 20;
    /// Edits of a text in one request: each is held against the whole text.
    TEXT_EDITS_MAX: usize = 1_000;
    /// Rooms on one page of a list.
    ROOMS_PAGE_MAX: usize = 1_000;
    /// Versions of a document on one page of a list.
    VERSIONS_PAGE_MAX: usize = 10_000;
    /// The name of a version, in bytes of UTF-8: it is read with each list.
    VERSION_LABEL_BYTES_MAX: usize = 256;
    /// Versions that are read or compared at a time: each holds whole documents in memory.
    VERSION_JOBS_MAX: usize = 8;
    /// Exports at a time: each holds the snapshots of a room until its reader has them.
    EXPORTS_MAX: usize = 4;
    /// An export whose reader takes nothing for this long is given up.
    EXPORT_STALL_MS_MAX: u64 = 60_000;
    /// Imports at a time: each holds a whole file.
    IMPORTS_MAX: usize = 1;
    /// A file that a room is imported from: it becomes one row of the journal.
    IMPORT_BYTES_MAX: usize = 256 << 20;
    /// The file of an import has to come within this.
    IMPORT_DEADLINE_MS: u64 = 300_000;
    /// A request waits so long for its room to load and to answer.
    REQUEST_DEADLINE_MS: u64 = 30_000;
    /// A request's body has to come within this.
    REQUEST_BODY_DEADLINE_MS: u64 = 60_000;
    /// What a refused request still sends is read up to this, so that its sender sees the answer.
    REFUSED_BODY_BYTES_MAX: usize = 64 << 20;
    /// And for no longer than this.
    REFUSED_BODY_MS_MAX: u64 = 10_000;
    /// Frames with less payload are not compressed: what little they would lose is not worth the time.
    DEFLATE_BYTES_MIN: usize = 256;
    /// Frames with more payload are not compressed: their room would stand still meanwhile (256 KiB
    /// take about 1 ms).
    DEFLATE_BYTES_MAX: usize = 256 << 10;
    /// An awareness entry that its owner did not renew for this long is removed: what every Yjs peer
    /// does on its own (y-protocols 1.0.7, `outdatedTimeout`).
    AWARENESS_EXPIRY_MS: u64 = 30_000;
    /// The address of a session on a `/hocuspocus` connection: a room's name and a word of the peer's.
    HOCUSPOCUS_ADDRESS_BYTES_MAX: usize = 256;
    /// Receipts that wait for one session, whether for the store or for the peer to read.
    RECEIPTS_MAX: usize = 10_000;
    /// Questions to one session for what it has more that it did not answer: older ones are forgotten.
    QUESTIONS_MAX: usize = 100;
    /// A peer on `/hocuspocus` is asked for a new token so long before its token ends, but not before
    /// half of the time is over.
    TOKEN_ASKED_MS: u64 = 30_000;
    /// A token that y-sweet's SDK asks for is good for at most this long, in seconds: 30 days.
    YSWEET_TOKEN_S_MAX: u64 = 30 * 24 * 60 * 60;
    /// A removed awareness entry is remembered for this long, so that a late echo does not revive it.
    AWARENESS_TOMBSTONE_MS: u64 = 60_000;
    /// A server that starts on rooms that were there before paces handshakes (`handshakes_per_s_max`)
    /// for this long, and then until those that wait were let in.
    HANDSHAKES_PACED_MS: u64 = 10_000;
    /// Marks of the durable queue for hooks that are held at a time, each of one document that changed
    /// or one room that ended; one more is given up.
    HOOK_MARKS_MAX: usize = 100_000;
    /// Marks that are read from the queue at a time.
    HOOK_MARKS_PAGE_MAX: usize = 1_000;
    /// Deliveries to hooks at a time, each of another room: each holds a document in several forms.
    HOOK_DELIVERIES_MAX: usize = 16;
    /// Questions to hooks at a time that somebody waits for: who may join, what a room holds at first.
    /// One more waits, within its deadline.
    HOOK_ASKS_MAX: usize = 256;
    /// After a failed delivery the next of its room comes after this, then after twice as long.
    HOOK_RETRY_MS_MIN: u64 = 1_000;
    /// The longest wait between two tries to deliver; up to half of it is added by chance.
    HOOK_RETRY_MS_MAX: u64 = 600_000;
    /// What is read of a hook's answer that is no content.
    HOOK_ANSWER_BYTES_MAX: usize = 64 << 10;
}
