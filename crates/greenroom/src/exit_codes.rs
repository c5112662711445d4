//! What the command tells the shell.

/// The exit codes of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// It was called in a way that makes no sense, or its configuration makes none.
    Usage,
    /// It was done, and something needs you.
    NeedsYou,
    /// It was interrupted with Ctrl-C.
    Interrupted,
    /// What a command that was run for the user ended with.
    Passed(u8),
}

impl ExitCode {
    /// All that are ours.
    pub(crate) const ALL: [Self; 5] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::NeedsYou,
        Self::Interrupted,
    ];

    /// The number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NeedsYou => 3,
            Self::Interrupted => 130,
            Self::Passed(number) => number,
        }
    }

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
            Self::Passed(_) => "the command behind `dev --` ended so",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}
