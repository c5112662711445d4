//! The pages that the binary carries, built from `web/`.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, Uri, header};
use rust_embed::RustEmbed;

use crate::problem::problem;

/// What `npm run build` wrote. Without it the crate still builds; the page then says how to get it.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// Scripts and styles of our own only; sockets to wherever the page came from.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'self'";

/// The demo page and what the pages load.
pub(crate) async fn demo(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    match Dist::get(path) {
        Some(file) => {
            // Built file names carry a hash of their content, but for the page itself.
            let forever = path.starts_with("assets/");
            page(file.metadata.mimetype(), file.data.into_owned(), forever)
        }
        None if path == "index.html" => page("text/html", UNBUILT.into(), false),
        None => problem(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this path",
        ),
    }
}

/// The console.
pub(crate) async fn console() -> Response {
    let page_file = Dist::get("console.html");
    page_file.map_or_else(
        || page("text/html", UNBUILT.into(), false),
        |file| page("text/html", file.data.into_owned(), false),
    )
}

/// What a server for others shows at `/`.
pub(crate) async fn plain() -> Response {
    let text = format!("Greenroom {}\n", env!("CARGO_PKG_VERSION"));
    page("text/plain", text.into_bytes(), false)
}

const UNBUILT: &str = "<!doctype html><html lang=\"en\"><title>Greenroom</title>\
    <p>Greenroom runs. Its pages were not built into this binary: run <code>make run</code>, or \
    <code>npm ci && npm run build</code> in <code>web/</code> before <code>cargo build</code>.";

fn page(kind: &str, body: Vec<u8>, forever: bool) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    let text = kind.starts_with("text/") || kind.ends_with("javascript");
    let kind = if text {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    };
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let cache = if forever {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}
