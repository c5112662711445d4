//! Traces for an OpenTelemetry collector, over OTLP/HTTP: where to and which is said by the standard
//! `OTEL_*` variables, read once at the start.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::{KeyValue, global};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use ureq::Agent;

use crate::failure::Failure;
use crate::trust::{self, Trust};

/// How long the last spans may take to leave at the end.
const FLUSH_DEADLINE: Duration = Duration::from_secs(3);

/// How long the collector may take for one batch; `OTEL_EXPORTER_OTLP_TIMEOUT` is in milliseconds.
const POST_DEADLINE: Duration = Duration::from_secs(10);

/// The answer of a collector that is read at most.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// What sends spans away until it is dropped.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_DEADLINE) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Starts to send spans, if the variables want that.
///
/// # Errors
/// When they want what is not there.
pub(crate) fn start(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Traces>, Failure> {
    let Some(endpoint) = endpoint(&variable)? else {
        return Ok(None);
    };
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot send traces to {endpoint}: {error}"))
            .hint("see OTEL_EXPORTER_OTLP_ENDPOINT; a collector listens on http://HOST:4318")
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Post::to(&endpoint)?)
        .build()
        .map_err(|error| wrong(&error))?;
    let mut resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let named = variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|a| a.contains("service.name="));
    if !named && variable("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name("greenroom");
    }
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(provider.clone());
    tracing::info!(endpoint, "sending traces");
    Ok(Some(Traces(provider)))
}

/// Where spans go; nothing when none are wanted. The standard's default, a collector on this machine,
/// is used only when it is asked for: most machines have none.
fn endpoint(variable: impl Fn(&str) -> Option<String>) -> Result<Option<String>, Failure> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let of = |name: &str| {
        variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
            .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
    };
    let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let exporter = variable("OTEL_TRACES_EXPORTER");
    let endpoint = of("ENDPOINT");
    let endpoint = match exporter.as_deref() {
        _ if disabled => return Ok(None),
        Some("none") => return Ok(None),
        Some("otlp") => endpoint.unwrap_or_else(|| "http://localhost:4318".to_owned()),
        None => match endpoint {
            Some(endpoint) => endpoint,
            None => return Ok(None),
        },
        Some(other) => {
            return Err(Failure::usage(format!(
                "OTEL_TRACES_EXPORTER asks for `{}`",
                other.escape_debug()
            ))
            .hint("`otlp` and `none` are what there is"));
        }
    };
    match of("PROTOCOL").as_deref() {
        None | Some("http/protobuf") => Ok(Some(endpoint)),
        Some(other) => Err(Failure::usage(format!(
            "OTEL_EXPORTER_OTLP_PROTOCOL asks for `{}`",
            other.escape_debug()
        ))
        .hint("`http/protobuf` is what there is; collectors take it on port 4318")),
    }
}

/// Posts batches, from the thread that gathers them.
#[derive(Debug)]
struct Post {
    agent: Agent,
    /// The last batch was not taken: what is told once is not told for each further one.
    failing: AtomicBool,
}

impl Post {
    fn to(endpoint: &str) -> Result<Self, Failure> {
        let config = Agent::config_builder()
            .tls_config(trust::tls_config(endpoint, Trust::Authorities)?)
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(POST_DEADLINE))
            .user_agent(concat!("greenroom/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .build();
        Ok(Self {
            agent: config.into(),
            failing: AtomicBool::new(false),
        })
    }

    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, body.to_vec());
        let (head, body) = self.agent.run(request)?.into_parts();
        let body = body
            .into_with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()?;
        Ok(Response::from_parts(head, Bytes::from(body)))
    }
}

#[async_trait::async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.post(request);
        let trouble = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.failing.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(trouble) if !was_failing => {
                tracing::warn!(trouble, "the collector takes no traces")
            }
            None if was_failing => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        answer
    }
}

#[cfg(test)]
mod tests;
