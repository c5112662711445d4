//! The description of the interface, for programs and for people.

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderValue, header};
use utoipa::openapi::OpenApi;

/// `/api/openapi.json`, `/api/docs` and what that page loads.
pub(super) fn router<S: Clone + Send + Sync + 'static>(description: &OpenApi) -> Router<S> {
    let json = serde_json::to_vec(description).expect("the description has string keys only");
    let json = Bytes::from(json);
    Router::new()
        .route(
            "/api/openapi.json",
            get(async move || answer("application/json", json.clone())),
        )
        .route("/api/docs", get(page))
        .route("/api/docs/docs.js", get(script))
        .route("/api/docs/docs.css", get(style))
}

async fn page() -> Response {
    answer("text/html; charset=utf-8", include_str!("docs/page.html"))
}

async fn script() -> Response {
    let kind = "text/javascript; charset=utf-8";
    answer(kind, include_str!("docs/docs.js"))
}

async fn style() -> Response {
    answer("text/css; charset=utf-8", include_str!("docs/docs.css"))
}

/// Nothing but what comes from here is loaded, run or asked.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

fn answer(kind: &'static str, body: impl Into<Bytes>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (headers, body.into()).into_response()
}
