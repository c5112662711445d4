//! `room rm`

use std::io::{self, BufRead as _, IsTerminal as _};

use serde_json::json;
use ureq::http::Method;

use super::show::headline;
use super::{path_of, shown};
use crate::cli::{GlobalOptions, RoomRmOptions};
use crate::client::Client;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;

pub(super) fn remove(
    options: &RoomRmOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    if !options.yes && !io::stdin().is_terminal() {
        return Err(
            Failure::usage("a room is deleted for good, and nobody is there to ask")
                .hint("`--yes` deletes without asking; `greenroom room export` keeps a copy"),
        );
    }
    for room in &options.rooms {
        let path = path_of(room);
        if !options.yes {
            let found = client.json(client.get(&path)?)?;
            printer.note(&headline(&found));
            confirm(room, printer)?;
        }
        let answer = client.ask(Method::DELETE, &path)?;
        client.accepted(answer)?;
        if global.json {
            printer.data(&json!({ "room": room, "deleted": true }).to_string())?;
        } else {
            printer.data(&format!("Deleted {}", shown(room)))?;
        }
    }
    Ok(ExitCode::Done)
}

/// Goes on when the room's name is typed.
fn confirm(room: &str, printer: &Printer) -> Result<(), Failure> {
    printer.question(&format!(
        "Delete `{}` with all it holds? Type its name: ",
        shown(room)
    ));
    let mut typed = String::new();
    let read = io::stdin().lock().read_line(&mut typed);
    read.map_err(|error| Failure::failed(format!("cannot read what is typed: {error}")))?;
    if typed.trim_end_matches(['\r', '\n']) == room {
        return Ok(());
    }
    Err(Failure::failed("that is not its name; it was not deleted"))
}
