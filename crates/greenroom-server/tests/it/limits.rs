//! Limits of what peers send, over real sockets.

use futures_util::SinkExt as _;
use greenroom_server::Limits;
use greenroom_server::auth::{Authenticator, Keys};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::rest::{TestServer, close_code, heard};

async fn server(limits: Limits) -> TestServer {
    TestServer::start(Authenticator::open(Keys::none()), limits).await
}

#[tokio::test]
async fn a_frame_of_our_own_door_has_a_largest_size() {
    let server = server(Limits {
        native_frame_bytes_max: 100,
        ..Limits::default()
    })
    .await;
    let mut ada = server.join("/ws/room/raw/a").await;
    let mut bob = server.join("/ws/room/raw/a").await;
    bob.send(Message::text("x".repeat(100))).await.unwrap();
    assert_eq!(heard(&mut ada).await, Message::text("x".repeat(100)));
    ada.send(Message::text("x".repeat(101))).await.unwrap();
    assert_eq!(close_code(&mut ada).await, 4901);
}

#[tokio::test]
async fn a_message_comes_in_so_many_fragments() {
    let server = server(Limits {
        frame_fragments_max: 2,
        ..Limits::default()
    })
    .await;
    let fragments = async |of: &mut crate::rest::Peer, count: usize| {
        for at in 0..count {
            let code = if at == 0 { Data::Text } else { Data::Continue };
            let frame = Frame::message("a", OpCode::Data(code), at + 1 == count);
            of.send(Message::Frame(frame)).await.unwrap();
        }
    };
    let mut ada = server.join("/ws/room/raw/a").await;
    let mut bob = server.join("/ws/room/raw/a").await;
    fragments(&mut bob, 2).await;
    assert_eq!(heard(&mut ada).await, Message::text("aa"));
    fragments(&mut ada, 3).await;
    assert_eq!(close_code(&mut ada).await, 4901);
}

#[tokio::test]
async fn a_name_of_a_document_has_a_largest_size() {
    let server = server(Limits {
        document_name_bytes_max: 4,
        ..Limits::default()
    })
    .await;
    let text = |name: &str| format!("/api/rooms/a/document/text?name={name}");
    server
        .json("POST /api/rooms", &serde_json::json!({"id": "a"}))
        .await
        .is(201);
    assert_eq!(server.get(&text("four")).await.status, 200);
    server
        .get(&text("fives"))
        .await
        .is_problem(400, "document_name");
    let mut peer = server.join("/yjs/a?doc=fives").await;
    assert_eq!(close_code(&mut peer).await, 4403);
}

#[tokio::test]
async fn who_finds_the_mailbox_full_waits_and_loses_nothing() {
    const EACH: usize = 300;
    let server = server(Limits {
        room_mailbox_max: 1,
        turn_inputs_max: 1,
        ..Limits::default()
    })
    .await;
    let mut hears = server.join("/ws/room/raw/a").await;
    let mut senders = Vec::new();
    for n in 0..3 {
        let mut peer = server.join("/ws/room/raw/a").await;
        senders.push(tokio::spawn(async move {
            for at in 0..EACH {
                peer.send(Message::text(format!("{n} {at}"))).await.unwrap();
            }
            peer
        }));
    }
    let mut next = [0; 3];
    for _ in 0..3 * EACH {
        let message = heard(&mut hears).await.into_text().unwrap();
        let (n, at) = message.split_once(' ').unwrap();
        let n: usize = n.parse().unwrap();
        assert_eq!(at, next[n].to_string(), "in order");
        next[n] += 1;
    }
    assert_eq!(next, [EACH; 3]);
}
