use super::*;
use crate::auth::{Claims, Grant, Keys, Reach, SecretKey};

fn rule(pattern: &str) -> RoomRule {
    RoomRule::new(pattern.parse().unwrap())
}

fn room(name: &str) -> RoomId {
    RoomId::new(name).unwrap()
}

fn policy(authenticator: Authenticator, rules: Vec<RoomRule>) -> Policy {
    let origins = OriginPolicy::new(Reach::Local, Vec::new());
    Policy {
        rules,
        ..Policy::new(authenticator, origins)
    }
}

fn keys() -> Keys {
    Keys::none().with(SecretKey::from_seed([7; 32]))
}

/// A token for `docs/ada`, to read.
fn token() -> String {
    let claims = Claims {
        sub: "ada".into(),
        name: None,
        info: None,
        rooms: vec![Grant {
            pattern: "docs/ada".parse().unwrap(),
            rights: Rights::READ,
        }],
        iat: 0,
        nbf: None,
        exp: 1_000,
        admin: false,
        jti: None,
    };
    keys().mint(&claims).unwrap()
}

#[test]
fn each_part_comes_from_the_first_rule_that_says_it() {
    let field = |name| LimitField::find(name).unwrap();
    let policy = policy(
        Authenticator::open(Keys::none()),
        vec![
            RoomRule {
                limits: vec![(field("faults_max"), 7)],
                ..rule("docs/a")
            },
            RoomRule {
                visibility: Some(Visibility::Durable),
                limits: vec![(field("faults_max"), 9), (field("tasks_max"), 9)],
                ..rule("docs/*")
            },
        ],
    );
    let limits = policy.limits_of(&room("docs/a"));
    assert_eq!((limits.faults_max, limits.tasks_max), (7, 9));
    assert_eq!(policy.visibility_of(&room("docs/a")), Visibility::Durable);
    let limits = policy.limits_of(&room("docs/b"));
    assert_eq!((limits.faults_max, limits.tasks_max), (9, 9));
    assert_eq!(*policy.limits_of(&room("x")), Limits::default());
    assert_eq!(policy.visibility_of(&room("x")), Visibility::Early);
}

#[test]
fn the_longest_window_is_told() {
    let window = LimitField::find("commit_window_ms").unwrap();
    let longer = RoomRule {
        limits: vec![(window, 5_000)],
        ..rule("slow/*")
    };
    let policy = policy(Authenticator::open(Keys::none()), vec![longer]);
    assert_eq!(policy.commit_window_ms_max(), 5_000);
}

#[test]
fn rights_of_a_rule_stand_where_no_token_speaks() {
    let rules = vec![
        RoomRule {
            anonymous: Some(Rights::READ),
            ..rule("public/*")
        },
        RoomRule {
            authenticated: Some(Rights::READ | Rights::WRITE),
            ..rule("docs/*")
        },
        RoomRule {
            anonymous: Some(Rights::NONE),
            ..rule("closed/*")
        },
    ];
    let keyed = policy(Authenticator::keyed(keys()), rules.clone());
    let open = policy(Authenticator::open(keys()), rules);
    let token = token();
    let check = |policy: &Policy, credential, name, expected: Result<Rights, AuthError>| {
        let identity = policy.authenticate(credential, &room(name), 10);
        assert_eq!(identity.map(|identity| identity.rights), expected, "{name}");
    };
    check(&keyed, None, "public/a", Ok(Rights::READ));
    check(&keyed, None, "docs/a", Err(AuthError::Missing));
    check(&keyed, None, "other", Err(AuthError::Missing));
    check(&keyed, Some(&token), "docs/ada", Ok(Rights::READ));
    check(
        &keyed,
        Some(&token),
        "docs/b",
        Ok(Rights::READ | Rights::WRITE),
    );
    check(&keyed, Some(&token), "public/a", Ok(Rights::READ));
    check(&keyed, Some(&token), "other", Err(AuthError::Forbidden));
    check(&open, None, "other", Ok(Rights::ALL));
    check(&open, None, "public/a", Ok(Rights::READ));
    check(&open, None, "closed/a", Err(AuthError::Missing));
    let forged = format!("{token}x");
    let refused = keyed.authenticate(Some(&forged), &room("public/a"), 10);
    assert!(matches!(refused, Err(AuthError::Token(_))), "{refused:?}");
}
