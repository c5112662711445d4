//! Asks a receiver: one connection for each request, to the address that was judged, no redirects.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};

use super::target::{HookUrl, judge};
use crate::proxies::TrustedProxies;

/// What a receiver answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why a receiver did not answer. Names no payload and no path.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// The name has no address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// Each address of the name is of a private network.
    #[error("{0} is a private address, and `webhooks.private` does not allow it")]
    Private(String),
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// It is not who it should be, or speaks no TLS.
    #[cfg(feature = "tls")]
    #[error("TLS: {0}")]
    Tls(String),
    /// It speaks no HTTP, or broke off.
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// The answer is larger than what is read of one.
    #[error("its answer broke off or is larger than {0} bytes")]
    Body(usize),
    /// The request cannot be written.
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
}

/// Asks receivers.
#[derive(Default)]
pub(super) struct HookClient {
    /// Read when the first https receiver is asked: that takes some milliseconds.
    #[cfg(feature = "tls")]
    tls: std::sync::OnceLock<Result<tokio_rustls::TlsConnector, String>>,
}

impl HookClient {
    /// Posts `body` to `url`. At most `bytes_max` of the answer are read. Whoever calls sets the
    /// deadline.
    pub(super) async fn post(
        &self,
        url: &HookUrl,
        allowed: &TrustedProxies,
        headers: HeaderMap,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Answer, AskError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&url.path)
            .body(Body::from(body))?;
        *request.headers_mut() = headers;
        let host = header::HeaderValue::from_str(&url.authority).map_err(http::Error::from)?;
        request.headers_mut().insert(header::HOST, host);
        let stream = connect(url, allowed).await?;
        #[cfg(feature = "tls")]
        if url.secure {
            let stream = self.encrypt(url, stream).await?;
            return exchange(stream, request, bytes_max).await;
        }
        exchange(stream, request, bytes_max).await
    }

    #[cfg(feature = "tls")]
    async fn encrypt(
        &self,
        url: &HookUrl,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, AskError> {
        use tokio_rustls::rustls::pki_types::ServerName;

        let connector = match self.tls.get() {
            Some(connector) => connector.clone(),
            None => {
                let made = tokio::task::spawn_blocking(crate::tls::client_connector).await;
                let made = made.unwrap_or_else(|error| Err(error.to_string()));
                self.tls.get_or_init(|| made).clone()
            }
        };
        let connector = connector.map_err(AskError::Tls)?;
        let name = ServerName::try_from(url.host.clone());
        let name = name.map_err(|error| AskError::Tls(error.to_string()))?;
        let connected = connector.connect(name, stream).await;
        connected.map_err(|error| AskError::Tls(error.to_string()))
    }
}

async fn connect(url: &HookUrl, allowed: &TrustedProxies) -> Result<TcpStream, AskError> {
    let found = lookup_host((url.host.as_str(), url.port)).await;
    let found: Vec<_> = found
        .map_err(|_| AskError::NoAddress(url.host.clone()))?
        .collect();
    if found.is_empty() {
        return Err(AskError::NoAddress(url.host.clone()));
    }
    let judged = judge(found, allowed);
    let judged = judged.ok_or_else(|| AskError::Private(url.host.clone()))?;
    let stream = TcpStream::connect(judged)
        .await
        .map_err(AskError::Connect)?;
    stream.set_nodelay(true).map_err(AskError::Connect)?;
    Ok(stream)
}

async fn exchange<S>(
    stream: S,
    request: Request<Body>,
    bytes_max: usize,
) -> Result<Answer, AskError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asked = async {
        let answer = sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        let body = axum::body::to_bytes(Body::new(body), bytes_max).await;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.map_err(|_| AskError::Body(bytes_max))?,
        })
    };
    tokio::pin!(connection);
    tokio::pin!(asked);
    // Both are pinned here, so that nothing is lost when one of them comes first.
    tokio::select! {
        answer = &mut asked => answer,
        // The connection may end with its last byte, before that was taken up.
        ended = &mut connection => {
            ended?;
            asked.await
        }
    }
}
