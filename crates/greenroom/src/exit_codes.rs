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

impl ExitCode {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::NeedsYou,
        Self::Interrupted,
    ];

    /// What it means, for the reference.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "wrong usage or configuration; nothing was done",
            Self::NeedsYou => {
                "done, but something needs you: `health` says not ready, an import left something out"
            }
            Self::Interrupted => "interrupted with Ctrl-C",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
