//! Sessions of one connection do not hold each other up.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_core::limits::Limits;
use greenroom_service::RoomId;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::auth::{Authenticator, Keys, OriginPolicy, Reach};
use crate::front::Front;
use crate::rooms::RoomRef;
use crate::settings::{DataPlace, Mode, Settings};
use crate::{Policy, Server, Stop};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

const HI: &[u8] = b"\x00\x02\x0c\x01\x01\x01\x00\x04\x01\x01t\x02Hi\x00";
const SAVED: &[u8] = b"\x08\x01";
/// The room's mailbox.
const MAILBOX: usize = 16;

struct Peer(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Peer {
    async fn join(address: SocketAddr, rooms: &[&str]) -> Self {
        let url = format!("ws://{address}/hocuspocus");
        let mut peer = Self(tokio_tungstenite::connect_async(url).await.unwrap().0);
        for room in rooms {
            peer.say(room, b"\x02\x00\x00").await;
            peer.hears(room, b"\x02\x02").await;
        }
        peer
    }

    async fn say(&mut self, room: &str, body: &[u8]) {
        let frame = [&[room.len() as u8], room.as_bytes(), body].concat();
        // One that was closed hears so.
        let _ = self.0.send(Message::binary(frame)).await;
    }

    async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        next.expect("it hears something").unwrap().unwrap()
    }

    /// Waits for a frame of this room that begins so.
    async fn hears(&mut self, room: &str, start: &[u8]) {
        let start = [&[room.len() as u8], room.as_bytes(), start].concat();
        while !self.next().await.into_data().starts_with(&start) {}
    }
}

/// A server with a room `stuck`, and that room.
async fn server() -> (SocketAddr, RoomRef) {
    let limits = Limits {
        room_mailbox_max: MAILBOX,
        hocuspocus_queue_messages_max: 50,
        ..Limits::default()
    };
    let policy = Policy::new(
        Authenticator::open(Keys::none()),
        OriginPolicy::new(Reach::Local, Vec::new()),
    );
    let server = Server::bind(Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data: DataPlace::Memory,
        mode: Mode::Serve,
        policy: Policy {
            limits: limits.into(),
            ..policy
        },
        kinds: Vec::new(),
        disk_free: crate::store::FreeLimits::NONE,
        drain_ms: 1_000,
        front: Front::default(),
    })
    .await
    .unwrap();
    let (address, rooms) = (server.local_addr(), server.rooms());
    tokio::spawn(server.run(std::future::pending::<Stop>()));
    // The task of a room that stands still takes a worker with it, perhaps the one that looked after
    // sockets and timers: this one keeps another at that.
    tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let room = rooms.open(&RoomId::new("stuck").unwrap()).await;
    (address, room.expect("it opens"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_room_that_stands_still_holds_no_other_up() {
    let (address, stuck) = server().await;
    let mut peer = Peer::join(address, &["stuck", "free"]).await;
    let mut late = Peer::join(address, &["free"]).await;
    let sent = MAILBOX + 20;
    {
        let _standstill = stuck.cell().stand_still();
        for _ in 0..sent {
            peer.say("stuck", HI).await;
        }
        // Behind all that, on the same connection.
        peer.say("free", HI).await;
        peer.hears("free", SAVED).await;
        late.hears("free", HI).await;
        // One more session in the room that stands still waits, and no other does.
        late.say("stuck\0late", b"\x02\x00\x00").await;
        late.say("other", b"\x02\x00\x00").await;
        late.hears("other", b"\x02\x02").await;
        late.say("free", b"\x00\x00\x01\x00").await;
        late.hears("free", b"\x00\x01").await;
    }
    // When it goes on, all that waited is heard, each once.
    for _ in 0..sent {
        peer.hears("stuck", SAVED).await;
    }
    late.hears("stuck\0late", b"\x02\x02").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_waits_for_a_room_that_stands_still_is_bounded() {
    let (address, stuck) = server().await;
    let mut peer = Peer::join(address, &["stuck"]).await;
    let _standstill = stuck.cell().stand_still();
    for _ in 0..MAILBOX + 60 {
        peer.say("stuck", HI).await;
    }
    loop {
        if let Message::Close(Some(close)) = peer.next().await {
            assert_eq!(u16::from(close.code), 4205);
            return;
        }
    }
}
