//! What is accepted, from whom, and what it costs to try.

use super::*;
use crate::close_reason::CloseReason;

#[test]
fn nonsense_is_malformed() {
    let cases = [
        ("", CloseReason::Malformed),
        ("00", CloseReason::Malformed),
        ("0000", CloseReason::Malformed),
        ("000001", CloseReason::Malformed),
        ("000300", CloseReason::Malformed),
        ("04", CloseReason::Malformed),
        ("020000", CloseReason::Malformed),
        ("00020100", CloseReason::Malformed),
        ("010100ff", CloseReason::Malformed),
        ("0102010100", CloseReason::Malformed),
        ("01060101000274 72", CloseReason::Malformed),
        ("0106010100025b5d", CloseReason::Malformed),
        // An allocation bomb, and a count that no frame can hold.
        ("00020798f8ff7f010500", CloseReason::Malformed),
        ("010498f8ff7f", CloseReason::Malformed),
    ];
    for (frame, reason) in cases {
        let mut room = room();
        let peer = room.join_yjs("ada", "");
        room.send(peer, hex(frame));
        assert_eq!(room.closed(peer), Some(reason), "{frame}");
    }
    let mut room = room();
    let peer = room.join_yjs("ada", "");
    room.send(peer, "text");
    assert_eq!(room.closed(peer), Some(CloseReason::Malformed));
}

#[test]
fn a_poison_pill_closes_its_sender_alone() {
    let pills = [
        "0101d0d83bd80b0204012500000000000000060136d8c7d10b03d88e",
        // Contents of the old kind JSON, which the engine cannot hold.
        "01010500020101740104 6e756c6c00",
    ];
    for pill in pills {
        let mut room = room();
        let ada = Editor::join(&mut room, 1, "");
        ada.write(&mut room, "fine");
        let mut bob = Editor::join(&mut room, 2, "");
        let eve = room.join_yjs("eve", "");
        room.send(eve, sync(2, &hex(pill)));
        assert_eq!(room.closed(eve), Some(CloseReason::Malformed), "{pill}");
        bob.hear(&mut room);
        ada.write(&mut room, " still");
        assert_eq!(bob.hear(&mut room).text(), "fine still");
        room.advance(200);
        room.unload();
        let mut cleo = Editor::join(&mut room, 3, "");
        assert_eq!(cleo.hear(&mut room).text(), "fine still");
        assert_eq!(room.notes(), [] as [&str; 0]);
    }
}

#[test]
fn an_update_before_its_causes_is_relayed_and_its_sender_asked() {
    let mut room = room();
    let (ada, bob) = (
        join(&mut room, "ada", Rights::ALL),
        join(&mut room, "bob", Rights::ALL),
    );
    let early = behind(6, 0, 5, 1, "!");
    room.send(ada, sync(2, &early));
    assert_eq!(room.frames(ada), [hex("00000100")], "asked for the causes");
    assert_eq!(room.frames(bob), [sync(2, &early)]);
    // A second time it is no news.
    room.send(ada, sync(2, &early));
    assert_eq!((room.frames(ada), room.frames(bob)), (vec![], vec![]));
    // Who joins meanwhile gets it too, before the answer; so does who joins after a crash.
    room.advance(200);
    room.crash();
    let cleo = join(&mut room, "cleo", Rights::ALL);
    room.send(cleo, hex("00000100"));
    assert_eq!(room.frames(cleo)[0], sync(2, &early));
    // With the causes all is there.
    let ada = join(&mut room, "ada", Rights::ALL);
    room.send(ada, sync(1, &insertion(5, 0, "hi")));
    let mut dan = Editor::join(&mut room, 4, "");
    assert_eq!(dan.hear(&mut room).text(), "hi!");
    room.advance(200);
    room.unload();
    let mut eve = Editor::join(&mut room, 5, "");
    assert_eq!(eve.hear(&mut room).text(), "hi!");
}

#[test]
fn what_is_unparked_during_a_job_is_in_the_next_snapshot() {
    let mut room = room();
    let ada = join(&mut room, "ada", Rights::ALL);
    room.send(ada, sync(2, &behind(6, 0, 5, 1, "!")));
    // A job starts for a joiner; the causes come before it ends.
    room.send(ada, sync(2, &insertion(8, 0, "a")));
    room.hold_jobs();
    let mut bob = Editor::join(&mut room, 2, "");
    room.send(ada, sync(1, &insertion(5, 0, "hi")));
    room.release_jobs();
    bob.hear(&mut room);
    let text = bob.text();
    assert!(text.contains("hi!") && text.contains('a'), "{text}");
    for restart in [TestRoom::unload, TestRoom::crash] {
        room.advance(200);
        restart(&mut room);
        let mut cleo = Editor::join(&mut room, 3, "");
        assert_eq!(cleo.hear(&mut room).text(), text);
    }
}

#[test]
fn a_handshake_that_repeats_what_is_being_tried_is_not_counted_twice() {
    let mut room = room_with(limits(|l| l.pending_bytes_max = 100));
    let ada = join(&mut room, "ada", Rights::ALL);
    room.hold_jobs();
    let early = behind(6, 0, 5, 1, &"x".repeat(60));
    for _ in 0..10 {
        room.send(ada, sync(2, &early));
    }
    assert_eq!(room.closed(ada), None);
    assert_eq!(
        room.frames(ada).len(),
        1,
        "asked once, or it would answer for ever"
    );
    room.release_jobs();
    assert_eq!(room.closed(ada), None);
    assert_eq!(room.room().durable_seq(), 0);
    room.advance(200);
    assert_eq!(room.room().durable_seq(), 1, "journaled once");
}

#[test]
fn what_comes_again_with_its_causes_is_once_in_the_document() {
    let mut room = room();
    let ada = join(&mut room, "ada", Rights::ALL);
    room.send(ada, sync(2, &behind(6, 0, 5, 1, "!")));
    // Its answer to the question brings both, in order.
    let both = hex("0201 0600 84 0501 01 21 01 0500 04 0101 74 02 6869 00");
    room.send(ada, sync(1, &both));
    room.advance(200);
    assert_eq!(room.room().durable_seq(), 2);
    room.crash();
    let mut bob = Editor::join(&mut room, 2, "");
    assert_eq!(bob.hear(&mut room).text(), "hi!");
}

#[test]
fn what_waits_for_its_causes_is_bounded() {
    let mut room = room_with(limits(|l| l.pending_bytes_max = 100));
    let (ada, bob) = (
        join(&mut room, "ada", Rights::ALL),
        join(&mut room, "bob", Rights::ALL),
    );
    room.send(ada, sync(2, &behind(6, 0, 5, 1, &"x".repeat(60))));
    assert_eq!(room.closed(ada), None);
    room.send(ada, sync(2, &behind(7, 0, 5, 1, &"x".repeat(60))));
    let closed = room.closed(ada).expect("over the quota");
    assert_eq!(
        closed.close(Protocol::Yjs).retry,
        crate::close_reason::Retry::Again
    );
    assert_eq!(room.closed(bob), None);
}

#[test]
fn types_that_nest_too_deep_in_what_nobody_knows_never_reach_the_engine() {
    let mut room = room();
    let ada = join(&mut room, "ada", Rights::ALL);
    room.hold_jobs();
    for update in [6, 7].map(nested_in_the_unknown) {
        room.send(ada, sync(2, &update));
    }
    assert_eq!((room.jobs(), room.closed(ada)), (0, None));
}

/// 200 maps of `client`, each in the one before; the first lies in what nobody knows.
fn nested_in_the_unknown(client: u8) -> Bytes {
    let mut update = BytesMut::new();
    put_var_uint(&mut update, 1);
    put_var_uint(&mut update, 200);
    update.extend([client, 0, 7, 0, 5, 0, 1]);
    for parent in 0..199 {
        update.extend([7, 0, client]);
        put_var_uint(&mut update, parent);
        update.extend([1]);
    }
    update.extend([0]);
    update.freeze()
}

#[test]
fn rights_are_looked_at_on_every_message() {
    let write = Rights::READ | Rights::WRITE;
    let see = Rights::READ | Rights::PRESENCE;
    let edit = sync(2, &insertion(5, 0, "x"));
    let hello = awareness(&[(5, 1, "{}")]);
    // Who sends what, and what is refused: "" when nothing is.
    let cases = [
        (Rights::ALL, &edit, ""),
        (Rights::ALL, &hello, ""),
        (Rights::READ, &edit, "read_only"),
        (Rights::READ, &hello, "no_presence"),
        (see, &edit, "read_only"),
        (see, &hello, ""),
        (write, &edit, ""),
        (write, &hello, "no_presence"),
    ];
    for (rights, frame, refused) in cases {
        let mut room = room();
        let bob = join(&mut room, "bob", Rights::ALL);
        let ada = join(&mut room, "ada", rights);
        room.send(ada, frame.clone());
        let denied = room.heard(ada).into_iter().find_map(|heard| match heard {
            Heard::Denied(why) => Some(why),
            _ => None,
        });
        let code = denied
            .as_deref()
            .and_then(|why| why.split(':').next())
            .unwrap_or("");
        assert_eq!(code, refused, "{rights} {frame:?}");
        assert_eq!(room.frames(bob).is_empty(), !refused.is_empty());
        assert_eq!(room.closed(ada), None);
    }
}

#[test]
fn a_reader_syncs_and_its_empty_answer_is_no_edit() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "read me");
    let eve = join(&mut room, "eve", Rights::READ);
    room.send(eve, sync(0, &[0]));
    room.send(eve, sync(1, &[0, 0]));
    // What the room has already is no edit either.
    room.send(eve, sync(1, &insertion(1, 0, "read me")));
    let heard = room.heard(eve);
    assert!(
        matches!(&heard[..], [Heard::Yjs(YjsMessage::SyncStep2(_))]),
        "{heard:?}"
    );
    room.send(eve, sync(1, &insertion(5, 0, "mine")));
    assert!(matches!(&room.heard(eve)[..], [Heard::Denied(_)]));
}

#[test]
fn a_document_has_a_largest_size() {
    let mut room = room_with(limits(|l| l.document_bytes_max = 200));
    let ada = join(&mut room, "ada", Rights::ALL);
    let mut sent = 0;
    for n in 0..10 {
        room.send(ada, sync(2, &insertion(n, 0, &"x".repeat(40))));
        sent += usize::from(room.frames(ada).is_empty());
    }
    assert_eq!((sent, room.closed(ada)), (4, None));
    // Another document of the room has its own.
    let bob = room.join_yjs("bob", "b");
    room.frames(bob);
    room.send(bob, sync(2, &insertion(1, 0, "x")));
    assert_eq!(room.frames(bob), [] as [Bytes; 0]);
}

#[test]
fn names_of_documents_have_a_largest_size() {
    let mut room = room();
    let long = room.join_yjs("ada", &"x".repeat(129));
    let fine = room.join_yjs("ada", &"x".repeat(128));
    assert_eq!(room.closed(long), Some(CloseReason::Forbidden));
    assert_eq!(room.closed(fine), None);
}

#[test]
fn a_raw_frame_is_refused_in_a_room_of_documents() {
    let mut room = room();
    let ada = room.join("ada");
    room.send(ada, "increment");
    assert!(room.texts(ada)[0].contains("wrong_room"));
    assert_eq!(room.closed(ada), None);
}

/// Two updates of clients 6 and 7 in one, both beside what nobody knows: what a client that got
/// both makes of them in its next handshake.
fn merged_beside_the_unknown() -> Bytes {
    hex("02 01 0700 84 0501 01 79  01 0600 84 0501 01 78 00")
}

#[test]
fn what_waits_already_is_no_news_in_another_form() {
    let mut room = room();
    let (ada, bob) = (
        join(&mut room, "ada", Rights::ALL),
        join(&mut room, "bob", Rights::ALL),
    );
    room.send(ada, sync(2, &behind(6, 0, 5, 1, "x")));
    room.send(ada, sync(2, &behind(7, 0, 5, 1, "y")));
    room.frames(bob);
    room.advance(200);
    let seq = room.room().durable_seq();
    room.send(ada, sync(1, &merged_beside_the_unknown()));
    assert_eq!(room.frames(bob), [] as [Bytes; 0]);
    room.advance(200);
    assert_eq!(room.room().durable_seq(), seq);
    // With a deletion that is new it is news.
    let deletes = hex("02 01 0700 84 0501 01 79  01 0600 84 0501 01 78 01 05 01 00 01");
    room.send(ada, sync(1, &deletes));
    assert_eq!(room.frames(bob).len(), 1);
    room.send(ada, sync(1, &deletes));
    assert_eq!(room.frames(bob).len(), 0);
    // A reader that repeats it has not edited.
    let eve = join(&mut room, "eve", Rights::READ);
    room.send(eve, sync(1, &merged_beside_the_unknown()));
    assert_eq!(room.frames(eve), [] as [Bytes; 0]);
}

#[test]
fn what_is_parked_is_stored_once_however_often_the_room_starts() {
    let mut room = room();
    let ada = join(&mut room, "ada", Rights::ALL);
    room.send(ada, sync(2, &insertion(8, 0, "a")));
    let bob = Editor::join(&mut room, 2, "");
    room.leave(bob.session);
    room.send(ada, sync(2, &behind(6, 0, 5, 1, "!")));
    for life in 0..4 {
        let cleo = join(&mut room, "cleo", Rights::ALL);
        room.send(cleo, hex("00000100"));
        let updates = room.heard(cleo).into_iter();
        let updates = updates.filter(|h| matches!(h, Heard::Yjs(YjsMessage::Update(_))));
        assert_eq!(updates.count(), 1, "in life {life}");
        if life > 1 {
            room.send(cleo, sync(2, &insertion(20 + life, 0, "z")));
        }
        room.unload();
    }
}

#[test]
fn so_many_updates_may_wait_however_small_they_are() {
    let mut room = room();
    let ada = join(&mut room, "ada", Rights::ALL);
    let mut accepted = 0;
    for client in 0..5_000_u64 {
        let mut update = BytesMut::from(&[1, 1][..]);
        put_var_uint(&mut update, 1_000 + client);
        update.extend([0, 0x84, 5, 1, 1, b'x', 0]);
        room.send(ada, sync(2, &update));
        accepted += usize::from(room.closed(ada).is_none());
    }
    assert_eq!(
        accepted, 1_000,
        "each later update is held against each of them"
    );
    assert_eq!(room.closed(ada), Some(CloseReason::RoomFault));
}

/// An update whose causes never come spoils what its holders bring in one piece with it: their own
/// edits are parked, and so are those that build on them. To be split in what is ready and what is
/// not; until then this is what happens.
#[test]
fn offline_edits_in_one_piece_with_what_waits_wait_too() {
    let mut room = room();
    let ada = join(&mut room, "ada", Rights::ALL);
    room.send(ada, sync(2, &behind(6, 0, 5, 1, "x")));
    // Its own "me", which is ready, and what it holds of client 6.
    let both = hex("02 01 0900 04 0101 74 02 6d65  01 0600 84 0501 01 78 00");
    let both = [&both[..2], &both[2..]].concat();
    room.send(ada, sync(1, &both));
    room.unload();
    let mut bob = Editor::join(&mut room, 2, "");
    let heard = bob.hear(&mut room).log();
    assert_eq!(
        (bob.text(), heard),
        ("me".into(), "1uu2".into()),
        "joiners get it all the same"
    );
    let ada = join(&mut room, "ada", Rights::ALL);
    room.send(ada, sync(2, &behind(9, 2, 9, 1, "!")));
    assert!(
        !room.frames(ada).is_empty(),
        "asked for causes that are parked here"
    );
}
