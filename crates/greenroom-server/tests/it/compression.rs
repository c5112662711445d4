//! permessage-deflate at the doors of a whole server: who agreed on it gets shared frames
//! compressed, and everybody the same messages.

use std::net::SocketAddr;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use greenroom_server::auth::{Authenticator, Keys, OriginPolicy, Reach};
use greenroom_server::store::FreeLimits;
use greenroom_server::{DataPlace, Front, Kind, Mode, Policy, Server, Settings, Stop};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const RSV1: u8 = 0x40;

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Running {
    /// A server in memory whose rooms `echo/*` and `relay/*` are what they are called.
    async fn start(compression: bool) -> Self {
        let kind = |name: &str| {
            let pattern = format!("{name}/*").parse().unwrap();
            (pattern, Kind::built_in(name))
        };
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            data: DataPlace::Memory,
            mode: Mode::Serve,
            policy: Policy {
                compression,
                ..Policy::new(
                    Authenticator::open(Keys::none()),
                    OriginPolicy::new(Reach::Local, Vec::new()),
                )
            },
            kinds: vec![kind("echo"), kind("relay")],
            disk_free: FreeLimits::default(),
            drain_ms: 5_000,
            front: Front::default(),
        };
        let server = Server::bind(settings).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
            Stop::AtOnce
        }));
        Self {
            address,
            stop,
            running,
        }
    }

    async fn join(&self, room: &str, offer: Option<&str>) -> Peer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let offer = offer.map_or(String::new(), |offer| {
            format!("Sec-WebSocket-Extensions: {offer}\r\n")
        });
        let head = format!(
            "GET /ws/room/{room} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n{offer}\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        let agreed = answer.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("sec-websocket-extensions")
                .then(|| value.to_owned())
        });
        let mut peer = Peer { stream, agreed };
        // A connection answers pings once its join is in the room's mailbox.
        peer.send(PING, b"").await;
        peer.expect(PONG, b"").await;
        peer
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

/// A client that shows frames as they are.
struct Peer {
    stream: TcpStream,
    agreed: Option<String>,
}

impl Peer {
    async fn send(&mut self, first: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap();
        let mut frame = vec![first, 0x80 | 126];
        if length < 126 {
            frame[1] = 0x80 | length as u8;
        } else {
            frame.extend(length.to_be_bytes());
        }
        // A mask of zeros changes nothing.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next frame: its first byte and its payload.
    async fn receive(&mut self) -> (u8, Vec<u8>) {
        let first = self.stream.read_u8().await.unwrap();
        let length = match self.stream.read_u8().await.unwrap() {
            126 => self.stream.read_u16().await.unwrap().into(),
            127 => self.stream.read_u64().await.unwrap() as usize,
            short => short.into(),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.unwrap();
        (first, payload)
    }

    async fn expect(&mut self, first: u8, payload: &[u8]) {
        assert_eq!(self.receive().await, (first, payload.to_vec()));
    }
}

fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(payload.len() + 100);
    Compress::new(Compression::best(), false)
        .compress_vec(payload, &mut deflated, FlushCompress::Sync)
        .unwrap();
    deflated.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
}

fn inflated(payload: &[u8]) -> Bytes {
    let mut inflated = Vec::with_capacity(1 << 20);
    let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
    Decompress::new(false)
        .decompress_vec(&whole, &mut inflated, FlushDecompress::Sync)
        .unwrap();
    inflated.into()
}

const OFFER: Option<&str> = Some("permessage-deflate; client_max_window_bits");
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[tokio::test]
async fn it_is_off_unless_the_operator_switches_it_on() {
    let server = Running::start(false).await;
    let mut peer = server.join("echo/1", OFFER).await;
    assert_eq!(peer.agreed, None);
    peer.send(TEXT | RSV1, &deflated(b"hello")).await;
    let (first, payload) = peer.receive().await;
    assert_eq!((first, &payload[..2]), (CLOSE, &1002_u16.to_be_bytes()[..]));
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn it_is_agreed_on_with_who_offers_it() {
    let server = Running::start(true).await;
    for (offer, answer) in [
        (OFFER, Some(ANSWER)),
        (None, None),
        (Some("permessage-deflate; server_max_window_bits=7"), None),
    ] {
        let peer = server.join("echo/1", offer).await;
        assert_eq!(peer.agreed.as_deref(), answer, "{offer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn shared_frames_are_compressed_once_and_read_alike() {
    let server = Running::start(true).await;
    let mut one = server.join("relay/1", OFFER).await;
    let mut other = server.join("relay/1", OFFER).await;
    let mut plain = server.join("relay/1", None).await;
    let mut sender = server.join("relay/1", OFFER).await;
    let text = "{\"cursor\":{\"x\":1,\"y\":2}},".repeat(40);
    let noise: Vec<u8> = (0..1_000_u32)
        .map(|n| (n.wrapping_mul(0x9e37_79b1).rotate_left(n) >> 24) as u8)
        .collect();
    sender.send(TEXT | RSV1, &deflated(text.as_bytes())).await;
    sender.send(TEXT, &text.as_bytes()[..255]).await;
    sender.send(BINARY, &noise).await;
    let mut compressed = Vec::new();
    for peer in [&mut one, &mut other] {
        let (first, payload) = peer.receive().await;
        assert_eq!(first, TEXT | RSV1);
        assert!(payload.len() < 100, "{}", payload.len());
        assert_eq!(inflated(&payload), text.as_bytes());
        compressed.push(payload);
        peer.expect(TEXT, &text.as_bytes()[..255]).await;
        peer.expect(BINARY, &noise).await;
    }
    assert_eq!(compressed[0], compressed[1]);
    plain.expect(TEXT, text.as_bytes()).await;
    drop((one, other, plain, sender));
    server.stop().await;
}

#[tokio::test]
async fn a_peer_with_a_small_window_is_read_and_sent_plain_frames() {
    let server = Running::start(true).await;
    let mut sender = server.join("relay/1", OFFER).await;
    let small = Some("permessage-deflate; server_max_window_bits=9");
    let mut peer = server.join("relay/1", small).await;
    let answer = format!("{ANSWER}; server_max_window_bits=9");
    assert_eq!(peer.agreed.as_deref(), Some(&*answer));
    let text = "to and fro ".repeat(100);
    sender.send(TEXT | RSV1, &deflated(text.as_bytes())).await;
    peer.expect(TEXT, text.as_bytes()).await;
    peer.send(TEXT | RSV1, &deflated(text.as_bytes())).await;
    let (first, payload) = sender.receive().await;
    assert_eq!(first, TEXT | RSV1);
    assert_eq!(inflated(&payload), text.as_bytes());
    drop((sender, peer));
    server.stop().await;
}

#[tokio::test]
async fn what_is_for_one_alone_is_not_compressed() {
    let server = Running::start(true).await;
    let mut peer = server.join("echo/1", OFFER).await;
    let text = "to and fro ".repeat(100);
    peer.send(TEXT | RSV1, &deflated(text.as_bytes())).await;
    peer.expect(TEXT, text.as_bytes()).await;
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn a_bomb_is_refused() {
    let server = Running::start(true).await;
    let limit = greenroom_server::Limits::default().native_frame_bytes_max;
    let mut peer = server.join("echo/1", OFFER).await;
    let largest = deflated(&vec![b'a'; limit]);
    peer.send(TEXT | RSV1, &largest).await;
    peer.expect(TEXT, &vec![b'a'; limit]).await;
    peer.send(TEXT | RSV1, &deflated(&vec![b'a'; limit + 1]))
        .await;
    let (first, payload) = peer.receive().await;
    assert_eq!((first, &payload[..2]), (CLOSE, &4901_u16.to_be_bytes()[..]));
    drop(peer);
    server.stop().await;
}
