//! Credentials: tokens, where requests carry them, and the file with the keys.

use std::cell::RefCell;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use greenroom_server::auth::{
    Authenticator, KEYS_MAX, Keys, Rights, RoomId, SecretKey, TOKEN_ROOMS_MAX, keys_path,
    read_keys, subprotocol_answer, token_of,
};
use tempfile::TempDir;

use crate::frames::headers;

const SEED: [u8; 32] = [7; 32];
/// Between the times of the corpus' tokens.
const NOW_UNIX_S: u64 = 2_000;

fn keys() -> Keys {
    Keys::none().with(SecretKey::from_seed(SEED))
}

/// No text is a token that we did not sign.
pub(crate) fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let keys = keys();
    if let Ok(claims) = keys.verify(text, NOW_UNIX_S) {
        assert!(claims.exp > NOW_UNIX_S);
    }
    if let Err(error) = keys.verify(text, NOW_UNIX_S) {
        assert!(
            error.to_string().len() < 200,
            "the text is ours, not the token's"
        );
    }
}

/// A token that we signed, whatever it says, is read or refused; what it grants is what can be
/// minted again.
pub(crate) fn claims(data: &[u8]) {
    let key = SecretKey::from_seed(SEED);
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, key.id());
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(data)
    );
    let signature = SigningKey::from_bytes(&SEED).sign(signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()));
    let keys = keys();
    let Ok(claims) = keys.verify(&token, NOW_UNIX_S) else {
        return;
    };
    assert!(claims.exp > NOW_UNIX_S && claims.rooms.len() <= TOKEN_ROOMS_MAX);
    if let Ok(again) = keys.mint(&claims) {
        assert_eq!(keys.verify(&again, NOW_UNIX_S).as_ref(), Ok(&claims));
    }
    let room = RoomId::new("docs/a").expect("a good name");
    let rights = claims.rights_in(&room);
    match Authenticator::keyed(keys).authenticate(Some(&token), &room, NOW_UNIX_S) {
        Ok(identity) => assert_eq!(identity.rights, rights),
        Err(_) => assert_eq!(rights, Rights::NONE),
    }
}

/// A request's credential is found or not, and a subprotocol is only answered when it was offered.
pub(crate) fn credential(data: &[u8]) {
    let (head, query) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], std::str::from_utf8(&data[at + 1..]).ok()),
        None => (data, None),
    };
    let headers = headers(head);
    assert!(token_of(&headers, query).is_none_or(|token| !token.is_empty()));
    if let Some(answer) = subprotocol_answer(&headers, &["greenroom.v1.json"]) {
        assert!(!answer.is_empty() && head.windows(answer.len()).any(|w| w == answer.as_bytes()));
    }
}

thread_local! {
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// A keys file is read or refused, and no error shows a secret.
pub(crate) fn keys_file(data: &[u8]) {
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| tempfile::tempdir().expect("a place for files"));
        let path = keys_path(folder.path());
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options
            .open(&path)
            .and_then(|mut file| file.write_all(data));
        written.expect("the place can be written to");
        match read_keys(folder.path()) {
            Ok(keys) => {
                let keys = keys.expect("the file is there");
                assert!(!keys.is_empty() && keys.iter().len() <= KEYS_MAX);
            }
            Err(error) => assert!(shows_no_secret(&error.to_string(), data), "{error}"),
        }
    });
}

/// Whether nothing behind an `sk_` of `data`, long enough to be of use, is in `text`.
fn shows_no_secret(text: &str, data: &[u8]) -> bool {
    let secrets = data.windows(15).filter(|window| window.starts_with(b"sk_"));
    secrets
        .filter_map(|secret| std::str::from_utf8(&secret[3..]).ok())
        .all(|secret| !text.contains(secret))
}
