//! Where signing keys come from: the data directory, and the environment.

use std::path::Path;

use greenroom_server::auth::{Keys, SecretKey, keys_path, read_keys};

use crate::config::{self, Environment};
use crate::failure::Failure;

/// Where the token commands look when they are told nothing: a server's directory, then `dev`'s.
const USUAL_DIRECTORIES: [&str; 2] = ["./data", "./.greenroom"];

/// How to get a key.
pub(crate) const HINT_CREATE: &str =
    "create one with `greenroom token init`, or set GREENROOM_SECRET_KEY";

/// `keys` and the secret key of the environment, which then signs.
///
/// # Errors
/// When the environment names a key that cannot be read or is none.
fn with_environment(keys: Keys) -> Result<Keys, Failure> {
    Ok(match secret_key_of_environment()? {
        Some(key) => keys.with(key),
        None => keys,
    })
}

/// The keys for the token commands: of `data`, or of the first usual directory that has some,
/// and of the environment. Never empty.
///
/// # Errors
/// When there is none, or a keys file is not good.
pub(crate) fn for_tokens(data: Option<&str>) -> Result<Keys, Failure> {
    let mut in_directory = None;
    match data {
        Some(data) => in_directory = read_keys(Path::new(data))?,
        None => {
            for usual in USUAL_DIRECTORIES {
                if in_directory.is_none() {
                    in_directory = read_keys(Path::new(usual))?;
                }
            }
        }
    }
    let keys = with_environment(in_directory.unwrap_or_else(Keys::none))?;
    if !keys.is_empty() {
        return Ok(keys);
    }
    let message = match data {
        Some(data) => format!("there is no {}", keys_path(Path::new(data)).display()),
        None => format!("no keys file in {}", USUAL_DIRECTORIES.join(" or ")),
    };
    Err(Failure::failed(message).hint(HINT_CREATE))
}

fn secret_key_of_environment() -> Result<Option<SecretKey>, Failure> {
    config::secret_key(&Environment::of_process())
}
