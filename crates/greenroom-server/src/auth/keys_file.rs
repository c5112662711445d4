//! `keys.json` in the data directory: the signing keys of a server.
//!
//! ```json
//! {
//!   "version": 1,
//!   "keys": [
//!     { "id": "jZmH0kU2cV3x", "created_unix_s": 1795224000, "secret": "sk_…" }
//!   ]
//! }
//! ```
//! Oldest first; the last one signs, all verify. `id` is derived from the secret and checked when
//! read. The file belongs to its owner alone (mode 0600) and is replaced whole: written beside,
//! synced, renamed, and the directory synced, so that a crash leaves the old file or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::keys::{KEYS_MAX, Keys, RandomnessError, SecretKey};

/// The file's name in the data directory.
pub const KEYS_FILE_NAME: &str = "keys.json";

/// The largest keys file that is read: [`KEYS_MAX`] keys take a tenth of it.
const KEYS_FILE_BYTES_MAX: u64 = 64 << 10;

const VERSION: u32 = 1;

/// Why the keys file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysFileError {
    /// The world: no permission, no space, no such directory.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `create`.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// People other than the owner and its group may read or write the file.
    #[error("{} can be read by everybody on this machine (mode {mode:o})", path.display())]
    WorldReadable {
        /// The keys file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not what this version writes.
    #[error("{} is not a keys file: {why}", path.display())]
    Malformed {
        /// The keys file.
        path: PathBuf,
        /// What is wrong; never holds a secret.
        why: String,
    },
    /// There is a keys file already, and a new one would make every token invalid.
    #[error("{} exists", path.display())]
    Exists {
        /// The keys file.
        path: PathBuf,
    },
    /// There is no keys file to add a key to.
    #[error("there is no {}", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// The file holds [`KEYS_MAX`] keys already.
    #[error("{} holds {KEYS_MAX} keys, the most there may be", path.display())]
    Full {
        /// The keys file.
        path: PathBuf,
    },
    /// Another process writes the file at this moment.
    #[error("another process is writing {}", path.display())]
    Busy {
        /// The keys file.
        path: PathBuf,
    },
    /// No randomness for a new key.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

impl KeysFileError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::WorldReadable { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Self::Exists { .. } => Some(
                "`greenroom token init --rotate` adds a key that signs from now on; \
                 tokens of the old ones stay good"
                    .to_owned(),
            ),
            Self::Missing { .. } => Some("create one with `greenroom token init`".to_owned()),
            Self::Full { path } => Some(format!(
                "remove the first entries of `keys` in {}: tokens signed with them end",
                path.display()
            )),
            Self::Malformed { path, .. } => Some(format!(
                "restore {} from a backup, or move it away and run `greenroom token init`: \
                 all tokens end then",
                path.display()
            )),
            Self::Io { .. } | Self::Busy { .. } | Self::Randomness(_) => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    keys: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    created_unix_s: u64,
    secret: String,
}

/// Where the keys file of data directory `data` is.
#[must_use]
pub fn keys_path(data: &Path) -> PathBuf {
    data.join(KEYS_FILE_NAME)
}

/// Reads the keys of data directory `data`; `None` when it has no keys file.
///
/// # Errors
/// [`KeysFileError`] when the file cannot be read, is open to everybody, or is malformed.
pub fn read_keys(data: &Path) -> Result<Option<Keys>, KeysFileError> {
    let path = keys_path(data);
    match read_contents(&path)? {
        Some(contents) => keys_of(&contents, &path).map(Some),
        None => Ok(None),
    }
}

/// Makes data directory `data` where needed, and a keys file with one new key in it.
///
/// # Errors
/// [`KeysFileError::Exists`] when there is one; otherwise as [`KeysFileError`] says.
pub fn create_keys(data: &Path, now_unix_s: u64) -> Result<Keys, KeysFileError> {
    make_directory(data)?;
    let path = keys_path(data);
    let directory = lock_directory(data, &path)?;
    if path.try_exists().map_err(io_error("read", &path))? {
        return Err(KeysFileError::Exists { path });
    }
    let mut contents = Contents {
        version: VERSION,
        keys: Vec::new(),
    };
    add_key(&mut contents, now_unix_s)?;
    replace(&contents, &path, &directory)?;
    keys_of(&contents, &path)
}

/// Adds a new key to the keys file of `data`. It signs from now on; the others still verify.
/// A running server learns of it when it restarts.
///
/// # Errors
/// [`KeysFileError::Missing`] without a keys file, [`KeysFileError::Full`] with too many keys;
/// otherwise as [`KeysFileError`] says.
pub fn rotate_keys(data: &Path, now_unix_s: u64) -> Result<Keys, KeysFileError> {
    let path = keys_path(data);
    if !data.is_dir() {
        return Err(KeysFileError::Missing { path });
    }
    let directory = lock_directory(data, &path)?;
    let Some(mut contents) = read_contents(&path)? else {
        return Err(KeysFileError::Missing { path });
    };
    keys_of(&contents, &path)?;
    if contents.keys.len() >= KEYS_MAX {
        return Err(KeysFileError::Full { path });
    }
    add_key(&mut contents, now_unix_s)?;
    replace(&contents, &path, &directory)?;
    keys_of(&contents, &path)
}

fn add_key(contents: &mut Contents, created_unix_s: u64) -> Result<(), RandomnessError> {
    let key = SecretKey::generate()?;
    contents.keys.push(Entry {
        id: key.id().to_owned(),
        created_unix_s,
        secret: key.to_secret_text(),
    });
    Ok(())
}

fn read_contents(path: &Path) -> Result<Option<Contents>, KeysFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error("read", path)(source)),
    };
    refuse_world_readable(&file, path)?;
    let mut text = String::new();
    file.take(KEYS_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(io_error("read", path))?;
    if text.len() as u64 > KEYS_FILE_BYTES_MAX {
        return Err(malformed(
            path,
            format!("it has more than {KEYS_FILE_BYTES_MAX} bytes"),
        ));
    }
    let contents: Contents = serde_json::from_str(&text).map_err(|e| {
        // Not the error's own text: it may quote what stands there.
        malformed(path, format!("line {}, column {}", e.line(), e.column()))
    })?;
    Ok(Some(contents))
}

fn keys_of(contents: &Contents, path: &Path) -> Result<Keys, KeysFileError> {
    if contents.version != VERSION {
        let why = format!("version {}, known is {VERSION}", contents.version);
        return Err(malformed(path, why));
    }
    if contents.keys.is_empty() || contents.keys.len() > KEYS_MAX {
        let why = format!("{} keys, 1 to {KEYS_MAX} may be", contents.keys.len());
        return Err(malformed(path, why));
    }
    let mut keys = Keys::none();
    for (at, entry) in contents.keys.iter().enumerate() {
        let key: SecretKey = entry
            .secret
            .parse()
            .map_err(|e| malformed(path, format!("keys[{at}]: {e}")))?;
        if key.id() != entry.id {
            let why = format!("keys[{at}]: the id does not belong to the secret");
            return Err(malformed(path, why));
        }
        keys = keys.with(key);
    }
    Ok(keys)
}

fn replace(contents: &Contents, path: &Path, directory: &File) -> Result<(), KeysFileError> {
    let beside = path.with_extension("json.new");
    let mut text = serde_json::to_string_pretty(contents)
        .expect("strings and integers always become JSON, so this cannot fail");
    text.push('\n');
    let written = open_private(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(io_error("write", &beside))?;
    fs::rename(&beside, path).map_err(io_error("write", path))?;
    directory.sync_all().map_err(io_error("write", path))
}

/// Opens the data directory and takes its lock (held until the handle is dropped), so that two
/// commands at once do not lose each other's key.
fn lock_directory(data: &Path, path: &Path) -> Result<File, KeysFileError> {
    let directory = File::open(data).map_err(io_error("read", data))?;
    match directory.try_lock() {
        Ok(()) => Ok(directory),
        Err(fs::TryLockError::WouldBlock) => Err(KeysFileError::Busy {
            path: path.to_owned(),
        }),
        Err(fs::TryLockError::Error(source)) => Err(io_error("write", path)(source)),
    }
}

fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> KeysFileError + use<'a> {
    move |source| KeysFileError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn malformed(path: &Path, why: String) -> KeysFileError {
    KeysFileError::Malformed {
        path: path.to_owned(),
        why,
    }
}

#[cfg(unix)]
fn make_directory(data: &Path) -> Result<(), KeysFileError> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(io_error("create", data))
}

#[cfg(not(unix))]
fn make_directory(data: &Path) -> Result<(), KeysFileError> {
    fs::create_dir_all(data).map_err(io_error("create", data))
}

/// A new file for the owner alone. One that a crash left behind goes first: its mode is unknown.
fn open_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// The owner's group may read (secrets are often mounted so), the rest of the machine may not.
#[cfg(unix)]
fn refuse_world_readable(file: &File, path: &Path) -> Result<(), KeysFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file
        .metadata()
        .map_err(io_error("read", path))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o007 == 0 {
        return Ok(());
    }
    Err(KeysFileError::WorldReadable {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(not(unix))]
fn refuse_world_readable(_file: &File, _path: &Path) -> Result<(), KeysFileError> {
    Ok(())
}
