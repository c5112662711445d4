//! A server from start to stop: directory, store, listener, connections, drain.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use greenroom_core::limits::Limits;
use greenroom_core::store::{ListFilter, StoreReply, StoreRequest};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

use crate::app::App;
use crate::compute::ComputePool;
use crate::edge::{Edge, TaskRunner};
use crate::meters;
use crate::pace::Pace;
use crate::rooms::Rooms;
use crate::settings::{DataPlace, Settings};
use crate::store::{DataDirectory, OpenError, SqliteStore, StoreHandle, StoreThread, ThreadLimits};
use crate::waking;
use crate::{rounds, router};

/// How long a peer may take for the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

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
        }
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

    /// As [`Self::bind`], with runners for the tasks that services start, by name.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind_with(
        settings: Settings,
        runners: HashMap<String, Arc<TaskRunner>>,
    ) -> Result<Self, StartError> {
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
        let listener = TcpListener::bind(at)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => StartError::Taken(at),
                _ => StartError::Listen(at, error),
            })?;
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
        let pace = pace(store.handle(), &rooms.edge().settings.limits).await;
        let app = Arc::new(App::new(Arc::clone(&rooms), store.handle().clone(), pace));
        let router = router::router(Arc::clone(&app));
        rooms.edge().spawn(waking::run(Arc::clone(&rooms)));
        rooms
            .edge()
            .spawn(meters::watch_lag(Arc::clone(rooms.edge())));
        rooms.edge().spawn(rounds::run(Arc::clone(rooms.edge())));
        Ok(Self {
            listener,
            addr,
            app,
            router,
            rooms,
            store,
            drain,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its routes, to be merged into another server's, which then serves them while this runs too.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Serves until `shutdown` is done, then stops: not ready, nobody let in, rooms committed,
    /// connections closed. What is not done by the deadline is cut off; nothing acknowledged is
    /// lost by that.
    pub async fn run(self, shutdown: impl Future<Output = Stop>) {
        let accept = async {
            loop {
                match self.listener.accept().await {
                    Ok((stream, peer)) => self.serve(stream, peer),
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
        let per_s = self.app.limits().handshakes_per_s_max;
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

    fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        // Small frames must not wait for acknowledgements of earlier ones.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        // A layer of the router would be built anew, with all its routes, for each connection.
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.call(request)
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let edge = Arc::clone(self.rooms.edge());
        self.rooms.edge().spawn(async move {
            let mut serving = std::pin::pin!(serving);
            // Both arms are cancel-safe: the connection is pinned outside.
            let served = tokio::select! {
                served = serving.as_mut() => served,
                () = edge.stopping() => {
                    // One that is kept open between requests would otherwise hold up the stop.
                    serving.as_mut().graceful_shutdown();
                    serving.await
                }
            };
            if let Err(error) = served {
                tracing::debug!(%error, "an HTTP connection broke");
            }
        });
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
