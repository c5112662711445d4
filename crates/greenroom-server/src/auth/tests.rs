mod authenticator;
mod console_link;
mod credential;
mod keys;
mod origin;
mod pattern;
mod token;

use greenroom_service::{Rights, RoomId};

use super::{Claims, Grant, Keys, SecretKey};

/// The wall clock of most tests.
const NOW: u64 = 1_795_224_000;

fn room(name: &str) -> RoomId {
    RoomId::new(name).unwrap()
}

fn keys(seed: u8) -> Keys {
    Keys::none().with(SecretKey::from_seed([seed; 32]))
}

fn grant(pattern: &str, rights: Rights) -> Grant {
    Grant {
        pattern: pattern.parse().unwrap(),
        rights,
    }
}

/// Ada, for an hour from [`NOW`], in `rooms`.
fn claims(rooms: Vec<Grant>) -> Claims {
    Claims {
        sub: "ada".to_owned(),
        name: None,
        info: None,
        rooms,
        iat: NOW,
        nbf: None,
        exp: NOW + 3_600,
        admin: false,
        jti: None,
    }
}
