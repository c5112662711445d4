//! The Yjs documents of a room: read in forms that programs know, edited for them by the server.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use greenroom_core::collab::doc::ask::{Answer, Ask, Edit, TextEdit};
use greenroom_core::collab::doc::gate::check_update;
use greenroom_core::limits::TEXT_EDITS_MAX;
use greenroom_core::room::request::{ContentRequest, Reply, Request};
use greenroom_core::store::Part;
use greenroom_service::Rights;
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::access::InRoom;
use super::ask::{ask, ask_existing, unexpected};
use super::body;
use super::model::{Documents, Edited, PartModel, ProblemModel, TextEdits};
use crate::problem::Problem;

/// List the documents of a room
#[utoipa::path(get, path = "/api/rooms/{room}/documents", operation_id = "list_documents", tag = "documents",
    params(("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128)),
    responses(
        (status = 200, body = Documents),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn list(of: InRoom) -> Result<Response, Problem> {
    let of = of.need(Rights::READ)?;
    match ask_existing(&of, Request::Show).await? {
        Reply::Shown(shown) => {
            let is_document = |part: &Part| matches!(part, Part::Document(_));
            let documents = shown.parts.iter().filter(|part| is_document(&part.part));
            let documents = documents.map(PartModel::of).collect();
            Ok(Json(Documents { documents }).into_response())
        }
        other => Ok(unexpected(&other)),
    }
}

/// A document's whole state as a Yjs update, v1
#[utoipa::path(get, path = "/api/rooms/{room}/document", operation_id = "get_document", tag = "documents",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn update(of: InRoom) -> Result<Response, Problem> {
    read(of, |_| Ask::Update).await
}

/// Apply a Yjs update, v1
#[utoipa::path(post, path = "/api/rooms/{room}/document", operation_id = "apply_update", tag = "documents",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document")),
    responses(
        (status = 200, body = Edited),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn apply(
    of: InRoom,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let of = of.need(Rights::WRITE)?;
    let bytes_max = of.app.limits_of(&of.room).yjs_frame_bytes_max;
    let bytes = body::bytes(&headers, content, bytes_max).await?;
    // As for a peer's update: in the task of who sends it, not in the room's.
    let update = check_update(bytes).map_err(|error| {
        Problem::bad("update_malformed", error.to_string())
            .hint("send what `Y.encodeStateAsUpdate` gives (v1), as it is")
    })?;
    edit(&of, Ask::Apply(update)).await
}

/// A document as JSON: all roots by name, or one root's value
#[utoipa::path(get, path = "/api/rooms/{room}/document/json", operation_id = "get_json", tag = "documents",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("root" = Option<String>, Query, description = "The root type's name")),
    responses(
        (status = 200, body = Value),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn json(of: InRoom) -> Result<Response, Problem> {
    read(of, Ask::Json).await
}

/// Set the value at a place of a root map
#[utoipa::path(put, path = "/api/rooms/{room}/document/json", operation_id = "set_json", tag = "documents", request_body = Value,
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("root" = Option<String>, Query, description = "The root map's name; may be left out when there is one root"),
        ("pointer" = Option<String>, Query, description = "A JSON pointer (RFC 6901); without it the map itself")),
    responses(
        (status = 200, body = Edited),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn set_json(
    of: InRoom,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let of = of.need(Rights::WRITE)?;
    let place = pointer(&of)?;
    let value: Value = body::json(&headers, content).await?;
    edit(&of, Ask::Edit(root(&of), Edit::Set(place, value))).await
}

/// Remove the value at a place of a root map
#[utoipa::path(delete, path = "/api/rooms/{room}/document/json", operation_id = "remove_json", tag = "documents",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("root" = Option<String>, Query, description = "The root map's name; may be left out when there is one root"),
        ("pointer" = Option<String>, Query, description = "A JSON pointer (RFC 6901); without it all of the map")),
    responses(
        (status = 200, body = Edited),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn remove_json(of: InRoom) -> Result<Response, Problem> {
    let of = of.need(Rights::WRITE)?;
    let place = pointer(&of)?;
    edit(&of, Ask::Edit(root(&of), Edit::Remove(place))).await
}

/// The text of a root
#[utoipa::path(get, path = "/api/rooms/{room}/document/text", operation_id = "get_text", tag = "documents",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("root" = Option<String>, Query, description = "The root text's name; may be left out when there is one root")),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn text(of: InRoom) -> Result<Response, Problem> {
    read(of, Ask::Text).await
}

/// Make a text become another; only what differs is edited
#[utoipa::path(put, path = "/api/rooms/{room}/document/text", operation_id = "replace_text", tag = "documents",
    request_body(content = String, content_type = "text/plain"),
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("root" = Option<String>, Query, description = "The root text's name; may be left out when there is one root")),
    responses(
        (status = 200, body = Edited),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn replace_text(
    of: InRoom,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let of = of.need(Rights::WRITE)?;
    let bytes_max = of.app.limits_of(&of.room).yjs_frame_bytes_max;
    let text = body::text(&headers, content, bytes_max).await?;
    edit(&of, Ask::Edit(root(&of), Edit::ReplaceText(text))).await
}

/// Edit a text: insert, delete, replace
#[utoipa::path(patch, path = "/api/rooms/{room}/document/text", operation_id = "edit_text", tag = "documents", request_body = TextEdits,
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("root" = Option<String>, Query, description = "The root text's name; may be left out when there is one root")),
    responses(
        (status = 200, body = Edited),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn edit_text(
    of: InRoom,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let of = of.need(Rights::WRITE)?;
    let given: TextEdits = body::json(&headers, content).await?;
    if given.edits.len() > TEXT_EDITS_MAX {
        let detail = format!("one request may have {TEXT_EDITS_MAX} edits");
        return Err(Problem::bad("body", detail));
    }
    let edits = given.edits.into_iter().map(|edit| TextEdit {
        at: edit.at,
        delete: edit.delete,
        insert: edit.insert,
    });
    edit(&of, Ask::Edit(root(&of), Edit::Text(edits.collect()))).await
}

/// The XML of a root
#[utoipa::path(get, path = "/api/rooms/{room}/document/xml", operation_id = "get_xml", tag = "documents",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("root" = Option<String>, Query, description = "The root fragment's name; may be left out when there is one root")),
    responses(
        (status = 200, body = String, content_type = "application/xml"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn xml(of: InRoom) -> Result<Response, Problem> {
    read(of, Ask::Xml).await
}

pub(super) fn root(of: &InRoom) -> Option<String> {
    of.query.get("root").map(str::to_owned)
}

/// The keys of the JSON pointer (RFC 6901) that the query names.
fn pointer(of: &InRoom) -> Result<Vec<String>, Problem> {
    let Some(pointer) = of
        .query
        .get("pointer")
        .filter(|pointer| !pointer.is_empty())
    else {
        return Ok(Vec::new());
    };
    let Some(keys) = pointer.strip_prefix('/') else {
        let detail = "`pointer` is a JSON pointer: it starts with a slash";
        return Err(Problem::bad("query", detail));
    };
    let unescape = |key: &str| key.replace("~1", "/").replace("~0", "~");
    Ok(keys.split('/').map(unescape).collect())
}

async fn read(of: InRoom, what: impl FnOnce(Option<String>) -> Ask) -> Result<Response, Problem> {
    let of = of.need(Rights::READ)?;
    let request = ContentRequest::Document(of.document(), what(root(&of)));
    match ask_existing(&of, Request::Content(request)).await? {
        Reply::Document(answer) => Ok(answered(answer)),
        other => Ok(unexpected(&other)),
    }
}

pub(super) fn answered(answer: Answer) -> Response {
    let typed = |kind, body: Body| {
        let kind = HeaderValue::from_static(kind);
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    };
    match answer {
        Answer::Update(bytes) => typed("application/octet-stream", bytes.into()),
        Answer::Json(value) => Json(value).into_response(),
        Answer::Text(text) => typed("text/plain; charset=utf-8", text.into()),
        whole @ Answer::Whole(_) => unexpected(&Reply::Document(whole)),
        Answer::Xml(text) => typed("application/xml; charset=utf-8", text.into()),
    }
}

async fn edit(of: &InRoom, what: Ask) -> Result<Response, Problem> {
    let request = ContentRequest::Document(of.document(), what);
    match ask(of, Request::Content(request)).await? {
        Reply::Edited { seq, changed } => Ok(Json(Edited { seq, changed }).into_response()),
        other => Ok(unexpected(&other)),
    }
}
