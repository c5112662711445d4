//! `room`: what there is on a server, and what becomes of it.

mod export;
mod import;
mod list;
mod remove;
mod show;
mod tail;
mod versions;

use serde_json::Value;

use crate::cli::{GlobalOptions, RoomCommand};
use crate::client::Client;
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::time_text::{about, now_unix_s};

/// `room`
pub(super) fn room(
    command: &RoomCommand,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let client = Client::new(global)?;
    match command {
        RoomCommand::Ls(options) => list::list(options, &client, global, printer),
        RoomCommand::Show(options) => show::show(options, &client, global, printer),
        RoomCommand::Tail(options) => tail::tail(options, &client, global, printer),
        RoomCommand::Export(options) => export::export(options, &client, global, printer),
        RoomCommand::Import(options) => import::import(options, &client, global, printer),
        RoomCommand::Versions(command) => versions::versions(command, &client, global, printer),
        RoomCommand::Rm(options) => remove::remove(options, &client, global, printer),
    }
}

/// The path of a room on a server.
fn path_of(room: &str) -> String {
    let mut path = String::from("/api/rooms/");
    encode(room, &mut path);
    path
}

/// Percent-encodes what stands for itself nowhere in an address.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into());
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Text of others, as one line of a terminal may show it.
fn shown(text: &str) -> String {
    if text.chars().any(char::is_control) {
        text.escape_debug().to_string()
    } else {
        text.to_owned()
    }
}

/// How long ago a time of the server was: `now`, `3 h ago`; `-` for none.
fn ago(unix_ms: &Value) -> String {
    let Some(then) = unix_ms.as_u64() else {
        return "-".into();
    };
    match now_unix_s().saturating_sub(then / 1_000) {
        0..2 => "now".into(),
        seconds => format!("{} ago", about(seconds)),
    }
}

/// People as they are counted: `-` for none.
fn people(count: u64) -> String {
    match count {
        0 => "-".into(),
        count => count.to_string(),
    }
}

/// Rows under each other; those of `right` are numbers. Nothing follows the last column.
fn table<const N: usize>(rows: &[[String; N]], right: &[usize]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            if right.contains(&column) {
                pad + cell
            } else {
                cell.clone() + &pad
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_one_segment_of_a_path() {
        assert_eq!(path_of("docs/a b?"), "/api/rooms/docs%2Fa%20b%3F");
        assert_eq!(path_of("ü"), "/api/rooms/%C3%BC");
    }

    #[test]
    fn columns_stand_under_each_other() {
        let row = |a: &str, b: &str, c: &str| [a, b, c].map(str::to_owned);
        let lines = table(&[row("ROOM", "SEQ", "X"), row("ü", "1 204", "")], &[1]);
        assert_eq!(lines, ["ROOM    SEQ  X", "ü     1 204"]);
    }

    #[test]
    fn what_others_wrote_does_not_move_the_cursor() {
        assert_eq!(shown("a\x1b[2J"), "a\\u{1b}[2J");
        assert_eq!(shown("Zoë"), "Zoë");
    }
}
