//! The spans, by OpenTelemetry's interface, without its SDK: that is the program's.

use std::sync::LazyLock;
use std::time::SystemTime;

use greenroom_core::store::{Append, StoreReply};
use http::{HeaderMap, StatusCode};
use opentelemetry::global::{self, BoxedSpan, BoxedTracer};
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use tokio::time::Instant;

/// Routes that are asked every few seconds by machines: their spans would bury the others.
const UNTRACED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Asked once: the provider is set before the server starts.
fn tracer() -> &'static BoxedTracer {
    static TRACER: LazyLock<BoxedTracer> = LazyLock::new(|| {
        let scope = InstrumentationScope::builder("greenroom");
        let scope = scope.with_version(env!("CARGO_PKG_VERSION")).build();
        global::tracer_with_scope(scope)
    });
    &TRACER
}

/// The span of a commit.
pub(crate) struct CommitSpan(BoxedSpan);

impl CommitSpan {
    /// The store is asked to append; the oldest message in it was received at `heard`.
    pub(crate) fn begin(append: &Append, heard: Option<Instant>) -> Self {
        let waited = heard.map(|heard| heard.elapsed()).unwrap_or_default();
        let now = SystemTime::now();
        let builder = tracer()
            .span_builder("room.commit")
            .with_kind(SpanKind::Internal)
            .with_start_time(now.checked_sub(waited).unwrap_or(now));
        let mut span = tracer().build(builder);
        // What is not sampled is not worth its words.
        if span.is_recording() {
            span.set_attributes([
                KeyValue::new("greenroom.room", append.room.to_string()),
                KeyValue::new("greenroom.seq", append.first_seq as i64),
                KeyValue::new("greenroom.records", append.count as i64),
                KeyValue::new("greenroom.bytes", append.data.len() as i64),
            ]);
            // What is before it is the room's time, what is after it the store's.
            span.add_event_with_timestamp("store.asked", now, Vec::new());
        }
        Self(span)
    }

    /// The store has answered.
    pub(crate) fn end(mut self, reply: &StoreReply) {
        if let StoreReply::Failed(failure) = reply {
            self.0.set_status(Status::error(format!("{failure:?}")));
        }
        self.0.end();
    }
}

/// The span of a request.
pub(crate) struct RequestSpan(Option<BoxedSpan>);

impl RequestSpan {
    /// A request came; the caller's trace is taken up where the headers name one.
    pub(crate) fn begin(route: &str, method: &'static str, headers: &HeaderMap) -> Self {
        if UNTRACED.contains(&route) {
            return Self(None);
        }
        let parent = global::get_text_map_propagator(|propagator| propagator.extract(&Of(headers)));
        let builder = tracer()
            .span_builder(format!("{method} {route}"))
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", method),
                KeyValue::new("http.route", route.to_owned()),
            ]);
        Self(Some(tracer().build_with_context(builder, &parent)))
    }

    /// It is answered.
    pub(crate) fn end(self, status: StatusCode) {
        let Some(mut span) = self.0 else {
            return;
        };
        let code = i64::from(status.as_u16());
        span.set_attribute(KeyValue::new("http.response.status_code", code));
        if status.is_server_error() {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// The headers of a request, as propagators read them.
struct Of<'a>(&'a HeaderMap);

impl Extractor for Of<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
