//! How the server is doing: for operators only.

use greenroom_server::auth::Rights;

use super::TestServer;

#[tokio::test]
async fn an_operator_is_told_how_the_server_is_doing() {
    let server = TestServer::keyed().await;
    let ask = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let lines = [("authorization", bearer.as_str())];
        server.send("GET /api/overview", &lines, "").await
    };
    let none = server.get("/api/overview").await;
    none.is_problem(401, "unauthenticated");
    ask(&server.token("**", Rights::ALL))
        .await
        .is_problem(403, "forbidden");

    let _peer = server
        .join(&format!("/yjs/a?token={}", server.token("a", Rights::ALL)))
        .await;
    let bearer = format!("Bearer {}", server.admin_token());
    let lines = [("authorization", bearer.as_str())];
    let asked = async {
        loop {
            let overview = ask(&server.admin_token()).await.is(200);
            if overview["busiest"][0]["value"] == 1 {
                return overview;
            }
            tokio::task::yield_now().await;
        }
    };
    let overview = tokio::time::timeout(super::PATIENCE, asked).await.unwrap();
    assert_eq!(overview["busiest"][0]["name"], "a");
    assert_eq!(
        (&overview["ready"], &overview["mode"]),
        (&true.into(), &"serve".into())
    );
    assert_eq!(overview["store"]["level"], "memory");
    assert!(overview["attention"].is_array() && overview["series"].is_array());
    // A server for others that keeps nothing says so.
    let codes: Vec<_> = overview["attention"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"in_memory"), "{codes:?}");
    let described = server
        .send("GET /api/openapi.json", &lines, "")
        .await
        .is(200);
    let said = &described["components"]["schemas"]["Overview"]["properties"];
    let told = overview.as_object().unwrap().keys();
    assert!(told.clone().all(|key| said[key].is_object()), "{told:?}");
    server.stop().await;
}
