//! REST over a real socket: each endpoint, its limits, its failures.

mod documents;
mod export;
mod overview;
mod refusals;
mod rooms;
mod sign_in;
mod versions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use greenroom_server::auth::{
    Authenticator, Claims, Grant, Keys, OriginPolicy, Reach, Rights, SecretKey,
};
use greenroom_server::{DataPlace, Front, Kind, Limits, Mode, Policy, Server, Settings, Stop};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs until the test ends.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    keys: Keys,
    stop: Option<oneshot::Sender<()>>,
    runs: JoinHandle<()>,
}

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    /// What it sets, as it is written: the head is read in lower case.
    pub(crate) cookie: Option<String>,
    pub(crate) body: Vec<u8>,
}

pub(crate) type Peer =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

impl TestServer {
    /// One in memory where no token is needed; rooms under `raw/` relay frames.
    pub(crate) async fn open() -> Self {
        Self::start(Authenticator::open(keys()), Limits::default()).await
    }

    /// One where a token is needed.
    pub(crate) async fn keyed() -> Self {
        Self::start(Authenticator::keyed(keys()), Limits::default()).await
    }

    pub(crate) async fn start(authenticator: Authenticator, limits: Limits) -> Self {
        Self::with(settings(authenticator, limits)).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let server = Server::bind(settings).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let runs = tokio::spawn(server.run(async {
            let _ = stopped.await;
            Stop::AtOnce
        }));
        Self {
            address,
            keys: keys(),
            stop: Some(stop),
            runs,
        }
    }

    /// Stops it in order.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        tokio::time::timeout(PATIENCE, self.runs)
            .await
            .unwrap()
            .unwrap();
    }

    /// A token of `ada` with these rights in the rooms of the pattern.
    pub(crate) fn token(&self, pattern: &str, rights: Rights) -> String {
        self.token_of("ada", pattern, rights)
    }

    /// A token of this user with these rights in the rooms of the pattern.
    pub(crate) fn token_of(&self, user: &str, pattern: &str, rights: Rights) -> String {
        self.mint(
            user,
            vec![Grant {
                pattern: pattern.parse().unwrap(),
                rights,
            }],
            false,
        )
    }

    pub(crate) fn admin_token(&self) -> String {
        self.mint("ada", Vec::new(), true)
    }

    fn mint(&self, user: &str, rooms: Vec<Grant>, admin: bool) -> String {
        self.mint_for(user, rooms, admin, 1 << 40)
    }

    /// A token that ends then.
    pub(crate) fn mint_until(&self, rooms: Vec<Grant>, admin: bool, exp: u64) -> String {
        self.mint_for("ada", rooms, admin, exp)
    }

    fn mint_for(&self, user: &str, rooms: Vec<Grant>, admin: bool, exp: u64) -> String {
        let claims = Claims {
            sub: user.into(),
            name: None,
            info: None,
            rooms,
            iat: 1,
            nbf: None,
            exp,
            admin,
            jti: None,
        };
        self.keys.mint(&claims).unwrap()
    }

    /// A request with a head of these lines besides.
    pub(crate) async fn send(
        &self,
        request: &str,
        lines: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let body = body.as_ref();
        let mut head = format!("{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in lines {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that refuses does not read all.
        let _ = stream.write_all(body).await;
        let mut got = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut got)).await;
        if let Err(error) = read.expect("it answers") {
            assert!(!got.is_empty(), "{error}");
        }
        Answer::read(&got)
    }

    /// A request without a body.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[], "").await
    }

    /// Asks until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        let asked = async {
            loop {
                let value = self.get(path).await.value();
                if is(&value) {
                    return value;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .expect("it comes to that")
    }

    /// A request with a body of JSON.
    pub(crate) async fn json(&self, request: &str, body: &Value) -> Answer {
        let lines = [("content-type", "application/json")];
        self.send(request, &lines, body.to_string()).await
    }

    /// A peer on this path.
    pub(crate) async fn join(&self, path: &str) -> Peer {
        let url = format!("ws://{}{path}", self.address);
        let request = url.into_client_request().unwrap();
        tokio_tungstenite::connect_async(request).await.unwrap().0
    }
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let set = head
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = set.map(str::to_owned);
        let head = head.to_ascii_lowercase();
        let mut body = bytes[end + 4..].to_vec();
        if head.contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            status,
            head,
            cookie,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(prefix.as_str()))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It is this problem.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let value = self.value();
        assert_eq!(
            (self.status, value["code"].as_str()),
            (status, Some(code)),
            "{value}"
        );
        assert_eq!(value["status"], status);
        assert!(
            value["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
    }

    /// It went well; gives the JSON.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        if self.body.is_empty() {
            Value::Null
        } else {
            self.value()
        }
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        whole.extend(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    whole
}

pub(crate) fn keys() -> Keys {
    Keys::none().with(SecretKey::from_seed([7; 32]))
}

pub(crate) fn settings(authenticator: Authenticator, limits: Limits) -> Settings {
    Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data: DataPlace::Memory,
        mode: Mode::Serve,
        policy: Policy {
            limits: Arc::new(limits),
            ..Policy::new(
                authenticator,
                OriginPolicy::new(Reach::Local, vec!["https://app.example".parse().unwrap()]),
            )
        },
        kinds: vec![("raw/*".parse().unwrap(), Kind::built_in("relay"))],
        disk_free: greenroom_server::store::FreeLimits::NONE,
        drain_ms: 5_000,
        front: Front::default(),
    }
}

/// The code with which the peer is closed.
pub(crate) async fn close_code(peer: &mut Peer) -> u16 {
    use futures_util::StreamExt as _;
    loop {
        match tokio::time::timeout(PATIENCE, peer.next())
            .await
            .expect("it is closed")
        {
            Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The next message of the peer.
pub(crate) async fn heard(peer: &mut Peer) -> Message {
    use futures_util::StreamExt as _;
    tokio::time::timeout(PATIENCE, peer.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
}
