//! Failed appends, slow readers, lost jobs, updates that the engine cannot take.

use super::*;
use crate::close_reason::CloseReason;
use crate::collab::doc::ask::Ask;
use crate::room::RoomState;
use crate::room::request::{ContentRequest, Reply, Request};
use crate::store::envelope::{Record, RecordKind, encode_row, seal_snapshot};
use crate::store::{
    Append, MetaChange, NodeId, Part, Snapshot, StoreError, StoreReply, StoreRequest,
};

#[test]
fn a_failed_append_asks_every_peer_when_writes_resume() {
    let mut room = room();
    let mut ada = Editor::join(&mut room, 1, "");
    let mut bob = Editor::join(&mut room, 2, "");
    settle(&mut room, &mut [&mut ada, &mut bob]);
    (_, _) = (ada.log(), bob.log());
    ada.write(&mut room, "lost? ");
    room.fail_store(StoreError::Full);
    room.advance(100);
    assert_eq!(
        (room.closed(ada.session), room.closed(bob.session)),
        (None, None)
    );
    // What is sent meanwhile is refused, and asked for again.
    ada.write(&mut room, "refused? ");
    assert_eq!(bob.hear(&mut room).log(), "u");
    assert_eq!(ada.hear(&mut room).log(), "!");
    room.advance(100);
    settle(&mut room, &mut [&mut ada, &mut bob]);
    assert_eq!((ada.log(), bob.log()), ("1".into(), "1u".into()));
    room.advance(200);
    room.crash();
    let mut cleo = Editor::join(&mut room, 3, "");
    assert_eq!(cleo.hear(&mut room).text(), "lost? refused? ");
    assert_eq!(bob.text(), cleo.text());
}

#[test]
fn who_waited_for_an_answer_when_the_room_was_built_anew_gets_one() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one ");
    room.advance(200);
    room.hold_jobs();
    let mut bob = Editor::join(&mut room, 2, "");
    room.fail_store(StoreError::Full);
    ada.write(&mut room, "two ");
    room.advance(100);
    assert_eq!(room.state(), RoomState::Rebuilding);
    room.release_jobs();
    room.advance(2_000);
    bob.hear(&mut room);
    assert!(bob.synced, "{}", bob.log);
    assert_eq!(bob.text(), "one two ");
}

/// A room with little room for what waits, and a stuck reader in it.
fn stuck(outbox_bytes_max: usize) -> (TestRoom, Editor, Editor) {
    let mut room = room_with(limits(|l| l.outbox_bytes_max = outbox_bytes_max));
    let mut ada = Editor::join(&mut room, 1, "");
    let mut bob = Editor::join(&mut room, 2, "");
    settle(&mut room, &mut [&mut ada, &mut bob]);
    room.stop_reading(bob.session);
    bob.log();
    (room, ada, bob)
}

#[test]
fn a_reader_that_lags_is_brought_up_to_date() {
    // Many bytes (a new answer of all), few in many frames (those that it missed).
    for (bytes, log) in [(100, "2"), (10, "u")] {
        let (mut room, ada, mut bob) = stuck(2_000);
        for n in 0..25 {
            ada.write(&mut room, &format!("{n} {}", "x".repeat(bytes)));
        }
        assert!(room.room().outbox_bytes() <= 2_000);
        room.resume_reading(bob.session);
        assert_eq!(bob.hear(&mut room).text(), ada.text());
        // Whether it is asked first does not matter here.
        assert!(bob.log().trim_start_matches('1').starts_with(log));
        // And goes on hearing.
        ada.write(&mut room, "!");
        assert_eq!(bob.hear(&mut room).text(), ada.text());
    }
}

#[test]
fn a_reader_that_lags_again_and_again_misses_nothing() {
    let (mut room, ada, mut bob) = stuck(2_000);
    for round in 0..20 {
        for n in 0..12 {
            ada.write(&mut room, &format!("{round}.{n} {}", "x".repeat(100)));
        }
        // A glimpse: it takes what there is, and is stuck again.
        room.resume_reading(bob.session);
        room.stop_reading(bob.session);
    }
    room.resume_reading(bob.session);
    assert_eq!(bob.hear(&mut room).text(), ada.text());
}

#[test]
fn a_reader_that_lags_in_a_room_with_much_presence_is_brought_up_to_date() {
    let (mut room, ada, mut bob) = stuck(2_000);
    let name = "x".repeat(200);
    for client in 10..30 {
        let peer = join(&mut room, "someone", Rights::ALL);
        let state = format!(r#"{{"name":"{name}"}}"#);
        room.send(peer, awareness(&[(client, 1, &state)]));
    }
    for n in 0..25 {
        ada.write(&mut room, &format!("{n} xxxxxxxxxx"));
    }
    room.resume_reading(bob.session);
    assert_eq!(bob.hear(&mut room).text(), ada.text());
    assert!(bob.log().ends_with('a'));
}

#[test]
fn a_joiner_that_does_not_read_its_answer_gets_it_in_the_end() {
    let mut room = room_with(limits(|l| l.outbox_bytes_max = 2_000));
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "first ");
    let session = room.join_yjs("bob", "");
    room.stop_reading(session);
    room.send(session, sync(0, &[0]));
    for n in 0..100 {
        ada.write(&mut room, &format!("{n} {}", "x".repeat(100)));
    }
    room.resume_reading(session);
    let doc = Editor::join(&mut room, 2, "other").doc;
    let mut bob = Editor {
        doc,
        session,
        synced: false,
        log: String::new(),
    };
    assert_eq!(bob.hear(&mut room).text(), ada.text());
    assert!(bob.synced);
}

#[test]
fn a_lagging_reader_waits_for_the_room_while_it_is_built_anew() {
    let (mut room, ada, mut bob) = stuck(2_000);
    for n in 0..100 {
        ada.write(&mut room, &format!("{n} {}", "x".repeat(100)));
    }
    room.fail_store(StoreError::Full);
    room.hold_jobs();
    room.advance(100);
    room.resume_reading(bob.session);
    assert_eq!(room.closed(bob.session), None);
    room.release_jobs();
    room.advance(1_000);
    let mut ada = ada;
    settle(&mut room, &mut [&mut ada, &mut bob]);
    assert_eq!(bob.text(), ada.text());
}

/// Contents of the old kind JSON: our reader knows them, the engine does not.
const FOREIGN: &str = "0101090002010174010 46e756c6c00";

/// A room whose journal holds `updates` of the default document.
fn planted(updates: &[Bytes], limits: Limits) -> TestRoom {
    let mut room = room_with(limits);
    room.hold_store();
    room.crash();
    let name = greenroom_service::RoomId::new("test").unwrap();
    let request = StoreRequest::Acquire {
        room: name.clone(),
        node: NodeId(1),
    };
    let StoreReply::Acquired(acquired) = room.store().handle(request) else {
        panic!("acquired")
    };
    let record = |update: &Bytes| {
        let data = [&[0][..], update].concat().into();
        Record {
            kind: RecordKind::Document,
            data,
        }
    };
    let records: Vec<_> = updates.iter().map(record).collect();
    let lease = acquired.lease;
    let append = StoreRequest::Append(Append {
        room: name,
        lease,
        first_seq: 1,
        count: records.len() as u64,
        data: encode_row(lease.incarnation, lease.epoch, 1, room.now(), &records),
        next_wake: None,
        meta: MetaChange {
            kind: Some("collab".into()),
            now: room.now(),
            ..MetaChange::default()
        },
        queue: vec![],
        urgent: true,
        wait_ms: 0,
    });
    assert_eq!(room.store().handle(append), StoreReply::Done);
    room.release_store();
    room
}

#[test]
fn an_update_that_the_engine_cannot_take_is_set_aside_and_served_as_it_is() {
    let foreign = hex(FOREIGN);
    let updates = [
        insertion(5, 0, "a"),
        foreign.clone(),
        behind(6, 0, 5, 0, "b"),
    ];
    let mut room = planted(&updates, Limits::default());
    for life in 0..3 {
        let bob = join(&mut room, "bob", Rights::ALL);
        room.send(bob, sync(0, &[0]));
        let heard = room.heard(bob);
        let Heard::Yjs(YjsMessage::Update(raw)) = &heard[0] else {
            panic!("{heard:?}")
        };
        assert_eq!(
            raw, &foreign,
            "before the answer, after which a peer says that it is synced"
        );
        let Heard::Yjs(YjsMessage::SyncStep2(whole)) = &heard[1] else {
            panic!("{heard:?}")
        };
        let doc = Editor::join(&mut room, 3, "other");
        doc.apply(whole);
        assert_eq!((doc.text(), heard.len()), ("ab".into(), 2));
        if life == 0 {
            assert_eq!(room.notes().len(), 1);
            room.advance(200);
            room.crash();
        } else {
            assert_eq!(
                room.notes(),
                [] as [&str; 0],
                "known from the journal, then the snapshot"
            );
            room.unload();
        }
    }
}

#[test]
fn an_update_that_this_version_cannot_read_stays_in_the_journal() {
    let updates = [insertion(5, 0, "a"), hex("ff"), behind(5, 1, 5, 0, "b")];
    let mut room = planted(&updates, limits(|l| l.compact_updates_max = 2));
    for _ in 0..5 {
        assert_eq!(room.notes().len(), 1, "told at each start");
        let mut bob = Editor::join(&mut room, 3, "");
        assert_eq!(bob.hear(&mut room).text(), "ab");
        // Others of the room are compacted, and it is not trimmed.
        let other = Editor::join(&mut room, 4, "other");
        for _ in 0..5 {
            other.write(&mut room, "x");
        }
        room.unload();
        room.load();
    }
    let read = StoreRequest::Read {
        room: greenroom_service::RoomId::new("test").unwrap(),
        from_seq: 1,
        bytes_max: 1,
    };
    let StoreReply::Rows { rows, .. } = room.store().handle(read) else {
        panic!("rows")
    };
    assert_eq!(rows[0].first_seq, 1);
}

#[test]
fn a_snapshot_that_this_version_cannot_read_quarantines_the_room() {
    let mut room = planted(&[insertion(5, 0, "a")], Limits::default());
    room.hold_store();
    room.crash();
    while let Some(request) = room.held_requests().first().cloned() {
        let mut reply = room.store().handle(request.clone());
        if let (StoreReply::Snapshots(all), StoreRequest::Snapshots { room: name }) =
            (&mut reply, request)
        {
            let request = StoreRequest::Acquire {
                room: name,
                node: NodeId(1),
            };
            let StoreReply::Acquired(acquired) = room.store().handle(request) else {
                panic!("acquired")
            };
            // One byte that is no update, nothing set aside, nothing parked.
            let data = seal_snapshot(acquired.lease.incarnation, 1, &[1, 0xff, 0, 0]);
            let part = Part::Document(String::new());
            all.push(Snapshot { part, seq: 1, data });
        }
        room.answer_store_with(reply);
    }
    let stopped = room.stopped();
    assert!(
        matches!(stopped, Some(crate::room::Stopped::Quarantined(_))),
        "{stopped:?}"
    );
}

#[test]
fn a_lagging_reader_hears_of_what_was_set_aside() {
    let updates = [insertion(5, 0, "a"), hex(FOREIGN)];
    let mut room = planted(&updates, limits(|l| l.outbox_bytes_max = 2_000));
    let bob = join(&mut room, "bob", Rights::ALL);
    let ada = Editor::join(&mut room, 1, "");
    room.frames(bob);
    room.stop_reading(bob);
    for n in 0..100 {
        ada.write(&mut room, &format!("{n} {}", "x".repeat(100)));
    }
    room.resume_reading(bob);
    let heard = room.heard(bob);
    let raw = Heard::Yjs(YjsMessage::Update(hex(FOREIGN)));
    assert!(heard.contains(&raw), "{heard:?}");
}

fn text_of(document: &str) -> Request {
    Request::Content(ContentRequest::Document(document.into(), Ask::Text(None)))
}

#[test]
fn a_document_whose_job_is_lost_is_served_as_it_is_and_closes_nobody() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one ");
    ada.write(&mut room, "two ");
    room.hold_jobs();
    let mut bob = Editor::join(&mut room, 2, "");
    // One whose update waits for its causes has done nothing wrong.
    let cleo = join(&mut room, "cleo", Rights::ALL);
    room.send(cleo, sync(2, &behind(6, 0, 5, 1, "!")));
    room.lose_job();
    room.release_jobs();
    assert_eq!(bob.hear(&mut room).text(), "one two ");
    assert!(bob.synced);
    assert_eq!(room.closed(cleo), None);
    // Edits go on; who joins later is served too.
    ada.write(&mut room, "three");
    assert_eq!(bob.hear(&mut room).text(), "one two three");
    let mut dan = Editor::join(&mut room, 4, "");
    assert_eq!(dan.hear(&mut room).text(), "one two three");
    // Who asks for its content is told that nobody can say.
    let id = room.ask("op", text_of(""));
    let Some(Reply::Refused(refuse)) = room.reply(id) else {
        panic!("it is answered")
    };
    assert_eq!(refuse.code, "document_unreadable");
    // Built anew it is whole again.
    room.advance(200);
    room.unload();
    let mut eve = Editor::join(&mut room, 5, "");
    assert_eq!(eve.hear(&mut room).text(), "one two three");
    assert_eq!(eve.log(), "1u2");
}

#[test]
fn a_large_broken_document_reaches_a_joiner_whole() {
    let mut room = room_with(limits(|l| l.outbox_bytes_max = 2_000));
    let mut ada = Editor::join(&mut room, 1, "");
    room.hold_jobs();
    for n in 0..100 {
        ada.write(&mut room, &format!("{n} {}", "x".repeat(100)));
    }
    let mut bob = Editor::join(&mut room, 2, "");
    room.lose_job();
    assert_eq!(bob.hear(&mut room).text(), ada.text());
    assert!(bob.synced);
    // A peer that asks again without reading costs one answer.
    let eve = room.join_yjs("eve", "");
    room.stop_reading(eve);
    for _ in 0..50 {
        room.send(eve, sync(0, &[0]));
    }
    room.resume_reading(eve);
    assert!(room.frames(eve).len() < 110);
    assert_eq!(room.closed(eve), None);
    ada.hear(&mut room);
}

#[test]
fn a_past_that_cannot_be_read_quarantines_the_room() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one ");
    room.advance(200);
    room.hold_jobs();
    room.crash();
    room.lose_job();
    assert!(matches!(
        room.stopped(),
        Some(crate::room::Stopped::Quarantined(_))
    ));
    room.release_jobs();
    let mut bob = Editor::join(&mut room, 2, "");
    assert_eq!(bob.hear(&mut room).text(), "one ");
}

#[test]
fn a_session_that_ends_while_the_store_is_down_is_told_why() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "x");
    room.fail_store(StoreError::Full);
    room.advance(100);
    room.input(crate::room::Input::End(ada.session, CloseReason::Expired));
    assert_eq!(room.closed(ada.session), Some(CloseReason::Expired));
}
