//! A server from start to stop: directory, store, listener, connections, drain.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use greenroom_core::limits::Limits;
use greenroom_core::store::{ListFilter, StoreReply, StoreRequest};
use tokio::net::TcpListener;

use crate::app::App;
use crate::compute::ComputePool;
use crate::edge::{Edge, TaskRunner};
use crate::expiring;
use crate::front::TlsSource;
use crate::hooks;
use crate::listen::Entrance;
use crate::meters;
use crate::overview;
use crate::pace::Pace;
use crate::policy::Policy;
use crate::rooms::Rooms;
use crate::settings::{DataPlace, Settings};
use crate::store::{DataDirectory, OpenError, SqliteStore, StoreHandle, StoreThread, ThreadLimits};
#[cfg(feature = "tls")]
use crate::tls::{Tls, TlsError};
use crate::waking;
use crate::{rounds, router};

/// How long accepting pauses when the process has no file descriptors left: long enough to be no
/// busy loop, short enough to be no outage.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Of the time that a graceful stop may take, the part in which sessions are sent away one after
/// the other; the rest is for what the last ones left to be stored.
const SPREAD_PART: f64 = 0.8;

/// How a server is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are sent away no faster than they would be let in again, since they all come back
    /// somewhere, and within the time for a graceful stop.
    Spread,
    /// All at once: somebody waits for it.
    AtOnce,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its data cannot be opened.
    #[error(transparent)]
    Data(#[from] OpenError),
    /// Its address is taken.
    #[error("port {} on {} is taken", .0.port(), .0.ip())]
    Taken(SocketAddr),
    /// It cannot listen.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// A thread of the store or of the job pool cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Its certificate cannot be used.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It was built without what it is asked for: the cargo feature.
    #[error("this program was built without {0}")]
    Unbuilt(&'static str),
}

impl StartError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(error) => Some(error.hint().into()),
            Self::Taken(at) => {
                let free = SocketAddr::new(at.ip(), 0);
                Some(format!("`--listen {free}` picks a free one"))
            }
            Self::Listen(..) => Some("`--listen ADDRESS:PORT` names another address".into()),
            Self::Thread(_) => None,
            #[cfg(feature = "tls")]
            Self::Tls(error) => Some(error.hint().into()),
            Self::Unbuilt(feature) => Some(format!(
                "build it with `cargo build --features {feature}`, or let a proxy do that"
            )),
        }
    }
}

/// Changes what a running server goes by.
#[derive(Clone)]
pub struct Reloader {
    edge: Arc<Edge>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<Tls>>,
}

impl Reloader {
    /// From now on `policy` holds: for each handshake and each request, and for rooms that are
    /// loaded from now on. Who is connected stays, with the rights that were given.
    pub fn replace(&self, policy: Policy) {
        self.edge.replace_policy(policy);
    }

    /// Reads the certificate's files anew; connections from now on get what they say. False when
    /// there are none.
    ///
    /// # Errors
    /// When they cannot be used: what was in force still is.
    #[cfg(feature = "tls")]
    pub fn reload_certificate(&self) -> Result<bool, TlsError> {
        self.tls.as_ref().map_or(Ok(false), |tls| tls.reload())
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

/// A server that listens and does not serve yet.
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    app: Arc<App>,
    router: Router,
    rooms: Arc<Rooms>,
    store: StoreThread,
    drain: Duration,
    reached: Reached,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the data, then the address. Nothing is served before [`Self::run`].
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind(settings: Settings) -> Result<Self, StartError> {
        Self::bind_with(settings, HashMap::new()).await
    }

    /// As [`Self::bind`], on a socket that listens already, as a supervisor hands it over.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind_on(
        settings: Settings,
        listener: std::net::TcpListener,
    ) -> Result<Self, StartError> {
        let at = settings.listen;
        let taken_over = listener
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(listener));
        let listener = taken_over.map_err(|error| StartError::Listen(at, error))?;
        Self::start(settings, HashMap::new(), Some(listener)).await
    }

    /// As [`Self::bind`], with runners for the tasks that services start, by name.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind_with(
        settings: Settings,
        runners: HashMap<String, Arc<TaskRunner>>,
    ) -> Result<Self, StartError> {
        Self::start(settings, runners, None).await
    }

    async fn start(
        settings: Settings,
        runners: HashMap<String, Arc<TaskRunner>>,
        listener: Option<TcpListener>,
    ) -> Result<Self, StartError> {
        let reached = Reached::prepare(settings.front.tls.as_ref())?;
        let engine = match &settings.data {
            DataPlace::Memory => SqliteStore::in_memory()?,
            DataPlace::Directory(path) => {
                let directory = Arc::new(DataDirectory::open(path)?);
                SqliteStore::open_with(directory, settings.disk_free)?
            }
        };
        let store =
            StoreThread::spawn(engine, &ThreadLimits::default()).map_err(StartError::Thread)?;
        let at = settings.listen;
        let listener = match listener {
            Some(listener) => listener,
            None => listen(at).await?,
        };
        let addr = listener
            .local_addr()
            .map_err(|error| StartError::Listen(at, error))?;
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let compute = ComputePool::start(cores).map_err(StartError::Thread)?;
        let drain = Duration::from_millis(settings.drain_ms);
        let edge = Arc::new(Edge::new(
            settings,
            store.handle().clone(),
            runners,
            compute,
        ));
        let rooms = Rooms::new(edge, 2 * cores);
        let pace = pace(store.handle(), &rooms.edge().policy().limits).await;
        let app = Arc::new(App::new(Arc::clone(&rooms), store.handle().clone(), pace));
        let router = router::router(Arc::clone(&app));
        rooms.edge().spawn(waking::run(Arc::clone(&rooms)));
        rooms.edge().spawn(expiring::run(Arc::clone(rooms.edge())));
        rooms
            .edge()
            .spawn(meters::watch_lag(Arc::clone(rooms.edge())));
        rooms.edge().spawn(overview::watch(Arc::clone(&app)));
        rooms.edge().spawn(hooks::run(Arc::clone(&rooms)));
        rooms.edge().spawn(rounds::run(Arc::clone(rooms.edge())));
        reached.run(rooms.edge());
        Ok(Self {
            reached,
            listener,
            addr,
            app,
            router,
            rooms,
            store,
            drain,
        })
    }

    /// Its rooms.
    #[cfg(test)]
    pub(crate) fn rooms(&self) -> Arc<Rooms> {
        Arc::clone(&self.rooms)
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether it speaks https and wss.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.reached.is_secure()
    }

    /// Gives the server another policy, and its certificate's files another look, while it runs.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader {
            edge: Arc::clone(self.rooms.edge()),
            #[cfg(feature = "tls")]
            tls: self.reached.tls.clone(),
        }
    }

    /// Its routes, to be merged into another server's, which then serves them while this runs too.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Serves until `shutdown` is done, then stops: not ready, nobody let in, rooms committed,
    /// connections closed. What is not done by the deadline is cut off; nothing acknowledged is
    /// lost by that.
    pub async fn run(self, shutdown: impl Future<Output = Stop>) {
        let entrance = Arc::new(Entrance {
            edge: Arc::clone(self.rooms.edge()),
            router: self.router.clone(),
            #[cfg(feature = "tls")]
            tls: self.reached.tls.clone(),
        });
        let accept = async {
            loop {
                match self.listener.accept().await {
                    Ok((stream, peer)) => entrance.serve(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept connections");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        let how = tokio::select! {
            never = accept => never,
            how = shutdown => how,
        };
        let spread_max = match how {
            Stop::Spread => self.drain.mul_f64(SPREAD_PART),
            Stop::AtOnce => Duration::ZERO,
        };
        tracing::info!(rooms = self.rooms.running(), "draining");
        self.app.drain();
        drop(self.listener);
        let per_s = self.app.policy().limits.handshakes_per_s_max;
        if tokio::time::timeout(self.drain, self.rooms.stop(per_s, spread_max))
            .await
            .is_err()
        {
            tracing::warn!("some rooms did not stop in time");
        }
        self.rooms.edge().finish_tasks(Duration::from_secs(2)).await;
        self.store.stop().await;
        tracing::info!("stopped");
    }
}

async fn listen(at: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(at)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => StartError::Taken(at),
            _ => StartError::Listen(at, error),
        })
}

/// How connections are encrypted, if they are.
#[derive(Default)]
struct Reached {
    #[cfg(feature = "tls")]
    tls: Option<Arc<Tls>>,
}

impl Reached {
    #[cfg(feature = "tls")]
    fn prepare(source: Option<&TlsSource>) -> Result<Self, StartError> {
        let tls = match source {
            None => None,
            Some(TlsSource::Files(files)) => Some(Arc::new(Tls::of_files(files.clone())?)),
            #[cfg(feature = "acme")]
            Some(TlsSource::Acme(order)) => Some(Arc::new(Tls::of_acme(order)?)),
            #[cfg(not(feature = "acme"))]
            Some(TlsSource::Acme(_)) => return Err(StartError::Unbuilt("acme")),
        };
        Ok(Self { tls })
    }

    #[cfg(not(feature = "tls"))]
    fn prepare(source: Option<&TlsSource>) -> Result<Self, StartError> {
        match source {
            None => Ok(Self {}),
            Some(TlsSource::Files(_)) => Err(StartError::Unbuilt("tls")),
            Some(TlsSource::Acme(_)) => Err(StartError::Unbuilt("acme")),
        }
    }

    /// Keeps the certificate fresh.
    fn run(&self, edge: &Arc<Edge>) {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone() {
            let stopping = Arc::clone(edge);
            edge.spawn(async move {
                // Cancel-safe: what is fresh is put in place at once or not at all.
                tokio::select! {
                    () = tls.keep_fresh() => {}
                    () = stopping.stopping() => {}
                }
            });
        }
        #[cfg(not(feature = "tls"))]
        let _ = edge;
    }

    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unused_self, reason = "there is nothing")
    )]
    fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }
}

impl std::fmt::Debug for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reached")
            .field("secure", &self.is_secure())
            .finish()
    }
}

/// Only rooms that were there before can have people who come back to them.
async fn pace(store: &StoreHandle, limits: &Limits) -> Pace {
    let one = ListFilter {
        limit: 1,
        ..ListFilter::default()
    };
    match store.request(StoreRequest::List(one)).await {
        StoreReply::Rooms(rooms) if rooms.is_empty() => Pace::none(limits),
        _ => Pace::after_start(limits),
    }
}
