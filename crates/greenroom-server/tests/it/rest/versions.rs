//! Versions: kept, listed, read, compared, restored, dropped; and who may.

use std::sync::Arc;

use greenroom_core::store::{
    NodeId, StoreReply, StoreRequest, Version, VersionId, VersionKind, VersionMeta, VersionsKept,
};
use greenroom_server::auth::{Authenticator, Rights};
use greenroom_server::store::{DataDirectory, Engine as _, SqliteStore};
use greenroom_server::{DataPlace, Limits, Settings};
use greenroom_service::{Millis, RoomId};
use serde_json::{Value, json};

use super::{TestServer, keys, settings};

const AT: &str = "/api/rooms/a/document/versions";
const TEXT: [(&str, &str); 1] = [("content-type", "text/plain")];

async fn write(server: &TestServer, text: &str) {
    let put = "PUT /api/rooms/a/document/text?root=body";
    server.send(put, &TEXT, text).await.is(200);
}

/// Keeps a version; gives its id.
async fn keep(server: &TestServer, label: &str) -> u64 {
    let kept = server
        .json(&format!("POST {AT}"), &json!({ "label": label }))
        .await;
    kept.is(201)["id"].as_u64().unwrap()
}

async fn labels(server: &TestServer, query: &str) -> (Vec<String>, Value) {
    let page = server.get(&format!("{AT}{query}")).await.is(200);
    let versions = page["versions"].as_array().unwrap().iter();
    let labels = versions.map(|version| version["label"].as_str().unwrap().to_owned());
    (labels.collect(), page["next"].clone())
}

#[tokio::test]
async fn a_version_is_kept_listed_read_and_restored() {
    let server = TestServer::open().await;
    write(&server, "one\ntwo\nthree\n").await;
    let first = keep(&server, "first").await;
    write(&server, "one\n2\nthree\nfour\n").await;
    let second = keep(&server, "second").await;
    assert!(second > first);
    let page = server.get(AT).await.is(200);
    assert_eq!(page["next"], Value::Null);
    let newest = &page["versions"][0];
    assert_eq!(newest["id"], second);
    assert_eq!(newest["kind"], "named");
    assert_eq!(newest["seq"], 2);
    assert_eq!(newest["user"], Value::Null);
    assert_eq!(server.get(&format!("{AT}/{second}")).await.is(200), *newest);
    assert_eq!(
        labels(&server, "?limit=1").await,
        (vec!["second".into()], json!(second))
    );
    assert_eq!(
        labels(&server, &format!("?before={second}")).await,
        (vec!["first".into()], Value::Null)
    );
    let text = server.get(&format!("{AT}/{first}/text")).await;
    assert_eq!(text.text(), "one\ntwo\nthree\n");
    let value = server
        .get(&format!("{AT}/{first}/json?root=body"))
        .await
        .is(200);
    assert_eq!(value, "one\ntwo\nthree\n");
    let update = server.get(&format!("{AT}/{first}/update")).await;
    assert_eq!(
        update.body.len() as u64,
        page["versions"][1]["bytes"].as_u64().unwrap()
    );
    server
        .get(&format!("{AT}/{first}/xml"))
        .await
        .is_problem(400, "root_type");
    let restored = server
        .send(&format!("POST {AT}/{first}/restore"), &[], "")
        .await;
    assert_eq!(restored.is(200), json!({"seq": 3, "changed": true}));
    let now = server.get("/api/rooms/a/document/text").await;
    assert_eq!(now.text(), "one\ntwo\nthree\n");
    let again = server
        .send(&format!("POST {AT}/{first}/restore"), &[], "")
        .await;
    assert_eq!(again.is(200), json!({"seq": 3, "changed": false}));
    // What it went back from is a version too.
    let page = server.get(AT).await.is(200);
    assert_eq!(page["versions"][0]["kind"], "restore");
    let left = page["versions"][0]["id"].as_u64().unwrap();
    let text = server.get(&format!("{AT}/{left}/text")).await;
    assert_eq!(text.text(), "one\n2\nthree\nfour\n");
}

#[tokio::test]
async fn versions_are_compared() {
    let server = TestServer::open().await;
    write(&server, "one\ntwo\nthree\n").await;
    let set = "PUT /api/rooms/a/document/json?root=state";
    let state = json!({"a": 1, "list": ["x", "y", "z"], "gone": true});
    server.json(set, &state).await.is(200);
    let first = keep(&server, "").await;
    write(&server, "one\n2\nthree\nfour\n").await;
    let state = json!({"a": 2, "list": ["x", "new", "y", "Z"], "b/c": null});
    server.json(set, &state).await.is(200);
    let second = keep(&server, "").await;
    let patch = json!([
        {"op": "replace", "path": "/body", "value": "one\n2\nthree\nfour\n"},
        {"op": "remove", "path": "/state/gone"},
        {"op": "replace", "path": "/state/a", "value": 2},
        {"op": "add", "path": "/state/b~1c", "value": null},
        {"op": "add", "path": "/state/list/1", "value": "new"},
        {"op": "replace", "path": "/state/list/3", "value": "Z"},
    ]);
    let diff = format!("{AT}/{first}/diff");
    assert_eq!(
        server.get(&format!("{diff}?to={second}")).await.is(200),
        patch
    );
    assert_eq!(
        server.get(&diff).await.is(200),
        patch,
        "now is as the second"
    );
    assert_eq!(
        server
            .get(&format!("{diff}?form=text&root=body&to=now"))
            .await
            .text(),
        "--- a/body\n+++ b/body\n@@ -1,4 +1,5 @@\n one\n-two\n+2\n three\n+four\n \n"
    );
    let same = server.get(&format!("{diff}?to={first}&form=text")).await;
    assert_eq!(same.text(), "");
    server
        .get(&format!("{diff}?form=html"))
        .await
        .is_problem(400, "query");
    server
        .get(&format!("{diff}?to=x"))
        .await
        .is_problem(400, "query");
    server
        .get(&format!("{diff}?to=7"))
        .await
        .is_problem(404, "version_not_found");
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let limits = Limits {
        versions_named_max: 2,
        ..Limits::default()
    };
    let server = TestServer::start(Authenticator::open(keys()), limits).await;
    let post = format!("POST {AT}");
    server
        .json(&post, &json!({}))
        .await
        .is_problem(404, "room_not_found");
    server.get(AT).await.is_problem(404, "room_not_found");
    write(&server, "x").await;
    let other = format!("{post}?name=other");
    server
        .json(&other, &json!({}))
        .await
        .is_problem(409, "document_empty");
    server
        .json(&post, &json!({"label": "x".repeat(257)}))
        .await
        .is_problem(400, "body");
    server
        .json(&post, &json!({"name": "x"}))
        .await
        .is_problem(400, "body");
    server.send(&post, &[], "").await.is(201);
    keep(&server, "two").await;
    server
        .json(&post, &json!({}))
        .await
        .is_problem(409, "versions_full");
    server
        .get(&format!("{AT}/7"))
        .await
        .is_problem(404, "version_not_found");
    server
        .get(&format!("{AT}/x"))
        .await
        .is_problem(400, "query");
    let restore = format!("POST {AT}/7/restore");
    server
        .send(&restore, &[], "")
        .await
        .is_problem(404, "version_not_found");
}

#[tokio::test]
async fn versions_are_dropped_one_by_one_and_with_their_room() {
    let server = TestServer::open().await;
    write(&server, "x").await;
    let first = keep(&server, "first").await;
    keep(&server, "second").await;
    let drop = format!("DELETE {AT}/{first}");
    assert_eq!(server.send(&drop, &[], "").await.status, 204);
    server
        .send(&drop, &[], "")
        .await
        .is_problem(404, "version_not_found");
    assert_eq!(labels(&server, "").await.0, ["second"]);
    assert_eq!(
        server.send("DELETE /api/rooms/a", &[], "").await.status,
        204
    );
    write(&server, "y").await;
    assert_eq!(labels(&server, "").await.0, Vec::<String>::new());
}

#[tokio::test]
async fn rights_are_needed_and_who_asked_is_told() {
    let server = TestServer::keyed().await;
    let of = |token: String| format!("Bearer {token}");
    let reader = of(server.token("a", Rights::READ));
    let writer = of(server.token("a", Rights::READ | Rights::WRITE));
    let admin = of(server.admin_token());
    let ask = async |request: &str, who: &str| {
        let lines = [("authorization", who), ("content-type", "application/json")];
        server.send(request, &lines, "").await
    };
    let lines = [("authorization", &*writer), TEXT[0]];
    let put = "PUT /api/rooms/a/document/text?root=body";
    server.send(put, &lines, "x").await.is(200);
    ask(&format!("POST {AT}"), &reader)
        .await
        .is_problem(403, "forbidden");
    let kept = ask(&format!("POST {AT}"), &writer).await.is(201);
    assert_eq!(kept["user"], "ada");
    let at = format!("{AT}/{}", kept["id"]);
    assert_eq!(ask(&format!("GET {at}/text"), &reader).await.text(), "x");
    ask(&format!("POST {at}/restore"), &reader)
        .await
        .is_problem(403, "forbidden");
    ask(&format!("POST {at}/restore"), &writer).await.is(200);
    ask(&format!("DELETE {at}"), &writer)
        .await
        .is_problem(403, "forbidden");
    assert_eq!(ask(&format!("DELETE {at}"), &admin).await.status, 204);
}

#[tokio::test]
async fn versions_whose_time_is_over_are_gone_after_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let settings = || Settings {
        data: DataPlace::Directory(directory.path().to_owned()),
        ..settings(Authenticator::open(keys()), Limits::default())
    };
    let server = TestServer::with(settings()).await;
    write(&server, "x").await;
    keep(&server, "stays").await;
    server.stop().await;
    let mut store =
        SqliteStore::open(Arc::new(DataDirectory::open(directory.path()).unwrap())).unwrap();
    let room = RoomId::new("a").unwrap();
    let acquire = StoreRequest::Acquire {
        room: room.clone(),
        node: NodeId(1),
    };
    let [StoreReply::Acquired(acquired)] = &store.handle_batch(vec![acquire])[..] else {
        panic!("it is free");
    };
    let meta = VersionMeta {
        id: VersionId(u64::MAX >> 12),
        seq: 1,
        kind: VersionKind::Named,
        label: "goes".into(),
        user: String::new(),
        expires: Some(Millis(1)),
        bytes: 1,
    };
    let kept = VersionsKept {
        named_max: 9,
        automatic_max: 9,
    };
    let version = Version {
        meta,
        data: "x".into(),
    };
    let (document, lease) = (String::new(), acquired.lease);
    let put = StoreRequest::PutVersion {
        room,
        lease,
        document,
        version,
        kept,
    };
    assert_eq!(store.handle_batch(vec![put]), [StoreReply::Done]);
    drop(store);
    let server = TestServer::with(settings()).await;
    // Nobody loads the room.
    let only = |page: &Value| page["versions"].as_array().unwrap().len() == 1;
    let page = server.until(AT, only).await;
    assert_eq!(page["versions"][0]["label"], "stays");
}
