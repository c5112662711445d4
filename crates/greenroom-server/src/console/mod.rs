//! Who is signed in to the console. A console link is exchanged once for a cookie; a request that
//! brings the cookie from our own page may do what an operator may.

mod links;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use greenroom_core::limits::{CONSOLE_IDLE_MS_MAX, CONSOLE_SIGN_IN_MS_MAX, CONSOLE_SIGN_INS_MAX};
use http::{HeaderMap, Method, header};

use crate::auth::{ConsoleLink, Keys, RandomnessError, TokenError};
use links::{NotTaken, UsedLinks};

/// The cookie's name.
const COOKIE: &str = "greenroom_console";

/// What our page adds to each request that changes something. A page of another origin cannot: the
/// browser asks first, and is not told that it may.
pub(crate) const PAGE_HEADER: &str = "greenroom-console";

/// Random bytes of a cookie.
const COOKIE_BYTES: usize = 32;

/// Those who are signed in.
pub(crate) struct SignIns {
    /// By the cookie's value; looked at for a few lines, never across an await.
    held: Mutex<HashMap<String, Held>>,
    /// Locked while its file is written, by one sign-in at a time.
    used: Mutex<UsedLinks>,
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignIn {
    /// Whom the link named.
    pub(crate) user: String,
    /// When it ends at the latest, in milliseconds since the Unix epoch.
    pub(crate) ends_ms: u64,
}

struct Held {
    sign_in: SignIn,
    seen_ms: u64,
}

/// Why a link does not sign in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// It is no good link.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Somebody signed in with it.
    #[error("this link was used; each is good for one sign-in")]
    Used,
    /// No more used links can be remembered.
    #[error("too many links were used in a short time")]
    TooMany,
    /// No cookie can be made.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

impl From<NotTaken> for SignInError {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Used => Self::Used,
            NotTaken::TooMany => Self::TooMany,
        }
    }
}

impl SignIns {
    /// Nobody. Used links are remembered in `directory`, so that a restart does not forget them.
    pub(crate) fn new(directory: Option<&Path>, now_ms: u64) -> Self {
        Self {
            held: Mutex::new(HashMap::new()),
            used: Mutex::new(UsedLinks::open(directory, now_ms / 1_000)),
        }
    }

    /// Signs in with a link's token; gives the cookie's value. Writes a file: not for a thread that
    /// others wait for.
    pub(crate) fn begin(
        &self,
        keys: &Keys,
        token: &str,
        now_ms: u64,
    ) -> Result<(String, SignIn), SignInError> {
        let ConsoleLink { sub, exp, jti, .. } = keys.verify_console_link(token, now_ms / 1_000)?;
        let mut cookie = [0; COOKIE_BYTES];
        getrandom::fill(&mut cookie).map_err(RandomnessError::from)?;
        let cookie = URL_SAFE_NO_PAD.encode(cookie);
        {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.take(jti, exp, now_ms / 1_000)?;
        }
        let sign_in = SignIn {
            user: sub,
            ends_ms: now_ms + CONSOLE_SIGN_IN_MS_MAX,
        };
        let mut held = self.held();
        held.retain(|_, held| held.is_good(now_ms));
        if held.len() >= CONSOLE_SIGN_INS_MAX {
            let idlest = held.iter().min_by_key(|(_, held)| held.seen_ms);
            if let Some(idlest) = idlest.map(|(cookie, _)| cookie.clone()) {
                held.remove(&idlest);
            }
        }
        let new = Held {
            sign_in: sign_in.clone(),
            seen_ms: now_ms,
        };
        held.insert(cookie.clone(), new);
        Ok((cookie, sign_in))
    }

    /// Who sends a request with these headers, if it comes from our page and its cookie is good.
    pub(crate) fn of(&self, method: &Method, headers: &HeaderMap, now_ms: u64) -> Option<SignIn> {
        let cookie = cookie_of(headers)?;
        if !is_from_our_page(method, headers) {
            return None;
        }
        let mut held = self.held();
        let found = held.get_mut(cookie)?;
        if !found.is_good(now_ms) {
            held.remove(cookie);
            return None;
        }
        found.seen_ms = now_ms;
        Some(found.sign_in.clone())
    }

    /// Signs out who sends these headers; gives who that was.
    pub(crate) fn end(&self, headers: &HeaderMap) -> Option<SignIn> {
        let held = self.held().remove(cookie_of(headers)?)?;
        Some(held.sign_in)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn is_good(&self, now_ms: u64) -> bool {
        now_ms < self.sign_in.ends_ms && now_ms < self.seen_ms.saturating_add(CONSOLE_IDLE_MS_MAX)
    }
}

/// The `Set-Cookie` of a sign-in: for this host alone, out of the reach of scripts and of other
/// sites, and over TLS only where that is how the page came.
pub(crate) fn cookie_text(value: &str, is_secure: bool) -> String {
    let age_s = CONSOLE_SIGN_IN_MS_MAX / 1_000;
    set_cookie(value, age_s, is_secure)
}

/// The `Set-Cookie` that removes it.
pub(crate) fn no_cookie_text(is_secure: bool) -> String {
    set_cookie("", 0, is_secure)
}

fn set_cookie(value: &str, age_s: u64, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}")
}

fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE && !value.is_empty())
        .map(|(_, value)| value)
}

/// Whether a page of our own sent it, as the browser says; what changes something must say so too.
/// `SameSite` alone would trust every other port and sibling domain.
pub(crate) fn is_from_our_page(method: &Method, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    let is_same = matches!(site, None | Some(b"same-origin" | b"none"));
    is_same && (method.is_safe() || headers.contains_key(PAGE_HEADER))
}
