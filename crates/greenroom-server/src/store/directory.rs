//! The data directory: created private, owned by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::OpenError;

/// Holds the lock and, as text, the process id of its holder.
const LOCK_NAME: &str = "lock";

/// A directory that this process alone uses, as long as this value lives. The lock is the
/// operating system's, so that it ends with the process however that ends.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Creates the directory where it is missing, readable by its owner only, and locks it.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when another process holds it; [`OpenError::MissingParent`],
    /// [`OpenError::NotADirectory`], [`OpenError::ReadOnly`], [`OpenError::Denied`],
    /// [`OpenError::Full`] or [`OpenError::Io`] as the file system answers.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => sync_directory(parent_of(path))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(OpenError::MissingParent);
            }
            // A read-only file system says so even of a directory that exists.
            Err(_) if path.is_dir() => {}
            Err(error) => return Err(error.into()),
        }
        if !path.is_dir() {
            return Err(OpenError::NotADirectory);
        }
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK_NAME))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder may be about to write its id: then it stays unnamed.
                let _ = lock.read_to_string(&mut holder);
                return Err(OpenError::InUse {
                    pid: holder.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it when it holds nothing; for who made it and has no use for it.
    pub(super) fn abandon(self) {
        let _ = std::fs::remove_file(self.path.join(LOCK_NAME));
        let _ = std::fs::remove_dir(&self.path);
    }

    /// Makes the names of the files in it durable.
    ///
    /// # Errors
    /// As the file system answers.
    pub fn sync(&self) -> Result<(), OpenError> {
        Ok(sync_directory(&self.path)?)
    }
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}
