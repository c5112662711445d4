//! Unloading and shutting down.

use super::*;
use crate::close_reason::CloseReason;
use crate::room::{Drain, Input, RoomState, Stopped};
use crate::store::{StoreError, StoreReply, StoreRequest};

#[test]
fn an_empty_room_becomes_idle_and_one_that_would_lose_something_does_not() {
    let cases = [
        ("save x", true),
        ("put a 1", true),
        ("timer t 999999", true),
        ("say x", false),
    ];
    for (script, idle) in cases {
        let mut room = probe(&[]);
        let ada = room.join("ada");
        room.send(ada, script);
        room.advance(40_000);
        assert!(!room.is_idle(), "somebody is here");
        room.leave(ada);
        room.advance(29_999);
        assert!(!room.is_idle());
        room.advance(1);
        assert_eq!(room.is_idle(), idle, "{script}");
    }
}

#[test]
fn durable_timers_fire_after_a_crash_and_while_unloaded() {
    let mut room = probe(&[("timer", "put fired {}; time; get fired")]);
    let ada = room.join("ada");
    room.send(ada, "timer t 1000; timer u 5000; say ok");
    room.crash();
    let bob = room.join("bob");
    room.advance(1_000);
    check(&mut room, bob, ["1001000", "fired=Some(\"t\")"]);
    room.unload();
    assert_eq!(room.state(), RoomState::Stopped);
    room.advance(3_999);
    assert_eq!(room.state(), RoomState::Stopped);
    room.advance(1);
    assert_eq!(room.state(), RoomState::Live);
    let cleo = room.join("cleo");
    room.send(cleo, "get fired");
    check(&mut room, cleo, ["fired=Some(\"u\")"]);
}

#[test]
fn timers_fire_in_order_once_and_what_one_cancels_does_not() {
    let mut room = probe(&[("timer", "say {}; cancel b; timer c 5")]);
    let ada = room.join("ada");
    room.send(ada, "timer b 20; timer a 10; timer c 10; timer d 20");
    // All of a, c, d are due by then; a moves c and cancels b.
    room.set_clock(ms(25));
    room.input(Input::Timeout);
    check(&mut room, ada, ["a", "d"]);
    room.advance(4);
    check(&mut room, ada, []);
    room.advance(1);
    check(&mut room, ada, ["c"]);
}

#[test]
fn unloading_keeps_a_snapshot_and_gives_the_lease_up() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.send(ada, "put a 1");
    room.leave(ada);
    room.hold_store();
    room.drain(Drain::Unload);
    let mut kinds = Vec::new();
    while let Some(request) = room.held_requests().first().cloned() {
        kinds.push(match request {
            StoreRequest::Append(_) => "append",
            StoreRequest::PutSnapshot { .. } => "snapshot",
            StoreRequest::Release { .. } => "release",
            other => panic!("{other:?}"),
        });
        room.answer_store();
    }
    assert_eq!(kinds, ["append", "snapshot", "release"]);
    assert_eq!(room.stopped(), Some(&Stopped::Drained));
}

#[test]
fn a_shutdown_commits_what_is_left_and_tells_everybody() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, "put a 1; say one");
    room.send(ada, "put b 2");
    room.drain(Drain::Shutdown);
    let late = room.join("late");
    assert_eq!(room.closed(late), Some(CloseReason::Shutdown));
    room.drain(Drain::Shutdown);
    room.release_store();
    assert_eq!(room.stopped(), Some(&Stopped::Drained));
    assert_eq!(room.closed(ada), Some(CloseReason::Shutdown));
    room.load();
    let bob = room.join("bob");
    room.send(bob, "get a; get b");
    check(&mut room, bob, ["a=Some(\"1\")", "b=Some(\"2\")"]);
}

#[test]
fn a_shutdown_ends_every_load_with_the_lease_given_up() {
    // Drained after so many answers of the store; what is asked for after that.
    for answered in 0..4 {
        let mut room = probe(&[]);
        let ada = room.join("ada");
        room.send(ada, "put a 1; say ok");
        room.unload();
        room.hold_store();
        room.load();
        for _ in 0..answered {
            room.answer_store();
        }
        room.drain(Drain::Shutdown);
        let mut released = false;
        while let Some(request) = room.held_requests().first().cloned() {
            released |= matches!(request, StoreRequest::Release { .. });
            room.answer_store();
        }
        assert_eq!(room.stopped(), Some(&Stopped::Drained), "after {answered}");
        assert!(released, "after {answered}");
    }
}

#[test]
fn a_shutdown_during_a_rebuild_commits_what_committed_events_recorded() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.hold_store();
    room.send(bob, "put a 1; say one");
    room.send(bob, "put b 2; say two");
    room.send(ada, "fault");
    room.drain(Drain::Shutdown);
    assert_eq!(room.state(), RoomState::Rebuilding);
    while room.answer_store() {}
    assert_eq!(room.stopped(), Some(&Stopped::Drained));
    assert_eq!(room.closed(bob), Some(CloseReason::Shutdown));
    room.load();
    room.release_store();
    let cleo = room.join("cleo");
    room.send(cleo, "get a; get b");
    check(&mut room, cleo, ["a=Some(\"1\")", "b=Some(\"2\")"]);
}

#[test]
fn a_shutdown_whose_append_fails_says_so() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.send(ada, "put a 1");
    room.fail_store(StoreError::Full);
    room.drain(Drain::Shutdown);
    assert!(matches!(room.stopped(), Some(Stopped::StoreFailed(_))));
}

#[test]
fn a_room_that_lost_its_lease_sends_everybody_on() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, "put a 1; say one");
    room.answer_store_with(StoreReply::Failed(StoreError::Fenced));
    assert_eq!(room.stopped(), Some(&Stopped::Moved));
    assert_eq!(room.closed(ada), Some(CloseReason::Moved));
    assert_eq!(
        room.held_requests().len(),
        0,
        "nothing is written after that"
    );
}

#[test]
fn a_rebuild_that_finds_another_owner_sends_everybody_on() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.fail_store(StoreError::Held(crate::store::NodeId(2)));
    room.send(ada, "fault");
    assert_eq!(room.stopped(), Some(&Stopped::Moved));
    assert_eq!(room.closed(bob), Some(CloseReason::Moved));
}
