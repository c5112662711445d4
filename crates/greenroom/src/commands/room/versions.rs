//! `room versions`

use std::io::{self, Write as _};

use serde_json::{Value, json};
use ureq::SendBody;
use ureq::http::Method;

use super::{encode, path_of, shown, table};
use crate::cli::{
    DocumentOptions, GlobalOptions, VersionForm, VersionsCommand, VersionsDiffOptions,
    VersionsKeepOptions, VersionsLsOptions, VersionsRestoreOptions, VersionsRmOptions,
    VersionsShowOptions,
};
use crate::client::Client;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::text::{bytes_text, number};
use crate::time_text::rfc3339;

/// Versions that are asked for at a time.
const PAGE: u64 = 1_000;

pub(super) fn versions(
    command: &VersionsCommand,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    match command {
        VersionsCommand::Ls(options) => list(options, client, global, printer),
        VersionsCommand::Keep(options) => keep(options, client, global, printer),
        VersionsCommand::Show(options) => show(options, client),
        VersionsCommand::Diff(options) => diff(options, client, global, printer),
        VersionsCommand::Restore(options) => restore(options, client, global, printer),
        VersionsCommand::Rm(options) => remove(options, client, global, printer),
    }
}

/// The path of the document's versions, with `more` behind it, and the query that names the document.
fn path(of: &DocumentOptions, more: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut path = format!("{}/document/versions{more}", path_of(&of.room));
    let named = [("name", of.document.as_deref())];
    let mut mark = '?';
    for (key, value) in named.iter().chain(parameters) {
        if let Some(value) = value {
            path.push(mark);
            path.push_str(key);
            path.push('=');
            encode(value, &mut path);
            mark = '&';
        }
    }
    path
}

fn list(
    options: &VersionsLsOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let limit = PAGE.to_string();
    let mut versions = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let parameters = [("limit", Some(&*limit)), ("before", before.as_deref())];
        let mut page = client.json(client.get(&path(&options.of, "", &parameters))?)?;
        let Value::Array(found) = page["versions"].take() else {
            return Err(client.stranger("no list of versions"));
        };
        versions.extend(found);
        let Some(next) = page["next"].as_u64() else {
            break;
        };
        before = Some(next.to_string());
    }
    if global.json {
        printer.data(&json!({ "versions": versions }).to_string())?;
        return Ok(ExitCode::Done);
    }
    if versions.is_empty() {
        printer.note("no versions");
        return Ok(ExitCode::Done);
    }
    let mut rows = vec![["ID", "MADE", "KIND", "SEQ", "SIZE", "BY", "LABEL"].map(str::to_owned)];
    rows.extend(versions.iter().map(row));
    printer.data(&table(&rows, &[3, 4]).join("\n"))?;
    Ok(ExitCode::Done)
}

fn row(version: &Value) -> [String; 7] {
    let word = |key: &str| shown(version[key].as_str().unwrap_or_default());
    let count = |key: &str| version[key].as_u64().unwrap_or(0);
    let by = version["user"].as_str().map_or_else(|| "-".into(), shown);
    [
        count("id").to_string(),
        rfc3339(count("id") / 1_000),
        word("kind"),
        number(count("seq")),
        bytes_text(count("bytes")),
        by,
        word("label"),
    ]
}

fn keep(
    options: &VersionsKeepOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let body = json!({ "label": options.label }).to_string();
    let body = SendBody::from_owned_reader(io::Cursor::new(body));
    let path = path(&options.of, "", &[]);
    let answer = client.send(Method::POST, &path, Some("application/json"), body)?;
    let version = client.json(client.accepted(answer)?)?;
    if global.json {
        printer.data(&version.to_string())?;
    } else {
        printer.data(&format!(
            "Kept version {} of {}",
            version["id"],
            shown(&options.of.room)
        ))?;
    }
    Ok(ExitCode::Done)
}

fn show(options: &VersionsShowOptions, client: &Client) -> Result<ExitCode, Failure> {
    let form = match options.form {
        VersionForm::Json => "json",
        VersionForm::Text => "text",
        VersionForm::Xml => "xml",
        VersionForm::Update => "update",
    };
    let more = format!("/{}/{form}", options.id);
    let path = path(&options.of, &more, &[("root", options.root.as_deref())]);
    let mut bytes = client.body(client.get(&path)?)?;
    let written = if options.output.as_os_str() == "-" {
        if !matches!(options.form, VersionForm::Update) {
            bytes.push(b'\n');
        }
        io::stdout().lock().write_all(&bytes)
    } else {
        std::fs::write(&options.output, &bytes)
    };
    written.map_err(|error| {
        let place = options.output.display();
        Failure::failed(format!("cannot write {place}: {error}"))
    })?;
    Ok(ExitCode::Done)
}

fn diff(
    options: &VersionsDiffOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let to = options
        .to
        .map_or_else(|| "now".to_owned(), |id| id.to_string());
    let form = if global.json { "json" } else { "text" };
    let parameters = [
        ("to", Some(&*to)),
        ("form", Some(form)),
        ("root", options.root.as_deref()),
    ];
    let path = path(&options.of, &format!("/{}/diff", options.id), &parameters);
    let told = client.body(client.get(&path)?)?;
    let told = String::from_utf8(told).map_err(|_| client.stranger("no text"))?;
    if told.is_empty() {
        printer.note("nothing is different");
        return Ok(ExitCode::Done);
    }
    // Colours and cursor movements of others are none of the terminal's.
    let lines: Vec<_> = told.lines().map(shown).collect();
    printer.data(&lines.join("\n"))?;
    Ok(ExitCode::Done)
}

fn restore(
    options: &VersionsRestoreOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let path = path(&options.of, &format!("/{}/restore", options.id), &[]);
    let answer = client.ask(Method::POST, &path)?;
    let edited = client.json(client.accepted(answer)?)?;
    if global.json {
        printer.data(&edited.to_string())?;
    } else if edited["changed"] == true {
        printer.data(&format!(
            "Restored version {} of {} at seq {}",
            options.id,
            shown(&options.of.room),
            number(edited["seq"].as_u64().unwrap_or(0))
        ))?;
    } else {
        printer.note("nothing is different");
    }
    Ok(ExitCode::Done)
}

fn remove(
    options: &VersionsRmOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    for id in &options.ids {
        let path = path(&options.of, &format!("/{id}"), &[]);
        let answer = client.ask(Method::DELETE, &path)?;
        client.accepted(answer)?;
        if global.json {
            printer.data(&json!({ "version": id, "dropped": true }).to_string())?;
        } else {
            printer.data(&format!(
                "Dropped version {id} of {}",
                shown(&options.of.room)
            ))?;
        }
    }
    Ok(ExitCode::Done)
}
