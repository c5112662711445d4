//! Kept versions, outside of their room: read in forms that programs know, compared with another.
//! For that no room is loaded; it is work for a job.

mod compare;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use greenroom_service::Refuse;
use serde_json::Value;

use super::ask::{Answer, Ask, Outcome};
use super::document::read_version;
use super::engine::Engine;
use crate::store::Version;
use crate::store::envelope::{incarnation_of, open_snapshot};

/// A version as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// The whole state, an update, v1.
    pub state: Bytes,
}

/// What is to be done with versions.
#[derive(Debug)]
pub enum VersionJob {
    /// Give the state, an update, in the form that is asked for.
    Show(Bytes, Ask),
    /// Say what is different between two states.
    Compare {
        /// The older state, as a rule.
        from: Bytes,
        /// The newer one.
        to: Bytes,
        /// One root; all of them without.
        root: Option<String>,
        /// How it is said.
        form: DiffForm,
    },
}

/// How a difference is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffForm {
    /// As a JSON Patch (RFC 6902).
    Json,
    /// As a unified diff of lines.
    Text,
}

/// Takes a version out of its envelope.
///
/// # Errors
/// [`Refuse`] when it is damaged.
pub fn open_version(version: &Version) -> Result<StoredVersion, Refuse> {
    // Whoever asks does not own the room: a version says itself which incarnation it is of.
    let incarnation = incarnation_of(&version.data).ok_or_else(|| unreadable("it is too short"))?;
    let data = open_snapshot(&version.data, incarnation, version.meta.seq);
    let data = data.map_err(|error| unreadable(&error.to_string()))?;
    let state = read_version(&data).map_err(|error| unreadable(&error.to_string()))?;
    Ok(StoredVersion { state })
}

impl VersionJob {
    /// Runs it, where a job runs.
    ///
    /// # Errors
    /// [`Refuse`]: it cannot be read, or what is asked is not in it.
    pub fn run(self) -> Result<Answer, Refuse> {
        match self {
            Self::Show(state, Ask::Update) => Ok(Answer::Update(state)),
            Self::Show(state, ask) => match engine_of(&state)?.answer(&ask)? {
                Outcome::Answer(answer) => Ok(answer),
                _ => unreachable!("a version is asked for what it holds"),
            },
            Self::Compare {
                from,
                to,
                root,
                form,
            } => {
                let (from, to) = (engine_of(&from)?, engine_of(&to)?);
                let root = root.as_deref();
                Ok(match form {
                    DiffForm::Json => {
                        let (from, to) = (from.json(root), to.json(root));
                        Answer::Json(Value::Array(compare::patch(&from, &to)))
                    }
                    DiffForm::Text => {
                        Answer::Text(compare::unified(&from.lines(root), &to.lines(root)))
                    }
                })
            }
        }
    }
}

fn engine_of(state: &Bytes) -> Result<Engine, Refuse> {
    // It is only read, so that the client id is of no matter.
    let mut engine = Engine::new(1);
    let applied = engine.apply([state]);
    applied.map_err(|(_, error)| unreadable(&error))?;
    Ok(engine)
}

fn unreadable(why: &str) -> Refuse {
    let reason = format!("what is stored of the version cannot be read: {why}");
    Refuse::new("version_unreadable", reason)
}
