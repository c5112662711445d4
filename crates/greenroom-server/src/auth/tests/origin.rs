use http::HeaderMap;
use http::header::{HOST, ORIGIN};

use crate::auth::{OriginError, OriginPolicy, OriginRule, Reach};

fn policy(reach: Reach, rules: &[&str]) -> OriginPolicy {
    OriginPolicy::new(reach, rules.iter().map(|r| r.parse().unwrap()).collect())
}

/// `-` stands for a header that is not there.
#[track_caller]
fn check(policy: &OriginPolicy, origin: &str, host: &str, expected: &str) {
    let given = |text| Some(text).filter(|text| *text != "-");
    let told = match policy.check(given(origin), given(host)) {
        Ok(()) => "ok",
        Err(OriginError::Origin { .. }) => "origin",
        Err(OriginError::Host { .. }) => "host",
    };
    assert_eq!(told, expected, "page {origin} to {host}");
}

#[test]
fn a_public_server_serves_its_own_pages_and_those_allowed() {
    let public = policy(
        Reach::Public,
        &["https://app.example.com", "http://dev.example.com:3000"],
    );
    for (origin, host, expected) in [
        ("-", "rooms.example.com", "ok"),
        ("-", "-", "ok"),
        ("https://app.example.com", "rooms.example.com", "ok"),
        ("https://APP.example.com:443", "rooms.example.com", "ok"),
        ("http://app.example.com", "rooms.example.com", "origin"),
        (
            "https://app.example.com:8443",
            "rooms.example.com",
            "origin",
        ),
        (
            "https://evil-app.example.com",
            "rooms.example.com",
            "origin",
        ),
        (
            "https://app.example.com.evil.net",
            "rooms.example.com",
            "origin",
        ),
        (
            "https://app.example.com@evil.net",
            "rooms.example.com",
            "origin",
        ),
        ("http://dev.example.com:3000", "rooms.example.com", "ok"),
        ("http://dev.example.com", "rooms.example.com", "origin"),
        ("https://rooms.example.com", "rooms.example.com", "ok"),
        ("https://rooms.example.com", "rooms.example.com:443", "ok"),
        (
            "http://rooms.example.com:8080",
            "ROOMS.example.com:8080",
            "ok",
        ),
        (
            "http://rooms.example.com:3000",
            "rooms.example.com:8080",
            "origin",
        ),
        (
            "http://rooms.example.com",
            "rooms.example.com:443",
            "origin",
        ),
        ("http://localhost:3000", "rooms.example.com", "origin"),
        ("http://localhost:3000", "-", "origin"),
        ("null", "rooms.example.com", "origin"),
        ("", "rooms.example.com", "origin"),
        ("nonsense", "rooms.example.com", "origin"),
    ] {
        check(&public, origin, host, expected);
    }
}

#[test]
fn a_local_server_answers_to_local_names_only() {
    let local = policy(Reach::Local, &[]);
    for (origin, host, expected) in [
        ("-", "localhost:8080", "ok"),
        ("-", "127.0.0.1:8080", "ok"),
        ("-", "127.8.9.1", "ok"),
        ("-", "[::1]:8080", "ok"),
        ("-", "app.localhost:8080", "ok"),
        ("-", "-", "ok"),
        ("-", "evil.example:8080", "host"),
        ("-", "localhost.evil.example", "host"),
        ("-", "192.168.1.5:8080", "host"),
        ("-", "[::2]", "host"),
        ("-", "", "host"),
        ("-", "localhost:x", "host"),
        ("-", "localhost:8080, evil.example", "host"),
        ("http://localhost:5173", "localhost:8080", "ok"),
        ("https://127.0.0.1:5173", "localhost:8080", "ok"),
        ("http://[::1]:5173", "localhost:8080", "ok"),
        ("https://evil.example", "localhost:8080", "origin"),
        ("http://localhost.evil.example", "localhost:8080", "origin"),
        ("null", "localhost:8080", "origin"),
        // DNS rebinding: the page's own name has come to mean this machine.
        ("http://evil.example:8080", "evil.example:8080", "host"),
    ] {
        check(&local, origin, host, expected);
    }
}

#[test]
fn the_local_network_is_reached_by_address_and_near_names() {
    let lan = policy(Reach::Lan, &[]);
    for (origin, host, expected) in [
        ("-", "192.168.1.5:8080", "ok"),
        ("-", "[fd00::5]:8080", "ok"),
        ("-", "workshop:8080", "ok"),
        ("-", "workshop.local:8080", "ok"),
        ("http://192.168.1.5:8080", "192.168.1.5:8080", "ok"),
        ("http://10.0.0.9:5173", "192.168.1.5:8080", "ok"),
        ("http://[fe80::1]:5173", "192.168.1.5:8080", "ok"),
        ("http://workshop:5173", "192.168.1.5:8080", "ok"),
        ("http://203.0.113.9", "192.168.1.5:8080", "origin"),
        ("http://[2001:db8::1]", "192.168.1.5:8080", "origin"),
        ("https://evil.example", "192.168.1.5:8080", "origin"),
        ("http://evil.example:8080", "evil.example:8080", "host"),
    ] {
        check(&lan, origin, host, expected);
    }
}

#[test]
fn an_allowed_origin_vouches_for_its_name() {
    let local = policy(Reach::Local, &["https://app.test", "*.proxy.test"]);
    check(&local, "https://app.test", "app.test", "ok");
    check(&local, "https://app.test", "localhost:8080", "ok");
    check(&local, "-", "a.proxy.test", "ok");
    check(&local, "-", "other.test", "host");
}

#[test]
fn wildcards_stand_for_names_under_a_name() {
    let under = policy(Reach::Public, &["https://*.example.com"]);
    check(&under, "https://a.example.com", "x", "ok");
    check(&under, "https://a.b.example.com", "x", "ok");
    check(&under, "https://example.com", "x", "origin");
    check(&under, "https://evilexample.com", "x", "origin");
    check(&under, "http://a.example.com", "x", "origin");
    check(&under, "https://a.example.com:8443", "x", "origin");
    let loose = policy(Reach::Public, &["*.example.com"]);
    check(&loose, "http://a.example.com:3000", "x", "ok");
    check(&loose, "http://a.example.net", "x", "origin");
    let every = policy(Reach::Local, &["*"]);
    check(&every, "https://evil.example", "evil.example", "ok");
    check(&every, "null", "localhost", "ok");
    let null = policy(Reach::Public, &["null"]);
    check(&null, "null", "x", "ok");
    check(&null, "https://null", "x", "origin");
    let app = policy(Reach::Public, &["chrome-extension://abcdef"]);
    check(&app, "chrome-extension://abcdef", "x", "ok");
    check(&app, "chrome-extension://abcdeg", "x", "origin");
}

#[test]
fn rules_are_read_strictly_and_printed_as_they_are_read() {
    for text in [
        "*",
        "null",
        "https://app.example.com",
        "http://app.example.com:3000",
        "https://*.example.com",
        "http://*.example.com:3000",
        "*.example.com",
        "http://[::1]:3000",
    ] {
        assert_eq!(text.parse::<OriginRule>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "app.example.com",
        "https://",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.*.com",
        "https://*",
        "*.",
        "*.example.com:3000",
        "https://app.example.com:99999",
        "https://a b",
        "://a",
    ] {
        assert!(text.parse::<OriginRule>().is_err(), "{text}");
    }
}

#[test]
fn errors_name_what_was_rejected_and_what_to_type() {
    let told = |reach, origin: Option<&str>, host| {
        let error = policy(reach, &[]).check(origin, Some(host)).unwrap_err();
        format!("{error}\n{}", error.hint())
    };
    assert_eq!(
        told(Reach::Public, Some("https://app.example.com"), "rooms"),
        "origin `https://app.example.com` is not allowed here\n\
         to allow it, add `--origin https://app.example.com` \
         (GREENROOM_ORIGIN=https://app.example.com)"
    );
    assert_eq!(
        told(Reach::Local, None, "192.168.1.5:8080"),
        "host `192.168.1.5:8080` is not a name of this machine\n\
         `greenroom dev --lan` answers the local network; to allow this name alone, add \
         `--origin http://192.168.1.5:8080` (GREENROOM_ORIGIN=http://192.168.1.5:8080)"
    );
    let long = told(Reach::Public, Some(&"\u{1b}x".repeat(5_000)), "rooms");
    assert!(!long.contains('\u{1b}') && long.len() < 5_000);
}

#[test]
fn headers_are_read_as_a_browser_sends_them() {
    let local = policy(Reach::Local, &[]);
    let headers = |pairs: &[(http::HeaderName, &str)]| {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value.parse().unwrap());
        }
        map
    };
    let near = (HOST, "localhost:8080");
    let far = (ORIGIN, "https://evil.example");
    assert!(
        local
            .check_headers(&headers(std::slice::from_ref(&near)), None)
            .is_ok()
    );
    assert!(
        local
            .check_headers(&headers(&[near.clone(), far.clone()]), None)
            .is_err()
    );
    let twice = headers(&[near.clone(), (ORIGIN, "http://localhost"), far]);
    assert!(local.check_headers(&twice, None).is_err());
    assert!(
        local
            .check_headers(&headers(&[near.clone(), near]), None)
            .is_err()
    );
    assert!(
        local
            .check_headers(&headers(&[]), Some("evil.example"))
            .is_err()
    );
}
