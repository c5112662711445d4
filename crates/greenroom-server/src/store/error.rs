//! Why a data directory or the store in it could not be opened.

use std::io;

/// Why a data directory or the store in it could not be opened. No variant holds a path: these
/// sentences end up in logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process holds the directory's lock.
    #[error("data directory is in use by {}", match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    })]
    InUse {
        /// Who, when it said so.
        pid: Option<u32>,
    },
    /// The directory lies in a directory that does not exist.
    #[error("data directory cannot be created: its parent does not exist")]
    MissingParent,
    /// The name belongs to a file.
    #[error("data directory is not a directory")]
    NotADirectory,
    /// The file system, or the file, takes no writes.
    #[error("data directory is read-only")]
    ReadOnly,
    /// The process may not read or write there.
    #[error("data directory is not accessible to this user")]
    Denied,
    /// The disk is full.
    #[error("data directory has no space left")]
    Full,
    /// A newer version of this program wrote it.
    #[error("data has format {found}, this program reads up to {supported}")]
    NewerFormat {
        /// The format that was found.
        found: u32,
        /// The newest that this program reads.
        supported: u32,
    },
    /// The database in the directory belongs to another program.
    #[error("data directory holds a database of another program")]
    Foreign,
    /// There is no store in the directory.
    #[error("data directory holds no store")]
    Empty,
    /// The directory holds something already.
    #[error("data directory is not empty")]
    NotEmpty,
    /// What is stored cannot be read back; holds what was found.
    #[error("data is damaged: {0}")]
    Damaged(String),
    /// Any other failure.
    #[error("data directory cannot be used: {0}")]
    Io(String),
}

impl OpenError {
    /// What to do about it, for the line `hint: ..`.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "stop that process, or name another directory with --data",
            Self::MissingParent => "create the parent directory, or name another with --data",
            Self::NotADirectory => "name another directory with --data",
            Self::ReadOnly => "mount it writable, or name another directory with --data",
            Self::Denied => "give the directory to the user that runs greenroom (chown)",
            Self::Full => {
                "free some space on that disk, or name a directory on another with --data"
            }
            Self::NewerFormat { .. } => "run the newer version that wrote it",
            Self::Foreign | Self::NotEmpty => "name an empty directory with --data",
            Self::Empty => "name the data directory of a server with --data",
            Self::Damaged(_) => "restore the directory from a backup, and check the disk",
            Self::Io(_) => "check the disk and the system's log",
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::NotADirectory => Self::NotADirectory,
            // The system's own words: they hold no path, and say what a kind does not.
            _ => Self::Io(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let text = super::sqlite::text_of(&error);
        if super::sqlite::is_index_full(&error) {
            return Self::Full;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => Self::Denied,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { pid: None },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(text),
            _ => Self::Io(text),
        }
    }
}
