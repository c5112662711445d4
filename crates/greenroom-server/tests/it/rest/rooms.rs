//! Rooms and who is in them.

use futures_util::SinkExt as _;
use greenroom_server::auth::{Authenticator, Rights};
use greenroom_server::{DataPlace, Limits};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{TestServer, close_code, heard, keys, settings};

#[tokio::test]
async fn a_room_is_made_shown_listed_and_deleted() {
    let server = TestServer::open().await;
    server
        .get("/api/rooms/docs%2Fa")
        .await
        .is_problem(404, "room_not_found");
    let new = json!({"id": "docs/a", "metadata": {"title": "Plans"}});
    let made = server.json("POST /api/rooms", &new).await;
    assert_eq!(made.header("location"), Some("/api/rooms/docs%2fa"));
    let made = made.is(201);
    assert_eq!(
        (&made["id"], &made["stored"], &made["seq"]),
        (&json!("docs/a"), &json!(true), &json!(1))
    );
    server
        .json("POST /api/rooms", &new)
        .await
        .is_problem(409, "room_exists");
    let put = "PUT /api/rooms/docs%2Fa";
    assert_eq!(
        server
            .json(put, &json!({"metadata": {"n": 1}}))
            .await
            .is(200)["metadata"],
        json!({"title": "Plans"})
    );
    server.send("PUT /api/rooms/b", &[], "").await.is(201);

    let all = server.get("/api/rooms").await.is(200);
    let names: Vec<_> = all["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|room| room["id"].clone())
        .collect();
    assert_eq!(names, ["b", "docs/a"]);
    let page = server.get("/api/rooms?limit=1").await.is(200);
    assert_eq!(page["next"], "b");
    let page = server.get("/api/rooms?limit=1&after=b").await.is(200);
    assert_eq!(
        (&page["rooms"][0]["id"], &page["next"]),
        (&json!("docs/a"), &json!(null))
    );
    let page = server
        .get("/api/rooms?prefix=docs%2F&kind=collab")
        .await
        .is(200);
    assert_eq!(page["rooms"].as_array().unwrap().len(), 1);

    server
        .send("DELETE /api/rooms/docs%2Fa", &[], "")
        .await
        .is(204);
    server
        .get("/api/rooms/docs%2Fa")
        .await
        .is_problem(404, "room_not_found");
    server
        .send("DELETE /api/rooms/docs%2Fa", &[], "")
        .await
        .is_problem(404, "room_not_found");
}

#[tokio::test]
async fn metadata_is_read_replaced_and_merged() {
    let server = TestServer::open().await;
    server
        .get("/api/rooms/a/metadata")
        .await
        .is_problem(404, "room_not_found");
    server.send("PUT /api/rooms/a", &[], "").await.is(201);
    let put = server
        .json("PUT /api/rooms/a/metadata", &json!({"a": 1, "b": 2}))
        .await;
    assert_eq!(put.is(200), json!({"a": 1, "b": 2}));
    let merged = server
        .json("PATCH /api/rooms/a/metadata", &json!({"a": null, "c": 3}))
        .await;
    assert_eq!(merged.is(200), json!({"b": 2, "c": 3}));
    assert_eq!(
        server.get("/api/rooms/a/metadata").await.is(200),
        json!({"b": 2, "c": 3})
    );
    server
        .json("PUT /api/rooms/a/metadata", &json!([1]))
        .await
        .is_problem(400, "body");
    let large = json!({"a": "x".repeat(70_000)});
    server
        .json("PUT /api/rooms/a/metadata", &large)
        .await
        .is_problem(413, "too_large");
    let huge = json!({"a": "x".repeat(2 << 20)});
    server
        .json("PUT /api/rooms/a/metadata", &huge)
        .await
        .is_problem(413, "too_large");
    let plain = [("content-type", "text/plain")];
    let put = server.send("PUT /api/rooms/a/metadata", &plain, "{}").await;
    put.is_problem(415, "media_type");
}

#[tokio::test]
async fn what_was_made_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut settings = settings(Authenticator::open(keys()), Limits::default());
        settings.data = DataPlace::Directory(folder.path().into());
        TestServer::with(settings)
    };
    let server = start().await;
    server
        .json("PUT /api/rooms/a", &json!({"metadata": {"n": 1}}))
        .await
        .is(201);
    server.stop().await;
    let server = start().await;
    assert_eq!(
        server.get("/api/rooms/a").await.is(200)["metadata"],
        json!({"n": 1})
    );
    let listed = server.get("/api/rooms").await.is(200);
    assert_eq!(listed["rooms"][0]["metadata"], json!({"n": 1}));
}

#[tokio::test]
async fn who_is_in_a_room_is_shown_told_and_sent_away() {
    let server = TestServer::open().await;
    let (mut ada, mut bob) = (
        server.join("/ws/room/raw/x").await,
        server.join("/ws/room/raw/x").await,
    );
    server
        .until("/api/rooms/raw%2Fx", |room| {
            room["sessions"].as_array().is_some_and(|s| s.len() == 2)
        })
        .await;
    ada.send(Message::text("ping")).await.unwrap();
    assert_eq!(heard(&mut bob).await, Message::text("ping"));
    let listed = server.get("/api/rooms").await.is(200);
    assert_eq!(listed["rooms"][0]["id"], "raw/x");
    assert_eq!(listed["rooms"][0]["stored"], false);
    assert_eq!(listed["rooms"][0]["sessions"], 2);
    let room = server.get("/api/rooms/raw%2Fx").await.is(200);
    assert_eq!(
        (&room["kind"], &room["state"]),
        (&json!("service"), &json!("live"))
    );
    let sessions = room["sessions"].as_array().unwrap();
    assert_eq!(sessions[0]["protocol"], "raw");
    assert_eq!(sessions[0]["rights"], json!(["read", "write", "presence"]));

    let sent = server
        .json("POST /api/rooms/raw%2Fx/events", &json!({"hi": 1}))
        .await;
    assert_eq!(sent.is(202), json!({"sessions": 2}));
    assert_eq!(heard(&mut bob).await, Message::text(r#"{"hi":1}"#));
    let bytes = [("content-type", "application/octet-stream")];
    server
        .send("POST /api/rooms/raw%2Fx/events", &bytes, [1, 2])
        .await
        .is(202);
    assert_eq!(heard(&mut bob).await, Message::binary(vec![1, 2]));
    let json = [("content-type", "application/json")];
    server
        .send("POST /api/rooms/raw%2Fx/events", &json, "{")
        .await
        .is_problem(400, "body");
    server
        .send("POST /api/rooms/raw%2Fx/events", &[], "x")
        .await
        .is_problem(415, "media_type");

    let kick = format!("DELETE /api/rooms/raw%2Fx/sessions/{}", sessions[0]["id"]);
    server.send(&kick, &[], "").await.is(204);
    assert_eq!(close_code(&mut ada).await, 4905, "kicked");
    server
        .send("DELETE /api/rooms/raw%2Fx/sessions/99", &[], "")
        .await
        .is_problem(404, "session_not_found");
    server
        .send("DELETE /api/rooms/raw%2Fx/sessions/x", &[], "")
        .await
        .is_problem(400, "query");
    server
        .send("DELETE /api/rooms/raw%2Fx", &[], "")
        .await
        .is(204);
    assert_eq!(close_code(&mut bob).await, 4904, "deleted");
}

#[tokio::test]
async fn rights_are_held_against_what_is_asked() {
    let server = TestServer::keyed().await;
    let reader = format!("Bearer {}", server.token("docs/*", Rights::READ));
    let writer = format!(
        "Bearer {}",
        server.token("docs/*", Rights::READ | Rights::WRITE)
    );
    let admin = format!("Bearer {}", server.admin_token());
    let ask = async |request: &str, token: &str| {
        let lines = [
            ("authorization", token),
            ("content-type", "application/json"),
        ];
        server
            .send(
                request,
                &lines,
                if request.starts_with("GET") { "" } else { "{}" },
            )
            .await
    };
    server
        .get("/api/rooms/docs%2Fa")
        .await
        .is_problem(401, "unauthenticated");
    ask("GET /api/rooms/docs%2Fa", "Bearer nonsense")
        .await
        .is_problem(401, "unauthenticated");
    ask("PUT /api/rooms/docs%2Fa", &reader)
        .await
        .is_problem(403, "forbidden");
    ask("PUT /api/rooms/docs%2Fa", &writer).await.is(201);
    ask("GET /api/rooms/docs%2Fa", &reader).await.is(200);
    ask("GET /api/rooms/other", &reader)
        .await
        .is_problem(403, "forbidden");
    for request in [
        "GET /api/rooms",
        "DELETE /api/rooms/docs%2Fa",
        "PUT /api/rooms/docs%2Fa/metadata",
        "PATCH /api/rooms/docs%2Fa/metadata",
        "DELETE /api/rooms/docs%2Fa/sessions/1",
    ] {
        ask(request, &writer).await.is_problem(403, "forbidden");
    }
    ask("GET /api/rooms", &admin).await.is(200);
    ask("PUT /api/rooms/docs%2Fa/metadata", &admin)
        .await
        .is(200);
    let path = format!(
        "/api/rooms/docs%2Fa?token={}",
        server.token("docs/*", Rights::READ)
    );
    server.get(&path).await.is(200);
    ask("DELETE /api/rooms/docs%2Fa", &admin).await.is(204);
}

#[tokio::test]
async fn nonsense_is_named() {
    let server = TestServer::open().await;
    let long = format!("/api/rooms/{}", "x".repeat(129));
    server.get(&long).await.is_problem(400, "room_name");
    server
        .get("/api/rooms/%00")
        .await
        .is_problem(400, "room_name");
    server
        .get("/api/rooms/%ff")
        .await
        .is_problem(400, "room_name");
    server
        .get("/api/rooms?limit=0")
        .await
        .is_problem(400, "query");
    server
        .get("/api/rooms?limit=x")
        .await
        .is_problem(400, "query");
    server
        .get("/api/rooms?loaded=2")
        .await
        .is_problem(400, "query");
    server
        .get("/api/nothing")
        .await
        .is_problem(404, "not_found");
    server
        .send("DELETE /api/rooms", &[], "")
        .await
        .is_problem(405, "method_not_allowed");
    server
        .json("POST /api/rooms", &json!({"id": ""}))
        .await
        .is_problem(400, "room_name");
    server
        .json("POST /api/rooms", &json!({"name": "a"}))
        .await
        .is_problem(400, "body");
}

#[tokio::test]
async fn pages_of_other_origins_are_held_against_the_list() {
    let server = TestServer::open().await;
    let far = [("origin", "https://evil.example")];
    server
        .send("GET /api/rooms", &far, "")
        .await
        .is_problem(403, "origin");
    let allowed = [("origin", "https://app.example")];
    let answer = server.send("GET /api/rooms", &allowed, "").await;
    answer.is(200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(answer.header("vary"), Some("origin"));
    let preflight = [allowed[0], ("access-control-request-method", "DELETE")];
    let answer = server.send("OPTIONS /api/rooms/a", &preflight, "").await;
    assert_eq!(answer.status, 204);
    assert!(
        answer
            .header("access-control-allow-methods")
            .is_some_and(|m| m.contains("delete"))
    );
    let preflight = [far[0], ("access-control-request-method", "DELETE")];
    server
        .send("OPTIONS /api/rooms/a", &preflight, "")
        .await
        .is_problem(403, "origin");
}

#[tokio::test]
async fn the_description_and_its_page_are_served() {
    let server = TestServer::open().await;
    let description = server.get("/api/openapi.json").await.is(200);
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(description["paths"]["/api/rooms/{room}"]["delete"].is_object());
    // What is described is there, and what is there is described.
    for (path, item) in description["paths"].as_object().unwrap() {
        let path = path.replace("{room}", "a").replace("{session}", "1");
        let answer = server.send(&format!("TRACE {path}"), &[], "").await;
        answer.is_problem(405, "method_not_allowed");
        let allowed = answer.header("allow").unwrap().split(',');
        let mut allowed: Vec<_> = allowed.filter(|method| *method != "head").collect();
        let mut described: Vec<_> = item
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        allowed.sort_unstable();
        described.sort_unstable();
        assert_eq!(allowed, described, "{path}");
    }
    let page = server.get("/api/docs").await;
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
    for file in ["docs.js", "docs.css"] {
        assert!(page.text().contains(file));
        assert_eq!(server.get(&format!("/api/docs/{file}")).await.status, 200);
    }
}
