//! `health`: one question to a server, for probes in images without a shell.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::Method;

use crate::cli::{GlobalOptions, HealthOptions};
use crate::client::Client;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::trust::Trust;

/// Probes of container platforms wait a few seconds at most.
const DEADLINE: Duration = Duration::from_secs(5);

/// Asks whether the server is ready.
pub(super) fn health(
    options: &HealthOptions,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let url = options.url.as_deref().unwrap_or(&global.server);
    // No token: the question needs none, and a probe should not carry one.
    let trust = if options.insecure {
        Trust::Anybody
    } else {
        Trust::Authorities
    };
    let client = Client::to(url, None, DEADLINE, trust)?;
    let answer = client.ask(Method::GET, "/readyz")?;
    let status = answer.status().as_u16();
    let ready = match status {
        200 => true,
        503 => false,
        other => {
            return Err(
                Failure::failed(format!("{url} answered {other}, neither ready nor not"))
                    .hint("is that a Greenroom?"),
            );
        }
    };
    let body = client.body(answer)?;
    if global.json {
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let object = json!({ "server": url, "ready": ready, "status": status, "body": body });
        printer.data(&object.to_string())?;
    } else if ready {
        printer.data("ready")?;
    } else {
        let why = String::from_utf8_lossy(&body);
        let why = why.trim().escape_debug();
        printer.data(format!("not ready  {why}").trim_end())?;
    }
    Ok(if ready {
        ExitCode::Done
    } else {
        ExitCode::NeedsYou
    })
}
