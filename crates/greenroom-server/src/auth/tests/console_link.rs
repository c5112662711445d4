//! A console link signs in, and does nothing else.

use super::super::{AuthError, Authenticator, ConsoleLink, Flaw, Rights, TokenError};
use super::{NOW, claims, grant, keys, room};

fn link() -> ConsoleLink {
    ConsoleLink {
        sub: "ops".into(),
        iat: NOW,
        exp: NOW + 1_800,
        jti: "one".into(),
    }
}

#[test]
fn a_link_goes_round_until_its_time_is_over() {
    let keys = keys(1);
    let token = keys.mint_console_link(&link()).unwrap();
    assert_eq!(keys.verify_console_link(&token, NOW).unwrap(), link());
    assert_eq!(
        keys.verify_console_link(&token, NOW + 1_800),
        Err(TokenError::Expired(0))
    );
    let other = super::keys(2);
    assert_eq!(
        other.verify_console_link(&token, NOW),
        Err(TokenError::UnknownKey)
    );
}

#[test]
fn a_link_is_no_token_and_a_token_is_no_link() {
    let keys = keys(1);
    let token = keys.mint_console_link(&link()).unwrap();
    let kind = TokenError::Malformed(Flaw::Kind);
    assert_eq!(keys.verify(&token, NOW), Err(kind));
    let authenticator = Authenticator::keyed(keys.clone());
    assert_eq!(
        authenticator.authenticate(Some(&token), &room("a"), NOW),
        Err(AuthError::Token(kind))
    );
    assert_eq!(
        authenticator.authorize_operator(Some(&token), NOW),
        Err(AuthError::Token(kind))
    );
    let mut admin = claims(vec![grant("**", Rights::ALL)]);
    admin.admin = true;
    let admin = keys.mint(&admin).unwrap();
    assert_eq!(keys.verify_console_link(&admin, NOW), Err(kind));
}

#[test]
fn a_link_that_would_outlast_its_memory_is_refused() {
    let keys = keys(1);
    let mut long = link();
    long.exp = NOW + super::super::CONSOLE_LINK_S_MAX + 1;
    let token = keys.mint_console_link(&long).unwrap();
    assert_eq!(
        keys.verify_console_link(&token, NOW),
        Err(TokenError::Malformed(Flaw::Claims))
    );
}
