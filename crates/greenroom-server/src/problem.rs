//! Errors over HTTP: RFC 9457 problem documents with a stable `code`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// A problem document: `code` for programs, `detail` and `hint` for people.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    pub(crate) hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            hint: None,
        }
    }

    /// What is wrong with the request itself.
    pub(crate) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// What to do about it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// One `code` of a problem document: what programs may rely on.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "status and meaning are for the reference page")
)]
pub(crate) struct ProblemCode {
    pub(crate) code: &'static str,
    /// The status that it comes with.
    pub(crate) status: u16,
    /// What it means, for the reference.
    pub(crate) meaning: &'static str,
}

macro_rules! problem_codes {
    ($($status:literal $code:literal: $meaning:literal;)+) => {
        /// Every code. A problem with another is a bug, which debug builds refuse.
        pub(crate) const CODES: &[ProblemCode] = &[$(ProblemCode {
            code: $code,
            status: $status,
            meaning: $meaning,
        },)+];
    };
}

problem_codes! {
    400 "room_name": "The room's name is empty, too long, not UTF-8 or has control characters.";
    400 "handshake": "Not a WebSocket handshake; with 426 when it asks for no upgrade, or for another version than 13.";
    400 "query": "A parameter of the query is missing or not one of those allowed; the detail names it.";
    400 "body": "The body is not what this request takes; the detail says where.";
    400 "document_name": "The document's name is too long.";
    400 "update_malformed": "The body is no Yjs update, version 1.";
    400 "update_refused": "The update cannot be applied to this document.";
    400 "root_unknown": "The document has no root type of this name, or several and none was named.";
    400 "root_type": "The root type is of another kind: text was asked of a map, and so on.";
    400 "edit_range": "An edit lies outside of the text, or a JSON pointer leads nowhere.";
    400 "import_malformed": "The file is no export of a room, or not a whole one.";
    400 "import_refused": "What the file holds cannot become this room; the detail says why.";
    401 "unauthenticated": "A token is needed, or the one given is not good here.";
    401 "expired": "The token's time is over: get a new one.";
    401 "link_used": "The link into the console was used already, or its time is over.";
    403 "forbidden": "The token is good and does not reach so far.";
    403 "origin": "The page that asks is of an origin that is not allowed.";
    403 "read_only": "The token's rights in this room do not include `write`.";
    404 "not_found": "There is nothing at this path.";
    404 "room_not_found": "There is no room of this name.";
    404 "version_not_found": "The document has no version of this id; it may have expired.";
    404 "session_not_found": "No session of this id is in the room.";
    405 "method_not_allowed": "The path is there and does not know this method.";
    409 "room_exists": "There is a room of this name already.";
    409 "wrong_room": "The room is of another kind: a service has no documents.";
    409 "documents_full": "The room has as many documents as it may have.";
    409 "document_unreadable": "The document cannot be read; the server's log says why.";
    409 "document_empty": "Nothing was ever written into the document: there is no state to keep.";
    409 "versions_full": "The document has as many named versions as it may have.";
    409 "version_unreadable": "What is stored of the version cannot be read; it is damaged.";
    409 "in_memory": "The server keeps its data in memory: there is nothing to copy.";
    413 "too_large": "The body is larger than allowed.";
    413 "document_full": "The document is as large as it may be.";
    415 "media_type": "The body's `Content-Type` is not one that this request takes.";
    421 "moved": "Another node owns the room.";
    429 "too_many_requests": "As many requests wait for this room as may.";
    429 "too_many_tails": "As many follow this room's tail as may.";
    429 "connections_per_ip": "The address has as many WebSocket connections as it may have.";
    429 "backup_running": "Another backup is being taken.";
    500 "internal": "A bug of the server; its log says more.";
    503 "room_unavailable": "The room cannot be loaded now, or closed meanwhile; the server's log says why.";
    503 "room_fault": "The room faulted while it answered; it is built anew.";
    503 "store_unavailable": "The store does not take or give anything now; `/readyz` says why.";
    503 "export_failed": "What is stored of the room cannot be exported; if it stays so, it is damaged.";
    503 "shutdown": "The server stops.";
    503 "crowded": "More want in at once than can be let in soon; come back after `Retry-After`.";
    504 "timeout": "The room did not answer in time; a change may have been made.";
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        debug_assert!(
            CODES.iter().any(|known| known.code == self.code),
            "the table of this file does not know the code {}",
            self.code
        );
        let mut body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let Some(hint) = self.hint {
            body["hint"] = hint.into();
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if [503, 429].contains(&self.status.as_u16()) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

/// A problem document without a hint.
pub(crate) fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    Problem::new(status, code, detail).into_response()
}
