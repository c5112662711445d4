use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName};

use crate::auth::{subprotocol_answer, token_of};

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.clone(), value.parse().unwrap()))
        .collect()
}

#[test]
fn a_token_is_found_in_each_place() {
    let check = |pairs: &[(HeaderName, &str)], query: Option<&str>, expected: Option<&str>| {
        assert_eq!(token_of(&headers(pairs), query).as_deref(), expected);
    };
    check(&[], None, None);
    check(&[], Some(""), None);
    check(&[], Some("doc=a&token=abc"), Some("abc"));
    check(&[], Some("token="), None);
    check(&[], Some("token"), None);
    check(&[], Some("xtoken=abc"), None);
    check(&[], Some("token=a%2Eb%2e%zz%"), Some("a.b.%zz%"));
    check(&[], Some("token=%C3%BC%FF"), Some("ü\u{fffd}"));
    check(&[], Some("token=one&token=two"), Some("one"));
    check(&[(AUTHORIZATION, "Bearer abc")], None, Some("abc"));
    check(&[(AUTHORIZATION, "bearer  abc ")], None, Some("abc"));
    check(&[(AUTHORIZATION, "Basic abc")], None, None);
    check(&[(AUTHORIZATION, "Bearer")], None, None);
    let offer = [(SEC_WEBSOCKET_PROTOCOL, "a, greenroom.token.abc,b")];
    check(&offer, None, Some("abc"));
    check(&[(SEC_WEBSOCKET_PROTOCOL, "greenroom.token.")], None, None);
}

#[test]
fn headers_win_over_the_address() {
    let offer = (SEC_WEBSOCKET_PROTOCOL, "greenroom.token.offered");
    let bearer = (AUTHORIZATION, "Bearer borne");
    let query = Some("token=asked");
    assert_eq!(
        token_of(&headers(std::slice::from_ref(&offer)), query).as_deref(),
        Some("offered")
    );
    assert_eq!(
        token_of(&headers(&[offer, bearer]), query).as_deref(),
        Some("borne")
    );
}

#[test]
fn the_handshake_answers_with_one_that_was_offered() {
    let check = |offers: &[&str], spoken: &[&str], expected: Option<&str>| {
        let pairs: Vec<_> = offers
            .iter()
            .map(|offer| (SEC_WEBSOCKET_PROTOCOL, *offer))
            .collect();
        assert_eq!(subprotocol_answer(&headers(&pairs), spoken), expected);
    };
    let ours = ["greenroom.v1.json"];
    check(&[], &ours, None);
    check(&[""], &ours, None);
    check(&["greenroom.token.x"], &ours, Some("greenroom.token.x"));
    check(&["greenroom.token.x, yjs"], &ours, Some("yjs"));
    check(
        &["greenroom.token.x", "a, greenroom.v1.json"],
        &ours,
        Some("greenroom.v1.json"),
    );
    check(&["b,a"], &["a", "b"], Some("b"));
}
