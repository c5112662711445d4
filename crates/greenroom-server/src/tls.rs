//! TLS in front of the same HTTP as without: with a certificate from files, which are read anew when
//! they change, or from an ACME directory.
//!
//! The provider is handed to rustls explicitly, so that an embedding process keeps its own choice.

#[cfg(feature = "acme")]
mod acme;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::front::TlsFiles;

/// How long a TLS handshake may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// How often the files are looked at. Certificates are renewed weeks before they end.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What is spoken inside: without an answer to ALPN a browser would try HTTP/2.
const HTTP_PROTOCOL: &[u8] = b"http/1.1";

/// Spoken by an ACME directory that proves who we are (RFC 8737, section 4).
const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// The first byte of each TLS connection, a handshake record (RFC 8446, section 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Told to a peer that speaks HTTP to a port with TLS.
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Content-Length: 50\r\nConnection: close\r\n\r\nthis port speaks TLS: use https:// and wss:// here";

/// Why certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is no {what} in PEM form", .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// They do not belong together, or the key is of a kind that is not known.
    #[error("{} and {} do not fit: {why}", .cert.display(), .key.display())]
    Unfit {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        why: String,
    },
    /// What an ACME directory is to be asked for makes no sense.
    #[error("cannot order a certificate: {0}")]
    Order(String),
}

impl TlsError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path, and that the server's user may read it",
            Self::Malformed { .. } => {
                "a PEM file has `-----BEGIN` lines: the whole chain in --tls-cert, the key in --tls-key"
            }
            Self::Unfit { .. } => {
                "the server's own certificate comes first in --tls-cert, and --tls-key is its key"
            }
            Self::Order(_) => "name domains that lead to this machine: `--acme rooms.example.com`",
        }
    }
}

/// The certificate in force.
pub(crate) struct Tls {
    /// Taken by each connection that begins and put by a reload, for one clone.
    config: RwLock<Arc<ServerConfig>>,
    source: Source,
}

enum Source {
    /// The files, and how they were when they were last read; locked for a comparison.
    Files(TlsFiles, Mutex<Option<Seen>>),
    /// What renews the certificate, until it is run.
    #[cfg(feature = "acme")]
    Acme(Mutex<Option<acme::Renewal>>),
}

/// What changes when a file is written anew or a link is pointed elsewhere.
type Seen = [(SystemTime, u64); 2];

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn of_files(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = Mutex::new(look(&files));
        let config = RwLock::new(Arc::new(read(&files)?));
        let source = Source::Files(files, seen);
        Ok(Self { config, source })
    }

    /// Orders a certificate; until it is there handshakes fail.
    ///
    /// # Errors
    /// [`TlsError`].
    #[cfg(feature = "acme")]
    pub(crate) fn of_acme(order: &crate::front::AcmeOrder) -> Result<Self, TlsError> {
        let (renewal, config) = acme::order(order)?;
        let config = RwLock::new(Arc::new(config));
        let source = Source::Acme(Mutex::new(Some(renewal)));
        Ok(Self { config, source })
    }

    /// Reads the files anew, if it comes from files: connections from now on get what they say.
    ///
    /// # Errors
    /// [`TlsError`]; what was in force still is.
    pub(crate) fn reload(&self) -> Result<bool, TlsError> {
        let (files, seen) = match &self.source {
            Source::Files(files, seen) => (files, seen),
            #[cfg(feature = "acme")]
            Source::Acme(_) => return Ok(false),
        };
        let now = look(files);
        let config = Arc::new(read(files)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(true)
    }

    /// Renews it when it is time, for as long as it is polled.
    pub(crate) async fn keep_fresh(&self) {
        #[cfg(feature = "acme")]
        if let Source::Acme(renewal) = &self.source {
            let renewal = renewal
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(renewal) = renewal {
                renewal.run().await;
            }
            return;
        }
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        loop {
            ticks.tick().await;
            self.follow();
        }
    }

    /// Reads the files anew if they changed. An error is told once for each change.
    fn follow(&self) {
        let (files, seen) = match &self.source {
            Source::Files(files, seen) => (files, seen),
            #[cfg(feature = "acme")]
            Source::Acme(_) => return,
        };
        let now = look(files);
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if now.is_none() || now == *seen {
                return;
            }
            *seen = now;
        }
        match self.reload() {
            Ok(_) => tracing::info!("certificate changed"),
            Err(error) => tracing::warn!(
                %error, hint = error.hint(), "certificate not changed: the one before stays in force"
            ),
        }
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shakes hands; nothing when the peer does not in time, or speaks no TLS.
    pub(crate) async fn accept(&self, mut stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let config = self.config();
        let shaking = async {
            let mut first = [0];
            if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE_RECORD {
                return refuse_plain(&mut stream).await.map(|()| None);
            }
            let stream = TlsAcceptor::from(config).accept(stream).await?;
            // A directory that proves who we are has seen all it wanted.
            let proof = stream.get_ref().1.alpn_protocol() == Some(ACME_PROTOCOL);
            Ok((!proof).then_some(stream))
        };
        match tokio::time::timeout(HANDSHAKE_DEADLINE, shaking).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let error: io::Error = error;
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => None,
        }
    }
}

async fn refuse_plain(stream: &mut TcpStream) -> io::Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    stream.write_all(PLAIN_ANSWER).await?;
    stream.shutdown().await?;
    // Unread bytes would reset the connection before the answer is read.
    let mut unheard = [0; 1024];
    while stream.read(&mut unheard).await? > 0 {}
    Ok(())
}

fn look(files: &TlsFiles) -> Option<Seen> {
    let of = |path: &Path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len()))
    };
    Some([of(&files.cert)?, of(&files.key)?])
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let TlsFiles { cert, key } = files;
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong_file(cert, "certificate", error))?;
    if chain.is_empty() {
        return Err(wrong_file(cert, "certificate", pem::Error::NoItemsFound));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| wrong_file(key, "private key", error))?;
    let unfit = |why: tokio_rustls::rustls::Error| TlsError::Unfit {
        cert: cert.clone(),
        key: key.clone(),
        why: why.to_string(),
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unfit)?;
    config.alpn_protocols = vec![HTTP_PROTOCOL.to_vec()];
    // Who comes back resumes what was agreed on, and nothing is kept for that.
    config.ticketer = ring::Ticketer::new().map_err(unfit)?;
    Ok(config)
}

/// Connects to others as one who trusts the authorities that this machine knows, or those in
/// `SSL_CERT_FILE` or `SSL_CERT_DIR`.
///
/// # Errors
/// When it knows none.
pub(crate) fn client_connector() -> Result<tokio_rustls::TlsConnector, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(found.certs);
    if known == 0 {
        return Err("this machine has no certificates of authorities".into());
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tokio_rustls::TlsConnector::from(Arc::new(config)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn wrong_file(path: &Path, what: &'static str, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(error) => TlsError::Read { path, error },
        _ => TlsError::Malformed { path, what },
    }
}
