//! Rooms as files, and files as rooms, on virtual time.

use bytes::Bytes;
use greenroom_service::{Millis, RoomId};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Decoder, Encoder, ExportError, ExportHead, Exporter, ImportError, Incoming, Piece};
use crate::collab::collab_rooms;
use crate::collab::doc::ask::{Answer, Ask, Edit};
use crate::limits::Limits;
use crate::room::request::{ContentRequest, Import, Reply, Request};
use crate::service::Counter;
use crate::service::test_room::{TestRoom, object};
use crate::store::envelope::{Record, RecordKind};
use crate::store::{Part, StoreError, StoreReply, StoreRequest};

/// What is durable of the room, as a file.
fn exported(room: &mut TestRoom) -> Bytes {
    let meta = room.meta().expect("it was written to");
    let id = meta.room.clone();
    let request = StoreRequest::Snapshots { room: id.clone() };
    let StoreReply::Snapshots(snapshots) = room.store().handle(request) else {
        panic!("no snapshots");
    };
    let (mut exporter, pieces) = Exporter::begin(&meta, &snapshots, Millis(7)).expect("sound");
    let mut file = pieces.concat();
    while !exporter.is_done() {
        let request = StoreRequest::Read {
            room: id.clone(),
            from_seq: exporter.next_seq(),
            bytes_max: 64,
        };
        let StoreReply::Rows { rows, .. } = room.store().handle(request) else {
            panic!("no rows");
        };
        file.extend(exporter.rows(&rows).expect("sound").concat());
    }
    file.extend(exporter.end());
    file.into()
}

/// Reads a file that comes in pieces of this size.
fn read(file: &[u8], piece_bytes: usize) -> Result<Incoming, ExportError> {
    let (mut decoder, mut incoming) = (Decoder::default(), Incoming::default());
    for bytes in file.chunks(piece_bytes) {
        decoder.push(bytes);
        loop {
            let at = decoder.position();
            let Some(piece) = decoder.next_piece()? else {
                break;
            };
            incoming.take(at, piece);
        }
    }
    decoder.finish()?;
    Ok(incoming)
}

fn import_of(file: &[u8]) -> Result<Import, ImportError> {
    read(file, 1_000)?.into_import(&Limits::default())
}

fn import(room: &mut TestRoom, file: &[u8]) -> Option<Reply> {
    let import = import_of(file).expect("a sound file");
    let id = room.ask("op", Request::Import(Box::new(import)));
    room.reply(id)
}

fn write(room: &mut TestRoom, user: &str, document: &str, text: &str) {
    let edit = Ask::Edit(Some("t".into()), Edit::ReplaceText(text.into()));
    let request = ContentRequest::Document(document.into(), edit);
    let id = room.ask(user, Request::Content(request));
    assert!(matches!(room.reply(id), Some(Reply::Edited { .. })));
}

fn text(room: &mut TestRoom, document: &str) -> String {
    let request = ContentRequest::Document(document.into(), Ask::Text(Some("t".into())));
    let id = room.ask("op", Request::Content(request));
    match room.reply(id) {
        Some(Reply::Document(Answer::Text(text))) => text,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(reply: Option<Reply>) -> &'static str {
    match reply {
        Some(Reply::Refused(refuse)) => refuse.code,
        other => panic!("{other:?} is no refusal"),
    }
}

fn collab() -> TestRoom {
    TestRoom::new(collab_rooms())
}

/// A room with two documents, one of which was compacted and trimmed.
fn lived_in() -> TestRoom {
    let limits = Limits {
        compact_updates_max: 10,
        ..Limits::default()
    };
    let mut room = TestRoom::with_limits(collab_rooms(), limits);
    let id = room.ask(
        "op",
        Request::SetMetadata(object(json!({"title": "Plans"}))),
    );
    assert!(matches!(room.reply(id), Some(Reply::Metadata(_))));
    for n in 0..45 {
        write(&mut room, "ada", "", &format!("text {n}"));
        if n % 20 == 0 {
            write(&mut room, "bob", "notes", &format!("note {n}"));
        }
        room.advance(200);
    }
    room
}

#[test]
fn a_room_of_documents_becomes_another() {
    let mut room = lived_in();
    let file = exported(&mut room);
    let kept = Part::Document(String::new()).name();
    assert!(
        file.windows(kept.len())
            .any(|bytes| bytes == kept.as_bytes()),
        "it has a snapshot"
    );
    let mut copy = collab();
    assert_eq!(import(&mut copy, &file), Some(Reply::Done));
    for _ in 0..2 {
        assert_eq!(text(&mut copy, ""), "text 44");
        assert_eq!(text(&mut copy, "notes"), "note 40");
        copy.crash();
    }
    let meta = copy.meta().expect("it is stored");
    assert_eq!(
        serde_json::from_slice::<Value>(&meta.metadata).expect("JSON"),
        json!({"title": "Plans"})
    );
    write(&mut copy, "cy", "", "goes on");
    assert_eq!(text(&mut copy, ""), "goes on");
    // And the copy of the copy.
    let again = exported(&mut copy);
    let mut third = collab();
    assert_eq!(import(&mut third, &again), Some(Reply::Done));
    assert_eq!(text(&mut third, ""), "goes on");
}

#[test]
fn an_edit_is_still_who_made_it() {
    let mut room = collab();
    write(&mut room, "ada", "", "hello");
    let import = import_of(&exported(&mut room)).expect("sound");
    let about: Vec<_> = import.records.iter().map(crate::collab::about).collect();
    assert_eq!(about.len(), 1);
    assert_eq!(about[0].user.as_deref(), Some("ada"));
}

#[test]
fn the_state_of_a_service_becomes_anothers() {
    let mut room = TestRoom::service(Counter::open);
    let ada = room.join("ada");
    for _ in 0..3 {
        room.send(ada, "increment");
    }
    room.advance(1_000);
    let file = exported(&mut room);
    let mut copy = TestRoom::service(Counter::open);
    // Somebody waits in the room already.
    let bob = copy.join("bob");
    assert_eq!(import(&mut copy, &file), Some(Reply::Done));
    copy.send(bob, "increment");
    assert_eq!(copy.texts(bob), ["new value: 4"]);
}

#[test]
fn nothing_of_an_import_is_there_when_it_is_refused() {
    let mut room = lived_in();
    let file = exported(&mut room);
    assert_eq!(refused(import(&mut room, &file)), "room_exists");
    assert_eq!(text(&mut room, ""), "text 44");

    let mut other = TestRoom::service(Counter::open);
    assert_eq!(refused(import(&mut other, &file)), "wrong_room");
    assert_eq!(other.meta(), None);

    let mut copy = collab();
    copy.fail_store(StoreError::Full);
    assert_eq!(refused(import(&mut copy, &file)), "store_unavailable");
    assert_eq!(copy.meta(), None, "all or nothing");
    copy.advance(5_000);
    assert_eq!(text(&mut copy, ""), "");
    assert_eq!(import(&mut copy, &file), Some(Reply::Done), "then it can");
    assert_eq!(text(&mut copy, ""), "text 44");
}

#[test]
fn an_import_is_answered_when_it_is_durable() {
    let file = exported(&mut lived_in());
    let mut copy = collab();
    copy.hold_store();
    let import = import_of(&file).expect("sound");
    let id = copy.ask("op", Request::Import(Box::new(import)));
    assert_eq!(copy.reply(id), None);
    copy.release_store();
    assert_eq!(copy.reply(id), Some(Reply::Done));
}

#[test]
fn whoever_is_in_the_room_sees_what_is_imported() {
    let file = exported(&mut lived_in());
    let mut copy = collab();
    let peer = copy.join_yjs("ada", "");
    assert_eq!(import(&mut copy, &file), Some(Reply::Done));
    assert_eq!(copy.closed(peer), None);
    copy.frames(peer);
    write(&mut copy, "bob", "", "after it");
    assert_eq!(copy.frames(peer).len(), 1, "it gets what comes then");
}

/// A file of one document and these updates.
fn file_of(updates: &[&[u8]]) -> Bytes {
    let (mut encoder, begun) = Encoder::begin(&head(updates.len() as u64));
    let mut file = begun.to_vec();
    for (update, seq) in updates.iter().zip(1..) {
        let mut data = vec![0];
        data.extend_from_slice(update);
        let record = Record {
            kind: RecordKind::Document,
            data: data.into(),
        };
        file.extend(encoder.record(seq, Millis(5), &record));
    }
    file.extend(encoder.end());
    file.into()
}

fn head(seq: u64) -> ExportHead {
    ExportHead {
        room: "a".into(),
        kind: "collab".into(),
        seq,
        created: Millis(1),
        exported: Millis(2),
        metadata: Map::new(),
    }
}

/// Inserts an `a` into the root `t` as client 7, from `clock` on.
const fn insertion(clock: u8) -> [u8; 11] {
    [1, 1, 7, clock, 4, 1, 1, b't', 1, b'a', 0]
}

#[test]
fn an_update_that_no_peer_may_send_is_refused_by_its_place() {
    let file = file_of(&[&insertion(0), &[9, 9, 9]]);
    let (record, end) = (13, 5);
    let second = file.len() - end - record;
    let Err(ImportError::Refused { piece, at, why }) = import_of(&file) else {
        panic!("it is taken in");
    };
    assert_eq!((&*piece, at), ("the record at seq 2", second as u64));
    assert!(why.contains("update"), "{why}");
}

#[test]
fn a_file_holds_no_more_than_a_room_may() {
    let limits = Limits {
        parked_updates_max: 1,
        ..Limits::default()
    };
    let file = file_of(&[&insertion(5), &insertion(9)]);
    let refused = read(&file, 1_000).expect("sound").into_import(&limits);
    assert_eq!(
        refused.expect_err("two are parked").to_string(),
        "document ``, updates without their causes: the file has 2, and a room may have 1"
    );
}

#[test]
fn a_file_is_whole_or_refused() {
    let file = file_of(&[&insertion(0), &insertion(1)]);
    assert!(read(&file, 1).is_ok());
    for length in 0..file.len() {
        let error = read(&file[..length], 7).expect_err("it is cut off");
        match error {
            ExportError::NotAnExport => assert_eq!(length, 0),
            ExportError::CutOff { at } => assert!(at <= length as u64),
            other => panic!("{length}: {other}"),
        }
    }
    let mut longer = file.to_vec();
    longer.push(0);
    assert_eq!(
        read(&longer, 9).expect_err("there is more").to_string(),
        format!(
            "the file is damaged at byte {}: bytes follow the end",
            file.len()
        )
    );
}

#[test]
fn a_flipped_bit_is_found_in_its_piece() {
    let file = file_of(&[&insertion(0), &insertion(1)]);
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.to_vec();
            flipped[at] ^= 1 << bit;
            match read(&flipped, 50).expect_err("it is damaged") {
                ExportError::NotAnExport => assert!(at < 15),
                ExportError::NewerFormat(_) => assert_eq!(at, 15),
                // A length that is now too long swallows what comes behind.
                ExportError::Damaged { at: begins, .. } | ExportError::CutOff { at: begins } => {
                    assert!(begins <= at as u64, "{at}: {begins}");
                    assert!(at as u64 <= begins + 200);
                }
            }
        }
    }
}

#[test]
fn a_piece_that_is_missing_or_moved_is_missed() {
    let (mut encoder, begun) = Encoder::begin(&head(2));
    let record = |data: &'static [u8]| Record {
        kind: RecordKind::Metadata,
        data: Bytes::from_static(data),
    };
    let first = encoder.record(1, Millis(1), &record(b"{}"));
    let second = encoder.record(2, Millis(1), &record(b"{}"));
    let end = encoder.end();
    let check = |pieces: &[&Bytes], expected: &str| {
        let file: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
        let error = read(&file, 1_000).expect_err(expected).to_string();
        assert!(error.ends_with(expected), "{error}");
    };
    let sum = "its checksum does not match";
    check(&[&begun, &second, &first, &end], sum);
    check(&[&begun, &first, &end], sum);
    check(&[&begun, &first, &first, &second, &end], sum);
    // One that is well made, and says other than its head.
    let (encoder, begun) = Encoder::begin(&head(2));
    check(
        &[&begun, &encoder.end()],
        "records are missing before the end",
    );
}

#[test]
fn a_room_that_was_deleted_meanwhile_is_not_mixed_with_its_successor() {
    let mut room = lived_in();
    let meta = room.meta().expect("it is there");
    let request = StoreRequest::Snapshots {
        room: meta.room.clone(),
    };
    let StoreReply::Snapshots(snapshots) = room.store().handle(request) else {
        panic!("no snapshots");
    };
    let (mut exporter, _) = Exporter::begin(&meta, &snapshots, Millis(7)).expect("sound");
    let id = room.ask("op", Request::Delete);
    assert_eq!(room.reply(id), Some(Reply::Done));
    write(&mut room, "ada", "", "another life");
    let request = StoreRequest::Read {
        room: RoomId::new(meta.room.as_str()).expect("its name"),
        from_seq: 1,
        bytes_max: 1 << 20,
    };
    let StoreReply::Rows { rows, .. } = room.store().handle(request) else {
        panic!("no rows");
    };
    assert_eq!(
        exporter.rows(&rows).expect_err("another room"),
        "the room was deleted meanwhile"
    );
}

fn pieces() -> impl Strategy<Value = (Vec<Bytes>, Vec<(u8, Bytes)>)> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let snapshots = prop::collection::vec(bytes(), 0..4);
    (snapshots, prop::collection::vec((1..8_u8, bytes()), 1..20))
}

proptest! {
    #[test]
    fn what_is_written_is_read((snapshots, records) in pieces(), chunk in 1..400_usize) {
        let head = head(records.len() as u64);
        let (mut encoder, begun) = Encoder::begin(&head);
        let mut file = begun.to_vec();
        let mut expected = vec![Piece::Head(head)];
        for (data, n) in snapshots.into_iter().zip(1..) {
            let part = Part::Document(format!("d{n}"));
            file.extend(encoder.snapshot(&part, 1, &data));
            expected.push(Piece::Snapshot { part, seq: 1, data });
        }
        for ((kind, data), seq) in records.into_iter().zip(1..) {
            let kind = RecordKind::from_byte(kind).expect("known");
            let record = Record { kind, data };
            file.extend(encoder.record(seq, Millis(seq), &record));
            expected.push(Piece::Record { seq, at: Millis(seq), record });
        }
        file.extend(encoder.end());
        expected.push(Piece::End);
        let (mut decoder, mut got) = (Decoder::default(), Vec::new());
        for bytes in file.chunks(chunk) {
            decoder.push(bytes);
            while let Some(piece) = decoder.next_piece().expect("sound") {
                got.push(piece);
            }
        }
        decoder.finish().expect("whole");
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        drop(read(&bytes, 100));
        let (_, begun) = Encoder::begin(&head(3));
        bytes.splice(0..0, begun);
        if let Ok(incoming) = read(&bytes, 100) {
            drop(incoming.into_import(&Limits::default()));
        }
    }
}
