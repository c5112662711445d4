//! Signing in to the console: a link is exchanged for a cookie, once.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body;
use super::model::ProblemModel;
use crate::app::App;
use crate::auth::{Access, AuthError};
use crate::console::{self, SignInError};
use crate::edge::wall_ms;
use crate::meters::table;
use crate::problem::Problem;
use crate::proxies::Client;

/// A link to sign in with.
#[derive(Deserialize, ToSchema)]
pub(super) struct LinkModel {
    /// What stands behind `#token=` in the link.
    token: String,
}

/// Whether the console is open to who asks.
#[derive(Serialize, ToSchema)]
pub(super) struct SignInModel {
    /// Whether who asks may operate the server.
    signed_in: bool,
    /// Whether a sign-in is needed at all; not in `greenroom dev`.
    needed: bool,
    /// Who is signed in.
    #[schema(required)]
    user: Option<String>,
    /// When the sign-in ends at the latest.
    #[schema(required)]
    ends_ms: Option<u64>,
}

/// Whether the console is open to who asks
#[utoipa::path(get, path = "/api/sign-in", operation_id = "show_sign_in", tag = "console", security(()),
    responses(
        (status = 200, body = SignInModel),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn show(State(app): State<Arc<App>>, request: HttpRequest) -> Json<SignInModel> {
    let (parts, _) = request.into_parts();
    let sign_in = app.sign_ins.of(&parts.method, &parts.headers, wall_ms());
    let needed = app.policy().authenticator.access() == Access::Keyed;
    Json(SignInModel {
        signed_in: sign_in.is_some() || !needed,
        needed,
        ends_ms: sign_in.as_ref().map(|sign_in| sign_in.ends_ms),
        user: sign_in.map(|sign_in| sign_in.user),
    })
}

/// Sign in with the link that `greenroom token admin` prints
///
/// The link is good once. The answer sets a cookie, which counts for requests of the server's own
/// pages only: those that change something carry the header `Greenroom-Console` with any value.
#[utoipa::path(post, path = "/api/sign-in", operation_id = "sign_in", tag = "console", security(()),
    request_body = LinkModel,
    params(("Greenroom-Console" = String, Header, description = "Any value")),
    responses(
        (status = 200, body = SignInModel),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let (parts, content): (Parts, Body) = request.into_parts();
    check_page(&parts)?;
    let link: LinkModel = body::json(&parts.headers, content).await?;
    let policy = app.policy();
    let begun = tokio::task::spawn_blocking({
        let app = Arc::clone(&app);
        move || {
            let keys = policy.authenticator.keys();
            app.sign_ins.begin(keys, link.token.trim(), wall_ms())
        }
    });
    let begun = begun.await.map_err(|_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "internal", "the sign-in failed")
    })?;
    let (cookie, sign_in) = begun.map_err(refused)?;
    tracing::info!(user = %sign_in.user, "signed in to the console");
    let model = SignInModel {
        signed_in: true,
        needed: app.policy().authenticator.access() == Access::Keyed,
        user: Some(sign_in.user),
        ends_ms: Some(sign_in.ends_ms),
    };
    let cookie = console::cookie_text(&cookie, is_secure(&parts));
    Ok(with_cookie(Json(model).into_response(), &cookie))
}

/// Sign out of the console
#[utoipa::path(delete, path = "/api/sign-in", operation_id = "sign_out", tag = "console", security(()),
    params(("Greenroom-Console" = String, Header, description = "Any value")),
    responses(
        (status = 204, description = "Nobody is signed in with this cookie"),
        (status = "default", body = ProblemModel, content_type = "application/problem+json")))]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    check_page(&parts)?;
    if let Some(sign_in) = app.sign_ins.end(&parts.headers) {
        tracing::info!(user = %sign_in.user, "signed out of the console");
    }
    let cookie = console::no_cookie_text(is_secure(&parts));
    let response = StatusCode::NO_CONTENT.into_response();
    Ok(with_cookie(response, &cookie))
}

fn check_page(parts: &Parts) -> Result<(), Problem> {
    if console::is_from_our_page(&parts.method, &parts.headers) {
        return Ok(());
    }
    let detail = "only the console's own page signs in and out";
    let status = StatusCode::FORBIDDEN;
    Err(Problem::new(status, "origin", detail).hint("send the header `Greenroom-Console: 1`"))
}

fn refused(error: SignInError) -> Problem {
    let unauthorized = StatusCode::UNAUTHORIZED;
    let another = "`greenroom token admin` prints another link";
    let detail = error.to_string();
    match error {
        SignInError::Token(error) => {
            let error = AuthError::Token(error);
            table::AUTH_FAILURES.with(&[error.name()]).increment(1);
            Problem::new(unauthorized, error.code(), detail).hint(another)
        }
        SignInError::Used => {
            table::AUTH_FAILURES.with(&["used"]).increment(1);
            Problem::new(unauthorized, "link_used", detail).hint(another)
        }
        SignInError::TooMany => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
                .hint("try again when the links of the last hours have expired")
        }
        SignInError::Randomness(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
        }
    }
}

fn is_secure(parts: &Parts) -> bool {
    let client = parts.extensions.get::<Client>();
    client.is_some_and(|client| client.secure)
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    let cookie = HeaderValue::from_str(cookie).expect("base64url and our own words");
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}
