//! What y-sweet's SDK asks: make a document, let a user into it, read and update it. Tokens are ours,
//! and mean nothing to its client.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::RawPathParams;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use greenroom_core::limits::YSWEET_TOKEN_S_MAX;
use greenroom_core::room::request::Request;
use greenroom_service::{Rights, RoomId};
use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::access::{InRoom, Operator, room_id};
use super::ask::{ask, check_existing};
use super::{body, documents};
use crate::app::App;
use crate::auth::{Access, Claims, Grant, MintError};
use crate::edge::wall_ms;
use crate::problem::Problem;
use crate::proxies::Client;

/// Of an id that the server draws: 126 bits.
const ID_CHARACTERS: usize = 21;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// How long a token is good for which nobody says that.
const TOKEN_S: u64 = 3_600;

/// The routes. The description of the interface leaves them out: y-sweet's SDK describes them.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/ready", get(async || Json(json!({"ok": true}))))
        .route("/check_store", post(check_store))
        .route("/doc/new", post(new))
        .route("/doc/{room}/auth", post(auth))
        .route("/d/{room}/as-update", get(documents::update))
        .route("/d/{room}/update", post(documents::apply))
}

async fn check_store(of: Operator) -> Response {
    let health = of.app.store.health();
    match health.read_only {
        None => Json(json!({"ok": true})).into_response(),
        Some(why) => Json(json!({"ok": false, "error": why.to_string()})).into_response(),
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewDocument {
    doc_id: Option<String>,
}

/// Makes a document, or finds it.
async fn new(of: Operator, parts: Parts, content: Body) -> Result<Response, Problem> {
    let new: NewDocument = body::maybe_json(&parts.headers, content).await?;
    let id = new.doc_id.unwrap_or_else(|| drawn(&of.app));
    let of = InRoom::about(of.app, document_id(&id)?, &parts)?;
    ask(&of, Request::Create(None)).await?;
    Ok(Json(json!({"docId": id})).into_response())
}

/// An id of y-sweet is a room's name of few characters: it stands in paths as it is, and in a token's
/// pattern for itself.
fn document_id(id: &str) -> Result<RoomId, Problem> {
    if !id.bytes().all(|byte| ALPHABET.contains(&byte)) {
        let detail = "a document's id has letters, digits, `-` and `_`";
        return Err(Problem::bad("room_name", detail));
    }
    room_id(id)
}

fn drawn(app: &App) -> String {
    let mut id = String::with_capacity(ID_CHARACTERS);
    let mut bits = 0;
    for at in 0..ID_CHARACTERS {
        if at % 10 == 0 {
            bits = app.edge().random();
        }
        id.push(char::from(ALPHABET[(bits & 63) as usize]));
        bits >>= 6;
    }
    id
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
enum Authorization {
    #[default]
    #[serde(rename = "full")]
    Full,
    #[serde(rename = "read-only")]
    ReadOnly,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wanted {
    authorization: Authorization,
    user_id: Option<String>,
    valid_for_seconds: Option<u64>,
}

/// What its client connects with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientToken {
    url: String,
    base_url: String,
    doc_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    authorization: Authorization,
}

/// Lets a user into a document that there is.
async fn auth(
    operator: Operator,
    params: RawPathParams,
    parts: Parts,
    content: Body,
) -> Result<Response, Problem> {
    let id = params.iter().find(|(key, _)| *key == "room");
    let (_, id) = id.expect("the route names it");
    let of = InRoom::about(operator.app, document_id(id)?, &parts)?;
    check_existing(&of).await?;
    let wanted: Wanted = body::maybe_json(&parts.headers, content).await?;
    let token = minted(&of, &wanted)?;
    let (scheme, place) = place_of(&of.app, &parts);
    Ok(Json(ClientToken {
        url: format!("ws{scheme}://{place}/d/{id}/ws"),
        base_url: format!("http{scheme}://{place}/d/{id}"),
        doc_id: id.to_owned(),
        token,
        authorization: wanted.authorization,
    })
    .into_response())
}

/// A token for this document alone; none where none is needed and there is no key to sign one with.
fn minted(of: &InRoom, wanted: &Wanted) -> Result<Option<String>, Problem> {
    let pattern = of.room.as_str().parse();
    let pattern = pattern.map_err(|_| Problem::bad("room_name", "no token can name this room"))?;
    let rights = match wanted.authorization {
        Authorization::Full => Rights::ALL,
        Authorization::ReadOnly => Rights::READ | Rights::PRESENCE,
    };
    let iat = wall_ms() / 1_000;
    let good_s = wanted.valid_for_seconds.unwrap_or(TOKEN_S);
    let claims = Claims {
        sub: wanted.user_id.clone().unwrap_or_else(|| "anonymous".into()),
        name: None,
        info: None,
        rooms: vec![Grant { pattern, rights }],
        iat,
        nbf: None,
        exp: iat + good_s.min(YSWEET_TOKEN_S_MAX),
        admin: false,
        jti: None,
    };
    let policy = of.app.policy();
    match policy.authenticator.keys().mint(&claims) {
        Ok(token) => Ok(Some(token)),
        Err(MintError::NoKey)
            if policy.authenticator.access() == Access::Open && rights == Rights::ALL =>
        {
            Ok(None)
        }
        Err(error) => Err(Problem::bad("body", error.to_string())),
    }
}

/// Where this server was asked: what stands behind `ws` and `http`, and host and path.
fn place_of(app: &App, parts: &Parts) -> (&'static str, String) {
    let client = parts.extensions.get::<Client>();
    let scheme = if client.is_some_and(|client| client.secure) {
        "s"
    } else {
        ""
    };
    let asked = client.and_then(|client| client.host.clone());
    let host = asked.unwrap_or_else(|| host_of(&parts.headers).to_owned());
    let base = &app.settings().front.base_path;
    let base = if base.is_root() { "" } else { base.as_str() };
    (scheme, format!("{host}{base}"))
}

fn host_of(headers: &HeaderMap) -> &str {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.unwrap_or("localhost")
}
