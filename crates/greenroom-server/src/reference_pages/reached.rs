//! For each code, limit and metric a test that reaches it. One without a test, or with one that is
//! gone or does not name it, fails here. Options and exit codes are the command's: it has the same.

use std::fs;

use greenroom_core::close_reason::CloseReason;
use greenroom_core::limits::Limits;

use super::repository;
use crate::codec::CodecError;
use crate::problem::CODES;

/// Everything that a peer can do against the framing.
pub(super) const CODEC_ERRORS: [CodecError; 16] = [
    CodecError::ReservedBit,
    CodecError::ReservedOpcode,
    CodecError::Unmasked,
    CodecError::ControlFragmented,
    CodecError::ControlTooLong,
    CodecError::LengthNotMinimal,
    CodecError::LengthHighBit,
    CodecError::ContinuationOfNothing,
    CodecError::MessageWithinMessage,
    CodecError::CloseTooShort,
    CodecError::CloseCode,
    CodecError::Utf8,
    CodecError::Deflate,
    CodecError::FrameTooLarge,
    CodecError::MessageTooLarge,
    CodecError::TooManyFragments,
];

const ROOM: &str = "crates/greenroom-core/src/room/tests";
const AUTH: &str = "crates/greenroom-server/src/auth/tests/authenticator.rs";

/// The test of a reason: file and name.
fn test_of(reason: CloseReason) -> (String, &'static str) {
    let room = |file: &str| format!("{ROOM}/{file}.rs");
    match reason {
        CloseReason::Shutdown => (
            room("stop"),
            "a_shutdown_commits_what_is_left_and_tells_everybody",
        ),
        CloseReason::Slow => (
            room("gate"),
            "a_reader_that_does_not_read_costs_a_bounded_amount_and_is_closed_as_slow",
        ),
        CloseReason::Malformed => (
            "crates/greenroom-core/src/collab/tests/gate.rs".to_owned(),
            "nonsense_is_malformed",
        ),
        CloseReason::TooLarge => (
            "crates/greenroom-core/src/protocol/yjs/tests.rs".to_owned(),
            "a_frame_has_a_largest_size",
        ),
        CloseReason::Unauthenticated => (
            AUTH.to_owned(),
            "a_token_is_needed_only_where_access_is_keyed",
        ),
        CloseReason::Expired => (
            AUTH.to_owned(),
            "a_token_that_is_given_is_enforced_everywhere",
        ),
        CloseReason::Forbidden => (room("commit"), "admission_narrows_and_turns_away"),
        CloseReason::Deleted => (
            room("requests"),
            "a_deleted_room_closes_who_is_in_it_and_begins_anew",
        ),
        CloseReason::Kicked => (
            room("requests"),
            "who_is_there_is_shown_and_can_be_sent_away",
        ),
        CloseReason::Overrun => (
            "crates/greenroom-core/src/protocol/hocuspocus/tests.rs".to_owned(),
            "what_waits_is_bounded_and_more_closes_the_connection",
        ),
        CloseReason::Moved => (
            room("stop"),
            "a_room_that_lost_its_lease_sends_everybody_on",
        ),
        CloseReason::RoomFull => (room("commit"), "a_full_room_lets_nobody_in"),
        CloseReason::RoomFault => (
            room("faults"),
            "a_fault_drops_the_effects_and_closes_the_sender_alone",
        ),
    }
}

/// The text of a test, from its name to the next one.
fn body(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(repository().join(file)).ok()?;
    let (_, rest) = text.split_once(&format!("fn {name}("))?;
    Some(rest.split("\n}\n").next().unwrap_or_default().to_owned())
}

#[test]
fn every_close_reason_is_reached_by_a_test() {
    for reason in CloseReason::ALL {
        let (file, name) = test_of(reason);
        let body = body(&file, name);
        let wanted = format!("CloseReason::{reason:?}");
        assert!(
            body.is_some_and(|body| body.contains(&wanted)),
            "{file}: {name} does not reach {wanted}"
        );
    }
}

/// Codes that no test reads in an answer, and why.
const UNREAD: &[(&str, &str)] = &[
    ("internal", "takes a bug of ours"),
    (
        "room_fault",
        "takes a bug of ours: services get no requests",
    ),
    (
        "timeout",
        "takes a room that stands still for half a minute",
    ),
];

/// Whether the tests hold an answer against this code: it stands on a line, or the last of three, that
/// says that it is about a code.
fn is_read(tests: &str, said: &str) -> bool {
    let lines: Vec<_> = tests.lines().collect();
    lines.iter().enumerate().any(|(at, line)| {
        line.contains(said)
            && lines[at.saturating_sub(2)..=at].iter().any(|line| {
                ["is_problem(", "refused(", "code", "Refused("]
                    .iter()
                    .any(|word| line.contains(word))
            })
    })
}

/// The sources and the tests of the crates that the server is made of.
fn gathered() -> (String, String) {
    let (mut sources, mut tests) = (String::new(), String::new());
    for crate_name in ["greenroom-core", "greenroom-server", "greenroom"] {
        gather(&format!("crates/{crate_name}"), &mut sources, &mut tests);
    }
    (sources, tests)
}

#[test]
fn every_limit_is_set_by_a_test_that_meets_it() {
    let (sources, tests) = gathered();
    let flaws: Vec<_> = Limits::FIELDS
        .iter()
        .map(|field| field.name)
        .filter(|name| {
            let sets = [format!("{name}: "), format!("{name} = ")];
            let is_set = sets.iter().any(|set| tests.contains(set));
            !is_set || !sources.contains(&format!(".{name}"))
        })
        .collect();
    assert_eq!(flaws, Vec::<&str>::new());
}

#[test]
fn every_problem_code_is_said_by_the_program_and_read_by_a_test() {
    let (sources, tests) = gathered();
    let mut flaws = Vec::new();
    for known in CODES {
        let said = format!("\"{}\"", known.code);
        if !sources.contains(&said) {
            flaws.push(format!("nothing says {said}"));
        }
        let is_excused = UNREAD.iter().any(|(code, _)| *code == known.code);
        if !is_excused && !is_read(&tests, &said) {
            flaws.push(format!("no test reads {said} in an answer"));
        }
    }
    assert_eq!(flaws, Vec::<String>::new());
}

/// The sources below `folder`, apart from the table of codes, and the tests.
fn gather(folder: &str, sources: &mut String, tests: &mut String) {
    for entry in fs::read_dir(repository().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            gather(&path, sources, tests);
        } else if path.ends_with(".rs")
            && !path.contains("reference_pages")
            && !path.ends_with("src/problem.rs")
        {
            let text = fs::read_to_string(entry.path()).unwrap();
            let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
            let (code, below) = text
                .split_once("#[cfg(test)]\nmod tests {")
                .unwrap_or((&text, ""));
            if is_test {
                tests.push_str(&text);
            } else {
                sources.push_str(code);
                tests.push_str(below);
            }
        }
    }
}
