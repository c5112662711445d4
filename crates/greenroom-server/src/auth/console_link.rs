//! Console links: signed like a token and of a kind of their own, so that one is no credential at
//! any door. It is good for one sign-in at `/console`; who signed in is remembered by a cookie.

use serde::{Deserialize, Serialize};

use super::keys::Keys;
use super::token::{Flaw, MintError, TokenError, check_time};

/// The kind in the header (RFC 8725, 3.11: explicit typing).
pub(super) const LINK_KIND: &str = "greenroom-console+jwt";

/// The longest that a link may be good, in seconds: how long a used one is remembered.
pub const CONSOLE_LINK_S_MAX: u64 = 24 * 60 * 60;

/// What a console link says. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleLink {
    /// Who signs in with it.
    pub sub: String,
    /// When it was minted.
    pub iat: u64,
    /// From when on it is not good any more.
    pub exp: u64,
    /// A name for this link alone, by which a used one is known.
    pub jti: String,
}

impl Keys {
    /// A console link's token, signed with the newest key.
    ///
    /// # Errors
    /// [`MintError`] without a key, and when the user's name is too long.
    pub fn mint_console_link(&self, link: &ConsoleLink) -> Result<String, MintError> {
        self.signed(LINK_KIND, link)
    }

    /// What a console link's token says, if one of these keys signed it and it is good at
    /// `now_unix_s`. Whether it was used is not known here.
    ///
    /// # Errors
    /// [`TokenError`] for everything else.
    pub fn verify_console_link(
        &self,
        token: &str,
        now_unix_s: u64,
    ) -> Result<ConsoleLink, TokenError> {
        let link: ConsoleLink = self.read_signed(token, |kind| kind == Some(LINK_KIND))?;
        check_time(None, link.exp, now_unix_s)?;
        // One that is good for longer would be forgotten as used while it is good.
        if link.exp.saturating_sub(now_unix_s) > CONSOLE_LINK_S_MAX {
            return Err(TokenError::Malformed(Flaw::Claims));
        }
        Ok(link)
    }
}
