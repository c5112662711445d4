//! When the store takes no writes.

use super::*;
use crate::close_reason::CloseReason;
use crate::room::{Input, RoomState};
use crate::store::{StoreError, StoreReply, StoreRequest};

const UNAVAILABLE: &str = r#"{"error":{"code":"store_unavailable","reason":"the store takes no writes now, try again in some seconds"}}"#;

#[test]
fn a_failed_append_rolls_back_and_sends_raw_peers_away() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.send(ada, "put a 1; say ok");
    let hash = room.room().state_hash();
    room.frames(bob);
    room.hold_store();
    room.send(ada, "put a 2; say lost; task lost; kick 2");
    room.send(ada, "put a 3; say lost too");
    room.answer_store_with(StoreReply::Failed(StoreError::Full));
    room.release_store();
    assert_eq!(room.closed(bob), Some(CloseReason::RoomFault));
    check(&mut room, bob, []);
    assert_eq!((room.room().state_hash(), room.tasks().len()), (hash, 0));
}

#[test]
fn writes_are_held_for_longer_each_time_and_then_tried_again() {
    let mut room = probe(&[("start", "say started {}")]);
    let mut at = 0;
    for wait in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
        let ada = room.join("ada");
        room.fail_store(StoreError::Full);
        room.send(ada, "put a 1; say ok");
        assert_eq!(
            room.closed(ada),
            Some(CloseReason::RoomFault),
            "after {at} ms"
        );
        let bob = room.join("bob");
        room.frames(bob);
        room.advance(wait - 1);
        room.send(bob, "put a 1; say ok");
        check(&mut room, bob, [UNAVAILABLE]);
        room.advance(1);
        room.leave(bob);
        at += wait;
    }
    let ada = room.join("ada");
    room.frames(ada);
    room.send(ada, "put a 1; say ok");
    check(&mut room, ada, ["ok"]);
    // Once the store has taken something, the waits start small again.
    room.fail_store(StoreError::Full);
    room.send(ada, "put a 1; say ok");
    room.advance(100);
    let bob = room.join("bob");
    room.send(bob, "put a 1; say ok");
    check(&mut room, bob, ["ok"]);
}

#[test]
fn a_service_is_started_before_anything_else_though_writes_are_held() {
    let mut room = probe(&[("start", "put started {}"), ("join", "get started")]);
    let ada = room.join("ada");
    room.frames(ada);
    room.fail_store(StoreError::Full);
    room.send(ada, "put a 1; say ok");
    room.hold_store();
    let bob = room.join("bob");
    assert_eq!(room.held_requests().len(), 0, "no writes now");
    room.advance(100);
    room.release_store();
    check(&mut room, bob, ["started=Some(\"Rebuilt\")"]);
}

#[test]
fn a_due_timer_waits_for_writes_without_spinning() {
    let mut room = probe(&[("timer", "say {}")]);
    let ada = room.join("ada");
    room.send(ada, "timer t 50; say ok");
    room.fail_store(StoreError::Full);
    room.send(ada, "put a 1; say ok");
    let bob = room.join("bob");
    room.advance(99);
    check(&mut room, bob, []);
    room.advance(1);
    check(&mut room, bob, ["t"]);
}

#[test]
fn a_store_that_is_slow_to_read_is_waited_for_without_spinning() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.send(ada, "put a 1; say ok");
    room.hold_store();
    room.send(ada, "put a 2; say ok");
    room.answer_store_with(StoreReply::Failed(StoreError::Io("x".into())));
    assert_eq!(room.state(), RoomState::Rebuilding);
    room.advance(10_000);
    room.release_store();
    room.advance(1);
    let bob = room.join("bob");
    room.send(bob, "get a; put b 1; say ok");
    check(&mut room, bob, ["a=Some(\"1\")", "ok"]);
}

#[test]
fn an_append_that_reached_the_disk_though_it_failed_is_kept() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, "put a 1; say ok");
    let append = room.held_requests()[0].clone();
    assert_eq!(room.store().handle(append), StoreReply::Done);
    room.answer_store_with(StoreReply::Failed(StoreError::Io("no answer".into())));
    room.release_store();
    room.advance(100);
    let bob = room.join("bob");
    room.send(bob, "get a; put b 2; say ok");
    check(&mut room, bob, ["a=Some(\"1\")", "ok"]);
}

#[test]
fn a_snapshot_of_what_was_rolled_back_is_not_kept() {
    let limits = Limits {
        compact_updates_max: 2,
        ..Limits::default()
    };
    let mut room = probe_with(&[], limits);
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, "put a 1");
    room.send(ada, "put b 2; say ok");
    room.answer_store_with(StoreReply::Failed(StoreError::Full));
    while let Some(request) = room.held_requests().first().cloned() {
        assert!(!matches!(request, StoreRequest::PutSnapshot { .. }));
        room.answer_store();
    }
}

#[test]
fn a_snapshot_that_fails_costs_nothing() {
    let limits = Limits {
        compact_updates_max: 2,
        ..Limits::default()
    };
    let mut room = probe_with(&[], limits);
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, "put a 1");
    room.send(ada, "put b 2; say ok");
    room.answer_store();
    assert!(matches!(
        room.held_requests().first().cloned(),
        Some(StoreRequest::PutSnapshot { .. })
    ));
    room.answer_store_with(StoreReply::Failed(StoreError::Full));
    room.release_store();
    check(&mut room, ada, ["ok"]);
    room.crash();
    let bob = room.join("bob");
    room.send(bob, "get a; get b");
    check(&mut room, bob, ["a=Some(\"1\")", "b=Some(\"2\")"]);
}

#[test]
fn replies_to_what_nobody_asked_are_left_alone() {
    let mut room = probe(&[]);
    room.input(Input::StoreDone(
        crate::room::StoreTask(999),
        StoreReply::Done,
    ));
    room.input(Input::ComputeDone(
        crate::room::job::ComputeId(999),
        crate::room::job::JobDone::Panicked,
    ));
    assert_eq!(room.state(), RoomState::Live);
}
