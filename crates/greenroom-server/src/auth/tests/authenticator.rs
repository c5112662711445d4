use greenroom_core::close_reason::CloseReason;
use greenroom_service::{Rights, UserId};

use super::{NOW, claims, grant, keys, room};
use crate::auth::{AuthError, Authenticator, Claims, Identity, Keys, TokenError};

fn ada(rights: Rights) -> Identity {
    Identity {
        user: Some(UserId::new("ada")),
        rights,
        expires_at_unix_s: Some(NOW + 3_600),
        admin: false,
    }
}

#[test]
fn a_token_is_needed_only_where_access_is_keyed() {
    let anybody = Identity {
        user: None,
        rights: Rights::ALL,
        expires_at_unix_s: None,
        admin: true,
    };
    let lobby = room("lobby");
    for open in [
        Authenticator::development(keys(1)),
        Authenticator::open(Keys::none()),
    ] {
        assert_eq!(open.authenticate(None, &lobby, NOW).as_ref(), Ok(&anybody));
    }
    let refused = Authenticator::keyed(keys(1)).authenticate(None, &lobby, NOW);
    assert_eq!(refused, Err(AuthError::Missing));
    assert_eq!(
        AuthError::Missing.close_reason(),
        CloseReason::Unauthenticated
    );
}

#[test]
fn a_token_that_is_given_is_enforced_everywhere() {
    let read_only = keys(1)
        .mint(&claims(vec![grant("docs/*", Rights::READ)]))
        .unwrap();
    let forged = keys(2)
        .mint(&claims(vec![grant("**", Rights::ALL)]))
        .unwrap();
    for authenticator in [
        Authenticator::development(keys(1)),
        Authenticator::open(keys(1)),
        Authenticator::keyed(keys(1)),
    ] {
        let check = |token: &str, name: &str, now| {
            let identity = authenticator.authenticate(Some(token), &room(name), now);
            identity.map_err(|e| (e, e.close_reason()))
        };
        assert_eq!(check(&read_only, "docs/a", NOW), Ok(ada(Rights::READ)));
        assert_eq!(
            check(&read_only, "plans", NOW),
            Err((AuthError::Forbidden, CloseReason::Forbidden))
        );
        assert_eq!(
            check(&read_only, "docs/a", NOW + 3_600),
            Err((
                AuthError::Token(TokenError::Expired(0)),
                CloseReason::Expired
            ))
        );
        assert_eq!(
            check(&forged, "docs/a", NOW),
            Err((
                AuthError::Token(TokenError::UnknownKey),
                CloseReason::Unauthenticated
            ))
        );
        assert!(check("nonsense", "docs/a", NOW).is_err());
    }
}

#[test]
fn an_open_server_without_keys_refuses_every_token() {
    let token = keys(1)
        .mint(&claims(vec![grant("**", Rights::ALL)]))
        .unwrap();
    let refused = Authenticator::open(Keys::none()).authenticate(Some(&token), &room("lobby"), NOW);
    assert_eq!(refused, Err(TokenError::UnknownKey.into()));
}

#[test]
fn development_keys_open_dev_and_nothing_else() {
    let lobby = room("lobby");
    let dev = Authenticator::development(Keys::none());
    for (key, admin) in [("pk_localdev", false), ("sk_localdev", true)] {
        let identity = dev.authenticate(Some(key), &lobby, NOW).unwrap();
        assert_eq!(
            (identity.rights, identity.admin, identity.user),
            (Rights::ALL, admin, None)
        );
        for other in [
            Authenticator::open(keys(1)),
            Authenticator::keyed(keys(1)),
            Authenticator::keyed(Keys::none()),
        ] {
            let refused = other.authenticate(Some(key), &lobby, NOW).unwrap_err();
            assert_eq!(refused, TokenError::DevelopmentKey.into());
            assert_eq!(refused.close_reason(), CloseReason::Unauthenticated);
        }
    }
}

#[test]
fn grants_that_match_add_up_and_an_admin_has_all() {
    let some = claims(vec![
        grant("docs/*", Rights::READ),
        grant("docs/plan", Rights::WRITE),
        grant("lobby", Rights::PRESENCE),
        grant("docs/void", Rights::NONE),
    ]);
    let token = keys(1).mint(&some).unwrap();
    let admin = keys(1)
        .mint(&Claims {
            admin: true,
            ..claims(Vec::new())
        })
        .unwrap();
    let authenticator = Authenticator::keyed(keys(1));
    let rights = |token: &str, name: &str| {
        let identity = authenticator.authenticate(Some(token), &room(name), NOW);
        identity.map(|i| (i.rights.to_string(), i.admin))
    };
    assert_eq!(
        rights(&token, "docs/plan"),
        Ok(("read,write".into(), false))
    );
    assert_eq!(rights(&token, "docs/void"), Ok(("read".into(), false)));
    assert_eq!(rights(&token, "lobby"), Ok(("presence".into(), false)));
    assert_eq!(rights(&token, "nowhere"), Err(AuthError::Forbidden));
    assert_eq!(
        rights(&admin, "nowhere"),
        Ok(("read,write,presence".into(), true))
    );
}
