use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use greenroom_service::Rights;
use proptest::prelude::*;
use serde_json::json;

use super::{NOW, claims, grant, keys};
use crate::auth::{
    Claims, Flaw, Keys, MintError, SecretKey, TOKEN_BYTES_MAX, TOKEN_ROOMS_MAX, TokenError,
};

fn part(json: &serde_json::Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// A token as another program would make it, with a right signature.
fn signed_by_hand(header: &serde_json::Value, payload: &serde_json::Value) -> String {
    let key = SecretKey::from_seed([1; 32]);
    let token = format!("{}.{}", part(header), part(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(token.as_bytes()));
    format!("{token}.{signature}")
}

fn our_header() -> serde_json::Value {
    json!({ "alg": "EdDSA", "kid": SecretKey::from_seed([1; 32]).id(), "typ": "JWT" })
}

#[test]
fn says_what_was_minted() {
    let all = Claims {
        name: Some("Ada".to_owned()),
        info: Some(json!({ "colour": "green" })),
        nbf: Some(NOW),
        admin: true,
        jti: Some("t1".to_owned()),
        ..claims(vec![
            grant("docs/*", Rights::READ | Rights::PRESENCE),
            grant("**", Rights::NONE),
        ])
    };
    let token = keys(1).mint(&all).unwrap();
    assert_eq!(keys(1).verify(&token, NOW), Ok(all));
}

/// The format is a promise to everybody who keeps a token or mints one elsewhere.
#[test]
fn the_bytes_do_not_change() {
    let token = keys(1)
        .mint(&claims(vec![grant("docs/*", Rights::ALL)]))
        .unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(
        text(parts[0]),
        r#"{"alg":"EdDSA","kid":"iojj3XQJ8ZX9","typ":"JWT"}"#
    );
    assert_eq!(
        text(parts[1]),
        r#"{"sub":"ada","rooms":[{"pattern":"docs/*","rights":["read","write","presence"]}],"iat":1795224000,"exp":1795227600}"#
    );
    assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 64);
}

/// RFC 8037, appendix A.4: key, signing input and signature from the standard.
#[test]
fn signs_as_the_standard_does() {
    let key: SecretKey = "sk_nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
        .parse()
        .unwrap();
    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert_eq!(
        URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes())),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

#[test]
fn time_is_judged_to_the_second() {
    let token = keys(1)
        .mint(&Claims {
            nbf: Some(NOW + 100),
            ..claims(Vec::new())
        })
        .unwrap();
    let check = |now| keys(1).verify(&token, now).map(|_| ());
    assert_eq!(check(NOW + 69), Err(TokenError::NotYetValid(1)));
    assert_eq!(check(NOW + 70), Ok(()));
    assert_eq!(check(NOW + 3_599), Ok(()));
    assert_eq!(check(NOW + 3_600), Err(TokenError::Expired(0)));
    assert_eq!(
        check(u64::MAX),
        Err(TokenError::Expired(u64::MAX - NOW - 3_600))
    );
}

#[test]
fn extreme_times_are_times() {
    for (nbf, exp) in [(Some(u64::MAX), u64::MAX), (Some(0), 0), (None, 0)] {
        let token = keys(1)
            .mint(&Claims {
                nbf,
                exp,
                ..claims(Vec::new())
            })
            .unwrap();
        assert!(keys(1).verify(&token, NOW).is_err());
    }
}

#[test]
fn keys_rotate() {
    let old = keys(1);
    let both = keys(1).with(SecretKey::from_seed([2; 32]));
    let new = keys(2);
    let from_old = old.mint(&claims(Vec::new())).unwrap();
    let from_both = both.mint(&claims(Vec::new())).unwrap();
    assert!(both.verify(&from_old, NOW).is_ok());
    assert!(new.verify(&from_both, NOW).is_ok(), "the newest signs");
    assert_eq!(old.verify(&from_both, NOW), Err(TokenError::UnknownKey));
    assert_eq!(new.verify(&from_old, NOW), Err(TokenError::UnknownKey));
    assert_eq!(
        Keys::none().mint(&claims(Vec::new())),
        Err(MintError::NoKey)
    );
}

#[test]
fn the_algorithm_is_ours_to_choose() {
    let payload = serde_json::to_value(claims(vec![grant("**", Rights::ALL)])).unwrap();
    let kid = SecretKey::from_seed([1; 32]).id().to_owned();
    for alg in ["none", "HS256", "eddsa", "Ed25519", ""] {
        let token = signed_by_hand(&json!({ "alg": alg, "kid": kid }), &payload);
        assert_eq!(
            keys(1).verify(&token, NOW),
            Err(TokenError::Malformed(Flaw::Algorithm)),
            "{alg}"
        );
    }
    let unsigned = format!("{}.{}.", part(&our_header()), part(&payload));
    assert_eq!(keys(1).verify(&unsigned, NOW), Err(TokenError::Forged));
}

#[test]
fn reads_what_other_programs_mint() {
    let header = json!({ "alg": "EdDSA", "kid": our_header()["kid"], "cty": "x" });
    let payload = json!({
        "sub": "ada", "iat": NOW, "exp": NOW + 1, "aud": "rooms",
        "rooms": [{ "pattern": "a", "rights": ["read", "fly"] }],
    });
    let read = keys(1)
        .verify(&signed_by_hand(&header, &payload), NOW)
        .unwrap();
    assert_eq!(read.rooms, [grant("a", Rights::READ)]);
}

#[test]
fn refuses_each_flaw_by_its_name() {
    let check = |token: &str, expected: Flaw| {
        let refused = keys(1).verify(token, NOW);
        assert_eq!(refused, Err(TokenError::Malformed(expected)), "{token:.80}");
    };
    let good = keys(1).mint(&claims(Vec::new())).unwrap();
    check("", Flaw::Parts);
    check("a.b", Flaw::Parts);
    check(&format!("{good}.x"), Flaw::Parts);
    check("ä.b.c", Flaw::Base64);
    check("YQ.YQ.YQ", Flaw::Header);
    check(&format!("{good}="), Flaw::Base64);
    check(&"a".repeat(TOKEN_BYTES_MAX + 1), Flaw::TooLong);
    let with = |payload: &serde_json::Value| signed_by_hand(&our_header(), payload);
    check(&with(&json!([])), Flaw::Claims);
    check(&with(&json!({ "sub": "ada", "iat": NOW })), Flaw::Claims);
    check(
        &with(&json!({ "sub": "ada", "iat": NOW, "exp": -1 })),
        Flaw::Claims,
    );
    let bad_pattern = json!([{ "pattern": "", "rights": [] }]);
    check(
        &with(&json!({ "sub": "a", "iat": NOW, "exp": NOW + 9, "rooms": bad_pattern })),
        Flaw::Claims,
    );
    let grants: Vec<_> = (0..=TOKEN_ROOMS_MAX)
        .map(|_| json!({ "pattern": "a", "rights": [] }))
        .collect();
    check(
        &with(&json!({ "sub": "a", "iat": NOW, "exp": NOW + 9, "rooms": grants })),
        Flaw::Rooms,
    );
}

#[test]
fn mints_nothing_that_would_be_refused() {
    let many = vec![grant("a", Rights::READ); TOKEN_ROOMS_MAX + 1];
    assert_eq!(
        keys(1).mint(&claims(many)),
        Err(MintError::NotAccepted(Flaw::Rooms))
    );
    let long = Claims {
        sub: "a".repeat(TOKEN_BYTES_MAX),
        ..claims(Vec::new())
    };
    assert_eq!(
        keys(1).mint(&long),
        Err(MintError::NotAccepted(Flaw::TooLong))
    );
}

#[test]
fn errors_tell_nothing_of_the_token() {
    let secret = "c2VjcmV0";
    for token in [secret.to_owned(), format!("{secret}.{secret}.{secret}")] {
        let told = keys(1).verify(&token, NOW).unwrap_err().to_string();
        assert!(
            !told.contains(secret) && told.starts_with("the token"),
            "{told}"
        );
    }
}

proptest! {
    // Signatures are slow in debug builds.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_changed_character_is_refused(at in any::<prop::sample::Index>(), by in "[A-Za-z0-9_.-]") {
        let token = keys(1).mint(&claims(vec![grant("docs/*", Rights::READ)])).unwrap();
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &by);
        prop_assert_eq!(keys(1).verify(&changed, NOW).is_ok(), changed == token);
    }

    #[test]
    fn nonsense_is_refused_without_a_panic(token in "\\PC{0,200}|([A-Za-z0-9_-]{0,40}\\.){2}[A-Za-z0-9_-]{0,90}") {
        prop_assert!(keys(1).verify(&token, NOW).is_err());
    }

    #[test]
    fn what_is_minted_is_read_back(
        sub in "\\PC{0,20}",
        rooms in prop::collection::vec(("[a-z/*]{1,20}", 0u8..8), 0..6),
        iat in any::<u64>(),
        admin in any::<bool>(),
    ) {
        let rooms = rooms.into_iter().map(|(p, bits)| grant(&p, Rights::from_bits(bits)));
        let minted = Claims { sub, iat, admin, ..claims(rooms.collect()) };
        let token = keys(1).mint(&minted).unwrap();
        prop_assert_eq!(keys(1).verify(&token, NOW), Ok(minted));
    }
}
