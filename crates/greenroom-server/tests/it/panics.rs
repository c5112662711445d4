//! F25: a service that panics, in a server over real sockets and real files. Its room is loaded anew
//! and its people go on; one that goes on panicking is stopped; the others notice nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use greenroom_core::service::Counter;
use greenroom_server::auth::{Authenticator, Rights};
use greenroom_server::{DataPlace, Kind, Limits, Settings};
use greenroom_service::{Context, Message as Sent, Outcome, Service, Session};
use tokio_tungstenite::tungstenite::Message;

use crate::rest::{Peer, TestServer, close_code, heard, keys, settings};

const ROOMS: usize = 10;
/// Within which a room is there again.
const RELOAD: Duration = Duration::from_secs(1);
/// What a room that faults tells whoever is closed for it.
const ROOM_FAULT: u16 = 4012;

/// A counter that panics when it is told to.
struct Fragile(Counter);

impl Service for Fragile {
    fn message(&mut self, from: &Session, message: Sent, cx: &mut Context<'_>) -> Outcome {
        assert!(message.as_text() != Some("panic"), "as it was told to");
        self.0.message(from, message, cx)
    }

    fn save(&self) -> Option<Vec<u8>> {
        self.0.save()
    }
}

fn fragile(data: &Path) -> Settings {
    let open = |_: &_, saved: Option<&[u8]>| {
        let counter = Counter::open(saved)?;
        Ok(Box::new(Fragile(counter)) as Box<dyn Service>)
    };
    Settings {
        data: DataPlace::Directory(data.to_owned()),
        kinds: vec![(
            "fragile/*".parse().unwrap(),
            Some(Kind::Service(Arc::new(open))),
        )],
        ..settings(Authenticator::keyed(keys()), Limits::default())
    }
}

async fn join(server: &TestServer, user: &str, room: usize) -> Peer {
    let token = server.token_of(user, "fragile/*", Rights::ALL);
    let path = format!("/ws/room/fragile/{room}?token={token}");
    server.join(&path).await
}

async fn say(peer: &mut Peer, text: &str) {
    peer.send(Message::text(text)).await.unwrap();
}

/// Counts once and hears what it comes to.
async fn count(peer: &mut Peer) -> String {
    say(peer, "increment").await;
    heard(peer).await.into_text().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_its_room_a_moment_and_its_sender_the_connection() {
    let data = tempfile::tempdir().unwrap();
    let server = TestServer::with(fragile(data.path())).await;
    let mut members = Vec::new();
    for room in 0..ROOMS {
        members.push(join(&server, "member", room).await);
    }
    for member in &mut members {
        assert_eq!(count(member).await, "new value: 1");
    }
    let mut slowest = Duration::ZERO;
    for round in 2..=3 {
        let mut culprit = join(&server, &format!("culprit {round}"), 0).await;
        let begun = Instant::now();
        say(&mut culprit, "panic").await;
        assert_eq!(close_code(&mut culprit).await, ROOM_FAULT);
        for member in &mut members {
            assert_eq!(count(member).await, format!("new value: {round}"));
        }
        slowest = slowest.max(begun.elapsed());
    }
    println!("the room went on after at most {slowest:?}");
    assert!(slowest <= RELOAD);

    // The third within a minute, each of somebody else.
    let mut culprit = join(&server, "culprit 4", 0).await;
    say(&mut culprit, "panic").await;
    assert_eq!(close_code(&mut members[0]).await, ROOM_FAULT);
    let mut late = join(&server, "member", 0).await;
    assert_eq!(close_code(&mut late).await, ROOM_FAULT);
    for member in &mut members[1..] {
        assert_eq!(count(member).await, "new value: 4");
    }
    server.stop().await;

    // What was told stands, and a new process gives the room another chance.
    let server = TestServer::with(fragile(data.path())).await;
    let mut member = join(&server, "member", 0).await;
    assert_eq!(count(&mut member).await, "new value: 4");
    server.stop().await;
}
