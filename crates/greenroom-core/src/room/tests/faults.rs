//! What a fault costs, and whom.

use super::*;
use crate::close_reason::CloseReason;
use crate::room::{RoomState, Stopped};

#[test]
fn a_fault_drops_the_effects_and_closes_the_sender_alone() {
    for end in ["fault", "panic"] {
        let mut room = probe(&[("start", "say start {}")]);
        let (ada, bob) = (room.join("ada"), room.join("bob"));
        room.send(bob, "put a 1; save s");
        room.send(
            ada,
            &format!("put a 2; save t; say lost; tag x; kick 2; task x; {end}")[..],
        );
        assert_eq!(room.closed(ada), Some(CloseReason::RoomFault), "{end}");
        assert_eq!((room.closed(bob), room.tasks().len()), (None, 0));
        check(&mut room, ada, []);
        check(&mut room, bob, ["start Rebuilt"]);
        room.send(bob, "get a; saved; count");
        check(
            &mut room,
            bob,
            ["a=Some(\"1\")", "saved Some(\"s\")", "1 here"],
        );
    }
}

#[test]
fn the_sender_is_held_off_for_a_minute_and_nobody_else() {
    let mut room = probe(&[]);
    let _stays = room.join("bob");
    let ada = room.join("ada");
    room.send(ada, "fault");
    for (at, closed) in [(0, true), (59_999, true), (60_000, false)] {
        room.set_clock(ms(at));
        let again = room.join("ada");
        assert_eq!(room.closed(again).is_some(), closed, "after {at} ms");
        let other = room.join("cleo");
        assert_eq!(room.closed(other), None);
    }
}

#[test]
fn tags_and_sessions_survive_a_rebuild() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.send(bob, "tag b");
    room.send(ada, "fault");
    room.send(bob, "tagged b here");
    check(&mut room, bob, ["here"]);
}

#[test]
fn a_rebuild_waits_for_what_was_submitted_and_inputs_wait_for_the_rebuild() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.hold_store();
    room.send(bob, "put a 1; say one");
    room.send(bob, "put b 2; say two");
    room.send(ada, "fault");
    assert_eq!(room.state(), RoomState::Rebuilding);
    room.send(bob, "get a; get b");
    let cleo = room.join("cleo");
    check(&mut room, bob, []);
    while room.answer_store() {}
    assert_eq!(room.state(), RoomState::Live);
    check(
        &mut room,
        bob,
        ["one", "two", "a=Some(\"1\")", "b=Some(\"2\")"],
    );
    assert_eq!(room.closed(cleo), None);
}

#[test]
fn a_timer_that_an_earlier_event_set_is_in_the_meta_though_the_next_event_faulted() {
    let mut room = probe(&[("timer", "put fired {}")]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.hold_store();
    room.send(bob, "put a 1");
    room.send(bob, "timer t 90000");
    room.send(ada, "fault");
    room.release_store();
    room.unload();
    room.advance(90_000);
    assert_eq!(room.state(), RoomState::Live, "loaded for its timer");
    let cleo = room.join("cleo");
    room.send(cleo, "get fired");
    check(&mut room, cleo, ["fired=Some(\"t\")"]);
}

#[test]
fn who_is_to_blame_decides_about_quarantine() {
    // Per case: who faults, when; whether the room is quarantined after the last.
    let cases: [(&[(&str, u64)], bool); 5] = [
        (&[("ada", 0), ("bob", 1)], false),
        (&[("ada", 0), ("bob", 1), ("cleo", 2)], true),
        (
            &[
                ("ada", 0),
                ("ada", 60_000),
                ("ada", 120_000),
                ("ada", 180_000),
            ],
            false,
        ),
        (&[("ada", 0), ("bob", 30_000), ("cleo", 60_000)], false),
        // It is still due after the rebuild, and faults again.
        (&[("timer", 0)], true),
    ];
    for (faults, quarantined) in cases {
        let mut room = probe(&[("timer", "panic")]);
        let _stays = room.join("zoe");
        for (who, at) in faults {
            room.advance(ms(*at).since(room.now()));
            if *who == "timer" {
                let eve = room.join("eve");
                room.send(eve, "timer t 0");
                room.advance(0);
            } else {
                let peer = room.join(who);
                room.send(peer, "fault");
            }
        }
        let stopped = matches!(room.stopped(), Some(Stopped::Quarantined(_)));
        assert_eq!(stopped, quarantined, "{faults:?}");
    }
}

#[test]
fn faults_are_counted_together_within_their_window() {
    for (window_ms, quarantined) in [(10, false), (1_000, true)] {
        let limits = Limits {
            fault_window_ms: window_ms,
            ..Limits::default()
        };
        let mut room = probe_with(&[], limits);
        let _stays = room.join("zoe");
        for who in ["ada", "bob", "cleo"] {
            let peer = room.join(who);
            room.send(peer, "fault");
            room.advance(20);
        }
        let stopped = matches!(room.stopped(), Some(Stopped::Quarantined(_)));
        assert_eq!(stopped, quarantined, "{window_ms}");
    }
}

#[test]
fn a_quarantined_room_closes_everybody_and_writes_nothing_more() {
    let mut room = probe(&[]);
    let zoe = room.join("zoe");
    for who in ["ada", "bob", "cleo"] {
        let peer = room.join(who);
        room.send(peer, "fault");
    }
    assert!(matches!(room.stopped(), Some(Stopped::Quarantined(_))));
    assert_eq!(room.closed(zoe), Some(CloseReason::RoomFault));
    assert_eq!(room.held_requests().len(), 0);
}

#[test]
fn a_start_that_faults_quarantines() {
    let mut room = probe(&[("start", "fault")]);
    assert!(matches!(room.stopped(), Some(Stopped::Quarantined(_))));
    assert_eq!(room.notes().len(), 3, "it was tried three times");
}

#[test]
fn one_who_faults_at_the_door_is_held_off_like_any_sender() {
    let mut room = probe(&[]);
    let _stays = room.join("zoe");
    for _ in 0..4 {
        let bomb = room.join("bomb");
        assert_eq!(room.closed(bomb), Some(CloseReason::RoomFault));
    }
    assert_eq!(room.state(), RoomState::Live);
    assert_eq!(room.notes().len(), 1, "tried once, held off then");
}

#[test]
fn one_who_faults_by_leaving_is_to_blame() {
    let mut room = probe(&[("leave", "panic")]);
    let _stays = room.join("zoe");
    for _ in 0..4 {
        let ada = room.join("ada");
        room.leave(ada);
    }
    assert_eq!(room.state(), RoomState::Live);
    assert_eq!(room.notes().len(), 1, "held off after the first time");
}

#[test]
fn a_refusal_that_changed_something_is_a_fault_where_that_is_checked() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.send(bob, "save clean");
    room.send(ada, "soil; refuse");
    if cfg!(debug_assertions) {
        assert_eq!(room.closed(ada), Some(CloseReason::RoomFault));
        room.send(bob, "saved");
        check(&mut room, bob, ["saved Some(\"clean\")"]);
    }
    assert_eq!(room.closed(bob), None);
}

#[test]
fn a_stuck_peer_of_a_foreign_protocol_is_slow_and_no_fault() {
    let mut room = probe_with(
        &[],
        Limits {
            outbox_bytes_max: 1_000,
            ..Limits::default()
        },
    );
    let ada = room.join_yjs("ada", "");
    room.stop_reading(ada);
    for _ in 0..100 {
        room.send(ada, bytes::Bytes::from_static(&[0, 0, 1, 0]));
    }
    room.resume_reading(ada);
    assert_eq!(room.closed(ada), Some(CloseReason::Slow));
    assert_eq!(room.notes(), [] as [&str; 0]);
}

#[test]
fn a_save_that_is_too_large_faults() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.send(ada, "grow 65536");
    assert_eq!(room.closed(ada), None);
    room.send(ada, "grow 65537");
    assert_eq!(room.closed(ada), Some(CloseReason::RoomFault));
    assert_eq!(room.closed(bob), None);
}

#[test]
fn services_have_limits() {
    let limits = Limits {
        entries_bytes_max: 8,
        timers_max: 1,
        tasks_max: 1,
        ..Limits::default()
    };
    let cases = [
        ("put a 1234567", "put a 12345678"),
        (
            "put a 123; delete a; put b 1234567",
            "put a 123; put b 1234",
        ),
        ("timer a 9; timer a 8", "timer a 9; timer b 8"),
        ("task a", "task a; task b"),
    ];
    for (fine, too_much) in cases {
        let mut room = probe_with(&[], limits.clone());
        let ada = room.join("ada");
        room.send(ada, fine);
        assert_eq!(room.closed(ada), None, "{fine}");
        room.send(ada, too_much);
        assert_eq!(room.closed(ada), Some(CloseReason::RoomFault), "{too_much}");
    }
}
