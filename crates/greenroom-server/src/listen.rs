//! From an accepted TCP connection to requests: the proxy's word, TLS, HTTP, and on each request
//! who it comes from.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tower::Service as _;

use crate::edge::Edge;
use crate::front::BasePath;
use crate::proxy_protocol;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// How long a peer may take for the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// What stands between the listener and the routes.
pub(crate) struct Entrance {
    pub(crate) edge: Arc<Edge>,
    pub(crate) router: Router,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Entrance {
    /// Serves a connection in a task of its own.
    pub(crate) fn serve(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // Small frames must not wait for acknowledgements of earlier ones.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let entrance = Arc::clone(self);
        if !self.edge.settings.front.proxy_protocol {
            return self
                .edge
                .spawn(async move { entrance.encrypted(stream, peer).await });
        }
        self.edge.spawn(async move {
            let mut stream = stream;
            // Cancel-safe: a connection whose header is not whole is dropped.
            let said = tokio::select! {
                said = entrance.said_by_proxy(&mut stream, peer) => said,
                () = entrance.edge.stopping() => return,
            };
            match said {
                Ok(peer) => entrance.encrypted(stream, peer).await,
                Err(error) => tracing::debug!(%error, "a proxy did not say who connects"),
            }
        });
    }

    async fn said_by_proxy(
        &self,
        stream: &mut TcpStream,
        peer: SocketAddr,
    ) -> io::Result<SocketAddr> {
        if !self.edge.settings.front.trusted_proxies.contains(peer.ip()) {
            return Ok(peer);
        }
        Ok(proxy_protocol::read(stream).await?.unwrap_or(peer))
    }

    #[cfg(feature = "tls")]
    async fn encrypted(&self, stream: TcpStream, peer: SocketAddr) {
        let Some(tls) = &self.tls else {
            return self.http(stream, peer, false).await;
        };
        // In a box, so that a plain connection's task is none the larger.
        Box::pin(async {
            // Cancel-safe: a connection that did not shake hands yet is dropped.
            let stream = tokio::select! {
                stream = tls.accept(stream) => stream,
                () = self.edge.stopping() => None,
            };
            if let Some(stream) = stream {
                self.http(stream, peer, true).await;
            }
        })
        .await;
    }

    #[cfg(not(feature = "tls"))]
    async fn encrypted(&self, stream: TcpStream, peer: SocketAddr) {
        self.http(stream, peer, false).await;
    }

    async fn http<S>(&self, stream: S, peer: SocketAddr, secure: bool)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let answer = service_fn(|request: Request<Incoming>| {
            let announced = self.announce(request, peer, secure);
            let mut router = self.router.clone();
            async move {
                match announced {
                    Ok(request) => router.call(request).await,
                    Err(response) => Ok(*response),
                }
            }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DEADLINE)
            .serve_connection(TokioIo::new(stream), answer)
            .with_upgrades();
        let mut serving = std::pin::pin!(serving);
        // Both arms are cancel-safe: the connection is pinned outside.
        let served = tokio::select! {
            served = serving.as_mut() => served,
            () = self.edge.stopping() => {
                // One that is kept open between requests would otherwise hold up the stop.
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "an HTTP connection broke");
        }
    }

    /// Adds who it comes from to a request, and takes off the path that the server is mounted
    /// under; or answers it.
    fn announce<B>(
        &self,
        mut request: Request<B>,
        peer: SocketAddr,
        secure: bool,
    ) -> Result<Request<B>, Box<Response>> {
        let front = &self.edge.settings.front;
        let client = front
            .trusted_proxies
            .client(peer.ip(), secure, request.headers());
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(client);
        if !front.base_path.is_root() {
            if request.uri().path() == front.base_path.as_str() {
                return Err(Box::new(to_folder(&front.base_path)));
            }
            if let Some(uri) = below(request.uri(), &front.base_path) {
                *request.uri_mut() = uri;
            }
        }
        Ok(request)
    }
}

/// Pages name what they load relative to themselves, hence the slash at the end.
fn to_folder(base: &BasePath) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(place) = HeaderValue::try_from(format!("{}/", base.as_str())) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// The address without the path that the server is mounted under; nothing when it is not there.
fn below(uri: &Uri, base: &BasePath) -> Option<Uri> {
    let path = base.strip(uri.path())?;
    let rest = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Uri::from_parts(parts).ok()
}
