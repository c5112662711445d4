//! The output gate and the commit window.

use super::*;
use crate::close_reason::CloseReason;
use crate::store::StoreRequest;

fn appends(room: &TestRoom) -> Vec<(u64, u64)> {
    room.held_requests()
        .iter()
        .map(|request| match request {
            StoreRequest::Append(append) => (append.first_seq, append.count),
            other => panic!("{other:?} is no append"),
        })
        .collect()
}

#[test]
fn one_commit_runs_while_the_next_collects() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.hold_store();
    for script in ["put a 1; say one", "put a 2; say two", "put a 3; say three"] {
        room.send(ada, script);
    }
    assert_eq!(appends(&room), [(1, 1)]);
    room.answer_store();
    check(&mut room, ada, ["one"]);
    assert_eq!(appends(&room), [(2, 2)]);
    room.answer_store();
    check(&mut room, ada, ["two", "three"]);
}

#[test]
fn nothing_overtakes_a_held_frame() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.hold_store();
    room.send(ada, "put a 1; say durable");
    // Neither an event without a record, nor a refusal, nor one to this session alone.
    room.send(bob, "say broadcast; one 2 private");
    room.send(bob, "refuse");
    check(&mut room, ada, []);
    check(&mut room, bob, []);
    room.release_store();
    check(&mut room, ada, ["durable", "broadcast"]);
    check(&mut room, bob, ["durable", "broadcast", "private", REFUSED]);
}

#[test]
fn what_no_record_holds_leaves_at_once() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.hold_store();
    room.send(ada, "say hi");
    check(&mut room, bob, ["hi"]);
    assert_eq!(room.held_requests().len(), 0);
}

#[test]
fn a_record_for_which_nobody_waits_waits_for_company() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.set_clock(ms(30));
    room.hold_store();
    room.send(ada, "put a 1");
    room.send(ada, "put b 2");
    room.advance(69);
    assert_eq!(appends(&room), []);
    room.advance(1);
    assert_eq!(appends(&room), [(1, 2)], "aligned to the window");
}

#[test]
fn many_bytes_do_not_wait() {
    let limits = Limits {
        commit_bytes_max: 100,
        ..Limits::default()
    };
    let mut room = probe_with(&[], limits);
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, &format!("put a {}", "x".repeat(80))[..]);
    assert_eq!(appends(&room), []);
    room.send(ada, &format!("put b {}", "x".repeat(80))[..]);
    assert_eq!(appends(&room), [(1, 2)]);
}

#[test]
fn newest_wins_per_slot() {
    let mut room = probe(&[]);
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    room.stop_reading(bob);
    for script in [
        "latest 1 a1",
        "latest 2 b1",
        "say x",
        "latest 1 a2",
        "latest 1 a3",
    ] {
        room.send(ada, script);
    }
    check(&mut room, ada, ["a1", "b1", "x", "a2", "a3"]);
    room.resume_reading(bob);
    check(&mut room, bob, ["b1", "x", "a3"]);
}

#[test]
fn a_slot_that_is_written_all_the_time_does_not_starve() {
    let mut room = probe(&[]);
    let ada = room.join("ada");
    room.hold_store();
    room.send(ada, "put a 0; latest 1 v0");
    let mut heard = Vec::new();
    for round in 1..10 {
        // Whenever the store answers, a newer record is under way already.
        room.send(ada, &format!("put a {round}; latest 1 v{round}")[..]);
        room.send(ada, &format!("put a {round}; latest 1 w{round}")[..]);
        room.answer_store();
        heard.extend(room.texts(ada));
    }
    assert!(heard.len() >= 8, "{heard:?}");
    room.release_store();
    check(&mut room, ada, ["w9"]);
}

#[test]
fn a_reader_that_does_not_read_costs_a_bounded_amount_and_is_closed_as_slow() {
    for script in ["say", "one 2"] {
        let mut room = probe(&[]);
        let (ada, bob) = (room.join("ada"), room.join("bob"));
        room.stop_reading(bob);
        let text = format!("{script} {}", "x".repeat(1_000));
        for _ in 0..3_000 {
            room.send(ada, &text[..]);
        }
        assert!(room.room().outbox_bytes() <= 1 << 20, "{script}");
        assert_eq!(room.closed(ada), None);
        room.resume_reading(bob);
        assert_eq!(room.closed(bob), Some(CloseReason::Slow), "{script}");
        assert_eq!(room.room().outbox_bytes(), 0);
    }
}

#[test]
fn small_frames_count_with_what_they_cost() {
    for script in ["say x", "one 2 x"] {
        let mut room = probe(&[]);
        let (ada, bob) = (room.join("ada"), room.join("bob"));
        room.stop_reading(bob);
        for _ in 0..30_000 {
            room.send(ada, script);
        }
        room.resume_reading(bob);
        assert_eq!(room.closed(bob), Some(CloseReason::Slow), "{script}");
    }
}

#[test]
fn one_frame_larger_than_the_limit_still_passes() {
    let mut room = probe_with(
        &[],
        Limits {
            outbox_bytes_max: 100,
            ..Limits::default()
        },
    );
    let (ada, bob) = (room.join("ada"), room.join("bob"));
    let large = "x".repeat(1_000);
    room.send(ada, &format!("say {large}")[..]);
    room.send(ada, &format!("one 2 {large}")[..]);
    check(&mut room, bob, [&large, &large]);
    assert_eq!(room.closed(bob), None);
}
