//! The handshake, as a table of request heads.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use crate::codec::{HandshakeError, Upgrade, upgrade};

/// The handshake of RFC 6455, section 1.3.
const GOOD: &str = "Host: server.example.com
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Origin: http://example.com
Sec-WebSocket-Version: 13";

fn headers(lines: &str) -> HeaderMap {
    let line = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    lines.lines().map(line).collect()
}

fn get(lines: &str) -> Result<Upgrade, HandshakeError> {
    let speaks = |name: &str| name.starts_with("greenroom.");
    upgrade(&Method::GET, Version::HTTP_11, &headers(lines), speaks)
}

#[test]
fn the_example_of_the_rfc() {
    let response = get(GOOD).unwrap().response(());
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let expected = "upgrade: websocket
connection: Upgrade
sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert_eq!(response.headers(), &headers(expected));
}

#[test]
fn names_and_lists_are_read_as_http_says() {
    let check = |from: &str, to: &str| {
        let lines = GOOD.replace(from, to);
        assert!(get(&lines).is_ok(), "{lines}");
    };
    check("Upgrade: websocket", "Upgrade: WebSocket");
    check("Upgrade: websocket", "Upgrade: h2c, websocket");
    check("Connection: Upgrade", "Connection: keep-alive, upgrade");
    check(
        "Connection: Upgrade",
        "Connection: keep-alive\nConnection: Upgrade",
    );
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==");
}

#[test]
fn what_is_wrong_is_said() {
    let check = |from: &str, to: &str, expected| {
        let lines = GOOD.replace(from, to);
        assert_eq!(get(&lines), Err(expected), "{lines}");
    };
    let not_an_upgrade = HandshakeError::NotAnUpgrade;
    check("Upgrade: websocket\n", "", not_an_upgrade);
    check("Upgrade: websocket", "Upgrade: h2c", not_an_upgrade);
    check("Connection: Upgrade\n", "", not_an_upgrade);
    check("Connection: Upgrade", "Connection: close", not_an_upgrade);
    let version = HandshakeError::Version;
    check("Version: 13", "Version: 8", version);
    check("\nSec-WebSocket-Version: 13", "", version);
    let key = HandshakeError::Key;
    let line = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";
    check(line, "", key);
    check(line, &line.repeat(2), key);
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", key);
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", key);
    check("dGhlIHNhbXBsZSBub25jZQ==", "!GhlIHNhbXBsZSBub25jZQ==", key);
}

#[test]
fn method_and_http_version() {
    let head = headers(GOOD);
    let none = |_: &str| false;
    let post = upgrade(&Method::POST, Version::HTTP_11, &head, none);
    assert_eq!(post, Err(HandshakeError::Method));
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let other = upgrade(&Method::GET, version, &head, none);
        assert_eq!(other, Err(HandshakeError::HttpVersion));
    }
}

#[test]
fn statuses_and_what_they_ask_for() {
    let asked = headers("upgrade: websocket\nconnection: Upgrade\nsec-websocket-version: 13");
    for error in [HandshakeError::NotAnUpgrade, HandshakeError::Version] {
        assert_eq!(error.status(), 426);
        assert_eq!(error.headers(), asked);
    }
    let bad = [
        HandshakeError::Method,
        HandshakeError::HttpVersion,
        HandshakeError::Key,
    ];
    for error in bad {
        assert_eq!(error.status(), 400);
        assert!(error.headers().is_empty());
    }
}

#[test]
fn the_first_offer_that_is_spoken_is_taken() {
    let check = |offers: &str, expected: Option<&str>| {
        let upgrade = get(&format!("{GOOD}\n{offers}")).unwrap();
        assert_eq!(
            upgrade.subprotocol.as_ref().map(|v| v.to_str().unwrap()),
            expected
        );
        let response = upgrade.response(());
        let sent = response.headers().get("sec-websocket-protocol");
        assert_eq!(sent, upgrade.subprotocol.as_ref());
    };
    check("Sec-WebSocket-Protocol: chat", None);
    check("Sec-WebSocket-Protocol: ,", None);
    check(
        "Sec-WebSocket-Protocol: chat, greenroom.v1.json",
        Some("greenroom.v1.json"),
    );
    check(
        "Sec-WebSocket-Protocol: greenroom.v1.msgpack,greenroom.v1.json",
        Some("greenroom.v1.msgpack"),
    );
    check(
        "Sec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol: greenroom.v1.json",
        Some("greenroom.v1.json"),
    );
}
