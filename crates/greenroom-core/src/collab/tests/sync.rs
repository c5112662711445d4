//! Joining, coming back, hearing of each other.

use super::*;
use crate::room::Input;
use crate::store::{Part, StoreReply, StoreRequest};

#[test]
fn two_write_and_read_each_other() {
    let mut room = room();
    let mut ada = Editor::join(&mut room, 1, "");
    let mut bob = Editor::join(&mut room, 2, "");
    ada.write(&mut room, "one ");
    settle(&mut room, &mut [&mut ada, &mut bob]);
    bob.write(&mut room, "two");
    settle(&mut room, &mut [&mut ada, &mut bob]);
    assert_eq!(
        (ada.text(), bob.text()),
        ("one two".into(), "one two".into())
    );
    assert!(ada.synced && bob.synced);
}

#[test]
fn who_joins_late_gets_everything_in_one_step_2_and_never_an_empty_one_first() {
    for unload in [true, false] {
        let mut room = room();
        let mut ada = Editor::join(&mut room, 1, "");
        for n in 0..10 {
            ada.write(&mut room, &format!("{n} "));
        }
        ada.hear(&mut room);
        room.advance(200);
        if unload {
            room.unload()
        } else {
            room.crash()
        }
        for expected in ["12", "12"] {
            let mut bob = Editor::join(&mut room, 2, "");
            bob.hear(&mut room);
            assert_eq!(
                (bob.text(), bob.log()),
                (ada.text(), expected.into()),
                "unloaded {unload}"
            );
        }
    }
}

#[test]
fn who_comes_back_up_to_date_is_answered_without_a_job() {
    let mut room = room();
    let mut ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "hello");
    ada.hear(&mut room);
    room.advance(200);
    room.crash();
    room.hold_jobs();
    ada.rejoin(&mut room, "");
    assert_eq!((ada.hear(&mut room).log(), room.jobs()), ("12".into(), 0));
    // With what it deleted meanwhile elsewhere.
    let mut bob = Editor::join(&mut room, 2, "");
    room.release_jobs();
    settle(&mut room, &mut [&mut bob]);
    room.send(bob.session, sync(2, &[0, 1, 1, 1, 0, 2]));
    room.hold_jobs();
    room.leave(ada.session);
    ada.rejoin(&mut room, "");
    assert_eq!((ada.hear(&mut room).text(), room.jobs()), ("llo".into(), 0));
}

#[test]
fn offline_edits_come_back_and_reach_the_others() {
    let mut room = room();
    let mut ada = Editor::join(&mut room, 1, "");
    let mut bob = Editor::join(&mut room, 2, "");
    settle(&mut room, &mut [&mut ada, &mut bob]);
    room.leave(bob.session);
    bob.write_offline("offline ");
    ada.write(&mut room, "online ");
    bob.rejoin(&mut room, "");
    settle(&mut room, &mut [&mut ada, &mut bob]);
    assert_eq!(ada.text(), bob.text());
    assert_eq!(ada.text().len(), "offline online ".len());
}

#[test]
fn who_joins_while_a_job_runs_misses_nothing() {
    let mut room = room();
    let mut ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one ");
    room.hold_jobs();
    let mut bob = Editor::join(&mut room, 2, "");
    ada.write(&mut room, "two ");
    // The job that runs for Bob knows nothing of this; Cleo was not there when it was relayed.
    let mut cleo = Editor::join(&mut room, 3, "");
    room.release_jobs();
    settle(&mut room, &mut [&mut ada, &mut bob, &mut cleo]);
    assert_eq!(
        (bob.text(), cleo.text()),
        ("one two ".into(), "one two ".into())
    );
}

#[test]
fn who_asks_again_while_a_job_runs_is_answered_for_what_it_asked_last() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one ");
    room.hold_jobs();
    let mut bob = Editor::join(&mut room, 2, "");
    bob.ask(&mut room);
    room.release_jobs();
    bob.hear(&mut room);
    assert!(bob.synced);
    assert_eq!(bob.text(), "one ");
}

#[test]
fn who_leaves_while_a_job_runs_is_no_trouble() {
    let mut room = room();
    let mut ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one ");
    room.hold_jobs();
    let bob = Editor::join(&mut room, 2, "");
    room.leave(bob.session);
    room.release_jobs();
    ada.hear(&mut room);
    assert_eq!(room.notes(), [] as [&str; 0]);
}

#[test]
fn named_documents_do_not_hear_each_other() {
    let mut room = room();
    let mut ada = Editor::join(&mut room, 1, "");
    let mut bob = Editor::join(&mut room, 2, "b");
    settle(&mut room, &mut [&mut ada, &mut bob]);
    (_, _) = (ada.log(), bob.log());
    ada.write(&mut room, "a");
    bob.write(&mut room, "b");
    room.send(ada.session, awareness(&[(1, 1, "{}")]));
    settle(&mut room, &mut [&mut ada, &mut bob]);
    assert_eq!((ada.text(), bob.text()), ("a".into(), "b".into()));
    assert_eq!((ada.log(), bob.log()), ("a".into(), String::new()));
    // Both are there after a restart, each on its own.
    room.unload();
    for (document, text) in [("", "a"), ("b", "b"), ("c", "")] {
        let mut zoe = Editor::join(&mut room, 9, document);
        assert_eq!(zoe.hear(&mut room).text(), text, "in {document}");
        assert!(zoe.synced);
    }
}

#[test]
fn documents_that_nobody_wrote_are_forgotten() {
    let mut room = room_with(limits(|l| l.documents_max = 2));
    for name in ["a", "b", "c", "d"] {
        let peer = room.join_yjs("ada", name);
        assert_eq!(room.closed(peer), None, "{name}");
        room.leave(peer);
    }
    let written = [room.join_yjs("ada", "a"), room.join_yjs("ada", "b")];
    for peer in written {
        room.send(peer, sync(2, &insertion(1, 0, "x")));
    }
    let peer = room.join_yjs("ada", "c");
    assert!(room.closed(peer).is_some(), "the room has its documents");
    let peer = room.join_yjs("ada", "b");
    assert_eq!(room.closed(peer), None);
}

/// The requests of each kind that the store was asked while `run` runs.
fn puts(room: &mut TestRoom, run: impl Fn(&mut TestRoom)) -> Vec<(Part, u64)> {
    room.hold_store();
    run(room);
    let mut puts = Vec::new();
    while let Some(request) = room.held_requests().first().cloned() {
        if let StoreRequest::PutSnapshot { snapshot, .. } = request {
            puts.push((snapshot.part, snapshot.seq));
        }
        room.answer_store();
        room.advance(100);
    }
    room.release_store();
    puts
}

#[test]
fn a_document_is_compacted_when_it_has_grown_and_loads_from_the_snapshot() {
    let mut room = room_with(limits(|l| l.compact_updates_max = 10));
    let ada = Editor::join(&mut room, 1, "");
    let snapshots = puts(&mut room, |room| {
        for n in 0..25 {
            ada.write(room, &format!("{n} "));
        }
        room.advance(100);
    });
    let parts: Vec<_> = snapshots.iter().map(|(part, _)| part.name()).collect();
    assert_eq!(parts, ["document:", "document:"]);
    room.advance(100);
    room.crash();
    let mut bob = Editor::join(&mut room, 2, "");
    assert_eq!(bob.hear(&mut room).text(), ada.text());
}

#[test]
fn a_document_is_compacted_by_its_bytes_as_well() {
    for (bytes_min, is_due) in [(200, true), (2_000, false)] {
        let mut room = room_with(limits(|l| l.compact_bytes_min = bytes_min));
        let ada = Editor::join(&mut room, 1, "");
        let snapshots = puts(&mut room, |room| {
            ada.write(room, &"x".repeat(300));
            room.advance(100);
        });
        assert_eq!(!snapshots.is_empty(), is_due, "{bytes_min}");
    }
}

#[test]
fn a_quiet_document_does_not_hold_on_to_the_journal() {
    let mut room = room_with(limits(|l| l.compact_updates_max = 10));
    let quiet = Editor::join(&mut room, 1, "quiet");
    quiet.write(&mut room, "q");
    let busy = Editor::join(&mut room, 2, "busy");
    for n in 0..100 {
        busy.write(&mut room, &format!("{n} "));
        room.advance(100);
    }
    let read = StoreRequest::Read {
        room: greenroom_service::RoomId::new("test").unwrap(),
        from_seq: 1,
        bytes_max: 1 << 20,
    };
    let StoreReply::Rows { rows, .. } = room.store().handle(read) else {
        panic!("rows")
    };
    assert!(rows.len() < 50, "{} rows", rows.len());
    room.crash();
    for (document, editor) in [("quiet", &quiet), ("busy", &busy)] {
        let mut zoe = Editor::join(&mut room, 9, document);
        assert_eq!(zoe.hear(&mut room).text(), editor.text());
    }
}

#[test]
fn an_unused_engine_is_dropped_and_made_again() {
    let mut room = room();
    let mut ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one");
    let mut bob = Editor::join(&mut room, 2, "");
    bob.hear(&mut room);
    room.advance(60_000);
    assert_eq!(
        room.room().poll_timeout(),
        None,
        "nothing is left to be done"
    );
    ada.write(&mut room, " two");
    let mut cleo = Editor::join(&mut room, 3, "");
    assert_eq!(cleo.hear(&mut room).text(), "one two");
    settle(&mut room, &mut [&mut ada, &mut bob]);
}

#[test]
fn a_shutdown_commits_what_was_relayed_early() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "early");
    room.input(Input::Drain(crate::room::Drain::Shutdown));
    room.load();
    let mut bob = Editor::join(&mut room, 2, "");
    assert_eq!(bob.hear(&mut room).text(), "early");
}

#[test]
fn a_shutdown_while_a_job_runs_does_not_wait_for_it() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "early");
    room.hold_jobs();
    let _bob = Editor::join(&mut room, 2, "");
    // An update that waits for its trial is in the peer's hands.
    room.send(ada.session, sync(2, &behind(9, 0, 8, 0, "x")));
    room.hold_store();
    room.drain(crate::room::Drain::Shutdown);
    // The job ends between the last append and the end of the lease.
    room.answer_store();
    room.release_jobs();
    room.release_store();
    assert_eq!(room.stopped(), Some(&crate::room::Stopped::Drained));
}

#[test]
fn a_room_may_hold_edits_back_until_they_are_durable() {
    let heard = |gated: bool| {
        let mut room = room();
        if gated {
            room.gate_edits();
            room.unload();
        }
        let mut ada = Editor::join(&mut room, 1, "");
        let mut bob = Editor::join(&mut room, 2, "");
        settle(&mut room, &mut [&mut ada, &mut bob]);
        room.hold_store();
        ada.write(&mut room, "hello");
        bob.hear(&mut room);
        let early = bob.text();
        // Who asks for everything gets no more than who listens.
        bob.ask(&mut room);
        bob.hear(&mut room);
        let asked = bob.text();
        room.release_store();
        bob.hear(&mut room);
        (early, asked, bob.text())
    };
    let hello = || "hello".to_owned();
    assert_eq!(heard(false), (hello(), hello(), hello()));
    assert_eq!(heard(true), (String::new(), String::new(), hello()));
}
