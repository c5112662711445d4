//! Rooms: list, make, show, delete, and the users' own data about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::response::{IntoResponse as _, Response};
use greenroom_core::limits::ROOMS_PAGE_MAX;
use greenroom_core::room::request::{Reply, Request};
use greenroom_core::store::{ListFilter, RoomMeta, StoreReply, StoreRequest};
use greenroom_service::{Rights, RoomId};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::access::{InRoom, Operator, room_id};
use super::ask::{ask, ask_existing, list as list_stored, no_store, not_found, stored, unexpected};
use super::body;
use super::model::{
    Metadata, NewRoom, ProblemModel, Room, RoomOptions, RoomPage, RoomSummary, metadata_of,
};
use crate::app::App;
use crate::problem::Problem;

/// Rooms on a page when nobody says how many.
const PAGE: u64 = 100;

/// List rooms, in the order of their names' bytes
#[utoipa::path(get, path = "/api/rooms", operation_id = "list_rooms", tag = "rooms",
    params(
        ("prefix" = Option<String>, Query, description = "Only rooms whose name starts with this"),
        ("kind" = Option<String>, Query, description = "Only rooms of this kind"),
        ("loaded" = Option<bool>, Query, description = "`true`: only rooms in memory"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "Rooms on the page; 100 if not given")),
    responses(
        (status = 200, body = RoomPage),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn list(of: Operator) -> Result<Json<RoomPage>, Problem> {
    let limit = of
        .query
        .number("limit", (1, ROOMS_PAGE_MAX as u64))?
        .unwrap_or(PAGE) as usize;
    let only_loaded = of.query.flag("loaded")?;
    let after = of.query.get("after").map(room_id).transpose();
    let filter = ListFilter {
        prefix: of.query.get("prefix").unwrap_or_default().to_owned(),
        kind: of.query.get("kind").map(str::to_owned),
        after: after
            .map_err(|problem| Problem::bad("query", format!("`after`: {}", problem.detail)))?,
        limit: limit + 1,
    };
    let mut live: BTreeMap<_, _> = of.app.rooms().live().into_iter().collect();
    live.retain(|room, _| {
        room.as_str().starts_with(&filter.prefix)
            && filter.after.as_ref().is_none_or(|after| after < room)
    });
    let rooms = if only_loaded {
        loaded(&of.app, live, &filter).await?
    } else {
        let stored = list_stored(&of.app, filter.clone()).await?;
        merged(&of.app, stored, live, &filter)
    };
    Ok(Json(page(rooms, limit)))
}

fn page(mut rooms: Vec<RoomSummary>, limit: usize) -> RoomPage {
    let more = rooms.len() > limit;
    rooms.truncate(limit);
    let next = rooms.last().filter(|_| more).map(|room| room.id.clone());
    RoomPage { rooms, next }
}

/// Rooms of the store with those between them that people are in and nobody wrote to.
fn merged(
    app: &App,
    stored: Vec<RoomMeta>,
    mut live: BTreeMap<RoomId, usize>,
    filter: &ListFilter,
) -> Vec<RoomSummary> {
    // What lies behind a page that is full belongs to the next.
    let last = stored
        .last()
        .filter(|_| stored.len() == filter.limit)
        .map(|meta| meta.room.clone());
    let stored = stored.into_iter().map(|meta| {
        let sessions = live.remove(&meta.room);
        RoomSummary::stored(&meta, sessions)
    });
    let mut rooms: Vec<_> = stored.collect();
    live.retain(|room, _| last.as_ref().is_none_or(|last| room < last));
    rooms.extend(unwritten(app, live, filter));
    rooms.sort_by(|a, b| a.id.cmp(&b.id));
    rooms
}

/// Of these rooms those that people are in, as if nobody had written to them.
fn unwritten(
    app: &App,
    live: BTreeMap<RoomId, usize>,
    filter: &ListFilter,
) -> impl Iterator<Item = RoomSummary> {
    let kind = filter.kind.clone();
    let peopled = live.into_iter().filter(|(_, sessions)| *sessions > 0);
    peopled.filter_map(move |(room, sessions)| {
        let is = app.settings().kind_of(&room);
        let wanted = kind.as_deref().is_none_or(|kind| kind == is.name());
        wanted.then(|| RoomSummary::unwritten(room.as_str(), is.name(), sessions))
    })
}

/// Rooms in memory, as many as a page takes.
async fn loaded(
    app: &App,
    live: BTreeMap<RoomId, usize>,
    filter: &ListFilter,
) -> Result<Vec<RoomSummary>, Problem> {
    let mut rooms = Vec::new();
    for (room, sessions) in live {
        if rooms.len() == filter.limit {
            break;
        }
        match stored(app, &room).await? {
            Some(meta) if filter.kind.as_ref().is_none_or(|kind| *kind == meta.kind) => {
                rooms.push(RoomSummary::stored(&meta, Some(sessions)));
            }
            Some(_) => {}
            None => rooms.extend(unwritten(app, BTreeMap::from([(room, sessions)]), filter)),
        }
    }
    Ok(rooms)
}

/// Make a room
#[utoipa::path(post, path = "/api/rooms", operation_id = "create_room", tag = "rooms", request_body = NewRoom,
    responses(
        (status = 201, body = Room),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let (parts, content) = request.into_parts();
    let new: NewRoom = body::json(&parts.headers, content).await?;
    let room = room_id(&new.id)?;
    let of = InRoom::about(app, room, &parts)?.need(Rights::WRITE)?;
    if !made(&of, new.metadata).await? {
        let detail = format!("there is a room `{}` already", of.room);
        return Err(Problem::new(StatusCode::CONFLICT, "room_exists", detail)
            .hint("`PUT /api/rooms/{room}` is content with a room that is there"));
    }
    shown(&of, StatusCode::CREATED).await
}

/// Make a room that there may be already
#[utoipa::path(put, path = "/api/rooms/{room}", operation_id = "ensure_room", tag = "rooms", request_body = Option<RoomOptions>,
    params(("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128)),
    responses(
        (status = 200, body = Room, description = "It was there and is as it was"),
        (status = 201, body = Room, description = "It is new"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn ensure(
    of: InRoom,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let of = of.need(Rights::WRITE)?;
    let options: Option<RoomOptions> = body::maybe_json(&headers, content).await?;
    let metadata = options.and_then(|options| options.metadata);
    let status = match made(&of, metadata).await? {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    shown(&of, status).await
}

async fn made(of: &InRoom, metadata: Option<Metadata>) -> Result<bool, Problem> {
    match ask(of, Request::Create(metadata)).await? {
        Reply::Created(is_new) => Ok(is_new),
        _ => Err(no_store()),
    }
}

pub(super) async fn shown(of: &InRoom, status: StatusCode) -> Result<Response, Problem> {
    match ask(of, Request::Show).await? {
        Reply::Shown(shown) => {
            let room = Json(Room::shown(of.room.as_str(), *shown));
            let mut response = (status, room).into_response();
            if status == StatusCode::CREATED
                && let Ok(place) = HeaderValue::from_str(&place_of(&of.room))
            {
                response.headers_mut().insert(header::LOCATION, place);
            }
            Ok(response)
        }
        other => Ok(unexpected(&other)),
    }
}

/// Where a room is to be found.
pub(super) fn place_of(room: &RoomId) -> String {
    let mut place = String::from("/api/rooms/");
    for byte in room.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                place.push(byte.into());
            }
            _ => place.push_str(&format!("%{byte:02X}")),
        }
    }
    place
}

/// Show a room: who is in it, what it holds
#[utoipa::path(get, path = "/api/rooms/{room}", operation_id = "show_room", tag = "rooms",
    params(("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128)),
    responses(
        (status = 200, body = Room),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn show(of: InRoom) -> Result<Response, Problem> {
    let of = of.need(Rights::READ)?;
    match ask_existing(&of, Request::Show).await {
        Ok(Reply::Shown(shown))
            if !shown.is_stored && shown.seq == 0 && shown.sessions.is_empty() =>
        {
            // It is in memory because somebody looked.
            Err(not_found(&of.room))
        }
        Ok(Reply::Shown(shown)) => Ok(Json(Room::shown(of.room.as_str(), *shown)).into_response()),
        Ok(other) => Ok(unexpected(&other)),
        Err(problem) if problem.code == "room_unavailable" => {
            let meta = stored(&of.app, &of.room).await?;
            meta.map(|meta| Json(Room::unavailable(&meta)).into_response())
                .ok_or(problem)
        }
        Err(problem) => Err(problem),
    }
}

/// Delete a room with all it holds
#[utoipa::path(delete, path = "/api/rooms/{room}", operation_id = "delete_room", tag = "rooms",
    params(("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128)),
    responses(
        (status = 204, description = "It is gone; who was connected is closed as `deleted`"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn delete(of: InRoom) -> Result<Response, Problem> {
    let of = of.need_admin()?;
    match ask_existing(&of, Request::Delete).await {
        Ok(Reply::Done) => {}
        Ok(other) => return Ok(unexpected(&other)),
        // Nobody owns a room that cannot be loaded; all the more it can be deleted.
        Err(problem) if problem.code == "room_unavailable" => {
            let room = of.room.clone();
            let reply = of
                .app
                .edge()
                .request_store(StoreRequest::Delete { room })
                .await;
            if reply != StoreReply::Done {
                return Err(no_store());
            }
        }
        Err(problem) => return Err(problem),
    }
    of.note("room deleted");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The users' own data about a room
#[utoipa::path(get, path = "/api/rooms/{room}/metadata", operation_id = "get_metadata", tag = "rooms",
    params(("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128)),
    responses(
        (status = 200, body = Object),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn metadata(of: InRoom) -> Result<Json<Metadata>, Problem> {
    let of = of.need(Rights::READ)?;
    // The store has what is durable; a room need not be loaded for that.
    let meta = stored(&of.app, &of.room).await?;
    let meta = meta.ok_or_else(|| not_found(&of.room))?;
    Ok(Json(metadata_of(&meta)))
}

/// Replace the users' own data about a room
#[utoipa::path(put, path = "/api/rooms/{room}/metadata", operation_id = "replace_metadata", tag = "rooms", request_body = Object,
    params(("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128)),
    responses(
        (status = 200, body = Object),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn set_metadata(
    of: InRoom,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let of = of.need_admin()?;
    let metadata = body::object(&headers, content).await?;
    changed(&of, Request::SetMetadata(metadata)).await
}

/// Change the users' own data about a room by a JSON Merge Patch (RFC 7396)
#[utoipa::path(patch, path = "/api/rooms/{room}/metadata", operation_id = "merge_metadata", tag = "rooms", request_body = Object,
    params(("room" = String, Path, description = "The room's name", min_length = 1, max_length = 128)),
    responses(
        (status = 200, body = Object),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn merge_metadata(
    of: InRoom,
    headers: HeaderMap,
    content: Body,
) -> Result<Response, Problem> {
    let of = of.need_admin()?;
    let patch = body::object(&headers, content).await?;
    changed(&of, Request::MergeMetadata(patch)).await
}

async fn changed(of: &InRoom, request: Request) -> Result<Response, Problem> {
    match ask_existing(of, request).await? {
        Reply::Metadata(metadata) => {
            of.note("metadata changed");
            Ok(Json(metadata).into_response())
        }
        other => Ok(unexpected(&other)),
    }
}
