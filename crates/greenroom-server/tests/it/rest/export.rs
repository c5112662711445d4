//! Rooms as files.

use greenroom_server::auth::Rights;
use greenroom_server::{DataPlace, Limits};
use serde_json::json;

use super::{Answer, TestServer, close_code, keys, settings};
use greenroom_server::auth::Authenticator;

const FILE: (&str, &str) = ("content-type", "application/vnd.greenroom.room");

async fn import(server: &TestServer, room: &str, file: &[u8]) -> Answer {
    let request = format!("POST /api/rooms/{room}/import");
    server.send(&request, &[FILE], file).await
}

/// A room with a text and metadata.
async fn written(server: &TestServer) {
    let new = json!({"id": "docs/a", "metadata": {"title": "Plans"}});
    server.json("POST /api/rooms", &new).await.is(201);
    let put = "PUT /api/rooms/docs%2Fa/document/text?root=t";
    for text in ["Hello", "Hello, world"] {
        let lines = [("content-type", "text/plain")];
        server.send(put, &lines, text).await.is(200);
    }
}

async fn exported(server: &TestServer) -> Vec<u8> {
    let answer = server.get("/api/rooms/docs%2Fa/export").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header(FILE.0), Some(FILE.1));
    assert!(answer.body.starts_with(b"greenroom room\n"));
    answer.body
}

#[tokio::test]
async fn a_room_is_copied_to_another_server() {
    let server = TestServer::open().await;
    written(&server).await;
    let file = exported(&server).await;
    let other = TestServer::open().await;
    let made = import(&other, "copy", &file).await;
    assert_eq!(made.header("location"), Some("/api/rooms/copy"));
    let made = made.is(201);
    assert_eq!(made["id"], "copy");
    assert_eq!(made["metadata"], json!({"title": "Plans"}));
    let text = other.get("/api/rooms/copy/document/text?root=t").await;
    assert_eq!(text.text(), "Hello, world");
}

#[tokio::test]
async fn an_import_replaces_nothing() {
    let server = TestServer::open().await;
    written(&server).await;
    let file = exported(&server).await;
    import(&server, "docs%2Fa", &file)
        .await
        .is_problem(409, "room_exists");
    // `raw/*` runs a service.
    import(&server, "raw%2Fa", &file)
        .await
        .is_problem(409, "wrong_room");
    server
        .get("/api/rooms/raw%2Fa")
        .await
        .is_problem(404, "room_not_found");
    server
        .get("/api/rooms/none/export")
        .await
        .is_problem(404, "room_not_found");
}

#[tokio::test]
async fn a_damaged_file_leaves_nothing_and_says_where() {
    let server = TestServer::open().await;
    written(&server).await;
    let file = exported(&server).await;
    let cut = import(&server, "b", &file[..file.len() - 3]).await;
    cut.is_problem(400, "import_malformed");
    assert!(
        cut.value()["detail"]
            .as_str()
            .unwrap()
            .starts_with("the file is cut off")
    );
    let mut flipped = file.clone();
    let last = flipped.len() - 12;
    flipped[last] ^= 1;
    let flipped = import(&server, "b", &flipped).await;
    flipped.is_problem(400, "import_malformed");
    assert!(
        flipped.value()["detail"]
            .as_str()
            .unwrap()
            .starts_with("the file is damaged at byte ")
    );
    import(&server, "b", b"PK")
        .await
        .is_problem(400, "import_malformed");
    let wrong = server.send("POST /api/rooms/b/import", &[], &file).await;
    wrong.is_problem(415, "media_type");
    server
        .get("/api/rooms/b")
        .await
        .is_problem(404, "room_not_found");
    import(&server, "b", &file).await.is(201);
}

#[tokio::test]
async fn both_take_an_operator() {
    let server = TestServer::keyed().await;
    let token = format!("Bearer {}", server.token("**", Rights::ALL));
    let lines = [("authorization", token.as_str()), FILE];
    for request in ["GET /api/rooms/a/export", "POST /api/rooms/a/import"] {
        server
            .send(request, &lines, "")
            .await
            .is_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_room_larger_than_what_is_read_at_a_time_comes_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(Authenticator::open(keys()), Limits::default());
    settings.data = DataPlace::Directory(directory.path().to_owned());
    let server = TestServer::with(settings).await;
    let put = "PUT /api/rooms/docs%2Fa/document/text?root=t";
    let lines = [("content-type", "text/plain")];
    // Each text replaces the one before; some of them are in the journal still.
    for letter in ["a", "b", "c", "d"] {
        server
            .send(put, &lines, letter.repeat(900 << 10))
            .await
            .is(200);
    }
    let file = exported(&server).await;
    assert!(file.len() > 1 << 20, "{}", file.len());
    import(&server, "copy", &file).await.is(201);
    let text = server.get("/api/rooms/copy/document/text?root=t").await;
    assert_eq!(text.text(), "d".repeat(900 << 10));
}

#[tokio::test]
async fn who_was_in_the_room_stays() {
    let server = TestServer::open().await;
    written(&server).await;
    let file = exported(&server).await;
    let mut peer = server.join("/yjs/copy").await;
    import(&server, "copy", &file).await.is(201);
    server.send("DELETE /api/rooms/copy", &[], "").await.is(204);
    assert_eq!(close_code(&mut peer).await, 4404, "only now");
}
