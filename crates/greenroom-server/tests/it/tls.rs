//! Connections with TLS, by a client that is not ours.

#[cfg(feature = "acme")]
mod acme;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_server::auth::{Authenticator, Keys, OriginPolicy, Reach};
use greenroom_server::store::FreeLimits;
use greenroom_server::{
    DataPlace, Front, Kind, Mode, Policy, Reloader, Server, Settings, StartError, Stop, TlsFiles,
    TlsSource,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Beyond this something is wrong, not slow.
const PATIENCE: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<TlsStream<TcpStream>>;

struct Secure {
    address: std::net::SocketAddr,
    folder: TempDir,
    certificate: CertificateDer<'static>,
    reload: Reloader,
    _stop: oneshot::Sender<()>,
}

/// A new certificate in `folder`, in the files that the server reads.
fn write_certificate(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, key_pair } =
        generate_simple_self_signed(["localhost".into()]).unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key_pair.serialize_pem()).unwrap();
    cert.der().clone()
}

fn settings(folder: &Path) -> Settings {
    let kind = |name: &str| {
        let pattern = format!("{name}/*").parse().unwrap();
        (pattern, Kind::built_in(name))
    };
    let files = TlsFiles {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: DataPlace::Memory,
        mode: Mode::Serve,
        policy: Policy::new(
            Authenticator::open(Keys::none()),
            OriginPolicy::new(Reach::Local, Vec::new()),
        ),
        kinds: vec![kind("echo"), kind("relay")],
        disk_free: FreeLimits::default(),
        drain_ms: 5_000,
        front: Front {
            tls: Some(TlsSource::Files(files)),
            ..Front::default()
        },
    }
}

async fn start() -> Secure {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write_certificate(folder.path());
    let server = Server::bind(settings(folder.path())).await.unwrap();
    start_on(server, folder, certificate)
}

fn start_on(server: Server, folder: TempDir, certificate: CertificateDer<'static>) -> Secure {
    let (address, reload) = (server.local_addr(), server.reloader());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.run(async {
        let _ = stopped.await;
        Stop::AtOnce
    }));
    Secure {
        address,
        folder,
        certificate,
        reload,
        _stop: stop,
    }
}

impl Secure {
    async fn shake(
        &self,
        trusted: &CertificateDer<'static>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.shake_as("localhost", trusted).await
    }

    async fn shake_as(
        &self,
        name: &'static str,
        trusted: &CertificateDer<'static>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    async fn join(&self, room: &str) -> Socket {
        let stream = self.shake(&self.certificate).await.unwrap();
        let url = format!("wss://localhost/ws/room/{room}");
        tokio_tungstenite::client_async(url, stream)
            .await
            .unwrap()
            .0
    }
}

async fn next(socket: &mut Socket) -> Message {
    let next = tokio::time::timeout(PATIENCE, socket.next()).await;
    next.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn a_client_talks_through_tls() {
    let server = start().await;
    let mut socket = server.join("echo/a").await;
    for size in [1, 1_000, 100_000, 1_000_000] {
        let sent = Message::text("x".repeat(size));
        socket.send(sent.clone()).await.unwrap();
        assert!(next(&mut socket).await == sent, "{size}");
    }
}

#[tokio::test]
async fn a_stuck_reader_costs_itself_its_place_and_nobody_else() {
    let server = start().await;
    let mut stuck = server.join("relay/a").await;
    let mut reader = server.join("relay/a").await;
    let mut writer = server.join("relay/a").await;
    // More than the sockets between hold, and then the outbox of 1 MiB.
    let frame = Message::binary(vec![7; 200_000]);
    for _ in 0..80 {
        writer.send(frame.clone()).await.unwrap();
        loop {
            let heard = next(&mut reader).await;
            if heard == frame {
                break;
            }
        }
    }
    let mut frames = 0;
    let code = loop {
        match next(&mut stuck).await {
            Message::Close(close) => break close.unwrap().code,
            Message::Binary(_) => frames += 1,
            _ => {}
        }
    };
    assert!(frames < 80, "it was not given all");
    assert_ne!(u16::from(code), 1_000);
    writer.send(Message::text("still here")).await.unwrap();
    while next(&mut reader).await != Message::text("still here") {}
}

#[tokio::test]
async fn a_peer_that_ends_its_half_is_let_go() {
    let server = start().await;
    let mut stream = server.join("echo/a").await.into_inner();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // With or without a farewell: it ends.
    let _ = ended.unwrap();
}

#[tokio::test]
async fn a_certificate_that_changed_is_taken_without_a_restart() {
    let server = start().await;
    let mut before = server.join("echo/a").await;
    let new = write_certificate(server.folder.path());
    assert!(server.reload.reload_certificate().unwrap());
    assert!(server.shake(&server.certificate).await.is_err());
    server.shake(&new).await.unwrap();
    before.send(Message::text("on")).await.unwrap();
    assert_eq!(next(&mut before).await, Message::text("on"));

    std::fs::write(server.folder.path().join("key.pem"), "no key").unwrap();
    let error = server.reload.reload_certificate().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("key.pem is no private key in PEM form"),
        "{error}"
    );
    server
        .shake(&new)
        .await
        .expect("the one before stays in force");
}

#[tokio::test]
async fn who_speaks_plain_http_is_told() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.ends_with("this port speaks TLS: use https:// and wss:// here"),
        "{answer}"
    );
}

#[tokio::test]
async fn files_that_are_wrong_are_named_at_the_start() {
    let check = async |folder: &TempDir, expected: &str| {
        let error = Server::bind(settings(folder.path())).await.unwrap_err();
        assert!(matches!(error, StartError::Tls(_)), "{error:?}");
        let place = folder.path().display().to_string();
        assert_eq!(error.to_string().replace(&place, "."), expected);
    };
    let folder = tempfile::tempdir().unwrap();
    check(
        &folder,
        "cannot read ./cert.pem: No such file or directory (os error 2)",
    )
    .await;
    write_certificate(folder.path());
    let key = std::fs::read(folder.path().join("key.pem")).unwrap();
    std::fs::write(folder.path().join("cert.pem"), "nothing").unwrap();
    check(&folder, "./cert.pem is no certificate in PEM form").await;
    write_certificate(folder.path());
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    check(
        &folder,
        "./cert.pem and ./key.pem do not fit: keys may not be consistent: KeyMismatch",
    )
    .await;
}
