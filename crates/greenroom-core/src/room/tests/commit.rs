//! An event is a transaction; who hears what; limits of what a session may do.

use greenroom_service::{Rights, SessionId, TaskResult};

use super::*;
use crate::close_reason::{CloseReason, Protocol};
use crate::room::RoomState;
use crate::room::session::Hello;
use crate::service::test_room::hello;
use crate::store::{ListFilter, StoreReply, StoreRequest};

#[test]
fn ok_commits_everything_together() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.hold_store();
    room.send(ada, "put a 1; say done; put b 2; save s; timer t 50");
    assert_eq!(room.held_requests().len(), 1, "one append");
    check(&mut room, bob, []);
    room.release_store();
    check(&mut room, bob, ["done"]);
    room.crash();
    let cleo = room.join("cleo");
    room.send(cleo, "get a; get b; saved");
    check(
        &mut room,
        cleo,
        ["a=Some(\"1\")", "b=Some(\"2\")", "saved Some(\"s\")"],
    );
}

#[test]
fn what_is_not_durable_is_gone_after_a_crash_and_nobody_was_told() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, "put a 1; say done");
    check(&mut room, ada, []);
    room.crash();
    room.release_store();
    let bob = room.join("bob");
    room.send(bob, "get a");
    check(&mut room, bob, ["a=None"]);
}

#[test]
fn a_refusal_changes_nothing_and_tells_the_sender_alone() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.send(ada, "put a 1; save x");
    let (hash, seq) = (room.room().state_hash(), room.room().durable_seq());
    room.send(
        ada,
        "put a 2; timer t 1; say no; kick 2; tag t; task x; save y; refuse",
    );
    check(&mut room, ada, [REFUSED]);
    check(&mut room, bob, []);
    assert_eq!((room.closed(bob), room.tasks().len()), (None, 0));
    assert_eq!(
        (room.room().state_hash(), room.room().durable_seq()),
        (hash, seq)
    );
    assert_eq!(room.state(), RoomState::Live);
    room.send(ada, "get a; saved; tagged t nobody");
    check(&mut room, ada, ["a=Some(\"1\")", "saved Some(\"x\")"]);
    assert_eq!(room.notes(), [] as [&str; 0], "no rebuild");
}

#[test]
fn recipients() {
    // What is sent by session 1 of 1 (tag a), 2 (tag b) and 3 (tag b), and who hears it.
    let cases: [(&str, [bool; 3]); 6] = [
        ("say x", [true, true, true]),
        ("others x", [false, true, true]),
        ("one 2 x", [false, true, false]),
        ("many 1 3 x", [true, false, true]),
        ("tagged b x", [false, true, true]),
        ("one 9 x; tagged c x", [false, false, false]),
    ];
    for (script, hear) in cases {
        let mut room = probe(&[]);
        let peers = [room.join("ada"), room.join("bob"), room.join("cleo")];
        for (peer, tag) in peers.into_iter().zip(["tag a", "tag b", "tag b"]) {
            room.send(peer, tag);
        }
        room.send(peers[0], script);
        for (peer, hears) in peers.into_iter().zip(hear) {
            assert_eq!(!room.texts(peer).is_empty(), hears, "{script} to {peer:?}");
        }
    }
}

#[test]
fn a_tag_counts_at_once_and_replaces_the_one_before() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.send(
        ada,
        "tag a; tagged a one; tag b; tagged a two; tagged b three",
    );
    check(&mut room, ada, ["one", "three"]);
}

#[test]
fn admission_narrows_and_turns_away() {
    let mut room = probe(&[]);
    let reader = room.join("reader");
    room.send(reader, "say x");
    let read_only =
        r#"{"error":{"code":"read_only","reason":"the token does not allow writing here"}}"#;
    check(&mut room, reader, [read_only]);
    let nobody = room.join("nobody");
    assert_eq!(room.closed(nobody), Some(CloseReason::Forbidden));
    assert_eq!(room.room().session_count(), 1);
    // Never widened: what the credential lacks stays away.
    let narrow = Hello {
        rights: Rights::READ,
        ..hello("ada", Protocol::Raw, "")
    };
    let ada = room.join_with(narrow);
    room.send(ada, "say x");
    check(&mut room, ada, [read_only]);
    // Without the right to read there is nothing to be here for.
    let blind = Hello {
        rights: Rights::WRITE,
        ..hello("ada", Protocol::Raw, "")
    };
    let blind = room.join_with(blind);
    assert_eq!(room.closed(blind), Some(CloseReason::Forbidden));
}

#[test]
fn a_full_room_lets_nobody_in() {
    let mut room = probe_with(
        &[],
        Limits {
            room_connections_max: 2,
            ..Limits::default()
        },
    );
    let ada = room.join("ada");
    let (bob, cleo) = (room.join("bob"), room.join("cleo"));
    assert_eq!(
        (room.closed(bob), room.closed(cleo)),
        (None, Some(CloseReason::RoomFull))
    );
    room.leave(ada);
    let dan = room.join("dan");
    assert_eq!(room.closed(dan), None);
}

#[test]
fn who_is_sent_away_hears_why_first_and_is_not_heard_again() {
    let mut room = probe(&[("leave", "say left {}")]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.hold_store();
    room.send(ada, "put a 1; one 2 goodbye; kick 2");
    room.send(bob, "say still here");
    assert_eq!(room.closed(bob), None, "what it is owed is not durable yet");
    room.release_store();
    assert_eq!(room.closed(bob), Some(CloseReason::Kicked));
    check(&mut room, bob, ["goodbye"]);
    check(&mut room, ada, ["left 2 Closed"]);
}

#[test]
fn start_join_and_leave_are_told() {
    let mut room = probe(&[
        ("start", "put why {}"),
        ("join", "say hello {}; get why"),
        ("leave", "say left {}"),
    ]);
    let ada = room.join("ada");
    check(&mut room, ada, ["hello 1", "why=Some(\"Created\")"]);
    let bob = room.join("bob");
    room.leave(bob);
    check(
        &mut room,
        ada,
        ["hello 2", "why=Some(\"Created\")", "left 2 Gone"],
    );
    room.unload();
    let cleo = room.join("cleo");
    check(&mut room, cleo, ["hello 3", "why=Some(\"Woken\")"]);
}

#[test]
fn tasks_come_back_once() {
    let mut room = probe(&[("task", "say {}")]);
    let ada = room.join("ada");
    room.send(ada, "task one; task two");
    let tasks: Vec<_> = room.tasks().to_vec();
    assert_eq!(
        tasks
            .iter()
            .map(|(_, spec)| &spec.name[..])
            .collect::<Vec<_>>(),
        ["one", "two"]
    );
    room.finish_task(tasks[1].0, TaskResult::Failed("nope".into()));
    room.finish_task(tasks[1].0, TaskResult::Done("again".into()));
    room.finish_task(tasks[0].0, TaskResult::Done("yes".into()));
    check(&mut room, ada, ["Failed(\"nope\")", "Done(b\"yes\")"]);
    // A room with a task is not idle, or the answer would find nobody.
    room.send(ada, "save x; task three");
    room.leave(ada);
    room.advance(120_000);
    assert!(!room.is_idle());
    let (three, _) = room.tasks()[0];
    room.finish_task(three, TaskResult::Done("late".into()));
    room.advance(60_000);
    assert!(room.is_idle());
}

#[test]
fn a_task_starts_only_when_the_event_that_asked_for_it_is_durable() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, "put a 1; task mail");
    assert_eq!(room.tasks().len(), 0);
    room.release_store();
    assert_eq!(room.tasks().len(), 1);
}

#[test]
fn a_room_in_which_nothing_was_written_leaves_nothing_behind() {
    let mut room = TestRoom::service(crate::service::Counter::open);
    let ada = room.join("ada");
    room.send(ada, "what?");
    room.unload();
    let list = StoreRequest::List(ListFilter {
        limit: 9,
        ..ListFilter::default()
    });
    assert_eq!(room.store().handle(list), StoreReply::Rooms(vec![]));
}

#[test]
fn the_meta_names_the_kind_though_the_first_append_failed() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.fail_store(crate::store::StoreError::Full);
    room.send(ada, "put a 1; say ok");
    assert_eq!(room.closed(ada), Some(CloseReason::RoomFault));
    room.advance(100);
    let bob = room.join("bob");
    room.send(bob, "put a 1; say ok");
    let list = StoreRequest::List(ListFilter {
        limit: 9,
        ..ListFilter::default()
    });
    let StoreReply::Rooms(rooms) = room.store().handle(list) else {
        panic!("rooms")
    };
    assert_eq!((rooms[0].kind.as_str(), rooms[0].head), ("service", 1));
}

#[test]
fn sessions_are_never_mixed_up() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.leave(ada);
    // What was under way when it left.
    room.input(crate::room::Input::Message(
        ada,
        crate::protocol::ClientMessage::Frame("say ghost".into()),
    ));
    room.input(crate::room::Input::Leave(SessionId(99)));
    room.input(crate::room::Input::End(SessionId(99), CloseReason::Expired));
    let bob = room.join("bob");
    check(&mut room, bob, []);
    room.input(crate::room::Input::End(bob, CloseReason::Expired));
    assert_eq!(room.closed(bob), Some(CloseReason::Expired));
    assert_eq!(room.room().session_count(), 0);
}
