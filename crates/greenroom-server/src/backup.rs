//! `GET /api/backup`: one moment of the whole store as a stream, while the server goes on.

use std::io::{self, Write};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body::Frame;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::app::App;
use crate::auth::token_of;
use crate::edge::wall_ms;
use crate::meters::table::AUTH_FAILURES;
use crate::problem::problem;
use crate::settings::DataPlace;
use crate::store::{BackupError, OpenError, StoreCopy};

/// The media type of a backup.
const MEDIA_TYPE: &str = "application/vnd.greenroom.backup";

/// How many rooms the backup holds, so that who fetches it can tell how far it is.
const ROOMS_HEADER: &str = "greenroom-rooms";

/// A piece of the stream: large enough that pieces cost nothing.
const PIECE_BYTES: usize = 256 << 10;

/// Pieces that wait for the reader; the copying waits while they do.
const PIECES_MAX: usize = 4;

/// How long the reader may take for a piece. A copy under way keeps the store's log from being cut
/// back, so that a reader who does not read is let go.
const PIECE_DEADLINE: Duration = Duration::from_secs(60);

/// Answers with a backup of what is durable now.
pub(crate) async fn backup(State(app): State<Arc<App>>, request: Request) -> Response {
    let token = token_of(request.headers(), request.uri().query());
    let now = wall_ms();
    let policy = app.policy();
    let authenticator = &policy.authenticator;
    let signed_in = token.is_none()
        && app
            .sign_ins
            .of(request.method(), request.headers(), now)
            .is_some();
    let judged = authenticator.authorize_operator(token.as_deref(), now / 1_000);
    if let Err(error) = judged.or_else(|error| if signed_in { Ok(()) } else { Err(error) }) {
        AUTH_FAILURES.with(&[error.name()]).increment(1);
        return problem(error.status(), error.code(), &error.to_string());
    }
    let DataPlace::Directory(directory) = &app.settings().data else {
        let detail = "this server keeps its data in memory: there is nothing to copy";
        return problem(StatusCode::CONFLICT, "in_memory", detail);
    };
    let Ok(permit) = Arc::clone(&app.backups).try_acquire_owned() else {
        let detail = "another backup is being taken; try again when it is done";
        return problem(StatusCode::TOO_MANY_REQUESTS, "backup_running", detail);
    };
    match begin(directory.clone(), now, permit).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "a backup cannot be taken");
            problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                &error.to_string(),
            )
        }
    }
}

async fn begin(
    directory: PathBuf,
    now_ms: u64,
    permit: OwnedSemaphorePermit,
) -> Result<Response, OpenError> {
    let opened = tokio::task::spawn_blocking(move || StoreCopy::open(&directory, now_ms));
    let copy = opened
        .await
        .unwrap_or_else(|_| Err(OpenError::Io("the copy could not be begun".into())))?;
    let rooms = copy.head().rooms;
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let runtime = Handle::current();
    // Not among the process's tasks: a stop need not wait for it, the reader sees that it is cut off.
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let out = Pieces {
            piece: BytesMut::with_capacity(PIECE_BYTES),
            sender: sender.clone(),
            runtime,
        };
        match copy.write(out) {
            Ok(totals) => tracing::info!(
                rooms = totals.rooms,
                rows = totals.rows,
                snapshots = totals.snapshots,
                "backup taken"
            ),
            Err(error) => {
                tracing::warn!(%error, "a backup was not finished");
                // The reader went away, or is told by that its file has no end.
                let _ = sender.try_send(Err(error));
            }
        }
    });
    let mut response = Response::new(Body::new(Stream(pieces)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static(ROOMS_HEADER),
        HeaderValue::from(rooms),
    );
    Ok(response)
}

/// Hands pieces to the reader, waiting for it.
struct Pieces {
    piece: BytesMut,
    sender: mpsc::Sender<Result<Bytes, BackupError>>,
    runtime: Handle,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = self.piece.split().freeze();
        let sending = tokio::time::timeout(PIECE_DEADLINE, self.sender.send(Ok(piece)));
        match self.runtime.block_on(sending) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the reader left")),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the reader does not read",
            )),
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..fits]);
        if self.piece.len() == PIECE_BYTES {
            self.send()?;
        }
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.send()
    }
}

/// The body of the answer.
struct Stream(mpsc::Receiver<Result<Bytes, BackupError>>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = BackupError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BackupError>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
