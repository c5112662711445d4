//! What a room does for its hooks.

use greenroom_service::Millis;
use serde_json::json;

use super::*;
use crate::collab::doc::ask::{Answer, Whole};
use crate::collab::doc::gate::CheckedUpdate;
use crate::collab::doc::job::{DocumentJob, DocumentJobDone, FirstContent};
use crate::hooks::{Event, Mark, Unloaded, Wishes};
use crate::room::request::{HookRequest, Reply, Request};
use crate::room::{Input, Stopped};
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

/// A room that asks for its first content.
fn asking() -> TestRoom {
    let mut room = room();
    room.wish(Wishes {
        changes: true,
        unloads: false,
        first_content: true,
    });
    room.crash();
    assert_eq!(room.first_contents_asked(), 1);
    room
}

fn checked(content: FirstContent) -> Result<Option<CheckedUpdate>, String> {
    match DocumentJob::First(content).run() {
        DocumentJobDone::First(checked) => checked,
        other => panic!("{other:?}"),
    }
}

fn roots(value: serde_json::Value) -> FirstContent {
    let serde_json::Value::Object(roots) = value else {
        panic!("{value} is no object");
    };
    FirstContent::Roots(77, roots)
}

#[test]
fn the_first_content_is_durable_before_anybody_is_let_in_and_asked_for_once() {
    let mut room = asking();
    let mut all: Vec<_> = (1..=20).map(|n| Editor::join(&mut room, n, "")).collect();
    assert_eq!(room.first_contents_asked(), 1);
    room.hold_store();
    let content = checked(roots(json!({ "t": "from elsewhere" })));
    room.input(Input::FirstContent(content));
    for editor in &mut all {
        assert_eq!(
            (editor.hear(&mut room).text(), editor.synced),
            (String::new(), false)
        );
    }
    room.release_store();
    for editor in &mut all {
        assert_eq!(editor.hear(&mut room).text(), "from elsewhere");
    }
    // Whoever gave it is not told of it, and it is asked for no more.
    assert_eq!(marks(&mut room), []);
    room.crash();
    assert_eq!(room.first_contents_asked(), 1);
    let mut late = Editor::join(&mut room, 30, "");
    assert_eq!(late.hear(&mut room).text(), "from elsewhere");
}

#[test]
fn without_an_answer_the_room_is_not_made() {
    let mut room = asking();
    let ada = room.join_yjs("ada", "");
    room.input(Input::FirstContent(Err("no answer".into())));
    assert!(room.closed(ada).is_some());
    assert!(matches!(room.stopped(), Some(Stopped::NoFirstContent(_))));
    let content = checked(roots(json!({ "t": "text" })));
    // The store takes it not: nobody sees the room without it.
    room.load();
    let ada = room.join_yjs("ada", "");
    room.fail_store(StoreError::Full);
    room.input(Input::FirstContent(content));
    assert!(room.closed(ada).is_some());
    assert!(matches!(room.stopped(), Some(Stopped::StoreFailed(_))));
}

#[test]
fn a_room_that_is_to_hold_nothing_is_a_room_as_any() {
    let mut room = asking();
    let mut ada = Editor::join(&mut room, 1, "");
    room.input(Input::FirstContent(Ok(None)));
    ada.hear(&mut room);
    assert!(ada.synced);
    room.unload();
    room.load();
    assert_eq!(room.first_contents_asked(), 2, "nothing was written yet");
}

#[test]
fn content_is_checked_before_it_is_stored() {
    let good = checked(roots(
        json!({ "a": "text", "b": [1, { "c": null }], "d": { "e": 1 } }),
    ));
    let update = good.unwrap().unwrap().bytes;
    assert!(checked(FirstContent::Update(update)).unwrap().is_some());
    for nothing in [
        FirstContent::Update(Bytes::from_static(&[0, 0])),
        roots(json!({})),
    ] {
        assert!(checked(nothing).unwrap().is_none());
    }
    for bad in [
        FirstContent::Update(Bytes::from_static(b"nonsense")),
        FirstContent::Update(insertion(1, 5, "its cause is not there")),
        roots(json!({ "a": 1 })),
    ] {
        assert!(checked(bad).is_err());
    }
}
