//! Webhooks as they are configured: what is asked where, and what is refused before anything runs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::command::Shell;
use crate::server::Running;

/// 24 times `!`.
const SECRET: &str = "whsec_ISEhISEhISEhISEhISEhISEhISEhISEh";

/// The head and the body of the next request, which is answered 204.
fn next_request(receiver: &TcpListener) -> (String, serde_json::Value) {
    let (stream, _) = receiver.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
    reader.get_mut().write_all(answer).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

#[test]
fn a_hook_is_told_with_a_signature_where_its_address_is_allowed() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/told", receiver.local_addr().unwrap());
    let shell = Shell::new().set("GREENROOM_WEBHOOKS_SECRET", SECRET);
    let server = Running::start(
        &shell,
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            ":memory:",
            "--hooks",
            &format!("on_change:notes/*={url}"),
            "--webhooks-private",
            "127.0.0.1",
        ],
    );
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let request = "PUT /api/rooms/notes%2F1/document/text?root=t HTTP/1.0\r\nHost: localhost\r\n\
                   Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";
    stream.write_all(request.as_bytes()).unwrap();
    let (head, message) = next_request(&receiver);
    assert!(head.starts_with("post /told http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nwebhook-signature: v1,"), "{head}");
    assert_eq!(message["type"], "document.changed");
    assert_eq!(message["data"]["room"], "notes/1");
    assert_eq!(message["data"]["text"]["t"], "hi");
}

#[test]
fn hooks_without_a_secret_are_refused() {
    let hooks = "on_change:**=https://app.example.com/";
    Shell::new().run(&["serve", "--hooks", hooks]).check(
        2,
        "",
        "\
error: webhooks are signed, and there is no secret: a receiver could not tell them from what anybody sends
hint: `echo whsec_$(head -c 32 /dev/urandom | base64)` makes one; receivers need it too
hint: give it in GREENROOM_WEBHOOKS_SECRET, or its file in `webhooks.secret_file`
",
    );
}

#[test]
fn a_rule_that_says_nothing_good_is_shown_at_its_place() {
    let shell = Shell::new();
    for (line, expected) in [
        (
            "on_change = \"app.example.com\"",
            "on_change: `app.example.com` cannot be asked: it is no http or https address",
        ),
        ("on_chnge = \"https://a\"", "did you mean `on_change`?"),
        ("quiet_ms = \"1 week\"", "quiet_ms: `1 week` is not a whole"),
        ("content = [\"xml\"]", "content: `xml` is none of update"),
    ] {
        let file = format!("[[hooks]]\npattern = \"a/*\"\n{line}\n");
        std::fs::write(shell.path("greenroom.toml"), file).unwrap();
        let ran = shell.run(&["config", "check", "greenroom.toml"]);
        assert_eq!(ran.code, Some(2), "{line}");
        assert!(ran.stderr.contains(expected), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains("greenroom.toml:3:"), "{}", ran.stderr);
    }
    let shell = shell.set("GREENROOM_HOOKS", "on_change=https://a");
    let ran = shell.run(&["config", "show"]);
    assert!(
        ran.stderr.contains("write `on_change:notes/*="),
        "{}",
        ran.stderr
    );
    let shell = shell
        .set("GREENROOM_HOOKS", "")
        .set("GREENROOM_WEBHOOKS_SECRET", "whsec_short");
    let ran = shell.run(&["config", "show"]);
    assert!(!ran.stderr.contains("whsec_short"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("GREENROOM_WEBHOOKS_SECRET"),
        "{}",
        ran.stderr
    );
}
