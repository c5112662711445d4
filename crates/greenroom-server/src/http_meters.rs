//! Counts HTTP requests by their route; a path would be one more series for whoever asks for it.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use tokio::time::Instant;

use crate::meters::table;
use crate::traces::RequestSpan;

/// The route of what no route matches: pages and what is not there.
const NO_ROUTE: &str = "other";

/// Counts a request and how long its answer took.
pub(crate) async fn count(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let method = method_name(request.method());
    let span = RequestSpan::begin(route, method, request.headers());
    let response = next.run(request).await;
    span.end(response.status());
    let status = match response.status().as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    table::HTTP_REQUESTS
        .with(&[route, method, status])
        .increment(1);
    let took = started.elapsed();
    table::HTTP_REQUEST_SECONDS
        .with(&[route, method])
        .record(took.as_secs_f64());
    tracing::debug!(
        route,
        method,
        status,
        took_us = took.as_micros() as u64,
        "request"
    );
    response
}

/// A method is whatever a peer writes there.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
