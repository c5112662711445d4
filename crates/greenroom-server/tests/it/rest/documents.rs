//! Documents: read in each form, edited, refused; and the tail that tells of it.

use greenroom_server::Limits;
use greenroom_server::auth::{Authenticator, Rights};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{PATIENCE, TestServer, keys};

const TEXT: [(&str, &str); 1] = [("content-type", "text/plain")];
const BYTES: [(&str, &str); 1] = [("content-type", "application/octet-stream")];

#[tokio::test]
async fn a_text_is_replaced_and_edited() {
    let server = TestServer::open().await;
    let at = "/api/rooms/a/document/text?root=body";
    server.get(at).await.is_problem(404, "room_not_found");
    let put = server
        .send(&format!("PUT {at}"), &TEXT, "Hello 😀 world")
        .await;
    assert_eq!(put.is(200), json!({"seq": 1, "changed": true}));
    let put = server
        .send(&format!("PUT {at}"), &TEXT, "Hello 😀 world")
        .await;
    assert_eq!(put.is(200), json!({"seq": 1, "changed": false}));
    // One root, so that it need not be named.
    assert_eq!(
        server.get("/api/rooms/a/document/text").await.text(),
        "Hello 😀 world"
    );
    let edits = json!({"edits": [
        {"at": 0, "delete": 5, "insert": "Bye"}, {"at": 4, "delete": 2}, {"at": 10, "insert": "!"},
    ]});
    let patch = server.json(&format!("PATCH {at}"), &edits).await;
    assert_eq!(patch.is(200)["changed"], true);
    assert_eq!(server.get(at).await.text(), "Bye  world!");
    for edit in [json!({"at": 12}), json!({"at": 0, "delete": 12})] {
        let patch = server
            .json(&format!("PATCH {at}"), &json!({"edits": [edit]}))
            .await;
        patch.is_problem(400, "edit_range");
    }
    server.send(&format!("PUT {at}"), &TEXT, "😀").await.is(200);
    let half = json!({"edits": [{"at": 1, "insert": "x"}]});
    server
        .json(&format!("PATCH {at}"), &half)
        .await
        .is_problem(400, "edit_range");
    assert_eq!(
        server.get("/api/rooms/a/document/json").await.is(200),
        json!({"body": "😀"})
    );
    server
        .send(&format!("PUT {at}"), &BYTES, "x")
        .await
        .is_problem(415, "media_type");
    server
        .send(&format!("PUT {at}"), &TEXT, [0xff])
        .await
        .is_problem(400, "body");
}

#[tokio::test]
async fn json_is_set_in_place() {
    let server = TestServer::open().await;
    let at = "/api/rooms/a/document/json?root=state";
    let put = async |pointer: &str, value: Value| {
        server
            .json(&format!("PUT {at}&pointer={pointer}"), &value)
            .await
    };
    put(
        "",
        json!({"title": "Plan", "tasks": [{"done": false}], "n": 1.5}),
    )
    .await
    .is(200);
    put("/tasks/0/done", json!(true)).await.is(200);
    put("/tasks/-", json!("more")).await.is(200);
    put("/x~1y", json!({"deep": {"er": null}})).await.is(200);
    let all = json!({"title": "Plan", "tasks": [{"done": true}, "more"], "n": 1.5, "x/y": {"deep": {"er": null}}});
    assert_eq!(server.get(at).await.is(200), all);
    assert_eq!(put("/title", json!("Plan")).await.is(200)["changed"], false);
    put("/nothing/here", json!(1))
        .await
        .is_problem(400, "edit_range");
    put("/title/x", json!(1)).await.is_problem(400, "root_type");
    put("/tasks/7", json!(1))
        .await
        .is_problem(400, "edit_range");
    put("x", json!(1)).await.is_problem(400, "query");
    put("", json!(1)).await.is_problem(400, "root_type");
    let remove = |pointer: &str| format!("DELETE {at}&pointer={pointer}");
    server.send(&remove("/x~1y"), &[], "").await.is(200);
    server.send(&remove("/tasks/0"), &[], "").await.is(200);
    server
        .send(&remove("/tasks/9"), &[], "")
        .await
        .is_problem(400, "edit_range");
    assert_eq!(
        server.get(at).await.is(200),
        json!({"title": "Plan", "tasks": ["more"], "n": 1.5})
    );
    server
        .get("/api/rooms/a/document/text")
        .await
        .is_problem(400, "root_type");
    server
        .get("/api/rooms/a/document/xml")
        .await
        .is_problem(400, "root_type");
    server
        .send("PUT /api/rooms/a/document/text?root=other", &TEXT, "x")
        .await
        .is(200);
    server
        .get("/api/rooms/a/document/text")
        .await
        .is_problem(400, "root_unknown");
}

#[tokio::test]
async fn an_update_moves_a_document_to_another_room() {
    let server = TestServer::open().await;
    server
        .send(
            "PUT /api/rooms/a/document/text?root=body&name=notes",
            &TEXT,
            "moved",
        )
        .await
        .is(200);
    let update = server.get("/api/rooms/a/document?name=notes").await;
    assert_eq!(
        update.header("content-type"),
        Some("application/octet-stream")
    );
    let post = server
        .send("POST /api/rooms/b/document", &BYTES, &update.body)
        .await;
    assert_eq!(post.is(200), json!({"seq": 1, "changed": true}));
    let post = server
        .send("POST /api/rooms/b/document", &BYTES, &update.body)
        .await;
    assert_eq!(post.is(200), json!({"seq": 1, "changed": false}));
    assert_eq!(
        server.get("/api/rooms/b/document/text").await.text(),
        "moved"
    );
    let listed = server.get("/api/rooms/a/documents").await.is(200);
    assert_eq!(listed["documents"][0]["name"], "notes");
    server
        .send("POST /api/rooms/b/document", &BYTES, [1, 2, 3])
        .await
        .is_problem(400, "update_malformed");
    server
        .send("POST /api/rooms/b/document", &TEXT, "x")
        .await
        .is_problem(415, "media_type");
    let long = format!("/api/rooms/b/document/text?name={}", "x".repeat(129));
    server.get(&long).await.is_problem(400, "document_name");
    server.join("/ws/room/raw/x").await;
    server
        .send("PUT /api/rooms/raw%2Fx/document/text?root=a", &TEXT, "x")
        .await
        .is_problem(409, "wrong_room");
}

#[tokio::test]
async fn limits_are_held() {
    let limits = Limits {
        document_bytes_max: 100,
        yjs_frame_bytes_max: 200,
        documents_max: 1,
        ..Limits::default()
    };
    let server = TestServer::start(Authenticator::open(keys()), limits).await;
    let at = "PUT /api/rooms/a/document/text?root=body";
    server
        .send(at, &TEXT, "x".repeat(201))
        .await
        .is_problem(413, "too_large");
    server
        .send(at, &TEXT, "x".repeat(150))
        .await
        .is_problem(413, "document_full");
    server.send(at, &TEXT, "x".repeat(20)).await.is(200);
    server
        .send(&format!("{at}&name=b"), &TEXT, "x")
        .await
        .is_problem(409, "documents_full");
    let many = vec![json!({"at": 0}); 1_001];
    let patch = "PATCH /api/rooms/a/document/text?root=body";
    server
        .json(patch, &json!({"edits": many}))
        .await
        .is_problem(400, "body");
    // What was refused did not stay in the server's copy.
    assert_eq!(
        server.get("/api/rooms/a/document/text").await.text(),
        "x".repeat(20)
    );
}

#[tokio::test]
async fn edits_need_the_right_to_write() {
    let server = TestServer::keyed().await;
    let token = format!("Bearer {}", server.token("a", Rights::READ));
    let lines = [("authorization", token.as_str()), TEXT[0]];
    let put = server
        .send("PUT /api/rooms/a/document/text?root=body", &lines, "x")
        .await;
    put.is_problem(403, "forbidden");
    server
        .send("GET /api/rooms/a/tail", &lines, "")
        .await
        .is_problem(403, "forbidden");
}

/// A tail that is open.
struct Tail {
    stream: TcpStream,
    told: String,
}

impl Tail {
    async fn open(server: &TestServer, path: &str, token: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let told = String::new();
        let mut tail = Self { stream, told };
        tail.until(": greenroom").await;
        tail
    }

    /// Everything that it told until it told `last`.
    async fn until(&mut self, last: &str) -> &str {
        let mut bytes = [0; 4096];
        while !self.told.contains(last) {
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await;
            let read = read.expect("it goes on").unwrap();
            assert!(read > 0, "it ended with {}", self.told);
            self.told.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        &self.told
    }
}

#[tokio::test]
async fn the_tail_tells_records_and_their_users() {
    let server = TestServer::keyed().await;
    let token = format!("Bearer {}", server.token("a", Rights::READ | Rights::WRITE));
    let admin = format!("Bearer {}", server.admin_token());
    let lines = [("authorization", token.as_str()), TEXT[0]];
    let at = "PUT /api/rooms/a/document/text?root=body";
    server.send(at, &lines, "one").await.is(200);
    server.send(at, &lines, "two").await.is(200);
    let mut tail = Tail::open(&server, "/api/rooms/a/tail?from=1", &admin).await;
    let told = tail.until("id: 2").await;
    assert!(told.contains("content-type: text/event-stream"), "{told}");
    let first = r#""document":"","kind":"document","seq":1"#;
    assert!(
        told.contains(first) && told.contains(r#""user":"ada""#),
        "{told}"
    );
    server.send(at, &lines, "three").await.is(200);
    tail.until("id: 3").await;
    let mut news = Tail::open(&server, "/api/rooms/a/tail", &admin).await;
    let admin = [("authorization", admin.as_str())];
    server.send("DELETE /api/rooms/a", &admin, "").await.is(204);
    let told = news.until("event: closed").await;
    assert!(!told.contains("event: record"), "{told}");
    news.until(r#""reason":"deleted""#).await;
    tail.until(r#""reason":"deleted""#).await;
    let gone = server.send("GET /api/rooms/a/tail", &admin, "").await;
    gone.is_problem(404, "room_not_found");
}
