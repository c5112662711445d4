//! The router: doors, operations, pages. Built without binding anything, so that tests call it and
//! other servers can merge it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use greenroom_core::limits::Limits;
use http::{HeaderValue, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::doors::{self, ConnectionNumbers};
use crate::edge::Edge;
use crate::pages;
use crate::problem::problem;
use crate::rooms::Rooms;
use crate::settings::{Mode, Settings};
use crate::store::{Health, StoreHandle};

/// What every handler sees.
pub(crate) struct App {
    rooms: Arc<Rooms>,
    limits: Arc<Limits>,
    store: StoreHandle,
    metrics: PrometheusHandle,
    connections: ConnectionNumbers,
    draining: AtomicBool,
}

impl App {
    pub(crate) fn new(rooms: Arc<Rooms>, store: StoreHandle, metrics: PrometheusHandle) -> Self {
        let limits = Arc::new(rooms.edge().settings.limits.clone());
        let connections = ConnectionNumbers::default();
        let draining = AtomicBool::new(false);
        Self {
            rooms,
            limits,
            store,
            metrics,
            connections,
            draining,
        }
    }

    pub(crate) fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }

    pub(crate) fn edge(&self) -> &Arc<Edge> {
        self.rooms.edge()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.edge().settings
    }

    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.next()
    }

    /// From now on `/readyz` says no.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// The routes of a server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/yjs/{*room}", get(doors::yjs))
        .route("/ws/room/{*room}", get(doors::raw))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page));
    router = match app.settings().mode {
        Mode::Dev => router
            .route("/status", get(async || "ok"))
            .fallback(get(pages::demo)),
        Mode::Serve => router.route("/", get(pages::plain)).fallback(not_found),
    };
    router.with_state(app)
}

async fn healthz() -> &'static str {
    "ok"
}

/// Whether it may take traffic, and what a write survives: the level, and the window in which a
/// crash can cost edits if every peer that holds them is gone too.
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let Health { level, read_only } = app.store.health();
    let mut reasons = Vec::new();
    if app.is_draining() {
        reasons.push("draining: the server stops".to_owned());
    }
    if let Some(why) = read_only {
        reasons.push(format!("store read-only: {why}"));
    }
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "level": level.name(),
        "commit_window_ms": app.limits.commit_window_ms,
        "rooms_loaded": app.rooms.running(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

async fn metrics_page(State(app): State<Arc<App>>) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], app.metrics.render()).into_response()
}

async fn not_found() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path",
    )
}
