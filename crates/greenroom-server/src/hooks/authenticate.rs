//! Who somebody is whom no token of ours makes known: asked of a receiver, which gets what the browser
//! sent to us. Nothing of it is kept: the next handshake is the next question.

use axum::extract::Request;
use greenroom_core::close_reason::{CloseReason, Protocol};
use greenroom_core::limits::HOOK_ANSWER_BYTES_MAX;
use greenroom_service::{Rights, RoomId, UserId};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::Call;
use super::message::{AUTHENTICATE, Message};
use crate::auth::{AuthError, Identity, TokenError};
use crate::edge::{Edge, wall_ms};
use crate::policy::Policy;
use crate::spans;

/// The longest user name that a receiver may give.
const USER_BYTES_MAX: usize = 256;

/// A question about somebody who wants into a room.
pub(crate) struct Question {
    room: RoomId,
    data: Map<String, Value>,
    /// What the browser sent: `Cookie`, `Authorization`, `Origin`.
    headers: HeaderMap,
}

/// What a receiver says of somebody.
#[derive(Deserialize)]
struct Said {
    user: Option<String>,
    rights: Vec<String>,
    expires_in_s: Option<u64>,
}

impl Question {
    /// The question that decides about this handshake; `None` when our own judgement does: there is no
    /// hook, or the token is one of ours, good or not.
    pub(crate) fn of(
        policy: &Policy,
        request: &Request,
        (room, document, protocol): (&RoomId, &str, Protocol),
        token: Option<&str>,
        judged: &Result<Identity, AuthError>,
    ) -> Option<Self> {
        policy.hooks.authenticate(room)?;
        let is_strange = matches!(
            judged,
            Err(AuthError::Token(
                TokenError::Malformed(_) | TokenError::Forged | TokenError::UnknownKey
            ))
        );
        if token.is_some() && !is_strange {
            return None;
        }
        let mut data = Map::new();
        data.insert("room".into(), room.as_str().into());
        data.insert("document".into(), document.into());
        data.insert("protocol".into(), protocol.name().into());
        data.insert("token".into(), token.into());
        let forwarded = [header::COOKIE, header::AUTHORIZATION, header::ORIGIN];
        let sent = request.headers();
        let mut headers = HeaderMap::new();
        for name in forwarded {
            for value in sent.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        Some(Self {
            room: room.clone(),
            data,
            headers,
        })
    }

    /// Asks it.
    ///
    /// # Errors
    /// How the connection is closed: for good when the receiver refuses, to come again when it does
    /// not answer as it should.
    pub(crate) async fn ask(self, edge: &Edge) -> Result<Identity, CloseReason> {
        let policy = edge.policy();
        // A reload may have taken the hook away; who comes again is judged without.
        let url = policy.hooks.authenticate(&self.room);
        let url = url.ok_or(CloseReason::RoomFault)?;
        let message = Message::authenticate(self.data, edge.clock.now(), edge.random());
        let call = Call {
            hook: AUTHENTICATE,
            room: &self.room,
            url,
            tries: 0,
            more: self.headers,
            answer_bytes_max: HOOK_ANSWER_BYTES_MAX,
        };
        let wanted = [
            StatusCode::OK,
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
        ];
        let is_wanted = |status| wanted.contains(&status);
        let answer = call.ask(edge, &policy.hooks, &message, is_wanted).await;
        let answer = answer.ok_or(CloseReason::RoomFault)?;
        match answer.status {
            StatusCode::UNAUTHORIZED => Err(CloseReason::Unauthenticated),
            StatusCode::FORBIDDEN => Err(CloseReason::Forbidden),
            _ => {
                let identity = read(&answer.body, wall_ms() / 1_000).map_err(|error| {
                    spans::room(&self.room)
                        .in_scope(|| tracing::warn!(error, "no good answer of `authenticate`"));
                    CloseReason::RoomFault
                })?;
                let may = identity.rights != Rights::NONE;
                may.then_some(identity).ok_or(CloseReason::Forbidden)
            }
        }
    }
}

/// What an answer says.
pub(super) fn read(body: &[u8], now_s: u64) -> Result<Identity, String> {
    let said: Said = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut rights = Rights::NONE;
    for name in &said.rights {
        let right = Rights::from_name(name);
        rights = rights | right.ok_or("it names a right that there is not")?;
    }
    let user = said.user;
    if user
        .as_ref()
        .is_some_and(|user| user.len() > USER_BYTES_MAX)
    {
        return Err(format!(
            "the user's name has more than {USER_BYTES_MAX} bytes"
        ));
    }
    Ok(Identity {
        user: user.map(|user| UserId::new(&user)),
        rights,
        expires_at_unix_s: said.expires_in_s.map(|s| now_s.saturating_add(s)),
        admin: false,
    })
}
