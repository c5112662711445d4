use greenroom_core::limits::{
    CONSOLE_IDLE_MS_MAX, CONSOLE_LINKS_USED_MAX, CONSOLE_SIGN_IN_MS_MAX, CONSOLE_SIGN_INS_MAX,
};
use http::{HeaderMap, HeaderValue, Method};

use super::links::{NotTaken, UsedLinks};
use super::{PAGE_HEADER, SignInError, SignIns, cookie_text};
use crate::auth::{ConsoleLink, Keys, SecretKey};

const NOW_MS: u64 = 1_795_224_000_000;

fn keys() -> Keys {
    Keys::none().with(SecretKey::from_seed([3; 32]))
}

fn link(name: &str, now_ms: u64) -> String {
    let link = ConsoleLink {
        sub: "ops".into(),
        iat: now_ms / 1_000,
        exp: now_ms / 1_000 + 1_800,
        jti: name.into(),
    };
    keys().mint_console_link(&link).unwrap()
}

/// What our page sends with this cookie.
fn page(cookie: &str) -> HeaderMap {
    let cookie = format!("a=b; greenroom_console={cookie}; c=d");
    let mut headers = HeaderMap::new();
    headers.insert("cookie", cookie.parse().unwrap());
    headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
    headers.insert(PAGE_HEADER, HeaderValue::from_static("1"));
    headers
}

#[test]
fn a_link_signs_in_once() {
    let all = SignIns::new(None, NOW_MS);
    let (cookie, sign_in) = all.begin(&keys(), &link("one", NOW_MS), NOW_MS).unwrap();
    assert_eq!(sign_in.user, "ops");
    assert_eq!(all.of(&Method::GET, &page(&cookie), NOW_MS), Some(sign_in));
    let again = all.begin(&keys(), &link("one", NOW_MS), NOW_MS + 1);
    assert!(matches!(again, Err(SignInError::Used)));
    assert_eq!(all.of(&Method::GET, &page("guessed"), NOW_MS), None);
}

#[test]
fn a_used_link_is_known_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let before = SignIns::new(Some(directory.path()), NOW_MS);
    before.begin(&keys(), &link("one", NOW_MS), NOW_MS).unwrap();
    let after = SignIns::new(Some(directory.path()), NOW_MS);
    let again = after.begin(&keys(), &link("one", NOW_MS), NOW_MS);
    assert!(matches!(again, Err(SignInError::Used)));
    assert!(after.begin(&keys(), &link("two", NOW_MS), NOW_MS).is_ok());
}

#[test]
fn used_links_are_bounded_and_forgotten_when_their_time_is_over() {
    let mut used = UsedLinks::open(None, 0);
    for n in 0..CONSOLE_LINKS_USED_MAX {
        used.take(n.to_string(), 100, 0).unwrap();
    }
    assert_eq!(used.take("more".into(), 100, 0), Err(NotTaken::TooMany));
    assert_eq!(used.take("more".into(), 200, 100), Ok(()));
    assert_eq!(used.take("a\nb".into(), 200, 100), Err(NotTaken::Used));
}

#[test]
fn a_sign_in_ends_when_it_is_idle_too_old_or_signed_out() {
    let all = SignIns::new(None, NOW_MS);
    let seen = |cookie: &str, at| all.of(&Method::GET, &page(cookie), at).is_some();
    let (idle, _) = all.begin(&keys(), &link("idle", NOW_MS), NOW_MS).unwrap();
    assert!(!seen(&idle, NOW_MS + CONSOLE_IDLE_MS_MAX));

    let (busy, _) = all.begin(&keys(), &link("busy", NOW_MS), NOW_MS).unwrap();
    let mut at = NOW_MS;
    while at + CONSOLE_IDLE_MS_MAX / 2 < NOW_MS + CONSOLE_SIGN_IN_MS_MAX {
        at += CONSOLE_IDLE_MS_MAX / 2;
        assert!(seen(&busy, at));
    }
    assert!(!seen(&busy, NOW_MS + CONSOLE_SIGN_IN_MS_MAX));

    let (out, _) = all.begin(&keys(), &link("out", NOW_MS), NOW_MS).unwrap();
    assert!(all.end(&page(&out)).is_some());
    assert!(!seen(&out, NOW_MS));
}

#[test]
fn one_more_sign_in_than_there_may_be_ends_the_idlest() {
    let all = SignIns::new(None, NOW_MS);
    let sign_in = |n: usize| {
        let at = NOW_MS + n as u64;
        let link = link(&n.to_string(), NOW_MS);
        all.begin(&keys(), &link, at).unwrap().0
    };
    let cookies: Vec<_> = (0..=CONSOLE_SIGN_INS_MAX).map(sign_in).collect();
    let at = NOW_MS + 1_000;
    let is_in = |cookie: &String| all.of(&Method::GET, &page(cookie), at).is_some();
    assert!(!is_in(&cookies[0]));
    assert!(cookies[1..].iter().all(is_in));
}

#[test]
fn another_page_cannot_use_the_cookie() {
    let all = SignIns::new(None, NOW_MS);
    let (cookie, _) = all.begin(&keys(), &link("one", NOW_MS), NOW_MS).unwrap();
    let is_in = |method: &Method, headers: &HeaderMap| all.of(method, headers, NOW_MS).is_some();
    let ours = page(&cookie);
    assert!(is_in(&Method::DELETE, &ours));
    for site in ["cross-site", "same-site", "nonsense"] {
        let mut other = ours.clone();
        other.insert("sec-fetch-site", HeaderValue::from_static(site));
        assert!(!is_in(&Method::GET, &other), "{site}");
        assert!(!is_in(&Method::DELETE, &other), "{site}");
    }
    let mut form = ours.clone();
    form.remove(PAGE_HEADER);
    assert!(is_in(&Method::GET, &form));
    assert!(!is_in(&Method::POST, &form));
}

#[test]
fn scripts_and_other_sites_do_not_get_the_cookie() {
    assert_eq!(
        cookie_text("x", true),
        "greenroom_console=x; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"
    );
    assert!(!cookie_text("x", false).contains("Secure"));
}
