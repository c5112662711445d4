//! What the command tells the shell.

/// The exit codes of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// It was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// It was called in a way that makes no sense, or its configuration makes none.
    Usage = 2,
    /// It was done, and something needs you.
    NeedsYou = 3,
    /// It was interrupted with Ctrl-C.
    Interrupted = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
