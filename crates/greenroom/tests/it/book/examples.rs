//! The examples of `greenroom help COMMAND` run as they stand there, each in a directory and with a
//! server that have what its command is about. `docs/reference/cli.md` is written from the help.

use std::fs;
use std::sync::Mutex;
use std::thread;

use super::page::blocks;
use super::{Session, root};

/// What stands in an example and is not there in a test.
const INSTEAD: &[(&str, &str)] = &[
    ("/var/lib/greenroom", "./var"),
    ("http://10.0.0.7:8080", "http://localhost:8080"),
    (
        "health https://rooms.example.com",
        "health http://localhost:8080",
    ),
    ("https://127.0.0.1:8443", "http://localhost:8080"),
    ("zstd", "gzip"),
    ("npm test", "true"),
    ("eyJhbGciOi...", "$TOKEN"),
    ("1764063271000", "$OLDER"),
    ("1764066871000", "$NEWER"),
];

/// Files and folders that the examples name.
const FILES: &str = r#"
echo 'drain_ms = "5s"' >greenroom.toml
mkdir -p ~/.zfunc ~/.config/fish/completions ~/.local/share/bash-completion/completions
"#;

/// A server with the rooms that they name, and a token of its operator.
const SERVER: &str = r#"
greenroom dev
export TOKEN=$(greenroom token new --user ops --admin --data .greenroom)
for room in 17 18; do
    curl -s -X PUT "http://localhost:8080/api/rooms/design%2F$room/document/text?root=t" \
        -H 'content-type: text/plain' --data x >/dev/null
done
"#;

/// What an example of a command needs besides.
fn before(command: &str) -> &'static str {
    match command {
        "room import" => {
            "greenroom room export design/17
             gzip <design-17.room >design-17.room.zst
             greenroom room rm design/17 --yes"
        }
        "token new" | "token admin" | "token verify" => {
            "greenroom token init
             export TOKEN=$(greenroom token new --user ada --room a)"
        }
        "token init --rotate" => "greenroom token init",
        "config check" | "backup" => {
            "greenroom serve --data ./data
             curl -s -X PUT http://localhost:8080/api/rooms/a >/dev/null
             greenroom dev"
        }
        "room versions show" | "room versions diff" | "room versions restore"
        | "room versions rm" => {
            "id() { greenroom room versions keep design/17 --json | sed -E 's/.*\"id\": ?\"?([0-9]+).*/\\1/'; }
             OLDER=$(id)
             curl -s -X PUT 'http://localhost:8080/api/rooms/design%2F17/document/text?root=t' \
                 -H 'content-type: text/plain' --data y >/dev/null
             NEWER=$(id)"
        }
        "restore" => "greenroom backup store.backup; gzip <store.backup >store.backup.zst",
        _ => "",
    }
}

/// A command that goes on until it is stopped has shown enough after a second, and one that asks is
/// answered.
fn bounded(command: &str, line: &str) -> String {
    match command {
        // Asks, and a test of the terminal answers.
        "room rm" if !line.contains("--yes") => format!("{line} --yes\n"),
        "room tail" => format!("{{ timeout 1 {line}\n}} || [ $? = 124 ]\n"),
        _ => format!("{line}\n"),
    }
}

#[test]
fn every_example_of_the_help_runs() {
    let page = fs::read_to_string(root().join("docs/reference/cli.md")).unwrap();
    let headings: Vec<_> = page
        .lines()
        .enumerate()
        .filter_map(|(at, line)| {
            Some((
                at,
                line.trim_start_matches('#').strip_prefix(" greenroom ")?,
            ))
        })
        .collect();
    let mut examples = Vec::new();
    for block in blocks(&page) {
        let heading = headings.iter().rfind(|(at, _)| at < &block.line);
        let (_, command) = heading.expect("it is below its command");
        for line in block.text.lines() {
            let typed = INSTEAD
                .iter()
                .fold(format!("{line} "), |line, (there, here)| {
                    line.replace(there, here)
                });
            let needs = match line.contains("--rotate") {
                true => "token init --rotate",
                false => command,
            };
            let asks_a_server = ["room", "health", "backup", "restore"]
                .iter()
                .any(|word| command.starts_with(word));
            let server = if asks_a_server { SERVER } else { "" };
            let (before, typed) = (before(needs), bounded(command, &typed));
            let run = format!("{FILES}{server}{before}\n{typed}");
            let what = format!("=== {command}\n{line}");
            examples.push(move || {
                let told = Session::new().run(&run).err()?;
                Some(format!("{what}\n--- came to\n{told}"))
            });
        }
    }
    assert!(examples.len() > 40, "{} were found", examples.len());
    let failures = all(examples);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs them, some at a time: they wait for servers more than they work.
fn all<F>(examples: Vec<F>) -> Vec<String>
where
    F: FnOnce() -> Option<String> + Send,
{
    const AT_A_TIME: usize = 6;
    let left = Mutex::new(examples);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().pop();
                    let Some(example) = next else { return };
                    let failed = example();
                    failures.lock().unwrap().extend(failed);
                }
            });
        }
    });
    failures.into_inner().unwrap()
}
