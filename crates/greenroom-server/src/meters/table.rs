//! Every metric of the server, declared once: from this table `docs/reference/metrics.md` is
//! written, and the board and the alert rules under `deploy/` are held against it.
//!
//! To add one, add its line here and count it where it happens; the comment above it is its help
//! text. A label takes values from a set that is fixed or configured, never the name of a room or a
//! user.

use super::family::{Collect, Counter, Declared, Family, Gauge, Histogram, Reading};

/// From what a good machine takes to what nobody waits for.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// For what takes microseconds when all is well.
const SHORT_SECONDS: &[f64] = &[
    0.000_001,
    0.000_002_5,
    0.000_005,
    0.000_01,
    0.000_025,
    0.000_05,
    0.000_1,
    0.000_25,
    0.000_5,
    0.001,
    0.005,
    0.025,
    0.1,
    1.0,
];

/// For numbers of things.
const COUNTS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 4_096.0,
];

macro_rules! table {
    ($($(#[doc = $help:literal])+
        $id:ident: $meter:ident = $name:literal, $unit:literal, [$($label:literal),*]
        $(, $buckets:ident)?;)+) => {
        $($(#[doc = $help])+
        pub(crate) static $id: Family<$meter> = Family::new(Declared {
            name: $name,
            unit: $unit,
            labels: &[$($label),*],
            help: &[$($help),+],
            buckets: table!(@buckets $($buckets)?),
        });)+

        /// The whole table, in the order in which it is shown.
        pub(crate) static TABLE: &[&dyn Collect] = &[$(&$id),+];
    };
    (@buckets) => { &[] };
    (@buckets $buckets:ident) => { $buckets };
}

table! {
    /// Always 1; the labels say which build this is.
    BUILD_INFO: Gauge = "greenroom_build_info", "build", ["version", "commit"];
    /// 1 while `/readyz` says yes, 0 while it says no.
    READY: Gauge = "greenroom_ready", "server", [];

    /// Connections that are open.
    CONNECTIONS: Gauge = "greenroom_connections", "connections", ["protocol"];
    /// Connections that were let in.
    CONNECTIONS_OPENED: Counter =
        "greenroom_connections_opened_total", "connections", ["protocol"];
    /// Connections that ended or were never let in: why, and with which close code. `peer`: the
    /// peer closed it; `gone`: it broke or fell silent; `protocol`: the peer broke the WebSocket
    /// protocol.
    CONNECTIONS_CLOSED: Counter =
        "greenroom_connections_closed_total", "connections", ["protocol", "code", "reason"];
    /// Messages that peers sent.
    FRAMES_RECEIVED: Counter = "greenroom_frames_received_total", "frames", ["protocol"];
    /// Frames that rooms handed to sockets.
    FRAMES_SENT: Counter = "greenroom_frames_sent_total", "frames", ["protocol"];
    /// Changes that a newer one of the same sender replaced before anybody was told: presence that
    /// moved faster than it is told.
    FRAMES_COALESCED: Counter = "greenroom_frames_coalesced_total", "changes", ["protocol"];
    /// Payload of the messages that peers sent.
    RECEIVED_BYTES: Counter = "greenroom_received_bytes_total", "bytes", ["protocol"];
    /// Bytes of the frames that rooms handed to sockets.
    SENT_BYTES: Counter = "greenroom_sent_bytes_total", "bytes", ["protocol"];

    /// Sessions in rooms.
    SESSIONS: Gauge = "greenroom_sessions", "sessions", ["pattern", "kind"];
    /// Rooms that the store knows.
    ROOMS: Gauge = "greenroom_rooms", "rooms", [];
    /// Rooms in memory.
    ROOMS_LOADED: Gauge = "greenroom_rooms_loaded", "rooms", ["pattern", "kind"];
    /// Rooms that left memory, and why: `drained` is as it should be.
    ROOMS_STOPPED: Counter = "greenroom_rooms_stopped_total", "rooms", ["reason"];
    /// What rooms had to tell the operator; the log has the words.
    ROOM_NOTES: Counter = "greenroom_room_notes_total", "notes", ["pattern"];
    /// From the first who wants a room to its being live.
    ROOM_LOAD_SECONDS: Histogram = "greenroom_room_load_seconds", "seconds", ["pattern"], SECONDS;
    /// Messages that wait for a room when a turn of it begins. Sampled.
    ROOM_MAILBOX_DEPTH: Histogram =
        "greenroom_room_mailbox_depth", "messages", ["pattern"], COUNTS;
    /// Events that rooms handled: `ok`; `refused`, which changed nothing; `fault`, by which a room
    /// was built anew.
    EVENTS: Counter = "greenroom_events_total", "events", ["kind", "outcome"];
    /// What an event takes a room, sending not included. Sampled: the mean of a turn.
    EVENT_SECONDS: Histogram = "greenroom_event_seconds", "seconds", ["kind"], SHORT_SECONDS;
    /// From the receipt of a message to its record being on stable storage. Sampled: the oldest
    /// message of each commit of a room.
    ACK_SECONDS: Histogram = "greenroom_ack_seconds", "seconds", ["pattern"], SECONDS;
    /// From the receipt of a message to its last write to a socket; sockets that are full are not
    /// waited for. Sampled: the oldest message of a turn.
    FANOUT_SECONDS: Histogram = "greenroom_fanout_seconds", "seconds", ["pattern"], SECONDS;

    /// Transactions with appends in them.
    STORE_COMMITS: Counter = "greenroom_store_commits_total", "commits", ["store"];
    /// Appends of rooms.
    STORE_APPENDS: Counter = "greenroom_store_appends_total", "appends", ["store"];
    /// What a transaction with appends takes, its sync included.
    STORE_APPEND_SECONDS: Histogram =
        "greenroom_store_append_seconds", "seconds", ["store"], SECONDS;
    /// Records in a transaction with appends.
    STORE_APPEND_RECORDS: Histogram =
        "greenroom_store_append_records", "records", ["store"], COUNTS;
    /// Writes that the store did not take: `full`, `read_only`, `fenced`, `failed`.
    STORE_REFUSED: Counter = "greenroom_store_refused_total", "requests", ["store", "reason"];
    /// What the store takes on disk: `database`, `log` (written ahead), `reserve`.
    STORE_BYTES: Gauge = "greenroom_store_bytes", "bytes", ["store", "part"];
    /// What is free on the disk of the store.
    STORE_FREE_BYTES: Gauge = "greenroom_store_free_bytes", "bytes", ["store"];
    /// What must stay free there: below it writes are refused.
    STORE_FREE_MIN_BYTES: Gauge = "greenroom_store_free_min_bytes", "bytes", ["store"];
    /// 1 when the store takes no writes until it is restarted.
    STORE_POISONED: Gauge = "greenroom_store_poisoned", "store", ["store"];

    /// How often a limit was met, by its name in the configuration: what was too much was delayed,
    /// refused, left out or closed.
    LIMIT_HITS: Counter = "greenroom_limit_hits_total", "hits", ["limit"];
    /// Credentials that were not good, or missing.
    AUTH_FAILURES: Counter = "greenroom_auth_failures_total", "attempts", ["reason"];
    /// Handshakes of pages that may not connect.
    ORIGIN_REJECTED: Counter = "greenroom_origin_rejected_total", "handshakes", [];
    /// Marks of the hooks' queue that were worked off: `delivered`; `moot`, nobody is to be told any
    /// more; `given_up`, the receiver did not take it for too long; `overflow`, too many waited.
    HOOK_DELIVERIES: Counter =
        "greenroom_hook_deliveries_total", "marks", ["hook", "outcome"];
    /// Requests to hooks' receivers that they did not take, or that did not reach them.
    HOOK_FAILURES: Counter = "greenroom_hook_failures_total", "requests", ["hook"];
    /// What a receiver takes to answer.
    HOOK_SECONDS: Histogram = "greenroom_hook_seconds", "seconds", ["hook"], SECONDS;
    /// Marks in the hooks' queue.
    HOOK_QUEUE: Gauge = "greenroom_hook_queue", "marks", [];
    /// How long the oldest of them waits.
    HOOK_OLDEST_SECONDS: Gauge = "greenroom_hook_oldest_seconds", "seconds", [];
    /// HTTP requests by route, not by path.
    HTTP_REQUESTS: Counter = "greenroom_http_requests_total", "requests", ["route", "method", "status"];
    /// What the answer to an HTTP request takes; for a WebSocket, its handshake.
    HTTP_REQUEST_SECONDS: Histogram =
        "greenroom_http_request_seconds", "seconds", ["route", "method"], SECONDS;

    /// How far the wall clock is from where it would be if nobody had set it since the start.
    CLOCK_OFFSET_SECONDS: Gauge = "greenroom_clock_offset_seconds", "seconds", [];
    /// How late a task runs that wanted to be woken: what everything here waits at least.
    RUNTIME_LAG_SECONDS: Histogram = "greenroom_runtime_lag_seconds", "seconds", [], SECONDS;
    /// Threads that run tasks.
    TOKIO_WORKERS: Gauge = "tokio_workers", "threads", [];
    /// Tasks that have not ended.
    TOKIO_ALIVE_TASKS: Gauge = "tokio_alive_tasks", "tasks", [];
    /// Tasks that wait in the queue that all workers share.
    TOKIO_GLOBAL_QUEUE_DEPTH: Gauge = "tokio_global_queue_depth", "tasks", [];
    /// Time that workers were busy, all together.
    TOKIO_BUSY_SECONDS: Reading = "tokio_workers_busy_seconds_total", "seconds", [];

    /// Processor time of the process.
    PROCESS_CPU_SECONDS: Reading = "process_cpu_seconds_total", "seconds", [];
    /// Memory of the process that is in RAM.
    PROCESS_RESIDENT_BYTES: Gauge = "process_resident_memory_bytes", "bytes", [];
    /// Address space of the process.
    PROCESS_VIRTUAL_BYTES: Gauge = "process_virtual_memory_bytes", "bytes", [];
    /// Threads of the process.
    PROCESS_THREADS: Gauge = "process_threads", "threads", [];
    /// File descriptors that are open.
    PROCESS_OPEN_FDS: Gauge = "process_open_fds", "descriptors", [];
    /// File descriptors that may be open.
    PROCESS_MAX_FDS: Gauge = "process_max_fds", "descriptors", [];
    /// When the process began, in seconds since the Unix epoch.
    PROCESS_START_SECONDS: Gauge = "process_start_time_seconds", "seconds", [];
}
