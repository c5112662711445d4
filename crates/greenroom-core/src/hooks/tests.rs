//! Marks and their order, on virtual time.

use greenroom_service::{Millis, RoomId};

use super::{Begun, Deliveries, Ended, Event, Mark, Pace, Unloaded, Why};

const PACE: Pace = Pace {
    quiet_ms: 2_000,
    wait_ms_max: 10_000,
    give_up_ms: 60_000,
};

fn room(name: &str) -> RoomId {
    RoomId::new(name).unwrap()
}

fn changed(name: &str, document: &str, at: u64) -> Mark {
    Mark {
        room: room(name),
        at: Millis(at),
        event: Event::Changed(document.into()),
    }
}

fn unloaded(name: &str, at: u64) -> Mark {
    Mark {
        room: room(name),
        at: Millis(at),
        event: Event::Unloaded {
            seq: 7,
            why: Unloaded::Idle,
        },
    }
}

fn deliveries() -> Deliveries {
    Deliveries::new(100, 2, 1)
}

fn begun(deliveries: &mut Deliveries, now: u64) -> Option<Mark> {
    deliveries.poll(Millis(now)).map(|Begun { mark, .. }| mark)
}

/// How what was begun ended, and why it left the queue, if it did.
fn end(deliveries: &mut Deliveries, now: u64, name: &str, how: Ended) -> Option<Why> {
    let finished = deliveries.ended(Millis(now), &room(name), how);
    finished.map(|finished| finished.why)
}

#[test]
fn a_mark_is_read_as_it_was_written() {
    let shutdown = Mark {
        event: Event::Unloaded {
            seq: 1 << 40,
            why: Unloaded::Shutdown,
        },
        ..changed("a/b", "", 1 << 41)
    };
    for mark in [changed("é", "doc", 5), unloaded("a", 0), shutdown] {
        let item = mark.encode();
        assert_eq!(Mark::decode(&item), Some(mark));
        for end in 0..item.len() {
            assert_eq!(Mark::decode(&item[..end]), None, "cut at {end}");
        }
        assert_eq!(Mark::decode(&[&item[..], &[0]].concat()), None);
    }
    assert_eq!(Mark::decode(b"\x09somebody else's"), None);
}

#[test]
fn a_change_waits_until_the_document_is_left_alone() {
    let mut all = deliveries();
    assert_eq!(all.queued(1, changed("a", "", 1_000), PACE), None);
    assert_eq!(all.poll_timeout(), Some(Millis(3_000)));
    assert_eq!(begun(&mut all, 2_999), None);
    let first = all.poll(Millis(3_000)).unwrap();
    assert_eq!((first.latest, first.tries), (Millis(11_000), 0));
    // The room says that somebody types: that is no try.
    assert_eq!(end(&mut all, 3_000, "a", Ended::Later(Millis(4_500))), None);
    assert_eq!(begun(&mut all, 4_499), None);
    let again = all.poll(Millis(4_500)).unwrap();
    assert_eq!((again.latest, again.tries), (Millis(11_000), 0));
    assert_eq!(end(&mut all, 4_600, "a", Ended::Told), Some(Why::Told));
    assert!(all.is_empty() && all.poll_timeout().is_none());
}

#[test]
fn one_that_changed_while_it_was_told_is_told_again() {
    let mut all = deliveries();
    all.queued(1, changed("a", "", 0), PACE);
    assert!(begun(&mut all, 2_000).is_some());
    assert_eq!(end(&mut all, 2_100, "a", Ended::ToldInPart), None);
    assert_eq!(all.oldest(), Some(Millis(2_100)));
    assert_eq!(begun(&mut all, 4_099), None);
    assert!(begun(&mut all, 4_100).is_some());
    assert_eq!(end(&mut all, 4_200, "a", Ended::Told), Some(Why::Told));
}

#[test]
fn a_room_has_one_delivery_at_a_time_and_rooms_do_not_wait_for_each_other() {
    let mut all = deliveries();
    all.queued(1, changed("a", "x", 0), PACE);
    all.queued(2, changed("a", "y", 1), PACE);
    all.queued(3, changed("b", "", 2), PACE);
    all.queued(4, changed("c", "", 3), PACE);
    assert_eq!(begun(&mut all, 5_000), Some(changed("a", "x", 0)));
    assert_eq!(begun(&mut all, 5_000), Some(changed("b", "", 2)));
    assert_eq!(
        (begun(&mut all, 5_000), all.poll_timeout()),
        (None, None),
        "two at a time"
    );
    assert_eq!(end(&mut all, 5_001, "a", Ended::Told), Some(Why::Told));
    assert_eq!(begun(&mut all, 5_001), Some(changed("a", "y", 1)));
    assert_eq!(end(&mut all, 5_002, "b", Ended::Moot), Some(Why::Moot));
    assert_eq!(begun(&mut all, 5_002), Some(changed("c", "", 3)));
}

#[test]
fn the_end_of_a_room_is_told_last_and_lets_nothing_wait() {
    let mut all = deliveries();
    all.queued(1, changed("a", "x", 1_000), PACE);
    all.queued(2, changed("a", "y", 1_500), PACE);
    all.queued(3, unloaded("a", 1_600), PACE);
    // The next life of the room.
    all.queued(4, changed("a", "z", 1_700), PACE);
    for (mark, now) in [
        (changed("a", "x", 1_000), 1_600),
        (changed("a", "y", 1_500), 1_600),
        (unloaded("a", 1_600), 1_600),
        (changed("a", "z", 1_700), 3_700),
    ] {
        assert_eq!(begun(&mut all, now), Some(mark));
        assert_eq!(end(&mut all, now, "a", Ended::Told), Some(Why::Told));
    }
}

#[test]
fn who_fails_is_asked_less_and_less_often_and_given_up_at_last() {
    let mut all = deliveries();
    all.queued(1, changed("a", "", 0), PACE);
    let (mut now, mut waits) = (2_000, Vec::new());
    loop {
        assert!(begun(&mut all, now).is_some());
        match end(&mut all, now, "a", Ended::Failed) {
            None => {}
            Some(why) => {
                assert_eq!((why, now >= 60_000), (Why::GivenUp, true));
                break;
            }
        }
        let next = all.poll_timeout().unwrap().0;
        waits.push(next - now);
        now = next;
    }
    for (wait, least) in waits.iter().zip([1, 2, 4, 8, 16, 32]) {
        let least = least * 1_000;
        assert!((least..=least * 3 / 2).contains(wait), "{waits:?}");
    }
    assert!(all.is_empty());
}

#[test]
fn an_older_mark_of_the_same_and_too_many_leave_at_once() {
    let mut all = Deliveries::new(2, 2, 1);
    let why = |finished: Option<super::Finished>| finished.map(|f| (f.id, f.why));
    assert_eq!(all.queued(1, changed("a", "", 0), PACE), None);
    assert!(begun(&mut all, 9_000).is_some());
    let double = all.queued(2, changed("a", "", 5), PACE);
    assert_eq!(why(double), Some((2, Why::Double)));
    assert_eq!(all.queued(3, unloaded("a", 6), PACE), None);
    let more = all.queued(4, unloaded("b", 6), PACE);
    assert_eq!((why(more), all.len()), (Some((4, Why::Overflow)), 2));
}
