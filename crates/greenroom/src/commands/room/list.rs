//! `room ls`

use greenroom_server::auth::{Pattern, RoomId};
use serde_json::{Value, json};

use super::{ago, encode, people, shown, table};
use crate::cli::{GlobalOptions, RoomLsOptions};
use crate::client::Client;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::text::number;

/// Rooms that are asked for at a time.
const PAGE: u64 = 1_000;

pub(super) fn list(
    options: &RoomLsOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let rooms = rooms(options, client)?;
    if global.json {
        printer.data(&json!({ "rooms": rooms }).to_string())?;
        return Ok(ExitCode::Done);
    }
    if rooms.is_empty() {
        printer.note("no rooms");
        return Ok(ExitCode::Done);
    }
    let mut rows = vec![["ROOM", "KIND", "PEOPLE", "SEQ", "CHANGED"].map(str::to_owned)];
    rows.extend(rooms.iter().map(|room| {
        [
            shown(room["id"].as_str().unwrap_or_default()),
            shown(room["kind"].as_str().unwrap_or_default()),
            people(room["sessions"].as_u64().unwrap_or(0)),
            number(room["seq"].as_u64().unwrap_or(0)),
            ago(&room["changed_ms"]),
        ]
    }));
    printer.data(&table(&rows, &[2, 3]).join("\n"))?;
    Ok(ExitCode::Done)
}

fn rooms(options: &RoomLsOptions, client: &Client) -> Result<Vec<Value>, Failure> {
    let wanted = options.pattern.as_deref().map(pattern).transpose()?;
    let mut query = format!("/api/rooms?limit={PAGE}");
    if let Some(pattern) = &options.pattern {
        // What stands before the first star is the same in all of them.
        let prefix = pattern.split('*').next().unwrap_or_default();
        query.push_str("&prefix=");
        encode(prefix, &mut query);
    }
    if let Some(kind) = &options.kind {
        query.push_str("&kind=");
        encode(kind, &mut query);
    }
    if options.loaded {
        query.push_str("&loaded=true");
    }
    let mut rooms = Vec::new();
    let mut after = String::new();
    loop {
        let mut page = client.json(client.get(&format!("{query}{after}"))?)?;
        let Value::Array(found) = page["rooms"].take() else {
            return Err(client.stranger("no list of rooms"));
        };
        let is_wanted = |room: &Value| {
            let name = room["id"].as_str().and_then(|id| RoomId::new(id).ok());
            wanted
                .as_ref()
                .is_none_or(|wanted| name.is_some_and(|name| wanted.matches(&name)))
        };
        rooms.extend(found.into_iter().filter(is_wanted));
        let Some(next) = page["next"].as_str() else {
            return Ok(rooms);
        };
        after = "&after=".to_owned();
        encode(next, &mut after);
    }
}

fn pattern(text: &str) -> Result<Pattern, Failure> {
    text.parse().map_err(|error| {
        Failure::usage(format!("`{text}` is no pattern of rooms: {error}"))
            .hint("`*` stands for anything but `/`, `**` for anything: 'design/*'")
    })
}
