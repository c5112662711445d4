//! Sends a request into its room and maps the answer.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use greenroom_core::limits::REQUEST_DEADLINE_MS;
use greenroom_core::registry::Refused;
use greenroom_core::room::request::{Reply, Request};
use greenroom_core::store::{ListFilter, RoomMeta, StoreReply, StoreRequest};
use greenroom_service::{Refuse, RoomId};
use http::StatusCode;
use tokio::sync::oneshot;

use super::access::InRoom;
use crate::app::App;
use crate::mail::Mail;
use crate::problem::Problem;
use crate::rooms::RoomRef;

/// The answer of the room to `request`; a refusal is an error.
pub(super) async fn ask(of: &InRoom, request: Request) -> Result<Reply, Problem> {
    let deadline = Duration::from_millis(REQUEST_DEADLINE_MS);
    let asked = tokio::time::timeout(deadline, async {
        let room = open(of).await?;
        let (answer, answered) = oneshot::channel();
        let mail = Mail::Request(Box::new((of.caller(), request)), answer);
        room.send(mail).await.map_err(|_| ended())?;
        // The room is kept until it has answered.
        let answered = answered.await.map_err(|_| ended());
        drop(room);
        answered
    });
    match asked.await {
        Ok(Ok(Reply::Refused(refuse))) => Err(refused(refuse)),
        Ok(answered) => answered,
        Err(_) => {
            let detail = "the room did not answer in time; what was asked may still happen";
            Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail))
        }
    }
}

/// As [`ask`], of a room that there is; one that is only asked for is not made.
pub(super) async fn ask_existing(of: &InRoom, request: Request) -> Result<Reply, Problem> {
    check_existing(of).await?;
    ask(of, request).await
}

/// Whether there is such a room, in memory or in the store.
pub(super) async fn check_existing(of: &InRoom) -> Result<(), Problem> {
    if !of.app.rooms().runs(&of.room) && stored(&of.app, &of.room).await?.is_none() {
        return Err(not_found(&of.room));
    }
    Ok(())
}

/// A reference to the room, which is loaded for it.
pub(super) async fn open(of: &InRoom) -> Result<RoomRef, Problem> {
    of.app.rooms().open(&of.room).await.map_err(|why| {
        let (status, code, detail) = match why {
            Refused::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "room_unavailable",
                "the room cannot be loaded now; the server's log says why",
            ),
            Refused::Moved => (
                StatusCode::MISDIRECTED_REQUEST,
                "moved",
                "another node owns the room",
            ),
            Refused::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                "shutdown",
                "the server stops",
            ),
        };
        Problem::new(status, code, detail)
    })
}

/// What the store knows of the room.
pub(super) async fn stored(app: &App, room: &RoomId) -> Result<Option<RoomMeta>, Problem> {
    // Of all names that start with this one it is the first.
    let filter = ListFilter {
        prefix: room.as_str().to_owned(),
        limit: 1,
        ..ListFilter::default()
    };
    let found = list(app, filter).await?.into_iter().next();
    Ok(found.filter(|meta| meta.room == *room))
}

/// Rooms of the store.
pub(super) async fn list(app: &App, filter: ListFilter) -> Result<Vec<RoomMeta>, Problem> {
    let deadline = Duration::from_millis(REQUEST_DEADLINE_MS);
    let request = app.edge().request_store(StoreRequest::List(filter));
    match tokio::time::timeout(deadline, request).await {
        Ok(StoreReply::Rooms(rooms)) => Ok(rooms),
        _ => Err(no_store()),
    }
}

pub(super) fn no_store() -> Problem {
    let detail = "the store does not answer as it should; the server's log says why";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
}

pub(super) fn not_found(room: &RoomId) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "room_not_found",
        format!("there is no room `{room}`"),
    )
    .hint("`GET /api/rooms` lists the rooms; a room is made by its first write")
}

fn ended() -> Problem {
    let detail = "the room was closed meanwhile; try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "room_unavailable", detail)
}

/// What a room refuses, in HTTP's words.
pub(super) fn refused(refuse: Refuse) -> Problem {
    let status = match refuse.code {
        "store_unavailable" | "room_unavailable" | "room_fault" | "shutdown" => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        "too_many_requests" => StatusCode::TOO_MANY_REQUESTS,
        "too_large" | "document_full" => StatusCode::PAYLOAD_TOO_LARGE,
        "room_exists"
        | "wrong_room"
        | "documents_full"
        | "document_unreadable"
        | "document_empty"
        | "versions_full"
        | "version_unreadable" => StatusCode::CONFLICT,
        "session_not_found" | "version_not_found" => StatusCode::NOT_FOUND,
        "moved" => StatusCode::MISDIRECTED_REQUEST,
        "read_only" => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, refuse.code, refuse.reason)
}

/// A room that answers something else than what it was asked: a bug, which the answer does not
/// hide.
pub(super) fn unexpected(reply: &Reply) -> Response {
    tracing::error!(reply = ?std::mem::discriminant(reply), "a room gave the answer to another question");
    let detail = "the room gave the answer to another question";
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "internal", detail).into_response()
}
