//! A room as one file, and a room out of one.
//!
//! An export reads the store at its reader's pace and does not load the room: also one that cannot
//! be loaded can be taken away. An import is read as it comes, and becomes a room whole or not at all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use greenroom_core::export::{Decoder, ExportError, Exporter, ImportError, Incoming, MEDIA_TYPE};
use greenroom_core::limits::{EXPORT_STALL_MS_MAX, IMPORT_BYTES_MAX, IMPORT_DEADLINE_MS, Limits};
use greenroom_core::room::request::{Import, Reply, Request};
use greenroom_core::store::{StoreReply, StoreRequest};
use greenroom_service::Millis;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::access::InRoom;
use super::ask::{ask, no_store, not_found, stored, unexpected};
use super::body;
use super::model::{ProblemModel, Room};
use super::rooms::shown;
use crate::edge::wall_ms;
use crate::problem::Problem;

/// Rows that are read at a time, in bytes.
const READ_BYTES: usize = 1 << 20;

/// Batches of pieces between the task and the socket; each is about what is read at a time.
const BATCHES_MAX: usize = 2;

/// The room as one file
///
/// What is durable when it is asked for: the newest snapshot of each part, and the journal's records.
#[utoipa::path(get, path = "/api/rooms/{room}/export", operation_id = "export_room", tag = "rooms",
    params(("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/vnd.greenroom.room"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn export(of: InRoom) -> Result<Response, Problem> {
    let of = of.need_admin()?;
    let permit = permit(&of.app.exports, "as many exports as may be are under way")?;
    let StoreReply::Snapshots(snapshots) =
        request(&of, |room| StoreRequest::Snapshots { room }).await
    else {
        return Err(no_store());
    };
    // After the snapshots, so that what it says is not behind them.
    let meta = stored(&of.app, &of.room).await?;
    let meta = meta.ok_or_else(|| not_found(&of.room))?;
    let begun = Exporter::begin(&meta, &snapshots, Millis(wall_ms()));
    drop(snapshots);
    let (mut exporter, mut pieces) = begun.map_err(damaged)?;
    // The first rows tell whether there is anything to export, while that can still be said.
    pieces.extend(read_on(&of, &mut exporter).await?);
    let (batches, body) = mpsc::channel(BATCHES_MAX);
    let edge = Arc::clone(of.app.edge());
    edge.spawn(run(of, exporter, pieces, batches, permit));
    let mut response = Response::new(Body::new(Pieces {
        batches: body,
        batch: Vec::new().into_iter(),
        is_last: false,
    }));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn request(
    of: &InRoom,
    request: impl FnOnce(greenroom_service::RoomId) -> StoreRequest,
) -> StoreReply {
    of.app.edge().request_store(request(of.room.clone())).await
}

async fn read_on(of: &InRoom, exporter: &mut Exporter) -> Result<Vec<Bytes>, Problem> {
    let from_seq = exporter.next_seq();
    let read = request(of, |room| StoreRequest::Read {
        room,
        from_seq,
        bytes_max: READ_BYTES,
    });
    let StoreReply::Rows { rows, .. } = read.await else {
        return Err(no_store());
    };
    exporter.rows(&rows).map_err(damaged)
}

fn damaged(why: String) -> Problem {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Problem::new(
        status,
        "export_failed",
        format!("what is stored cannot be exported: {why}"),
    )
    .hint("try again; if it stays so, the room's stored data is damaged")
}

/// Pieces that were made together.
struct Batch {
    pieces: Vec<Bytes>,
    is_last: bool,
}

/// The export ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("the export broke off")]
struct CutOff;

async fn run(
    of: InRoom,
    mut exporter: Exporter,
    mut pieces: Vec<Bytes>,
    batches: mpsc::Sender<Batch>,
    _permit: OwnedSemaphorePermit,
) {
    while !exporter.is_done() {
        if !send(&of, &batches, pieces, false).await {
            return;
        }
        pieces = match read_on(&of, &mut exporter).await {
            Ok(pieces) => pieces,
            Err(problem) => {
                tracing::warn!(room = %of.room, problem = problem.detail, "an export broke off");
                return;
            }
        };
    }
    pieces.push(exporter.end());
    send(&of, &batches, pieces, true).await;
}

/// Hands a batch over, waiting for the reader; false when that is of no use.
async fn send(
    of: &InRoom,
    batches: &mpsc::Sender<Batch>,
    pieces: Vec<Bytes>,
    is_last: bool,
) -> bool {
    let stall = Duration::from_millis(EXPORT_STALL_MS_MAX);
    let edge = Arc::clone(of.app.edge());
    // What is not sent when the server stops is given up.
    tokio::select! {
        sent = batches.send_timeout(Batch { pieces, is_last }, stall) => sent.is_ok(),
        () = edge.stopping() => false,
    }
}

/// A body whose pieces come in batches through a channel. When that ends without a last one the
/// body fails, so that nobody takes it for whole.
struct Pieces {
    batches: mpsc::Receiver<Batch>,
    batch: std::vec::IntoIter<Bytes>,
    is_last: bool,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        loop {
            if let Some(piece) = self.batch.next() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if self.is_last {
                return Poll::Ready(None);
            }
            match std::task::ready!(self.batches.poll_recv(cx)) {
                Some(batch) => {
                    self.batch = batch.pieces.into_iter();
                    self.is_last = batch.is_last;
                }
                None => return Poll::Ready(Some(Err(CutOff))),
            }
        }
    }
}

/// Make a room out of a file that an export gave
///
/// All of it or nothing. A room that was ever written to is not imported into.
#[utoipa::path(post, path = "/api/rooms/{room}/import", operation_id = "import_room", tag = "rooms",
    request_body(content = Vec<u8>, content_type = "application/vnd.greenroom.room"),
    params(("room" = String, Path, description = "The name of the room to be", min_length = 1, max_length = 128)),
    responses(
        (status = 201, body = Room),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn import(
    of: InRoom,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let of = of.need_admin()?;
    body::check_type(&headers, MEDIA_TYPE)?;
    let _permit = permit(&of.app.imports, "another import is under way")?;
    // What is bound to be refused need not be read.
    if stored(&of.app, &of.room).await?.is_some() {
        return Err(exists(&of));
    }
    let limits = of.app.limits_of(&of.room);
    let deadline = Duration::from_millis(IMPORT_DEADLINE_MS);
    let Ok(read) = tokio::time::timeout(deadline, read(content)).await else {
        let detail = "the body did not come in time";
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body", detail));
    };
    let import = checked(read?, limits).await?;
    let (kind, records) = (import.kind.clone(), import.records.len());
    match ask(&of, Request::Import(Box::new(import))).await {
        Ok(Reply::Done) => {}
        Ok(other) => return Ok(unexpected(&other)),
        Err(problem) if problem.code == "room_exists" => return Err(exists(&of)),
        Err(problem) => return Err(problem),
    }
    tracing::info!(room = %of.room, kind, records, "room imported");
    shown(&of, StatusCode::CREATED).await
}

fn permit(of: &Arc<Semaphore>, detail: &str) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(of).try_acquire_owned().map_err(|_| {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Problem::new(status, "too_many_requests", detail).hint("try again when it is done")
    })
}

fn exists(of: &InRoom) -> Problem {
    let detail = format!(
        "there is a room `{}` already, and an import replaces none",
        of.room
    );
    Problem::new(StatusCode::CONFLICT, "room_exists", detail)
        .hint("import it under another name, or delete that room first")
}

/// Reads the file as it comes, and no more of one that is no such file.
async fn read(mut content: Body) -> Result<Incoming, Problem> {
    let (mut decoder, mut incoming) = (Decoder::default(), Incoming::default());
    let mut bytes = 0;
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut content).poll_frame(cx)).await;
        let data = match frame {
            None => break,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => return Err(Problem::bad("body", "the body was cut off")),
        };
        bytes += data.len();
        if bytes > IMPORT_BYTES_MAX {
            let detail = format!("the body may have {IMPORT_BYTES_MAX} bytes");
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                detail,
            ));
        }
        decoder.push(&data);
        loop {
            let at = decoder.position();
            let Some(piece) = decoder.next_piece().map_err(malformed)? else {
                break;
            };
            incoming.take(at, piece);
        }
    }
    decoder.finish().map_err(malformed)?;
    Ok(incoming)
}

/// What the room is to take in; that is worked out where it keeps nobody waiting.
async fn checked(incoming: Incoming, limits: Arc<Limits>) -> Result<Import, Problem> {
    let work = tokio::task::spawn_blocking(move || incoming.into_import(&limits));
    let checked = work.await.map_err(|_| {
        let detail = "the file made its check fail; nothing was changed";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    })?;
    checked.map_err(|error| match error {
        ImportError::File(error) => malformed(error),
        ImportError::TooLarge(detail) => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
                .hint("raise the limit of that name for the room, or import less")
        }
        error => Problem::bad("import_refused", error.to_string()),
    })
}

fn malformed(error: ExportError) -> Problem {
    Problem::bad("import_malformed", error.to_string()).hint(error.hint())
}
