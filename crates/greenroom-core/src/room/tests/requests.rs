//! Requests of those who are not in the room: answered once, after what they changed is durable.

use greenroom_service::{Message, SessionId};
use serde_json::{Value, json};

use super::{check, probe, probe_with};
use crate::close_reason::CloseReason;
use crate::limits::Limits;
use crate::room::Stopped;
use crate::room::request::{Reply, Request, Seen, Shown};
use crate::room::{Input, RoomState};
use crate::service::test_room::{TestRoom, object};
use crate::store::{StoreError, StoreReply, StoreRequest};

fn shown(room: &mut TestRoom) -> Shown {
    let id = room.ask("op", Request::Show);
    match room.reply(id) {
        Some(Reply::Shown(shown)) => *shown,
        other => panic!("{other:?}"),
    }
}

/// The code with which the request was refused.
#[track_caller]
fn refused(reply: Option<Reply>) -> &'static str {
    match reply {
        Some(Reply::Refused(refuse)) => refuse.code,
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn a_room_is_made_once_and_stays() {
    let mut room = probe(&[]);
    assert!(!shown(&mut room).is_stored);
    let first = room.ask(
        "op",
        Request::Create(Some(object(json!({"title": "Plans"})))),
    );
    let second = room.ask("op", Request::Create(None));
    assert_eq!(room.reply(first), Some(Reply::Created(true)));
    assert_eq!(room.reply(second), Some(Reply::Created(false)));
    room.crash();
    let shown = shown(&mut room);
    assert!(shown.is_stored);
    assert_eq!(shown.seq, 1);
    assert_eq!(Value::Object(shown.metadata), json!({"title": "Plans"}));
    assert_eq!(room.meta().map(|meta| meta.kind), Some("service".into()));
}

#[test]
fn metadata_is_replaced_and_merged() {
    let mut room = probe(&[]);
    let id = room.ask(
        "op",
        Request::SetMetadata(object(json!({"a": {"b": 1, "c": 2}, "d": 3}))),
    );
    assert!(matches!(room.reply(id), Some(Reply::Metadata(_))));
    // RFC 7396: null removes, objects merge, all else replaces.
    let patch = json!({"a": {"b": null, "e": [1]}, "d": {"f": null}});
    let id = room.ask("op", Request::MergeMetadata(object(patch)));
    let merged = json!({"a": {"c": 2, "e": [1]}, "d": {}});
    assert_eq!(
        room.reply(id),
        Some(Reply::Metadata(object(merged.clone())))
    );
    let stored = room.meta().expect("it is stored").metadata;
    assert_eq!(
        serde_json::from_slice::<Value>(&stored).expect("JSON"),
        merged
    );
}

#[test]
fn metadata_has_a_limit() {
    let limits = Limits {
        metadata_bytes_max: 20,
        ..Limits::default()
    };
    let mut room = probe_with(&[], limits);
    let id = room.ask(
        "op",
        Request::SetMetadata(object(json!({"a": "123456789012345"}))),
    );
    assert_eq!(refused(room.reply(id)), "too_large");
    assert_eq!(room.meta(), None);
}

#[test]
fn a_change_is_answered_when_it_is_durable() {
    let mut room = probe(&[]);
    room.hold_store();
    let id = room.ask("op", Request::Create(None));
    assert_eq!(room.reply(id), None, "its record is on its way");
    room.answer_store();
    assert_eq!(room.reply(id), Some(Reply::Created(true)));
}

#[test]
fn a_change_that_the_store_refuses_is_refused_and_undone() {
    let mut room = probe(&[]);
    let id = room.ask("op", Request::SetMetadata(object(json!({"n": 1}))));
    assert!(room.reply(id).is_some());
    room.fail_store(StoreError::Full);
    let id = room.ask("op", Request::SetMetadata(object(json!({"n": 2}))));
    assert_eq!(refused(room.reply(id)), "store_unavailable");
    let id = room.ask("op", Request::SetMetadata(object(json!({"n": 3}))));
    assert_eq!(
        refused(room.reply(id)),
        "store_unavailable",
        "it takes no writes for a while"
    );
    assert_eq!(Value::Object(shown(&mut room).metadata), json!({"n": 1}));
    room.advance(5_000);
    let id = room.ask("op", Request::SetMetadata(object(json!({"n": 4}))));
    assert!(matches!(room.reply(id), Some(Reply::Metadata(_))));
}

#[test]
fn what_is_durable_is_not_undone_with_what_is_not() {
    let mut room = probe(&[]);
    room.hold_store();
    let first = room.ask("op", Request::SetMetadata(object(json!({"n": 1}))));
    let second = room.ask("op", Request::SetMetadata(object(json!({"n": 2}))));
    assert!(room.answer_store());
    assert!(matches!(room.reply(first), Some(Reply::Metadata(_))));
    room.answer_store_with(StoreReply::Failed(StoreError::Full));
    room.release_store();
    assert_eq!(refused(room.reply(second)), "store_unavailable");
    assert_eq!(Value::Object(shown(&mut room).metadata), json!({"n": 1}));
}

#[test]
fn who_is_there_is_shown_and_can_be_sent_away() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    let shown = shown(&mut room);
    let users: Vec<_> = shown
        .sessions
        .iter()
        .filter_map(|s| s.user.clone())
        .collect();
    assert_eq!(
        users.iter().map(|user| user.as_str()).collect::<Vec<_>>(),
        ["ada"]
    );
    let id = room.ask("op", Request::Kick(SessionId(99)));
    assert_eq!(refused(room.reply(id)), "session_not_found");
    let id = room.ask("op", Request::Kick(ada));
    assert_eq!(room.reply(id), Some(Reply::Done));
    assert_eq!(room.closed(ada), Some(CloseReason::Kicked));
}

#[test]
fn an_event_reaches_those_who_can_hear_it() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    let id = room.ask("op", Request::Broadcast(Message::from("hello")));
    assert_eq!(room.reply(id), Some(Reply::Sent(2)));
    check(&mut room, ada, ["hello"]);
    check(&mut room, bob, ["hello"]);
    assert_eq!(room.meta(), None, "it leaves no record");
}

#[test]
fn a_deleted_room_closes_who_is_in_it_and_begins_anew() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.send(ada, "put k v; timer t 1000");
    room.advance(200);
    assert!(room.room().durable_seq() > 0);
    let id = room.ask("op", Request::Delete);
    assert_eq!(room.reply(id), Some(Reply::Done));
    assert_eq!(room.closed(ada), Some(CloseReason::Deleted));
    assert_eq!(room.stopped(), Some(&Stopped::Deleted));
    assert_eq!(room.meta(), None);
    let bob = room.join("bob");
    room.send(bob, "get k");
    check(&mut room, bob, ["k=None"]);
}

#[test]
fn nothing_is_written_while_the_room_is_being_deleted() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, "put k v");
    room.advance(1_000);
    let id = room.ask("op", Request::Delete);
    room.send(ada, "put k w");
    room.advance(10_000);
    let appends = room.held_requests();
    let appends = appends
        .iter()
        .filter(|r| matches!(r, StoreRequest::Append(_)));
    assert_eq!(appends.count(), 1, "the one from before");
    room.release_store();
    assert_eq!(room.reply(id), Some(Reply::Done));
    assert_eq!(room.meta(), None);
}

#[test]
fn a_room_that_cannot_be_deleted_goes_on() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.send(ada, "put k v");
    room.fail_store(StoreError::ReadOnly);
    let id = room.ask("op", Request::Delete);
    assert_eq!(refused(room.reply(id)), "store_unavailable");
    room.send(ada, "get k");
    check(&mut room, ada, [r#"k=Some("v")"#]);
    assert_eq!(room.state(), RoomState::Live);
}

#[test]
fn a_room_has_so_many_requests_at_a_time() {
    let limits = Limits {
        room_requests_max: 1,
        ..Limits::default()
    };
    let mut room = probe_with(&[], limits);
    room.hold_store();
    let first = room.ask("op", Request::Create(None));
    let second = room.ask("op", Request::Show);
    assert_eq!(refused(room.reply(second)), "too_many_requests");
    room.release_store();
    assert_eq!(room.reply(first), Some(Reply::Created(true)));
}

#[test]
fn those_who_watch_are_told_what_happens() {
    let mut room = probe(&[]);
    room.join("unseen");
    assert_eq!(room.seen(), []);
    room.input(Input::Watched(true));
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, "put k v");
    room.advance(1_000);
    let seen = room.seen();
    assert!(
        matches!(seen[..], [Seen::Joined { session, .. }] if session == ada),
        "{seen:?}"
    );
    room.release_store();
    assert_eq!(room.seen(), [Seen::Durable(1)]);
    room.leave(ada);
    let seen = room.seen();
    assert!(
        matches!(seen[..], [Seen::Left { session, .. }] if session == ada),
        "{seen:?}"
    );
    room.input(Input::Watched(false));
    room.join("unseen");
    assert_eq!(room.seen(), []);
}

#[test]
fn a_deletion_that_finds_another_owner_is_refused() {
    let mut room = probe(&[]);
    let made = room.ask("op", Request::Create(None));
    assert_eq!(room.reply(made), Some(Reply::Created(true)));
    room.fail_store(StoreError::Held(crate::store::NodeId(2)));
    let id = room.ask("op", Request::Delete);
    assert_eq!(refused(room.reply(id)), "moved");
}
