//! What a room does for its hooks.

use greenroom_service::Millis;
use serde_json::json;

use super::*;
use crate::collab::doc::ask::{Answer, Whole};
use crate::hooks::{Event, Mark, Unloaded, Wishes};
use crate::room::request::{HookRequest, Reply, Request};
use crate::store::{StoreError, StoreReply, StoreRequest};

fn hooked() -> TestRoom {
    let mut room = room();
    room.wish(Wishes {
        changes: true,
        unloads: true,
        first_content: false,
    });
    room.crash();
    room
}

/// The events in the durable queue.
fn marks(room: &mut TestRoom) -> Vec<Event> {
    let queue = StoreRequest::Queue {
        after: 0,
        limit: 100,
    };
    match room.store().handle(queue) {
        StoreReply::Queue(items) => {
            let marks = items.iter().map(|(_, item)| Mark::decode(item).unwrap());
            marks.map(|mark| mark.event).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn changed(document: &str) -> Event {
    Event::Changed(document.into())
}

fn ask(room: &mut TestRoom, request: HookRequest) -> Reply {
    let id = room.ask("hooks", Request::Hook(request));
    room.reply(id).expect("an answer")
}

fn take(room: &mut TestRoom, latest: u64) -> Result<Whole, Millis> {
    let request = HookRequest::Take {
        document: String::new(),
        quiet_ms: 2_000,
        latest: room.now().plus(latest),
        json: true,
        text: true,
    };
    match ask(room, request) {
        Reply::Document(Answer::Whole(whole)) => Ok(*whole),
        Reply::Later(at) => Err(at),
        other => panic!("{other:?}"),
    }
}

fn told(room: &mut TestRoom, seq: u64) -> Reply {
    let document = String::new();
    ask(room, HookRequest::Told { document, seq })
}

#[test]
fn a_document_that_changes_has_one_mark_until_a_hook_was_told() {
    let mut room = hooked();
    let ada = Editor::join(&mut room, 1, "");
    for text in ["one ", "two ", "three"] {
        ada.write(&mut room, text);
        room.advance(200);
    }
    assert_eq!(marks(&mut room), [changed("")]);
    assert_eq!(take(&mut room, 60_000), Err(room.now().plus(1_800)));
    assert!(take(&mut room, 0).is_ok(), "it waits no longer than that");
    room.advance(2_000);
    let whole = take(&mut room, 60_000).unwrap();
    assert_eq!(whole.json, Some(json!({ "t": ada.text() })));
    assert_eq!(whole.text.map(Into::into), Some(json!({ "t": ada.text() })));
    ada.write(&mut room, " and four");
    room.advance(200);
    // What came while it was told: the old mark stays, and no second one is made.
    assert_eq!(told(&mut room, whole.of.seq), Reply::Told(false));
    assert_eq!(marks(&mut room), [changed("")]);
    room.advance(2_000);
    let whole = take(&mut room, 60_000).unwrap();
    assert_eq!(told(&mut room, whole.of.seq), Reply::Told(true));
    ada.write(&mut room, "!");
    room.advance(200);
    assert_eq!(marks(&mut room), [changed(""), changed("")]);
}

#[test]
fn a_mark_is_written_with_the_change_and_with_no_other_record() {
    let mut room = hooked();
    room.hold_store();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "text");
    room.advance(200);
    let requests = room.held_requests();
    let [StoreRequest::Append(append)] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert_eq!(append.queue.len(), 1);
    room.release_store();
    let metadata = room.ask("op", Request::SetMetadata(serde_json::Map::new()));
    assert!(room.reply(metadata).is_some());
    assert_eq!(marks(&mut room), [changed("")]);
}

#[test]
fn content_that_is_not_durable_is_not_told() {
    let mut room = hooked();
    let ada = Editor::join(&mut room, 1, "");
    room.hold_store();
    ada.write(&mut room, "text");
    let request = HookRequest::Take {
        document: String::new(),
        quiet_ms: 0,
        latest: room.now(),
        json: true,
        text: false,
    };
    let id = room.ask("hooks", Request::Hook(request));
    assert_eq!(room.reply(id), None);
    room.release_store();
    assert!(matches!(room.reply(id), Some(Reply::Document(_))));
}

#[test]
fn after_a_failed_append_the_next_change_is_marked_anew() {
    let mut room = hooked();
    let mut ada = Editor::join(&mut room, 1, "");
    room.fail_store(StoreError::Full);
    ada.write(&mut room, "text");
    room.advance(200);
    assert_eq!(marks(&mut room), []);
    room.advance(5_000);
    settle(&mut room, &mut [&mut ada]);
    room.advance(200);
    assert_eq!(marks(&mut room), [changed("")]);
}

#[test]
fn a_room_in_which_somebody_was_tells_that_it_is_unloaded_after_its_changes() {
    let mut room = hooked();
    room.unload();
    assert_eq!(marks(&mut room), [], "nobody was in it");
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "text");
    room.unload();
    let unloaded = Event::Unloaded {
        seq: 1,
        why: Unloaded::Idle,
    };
    assert_eq!(marks(&mut room), [changed(""), unloaded]);
}

#[test]
fn a_room_without_hooks_marks_nothing() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "text");
    room.unload();
    assert_eq!(marks(&mut room), []);
}
