//! REST: what programs ask that are in no room. A handler parses, judges rights, sends the request
//! into the room and maps the answer; it decides nothing. The room does, as for everything else.

mod access;
mod ask;
mod body;
mod cors;
mod docs;
mod documents;
mod drain;
mod export;
mod model;
mod overview;
mod people;
mod rooms;
mod sign_in;
mod tail;
#[cfg(test)]
mod tests;
mod versions;
mod ysweet;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use http::StatusCode;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::app::App;
use crate::problem::Problem;

pub(crate) use drain::hear_out;

/// What the document says besides the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Greenroom",
        description = "Rooms, their documents and the people in them. Changes are durable when they are answered.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        rooms::list,
        rooms::create,
        rooms::show,
        rooms::ensure,
        rooms::delete,
        rooms::metadata,
        rooms::set_metadata,
        rooms::merge_metadata,
        export::export,
        export::import,
        documents::list,
        documents::update,
        documents::apply,
        documents::json,
        documents::set_json,
        documents::remove_json,
        documents::text,
        documents::replace_text,
        documents::edit_text,
        documents::xml,
        versions::list,
        versions::keep,
        versions::show,
        versions::remove,
        versions::update,
        versions::json,
        versions::text,
        versions::xml,
        versions::diff,
        versions::restore,
        people::presence,
        people::broadcast,
        people::kick,
        tail::tail,
        overview::show,
        sign_in::show,
        sign_in::begin,
        sign_in::end
    ),
    components(schemas(model::ProblemModel)),
    security((), ("token" = []))
)]
struct Description;

/// The routes under `/api`. What is added here is added to [`Description`]; a test compares them.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let metadata = get(rooms::metadata)
        .put(rooms::set_metadata)
        .patch(rooms::merge_metadata);
    let json = get(documents::json)
        .put(documents::set_json)
        .delete(documents::remove_json);
    let text = get(documents::text)
        .put(documents::replace_text)
        .patch(documents::edit_text);
    let of_room = Router::new()
        .route(
            "/",
            get(rooms::show).put(rooms::ensure).delete(rooms::delete),
        )
        .route("/metadata", metadata)
        .route("/documents", get(documents::list))
        .route("/document", get(documents::update).post(documents::apply))
        .route("/document/json", json)
        .route("/document/text", text)
        .route("/document/xml", get(documents::xml))
        .nest("/document/versions", of_versions())
        .route("/presence", get(people::presence))
        .route("/events", post(people::broadcast))
        .route("/sessions/{session}", delete(people::kick))
        .route("/tail", get(tail::tail))
        .route("/export", get(export::export))
        .route("/import", post(export::import));
    Router::new()
        .route("/api/rooms", get(rooms::list).post(rooms::create))
        .nest("/api/rooms/{room}", of_room)
        .route("/api/overview", get(overview::show))
        .route(
            "/api/sign-in",
            get(sign_in::show).post(sign_in::begin).delete(sign_in::end),
        )
        .merge(ysweet::router())
        .merge(docs::router(&description()))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(app), cors::guard))
}

fn of_versions() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(versions::list).post(versions::keep))
        .route("/{version}", get(versions::show).delete(versions::remove))
        .route("/{version}/update", get(versions::update))
        .route("/{version}/json", get(versions::json))
        .route("/{version}/text", get(versions::text))
        .route("/{version}/xml", get(versions::xml))
        .route("/{version}/diff", get(versions::diff))
        .route("/{version}/restore", post(versions::restore))
}

/// The description of all that, for programs.
fn description() -> utoipa::openapi::OpenApi {
    let mut description = Description::openapi();
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = description.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(token));
    description
}

/// What a path answers that is there and does not know the method.
pub(crate) async fn method_not_allowed() -> Response {
    let detail = "this path knows other methods; see the header `Allow`";
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method_not_allowed", detail).into_response()
}
