//! Who asks, about which room, with which parameters: what every handler takes out of a request
//! before it looks at the body.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use greenroom_core::room::request::Caller;
use greenroom_service::{Rights, RoomId};
use http::StatusCode;
use http::request::Parts;

use crate::app::App;
use crate::auth::{AuthError, Identity, TokenError, UserId, token_of};
use crate::doors::percent_decode;
use crate::edge::wall_ms;
use crate::meters::table;
use crate::problem::Problem;

/// A request about one room, of somebody who has some right in it.
pub(super) struct InRoom {
    pub(super) app: Arc<App>,
    pub(super) room: RoomId,
    pub(super) identity: Identity,
    pub(super) query: Query,
    origin: String,
}

/// A request about no room in particular, of somebody who may operate the server.
pub(super) struct Operator {
    pub(super) app: Arc<App>,
    pub(super) query: Query,
}

/// The query of a request, percent-decoded.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl InRoom {
    /// The same about another room: one that the body names.
    pub(super) fn about(app: Arc<App>, room: RoomId, parts: &Parts) -> Result<Self, Problem> {
        let identity = identify(&app, &room, parts)?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let unknown = || "unknown".to_owned();
        Ok(Self {
            app,
            room,
            identity,
            query: Query::of(parts),
            origin: peer.map_or_else(unknown, |ConnectInfo(peer)| peer.ip().to_string()),
        })
    }

    /// Goes on if the token has this right.
    pub(super) fn need(self, right: Rights) -> Result<Self, Problem> {
        if self.identity.rights.has(right) {
            return Ok(self);
        }
        let detail = format!("this takes the right `{right}` in the room");
        Err(forbidden(detail))
    }

    /// Goes on if the token may operate the server.
    pub(super) fn need_admin(self) -> Result<Self, Problem> {
        if self.identity.admin {
            return Ok(self);
        }
        Err(no_admin())
    }

    pub(super) fn caller(&self) -> Caller {
        Caller {
            user: self.identity.user.clone(),
            origin: self.origin.clone(),
        }
    }

    /// Notes in the log who did this; for what an operator does.
    pub(super) fn note(&self, done: &'static str) {
        let user = self.identity.user.as_ref().map(UserId::as_str);
        tracing::info!(room = %self.room, user, "{done}");
    }

    /// The document that is meant.
    pub(super) fn document(&self) -> String {
        self.query.get("name").unwrap_or_default().to_owned()
    }
}

impl FromRequestParts<Arc<App>> for InRoom {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, app).await;
        let undecodable = |_| Problem::bad("room_name", "the room's name is not UTF-8");
        let params = params.map_err(undecodable)?;
        let named = params.iter().find(|(key, _)| *key == "room");
        let (_, name) = named.expect("every route of a room names it");
        Self::about(Arc::clone(app), room_id(name)?, parts)
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        // Whoever operates the server has all rights in every room, whatever its name.
        let some_room = RoomId::new("-").expect("a valid name");
        let admin = match identify(app, &some_room, parts) {
            Ok(identity) => identity.admin,
            Err(problem) if problem.status == StatusCode::FORBIDDEN => false,
            Err(problem) => return Err(problem),
        };
        if !admin {
            return Err(no_admin());
        }
        Ok(Self {
            app: Arc::clone(app),
            query: Query::of(parts),
        })
    }
}

/// A room's name, as a request gives it.
pub(super) fn room_id(name: &str) -> Result<RoomId, Problem> {
    RoomId::new(name).map_err(|error| Problem::bad("room_name", error.to_string()))
}

fn identify(app: &App, room: &RoomId, parts: &Parts) -> Result<Identity, Problem> {
    let token = token_of(&parts.headers, parts.uri.query());
    let now_unix_s = wall_ms() / 1_000;
    if token.is_none()
        && let Some(sign_in) = app.sign_ins.of(&parts.method, &parts.headers, wall_ms())
    {
        return Ok(Identity {
            user: Some(UserId::new(&sign_in.user)),
            rights: Rights::ALL,
            expires_at_unix_s: Some(sign_in.ends_ms / 1_000),
            admin: true,
        });
    }
    let identity = app
        .policy()
        .authenticate(token.as_deref(), room, now_unix_s);
    identity.map_err(|error| {
        table::AUTH_FAILURES.with(&[error.name()]).increment(1);
        let unauthorized = StatusCode::UNAUTHORIZED;
        match error {
            AuthError::Forbidden => forbidden(error.to_string()),
            AuthError::Token(TokenError::Expired(_)) => {
                Problem::new(unauthorized, "expired", error.to_string()).hint("get a new token")
            }
            _ => Problem::new(unauthorized, "unauthenticated", error.to_string())
                .hint("send `Authorization: Bearer TOKEN`; `greenroom token new` mints one"),
        }
    })
}

fn forbidden(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail).hint(
        "`greenroom token new --room PATTERN --rights read,write` mints one that reaches further",
    )
}

fn no_admin() -> Problem {
    let detail = "this takes a token that may operate the server";
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
        .hint("`greenroom token new --admin` mints one")
}

impl Query {
    fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let decode = |text: &str| percent_decode(&text.replace('+', " "));
        let pairs = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Self(pairs.collect())
    }

    /// The first value of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The first value of this name as a number within bounds.
    pub(super) fn number(&self, name: &str, bounds: (u64, u64)) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let (min, max) = bounds;
        let number = text.parse().ok().filter(|n| (min..=max).contains(n));
        number.map(Some).ok_or_else(|| {
            let detail = format!("`{name}` is a whole number from {min} to {max}");
            Problem::bad("query", detail)
        })
    }

    /// The first value of this name as a truth value; without one it is false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::bad(
                "query",
                format!("`{name}` is `true` or `false`"),
            )),
        }
    }
}
