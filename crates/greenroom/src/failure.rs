//! What a command ends with when it cannot go on: what happened, what to do, which exit code.

use greenroom_server::auth::{KeysFileError, RandomnessError};

use crate::exit_codes::ExitCode;

/// The end of a command that was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Told to the shell.
    pub(crate) code: ExitCode,
    /// What happened, without `error:` and without a full stop.
    pub(crate) message: String,
    /// The place in a file that it is about, shown between the message and the hints.
    pub(crate) excerpt: Option<String>,
    /// What to type, each on a `hint:` line.
    pub(crate) hints: Vec<String>,
    /// What else is wrong, told after this.
    pub(crate) also: Vec<Self>,
}

impl Failure {
    /// Something in the world went wrong.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            code: ExitCode::Failed,
            message: message.into(),
            excerpt: None,
            hints: Vec::new(),
            also: Vec::new(),
        }
    }

    /// What was typed, or configured, makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: ExitCode::Usage,
            ..Self::failed(message)
        }
    }

    /// With one more hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl From<KeysFileError> for Failure {
    fn from(error: KeysFileError) -> Self {
        let message = error.to_string();
        let failure = match error {
            KeysFileError::WorldReadable { .. } | KeysFileError::Malformed { .. } => {
                Self::usage(message)
            }
            _ => Self::failed(message),
        };
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<RandomnessError> for Failure {
    fn from(error: RandomnessError) -> Self {
        Self::failed(error.to_string())
    }
}
