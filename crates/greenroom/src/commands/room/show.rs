//! `room show`

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ago, path_of, shown, table};
use crate::cli::{GlobalOptions, RoomShowOptions};
use crate::client::Client;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::text::{bytes_text, counted, number};
use crate::time_text::rfc3339;

pub(super) fn show(
    options: &RoomShowOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let room = client.json(client.get(&path_of(&options.room))?)?;
    if global.json {
        printer.data(&room.to_string())?;
    } else {
        printer.data(&lines(&room).join("\n"))?;
    }
    if room["state"] == "unavailable" {
        printer.warning("the room cannot be loaded now; the server's log says why");
        return Ok(ExitCode::NeedsYou);
    }
    Ok(ExitCode::Done)
}

/// One line that says what it is: `docs/a  collab  live  seq 184  changed 3 h ago  2 people (2 yjs)`.
pub(super) fn headline(room: &Value) -> String {
    let word = |key: &str| shown(room[key].as_str().unwrap_or_default());
    let mut words = vec![word("id"), word("kind"), word("state")];
    words.push(format!("seq {}", number(room["seq"].as_u64().unwrap_or(0))));
    if let Some(created) = room["created_ms"].as_u64() {
        words.push(format!("created {}", rfc3339(created / 1_000)));
        words.push(format!("changed {}", ago(&room["changed_ms"])));
    }
    words.push(people(room));
    words.join("  ")
}

fn people(room: &Value) -> String {
    let mut protocols = BTreeMap::new();
    for session in list(room, "sessions") {
        let protocol = session["protocol"].as_str().unwrap_or_default();
        *protocols.entry(protocol).or_insert(0_u64) += 1;
    }
    match protocols.values().sum() {
        0 => "nobody is in it".into(),
        count => {
            let each = protocols
                .iter()
                .map(|(name, count)| format!("{count} {name}"));
            let each = each.collect::<Vec<_>>().join(", ");
            format!("{} ({each})", counted(count, "person", "people"))
        }
    }
}

fn lines(room: &Value) -> Vec<String> {
    let mut lines = vec![headline(room)];
    let titled = |title: &'static str, rows: Vec<String>| {
        let titles = std::iter::once(title).chain(std::iter::repeat(""));
        let lines = titles
            .zip(rows)
            .map(|(title, row)| format!("{title:<10} {row}"));
        lines.collect::<Vec<_>>()
    };
    let of = |part: &'static str| {
        list(room, "parts")
            .iter()
            .filter(move |p| p["part"] == part)
    };
    lines.extend(titled("Documents", of("document").map(document).collect()));
    lines.extend(titled("Service", of("service").map(held).collect()));
    let sessions = list(room, "sessions")
        .iter()
        .map(session)
        .collect::<Vec<_>>();
    lines.extend(titled("People", table(&sessions, &[0])));
    if let Some(metadata) = room["metadata"]
        .as_object()
        .filter(|object| !object.is_empty())
    {
        let metadata = shown(&Value::Object(metadata.clone()).to_string());
        lines.extend(titled("Metadata", vec![metadata]));
    }
    if let Some(wake) = room["next_wake_ms"].as_u64() {
        lines.extend(titled(
            "Timer",
            vec![format!("due {}", rfc3339(wake / 1_000))],
        ));
    }
    lines
}

fn list<'a>(room: &'a Value, key: &str) -> &'a [Value] {
    room[key].as_array().map_or(&[], Vec::as_slice)
}

fn document(part: &Value) -> String {
    let name = part["name"].as_str().unwrap_or_default();
    format!("\"{}\" {}", shown(name), held(part))
}

fn held(part: &Value) -> String {
    let count = |key: &str| part[key].as_u64().unwrap_or(0);
    let updates = counted(count("updates"), "record", "records");
    let mut text = format!(
        "{}, {updates} since its snapshot",
        bytes_text(count("bytes"))
    );
    if count("parked") > 0 {
        text.push_str(&format!(
            ", {} without their causes",
            number(count("parked"))
        ));
    }
    text
}

fn session(session: &Value) -> [String; 5] {
    let document = session["document"].as_str().unwrap_or_default();
    let outbox = session["outbox_bytes"].as_u64().unwrap_or(0);
    [
        session["id"].to_string(),
        shown(session["user"].as_str().unwrap_or("(anonymous)")),
        session["protocol"].as_str().unwrap_or_default().to_owned(),
        match session["protocol"] == "yjs" {
            true => format!("\"{}\"", shown(document)),
            false => String::new(),
        },
        match outbox {
            0 => format!("joined {}", ago(&session["joined_ms"])),
            _ => format!(
                "joined {}, {} unsent",
                ago(&session["joined_ms"]),
                bytes_text(outbox)
            ),
        },
    ]
}
