//! Who may do what: keys, tokens, room patterns and origins, all judged at the edge.
//!
//! ```
//! use greenroom_server::auth::{
//!     Authenticator, Claims, Grant, Keys, Rights, RoomId, SecretKey,
//! };
//!
//! let keys = Keys::none().with(SecretKey::from_seed([7; 32]));
//! let token = keys
//!     .mint(&Claims {
//!         sub: "ada".into(),
//!         name: None,
//!         info: None,
//!         rooms: vec![Grant { pattern: "docs/*".parse()?, rights: Rights::READ }],
//!         iat: 1_000,
//!         nbf: None,
//!         exp: 4_600,
//!         admin: false,
//!         jti: None,
//!     })?;
//! let authenticator = Authenticator::keyed(keys);
//! let identity = authenticator.authenticate(Some(&token), &RoomId::new("docs/a")?, 2_000)?;
//! assert_eq!(identity.rights, Rights::READ);
//! assert!(authenticator.authenticate(Some(&token), &RoomId::new("plans")?, 2_000).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod console_link;
mod credential;
mod keys;
mod keys_file;
mod origin;
mod pattern;
mod token;

#[cfg(test)]
mod tests;

use greenroom_core::close_reason::CloseReason;
use http::StatusCode;

pub use greenroom_service::{Rights, RoomId, UserId};

pub use console_link::{CONSOLE_LINK_S_MAX, ConsoleLink};
pub use credential::{TOKEN_SUBPROTOCOL_PREFIX, subprotocol_answer, token_of};
pub use keys::{KEYS_MAX, Keys, RandomnessError, SecretKey, SecretKeyError};
pub use keys_file::{
    KEYS_FILE_NAME, KeysFileError, create_keys, keys_path, read_keys, rotate_keys,
};
pub use origin::{OriginError, OriginPolicy, OriginRule, OriginRuleError, Reach};
pub use pattern::{PATTERN_BYTES_MAX, Pattern, PatternError};
pub use token::{
    Claims, Flaw, Grant, MintError, NOT_BEFORE_LEEWAY_S, TOKEN_BYTES_MAX, TOKEN_ROOMS_MAX,
    TokenError, new_token_id,
};

/// The public development key: a credential with all rights, for `dev` only.
pub const PUBLIC_DEV_KEY: &str = "pk_localdev";

/// The secret development key: as [`PUBLIC_DEV_KEY`], and it may operate the server.
pub const SECRET_DEV_KEY: &str = "sk_localdev";

/// Whether a credential is needed. One that is given is judged in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// None is needed: whoever reaches the port has all rights and may operate the server.
    Open,
    /// A token is needed.
    Keyed,
}

/// Whether the development keys are credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DevKeys {
    Accepted,
    Refused,
}

/// Turns a credential into an identity. Holds no state that changes: share it as it is.
#[derive(Clone, Debug)]
pub struct Authenticator {
    keys: Keys,
    access: Access,
    dev_keys: DevKeys,
}

/// What may be done in a room where no token says anything of it; `None`: what [`Access`] means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultRights {
    /// By somebody without a token.
    pub anonymous: Option<Rights>,
    /// By somebody with a good token.
    pub authenticated: Option<Rights>,
}

/// Who somebody is in one room, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user that the token names; `None` for somebody without a token.
    pub user: Option<UserId>,
    /// What may be done in the room; never [`Rights::NONE`].
    pub rights: Rights,
    /// When this ends, in seconds since the Unix epoch (wall clock); `None`: never.
    pub expires_at_unix_s: Option<u64>,
    /// Whether the server may be operated.
    pub admin: bool,
}

/// Why somebody is not let into a room. Its text is what the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// A token is needed and none was given.
    #[error("a token is needed here")]
    Missing,
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is good, and allows nothing in this room.
    #[error("the token does not allow this room")]
    Forbidden,
    /// The token is good, and does not allow to operate the server.
    #[error("the token does not allow to operate the server")]
    NoOperator,
}

impl AuthError {
    /// The word for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Forbidden | Self::NoOperator => "forbidden",
            Self::Token(TokenError::Malformed(_)) => "malformed",
            Self::Token(TokenError::Forged) => "forged",
            Self::Token(TokenError::UnknownKey) => "unknown_key",
            Self::Token(TokenError::Expired(_)) => "expired",
            Self::Token(TokenError::NotYetValid(_)) => "not_yet_valid",
            Self::Token(TokenError::DevelopmentKey) => "development_key",
        }
    }

    /// How a connection that met this error is closed.
    #[must_use]
    pub const fn close_reason(self) -> CloseReason {
        match self {
            Self::Forbidden | Self::NoOperator => CloseReason::Forbidden,
            Self::Token(TokenError::Expired(_)) => CloseReason::Expired,
            Self::Missing
            | Self::Token(
                TokenError::Malformed(_)
                | TokenError::Forged
                | TokenError::UnknownKey
                | TokenError::NotYetValid(_)
                | TokenError::DevelopmentKey,
            ) => CloseReason::Unauthenticated,
        }
    }
}

impl Authenticator {
    /// For `dev`: no token is needed, and the development keys are credentials.
    #[must_use]
    pub const fn development(keys: Keys) -> Self {
        Self {
            keys,
            access: Access::Open,
            dev_keys: DevKeys::Accepted,
        }
    }

    /// For a server on loopback without a key, or one told to be insecure: no token is needed.
    #[must_use]
    pub const fn open(keys: Keys) -> Self {
        Self {
            keys,
            access: Access::Open,
            dev_keys: DevKeys::Refused,
        }
    }

    /// For a server with a key: a token is needed. Without any key in `keys` nobody gets in.
    #[must_use]
    pub const fn keyed(keys: Keys) -> Self {
        Self {
            keys,
            access: Access::Keyed,
            dev_keys: DevKeys::Refused,
        }
    }

    /// Whether a credential is needed.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.access
    }

    /// The keys that tokens are verified with.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Who bears `credential` (a token or a development key), and what they may do in `room` at
    /// `now_unix_s` (wall clock, seconds since the Unix epoch).
    ///
    /// # Errors
    /// [`AuthError`]; [`AuthError::close_reason`] says how a connection is closed for it. A
    /// credential that is given and not good is refused even where none is needed.
    pub fn authenticate(
        &self,
        credential: Option<&str>,
        room: &RoomId,
        now_unix_s: u64,
    ) -> Result<Identity, AuthError> {
        self.authenticate_with(DefaultRights::default(), credential, room, now_unix_s)
    }

    /// As [`Self::authenticate`], in a room with `defaults`. What a token says of the room is all
    /// that it gives there; whoever has one is not worse off than without.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub fn authenticate_with(
        &self,
        defaults: DefaultRights,
        credential: Option<&str>,
        room: &RoomId,
        now_unix_s: u64,
    ) -> Result<Identity, AuthError> {
        let Some(credential) = credential else {
            let of_access = match self.access {
                Access::Open => Rights::ALL,
                Access::Keyed => Rights::NONE,
            };
            return match defaults.anonymous.unwrap_or(of_access) {
                Rights::NONE => Err(AuthError::Missing),
                rights => Ok(Identity {
                    rights,
                    ..Identity::unnamed(self.access == Access::Open)
                }),
            };
        };
        if [PUBLIC_DEV_KEY, SECRET_DEV_KEY].contains(&credential) {
            return match self.dev_keys {
                DevKeys::Accepted => Ok(Identity::unnamed(credential == SECRET_DEV_KEY)),
                DevKeys::Refused => Err(TokenError::DevelopmentKey.into()),
            };
        }
        let claims = self.keys.verify(credential, now_unix_s)?;
        let rights = match claims.rights_in(room) {
            Rights::NONE => defaults
                .authenticated
                .or(defaults.anonymous)
                .unwrap_or_default(),
            rights => rights,
        };
        if rights == Rights::NONE {
            return Err(AuthError::Forbidden);
        }
        Ok(Identity {
            user: Some(UserId::new(&claims.sub)),
            rights,
            expires_at_unix_s: Some(claims.exp),
            admin: claims.admin,
        })
    }

    /// Whether who bears `credential` may operate the server at `now_unix_s`.
    ///
    /// # Errors
    /// [`AuthError`]; never [`AuthError::Forbidden`].
    pub fn authorize_operator(
        &self,
        credential: Option<&str>,
        now_unix_s: u64,
    ) -> Result<(), AuthError> {
        let admin = match (credential, self.access, self.dev_keys) {
            (None, Access::Open, _) => true,
            (None, Access::Keyed, _) => return Err(AuthError::Missing),
            (Some(SECRET_DEV_KEY), _, DevKeys::Accepted) => true,
            (Some(PUBLIC_DEV_KEY), _, DevKeys::Accepted) => false,
            (Some(SECRET_DEV_KEY | PUBLIC_DEV_KEY), _, DevKeys::Refused) => {
                return Err(TokenError::DevelopmentKey.into());
            }
            (Some(token), ..) => self.keys.verify(token, now_unix_s)?.admin,
        };
        if admin {
            Ok(())
        } else {
            Err(AuthError::NoOperator)
        }
    }
}

impl AuthError {
    /// The HTTP status of this error.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Forbidden | Self::NoOperator => StatusCode::FORBIDDEN,
            Self::Missing | Self::Token(_) => StatusCode::UNAUTHORIZED,
        }
    }

    /// The `code` of this error's problem document.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Forbidden | Self::NoOperator => "forbidden",
            Self::Token(TokenError::Expired(_)) => "expired",
            Self::Missing | Self::Token(_) => "unauthenticated",
        }
    }
}

impl Identity {
    fn unnamed(admin: bool) -> Self {
        Self {
            user: None,
            rights: Rights::ALL,
            expires_at_unix_s: None,
            admin,
        }
    }
}
