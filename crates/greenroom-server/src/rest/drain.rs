//! Who is refused while still sending is heard out first, within bounds: a peer that writes all before
//! it reads would see its connection reset in place of the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use greenroom_core::limits::{REFUSED_BODY_BYTES_MAX, REFUSED_BODY_MS_MAX};
use http::header;
use http_body::{Frame, SizeHint};

/// Answers; a refusal when the rest of its request has come, or more than is worth waiting for.
pub(crate) async fn hear_out(request: Request, next: Next) -> Response {
    // Who waits for our word before the body (`Expect: 100-continue`) sends none when refused.
    let waits = request.headers().contains_key(header::EXPECT);
    if request.body().is_end_stream() || waits {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let rest = Rest(Arc::new(Mutex::new(body)));
    let request = Request::from_parts(parts, Body::new(rest.clone()));
    let response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        let within = Duration::from_millis(REFUSED_BODY_MS_MAX);
        // Whether it came to its end or not: the answer goes out.
        let _ = tokio::time::timeout(within, rest.drain()).await;
    }
    response
}

/// A request's body, of which what the handler leaves can be read behind it. Locked for a poll.
#[derive(Clone, Debug)]
struct Rest(Arc<Mutex<Body>>);

impl Rest {
    fn with<T>(&self, run: impl FnOnce(Pin<&mut Body>) -> T) -> T {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        run(Pin::new(&mut *body))
    }

    /// Reads what is left, and drops it; nothing of what is known to be too much.
    async fn drain(&self) {
        let mut left = REFUSED_BODY_BYTES_MAX as u64;
        if self.with(|body| body.size_hint().lower()) > left {
            return;
        }
        while !self.with(|body| body.is_end_stream()) {
            let frame = std::future::poll_fn(|cx| self.with(|body| body.poll_frame(cx))).await;
            let Some(Ok(frame)) = frame else { return };
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            let Some(still) = left.checked_sub(bytes) else {
                return;
            };
            left = still;
        }
    }
}

impl http_body::Body for Rest {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}
