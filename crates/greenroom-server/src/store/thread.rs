//! The one thread that drives a store: group commit over all rooms.
//!
//! While one batch is committed the next collects in the queue; it is whatever stands there when
//! the thread comes back. Nobody who asked is left without an answer: a request that is dropped
//! anywhere on its way is answered by that.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use greenroom_core::store::{StoreError, StoreReply, StoreRequest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{DiskWatch, Engine, Health};
use crate::meters::{self, Counter, Histogram, table};
use crate::spans;

#[cfg(test)]
mod tests;

/// Takes the reply, on the store's thread: it passes it on and returns.
pub type Reply = Box<dyn FnOnce(StoreReply) + Send>;

/// The longest that anything waits for company, whatever it says.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What a request costs in the queue besides its payload.
const REQUEST_BYTES: usize = 256;

/// How much a [`StoreThread`] takes at a time. Who submits more waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadLimits {
    /// Requests that wait for the thread.
    pub queue_requests_max: usize,
    /// Payload that waits for the thread or is being written; a larger request goes alone.
    pub queue_bytes_max: u32,
    /// Requests in one transaction: bounds how long a read waits.
    pub batch_requests_max: usize,
    /// Payload after which no further request joins a transaction.
    pub batch_bytes_max: usize,
    /// How long appends that nobody waits for wait for company at least: the rooms of a process end
    /// their commit windows together, and come one after the other. Also how often the thread looks
    /// who has come.
    pub company: Duration,
}

impl Default for ThreadLimits {
    fn default() -> Self {
        Self {
            queue_requests_max: 16_384,
            queue_bytes_max: 64 << 20,
            batch_requests_max: 4_096,
            batch_bytes_max: 4 << 20,
            company: Duration::from_millis(5),
        }
    }
}

/// A store and its thread.
#[derive(Debug)]
pub struct StoreThread {
    handle: StoreHandle,
    thread: JoinHandle<()>,
}

/// Where to hand requests in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    queue: mpsc::Sender<Message>,
    /// Permits for [`ThreadLimits::queue_bytes_max`], held by requests until they are answered.
    bytes: Arc<Semaphore>,
    bytes_max: u32,
    /// Written by the thread after a batch, read by anybody: a copy under a lock that is held for
    /// a few instructions.
    health: Arc<Mutex<Health>>,
    /// The thread, to be woken from its wait for company.
    thread: Arc<OnceLock<Thread>>,
    /// The disk that it writes to.
    disk: Option<Arc<DiskWatch>>,
    /// Somebody waits by now for what could wait when it was handed in.
    hurried: Arc<AtomicBool>,
}

/// A request that was not taken, because the queue is full: wait, or refuse in turn.
pub struct Busy {
    /// The request.
    pub request: StoreRequest,
    /// Its reply, not called.
    pub reply: Reply,
}

impl std::fmt::Debug for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Busy")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Message {
    /// Boxed, because a queue has room for many.
    Job(Box<Job>),
    Stop,
}

#[derive(Debug)]
struct Job {
    request: StoreRequest,
    pending: Pending,
    bytes: OwnedSemaphorePermit,
}

/// A reply that is owed: dropped unanswered, it answers that the store has stopped.
struct Pending(Option<Reply>);

impl Pending {
    fn answer(mut self, reply: StoreReply) {
        self.call(reply);
    }

    fn call(&mut self, reply: StoreReply) {
        if let Some(callback) = self.0.take()
            && catch_unwind(AssertUnwindSafe(|| callback(reply))).is_err()
        {
            tracing::error!("the receiver of a store's reply panicked");
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.call(StoreReply::Failed(stopped()));
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending")
    }
}

impl StoreThread {
    /// Starts the thread of a store.
    ///
    /// # Errors
    /// As the operating system gives when it has no thread.
    pub fn spawn(engine: impl Engine, limits: &ThreadLimits) -> std::io::Result<Self> {
        let (queue, messages) = mpsc::channel(limits.queue_requests_max);
        let health = Arc::new(Mutex::new(engine.health()));
        let handle = StoreHandle {
            queue,
            bytes: Arc::new(Semaphore::new(limits.queue_bytes_max as usize)),
            bytes_max: limits.queue_bytes_max,
            health: Arc::clone(&health),
            thread: Arc::default(),
            disk: engine.disk(),
            hurried: Arc::default(),
        };
        let desk = Desk::new(&engine);
        let limits = limits.clone();
        let hurried = Arc::clone(&handle.hurried);
        let thread = std::thread::Builder::new()
            .name("greenroom-store".into())
            .spawn(move || run(engine, messages, &limits, &hurried, &health, &desk))?;
        let _ = handle.thread.set(thread.thread().clone());
        Ok(Self { handle, thread })
    }

    /// Where to hand requests in.
    #[must_use]
    pub const fn handle(&self) -> &StoreHandle {
        &self.handle
    }

    /// Answers what was submitted before, closes the store and ends the thread; what is submitted
    /// later fails.
    pub async fn stop(self) {
        // The queue is closed only when the thread has ended already.
        let _ = self.handle.queue.send(Message::Stop).await;
        self.handle.hurry();
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the store's thread panicked");
        }
    }
}

impl StoreHandle {
    /// Hands a request in, waiting while the queue is full. `reply` is called exactly once; also
    /// when this future is dropped before it ends.
    pub async fn submit(&self, request: StoreRequest, reply: Reply) {
        let pending = Pending(Some(reply));
        let permits = self.permits(&request);
        let Ok(bytes) = Arc::clone(&self.bytes).acquire_many_owned(permits).await else {
            return;
        };
        let job = Box::new(Job {
            request,
            pending,
            bytes,
        });
        let can_wait = job.request.wait_ms().is_some();
        // When the thread has ended, the job that comes back answers as it is dropped.
        let _ = self.queue.send(Message::Job(job)).await;
        if !can_wait {
            self.hurry();
        }
    }

    /// As [`Self::submit`], for callers that cannot wait.
    ///
    /// # Errors
    /// [`Busy`] gives both back when the queue is full.
    pub fn try_submit(&self, request: StoreRequest, reply: Reply) -> Result<(), Box<Busy>> {
        let permits = self.permits(&request);
        let Ok(bytes) = Arc::clone(&self.bytes).try_acquire_many_owned(permits) else {
            return Err(Box::new(Busy { request, reply }));
        };
        match self.queue.try_reserve() {
            Ok(place) => {
                let can_wait = request.wait_ms().is_some();
                place.send(Message::Job(Box::new(Job {
                    request,
                    pending: Pending(Some(reply)),
                    bytes,
                })));
                if !can_wait {
                    self.hurry();
                }
            }
            Err(mpsc::error::TrySendError::Full(())) => {
                return Err(Box::new(Busy { request, reply }));
            }
            Err(mpsc::error::TrySendError::Closed(())) => drop(Pending(Some(reply))),
        }
        Ok(())
    }

    /// Hands a request in and waits for its reply.
    pub async fn request(&self, request: StoreRequest) -> StoreReply {
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(|reply| {
            // Whoever asked may have gone.
            let _ = sender.send(reply);
        });
        self.submit(request, reply).await;
        receiver
            .await
            .unwrap_or_else(|_| StoreReply::Failed(stopped()))
    }

    /// How the store is doing, as of its last batch.
    #[must_use]
    pub fn health(&self) -> Health {
        lock(&self.health).clone()
    }

    /// The disk that it writes to, where that is watched.
    #[must_use]
    pub fn disk(&self) -> Option<&DiskWatch> {
        self.disk.as_deref()
    }

    /// Reads what the metrics show of the store.
    pub(crate) fn read_meters(&self) {
        let health = self.health();
        let store = meters::store_name(health.level);
        table::ROOMS.with(&[]).set(health.rooms as f64);
        let poisoned = f64::from(u8::from(health.read_only.is_some()));
        table::STORE_POISONED.with(&[store]).set(poisoned);
        let Some(disk) = self.disk() else { return };
        for (part, bytes) in disk.parts() {
            table::STORE_BYTES.with(&[store, part]).set(bytes as f64);
        }
        if let Some(state) = disk.look() {
            let (free, min) = (state.free_bytes as f64, state.min_bytes as f64);
            table::STORE_FREE_BYTES.with(&[store]).set(free);
            table::STORE_FREE_MIN_BYTES.with(&[store]).set(min);
        }
    }

    /// Ends the thread's wait for company: somebody waits for something that was handed in.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::Release);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn permits(&self, request: &StoreRequest) -> u32 {
        let bytes = request.payload_bytes() + REQUEST_BYTES;
        u32::try_from(bytes).map_or(self.bytes_max, |bytes| bytes.min(self.bytes_max))
    }
}

fn stopped() -> StoreError {
    StoreError::Io("the store has stopped".into())
}

/// A panic while it was held left a whole value behind: it is only ever replaced.
fn lock(health: &Mutex<Health>) -> MutexGuard<'_, Health> {
    health.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(
    engine: impl Engine,
    mut messages: mpsc::Receiver<Message>,
    limits: &ThreadLimits,
    hurried: &AtomicBool,
    health: &Mutex<Health>,
    desk: &Desk,
) {
    let mut engine = Some(engine);
    while let Some(first) = messages.blocking_recv() {
        let (jobs, stop) = collect(first, &mut messages, limits, hurried);
        // A stop may come alone: then there is nothing to commit.
        if !jobs.is_empty()
            && let Some(mut working) = engine.take()
        {
            match catch_unwind(AssertUnwindSafe(|| serve(&mut working, jobs, health, desk))) {
                Ok(()) => engine = Some(working),
                // The jobs were answered as they were dropped, later ones will be: what memory
                // knows of the file may be wrong. The file itself is whole.
                Err(_) => lock(health).read_only = Some("the store's thread panicked".into()),
            }
        }
        if stop {
            return;
        }
    }
}

/// Takes what stands in the queue, within the limits of a batch, and whether to stop after it. As
/// long as nobody waits for any of it, waits a little for more: see [`ThreadLimits::company`].
fn collect(
    first: Message,
    messages: &mut mpsc::Receiver<Message>,
    limits: &ThreadLimits,
    hurried: &AtomicBool,
) -> (Vec<Job>, bool) {
    let mut jobs = Vec::new();
    let mut bytes = 0;
    let mut next = Some(first);
    let mut wait_until = Instant::now() + WAIT_MAX;
    loop {
        // Before the queue is looked at: whoever hurries has handed in before.
        let mut can_wait = !hurried.swap(false, Ordering::AcqRel);
        while let Some(message) = next {
            let Message::Job(job) = message else {
                return (jobs, true);
            };
            bytes += job.request.payload_bytes();
            match job.request.wait_ms() {
                None => can_wait = false,
                Some(ms) => {
                    let wait = Duration::from_millis(ms).max(limits.company);
                    wait_until = wait_until.min(Instant::now() + wait);
                }
            }
            jobs.push(*job);
            if jobs.len() >= limits.batch_requests_max || bytes >= limits.batch_bytes_max {
                return (jobs, false);
            }
            next = messages.try_recv().ok();
        }
        let left = wait_until.saturating_duration_since(Instant::now());
        if !can_wait || left.is_zero() {
            return (jobs, false);
        }
        // Whoever hands in what cannot wait wakes the thread; who hands in what can wait less long
        // is seen when it looks again.
        std::thread::park_timeout(left.min(limits.company));
        next = messages.try_recv().ok();
    }
}

/// What the thread has at hand besides the engine: what it counts with.
#[derive(Debug)]
struct Desk {
    store: &'static str,
    commits: &'static Counter,
    appends: &'static Counter,
    append_seconds: &'static Histogram,
    append_records: &'static Histogram,
}

impl Desk {
    fn new(engine: &impl Engine) -> Self {
        let store = meters::store_name(engine.health().level);
        Self {
            store,
            commits: table::STORE_COMMITS.with(&[store]),
            appends: table::STORE_APPENDS.with(&[store]),
            append_seconds: table::STORE_APPEND_SECONDS.with(&[store]),
            append_records: table::STORE_APPEND_RECORDS.with(&[store]),
        }
    }

    /// Counts a reply that is a failure.
    fn failed(&self, reply: &StoreReply) {
        let reason = match reply {
            StoreReply::Failed(StoreError::Full) => "full",
            StoreReply::Failed(StoreError::ReadOnly) => "read_only",
            StoreReply::Failed(StoreError::Fenced | StoreError::Held(_)) => "fenced",
            StoreReply::Failed(StoreError::Damaged(_) | StoreError::Io(_)) => "failed",
            _ => return,
        };
        table::STORE_REFUSED
            .with(&[self.store, reason])
            .increment(1);
    }
}

fn serve(engine: &mut impl Engine, jobs: Vec<Job>, health: &Mutex<Health>, desk: &Desk) {
    let mut requests = Vec::with_capacity(jobs.len());
    let mut owed = Vec::with_capacity(jobs.len());
    let (mut appends, mut records) = (0, 0);
    for job in jobs {
        if let StoreRequest::Append(append) = &job.request {
            appends += 1;
            records += append.count;
        }
        requests.push(job.request);
        owed.push((job.pending, job.bytes));
    }
    let started = Instant::now();
    let replies = spans::store("batch").in_scope(|| engine.handle_batch(requests));
    if appends > 0 {
        desk.commits.increment(1);
        desk.appends.increment(appends);
        let took = started.elapsed();
        desk.append_seconds.record(took.as_secs_f64());
        desk.append_records.record(records as f64);
    }
    assert_eq!(replies.len(), owed.len(), "one reply for each request");
    // Before the replies: whoever is refused finds out why.
    show(health, engine.health());
    for ((pending, _permit), reply) in owed.into_iter().zip(replies) {
        desk.failed(&reply);
        pending.answer(reply);
    }
    spans::store("upkeep").in_scope(|| engine.maintain());
    show(health, engine.health());
}

fn show(health: &Mutex<Health>, now: Health) {
    let mut shown = lock(health);
    if *shown != now {
        *shown = now;
    }
}
