//! An order against a small ACME directory (RFC 8555): it asks for the proof by TLS-ALPN-01 as a real
//! one does, and signs what it is given. What it does not do is to check the signatures of requests
//! and the digest in the proof.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream as Blocking};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use greenroom_server::{AcmeOrder, Server, TlsSource};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair, PublicKeyData};
use serde_json::{Value, json};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
};

use super::{PATIENCE, Secure, settings, start_on};

const DOMAIN: &str = "rooms.example.com";

/// The identifier of the extension that a proof holds: 1.3.6.1.5.5.7.1.31, as DER.
const PROOF: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1f];

/// An authority, and how far its one order has come.
struct Directory {
    url: String,
    authority: Certificate,
    key: KeyPair,
    /// Where the server listens that has to prove itself.
    server: Mutex<Option<SocketAddr>>,
    proven: Mutex<bool>,
    chain: Mutex<String>,
    /// Told of each certificate that was fetched.
    fetched: mpsc::Sender<()>,
}

/// Starts one, on a thread that ends with the process.
fn directory() -> (Arc<Directory>, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (fetched, of_fetched) = mpsc::channel();
    let directory = Arc::new(Directory {
        url: format!("http://{}", listener.local_addr().unwrap()),
        authority: params.self_signed(&key).unwrap(),
        key,
        server: Mutex::default(),
        proven: Mutex::default(),
        chain: Mutex::default(),
        fetched,
    });
    let serving = Arc::clone(&directory);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serving.answer(&stream.unwrap());
        }
    });
    (directory, of_fetched)
}

impl Directory {
    /// Answers one request and closes.
    fn answer(&self, mut stream: &Blocking) {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap() == 0 {
                return;
            }
        }
        let lower = head.to_ascii_lowercase();
        let length = lower.split_once("content-length: ");
        let length = length.map_or(0, |(_, rest)| rest.lines().next().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        let (location, text) = self.reply(path, &body);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nReplay-Nonce: once\r\nLocation: {}{location}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
            self.url,
            text.len()
        );
        stream.write_all(answer.as_bytes()).unwrap();
    }

    fn reply(&self, path: &str, body: &[u8]) -> (&'static str, String) {
        let url = |path: &str| format!("{}{path}", self.url);
        let order = |status: &str| {
            json!({ "status": status, "authorizations": [url("/authorization")],
                "finalize": url("/finalize"), "certificate": url("/certificate") })
        };
        let (location, answer) = match path {
            "/directory" => {
                let answer = json!({ "newNonce": url("/nonce"), "newAccount": url("/account"),
                    "newOrder": url("/order") });
                ("/directory", answer)
            }
            "/nonce" => return ("/nonce", String::new()),
            "/account" => ("/account/1", json!({ "status": "valid" })),
            "/order" => ("/order/1", order("pending")),
            "/order/1" => ("/order/1", order("ready")),
            "/authorization" => {
                let proven = *self.proven.lock().unwrap();
                let challenge = json!({ "type": "tls-alpn-01", "url": url("/challenge"),
                    "token": "a-token" });
                let answer = json!({ "status": if proven { "valid" } else { "pending" },
                    "identifier": { "type": "dns", "value": DOMAIN }, "challenges": [challenge] });
                ("/authorization", answer)
            }
            "/challenge" => {
                let server = self.server.lock().unwrap().unwrap();
                *self.proven.lock().unwrap() = proves(server);
                ("/challenge", json!({}))
            }
            "/finalize" => {
                *self.chain.lock().unwrap() = self.issue(body);
                ("/order/1", order("valid"))
            }
            "/certificate" => {
                self.fetched.send(()).unwrap();
                return ("/certificate", self.chain.lock().unwrap().clone());
            }
            other => panic!("asked for {other}"),
        };
        (location, answer.to_string())
    }

    /// Signs the key of a request.
    fn issue(&self, body: &[u8]) -> String {
        let decode = |text: &Value| {
            let text = text.as_str().unwrap();
            BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
        };
        let request: Value = serde_json::from_slice(body).unwrap();
        let payload: Value = serde_json::from_slice(&decode(&request["payload"])).unwrap();
        let request = decode(&payload["csr"]);
        let holds = |part: &[u8]| request.windows(part.len()).any(|window| window == part);
        assert!(holds(DOMAIN.as_bytes()), "the request names the domain");
        // The key: a bit string of 65 bytes, an uncompressed point (RFC 5480).
        let start = [0x03, 0x42, 0x00, 0x04];
        let at = request
            .windows(4)
            .position(|window| window == start)
            .unwrap();
        let key = Point(request[at + 3..at + 68].to_vec());
        let params = CertificateParams::new([DOMAIN.to_owned()]).unwrap();
        let issued = params.signed_by(&key, &self.authority, &self.key).unwrap();
        issued.pem()
    }
}

/// A key that somebody else holds.
struct Point(Vec<u8>);

impl PublicKeyData for Point {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

/// Whether the server shows a proof to who asks as a directory does.
fn proves(server: SocketAddr) -> bool {
    let shown = Arc::new(Shown::default());
    let mut config = ClientConfig::builder_with_provider(Arc::new(super::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&shown) as _)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let name = ServerName::try_from(DOMAIN).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = Blocking::connect(server).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).unwrap();
    }
    assert_eq!(connection.alpn_protocol(), Some(b"acme-tls/1".as_slice()));
    let shown = shown.0.lock().unwrap();
    let holds = |part: &[u8]| shown.windows(part.len()).any(|window| window == part);
    holds(&PROOF) && holds(DOMAIN.as_bytes())
}

/// The certificate that was shown, whatever it is.
#[derive(Debug, Default)]
struct Shown(Mutex<Vec<u8>>);

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.0.lock().unwrap() = end_entity.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = super::ring::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A server that orders its certificate there, and keeps it in `folder`.
async fn ordering(directory: &Directory, folder: &Path) -> Server {
    let mut settings = settings(folder);
    settings.front.tls = Some(TlsSource::Acme(AcmeOrder {
        domains: vec![DOMAIN.to_owned()],
        email: Some("ops@example.com".to_owned()),
        directory: Some(format!("{}/directory", directory.url)),
        folder: folder.join("acme"),
    }));
    let server = Server::bind(settings).await.unwrap();
    *directory.server.lock().unwrap() = Some(server.local_addr());
    server
}

/// Waits until the server shows a certificate that the authority vouches for.
async fn serves(server: &Secure) {
    let shaken = async {
        while server.shake_as(DOMAIN, &server.certificate).await.is_err() {
            // The order goes on by timers of its own.
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, shaken).await.unwrap();
}

/// Waits until the certificate is on the disk, which it is soon after it is shown.
async fn kept(folder: &Path) {
    let is_there = || {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let mut names = entries.map(|entry| entry.unwrap().file_name());
        names.any(|name| name.to_string_lossy().starts_with("cached_cert"))
    };
    let waiting = async {
        while !is_there() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_ordered_once_and_kept() {
    let (directory, fetched) = directory();
    let folder = tempfile::tempdir().unwrap();
    let authority = directory.authority.der().clone();
    for _ in 0..2 {
        let server = ordering(&directory, folder.path()).await;
        let server = start_on(server, tempfile::tempdir().unwrap(), authority.clone());
        serves(&server).await;
        kept(&folder.path().join("acme")).await;
    }
    fetched.recv_timeout(Duration::ZERO).unwrap();
    assert!(
        fetched.try_recv().is_err(),
        "the second start took what was kept"
    );
    assert!(*directory.proven.lock().unwrap());
}
