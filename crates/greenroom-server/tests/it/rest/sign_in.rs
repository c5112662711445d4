//! The console's sign-in: a link for a cookie, a cookie for what an operator may.

use std::time::{SystemTime, UNIX_EPOCH};

use greenroom_server::auth::{ConsoleLink, Rights};
use serde_json::json;

use super::{Answer, TestServer, keys};

const PAGE: (&str, &str) = ("greenroom-console", "1");
const JSON: (&str, &str) = ("content-type", "application/json");

fn link(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let link = ConsoleLink {
        sub: "ops".into(),
        iat: now.as_secs(),
        exp: now.as_secs() + 60,
        jti: name.into(),
    };
    keys().mint_console_link(&link).unwrap()
}

async fn sign_in(server: &TestServer, token: &str) -> Answer {
    let body = json!({ "token": token }).to_string();
    server.send("POST /api/sign-in", &[PAGE, JSON], body).await
}

/// The cookie of somebody who just signed in, as a browser sends it.
async fn cookie(server: &TestServer, name: &str) -> String {
    let response = sign_in(server, &link(name)).await;
    assert_eq!(response.is(200)["user"], "ops");
    // The head is read in lower case, which would change the cookie's value.
    let cookie = response.cookie.expect("a cookie");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_cookie_may_what_an_operator_may_until_it_is_signed_out() {
    let server = TestServer::keyed().await;
    let cookie = cookie(&server, "one").await;
    let with = [("cookie", cookie.as_str())];
    let shown = server.send("GET /api/sign-in", &with, "").await.is(200);
    assert_eq!(
        (&shown["signed_in"], &shown["needed"], &shown["user"]),
        (&json!(true), &json!(true), &json!("ops"))
    );
    server.send("GET /api/rooms", &with, "").await.is(200);
    let changing = [("cookie", cookie.as_str()), PAGE];
    server.send("PUT /api/rooms/a", &changing, "").await.is(201);
    server
        .send("DELETE /api/rooms/a", &changing, "")
        .await
        .is(204);

    let out = server.send("DELETE /api/sign-in", &changing, "").await;
    out.is(204);
    assert!(out.cookie.unwrap().contains("Max-Age=0"));
    let asked = server.send("GET /api/rooms", &with, "").await;
    asked.is_problem(401, "unauthenticated");
    let shown = server.send("GET /api/sign-in", &with, "").await.is(200);
    assert_eq!(shown["signed_in"], false);
    server.stop().await;
}

#[tokio::test]
async fn a_link_is_good_once_and_a_token_is_no_link() {
    let server = TestServer::keyed().await;
    let link = link("one");
    sign_in(&server, &link).await.is(200);
    sign_in(&server, &link).await.is_problem(401, "link_used");
    for token in [
        server.admin_token(),
        server.token("**", Rights::ALL),
        String::new(),
    ] {
        let refused = sign_in(&server, &token).await;
        refused.is_problem(401, "unauthenticated");
        assert_eq!(refused.cookie, None);
    }
    // And a link is no token.
    let bearer = format!("Bearer {}", self::link("two"));
    let asked = server
        .send("GET /api/rooms", &[("authorization", &bearer)], "")
        .await;
    asked.is_problem(401, "unauthenticated");
    server.stop().await;
}

#[tokio::test]
async fn another_page_cannot_act_with_the_cookie() {
    let server = TestServer::keyed().await;
    let cookie = cookie(&server, "one").await;
    let cookie = ("cookie", cookie.as_str());
    let form = server.send("PUT /api/rooms/a", &[cookie], "").await;
    form.is_problem(401, "unauthenticated");
    for site in ["cross-site", "same-site"] {
        let lines = [cookie, PAGE, ("sec-fetch-site", site)];
        let read = server.send("GET /api/rooms", &lines, "").await;
        read.is_problem(401, "unauthenticated");
        let out = server.send("DELETE /api/sign-in", &lines, "").await;
        out.is_problem(403, "origin");
    }
    let body = json!({ "token": link("two") }).to_string();
    let signed_in = server.send("POST /api/sign-in", &[JSON], body).await;
    signed_in.is_problem(403, "origin");
    // A preflight does not offer the page's header to other origins.
    let preflight = server
        .send(
            "OPTIONS /api/rooms",
            &[("access-control-request-method", "POST")],
            "",
        )
        .await;
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    assert!(!allowed.contains(PAGE.0));
    server.stop().await;
}

#[tokio::test]
async fn an_open_server_needs_no_sign_in() {
    let server = TestServer::open().await;
    let shown = server.get("/api/sign-in").await.is(200);
    assert_eq!(
        shown,
        json!({"signed_in": true, "needed": false, "user": null, "ends_ms": null})
    );
    server.stop().await;
}
