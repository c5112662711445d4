//! Options of a server, each by what it changes for those who talk to it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::command::Shell;
use crate::server::Running;

/// A server without a trace, with these arguments besides.
fn server(shell: &Shell, arguments: &[&str]) -> Running {
    let mut all = vec!["serve", "--data", ":memory:"];
    if !arguments.contains(&"--listen") {
        all.extend(["--listen", "127.0.0.1:0"]);
    }
    all.extend(arguments);
    Running::start(shell, &all)
}

/// Sends a head, and reads the head of the answer; empty when there is none.
fn answer(address: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    head_of(&mut stream, head)
}

fn head_of(stream: &mut TcpStream, head: &str) -> String {
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

/// A handshake with these lines besides.
fn handshake(lines: &str) -> String {
    format!(
        "GET /yjs/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

// The whole of 127.0.0.0/8 is this machine on Linux alone.
#[cfg(target_os = "linux")]
#[test]
fn the_port_is_the_one_that_was_said() {
    let shell = Shell::new();
    // A port that was free a moment ago, on an address of this test alone.
    let free = std::net::TcpListener::bind("127.77.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let server = server(&shell, &["--listen", &address]);
    assert_eq!(server.address(), address);
    assert_eq!(status(&answer(&address, &get("/healthz"))), "200");
}

#[test]
fn it_answers_below_its_base_path_too() {
    let shell = Shell::new();
    let server = server(&shell, &["--base-path", "/collab"]);
    for (path, expected) in [
        ("/collab/healthz", "200"),
        ("/healthz", "200"),
        ("/x/healthz", "404"),
    ] {
        assert_eq!(
            status(&answer(&server.address(), &get(path))),
            expected,
            "{path}"
        );
    }
}

#[test]
fn who_asks_for_compression_gets_it_where_it_is_on() {
    let shell = Shell::new();
    let offer = handshake("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    for (arguments, expected) in [(&["--compression"][..], true), (&[], false)] {
        let server = server(&shell, arguments);
        let answer = answer(&server.address(), &offer).to_ascii_lowercase();
        assert_eq!(status(&answer), "101");
        assert_eq!(answer.contains("permessage-deflate"), expected, "{answer}");
    }
}

#[test]
fn a_trusted_proxy_says_who_comes_and_others_do_not() {
    let shell = Shell::new();
    let one_each = ["--connections-per-ip-max", "1"];
    let comes = |server: &Running, address: &str, kept: &mut Vec<TcpStream>| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let lines = format!("X-Forwarded-For: {address}\r\n");
        let head = head_of(&mut stream, &handshake(&lines));
        if status(&head) == "101" {
            // It is in its room.
            stream.read_exact(&mut [0]).unwrap();
        }
        kept.push(stream);
        status(&head).to_owned()
    };
    let mut kept = Vec::new();
    let trusting = server(
        &shell,
        &[&one_each[..], &["--trusted-proxies", "127.0.0.1"]].concat(),
    );
    assert_eq!(comes(&trusting, "203.0.113.7", &mut kept), "101");
    assert_eq!(comes(&trusting, "203.0.113.8", &mut kept), "101");
    assert_eq!(comes(&trusting, "203.0.113.8", &mut kept), "429");
    let doubting = server(&shell, &one_each);
    assert_eq!(comes(&doubting, "203.0.113.7", &mut kept), "101");
    assert_eq!(comes(&doubting, "203.0.113.8", &mut kept), "429");
}

#[test]
fn a_proxy_header_is_read_where_it_is_expected() {
    let shell = Shell::new();
    let arguments = ["--trusted-proxies", "127.0.0.1", "--proxy-protocol"];
    let server = server(&shell, &arguments);
    let header = "PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n";
    let told = answer(&server.address(), &format!("{header}{}", get("/healthz")));
    assert_eq!(status(&told), "200");
    assert_eq!(answer(&server.address(), &get("/healthz")), "");
    // Without a proxy there is nobody who may begin so.
    let ran = shell.run(&["serve", "--proxy-protocol"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn what_must_stay_free_is_the_smaller_of_both() {
    let shell = Shell::new();
    let free_min = |arguments: &[&str]| {
        let listen = ["serve", "--listen", "127.0.0.1:0", "--data", "data"];
        let server = Running::start(&shell, &[&listen, arguments].concat());
        let page = body(&server.address().parse().unwrap(), "/metrics");
        let name = "greenroom_store_free_min_bytes{store=\"sqlite\"} ";
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{page}")).to_owned()
    };
    assert_eq!(free_min(&["--free-bytes-min", "4KiB"]), "4096");
    assert_eq!(free_min(&["--free-percent-min", "0"]), "0");
}

fn body(address: &SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(get(path).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[cfg(unix)]
#[test]
fn the_log_is_as_it_was_ordered() {
    let shell = Shell::new();
    let log = |arguments: &[&str]| server(&shell, arguments).log();
    let is_json = |line: &str| line.starts_with('{');
    let text = log(&["--log", "text", "--log-filter", "info"]);
    assert!(!text.lines().any(is_json), "{text}");
    assert!(text.contains(" INFO "), "{text}");
    let json = log(&["--log", "json", "--log-filter", "info"]);
    assert!(json.lines().any(is_json), "{json}");
    let none = log(&["--log-filter", "off"]);
    assert!(!none.lines().any(is_json), "{none}");
}
