//! Awareness in a room.

use std::collections::BTreeMap;

use super::*;
use crate::collab::doc::awareness::read_awareness;
use crate::protocol::lib0::Reader;
use crate::room::Input;

fn told(room: &mut TestRoom, peer: SessionId) -> Vec<Bytes> {
    room.frames(peer)
        .into_iter()
        .filter(|frame| frame[0] == 1)
        .collect()
}

#[test]
fn a_returning_tab_is_seen_at_once_though_its_clock_is_old() {
    let mut room = room();
    let (ada, bob) = (
        join(&mut room, "ada", Rights::ALL),
        join(&mut room, "bob", Rights::ALL),
    );
    room.send(ada, awareness(&[(1, 5, "{}")]));
    told(&mut room, bob);
    room.leave(ada);
    assert_eq!(told(&mut room, bob), [awareness(&[(1, 5, "null")])]);
    // The same tab comes back over a new connection with the clock that it had.
    let ada = join(&mut room, "ada", Rights::ALL);
    room.send(ada, awareness(&[(1, 5, "{}")]));
    let revived = [awareness(&[(1, 6, "{}")])];
    assert_eq!(told(&mut room, bob), revived);
    assert_eq!(told(&mut room, ada), revived, "it adopts the higher clock");
}

#[test]
fn a_half_open_connection_is_taken_over_by_the_same_user_alone() {
    for (user, takes_over) in [("ada", true), ("eve", false)] {
        let mut room = room();
        let old = join(&mut room, "ada", Rights::ALL);
        let bob = join(&mut room, "bob", Rights::ALL);
        room.send(old, awareness(&[(1, 5, "{}")]));
        let new = join(&mut room, user, Rights::ALL);
        room.send(new, awareness(&[(1, 6, r#"{"new":1}"#)]));
        told(&mut room, bob);
        // When the dead connection is noticed, the tab is still there, if it is the same user's.
        room.leave(old);
        let gone = !told(&mut room, bob).is_empty();
        assert_eq!(gone, !takes_over, "by {user}");
    }
}

#[test]
fn nobody_takes_over_from_an_anonymous_peer_of_elsewhere() {
    for (origin, takes_over) in [("203.0.113.1", true), ("203.0.113.2", false)] {
        let mut room = room();
        let anonymous = |origin: &str| Hello {
            user: None,
            origin: origin.into(),
            ..hello("", Protocol::Yjs, "")
        };
        let old = room.join_with(anonymous("203.0.113.1"));
        let bob = join(&mut room, "bob", Rights::ALL);
        room.send(old, awareness(&[(1, 5, "{}")]));
        told(&mut room, bob);
        let new = room.join_with(anonymous(origin));
        room.send(new, awareness(&[(1, 6, r#"{"new":1}"#)]));
        assert_eq!(
            !told(&mut room, bob).is_empty(),
            takes_over,
            "from {origin}"
        );
    }
}

#[test]
fn what_is_not_renewed_expires_after_30_s_and_is_forgotten_after_60_more() {
    let mut room = room();
    let (ada, bob) = (
        join(&mut room, "ada", Rights::ALL),
        join(&mut room, "bob", Rights::ALL),
    );
    room.send(ada, awareness(&[(1, 5, "{}")]));
    told(&mut room, bob);
    room.advance(29_999);
    assert_eq!(told(&mut room, bob), [] as [Bytes; 0]);
    room.advance(1);
    assert_eq!(told(&mut room, bob), [awareness(&[(1, 5, "null")])]);
    room.advance(60_000);
    assert_eq!(
        room.room().poll_timeout(),
        None,
        "nothing is left to be done"
    );
}

#[test]
fn a_renewal_keeps_it_and_is_echoed() {
    let mut room = room();
    let ada = join(&mut room, "ada", Rights::ALL);
    for clock in 1..10 {
        let renewal = awareness(&[(1, clock, "{}")]);
        room.send(ada, renewal.clone());
        assert_eq!(told(&mut room, ada), [renewal]);
        room.advance(15_000);
    }
}

#[test]
fn presence_survives_a_rebuild() {
    let mut room = room();
    let ada = join(&mut room, "ada", Rights::ALL);
    room.send(ada, awareness(&[(1, 5, "{}")]));
    room.send(ada, sync(2, &insertion(5, 0, "x")));
    room.fail_store(crate::store::StoreError::Full);
    room.advance(100);
    let bob = room.join_yjs("bob", "");
    assert_eq!(told(&mut room, bob), [awareness(&[(1, 5, "{}")])]);
    room.leave(ada);
    assert_eq!(told(&mut room, bob), [awareness(&[(1, 5, "null")])]);
}

#[test]
fn presence_goes_on_while_the_store_takes_no_writes() {
    let mut room = TestRoom::new(collab_rooms());
    let (ada, bob) = (
        join(&mut room, "ada", Rights::ALL),
        join(&mut room, "bob", Rights::ALL),
    );
    room.send(ada, sync(2, &insertion(5, 0, "x")));
    room.fail_store(crate::store::StoreError::Full);
    room.advance(100);
    for clock in 5..8 {
        room.send(ada, awareness(&[(1, clock, "{}")]));
    }
    assert_eq!(told(&mut room, bob), [awareness(&[(1, 5, "{}")])]);
    room.advance(10);
    assert_eq!(told(&mut room, bob), [awareness(&[(1, 7, "{}")])]);
    room.send(ada, sync(2, &insertion(5, 0, "x")));
    assert!(
        matches!(room.heard(ada).last(), Some(Heard::Denied(_))),
        "writes are held"
    );
}

#[test]
fn whoever_is_ended_is_gone_for_the_others() {
    let mut room = room();
    let (ada, bob) = (
        join(&mut room, "ada", Rights::ALL),
        join(&mut room, "bob", Rights::ALL),
    );
    room.send(ada, awareness(&[(1, 5, "{}")]));
    told(&mut room, bob);
    room.input(Input::End(ada, crate::close_reason::CloseReason::Expired));
    assert_eq!(told(&mut room, bob), [awareness(&[(1, 5, "null")])]);
}

/// The entries of these frames: client and whether it is there; a later one wins.
fn shown(frames: &[Bytes]) -> BTreeMap<u64, bool> {
    let mut shown = BTreeMap::new();
    for frame in frames {
        let body = Reader::new(&frame[1..]).var_bytes().unwrap();
        let body = Bytes::copy_from_slice(body);
        for entry in read_awareness(&body, &Limits::default()).unwrap() {
            shown.insert(entry.client, entry.state.is_some());
        }
    }
    shown
}

#[test]
fn who_falls_behind_hears_who_left_meanwhile() {
    let mut room = room_with(limits(|l| l.outbox_bytes_max = 2_000));
    let peers = ["ada", "bob", "cleo", "dan"];
    let [ada, bob, cleo, dan] = peers.map(|name| join(&mut room, name, Rights::ALL));
    for (client, peer) in [(1, ada), (3, cleo), (4, dan)] {
        room.send(peer, awareness(&[(client, 5, "{}")]));
    }
    assert_eq!(
        shown(&told(&mut room, bob)),
        [(1, true), (3, true), (4, true)].into()
    );
    room.stop_reading(bob);
    room.leave(cleo);
    room.send(dan, awareness(&[(4, 6, "null")]));
    // So much that what was said of them is dropped.
    for clock in 0..40 {
        room.send(ada, sync(2, &insertion(5, clock, "x")));
    }
    room.resume_reading(bob);
    assert_eq!(
        shown(&told(&mut room, bob)),
        [(1, true), (3, false), (4, false)].into()
    );
}
