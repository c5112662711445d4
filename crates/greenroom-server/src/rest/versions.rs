//! Kept versions of documents: made, listed, read, compared, restored.
//!
//! What is kept is read from the store, so that no room is loaded for it. A version is made, dropped
//! and restored by the room, as everything that changes it.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use greenroom_core::collab::doc::ask::{Answer, Ask};
use greenroom_core::collab::doc::version::{DiffForm, VersionJob, open_version};
use greenroom_core::limits::{
    REQUEST_DEADLINE_MS, VERSION_JOBS_MAX, VERSION_LABEL_BYTES_MAX, VERSIONS_PAGE_MAX,
};
use greenroom_core::room::job::{Job, JobDone};
use greenroom_core::room::request::{ContentRequest, Reply, Request};
use greenroom_core::store::{StoreReply, StoreRequest, Version, VersionId};
use greenroom_service::{Rights, RoomId};
use http::{HeaderMap, StatusCode};
use tokio::sync::oneshot;

use super::access::InRoom;
use super::ask::{ask_existing, check_existing, no_store, refused, unexpected};
use super::body;
use super::documents::{answered, root};
use super::model::{Edited, NewVersion, ProblemModel, VersionModel, VersionPage};
use crate::problem::Problem;

/// Versions on a page when nobody says how many.
const PAGE: u64 = 100;

/// List the versions of a document, newest first
#[utoipa::path(get, path = "/api/rooms/{room}/document/versions", operation_id = "list_versions", tag = "versions",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("before" = Option<u64>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 10000, description = "Versions on the page; 100 if not given")),
    responses(
        (status = 200, body = VersionPage),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn list(of: InRoom) -> Result<Json<VersionPage>, Problem> {
    let of = of.need(Rights::READ)?;
    check_existing(&of).await?;
    let limit = of.query.number("limit", (1, VERSIONS_PAGE_MAX as u64))?;
    let limit = limit.unwrap_or(PAGE) as usize;
    let before = of.query.number("before", (0, i64::MAX as u64))?;
    let document = of.document();
    let list = move |room| StoreRequest::Versions {
        room,
        document,
        before: before.map(VersionId),
        limit: limit + 1,
    };
    let StoreReply::Versions(mut versions) = stored(&of, list).await? else {
        return Err(no_store());
    };
    let more = versions.len() > limit;
    versions.truncate(limit);
    let next = versions.last().filter(|_| more).map(|last| last.id.0);
    let versions = versions.iter().map(VersionModel::of).collect();
    Ok(Json(VersionPage { versions, next }))
}

/// Keep the state of now as a version
#[utoipa::path(post, path = "/api/rooms/{room}/document/versions", operation_id = "keep_version", tag = "versions",
    request_body(content = Option<NewVersion>, content_type = "application/json"),
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document")),
    responses(
        (status = 201, body = VersionModel),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn keep(
    of: InRoom,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let of = of.need(Rights::WRITE)?;
    let new: NewVersion = body::maybe_json(&headers, content).await?;
    if new.label.len() > VERSION_LABEL_BYTES_MAX {
        let detail = format!("`label` may have {VERSION_LABEL_BYTES_MAX} bytes");
        return Err(Problem::bad("body", detail));
    }
    match content_request(&of, Ask::Keep(new.label)).await? {
        Reply::Kept(meta) => {
            let made = Json(VersionModel::of(&meta));
            Ok((StatusCode::CREATED, made).into_response())
        }
        other => Ok(unexpected(&other)),
    }
}

/// What is told of a version
#[utoipa::path(get, path = "/api/rooms/{room}/document/versions/{version}", operation_id = "get_version", tag = "versions",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("version" = u64, Path, description = "The version's id"),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document")),
    responses(
        (status = 200, body = VersionModel),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn show(of: InRoom, params: RawPathParams) -> Result<Json<VersionModel>, Problem> {
    let of = of.need(Rights::READ)?;
    let version = version(&of, id_in(&params)?).await?;
    Ok(Json(VersionModel::of(&version.meta)))
}

/// Drop a version
#[utoipa::path(delete, path = "/api/rooms/{room}/document/versions/{version}", operation_id = "drop_version", tag = "versions",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("version" = u64, Path, description = "The version's id"),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn remove(of: InRoom, params: RawPathParams) -> Result<Response, Problem> {
    let of = of.need_admin()?;
    match content_request(&of, Ask::Drop(id_in(&params)?)).await? {
        Reply::Done => {
            of.note("version dropped");
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        other => Ok(unexpected(&other)),
    }
}

/// A version's whole state as a Yjs update, v1
#[utoipa::path(get, path = "/api/rooms/{room}/document/versions/{version}/update", operation_id = "get_version_update", tag = "versions",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("version" = u64, Path, description = "The version's id"),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn update(of: InRoom, params: RawPathParams) -> Result<Response, Problem> {
    read(of, params, |_| Ask::Update).await
}

/// A version as JSON: all roots by name, or one root's value
#[utoipa::path(get, path = "/api/rooms/{room}/document/versions/{version}/json", operation_id = "get_version_json", tag = "versions",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("version" = u64, Path, description = "The version's id"),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("root" = Option<String>, Query, description = "The root type's name")),
    responses(
        (status = 200, body = serde_json::Value),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn json(of: InRoom, params: RawPathParams) -> Result<Response, Problem> {
    read(of, params, Ask::Json).await
}

/// The text of a root in a version
#[utoipa::path(get, path = "/api/rooms/{room}/document/versions/{version}/text", operation_id = "get_version_text", tag = "versions",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("version" = u64, Path, description = "The version's id"),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("root" = Option<String>, Query, description = "The root type's name; may be left out when there is one root")),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn text(of: InRoom, params: RawPathParams) -> Result<Response, Problem> {
    read(of, params, Ask::Text).await
}

/// The XML of a root in a version
#[utoipa::path(get, path = "/api/rooms/{room}/document/versions/{version}/xml", operation_id = "get_version_xml", tag = "versions",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("version" = u64, Path, description = "The version's id"),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("root" = Option<String>, Query, description = "The root type's name; may be left out when there is one root")),
    responses(
        (status = 200, body = String, content_type = "application/xml"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn xml(of: InRoom, params: RawPathParams) -> Result<Response, Problem> {
    read(of, params, Ask::Xml).await
}

/// What is different between a version and another, or the state of now
#[utoipa::path(get, path = "/api/rooms/{room}/document/versions/{version}/diff", operation_id = "diff_version", tag = "versions",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("version" = u64, Path, description = "The version's id"),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document"),
        ("to" = Option<String>, Query, description = "The id of the other version, or `now`; `now` if not given"),
        ("form" = Option<String>, Query, description = "`json` or `text`; `json` if not given"),
        ("root" = Option<String>, Query, description = "The root type's name; all of them if not given")),
    responses(
        (status = 200, description = "A JSON Patch (RFC 6902), or a unified diff of lines", content((serde_json::Value = "application/json"), (String = "text/plain"))),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn diff(of: InRoom, params: RawPathParams) -> Result<Response, Problem> {
    let of = of.need(Rights::READ)?;
    let form = match of.query.get("form") {
        None | Some("json") => DiffForm::Json,
        Some("text") => DiffForm::Text,
        Some(_) => return Err(Problem::bad("query", "`form` is `json` or `text`")),
    };
    let from = state(&of, id_in(&params)?).await?;
    let to = match of.query.get("to") {
        None | Some("now") => now(&of).await?,
        Some(id) => state(&of, id_of(id)?).await?,
    };
    let root = root(&of);
    let job = VersionJob::Compare {
        from,
        to,
        root,
        form,
    };
    worked(&of, job).await.map(answered)
}

/// Bring a version back by a new edit
#[utoipa::path(post, path = "/api/rooms/{room}/document/versions/{version}/restore", operation_id = "restore_version", tag = "versions",
    params(
        ("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128),
        ("version" = u64, Path, description = "The version's id"),
        ("name" = Option<String>, Query, description = "The document's name; without it the default document")),
    responses(
        (status = 200, body = Edited),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn restore(of: InRoom, params: RawPathParams) -> Result<Response, Problem> {
    let of = of.need(Rights::WRITE)?;
    let state = state(&of, id_in(&params)?).await?;
    match content_request(&of, Ask::Restore(state)).await? {
        Reply::Edited { seq, changed } => Ok(Json(Edited { seq, changed }).into_response()),
        other => Ok(unexpected(&other)),
    }
}

async fn content_request(of: &InRoom, what: Ask) -> Result<Reply, Problem> {
    let request = ContentRequest::Document(of.document(), what);
    ask_existing(of, Request::Content(request)).await
}

async fn read(
    of: InRoom,
    params: RawPathParams,
    what: impl FnOnce(Option<String>) -> Ask,
) -> Result<Response, Problem> {
    let of = of.need(Rights::READ)?;
    let state = state(&of, id_in(&params)?).await?;
    let job = VersionJob::Show(state, what(root(&of)));
    worked(&of, job).await.map(answered)
}

fn id_in(params: &RawPathParams) -> Result<VersionId, Problem> {
    let named = params.iter().find(|(key, _)| *key == "version");
    id_of(named.map_or("", |(_, id)| id))
}

fn id_of(text: &str) -> Result<VersionId, Problem> {
    let id = text.parse().ok().filter(|id| *id <= i64::MAX as u64);
    let id = id.ok_or_else(|| Problem::bad("query", "a version's id is a number"))?;
    Ok(VersionId(id))
}

async fn stored(
    of: &InRoom,
    request: impl FnOnce(RoomId) -> StoreRequest,
) -> Result<StoreReply, Problem> {
    let deadline = Duration::from_millis(REQUEST_DEADLINE_MS);
    let reply = of.app.edge().request_store(request(of.room.clone()));
    let reply = tokio::time::timeout(deadline, reply).await;
    reply.map_err(|_| no_store())
}

async fn version(of: &InRoom, id: VersionId) -> Result<Version, Problem> {
    let document = of.document();
    let one = |room| StoreRequest::Version { room, document, id };
    match stored(of, one).await? {
        StoreReply::Version(Some(version)) => Ok(*version),
        StoreReply::Version(None) => {
            check_existing(of).await?;
            let detail = format!("the document has no version {}", id.0);
            let status = StatusCode::NOT_FOUND;
            Err(Problem::new(status, "version_not_found", detail)
                .hint("`GET /api/rooms/{room}/document/versions` lists them"))
        }
        _ => Err(no_store()),
    }
}

/// The state of a version, an update.
async fn state(of: &InRoom, id: VersionId) -> Result<Bytes, Problem> {
    let version = version(of, id).await?;
    let opened = open_version(&version).map_err(refused)?;
    Ok(opened.state)
}

/// The state of now, an update.
async fn now(of: &InRoom) -> Result<Bytes, Problem> {
    match content_request(of, Ask::Update).await? {
        Reply::Document(Answer::Update(state)) => Ok(state),
        other => {
            tracing::error!(reply = ?std::mem::discriminant(&other), "a document's state is none");
            Err(no_store())
        }
    }
}

/// Does the work where it keeps nobody waiting.
async fn worked(of: &InRoom, job: VersionJob) -> Result<Answer, Problem> {
    if let VersionJob::Show(state, Ask::Update) = job {
        return Ok(Answer::Update(state));
    }
    let permit = of.app.version_jobs.try_acquire().map_err(|_| {
        let detail = format!("{VERSION_JOBS_MAX} versions are being read already");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
            .hint("try again in a moment")
    })?;
    let (answer, answered) = oneshot::channel();
    of.app.edge().compute(Job::Version(Box::new(job)), |done| {
        // Whoever asked may have gone.
        let _ = answer.send(done);
    });
    let done = answered.await;
    drop(permit);
    match done {
        Ok(JobDone::Version(Ok(answer))) => Ok(answer),
        Ok(JobDone::Version(Err(refuse))) => Err(refused(refuse)),
        _ => {
            let detail = "the version made its reader fail";
            Err(Problem::new(
                StatusCode::CONFLICT,
                "version_unreadable",
                detail,
            ))
        }
    }
}
