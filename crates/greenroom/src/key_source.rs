//! Where signing keys come from: the data directory, and the environment.

use std::path::{Path, PathBuf};

use greenroom_server::auth::{Keys, SecretKey, keys_path, read_keys};

use crate::env_vars;
use crate::failure::Failure;

/// The file in systemd's credentials directory that holds a secret key.
const CREDENTIAL_NAME: &str = "greenroom.secret_key";

/// Where the token commands look when they are told nothing: a server's directory, then `dev`'s.
const USUAL_DIRECTORIES: [&str; 2] = ["./data", "./.greenroom"];

/// How to get a key.
pub(crate) const HINT_CREATE: &str =
    "create one with `greenroom token init`, or set GREENROOM_SECRET_KEY";

/// `keys` and the secret key of the environment, which then signs.
///
/// # Errors
/// When the environment names a key that cannot be read or is none.
pub(crate) fn with_environment(keys: Keys) -> Result<Keys, Failure> {
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
    if let Some(text) = env_vars::get(env_vars::SECRET_KEY) {
        return parse(&text, env_vars::SECRET_KEY).map(Some);
    }
    if let Some(path) = env_vars::get(env_vars::SECRET_KEY_FILE) {
        return read_file(Path::new(&path), env_vars::SECRET_KEY_FILE).map(Some);
    }
    let credential = env_vars::get(env_vars::CREDENTIALS_DIRECTORY)
        .map(|directory| PathBuf::from(directory).join(CREDENTIAL_NAME))
        .filter(|path| path.exists());
    match credential {
        Some(path) => read_file(&path, env_vars::CREDENTIALS_DIRECTORY).map(Some),
        None => Ok(None),
    }
}

fn read_file(path: &Path, variable: &str) -> Result<SecretKey, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let path = path.display();
        Failure::usage(format!("{variable}: cannot read {path}: {error}"))
    })?;
    parse(&text, variable)
}

fn parse(text: &str, variable: &str) -> Result<SecretKey, Failure> {
    text.parse().map_err(|error| {
        Failure::usage(format!("{variable} holds no secret key: {error}"))
            .hint("`greenroom token init` makes one: the field `secret` of its keys file")
    })
}
