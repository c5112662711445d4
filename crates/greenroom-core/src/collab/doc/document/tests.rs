//! Whatever real editors do, and whatever happens to the room: the journal replayed is the document.

use bytes::{Bytes, BytesMut};
use greenroom_service::SessionId;
use proptest::prelude::*;
use yrs::types::ToJson;
use yrs::{Any, Doc, GetString, ReadTxn, Transact, WriteTxn};

use crate::collab::collab_rooms;
use crate::collab::doc::tests::{any_edit, apply, document, play, session};
use crate::limits::Limits;
use crate::protocol::YjsMessage;
use crate::protocol::lib0::put_var_bytes;
use crate::service::test_room::{Heard, TestRoom};

/// What can happen to the room between two updates.
#[derive(Clone, Debug)]
enum Turn {
    Crash,
    Unload,
    Wait(u64),
    Join,
}

fn turn() -> impl Strategy<Value = Option<Turn>> {
    prop_oneof![
        12 => Just(None),
        1 => Just(Some(Turn::Crash)),
        1 => Just(Some(Turn::Unload)),
        2 => (0..300u64).prop_map(|ms| Some(Turn::Wait(ms))),
        2 => Just(Some(Turn::Join)),
    ]
}

fn frame(step: u8, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::from(&[0, step][..]);
    put_var_bytes(&mut frame, body);
    frame.freeze()
}

/// What a document holds, in comparable form.
#[derive(Debug, PartialEq)]
struct Content {
    vector: Vec<(u64, u32)>,
    texts: [String; 3],
    values: [Any; 2],
}

fn content(doc: &Doc) -> Content {
    let mut transaction = doc.transact_mut();
    let text = transaction.get_or_insert_text("text");
    let rich = transaction.get_or_insert_text("rich");
    let list = transaction.get_or_insert_array("list");
    let map = transaction.get_or_insert_map("map");
    let xml = transaction.get_or_insert_xml_fragment("xml");
    let vector = transaction.state_vector();
    let mut vector: Vec<_> = vector.iter().map(|(c, n)| (c.get(), *n)).collect();
    vector.sort_unstable();
    Content {
        vector,
        texts: [
            text.get_string(&transaction),
            rich.get_string(&transaction),
            xml.get_string(&transaction),
        ],
        values: [list.to_json(&transaction), map.to_json(&transaction)],
    }
}

/// What a new peer gets.
fn joined(room: &mut TestRoom) -> Doc {
    let peer = room.join_yjs("joiner", "");
    room.send(peer, frame(0, &[0]));
    let doc = document(999);
    let mut synced = false;
    for heard in room.heard(peer) {
        match heard {
            Heard::Yjs(YjsMessage::SyncStep2(update) | YjsMessage::Update(update)) => {
                apply(&doc, &update).expect("what a peer gets applies");
                synced = true;
            }
            Heard::Yjs(YjsMessage::SyncStep1(_)) => {}
            other => panic!("{other:?} at the door"),
        }
    }
    assert!(synced);
    room.leave(peer);
    doc
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn replayed_it_is_the_same(
        steps in session(any_edit()),
        turns in prop::collection::vec(turn(), 40),
        compact in 2..20usize,
    ) {
        let limits = Limits { compact_updates_max: compact, ..Limits::default() };
        let mut room = TestRoom::with_limits(collab_rooms(), limits);
        let mut sender: SessionId = room.join_yjs("sender", "");
        let reference = document(1_000);
        for (update, turn) in play(&steps).into_iter().zip(turns) {
            room.send(sender, frame(2, &update));
            prop_assert_eq!(room.closed(sender), None);
            apply(&reference, &update).expect("honest updates apply");
            match turn {
                None => {}
                Some(Turn::Crash) => {
                    room.advance(200);
                    room.crash();
                    sender = room.join_yjs("sender", "");
                }
                Some(Turn::Unload) => {
                    room.unload();
                    sender = room.join_yjs("sender", "");
                }
                Some(Turn::Wait(ms)) => room.advance(ms),
                Some(Turn::Join) => {
                    let joined = joined(&mut room);
                    prop_assert_eq!(content(&joined), content(&reference));
                }
            }
        }
        let live = joined(&mut room);
        prop_assert_eq!(content(&live), content(&reference));
        room.advance(200);
        room.crash();
        let replayed = joined(&mut room);
        prop_assert_eq!(content(&replayed), content(&reference));
        prop_assert_eq!(room.notes(), Vec::<String>::new());
    }
}
