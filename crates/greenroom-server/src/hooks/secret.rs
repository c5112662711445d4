//! The secret that receivers know us by, and signatures as Standard Webhooks have them: `v1,` and the
//! base64 of HMAC-SHA-256 over `ID.TIMESTAMP.BODY`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// What a secret starts with in its textual form.
const PREFIX: &str = "whsec_";

/// The bytes of a secret.
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// SHA-256 takes in so many bytes at a time.
const BLOCK_BYTES: usize = 64;

/// A secret that deliveries are signed with. Its text is `whsec_` and 24 to 64 bytes in base64. Its
/// `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct HookSecret(Vec<u8>);

/// Why a text is no secret. Never holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HookSecretError {
    /// It does not start with `whsec_`.
    #[error("a webhook secret starts with `whsec_`")]
    Prefix,
    /// What follows is not base64.
    #[error("a webhook secret is `whsec_` and base64")]
    Base64,
    /// It has too few bytes to be safe, or more than there is use for.
    #[error("a webhook secret has {BYTES_MIN} to {BYTES_MAX} bytes")]
    Length,
}

impl FromStr for HookSecret {
    type Err = HookSecretError;

    fn from_str(text: &str) -> Result<Self, HookSecretError> {
        let text = text.strip_prefix(PREFIX).ok_or(HookSecretError::Prefix)?;
        let secret = STANDARD.decode(text).map_err(|_| HookSecretError::Base64)?;
        let fits = (BYTES_MIN..=BYTES_MAX).contains(&secret.len());
        fits.then_some(Self(secret)).ok_or(HookSecretError::Length)
    }
}

impl fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookSecret")
    }
}

impl HookSecret {
    /// The signature of a message.
    pub(super) fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let timestamp = timestamp_s.to_string();
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        format!("v1,{}", STANDARD.encode(self.hmac(&signed)))
    }

    /// HMAC (RFC 2104) with SHA-256. A secret is never longer than a block.
    pub(super) fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let keyed = |pad: u8| {
            let mut block = [pad; BLOCK_BYTES];
            for (byte, key) in block.iter_mut().zip(&self.0) {
                *byte ^= key;
            }
            Sha256::new_with_prefix(block)
        };
        let mut inner = keyed(0x36);
        for part in parts {
            inner.update(part);
        }
        keyed(0x5c).chain_update(inner.finalize()).finalize().into()
    }
}

/// All signatures of a message, as the header has them: one per secret, so that a secret can be
/// replaced while receivers know the old one or the new one.
pub(super) fn signatures(secrets: &[HookSecret], id: &str, at_s: u64, body: &[u8]) -> String {
    let signed = secrets.iter().map(|secret| secret.sign(id, at_s, body));
    signed.collect::<Vec<_>>().join(" ")
}
