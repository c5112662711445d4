//! The room's side of its journal: records that wait for company, the append in flight, and how far
//! stable storage has come.

use greenroom_service::Millis;

use crate::limits::Limits;
use crate::store::Lease;
use crate::store::envelope::Record;

/// The longest wait before writes are tried again after a failed append.
const RESUME_MS_MAX: u64 = 2_000;
/// The first such wait.
const RESUME_MS_MIN: u64 = 100;

#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) lease: Option<Lease>,
    /// The last record made.
    head: u64,
    /// The last record on stable storage.
    durable: u64,
    waiting: Vec<Record>,
    waiting_bytes: usize,
    waiting_since: Option<Millis>,
    /// Somebody waits for what is waiting: do not wait for company.
    urgent: bool,
    in_flight: Option<InFlight>,
    /// Somebody is to be told that this record is durable, and can wait for company until then.
    expected: u64,
    /// When an append was last handed over.
    submitted_at: Option<Millis>,
    /// The store refused an append: no writes until then.
    resume_at: Option<Millis>,
    resume_ms: u64,
}

/// An append that the store has not answered.
#[derive(Debug)]
struct InFlight {
    /// Its last record.
    last: u64,
    /// Somebody waits for it.
    urgent: bool,
}

/// What is handed over.
pub(super) struct Handed {
    pub(super) first_seq: u64,
    pub(super) records: Vec<Record>,
    /// Somebody waits for it.
    pub(super) urgent: bool,
    /// Until when it may wait for company of other rooms.
    pub(super) due_at: Millis,
}

impl Journal {
    pub(super) fn start(&mut self, lease: Lease, head: u64) {
        assert!(
            self.waiting.is_empty() && self.in_flight.is_none(),
            "a journal starts empty"
        );
        self.lease = Some(lease);
        self.head = head;
        self.durable = head;
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.head + 1
    }

    pub(super) fn head(&self) -> u64 {
        self.head
    }

    pub(super) fn durable(&self) -> u64 {
        self.durable
    }

    pub(super) fn is_settled(&self) -> bool {
        self.in_flight.is_none() && self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, record: Record, now: Millis) {
        self.head += 1;
        self.waiting_bytes += record.data.len();
        self.waiting.push(record);
        self.waiting_since.get_or_insert(now);
    }

    /// Somebody waits for record `seq`. True when the store is to be told, because it has the
    /// record and lets it wait for company.
    pub(super) fn hurry(&mut self, seq: u64) -> bool {
        let submitted = self.head - self.waiting.len() as u64;
        if seq > submitted {
            self.urgent = true;
        }
        match &mut self.in_flight {
            Some(in_flight) if seq > self.durable && !in_flight.urgent => {
                in_flight.urgent = true;
                true
            }
            _ => false,
        }
    }

    /// Somebody is to be told of record `seq`, and is in no hurry.
    pub(super) fn expect(&mut self, seq: u64) {
        self.expected = self.expected.max(seq);
    }

    /// Whether anything hangs on the store's answer to the append in flight.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
            || self.expected > self.durable
            || self.in_flight.as_ref().is_some_and(|f| f.urgent)
    }

    /// When what waits is to be appended at the latest. Aligned to the window, so that the rooms
    /// of a process come together and share one sync.
    pub(super) fn due_at(&self, limits: &Limits) -> Option<Millis> {
        if self.in_flight.is_some() || self.resume_at.is_some() {
            return None;
        }
        let window = limits.commit_window_ms.max(1);
        self.waiting_since.map(|since| window_end(since, window))
    }

    /// Whether what waits is to be appended now.
    pub(super) fn is_due(&self, now: Millis, limits: &Limits) -> bool {
        let Some(at) = self.due_at(limits) else {
            return false;
        };
        // A record that comes alone is handed over at once and waits in the store instead: that
        // saves its room a turn. A room that has many gathers them.
        let window = limits.commit_window_ms;
        let is_alone = self.submitted_at.is_some_and(|at| at.plus(window) <= now);
        self.urgent || is_alone || at <= now || self.waiting_bytes >= limits.commit_bytes_max
    }

    /// Hands over what waits.
    pub(super) fn submit(&mut self, now: Millis, limits: &Limits) -> Handed {
        assert!(
            self.in_flight.is_none(),
            "one append at a time keeps the order"
        );
        let records = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let since = self.waiting_since.take().unwrap_or(now);
        let urgent = std::mem::take(&mut self.urgent);
        self.in_flight = Some(InFlight {
            last: self.head,
            urgent,
        });
        self.submitted_at = Some(now);
        Handed {
            first_seq: self.head - records.len() as u64 + 1,
            records,
            urgent,
            due_at: window_end(since, limits.commit_window_ms.max(1)),
        }
    }

    /// The append was answered: all up to the seq that this gives is durable.
    pub(super) fn appended(&mut self) -> u64 {
        let InFlight { last, .. } = self.in_flight.take().expect("an append was in flight");
        self.durable = last;
        self.resume_ms = 0;
        last
    }

    /// The append failed, or the room faulted: forgets what is not durable.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.waiting_since = None;
        self.urgent = false;
        self.in_flight = None;
        self.expected = 0;
        self.head = self.durable;
    }

    /// What the store holds after all, read anew.
    pub(super) fn reset_head(&mut self, head: u64) {
        assert!(
            self.is_settled(),
            "nothing is under way when the past is read"
        );
        self.head = head;
        self.durable = head;
    }

    /// No writes for a while, longer each time.
    pub(super) fn hold_writes(&mut self, now: Millis) {
        self.resume_ms = (self.resume_ms * 2).clamp(RESUME_MS_MIN, RESUME_MS_MAX);
        self.resume_at = Some(now.plus(self.resume_ms));
    }

    pub(super) fn resume_at(&self) -> Option<Millis> {
        self.resume_at
    }

    /// Takes writes again; whether they were held.
    pub(super) fn resume(&mut self) -> bool {
        self.resume_at.take().is_some()
    }
}

/// The end of the commit window that `since` is in.
fn window_end(since: Millis, window_ms: u64) -> Millis {
    Millis((since.0 / window_ms + 1) * window_ms)
}
