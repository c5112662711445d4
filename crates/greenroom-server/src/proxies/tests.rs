use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Client, TrustedProxies};

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

fn client(rules: &[&str], peer: &str, lines: &[(&str, &str)]) -> Client {
    let trusted = TrustedProxies::parse(rules.iter().copied()).unwrap();
    trusted.client(peer.parse().unwrap(), false, &headers(lines))
}

#[track_caller]
fn check(rules: &[&str], peer: &str, lines: &[(&str, &str)], expected: &str) {
    let Client { ip, secure, host } = client(rules, peer, lines);
    let scheme = if secure { "https" } else { "http" };
    let host = host.unwrap_or_else(|| "-".into());
    let got = format!("{ip} {scheme} {host}");
    assert_eq!(got, expected, "{rules:?} {peer} {lines:?}");
}

const XFF: &str = "x-forwarded-for";

#[test]
fn nobody_is_believed_who_is_not_trusted() {
    let lies = [
        (XFF, "1.2.3.4"),
        ("forwarded", "for=1.2.3.4;host=evil;proto=https"),
        ("x-forwarded-host", "evil"),
    ];
    check(&[], "10.0.0.1", &lies, "10.0.0.1 http -");
    check(&["private"], "9.9.9.9", &lies, "9.9.9.9 http -");
    check(&["private"], "::ffff:9.9.9.9", &lies, "9.9.9.9 http -");
}

#[test]
fn the_right_most_hop_that_is_not_trusted_counts() {
    let trust = ["10.0.0.0/8"];
    check(&trust, "10.0.0.1", &[(XFF, "1.2.3.4")], "1.2.3.4 http -");
    // What the client wrote itself stands on the left.
    let forged = [(XFF, "6.6.6.6, 1.2.3.4")];
    check(&trust, "10.0.0.1", &forged, "1.2.3.4 http -");
    let chain = [(XFF, "6.6.6.6, 1.2.3.4, 10.0.0.9"), (XFF, "10.0.0.8")];
    check(&trust, "10.0.0.1", &chain, "1.2.3.4 http -");
    let inside = [(XFF, "10.0.0.7, 10.0.0.9")];
    check(&trust, "10.0.0.1", &inside, "10.0.0.7 http -");
    check(&trust, "10.0.0.1", &[], "10.0.0.1 http -");
    for ports in ["1.2.3.4:80", "[2001:db8::1]:80", "[2001:db8::1]"] {
        let ip = if ports.starts_with('[') {
            "2001:db8::1"
        } else {
            "1.2.3.4"
        };
        check(&trust, "10.0.0.1", &[(XFF, ports)], &format!("{ip} http -"));
    }
    let nonsense = [(XFF, "1.2.3.4, unknown")];
    check(&trust, "10.0.0.1", &nonsense, "10.0.0.1 http -");
}

#[test]
fn the_standard_header_says_the_same() {
    let trust = ["private"];
    let line = "for=6.6.6.6;proto=http;host=evil, For=\"[2001:db8::7]:4711\";Proto=https;host=\"a.example:444\"";
    check(
        &trust,
        "127.0.0.1",
        &[("forwarded", line)],
        "2001:db8::7 https a.example:444",
    );
    let hidden = [("forwarded", "for=_hidden;proto=https")];
    check(&trust, "127.0.0.1", &hidden, "127.0.0.1 https -");
}

#[test]
fn scheme_and_host_stand_beside_the_hop() {
    let trust = ["private"];
    let each = [
        (XFF, "1.2.3.4, 10.0.0.2"),
        ("x-forwarded-proto", "https, http"),
        ("x-forwarded-host", "a.example, inner"),
    ];
    check(&trust, "10.0.0.1", &each, "1.2.3.4 https a.example");
    let once = [
        (XFF, "1.2.3.4, 10.0.0.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "a.example"),
    ];
    check(&trust, "10.0.0.1", &once, "1.2.3.4 https a.example");
}

#[test]
fn two_headers_that_disagree_are_both_not_believed() {
    // A proxy that knows one of them lets the other through as the client wrote it.
    let trust = ["private"];
    let both = |forwarded| [(XFF, "1.2.3.4"), ("forwarded", forwarded)];
    check(&trust, "10.0.0.1", &both("for=6.6.6.6"), "10.0.0.1 http -");
    check(&trust, "10.0.0.1", &both("for=1.2.3.4"), "1.2.3.4 http -");
}

#[test]
fn rules_are_addresses_blocks_and_a_preset() {
    let trusted = TrustedProxies::parse(["10.1.2.3", "192.168.0.0/16", "fd00::/8", "::/0"]);
    let trusted = trusted.unwrap();
    for (ip, expected) in [
        ("10.1.2.3", true),
        ("10.1.2.4", true),
        ("2001:db8::1", true),
    ] {
        // `::/0` is every address there is, those of IPv4 too.
        assert_eq!(trusted.contains(ip.parse().unwrap()), expected, "{ip}");
    }
    let some = TrustedProxies::parse(["10.1.2.3", "192.168.0.0/16", "fd00::/8"]).unwrap();
    for (ip, expected) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("10.1.2.4", false),
        ("192.168.255.1", true),
        ("192.169.0.1", false),
        ("fd12::1", true),
        ("fe80::1", false),
    ] {
        assert_eq!(some.contains(ip.parse().unwrap()), expected, "{ip}");
    }
    for wrong in [
        "",
        "10.0.0.0/33",
        "10.0.0/8",
        "localhost",
        "::/129",
        "10.0.0.0/",
    ] {
        assert!(TrustedProxies::parse([wrong]).is_err(), "{wrong}");
    }
    let private = TrustedProxies::parse(["private"]).unwrap();
    assert!(private.contains("172.31.0.1".parse().unwrap()));
    assert!(!private.contains("172.32.0.1".parse().unwrap()));
}
