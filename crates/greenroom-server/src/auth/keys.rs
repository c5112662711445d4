//! The keys that sign tokens: Ed25519, several at a time, the newest signs and all verify.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey};

/// Keys that one server knows. Rotation needs two; each is tried for no token but its own.
pub const KEYS_MAX: usize = 16;

/// What a secret key starts with in its textual form.
const SECRET_PREFIX: &str = "sk_";

/// Bytes of the public key that name a key; 72 bits, so that two keys of one owner never share
/// an id by chance.
const KEY_ID_BYTES: usize = 9;

/// An Ed25519 secret key. Its text is `sk_` and the 32-byte seed of RFC 8032 in unpadded
/// base64url: 46 characters. Wiped from memory when dropped; its `Debug` shows the id only.
#[derive(Clone)]
pub struct SecretKey {
    /// `key_id(&signing)`, kept because each token carries it.
    id: String,
    signing: SigningKey,
}

/// Why a string is no secret key. Never holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretKeyError {
    /// It does not start with `sk_`.
    #[error("a secret key starts with `sk_`")]
    Prefix,
    /// What follows is not 43 characters of base64url.
    #[error("a secret key is `sk_` and 43 characters of base64url (32 bytes)")]
    Seed,
}

/// The system gave no randomness, which a new key needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no randomness: {0}")]
pub struct RandomnessError(#[from] getrandom::Error);

impl SecretKey {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`RandomnessError`] when the system has none, as in a sandbox without the call.
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self::from_seed(seed))
    }

    /// The key of this seed.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(&seed);
        let public = signing.verifying_key().to_bytes();
        Self {
            id: URL_SAFE_NO_PAD.encode(&public[..KEY_ID_BYTES]),
            signing,
        }
    }

    /// The key's name in tokens (`kid`): the first 9 bytes of its public key in base64url, so
    /// that every server that has the key calls it the same.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The textual form, for the keys file. Whoever has it can mint any token.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        format!(
            "{SECRET_PREFIX}{}",
            URL_SAFE_NO_PAD.encode(self.signing.to_bytes())
        )
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; Signature::BYTE_SIZE] {
        self.signing.sign(message).to_bytes()
    }

    /// Strict verification: weak public keys and non-canonical signatures are refused.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| {
            let public = self.signing.verifying_key();
            public.verify_strict(message, &signature).is_ok()
        })
    }
}

impl FromStr for SecretKey {
    type Err = SecretKeyError;

    /// Reads the textual form; white space around it is ignored, since files end in a newline.
    fn from_str(text: &str) -> Result<Self, SecretKeyError> {
        let encoded = text.trim().strip_prefix(SECRET_PREFIX);
        let encoded = encoded.ok_or(SecretKeyError::Prefix)?;
        let seed = URL_SAFE_NO_PAD.decode(encoded).ok();
        let seed = seed.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        seed.map(Self::from_seed).ok_or(SecretKeyError::Seed)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.id).finish()
    }
}

/// The keys of a server, oldest first. The last one signs, all verify.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// No id twice. Private for that, and so that no key is pushed behind the file's back.
    list: Vec<SecretKey>,
}

impl Keys {
    /// No key: nothing can be minted and every token is refused.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These keys and `key`, which signs from now on. A key that is known already moves to the
    /// end.
    #[must_use]
    pub fn with(mut self, key: SecretKey) -> Self {
        self.list.retain(|known| known.id != key.id);
        self.list.push(key);
        self
    }

    /// The key that signs: the newest.
    #[must_use]
    pub fn signing(&self) -> Option<&SecretKey> {
        self.list.last()
    }

    /// The key named `id`.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&SecretKey> {
        self.list.iter().find(|key| key.id == id)
    }

    /// All keys, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &SecretKey> {
        self.list.iter()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
