//! Spans for OpenTelemetry, with feature `otel`: one for each request, and one for each commit of a
//! room, from the receipt of the oldest message in it to stable storage. They go to the tracer
//! provider that the program has set, and nowhere when it has set none. Ids and sizes, never
//! payloads or tokens, as in the log. Without the feature everything here is empty.

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod spans;

#[cfg(not(feature = "otel"))]
pub(crate) use absent::{CommitSpan, RequestSpan};
#[cfg(feature = "otel")]
pub(crate) use spans::{CommitSpan, RequestSpan};
