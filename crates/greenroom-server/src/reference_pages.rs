//! The reference pages of close codes, problem codes and limits, written from the tables that the
//! program runs on, and held against them. Each code names a test that reaches it.

mod reached;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use greenroom_core::close_reason::{CloseReason, Protocol, Retry};
use greenroom_core::limits::{FIXED, LimitUnit, Limits};
use greenroom_service::{ROOM_NAME_BYTES_MAX, SAVE_BYTES_MAX};

use crate::auth::{
    KEYS_MAX, NOT_BEFORE_LEEWAY_S, PATTERN_BYTES_MAX, TOKEN_BYTES_MAX, TOKEN_ROOMS_MAX,
};
use crate::codec::CodecError;
use crate::problem::CODES;

/// Set to write the pages instead of comparing them.
const UPDATE: &str = "GREENROOM_UPDATE_REFERENCE";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[track_caller]
fn check(name: &str, wanted: &str) {
    let path = repository().join("docs/reference").join(name);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/reference/{name} is not current: \
         `{UPDATE}=1 cargo test -p greenroom-server reference_pages` writes it"
    );
}

/// When a reason is given, and what whoever operates the server can do about it.
const fn when(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Shutdown => {
            "The server stops or restarts. Providers come back by themselves; nothing is lost."
        }
        CloseReason::Slow => {
            "More than `outbox_bytes_max` waits for a peer that does not read. A Yjs peer is brought up \
             to date instead where that helps. Often: look at the peer's network."
        }
        CloseReason::Malformed => {
            "A message breaks the protocol: another program, another version, or an attack. It changed \
             nothing."
        }
        CloseReason::TooLarge => {
            "A message is over `yjs_frame_bytes_max` or `native_frame_bytes_max`, or something in it \
             over its own limit. Raise it, or send less."
        }
        CloseReason::Unauthenticated => {
            "A token is needed and none came, or its signature, its key or its form is not good here. \
             `greenroom token verify` says what is wrong."
        }
        CloseReason::Expired => {
            "The token's `exp` has come, at the handshake or while connected. Mint a new one."
        }
        CloseReason::Forbidden => {
            "The token names no such room, the service turned the session away, the room is of a kind \
             that this door does not serve, or the document's name is too long."
        }
        CloseReason::Deleted => "Somebody deleted the room (`DELETE /api/rooms/{room}`).",
        CloseReason::Kicked => {
            "An operator closed the session (`DELETE /api/rooms/{room}/sessions/{id}`), or the service \
             did."
        }
        CloseReason::Moved => "Another node owns the room. Not with a single node.",
        CloseReason::RoomFull => "The room has `room_connections_max` connections.",
        CloseReason::RoomFault => {
            "This session's message made the room fault (it is kept out for `fault_hold_off_ms`), the \
             room cannot be loaded, it is quarantined, or a write failed and this peer cannot send it \
             again. The server's log says which."
        }
        CloseReason::Overrun => {
            "More waits on a `/hocuspocus` connection than `hocuspocus_queue_bytes_max` and \
             `hocuspocus_queue_messages_max` allow, for sessions that show no good token or whose room is \
             stuck, or more than `hocuspocus_pending_max` sessions wait to be let in."
        }
    }
}

const fn in_words(retry: Retry) -> &'static str {
    match retry {
        Retry::Again => "again",
        Retry::NewToken => "with a new token",
        Retry::Never => "never",
    }
}

fn close_codes() -> String {
    let mut page = String::from(
        "# Close codes\n\n\
         <!-- Written by a test from the tables of the program. -->\n\n\
         Why the server ends a connection. The close frame carries the code and the text, which begins\n\
         with the reason's name; logs and `greenroom_connections_closed_total` use that name too. *Retry*\n\
         says what a client should do: come back *again* as it backs off anyway, come back *with a new\n\
         token*, or *never* by itself.\n\n\
         On `/yjs` the codes 4400 to 4499 are permanent: `y-websocket` 3.1 stops there, everything else\n\
         makes it come back. `/d` has the codes of `/yjs`; a y-sweet client comes back after each. On `/ws/room` 4001 and 4900 upwards are permanent, 4100 to 4199 ask for a\n\
         new token. A Hocuspocus provider comes back after every code, so that `/hocuspocus` closes a\n\
         connection only for what is passing or of the whole connection, and tells the one document of\n\
         the rest: by a message PermissionDenied, a message Close, or both, with the text.\n\n\
         | reason | `/yjs` | `/ws/room` | `/hocuspocus` | retry | text |\n|---|---|---|---|---|---|\n",
    );
    for reason in CloseReason::ALL {
        let (yjs, raw) = (reason.close(Protocol::Yjs), reason.close(Protocol::Raw));
        let hocuspocus = reason.close(Protocol::Hocuspocus);
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} |",
            reason.name(),
            yjs.code,
            raw.code,
            hocuspocus.code,
            in_words(raw.retry),
            raw.text
        );
    }
    page.push_str("\n## When, and what to do\n");
    for reason in CloseReason::ALL {
        let _ = write!(page, "\n### `{}`\n\n{}\n", reason.name(), when(reason));
    }
    page.push_str(
        "\n## What the WebSocket layer says\n\n\
         Codes of RFC 6455, the same on every door, when a peer breaks the framing itself. Repairing the\n\
         peer is all that helps; 1009 also means that a message is over the frame limit of its door.\n\n\
         | code | text |\n|---|---|\n",
    );
    for error in reached::CODEC_ERRORS {
        let _ = writeln!(page, "| {} | {error} |", error.close_code());
    }
    page.push_str(
        "\nA connection that breaks without a close frame, or a peer that is silent for `peer_dead_ms`,\n\
         is counted as `gone`: there is nobody to tell.\n\n\
         ## Refusals that close nothing\n\n\
         What a session may not do is refused and the session stays: nothing was changed. On `/yjs` the\n\
         peer gets an auth message (type 2, sub-type 0) with the text `CODE: REASON`, which providers\n\
         show in the console; on `/hocuspocus` a SyncStatus 0; on `/ws/room` the text frame\n\
         `{\"error\":{\"code\":\"..\",\"reason\":\"..\"}}`.\n\
         Codes of ours are `read_only`, `no_presence`, `wrong_room`, `document_name`, `documents_full`,\n\
         `document_full`, `update_refused`, `store_unavailable`, `room_fault`; a service adds its own.\n",
    );
    page
}

fn problem_codes() -> String {
    let mut page = String::from(
        "# Problem codes\n\n\
         <!-- Written by a test from the tables of the program. -->\n\n\
         Errors over HTTP are RFC 9457 problem documents (`application/problem+json`). `code` is for\n\
         programs and stays as it is; `detail` and `hint` are for people and may change.\n\n\
         | status | code | meaning |\n|---|---|---|\n",
    );
    for known in CODES {
        let _ = writeln!(
            page,
            "| {} | `{}` | {} |",
            known.status, known.code, known.meaning
        );
    }
    page.push_str(
        "\n401 comes with `WWW-Authenticate: Bearer`, 429 and 503 with `Retry-After` in seconds.\n",
    );
    page
}

fn limits() -> String {
    let mut page = String::from(
        "# Limits\n\n\
         <!-- Written by a test from the tables of the program. -->\n\n\
         Everything that can grow has a limit. Sizes are in bytes, times in milliseconds, as the names\n\
         say.\n\n\
         ## What can be set\n\n\
         Keys of `[limits]`, of a room rule's `limits`, and variables; with their ranges they stand in\n\
         [the configuration](configuration.md#limits).\n\n\
         | limit | default |\n|---|---|\n",
    );
    for field in Limits::FIELDS {
        let value = in_units(field.get(&Limits::default()), field.unit());
        let _ = writeln!(page, "| `{}` | {value} |", field.name);
    }
    page.push_str(
        "\n## What is fixed\n\nPart of a format, of a promise, or of what a machine can bear.\n\n\
         | limit | value | what |\n|---|---|---|\n",
    );
    for limit in FIXED {
        let name = limit.name.to_ascii_lowercase();
        let unit = if name.contains("_bytes") {
            LimitUnit::Bytes
        } else if name.ends_with("_ms") || name.contains("_ms_") {
            LimitUnit::Milliseconds
        } else {
            LimitUnit::Count
        };
        let doc: Vec<_> = limit.doc.iter().map(|line| line.trim()).collect();
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} |",
            in_units(limit.value, unit),
            doc.join(" ")
        );
    }
    let rest = [
        (
            "room name",
            ROOM_NAME_BYTES_MAX,
            "bytes of UTF-8, no control characters",
        ),
        ("pattern over room names", PATTERN_BYTES_MAX, "bytes"),
        ("token", TOKEN_BYTES_MAX, "bytes"),
        ("grants in a token", TOKEN_ROOMS_MAX, ""),
        ("keys of a server", KEYS_MAX, "one signs, all verify"),
        ("what `Service::save` gives", SAVE_BYTES_MAX, "bytes"),
        (
            "clock of the machine that mints tokens",
            NOT_BEFORE_LEEWAY_S as usize,
            "seconds that it may be fast (`nbf`)",
        ),
    ];
    page.push_str("\n## Names, tokens, services\n\n| what | at most | |\n|---|---|---|\n");
    for (what, most, unit) in rest {
        let _ = writeln!(page, "| {what} | {most} | {unit} |");
    }
    page
}

fn in_units(value: u64, unit: LimitUnit) -> String {
    let units: &[(u64, &str)] = match unit {
        LimitUnit::Bytes => &[
            (1 << 30, "GiB"),
            (1 << 20, "MiB"),
            (1 << 10, "KiB"),
            (1, "B"),
        ],
        LimitUnit::Milliseconds => &[(3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")],
        LimitUnit::Count => &[],
    };
    let found = units
        .iter()
        .find(|(size, _)| value >= *size && value.is_multiple_of(*size));
    found.map_or_else(
        || value.to_string(),
        |(size, word)| format!("{} {word}", value / size),
    )
}

#[test]
fn the_page_of_close_codes_is_current() {
    check("close-codes.md", &close_codes());
}

#[test]
fn the_page_of_problem_codes_is_current() {
    check("problem-codes.md", &problem_codes());
}

#[test]
fn the_page_of_limits_is_current() {
    check("limits.md", &limits());
}

#[test]
fn every_problem_code_stands_once_and_with_an_error_status() {
    let codes: BTreeSet<_> = CODES.iter().map(|known| known.code).collect();
    assert_eq!(codes.len(), CODES.len());
    for known in CODES {
        assert!((400..600).contains(&known.status), "{known:?}");
        assert!(known.meaning.ends_with('.'), "{known:?}");
    }
}

#[test]
fn what_breaks_the_framing_is_told_with_a_code_that_may_be_sent() {
    for error in reached::CODEC_ERRORS {
        assert!(matches!(error.close_code(), 1002 | 1007 | 1009), "{error}");
    }
    let _: [CodecError; 16] = reached::CODEC_ERRORS;
}
