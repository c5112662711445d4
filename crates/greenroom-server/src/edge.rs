//! What rooms need of the process: a clock, the store, a pool for jobs, runners for tasks.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use greenroom_core::collab::collab_rooms;
use greenroom_core::hooks::Wishes;
use greenroom_core::room::behaviour::BehaviourFactory;
use greenroom_core::room::job::{Job, JobDone};
use greenroom_core::room::{Room, RoomConfig};
use greenroom_core::service::service_rooms;
use greenroom_core::store::{NodeId, StoreReply, StoreRequest};
use greenroom_service::{Millis, RoomId, TaskResult, TaskSpec};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::codec;
use crate::compute::ComputePool;
use crate::hooks::Hooks;
use crate::meters::RoomMeters;
use crate::policy::Policy;
use crate::rounds::Rounds;
use crate::settings::{Kind, Settings};
use crate::store::StoreHandle;
use crate::waker::Waker;

/// Runs a task of one name: gets the input that the service gave, gives its result.
pub type TaskRunner =
    dyn Fn(Bytes) -> Pin<Box<dyn Future<Output = TaskResult> + Send>> + Send + Sync;

/// The longest that a task may run.
const TASK_DEADLINE: Duration = Duration::from_secs(60);

/// Wall clock at start plus monotonic elapsed: never runs backwards, whatever is done to the
/// machine's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Millis,
    started: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            wall: Millis(wall_ms()),
            started: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Millis {
        self.wall.plus(self.started.elapsed().as_millis() as u64)
    }

    /// Since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// When room time `at` is.
    pub(crate) fn instant(&self, at: Millis) -> Instant {
        let ahead = Duration::from_millis(at.since(self.wall));
        self.started
            .checked_add(ahead)
            .unwrap_or_else(|| self.far())
    }

    /// A time that does not come.
    pub(crate) fn far(&self) -> Instant {
        self.started + Duration::from_secs(60 * 60 * 24 * 365 * 30)
    }
}

/// Milliseconds since the Unix epoch by the wall clock.
pub(crate) fn wall_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as u64
}

/// What rooms need of the process.
pub(crate) struct Edge {
    pub(crate) settings: Settings,
    /// Read by each handshake, each request and each room that starts; never across an await.
    policy: RwLock<Arc<Policy>>,
    pub(crate) clock: Clock,
    pub(crate) node: NodeId,
    pub(crate) waker: Waker,
    pub(crate) rounds: Rounds,
    pub(crate) hooks: Hooks,
    store: StoreHandle,
    compute: ComputePool,
    runners: HashMap<String, Arc<TaskRunner>>,
    collab: Arc<BehaviourFactory>,
    /// Every task of the process; locked to add one, never across an await.
    tasks: Mutex<JoinSet<()>>,
    /// Whether the tasks that run as long as the process shall end.
    stopping: watch::Sender<bool>,
}

impl Edge {
    pub(crate) fn new(
        settings: Settings,
        store: StoreHandle,
        runners: HashMap<String, Arc<TaskRunner>>,
        compute: ComputePool,
    ) -> Self {
        Self {
            policy: RwLock::new(Arc::new(settings.policy.clone())),
            settings,
            clock: Clock::new(),
            node: NodeId(1),
            waker: Waker::default(),
            rounds: Rounds::default(),
            hooks: Hooks::default(),
            store,
            compute,
            runners,
            collab: collab_rooms(),
            tasks: Mutex::new(JoinSet::new()),
            stopping: watch::Sender::new(false),
        }
    }

    /// What holds now.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&policy)
    }

    /// From now on this holds.
    pub(crate) fn replace_policy(&self, policy: Policy) {
        let mut held = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(policy);
    }

    /// Random bits of the operating system.
    pub(crate) fn random(&self) -> u64 {
        // Without randomness a room's seed is its load time: predictable, and nothing breaks.
        getrandom::u64().unwrap_or_else(|_| self.clock.now().0)
    }

    /// A room that starts to load.
    pub(crate) fn room(&self, config: RoomConfig, now: Millis) -> Room {
        let behaviour = self.behaviour_of(&config.id);
        Room::new(config, behaviour, now).deflating(codec::deflate)
    }

    /// The meters of a room that starts to load.
    pub(crate) fn meters(&self, room: &RoomId) -> RoomMeters {
        let kind = self.settings.kind_of(room);
        RoomMeters::new(self.settings.pattern_of(room), kind.name())
    }

    /// What hooks want of a room. A service knows by itself what it holds at first.
    pub(crate) fn wishes_of(&self, policy: &Policy, room: &RoomId) -> Wishes {
        let wishes = policy.hooks.wishes_of(room);
        let is_collab = matches!(self.settings.kind_of(room), Kind::Collab);
        Wishes {
            first_content: wishes.first_content && is_collab,
            ..wishes
        }
    }

    /// What makes the behaviour of this room.
    fn behaviour_of(&self, room: &RoomId) -> Arc<BehaviourFactory> {
        match self.settings.kind_of(room) {
            Kind::Collab => Arc::clone(&self.collab),
            Kind::Service(factory) => service_rooms(factory),
        }
    }

    /// Runs `task` until it ends or the process stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits until the tasks of the process are to end. Cancel-safe.
    pub(crate) async fn stopping(&self) {
        // The sender lives as long as this value.
        let _ = self
            .stopping
            .subscribe()
            .wait_for(|stopping| *stopping)
            .await;
    }

    /// Tells every task to end, gives it a moment, then ends those that still run.
    pub(crate) async fn finish_tasks(&self, deadline: Duration) {
        self.stopping.send_replace(true);
        let mut tasks = {
            let mut held = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *held)
        };
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, all).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "cut off what did not end in time");
            tasks.shutdown().await;
        }
    }

    /// Asks the store; `done` is called from its thread.
    pub(crate) fn ask_store(
        self: &Arc<Self>,
        request: StoreRequest,
        done: impl FnOnce(&Self, StoreReply) + Send + 'static,
    ) {
        let edge = Arc::clone(self);
        let done = move |reply| done(&edge, reply);
        // A room has one append under way, so that waiting in a task keeps its order.
        if let Err(busy) = self.store.try_submit(request, Box::new(done)) {
            let store = self.store.clone();
            self.spawn(async move { store.submit(busy.request, busy.reply).await });
        }
    }

    /// Somebody waits for what the store has.
    pub(crate) fn hurry_store(&self) {
        self.store.hurry();
    }

    /// Asks the store and waits for its reply.
    pub(crate) async fn request_store(&self, request: StoreRequest) -> StoreReply {
        self.store.request(request).await
    }

    /// Runs a job on the pool.
    pub(crate) fn compute(&self, job: Job, done: impl FnOnce(JobDone) + Send + 'static) {
        self.compute.run(job, done);
    }

    /// Runs a service's task with the runner of its name.
    pub(crate) fn run_task(&self, spec: TaskSpec, done: impl FnOnce(TaskResult) + Send + 'static) {
        let Some(runner) = self.runners.get(&spec.name).cloned() else {
            let reason = format!("no runner is registered for tasks named `{}`", spec.name);
            return done(TaskResult::Failed(reason));
        };
        self.spawn(async move {
            let run = tokio::time::timeout(TASK_DEADLINE, runner(spec.input));
            let late = || TaskResult::Failed("it ran longer than 60 s".into());
            done(run.await.unwrap_or_else(|_| late()));
        });
    }
}
