//! `/hocuspocus` over a real socket: tokens, many sessions on one connection, what is laid to one of
//! them and what to all.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::SinkExt as _;
use greenroom_server::Limits;
use greenroom_server::auth::{Authenticator, Grant, Keys, Rights};
use tokio_tungstenite::tungstenite::Message;

use crate::rest::{Peer, TestServer, close_code, heard};

const STEP1: &[u8] = b"\x00\x00\x01\x00";
const EMPTY_STEP2: &[u8] = b"\x00\x01\x02\x00\x00";
const HI: &[u8] = b"\x00\x02\x0c\x01\x01\x01\x00\x04\x01\x01t\x02Hi\x00";
const SAVED: &[u8] = b"\x08\x01";
const REFUSED: &[u8] = b"\x08\x00";

fn string(text: &str) -> Vec<u8> {
    let mut bytes = text.len().to_le_bytes()[..1].to_vec();
    // A varUint of two bytes where one is not enough.
    if text.len() > 127 {
        bytes = vec![(text.len() & 0x7f) as u8 | 0x80, (text.len() >> 7) as u8];
    }
    bytes.extend(text.as_bytes());
    bytes
}

fn frame(address: &str, body: &[u8]) -> Message {
    Message::binary([string(address), body.to_vec()].concat())
}

/// What a provider of version 4 shows.
fn token(token: &str) -> Vec<u8> {
    [b"\x02\x00", &string(token)[..], b"\x054.8.0"].concat()
}

async fn say(peer: &mut Peer, address: &str, body: &[u8]) {
    peer.send(frame(address, body)).await.unwrap();
}

/// Waits for a frame of this address that begins so; gives its body. What comes before is passed over.
async fn hears(peer: &mut Peer, address: &str, start: &[u8]) -> Vec<u8> {
    loop {
        let message = heard(peer).await.into_data();
        let body = message.strip_prefix(&string(address)[..]);
        if let Some(body) = body.filter(|body| body.starts_with(start)) {
            return body.to_vec();
        }
    }
}

fn denied(code: &str) -> impl Fn(&[u8]) + use<> {
    let code = code.to_owned();
    move |body| {
        let text = String::from_utf8_lossy(&body[3..]);
        assert!(text.starts_with(&code), "{text}");
    }
}

async fn open(limits: Limits) -> TestServer {
    TestServer::start(Authenticator::open(Keys::none()), limits).await
}

#[tokio::test]
async fn a_session_is_let_in_hears_who_is_here_and_then_the_answers() {
    let server = open(Limits::default()).await;
    let mut other = server.join("/yjs/doc").await;
    other
        .send(Message::binary(&b"\x01\x08\x01\x09\x01\x04null"[..]))
        .await
        .unwrap();
    let state = b"\x01\x06\x01\x09\x02\x02{}";
    other.send(Message::binary(&state[..])).await.unwrap();
    // It hears itself: the room has it.
    while heard(&mut other).await.into_data()[..] != state[..] {}
    let mut peer = server.join("/hocuspocus").await;
    for body in [&token("")[..], STEP1, EMPTY_STEP2, HI, b"\x03"] {
        say(&mut peer, "doc\0tab1", body).await;
    }
    let expected: [&[u8]; 7] = [
        b"\x02\x02\x0aread-write",
        state,
        STEP1,
        EMPTY_STEP2,
        state,
        SAVED,
        SAVED,
    ];
    let mut got = Vec::new();
    while got.len() < expected.len() {
        let body = hears(&mut peer, "doc\0tab1", b"").await;
        got.push(body);
    }
    // When a write is on stable storage is the store's business; all else has its order.
    got.sort_by_key(|body| body[..] == *SAVED);
    assert_eq!(got, expected.map(<[u8]>::to_vec));
    while heard(&mut other).await.into_data()[..] != *HI {}
}

#[tokio::test]
async fn a_token_is_judged_for_each_session_by_itself() {
    let server = TestServer::keyed().await;
    let mut peer = server.join("/hocuspocus").await;
    let good = token(&server.token("docs/*", Rights::ALL));
    let reads = token(&server.token("docs/*", Rights::READ));
    say(&mut peer, "docs/none", &token("")).await;
    denied("unauthenticated")(&hears(&mut peer, "docs/none", b"\x02\x01").await);
    say(&mut peer, "docs/forged", &token("gr1.forged")).await;
    denied("unauthenticated")(&hears(&mut peer, "docs/forged", b"\x02\x01").await);
    say(&mut peer, "plans/a", &good).await;
    denied("forbidden")(&hears(&mut peer, "plans/a", b"\x02\x01").await);
    say(
        &mut peer,
        "raw/a",
        &token(&server.token("raw/*", Rights::ALL)),
    )
    .await;
    denied("forbidden")(&hears(&mut peer, "raw/a", b"\x02\x01").await);
    say(&mut peer, "docs/a", &good).await;
    hears(&mut peer, "docs/a", b"\x02\x02\x0aread-write").await;
    say(&mut peer, "docs/b", &reads).await;
    say(&mut peer, "docs/b", STEP1).await;
    hears(&mut peer, "docs/b", b"\x02\x02\x08readonly").await;
    // Nothing new is no write; a write is refused, and so is what is new in a step 2.
    say(&mut peer, "docs/b", EMPTY_STEP2).await;
    hears(&mut peer, "docs/b", SAVED).await;
    say(&mut peer, "docs/b", HI).await;
    hears(&mut peer, "docs/b", REFUSED).await;
    let step2 = [b"\x00\x01", &HI[2..]].concat();
    say(&mut peer, "docs/b", &step2).await;
    hears(&mut peer, "docs/b", REFUSED).await;
    // Who was denied goes on with a better token, from what it said before.
    say(&mut peer, "docs/none", STEP1).await;
    say(&mut peer, "docs/none", &good).await;
    hears(&mut peer, "docs/none", b"\x02\x02\x0aread-write").await;
    hears(&mut peer, "docs/none", EMPTY_STEP2).await;
    // The address's own token is for those without one.
    let path = format!("/hocuspocus?token={}", server.token("docs/*", Rights::READ));
    let mut peer = server.join(&path).await;
    say(&mut peer, "docs/a", &token("")).await;
    hears(&mut peer, "docs/a", b"\x02\x02\x08readonly").await;
}

#[tokio::test]
async fn a_token_is_renewed_on_a_live_session_or_ends_it() {
    let server = TestServer::keyed().await;
    let until = |rights, s| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let pattern = "docs/*".parse().unwrap();
        let grants = vec![Grant { pattern, rights }];
        token(&server.mint_until(grants, false, now.as_secs() + s))
    };
    let mut peer = server.join("/hocuspocus").await;
    say(&mut peer, "docs/a", &until(Rights::ALL, 4)).await;
    say(&mut peer, "docs/b", &until(Rights::ALL, 4)).await;
    hears(&mut peer, "docs/b", b"\x02\x02\x0aread-write").await;
    // Both are asked before their time is over; one shows a new one, with fewer rights.
    hears(&mut peer, "docs/a", b"\x02\x00").await;
    say(&mut peer, "docs/a", &until(Rights::READ, 600)).await;
    hears(&mut peer, "docs/a", b"\x02\x02\x08readonly").await;
    say(&mut peer, "docs/a", HI).await;
    hears(&mut peer, "docs/a", REFUSED).await;
    denied("expired")(&hears(&mut peer, "docs/b", b"\x02\x01").await);
    hears(&mut peer, "docs/b", b"\x07").await;
    say(&mut peer, "docs/a", STEP1).await;
    hears(&mut peer, "docs/a", EMPTY_STEP2).await;
    // One that is no good ends the session, and no other.
    say(&mut peer, "docs/a", &token("gr1.forged")).await;
    denied("unauthenticated")(&hears(&mut peer, "docs/a", b"\x02\x01").await);
    hears(&mut peer, "docs/a", b"\x07").await;
    say(&mut peer, "docs/b", &until(Rights::ALL, 600)).await;
    hears(&mut peer, "docs/b", b"\x02\x02\x0aread-write").await;
}

#[tokio::test]
async fn what_one_session_does_wrong_leaves_the_others_alone() {
    let server = open(Limits::default()).await;
    let mut peer = server.join("/hocuspocus").await;
    for address in ["a", "b", "c", "a\0two"] {
        say(&mut peer, address, &token("")).await;
        hears(&mut peer, address, b"\x02\x02").await;
    }
    // What only servers say, an update that is none, a state vector that ends too early.
    for (address, nonsense) in [
        ("a", &b"\x06\x02hi"[..]),
        ("b", b"\x00\x02\x01\x07"),
        ("c", b"\x00\x00\x02\x01\x01"),
    ] {
        say(&mut peer, address, nonsense).await;
        let closed = hears(&mut peer, address, b"\x07").await;
        assert!(closed[2..].starts_with(b"malformed"), "{closed:?}");
        // It is heard no more, and not answered.
        say(&mut peer, address, STEP1).await;
    }
    say(&mut peer, "a\0two", b"\x07").await;
    hears(&mut peer, "a\0two", b"\x07\x12provider_initiated").await;
    say(&mut peer, "a", &token("")).await;
    say(&mut peer, "a", STEP1).await;
    hears(&mut peer, "a", EMPTY_STEP2).await;
    let shown = server.get("/api/rooms/a").await.is(200);
    assert_eq!(shown["sessions"].as_array().unwrap().len(), 1, "{shown}");
    // An operator sends one away.
    let id = &shown["sessions"][0]["id"];
    let kick = format!("DELETE /api/rooms/a/sessions/{id}");
    assert_eq!(server.send(&kick, &[], "").await.status, 204);
    let closed = hears(&mut peer, "a", b"\x07").await;
    assert!(closed[2..].starts_with(b"kicked"), "{closed:?}");
    // Without an address there is nobody to lay it to.
    peer.send(Message::binary(&b"\xff\xff\xff"[..]))
        .await
        .unwrap();
    assert_eq!(close_code(&mut peer).await, 4400);
}

#[tokio::test]
async fn the_server_and_its_clients_tell_one_another_what_is_no_edit() {
    let server = open(Limits::default()).await;
    let mut peer = server.join("/hocuspocus").await;
    let mut other = server.join("/hocuspocus").await;
    for who in [&mut peer, &mut other] {
        say(who, "doc", &token("")).await;
        hears(who, "doc", b"\x02\x02").await;
    }
    let lines = [("content-type", "text/plain")];
    let sent = server
        .send("POST /api/rooms/doc/events", &lines, "published")
        .await;
    assert_eq!(sent.is(202)["sessions"], 2);
    for who in [&mut peer, &mut other] {
        hears(who, "doc", b"\x05\x09published").await;
    }
    // A client's goes to the server only.
    say(&mut peer, "doc", b"\x05\x02hi").await;
    say(&mut peer, "doc", HI).await;
    let next = hears(&mut other, "doc", b"").await;
    assert_eq!(next, HI);
}

#[tokio::test]
async fn a_connection_that_shows_no_good_token_is_closed() {
    let server = open(Limits {
        hocuspocus_token_ms: 50,
        ..Limits::default()
    })
    .await;
    let mut idle = server.join("/hocuspocus").await;
    say(&mut idle, "doc", STEP1).await;
    assert_eq!(close_code(&mut idle).await, 4401);
    let server = open(Limits {
        hocuspocus_queue_messages_max: 10,
        ..Limits::default()
    })
    .await;
    let mut floods = server.join("/hocuspocus").await;
    for _ in 0..11 {
        // It may be closed before it has sent all.
        let _ = floods.send(frame("doc", STEP1)).await;
    }
    assert_eq!(close_code(&mut floods).await, 4205);
}

#[tokio::test]
async fn a_client_is_pinged_when_it_knows_pings() {
    let server = open(Limits {
        yjs_keep_alive_ms: 100,
        ..Limits::default()
    })
    .await;
    let mut four = server.join("/hocuspocus").await;
    say(&mut four, "doc", &token("")).await;
    hears(&mut four, "doc", b"\x02\x02").await;
    let ping = tokio::time::timeout(Duration::from_secs(10), heard(&mut four)).await;
    assert_eq!(ping.unwrap().into_data()[..], [9]);
    four.send(Message::binary(&[10][..])).await.unwrap();
    let mut three = server.join("/hocuspocus").await;
    say(&mut three, "doc", b"\x02\x00\x00").await;
    hears(&mut three, "doc", b"\x02\x02").await;
    hears(&mut three, "doc", b"\x01\x01\x00").await;
    say(&mut four, "doc", STEP1).await;
    hears(&mut four, "doc", EMPTY_STEP2).await;
}
