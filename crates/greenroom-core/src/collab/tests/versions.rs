//! Versions of a document: kept when they are durable, brought back among people who edit.

use greenroom_service::RoomId;

use super::*;
use crate::collab::doc::ask::Ask;
use crate::collab::doc::version::open_version;
use crate::room::request::{ContentRequest, Reply, Request, RequestId};
use crate::store::{StoreError, StoreReply, StoreRequest, VersionId, VersionKind, VersionMeta};

fn ask(room: &mut TestRoom, user: &str, what: Ask) -> RequestId {
    let request = ContentRequest::Document(String::new(), what);
    room.ask(user, Request::Content(request))
}

fn keep(room: &mut TestRoom, label: &str) -> VersionMeta {
    let id = ask(room, "ada", Ask::Keep(label.to_owned()));
    match room.reply(id) {
        Some(Reply::Kept(meta)) => meta,
        other => panic!("kept? {other:?}"),
    }
}

/// What a test room is called.
fn room_id() -> RoomId {
    RoomId::new("test").expect("a room name")
}

/// The versions in the store, newest first.
fn kept(room: &mut TestRoom) -> Vec<VersionMeta> {
    let request = StoreRequest::Versions {
        room: room_id(),
        document: String::new(),
        before: None,
        limit: 100,
    };
    match room.store().handle(request) {
        StoreReply::Versions(versions) => versions,
        other => panic!("{other:?}"),
    }
}

/// The state of a version, an update.
fn state(room: &mut TestRoom, id: VersionId) -> Bytes {
    let request = StoreRequest::Version {
        room: room_id(),
        document: String::new(),
        id,
    };
    match room.store().handle(request) {
        StoreReply::Version(Some(version)) => open_version(&version).expect("sound").state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_version_is_brought_back_while_people_type() {
    let mut room = room();
    let mut ada = Editor::join(&mut room, 1, "");
    let mut bob = Editor::join(&mut room, 2, "");
    settle(&mut room, &mut [&mut ada, &mut bob]);
    ada.write(&mut room, "one two three ");
    settle(&mut room, &mut [&mut ada, &mut bob]);
    let first = keep(&mut room, "first");
    assert_eq!((first.kind, &*first.user), (VersionKind::Named, "ada"));
    for n in 0..5 {
        bob.write(&mut room, &format!("{n} "));
    }
    settle(&mut room, &mut [&mut ada, &mut bob]);
    // Typed, and not heard of by anybody when it is restored.
    let offline = ada.write_offline("meanwhile ");
    let then = state(&mut room, first.id);
    let id = ask(&mut room, "ada", Ask::Restore(then));
    room.send(ada.session, sync(2, &offline));
    bob.write(&mut room, "more ");
    room.advance(200);
    let reply = room.reply(id);
    assert!(
        matches!(reply, Some(Reply::Edited { changed: true, .. })),
        "{reply:?}"
    );
    settle(&mut room, &mut [&mut ada, &mut bob]);
    assert_eq!(ada.text(), bob.text());
    let text = ada.text();
    assert!(text.starts_with("one two three "), "{text}");
    assert!(
        text.contains("meanwhile ") && text.contains("more "),
        "{text}"
    );
    assert!(!text.contains('3'), "{text}");
    // It survives, and so does what it went back from.
    room.crash();
    let mut cleo = Editor::join(&mut room, 3, "");
    assert_eq!(cleo.hear(&mut room).text(), text);
    let kinds: Vec<_> = kept(&mut room).iter().map(|meta| meta.kind).collect();
    assert_eq!(kinds, [VersionKind::Restore, VersionKind::Named]);
}

#[test]
fn a_version_is_answered_when_it_is_durable() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one ");
    room.hold_store();
    let id = ask(&mut room, "ada", Ask::Keep(String::new()));
    assert_eq!(room.reply(id), None);
    assert_eq!(
        room.held_requests().len(),
        1,
        "the append is hurried: somebody waits"
    );
    assert!(room.answer_store());
    assert_eq!(
        room.reply(id),
        None,
        "the record is durable, the version is not"
    );
    assert!(room.answer_store());
    let Some(Reply::Kept(meta)) = room.reply(id) else {
        panic!("it is durable");
    };
    room.release_store();
    room.crash();
    assert_eq!(kept(&mut room), [meta]);
}

#[test]
fn a_version_of_what_is_lost_is_not_kept() {
    let mut room = room();
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one ");
    room.fail_store(StoreError::Full);
    let id = ask(&mut room, "ada", Ask::Keep(String::new()));
    room.advance(200);
    assert!(matches!(room.reply(id), Some(Reply::Refused(_))));
    assert_eq!(kept(&mut room), []);
}

#[test]
fn what_restores_left_is_bounded() {
    let mut room = room_with(limits(|l| l.versions_automatic_max = 2));
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one ");
    let first = keep(&mut room, "first");
    let then = state(&mut room, first.id);
    for _ in 0..4 {
        ada.write(&mut room, "more ");
        let id = ask(&mut room, "ada", Ask::Restore(then.clone()));
        room.advance(200);
        assert!(matches!(
            room.reply(id),
            Some(Reply::Edited { changed: true, .. })
        ));
    }
    let kinds: Vec<_> = kept(&mut room).iter().map(|meta| meta.kind).collect();
    let restore = VersionKind::Restore;
    assert_eq!(kinds, [restore, restore, VersionKind::Named]);
    let id = ask(&mut room, "ada", Ask::Drop(first.id));
    assert_eq!(room.reply(id), Some(Reply::Done));
    assert_eq!(kept(&mut room).len(), 2);
}

#[test]
fn a_stretch_of_changes_becomes_a_version_by_itself() {
    let mut room = room_with(limits(|l| {
        l.version_interval_ms = 60_000;
        l.version_age_days_max = 2;
        l.room_idle_ms = 10_000_000;
    }));
    let ada = Editor::join(&mut room, 1, "");
    ada.write(&mut room, "one ");
    room.advance(30_000);
    ada.write(&mut room, "two ");
    assert_eq!(kept(&mut room), []);
    room.advance(30_000);
    let [first] = &kept(&mut room)[..] else {
        panic!("one, a minute after the first change");
    };
    assert_eq!((first.kind, &*first.user), (VersionKind::Automatic, ""));
    let two_days_ms = 2 * 24 * 60 * 60 * 1_000;
    assert_eq!(first.expires.map(|at| at.0), Some(first.id.0 + two_days_ms));
    room.advance(600_000);
    assert_eq!(kept(&mut room).len(), 1, "nothing changed");
    // A version by somebody is one of what changed, too.
    ada.write(&mut room, "three ");
    keep(&mut room, "by hand");
    room.advance(600_000);
    assert_eq!(kept(&mut room).len(), 2);
    // What is not versioned is when the room goes.
    ada.write(&mut room, "four ");
    room.leave(ada.session);
    room.advance(1_000);
    room.unload();
    let versions = kept(&mut room);
    assert_eq!(
        (versions.len(), versions[0].kind),
        (3, VersionKind::Automatic)
    );
    room.load();
    room.unload();
    assert_eq!(kept(&mut room).len(), 3);
}
