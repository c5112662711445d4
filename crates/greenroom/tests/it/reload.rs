//! SIGHUP with the real server: what is taken, what needs a restart, what is refused.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::command::{SECRET, Shell};
use crate::server::Running;

const SERVE: [&str; 5] = ["serve", "--config", "a.toml", "--listen", "127.0.0.1:0"];

/// The status that a page from `origin` gets for its handshake.
fn handshake(running: &Running, origin: &str) -> String {
    let headers = format!(
        "Origin: {origin}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    status(running, "/yjs/a", &headers)
}

/// The status of a request.
fn status(running: &Running, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(running.address()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    String::from_utf8(status.to_vec()).unwrap()
}

#[test]
fn a_reload_takes_what_it_can_and_says_what_it_cannot() {
    let shell = Shell::new();
    let write = |text: &str| fs::write(shell.path("a.toml"), text).unwrap();
    write("drain_ms = \"5s\"\n");
    let mut running = Running::start(&shell, &SERVE);
    assert_eq!(handshake(&running, "https://a.example"), "HTTP/1.1 403");
    assert_eq!(running.reload(), ["reloaded: nothing changed"]);

    write(
        "drain_ms = \"6s\"\norigins = [\"https://a.example\"]\n[limits]\nfaults_max = 4\n\
         [[rooms]]\npattern = \"x\"\nkind = \"echo\"\n",
    );
    assert_eq!(
        running.reload(),
        [
            "warning: drain_ms: 6000 (a.toml:1) needs a restart",
            "warning: rooms: patterns and kinds need a restart; rights, limits and visibility do not",
            "reloaded: origins, rooms (for new rooms and connections), limits.faults_max (for new \
             rooms and connections)",
        ]
    );
    assert_eq!(handshake(&running, "https://a.example"), "HTTP/1.1 101");

    write("origins = []\nfaults = 1\n");
    assert_eq!(
        running.reload(),
        [
            "error: unknown key `faults`",
            "  ╭─[a.toml:2:1]",
            "2 │ faults = 1",
            "  │ ──┬───",
            "not reloaded: everything is as it was",
        ]
    );
    assert_eq!(handshake(&running, "https://a.example"), "HTTP/1.1 101");

    write("drain_ms = \"5s\"\n[log]\nfilter = \"warn\"\n");
    assert_eq!(
        running.reload(),
        [
            "reloaded: origins, rooms (for new rooms and connections), log.filter, \
             limits.faults_max (for new rooms and connections)",
        ]
    );
    assert_eq!(handshake(&running, "https://a.example"), "HTTP/1.1 403");
}

#[test]
fn a_key_that_is_added_counts_at_once() {
    let shell = Shell::new();
    fs::write(shell.path("a.toml"), "secret_key_file = \"key\"\n").unwrap();
    fs::write(shell.path("key"), SECRET).unwrap();
    let mut running = Running::start(&shell, &SERVE);
    assert_eq!(running.reload(), ["reloaded: nothing changed"]);
    shell.run(&["token", "init"]);
    let id = shell.key_id("data");
    assert_eq!(running.reload(), [format!("reloaded: key {id} added")]);
    fs::write(shell.path("a.toml"), "").unwrap();
    let removed = running.reload();
    assert_eq!(removed, ["reloaded: key iojj3XQJ8ZX9 removed"]);
}

#[test]
fn the_rights_of_a_rule_count_at_once() {
    let shell = Shell::new().set("GREENROOM_SECRET_KEY", SECRET);
    fs::write(shell.path("a.toml"), "").unwrap();
    let mut running = Running::start(&shell, &SERVE);
    let presence =
        |running: &Running, room: &str| status(running, &format!("/api/rooms/{room}/presence"), "");
    assert_eq!(presence(&running, "public"), "HTTP/1.1 401");
    let rule = "[[rooms]]\npattern = \"public\"\nanonymous = [\"read\"]\n";
    fs::write(shell.path("a.toml"), rule).unwrap();
    running.reload();
    assert_eq!(presence(&running, "public"), "HTTP/1.1 404");
    assert_eq!(presence(&running, "other"), "HTTP/1.1 401");
}
