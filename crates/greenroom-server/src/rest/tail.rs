//! What happens in a room, as it happens: Server-Sent Events.
//!
//! Records are read from the store at the reader's pace, so that a journal of any length is told
//! without being held. What leaves no record waits in a bounded queue; a reader that lets it fill
//! is sent away.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use greenroom_core::collab::about;
use greenroom_core::limits::{TAIL_EVENTS_MAX, TAIL_STALL_MS_MAX, TAILS_MAX};
use greenroom_core::room::request::Seen;
use greenroom_core::store::envelope::{DecodedRow, decode_row, incarnation_of};
use greenroom_core::store::{StoreReply, StoreRequest};
use greenroom_service::{Message, Millis};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::access::InRoom;
use super::ask::{check_existing, no_store, open};
use super::model::ProblemModel;
use crate::desk::Watcher;
use crate::mail::Mail;
use crate::problem::Problem;
use crate::rooms::RoomRef;

/// Rows that are read at a time, in bytes.
const READ_BYTES: usize = 1 << 20;

/// Chunks between the task and the socket.
const CHUNKS_MAX: usize = 4;

/// A proxy gives a silent connection up after 30 s or 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What happens in a room, as Server-Sent Events
///
/// Events are `record`, `joined`, `left`, `broadcast`, `missing` and, last, `closed`.
#[utoipa::path(get, path = "/api/rooms/{room}/tail", operation_id = "tail_room", tag = "rooms",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("from" = Option<u64>, Query, description = "The first record wanted; without it those to come"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last record that was seen")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn tail(of: InRoom, headers: HeaderMap) -> Result<Response, Problem> {
    let of = of.need_admin()?;
    let asked = of.query.number("from", (0, u64::MAX >> 12))?;
    let seen = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    let from = seen.map(|seen| seen.saturating_add(1)).or(asked);
    check_existing(&of).await?;
    let room = open(&of).await?;
    let (told, mut events) = mpsc::channel(TAIL_EVENTS_MAX);
    let ended = Arc::new(OnceLock::new());
    let watcher = Watcher {
        told,
        ended: Arc::clone(&ended),
    };
    let ended_before = || {
        let (status, code) = match ended.get() {
            Some(&"too_many_tails") => (StatusCode::TOO_MANY_REQUESTS, "too_many_tails"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "room_unavailable"),
        };
        let detail = format!("the room has its {TAILS_MAX} tails, or was closed meanwhile");
        Problem::new(status, code, detail)
    };
    room.send(Mail::Watch(watcher))
        .await
        .map_err(|_| ended_before())?;
    let Some(Seen::Durable(durable)) = events.recv().await else {
        return Err(ended_before());
    };
    let (chunks, body) = mpsc::channel(CHUNKS_MAX);
    let tail = Tail {
        of,
        room,
        next: from.unwrap_or(durable + 1).max(1),
        chunks,
    };
    let edge = Arc::clone(tail.of.app.edge());
    edge.spawn(tail.run(durable, events, ended));
    let kind = HeaderValue::from_static("text/event-stream");
    let body = Body::new(Chunks(body));
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// One reader's tail.
struct Tail {
    of: InRoom,
    /// Held, so that the room is not unloaded.
    room: RoomRef,
    /// The next record to tell.
    next: u64,
    chunks: mpsc::Sender<Bytes>,
}

/// Why a tail ends.
enum End {
    /// The reader went away, or does not read.
    Gone,
    /// What it is told as the last.
    Closed(&'static str),
}

impl Tail {
    async fn run(
        mut self,
        durable: u64,
        mut events: mpsc::Receiver<Seen>,
        ended: Arc<OnceLock<&'static str>>,
    ) {
        let mut end = self.say(": greenroom\n\n".into()).await.err();
        if end.is_none() {
            end = self.records(durable).await.err();
        }
        let edge = Arc::clone(self.of.app.edge());
        let gone = self.chunks.clone();
        while end.is_none() {
            // All arms are cancel-safe.
            let told = tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.tell(event).await,
                    None => Err(End::Closed(ended.get().copied().unwrap_or("room_fault"))),
                },
                () = tokio::time::sleep(KEEP_ALIVE) => self.say(":\n\n".into()).await,
                () = gone.closed() => Err(End::Gone),
                () = edge.stopping() => Err(End::Closed("shutdown")),
            };
            end = told.err();
        }
        if let Some(End::Closed(reason)) = end {
            let detail = match reason {
                "slow" => format!("the reader fell {TAIL_EVENTS_MAX} events behind"),
                "deleted" => "the room was deleted".into(),
                "shutdown" => "the server stops".into(),
                "store_unavailable" => "the journal cannot be read now".into(),
                _ => "the room was closed; its log says why".into(),
            };
            let data = json!({"reason": reason, "detail": detail});
            let _ = self.event("closed", None, &data).await;
        }
        drop(self.room);
    }

    async fn tell(&mut self, seen: Seen) -> Result<(), End> {
        match seen {
            Seen::Durable(seq) => self.records(seq).await,
            Seen::Joined {
                session,
                user,
                protocol,
                document,
                at,
            } => {
                let data = json!({
                    "session": session.0,
                    "user": user.as_ref().map(|user| user.as_str()),
                    "protocol": protocol.name(),
                    "document": document,
                    "time_ms": at.0,
                });
                self.event("joined", None, &data).await
            }
            Seen::Left { session, at } => {
                let data = json!({"session": session.0, "time_ms": at.0});
                self.event("left", None, &data).await
            }
            Seen::Said {
                session,
                message,
                at,
            } => {
                let mut data = broadcast(&message, at);
                data["session"] = session.0.into();
                self.event("said", None, &data).await
            }
            Seen::Broadcast { message, at } => {
                self.event("broadcast", None, &broadcast(&message, at))
                    .await
            }
        }
    }

    /// Tells the records up to `durable` that were not told yet.
    async fn records(&mut self, durable: u64) -> Result<(), End> {
        while self.next <= durable {
            let request = StoreRequest::Read {
                room: self.of.room.clone(),
                from_seq: self.next,
                bytes_max: READ_BYTES,
            };
            let unreadable = || End::Closed("store_unavailable");
            let StoreReply::Rows { rows, .. } = self.of.app.edge().request_store(request).await
            else {
                tracing::warn!(room = %self.of.room, problem = ?no_store().code, "a tail ends");
                return Err(unreadable());
            };
            for row in &rows {
                let incarnation = incarnation_of(&row.data).ok_or_else(unreadable)?;
                let decoded = decode_row(&row.data, incarnation, row.first_seq);
                let decoded = decoded.map_err(|_| unreadable())?;
                self.missing(row.first_seq).await?;
                self.row(&decoded, durable).await?;
            }
            if rows.is_empty() {
                self.missing(durable + 1).await?;
            }
        }
        Ok(())
    }

    /// Tells that records before `seq` are not there any more, if any are not.
    async fn missing(&mut self, seq: u64) -> Result<(), End> {
        if seq <= self.next {
            return Ok(());
        }
        let data = json!({"from": self.next, "to": seq - 1});
        self.next = seq;
        self.event("missing", None, &data).await
    }

    async fn row(&mut self, row: &DecodedRow, durable: u64) -> Result<(), End> {
        let mut chunk = String::new();
        for (record, seq) in row.records.iter().zip(row.first_seq..) {
            if seq < self.next || seq > durable {
                continue;
            }
            let mut data = json!({
                "seq": seq,
                "kind": record.kind.name(),
                "time_ms": row.time.0,
                "bytes": record.data.len(),
            });
            let about = about(record);
            if let Some(document) = about.document {
                data["document"] = document.into();
            }
            if let Some(user) = about.user {
                data["user"] = user.into();
            }
            chunk.push_str(&event_text("record", Some(seq), &data));
            self.next = seq + 1;
        }
        self.say(chunk.into()).await
    }

    async fn event(&mut self, name: &str, id: Option<u64>, data: &Value) -> Result<(), End> {
        self.say(event_text(name, id, data).into()).await
    }

    async fn say(&mut self, chunk: Bytes) -> Result<(), End> {
        if chunk.is_empty() {
            return Ok(());
        }
        let deadline = Duration::from_millis(TAIL_STALL_MS_MAX);
        self.chunks
            .send_timeout(chunk, deadline)
            .await
            .map_err(|_| End::Gone)
    }
}

/// One event. JSON has no line breaks, so that it is one line of data.
fn event_text(name: &str, id: Option<u64>, data: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}

fn broadcast(message: &Message, at: Millis) -> Value {
    let bytes = message.payload().len();
    match message.as_text() {
        Some(text) => json!({"text": text, "bytes": bytes, "time_ms": at.0}),
        None => json!({"text": null, "bytes": bytes, "time_ms": at.0}),
    }
}

/// A body whose chunks come through a channel.
struct Chunks(mpsc::Receiver<Bytes>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
