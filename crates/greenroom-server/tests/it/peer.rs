//! A whole server in memory, and a client that shows frames as they are.

use std::net::SocketAddr;

use greenroom_server::auth::{Authenticator, Keys, OriginPolicy, Reach};
use greenroom_server::store::FreeLimits;
use greenroom_server::{DataPlace, Front, Kind, Mode, Policy, Server, Settings, Stop};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

pub(crate) struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Running {
    /// A server in memory whose rooms `echo/*` and `relay/*` are what they are called.
    pub(crate) async fn start(compression: bool) -> Self {
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

    pub(crate) async fn join(&self, room: &str, offer: Option<&str>) -> Peer {
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

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

/// A client that shows frames as they are; `first` is a frame's first byte.
pub(crate) struct Peer {
    stream: TcpStream,
    /// The extension that was agreed on.
    pub(crate) agreed: Option<String>,
}

impl Peer {
    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
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
    pub(crate) async fn receive(&mut self) -> (u8, Vec<u8>) {
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

    pub(crate) async fn expect(&mut self, first: u8, payload: &[u8]) {
        assert_eq!(self.receive().await, (first, payload.to_vec()));
    }
}
