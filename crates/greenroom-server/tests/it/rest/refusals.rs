//! Answers that take some doing: a store that is damaged, readers that do not read, a server that is
//! asked too much of.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use greenroom_core::export::{Encoder, ExportHead};
use greenroom_core::store::envelope::{Record, RecordKind};
use greenroom_server::auth::Authenticator;
use greenroom_server::{DataPlace, Limits};
use greenroom_service::Millis;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Answer, PATIENCE, TestServer, heard, keys, settings};

const HANDSHAKE: [(&str, &str); 4] = [
    ("upgrade", "websocket"),
    ("connection", "upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

async fn server_in(directory: &Path, limits: Limits) -> TestServer {
    let mut settings = settings(Authenticator::open(keys()), limits);
    settings.data = DataPlace::Directory(directory.to_owned());
    TestServer::with(settings).await
}

/// A request whose answer is read no further than its head.
async fn begun(server: &TestServer, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    let read = stream.read_exact(&mut status);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(&status, b"HTTP/1.1 200", "{path}");
    stream
}

#[tokio::test]
async fn what_is_no_handshake_is_told_so() {
    let server = TestServer::open().await;
    let plain = server.get("/yjs/a").await;
    plain.is_problem(426, "handshake");
    assert_eq!(plain.header("upgrade"), Some("websocket"));
    let posted = server.send("POST /yjs/a", &HANDSHAKE, "").await;
    posted.is_problem(405, "method_not_allowed");
    assert_eq!(posted.header("allow"), Some("get,head"));
}

#[tokio::test]
async fn a_token_whose_time_is_over_is_told_apart() {
    let server = TestServer::keyed().await;
    let old = format!("Bearer {}", server.mint_until(Vec::new(), true, 2));
    let lines = [("authorization", &*old)];
    let listed = server.send("GET /api/rooms", &lines, "").await;
    listed.is_problem(401, "expired");
    assert_eq!(listed.header("www-authenticate"), Some("bearer"));
}

#[tokio::test]
async fn one_address_has_so_many_connections() {
    let mut settings = settings(Authenticator::open(keys()), Limits::default());
    settings.front.connections_per_ip_max = Some(1);
    let server = TestServer::with(settings).await;
    let mut first = server.join("/yjs/a").await;
    heard(&mut first).await;
    let second = server.send("GET /yjs/a", &HANDSHAKE, "").await;
    second.is_problem(429, "connections_per_ip");
    // It is about connections that stay, and one that ended makes room.
    server.get("/api/rooms").await.is(200);
    drop(first);
    let again = async {
        while answer_of(&mut knocked(&server).await).await.status != 101 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn more_than_can_be_let_in_soon_are_told_to_come_again() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits {
        handshakes_per_s_max: 1,
        handshake_wait_ms: 1,
        ..Limits::default()
    };
    let first = server_in(directory.path(), limits.clone()).await;
    first.json("POST /api/rooms", &json!({"id": "a"})).await;
    first.stop().await;
    let server = server_in(directory.path(), limits).await;
    // One is let in at once, one waits for a second, and a third finds its place taken; unless this
    // machine stood still meanwhile.
    let mut let_in = Vec::new();
    let refused = loop {
        let (mut one, mut other) = (knocked(&server).await, knocked(&server).await);
        let answered = async {
            tokio::select! {
                answer = answer_of(&mut one) => answer,
                answer = answer_of(&mut other) => answer,
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answered).await.unwrap();
        if answer.status != 101 {
            break answer;
        }
        let_in.extend([one, other]);
        assert!(let_in.len() < 100, "nobody is refused");
    };
    refused.is_problem(503, "crowded");
    assert_eq!(refused.header("retry-after"), Some("5"));
}

/// Somebody who shakes hands and was not answered yet.
async fn knocked(server: &TestServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let lines = HANDSHAKE.map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines = lines.concat();
    let head = format!("GET /yjs/a HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The answer on a connection that stays open.
async fn answer_of(stream: &mut TcpStream) -> Answer {
    let mut got = Vec::new();
    loop {
        got.push(stream.read_u8().await.unwrap());
        if !got.ends_with(b"\r\n\r\n") {
            continue;
        }
        let head = Answer::read(&got);
        let length = head.header("content-length").map(str::parse);
        let mut body = vec![0; length.map_or(0, Result::unwrap)];
        stream.read_exact(&mut body).await.unwrap();
        return Answer { body, ..head };
    }
}

#[tokio::test]
async fn a_room_has_so_many_tails() {
    let server = TestServer::open().await;
    server.json("POST /api/rooms", &json!({"id": "a"})).await;
    let mut tails = Vec::new();
    for _ in 0..greenroom_core::limits::TAILS_MAX {
        tails.push(begun(&server, "/api/rooms/a/tail").await);
    }
    let one_more = server.get("/api/rooms/a/tail").await;
    one_more.is_problem(429, "too_many_tails");
}

#[tokio::test]
async fn one_backup_is_taken_at_a_time() {
    let memory = TestServer::open().await;
    memory.get("/api/backup").await.is_problem(409, "in_memory");
    let directory = tempfile::tempdir().unwrap();
    let server = server_in(directory.path(), Limits::default()).await;
    // More than sockets and queues take in while nobody reads.
    let text = "x".repeat(1 << 20);
    for at in 0..16 {
        let put = format!("PUT /api/rooms/{at}/document/text?root=t");
        let lines = [("content-type", "text/plain")];
        server.send(&put, &lines, &text[at..]).await.is(200);
    }
    let _unread = begun(&server, "/api/backup").await;
    let second = server.get("/api/backup").await;
    second.is_problem(429, "backup_running");
}

#[tokio::test]
async fn a_room_whose_records_are_damaged_is_refused_and_nothing_else_is() {
    const MARK: &str = "what stands in the record";
    let directory = tempfile::tempdir().unwrap();
    let server = server_in(directory.path(), Limits::default()).await;
    let lines = [("content-type", "text/plain")];
    for (room, text) in [("hurt", MARK), ("sound", "as it was")] {
        let put = format!("PUT /api/rooms/{room}/document/text?root=t");
        server.send(&put, &lines, text).await.is(200);
    }
    server.stop().await;
    damage(directory.path(), MARK.as_bytes());
    let server = server_in(directory.path(), Limits::default()).await;
    let text = |room: &str| format!("/api/rooms/{room}/document/text?root=t");
    let hurt = server.get(&text("hurt")).await;
    hurt.is_problem(503, "room_unavailable");
    let exported = server.get("/api/rooms/hurt/export").await;
    exported.is_problem(503, "export_failed");
    assert_eq!(server.get(&text("sound")).await.text(), "as it was");
    // Its name is known, and that it can be deleted.
    server.get("/api/rooms/hurt").await.is(200);
    server.send("DELETE /api/rooms/hurt", &[], "").await.is(204);
    let again: Answer = server.get("/api/rooms/hurt").await;
    again.is_problem(404, "room_not_found");
}

#[tokio::test]
async fn an_update_without_its_causes_is_for_peers_that_have_them() {
    let server = TestServer::open().await;
    let lines = [("content-type", "application/octet-stream")];
    // One deleted item of client 1, from its clock 5 on.
    let update = [1, 1, 1, 5, 0, 1, 0];
    let post = server.send("POST /api/rooms/a/document", &lines, update);
    post.await.is_problem(400, "update_refused");
}

#[tokio::test]
async fn a_file_that_is_whole_and_holds_nonsense_is_refused_at_its_place() {
    let server = TestServer::open().await;
    let (mut encoder, begun) = Encoder::begin(&ExportHead {
        room: "a".into(),
        kind: "collab".into(),
        seq: 1,
        created: Millis(1),
        exported: Millis(2),
        metadata: serde_json::Map::new(),
    });
    // A document without a name, and what is no update.
    let record = Record {
        kind: RecordKind::Document,
        data: Bytes::from_static(&[0, 9, 9, 9]),
    };
    let record = encoder.record(1, Millis(1), &record);
    let file = [begun, record, encoder.end()].concat();
    let lines = [("content-type", "application/vnd.greenroom.room")];
    let import = server.send("POST /api/rooms/a/import", &lines, file).await;
    import.is_problem(400, "import_refused");
    let detail = import.value()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("the record at seq 1, "), "{detail}");
}

#[tokio::test]
async fn who_writes_all_before_reading_sees_why_it_is_refused() {
    let server = TestServer::open().await;
    // More than sockets hold, so that writing it needs somebody who reads.
    let body = vec![b'x'; 16 << 20];
    for (path, kind, status, code) in [
        (
            "PUT /api/rooms/a/metadata",
            "application/json",
            413,
            "too_large",
        ),
        (
            "POST /api/rooms/a/document",
            "text/plain",
            415,
            "media_type",
        ),
        ("POST /api/rooms/a/nothing", "text/plain", 404, "not_found"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let length = body.len();
        let head = format!(
            "{path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n\
             content-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.expect("all is taken");
        let answer = tokio::time::timeout(PATIENCE, answer_of(&mut stream)).await;
        let answer = answer.expect("it is answered");
        if code != "not_found" {
            answer.is_problem(status, code);
        }
        assert_eq!(answer.status, status);
    }
}

/// Flips a bit wherever `mark` stands in the files of a store that is stopped.
fn damage(directory: &Path, mark: &[u8]) {
    let mut places = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        let found: Vec<usize> = bytes
            .windows(mark.len())
            .enumerate()
            .filter_map(|(at, window)| (window == mark).then_some(at))
            .collect();
        for at in &found {
            bytes[*at] ^= 1;
        }
        places += found.len();
        if !found.is_empty() {
            fs::write(&path, bytes).unwrap();
        }
    }
    assert!(places > 0, "the record is in no file");
}
