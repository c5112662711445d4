//! The routes: doors, operations, pages. Built without binding anything, so that tests call it and
//! other servers can merge it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use greenroom_core::store::StoreRequest;
use http::{HeaderValue, StatusCode, header};

use crate::app::App;
use crate::backup;
use crate::doors;
use crate::http_meters;
use crate::meters;
use crate::pages;
use crate::problem::problem;
use crate::rest;
use crate::settings::Mode;
use crate::store::Health;

/// The routes of a server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/yjs/{*room}", get(doors::yjs))
        .route("/hocuspocus", get(doors::hocuspocus))
        // Where the provider is told to is its own business: the path says nothing.
        .route("/hocuspocus/{*path}", get(doors::hocuspocus))
        .route("/d/{room}/ws/{again}", get(doors::ysweet))
        .route("/ws/room/{*room}", get(doors::raw))
        .route("/api/backup", get(backup::backup))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .route("/console", get(pages::console))
        .method_not_allowed_fallback(rest::method_not_allowed)
        .merge(rest::router(&app));
    router = match app.settings().mode {
        Mode::Dev => router
            .route("/status", get(async || "ok"))
            .fallback(get(pages::demo)),
        // What the console loads, and no more.
        Mode::Serve => router
            .route("/assets/{*file}", get(pages::demo))
            .route("/theme.js", get(pages::demo))
            .route("/mark.svg", get(pages::demo))
            .route("/licences.txt", get(pages::demo))
            .route("/", get(pages::plain))
            .fallback(not_found),
    };
    router
        .layer(axum::middleware::from_fn(rest::hear_out))
        .layer(axum::middleware::from_fn(http_meters::count))
        .with_state(app)
}

async fn healthz() -> &'static str {
    "ok"
}

/// Whether it may take traffic, and what a write survives: the level, and the window in which a
/// crash can cost edits if every peer that holds them is gone too.
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let health = health(&app).await;
    let level = health.level;
    let reasons = app.not_ready(&health);
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "level": level.name(),
        "commit_window_ms": app.policy().commit_window_ms_max(),
        "rooms_loaded": app.rooms().running(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

/// How the store is doing now: one that was full looks at its disk only when it is asked something,
/// and a server that is not ready may be asked nothing else.
async fn health(app: &App) -> Health {
    let health = app.store.health();
    if !health.full {
        return health;
    }
    app.store
        .request(StoreRequest::Queue { after: 0, limit: 0 })
        .await;
    app.store.health()
}

async fn metrics_page(State(app): State<Arc<App>>) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    (
        [(header::CONTENT_TYPE, kind)],
        meters::page(&app, &health(&app).await),
    )
        .into_response()
}

async fn not_found() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path",
    )
}
