//! `room tail`: Server-Sent Events as lines.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};

use serde_json::Value;

use super::{path_of, shown};
use crate::cli::{GlobalOptions, RoomTailOptions};
use crate::client::{ANSWER_BYTES_MAX, Client};
use crate::exit_codes::ExitCode;
use crate::failure::Failure;
use crate::interrupt;
use crate::printer::Printer;
use crate::text::{bytes_text, number};
use crate::time_text::rfc3339;

/// What can be asked for by `--kind`.
const KINDS: [&str; 9] = [
    "document",
    "entries",
    "saved",
    "timer",
    "skipped",
    "metadata",
    "joined",
    "left",
    "broadcast",
];

pub(super) fn tail(
    options: &RoomTailOptions,
    client: &Client,
    global: &GlobalOptions,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    if let Some(kind) = options
        .kind
        .iter()
        .find(|kind| !KINDS.contains(&kind.as_str()))
    {
        return Err(Failure::usage(format!("`{kind}` is no kind of event"))
            .hint(format!("one of {}", KINDS.join(", "))));
    }
    // Ctrl-C is how it ends.
    let _unfinished = interrupt::watch()?;
    let from = options
        .from
        .map_or_else(String::new, |from| format!("?from={from}"));
    let answer = client.get(&format!("{}/tail{from}", path_of(&options.room)))?;
    let mut lines = BufReader::new(answer.into_body().into_reader());
    let mut tail = Tail::default();
    while let Some(event) = next_event(&mut lines, client)? {
        if event.name == "closed" {
            return Err(ended(&event.data, tail.seq, &options.room));
        }
        let (data, line) = tail.event(&event);
        if wanted(options, &event.name, &data) {
            if global.json {
                printer.data(&as_json(&event.name, data).to_string())?;
            } else {
                printer.data(&line)?;
            }
        }
    }
    Err(Failure::failed("the server ended the tail without a word"))
}

struct Event {
    name: String,
    data: Value,
}

/// The next event; `None` when there are no more. Comments keep the connection alive.
fn next_event(
    lines: &mut impl std::io::BufRead,
    client: &Client,
) -> Result<Option<Event>, Failure> {
    let (mut name, mut data) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        let read = lines.by_ref().take(ANSWER_BYTES_MAX).read_line(&mut line);
        if read.map_err(|error| client.broken(&error))? == 0 {
            return Ok(None);
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if let Some(value) = line.strip_prefix("event: ") {
            value.clone_into(&mut name);
        } else if let Some(value) = line.strip_prefix("data: ") {
            value.clone_into(&mut data);
        } else if line.is_empty() && !name.is_empty() {
            let data = serde_json::from_str(&data).map_err(|_| client.stranger("no events"))?;
            return Ok(Some(Event { name, data }));
        }
    }
}

/// The event with its name in it.
fn as_json(name: &str, data: Value) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("event".into(), name.into());
    if let Value::Object(data) = data {
        object.extend(data);
    }
    Value::Object(object)
}

fn wanted(options: &RoomTailOptions, name: &str, data: &Value) -> bool {
    // That something is missing concerns everybody.
    if name == "missing" {
        return true;
    }
    let kind = data["kind"].as_str().unwrap_or(name);
    let is_kind = options.kind.is_empty() || options.kind.iter().any(|wanted| wanted == kind);
    let is_user = |user: &String| data["user"] == user.as_str();
    is_kind && (options.user.is_empty() || options.user.iter().any(is_user))
}

fn ended(data: &Value, seq: u64, room: &str) -> Failure {
    let detail = data["detail"].as_str().unwrap_or("the tail ended");
    let failure = Failure::failed(shown(detail));
    match data["reason"].as_str() {
        Some("deleted") => failure,
        _ => failure.hint(format!(
            "`greenroom room tail {} --from {}` goes on behind it",
            shown(room),
            seq + 1
        )),
    }
}

/// What is known from the events before.
#[derive(Default)]
struct Tail {
    /// The users of the sessions that joined.
    users: BTreeMap<u64, String>,
    /// The last record.
    seq: u64,
}

impl Tail {
    /// The event with what is known of it, and as a line.
    fn event(&mut self, event: &Event) -> (Value, String) {
        let mut data = event.data.clone();
        let session = data["session"].as_u64().unwrap_or(0);
        match event.name.as_str() {
            "joined" => {
                if let Some(user) = data["user"].as_str() {
                    self.users.insert(session, user.to_owned());
                }
            }
            "left" => {
                data["user"] = self.users.remove(&session).map_or(Value::Null, Value::from);
            }
            "record" => self.seq = data["seq"].as_u64().unwrap_or(self.seq),
            _ => {}
        }
        let text = |key: &str| data[key].as_str().map(shown);
        let bytes = || bytes_text(data["bytes"].as_u64().unwrap_or(0));
        let document = || text("document").map_or_else(String::new, |name| format!("\"{name}\" "));
        let what = match event.name.as_str() {
            "record" => {
                let kind = text("kind").unwrap_or_default();
                format!("{kind:<9}  {}{}", document(), bytes())
            }
            "joined" => {
                let protocol = text("protocol").unwrap_or_default();
                let on = document();
                format!("joined     {protocol} {on}session {session}")
            }
            "left" => format!("left       session {session}"),
            "broadcast" => match text("text") {
                Some(text) => format!("broadcast  {text}"),
                None => format!("broadcast  {} of binary", bytes()),
            },
            "missing" => format!(
                "missing    records {} to {} are not in the journal any more",
                data["from"], data["to"]
            ),
            other => format!("{other:<9}  {}", shown(&data.to_string())),
        };
        let seq = data["seq"].as_u64().map_or_else(|| "-".into(), number);
        let user = text("user").unwrap_or_else(|| "-".into());
        let line = format!("{}  {seq:>9}  {user:<10}  {what}", clock(&data["time_ms"]));
        (data, line)
    }
}

/// `09:14:31.204`, in UTC.
fn clock(unix_ms: &Value) -> String {
    let Some(ms) = unix_ms.as_u64() else {
        return " ".repeat(12);
    };
    let time = rfc3339(ms / 1_000);
    let clock = time.get(11..19).unwrap_or("--:--:--");
    format!("{clock}.{:03}", ms % 1_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_event_is_a_line() {
        let mut tail = Tail::default();
        let mut check = |name: &str, data: Value, expected: &str| {
            let name = name.to_owned();
            assert_eq!(tail.event(&Event { name, data }).1, expected);
        };
        let at = 1_795_224_000_204_u64;
        check(
            "record",
            json!({"seq": 184_220, "kind": "document", "time_ms": at, "bytes": 24, "document": "", "user": "ada"}),
            "01:20:00.204    184 220  ada         document   \"\" 24 B",
        );
        check(
            "joined",
            json!({"session": 12, "user": "bob", "protocol": "yjs", "document": "n", "time_ms": at}),
            "01:20:00.204          -  bob         joined     yjs \"n\" session 12",
        );
        check(
            "left",
            json!({"session": 12, "time_ms": at}),
            "01:20:00.204          -  bob         left       session 12",
        );
        check(
            "broadcast",
            json!({"text": "hi\n", "bytes": 3, "time_ms": at}),
            "01:20:00.204          -  -           broadcast  hi\\n",
        );
        check(
            "missing",
            json!({"from": 1, "to": 5}),
            "                      -  -           missing    records 1 to 5 are not in the journal any more",
        );
    }
}
