//! How a room comes to live, from what is sound.

use bytes::Bytes;

use super::*;
use crate::room::{RoomState, Stopped};
use crate::store::{Part, Row, Snapshot, StoreError, StoreReply, StoreRequest};

/// A room that was written: entries a to e, one row each, snapshots after `snapshots` of them.
fn written(snapshots: &[usize]) -> TestRoom {
    let limits = Limits {
        compact_updates_max: 1_000,
        ..Limits::default()
    };
    let mut room = probe_with(&[("timer", "say {}")], limits);
    for (n, key) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        let ada = room.join("ada");
        room.send(ada, &format!("put {key} {n}; say ok")[..]);
        if snapshots.contains(&(n + 1)) {
            room.unload();
        }
    }
    room
}

/// Crashes and loads, with what the store gives changed by `damage`.
fn reload(room: &mut TestRoom, damage: impl Fn(&mut StoreReply)) {
    room.hold_store();
    room.crash();
    while let Some(request) = room.held_requests().first().cloned() {
        let mut reply = room.store().handle(request);
        damage(&mut reply);
        room.answer_store_with(reply);
    }
    room.release_store();
}

#[track_caller]
fn check_whole(room: &mut TestRoom) {
    assert_eq!(room.state(), RoomState::Live, "{:?}", room.stopped());
    let zoe = room.join("zoe");
    room.send(zoe, "get a; get b; get c; get d; get e");
    let heard = room.texts(zoe);
    let expected: Vec<_> = ["a", "b", "c", "d", "e"]
        .iter()
        .enumerate()
        .map(|(n, key)| format!("{key}=Some(\"{n}\")"))
        .collect();
    assert_eq!(heard, expected);
}

fn flip(data: &mut Bytes) {
    let mut bytes = data.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    *data = bytes.into();
}

fn on_rows(reply: &mut StoreReply, change: impl Fn(&mut Vec<Row>)) {
    if let StoreReply::Rows { rows, .. } = reply {
        change(rows);
    }
}

fn on_snapshots(reply: &mut StoreReply, change: impl Fn(&mut Vec<Snapshot>)) {
    if let StoreReply::Snapshots(snapshots) = reply {
        change(snapshots);
    }
}

#[test]
fn a_room_loads_from_snapshots_and_rows() {
    for snapshots in [&[][..], &[2], &[5], &[2, 4], &[1, 2, 3, 4, 5]] {
        let mut room = written(snapshots);
        reload(&mut room, |_| {});
        check_whole(&mut room);
        room.unload();
        check_whole({
            room.load();
            &mut room
        });
    }
}

#[test]
fn a_damaged_newest_snapshot_is_passed_over_for_the_older() {
    let mut room = written(&[2, 4]);
    reload(&mut room, |reply| {
        on_snapshots(reply, |snapshots| flip(&mut snapshots[0].data))
    });
    assert_eq!(room.notes().len(), 1);
    check_whole(&mut room);
}

#[test]
fn trimming_leaves_what_the_older_snapshot_needs() {
    let mut room = written(&[2, 4]);
    let read = StoreRequest::Read {
        room: greenroom_service::RoomId::new("test").unwrap(),
        from_seq: 1,
        bytes_max: 1 << 20,
    };
    let StoreReply::Rows { rows, .. } = room.store().handle(read) else {
        panic!("rows")
    };
    assert_eq!(
        rows.iter().map(|row| row.first_seq).collect::<Vec<_>>(),
        [3, 4, 5]
    );
}

#[test]
fn what_cannot_be_read_quarantines_and_stays() {
    type Damage = fn(&mut StoreReply);
    let cases: [(&str, &[usize], Damage); 6] = [
        ("a flipped bit", &[], |reply| {
            on_rows(reply, |rows| flip(&mut rows[1].data))
        }),
        ("a hole", &[], |reply| {
            on_rows(reply, |rows| drop(rows.remove(2)))
        }),
        ("a lost start", &[], |reply| {
            on_rows(reply, |rows| drop(rows.remove(0)))
        }),
        ("a lost end", &[], |reply| {
            on_rows(reply, |rows| drop(rows.pop()))
        }),
        ("both snapshots", &[2, 4], |reply| {
            on_snapshots(reply, |all| all.iter_mut().for_each(|s| flip(&mut s.data)));
        }),
        ("a stranger's row", &[], |reply| {
            on_rows(reply, |rows| rows[0].data = rows[1].data.clone());
        }),
    ];
    for (what, snapshots, damage) in cases {
        let mut room = written(snapshots);
        reload(&mut room, damage);
        let stopped = room.stopped();
        assert!(
            matches!(stopped, Some(Stopped::Quarantined(_))),
            "{what}: {stopped:?}"
        );
        // Nothing was written meanwhile: what was damaged on its way is whole at the next try.
        reload(&mut room, |_| {});
        check_whole(&mut room);
    }
}

#[test]
fn a_store_that_fails_or_answers_nonsense_stops_the_load() {
    let cases = [
        (
            StoreReply::Failed(StoreError::Held(crate::store::NodeId(2))),
            Stopped::Moved,
        ),
        (StoreReply::Failed(StoreError::Fenced), Stopped::Moved),
    ];
    for step in 0..3 {
        for (reply, expected) in &cases {
            assert_eq!(
                load_with(step, reply.clone()),
                Some(expected.clone()),
                "{reply:?} at {step}"
            );
        }
        for reply in [
            StoreReply::Failed(StoreError::Io("x".into())),
            StoreReply::Failed(StoreError::ReadOnly),
            StoreReply::Done,
            StoreReply::Queue(vec![]),
        ] {
            let stopped = load_with(step, reply.clone());
            assert!(
                matches!(stopped, Some(Stopped::StoreFailed(_))),
                "{reply:?} at {step}"
            );
        }
        let damaged = StoreReply::Failed(StoreError::Damaged("x".into()));
        assert!(matches!(
            load_with(step, damaged),
            Some(Stopped::Quarantined(_))
        ));
    }
    let endless = StoreReply::Rows {
        rows: vec![],
        more: true,
    };
    assert!(matches!(
        load_with(2, endless),
        Some(Stopped::StoreFailed(_))
    ));
}

/// Loads a written room; request number `step` is answered by `reply`.
fn load_with(step: usize, reply: StoreReply) -> Option<Stopped> {
    let mut room = written(&[2]);
    room.hold_store();
    room.crash();
    for _ in 0..step {
        room.answer_store();
    }
    room.answer_store_with(reply);
    room.stopped().cloned()
}

#[test]
fn a_snapshot_of_a_part_that_nobody_knows_is_left_alone() {
    let mut room = written(&[2]);
    reload(&mut room, |reply| {
        on_snapshots(reply, |all| {
            let mut stranger = all[0].clone();
            stranger.part = Part::Document("x".into());
            all.push(stranger);
        });
    });
    check_whole(&mut room);
}

#[test]
fn a_room_of_another_kind_is_left_alone() {
    let mut room = written(&[2]);
    room.upgrade(crate::collab::collab_rooms());
    room.crash();
    assert!(matches!(room.stopped(), Some(Stopped::Quarantined(_))));
    room.upgrade(probes(&[]));
    room.crash();
    check_whole(&mut room);
}

#[test]
fn time_never_runs_backwards_and_never_stands_still() {
    let mut room = probe(&[("timer", "time")]);
    let ada = room.join("ada");
    room.set_clock(ms(500_000));
    room.send(ada, "time; put a 1; say ok");
    room.set_clock(ms(400_000));
    room.send(ada, "time");
    let at = (1_500_000).to_string();
    check(&mut room, ada, [&at, "ok", &at]);
    // The machine comes back with a clock that is behind the last journaled time.
    room.set_clock(ms(0));
    room.crash();
    let bob = room.join("bob");
    room.send(bob, "time; timer t 1000");
    check(&mut room, bob, [&at]);
    room.advance(1_000);
    check(&mut room, bob, [&(1_501_000).to_string()]);
    // And what nobody waits for is committed in the window, not when the clock has caught up.
    room.send(bob, "put b 2");
    room.advance(200);
    assert_eq!(room.room().durable_seq(), 4);
}
