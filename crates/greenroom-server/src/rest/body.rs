//! Reads the bodies of requests: within a limit, within a time, of the type that is wanted.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest as _, Request};
use bytes::Bytes;
use greenroom_core::limits::{REQUEST_BODY_DEADLINE_MS, REQUEST_JSON_BYTES_MAX};
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// Bytes of any kind.
const BYTES: &str = "application/octet-stream";
/// Text in UTF-8.
const TEXT: &str = "text/plain";

/// Reads a body of at most `bytes_max` bytes.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body may have {bytes_max} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    };
    let said = headers.get(header::CONTENT_LENGTH);
    let said = said.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large());
    }
    let at_most = axum::extract::DefaultBodyLimit::max(bytes_max);
    let mut request = Request::new(body);
    at_most.apply(&mut request);
    let deadline = Duration::from_millis(REQUEST_BODY_DEADLINE_MS);
    let read = tokio::time::timeout(deadline, Bytes::from_request(request, &()));
    match read.await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
        Ok(Err(_)) => Err(Problem::bad("body", "the body was cut off")),
        Err(_) => {
            let detail = "the body did not come in time";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body", detail))
        }
    }
}

/// The media type of a body, in lower case, without parameters; `""` without any.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

fn wrong_type(wanted: &str) -> Problem {
    let detail = format!("the body has to be of type `{wanted}`");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail)
        .hint(format!("send `Content-Type: {wanted}`"))
}

/// Whether a media type is JSON.
pub(super) fn is_json(kind: &str) -> bool {
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// A body that is JSON.
pub(super) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    if !is_json(&media_type(headers)) {
        return Err(wrong_type("application/json"));
    }
    let bytes = read(headers, body, REQUEST_JSON_BYTES_MAX).await?;
    parse(&bytes)
}

/// A body that is JSON, or none.
pub(super) async fn maybe_json<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    if body.is_end_stream() {
        return Ok(T::default());
    }
    json(headers, body).await
}

/// A body that is a JSON object.
pub(super) async fn object(headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Problem> {
    json(headers, body).await
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::bad(
            "body",
            format!("the body is not what it should be: {error}"),
        )
    })
}

/// Whether the body is of this type.
pub(super) fn check_type(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    if media_type(headers) == wanted {
        return Ok(());
    }
    Err(wrong_type(wanted))
}

/// A body of bytes.
pub(super) async fn bytes(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    check_type(headers, BYTES)?;
    read(headers, body, bytes_max).await
}

/// A body of text.
pub(super) async fn text(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<String, Problem> {
    check_type(headers, TEXT)?;
    utf8(read(headers, body, bytes_max).await?)
}

pub(super) fn utf8(bytes: Bytes) -> Result<String, Problem> {
    String::from_utf8(bytes.into()).map_err(|_| Problem::bad("body", "the body is not UTF-8"))
}
