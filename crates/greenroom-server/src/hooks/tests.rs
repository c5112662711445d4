//! Signatures, and where requests may go.

use std::net::SocketAddr;

use super::secret::{HookSecret, HookSecretError, signatures};
use super::target::{HookUrl, HookUrlError, is_public, judge};
use crate::proxies::TrustedProxies;

#[test]
fn signatures_are_those_of_standard_webhooks() {
    // The example of the specification's libraries.
    let secret: HookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    let body = br#"{"test": 2432232314}"#;
    let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let two = [secret.clone(), secret];
    let signed = signatures(&two, "a", 1, body);
    assert_eq!(signed.split(' ').count(), 2);
}

#[test]
fn hmac_is_that_of_rfc_4231() {
    // Case 4: a key of 25 bytes.
    let key = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGQ==";
    let secret: HookSecret = key.parse().unwrap();
    let data = [0xcd_u8; 50];
    let mac = secret.hmac(&[&data[..20], &data[20..]]);
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
    );
}

#[test]
fn what_is_no_secret_is_told_without_showing_it() {
    let check = |text: &str, expected| assert_eq!(text.parse::<HookSecret>(), Err(expected));
    check("abc", HookSecretError::Prefix);
    check("whsec_%", HookSecretError::Base64);
    check("whsec_c2hvcnQ=", HookSecretError::Length);
    let secret: HookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    assert_eq!(format!("{secret:?}"), "HookSecret");
}

#[test]
fn addresses_of_receivers_are_read_as_they_are_typed() {
    let parts = |url: HookUrl| (url.secure, url.host, url.port, url.authority, url.path);
    let check = |text: &str, secure, host: &str, port, authority: &str, path: &str| {
        let expected = (secure, host.into(), port, authority.into(), path.into());
        assert_eq!(parts(text.parse().unwrap()), expected, "{text}");
    };
    check("http://a", false, "a", 80, "a", "/");
    check("http://a:81/b?c=d", false, "a", 81, "a:81", "/b?c=d");
    check("http://[::1]:8/", false, "::1", 8, "[::1]:8", "/");
    #[cfg(feature = "tls")]
    check("https://a/", true, "a", 443, "a", "/");
    for text in ["", "a", "/a", "ftp://a", "http://", "http://a/#b", "http:a"] {
        let refused = text.parse::<HookUrl>();
        assert_eq!(refused, Err(HookUrlError::Malformed), "{text}");
    }
    assert_eq!("http://me:pw@a".parse::<HookUrl>(), Err(HookUrlError::User));
}

#[test]
fn only_public_addresses_are_asked() {
    for (text, expected) in [
        ("93.184.216.34", true),
        ("2606:4700::1", true),
        ("127.0.0.1", false),
        ("127.9.9.9", false),
        ("10.1.2.3", false),
        ("172.16.0.1", false),
        ("172.32.0.1", true),
        ("192.168.1.1", false),
        ("169.254.169.254", false),
        ("100.64.0.1", false),
        ("0.0.0.0", false),
        ("192.0.0.8", false),
        ("198.18.0.1", false),
        ("203.0.113.1", false),
        ("224.0.0.1", false),
        ("255.255.255.255", false),
        ("::", false),
        ("::1", false),
        ("::ffff:127.0.0.1", false),
        ("::ffff:93.184.216.34", true),
        ("::127.0.0.1", false),
        ("fc00::1", false),
        ("fe80::1", false),
        ("ff02::1", false),
        ("2001:db8::1", false),
        ("64:ff9b::7f00:1", false),
        ("64:ff9b::5db8:d822", true),
        ("64:ff9b:1::5db8:d822", false),
        ("2002:7f00:1::", false),
        ("2002:5db8:d822::", true),
    ] {
        assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
    }
}

#[test]
fn a_private_address_is_passed_over_unless_it_is_allowed() {
    let at = |text: &str| -> SocketAddr { format!("{text}:80").parse().unwrap() };
    let both = [at("10.0.0.1"), at("93.184.216.34")];
    let none = TrustedProxies::default();
    assert_eq!(judge(both, &none), Some(at("93.184.216.34")));
    assert_eq!(judge([at("10.0.0.1")], &none), None);
    let allowed = TrustedProxies::parse(["10.0.0.0/24"]).unwrap();
    assert_eq!(judge(both, &allowed), Some(at("10.0.0.1")));
    assert_eq!(judge([at("10.0.1.1"), at("127.0.0.1")], &allowed), None);
}
