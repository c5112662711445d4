//! Tokens: a signed statement of who somebody is and which rooms they may enter, until when.
//!
//! A token is a JSON Web Token (RFC 7519) in compact form, signed with Ed25519 (RFC 8037). The
//! algorithm is fixed: the header is read only for the key's id, and any other `alg` is refused
//! before a signature is looked at. The signature is checked before a claim is read.
//!
//! ```text
//! base64url({"alg":"EdDSA","kid":"jZmH0kU2cV3x","typ":"JWT"})
//! . base64url({"sub":"ada","rooms":[{"pattern":"docs/*","rights":["read","write"]}],
//!              "iat":1795224000,"exp":1795227600})
//! . base64url(64-byte signature over the two parts before it)
//! ```
//! Unknown claims are ignored, so that other programs may add theirs; an unknown right grants
//! nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use greenroom_service::{Rights, RoomId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::console_link::LINK_KIND;
use super::keys::{Keys, RandomnessError};
use super::pattern::Pattern;

/// The longest token, in bytes: half of what the headers of a handshake may take together.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;

/// Room grants in one token: each is tried when its bearer enters a room.
pub const TOKEN_ROOMS_MAX: usize = 64;

/// A token whose `nbf` lies this far ahead is good already, in seconds: the machine that minted
/// it may have a clock that is a little fast. There is no leeway at the end of a token.
pub const NOT_BEFORE_LEEWAY_S: u64 = 30;

const ALGORITHM: &str = "EdDSA";

/// The kind of a token, in its header.
const TOKEN_KIND: &str = "JWT";

/// What a token says. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
    /// A name to show to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whatever the issuer wants other members to know of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<serde_json::Value>,
    /// The rooms it reaches, at most [`TOKEN_ROOMS_MAX`] grants; several that match add up.
    #[serde(default)]
    pub rooms: Vec<Grant>,
    /// When it was minted.
    pub iat: u64,
    /// From when on it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// From when on it is not good any more.
    pub exp: u64,
    /// Whether it may operate the server: all rights in all rooms, and what belongs to no room.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
    /// A name for this token alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// Rights in the rooms of one pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which rooms.
    pub pattern: Pattern,
    /// What may be done there; on the wire a list of names (`read`, `write`, `presence`).
    #[serde(with = "right_names")]
    pub rights: Rights,
}

/// Why a token is not accepted. Its text is what the bearer is told; it never holds any of the
/// token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is not a token of ours at all, or was cut.
    #[error("the token is malformed: {0}")]
    Malformed(Flaw),
    /// Its signature is not of the key that it names: it was changed, or made up.
    #[error("the token's signature is not valid")]
    Forged,
    /// No key of this server has the id that it names.
    #[error("the token is signed with a key that this server does not know")]
    UnknownKey,
    /// Its time is over.
    #[error("the token expired {0} s ago")]
    Expired(u64),
    /// Its time has not come.
    #[error("the token is good in {0} s only")]
    NotYetValid(u64),
    /// A development key (`pk_localdev`, `sk_localdev`) outside of development.
    #[error("development keys are accepted by `greenroom dev` only")]
    DevelopmentKey,
}

/// What is wrong with the form of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("it has more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// Not three parts with dots between.
    #[error("it has not three parts with dots between")]
    Parts,
    /// A part is not unpadded base64url.
    #[error("a part of it is not base64url")]
    Base64,
    /// The header is not what ours looks like.
    #[error("its header is not readable")]
    Header,
    /// The header names another algorithm than EdDSA.
    #[error("its algorithm is not EdDSA")]
    Algorithm,
    /// The signature is right, the claims are not readable: another program minted it badly.
    #[error("its claims are not readable")]
    Claims,
    /// It was minted for something else: a console link where a token is wanted, or the reverse.
    #[error("it is of another kind: a console link signs in once at `/console`, a token does not")]
    Kind,
    /// More than [`TOKEN_ROOMS_MAX`] grants.
    #[error("it names more than {TOKEN_ROOMS_MAX} room patterns")]
    Rooms,
}

/// Why no token could be minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// There is no key to sign with.
    #[error("there is no key to sign with")]
    NoKey,
    /// The token would be one that no server accepts.
    #[error("the token would not be accepted: {0}")]
    NotAccepted(Flaw),
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

/// The header as others may write it: with more keys in it, escapes, and without `typ`.
#[derive(Deserialize)]
struct ReadHeader {
    alg: String,
    kid: String,
    #[serde(default)]
    typ: Option<String>,
}

impl Claims {
    /// The rights in `room`: all for an admin, otherwise what the matching grants add up to.
    #[must_use]
    pub fn rights_in(&self, room: &RoomId) -> Rights {
        if self.admin {
            return Rights::ALL;
        }
        let matching = self
            .rooms
            .iter()
            .filter(|grant| grant.pattern.matches(room));
        matching.fold(Rights::NONE, |rights, grant| rights | grant.rights)
    }
}

/// A new name for one token (`jti`): 96 random bits in base64url.
///
/// # Errors
/// [`RandomnessError`] when the system gives no randomness.
pub fn new_token_id() -> Result<String, RandomnessError> {
    let mut id = [0; 12];
    getrandom::fill(&mut id)?;
    Ok(URL_SAFE_NO_PAD.encode(id))
}

impl Keys {
    /// A token that says `claims`, signed with the newest key.
    ///
    /// # Errors
    /// [`MintError`] without a key, and when the claims are too many or too long.
    pub fn mint(&self, claims: &Claims) -> Result<String, MintError> {
        if claims.rooms.len() > TOKEN_ROOMS_MAX {
            return Err(MintError::NotAccepted(Flaw::Rooms));
        }
        self.signed(TOKEN_KIND, claims)
    }

    /// What `token` says, if one of these keys signed it and it is good at `now_unix_s` (wall
    /// clock, seconds since the Unix epoch).
    ///
    /// # Errors
    /// [`TokenError`] for everything else. Of a forged token nothing but the key's id is read.
    pub fn verify(&self, token: &str, now_unix_s: u64) -> Result<Claims, TokenError> {
        let claims: Claims = self.read_signed(token, |kind| kind != Some(LINK_KIND))?;
        if claims.rooms.len() > TOKEN_ROOMS_MAX {
            return Err(TokenError::Malformed(Flaw::Rooms));
        }
        check_time(claims.nbf, claims.exp, now_unix_s)?;
        Ok(claims)
    }

    /// `claims` as text of this kind, signed with the newest key.
    pub(super) fn signed(&self, kind: &str, claims: &impl Serialize) -> Result<String, MintError> {
        let key = self.signing().ok_or(MintError::NoKey)?;
        let header = Header {
            alg: ALGORITHM,
            kid: key.id(),
            typ: kind,
        };
        let mut token = format!("{}.{}", encode(&header), encode(claims));
        let signature = key.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > TOKEN_BYTES_MAX {
            return Err(MintError::NotAccepted(Flaw::TooLong));
        }
        Ok(token)
    }

    /// The claims of a text that one of these keys signed and whose kind is wanted; their time is
    /// not looked at.
    pub(super) fn read_signed<T: DeserializeOwned>(
        &self,
        token: &str,
        is_wanted: impl Fn(Option<&str>) -> bool,
    ) -> Result<T, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed(Flaw::TooLong));
        }
        let parts: Vec<&str> = token.splitn(4, '.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err(TokenError::Malformed(Flaw::Parts));
        };
        let read: ReadHeader = decode(header, Flaw::Header)?;
        if read.alg != ALGORITHM {
            return Err(TokenError::Malformed(Flaw::Algorithm));
        }
        let key = self.find(&read.kid).ok_or(TokenError::UnknownKey)?;
        let signature = decode_bytes(signature)?;
        let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
        if !key.verifies(signed, &signature) {
            return Err(TokenError::Forged);
        }
        if !is_wanted(read.typ.as_deref()) {
            return Err(TokenError::Malformed(Flaw::Kind));
        }
        decode(payload, Flaw::Claims)
    }
}

/// Whether what is good from `nbf` to `exp` is good at `now_unix_s`.
pub(super) fn check_time(nbf: Option<u64>, exp: u64, now_unix_s: u64) -> Result<(), TokenError> {
    if exp <= now_unix_s {
        return Err(TokenError::Expired(now_unix_s - exp));
    }
    let good_from = nbf.unwrap_or(0).saturating_sub(NOT_BEFORE_LEEWAY_S);
    if good_from > now_unix_s {
        return Err(TokenError::NotYetValid(good_from - now_unix_s));
    }
    Ok(())
}

fn encode(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value)
        .expect("headers and claims have string keys and finite numbers, so they become JSON");
    URL_SAFE_NO_PAD.encode(json)
}

fn decode<T: DeserializeOwned>(part: &str, flaw: Flaw) -> Result<T, TokenError> {
    let json = decode_bytes(part)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed(flaw))
}

fn decode_bytes(part: &str) -> Result<Vec<u8>, TokenError> {
    let decoded = URL_SAFE_NO_PAD.decode(part);
    decoded.map_err(|_| TokenError::Malformed(Flaw::Base64))
}

/// Rights as a list of names.
mod right_names {
    use greenroom_service::Rights;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(rights: &Rights, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(rights.names())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Rights, D::Error> {
        let names = Vec::<String>::deserialize(from)?;
        let known = names.iter().filter_map(|name| Rights::from_name(name));
        Ok(known.fold(Rights::NONE, |rights, right| rights | right))
    }
}
