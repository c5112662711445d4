//! The people in a room: what they show, what they are told, who is sent away.

use axum::Json;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::response::{IntoResponse as _, Response};
use greenroom_core::room::request::{ContentRequest, Reply, Request};
use greenroom_service::{Message, Rights, SessionId};
use http::{HeaderMap, StatusCode};
use serde::de::IgnoredAny;

use super::access::InRoom;
use super::ask::{ask_existing, unexpected};
use super::body;
use super::model::{PresenceModel, PresencePage, ProblemModel, Sent};
use crate::problem::Problem;

/// Who shows what of themselves
#[utoipa::path(get, path = "/api/rooms/{room}/presence", operation_id = "get_presence", tag = "people",
    params(("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128)),
    responses(
        (status = 200, body = PresencePage),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn presence(of: InRoom) -> Result<Response, Problem> {
    let of = of.need(Rights::READ)?;
    let request = Request::Content(ContentRequest::Presence);
    match ask_existing(&of, request).await? {
        Reply::Presence(present) => {
            let presence = present.iter().map(PresenceModel::of).collect();
            Ok(Json(PresencePage { presence }).into_response())
        }
        other => Ok(unexpected(&other)),
    }
}

/// Send everybody in the room a message, which leaves no record
///
/// `application/json` and `text/plain` become a text frame, `application/octet-stream` a binary
/// one, as they are. Peers on `/ws/room` have such messages; Hocuspocus clients get a text as a
/// stateless message.
#[utoipa::path(post, path = "/api/rooms/{room}/events", operation_id = "send_event", tag = "people",
    request_body(content(
        (serde_json::Value = "application/json"),
        (String = "text/plain"),
        (Vec<u8> = "application/octet-stream"))),
    params(("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128)),
    responses(
        (status = 202, body = Sent),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn broadcast(
    of: InRoom,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let of = of.need(Rights::WRITE)?;
    let message = message(&of, &headers, content).await?;
    match ask_existing(&of, Request::Broadcast(message)).await? {
        Reply::Sent(sessions) => {
            Ok((StatusCode::ACCEPTED, Json(Sent { sessions })).into_response())
        }
        other => Ok(unexpected(&other)),
    }
}

async fn message(of: &InRoom, headers: &HeaderMap, content: Body) -> Result<Message, Problem> {
    let bytes_max = of.app.limits_of(&of.room).native_frame_bytes_max;
    let kind = body::media_type(headers);
    let bytes = match kind.as_str() {
        "text/plain" | "application/octet-stream" => body::read(headers, content, bytes_max),
        kind if body::is_json(kind) => body::read(headers, content, bytes_max),
        _ => {
            let detail = "an event is JSON, text or bytes";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "media_type", detail).hint(
                "send `Content-Type: application/json`, `text/plain` or `application/octet-stream`",
            ));
        }
    };
    let bytes = bytes.await?;
    if kind == "application/octet-stream" {
        return Ok(Message::from(bytes));
    }
    if body::is_json(&kind) {
        body::parse::<IgnoredAny>(&bytes)?;
    }
    Ok(Message::from(body::utf8(bytes)?))
}

/// Close a session as `kicked`
#[utoipa::path(delete, path = "/api/rooms/{room}/sessions/{session}", operation_id = "kick_session", tag = "people",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("session" = u64, Path, description = "The session's id")),
    responses(
        (status = 204, description = "It is closed"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn kick(of: InRoom, params: RawPathParams) -> Result<Response, Problem> {
    let of = of.need_admin()?;
    let named = params.iter().find(|(key, _)| *key == "session");
    let session = named.and_then(|(_, id)| id.parse().ok());
    let session = session.ok_or_else(|| Problem::bad("query", "a session's id is a number"))?;
    match ask_existing(&of, Request::Kick(SessionId(session))).await? {
        Reply::Done => {
            of.note("session kicked");
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        other => Ok(unexpected(&other)),
    }
}
