//! Heavy work of the core itself, as data: a job owns what it works on, runs anywhere, and comes
//! back as an input.

use std::panic::{AssertUnwindSafe, catch_unwind};

use greenroom_service::Refuse;

use crate::collab::doc::ask::Answer;
use crate::collab::doc::job::{DocumentJob, DocumentJobDone};
use crate::collab::doc::version::VersionJob;

/// A job of one room; unique while the room is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComputeId(pub u64);

/// A job.
#[derive(Debug)]
pub enum Job {
    /// Work on a Yjs document.
    Document(DocumentJob),
    /// Work on kept versions; asked for by the edge, never by a room.
    Version(Box<VersionJob>),
}

/// How a job ended.
#[derive(Debug)]
pub enum JobDone {
    /// Work on a Yjs document.
    Document(DocumentJobDone),
    /// Work on kept versions.
    Version(Result<Answer, Refuse>),
    /// It panicked; what it owned is gone.
    Panicked,
}

impl Job {
    /// Runs it. Takes as long as it takes, so call it off the room's task; a panic is caught.
    #[must_use]
    pub fn run(self) -> JobDone {
        let run = AssertUnwindSafe(|| match self {
            Self::Document(job) => JobDone::Document(job.run()),
            Self::Version(job) => JobDone::Version(job.run()),
        });
        catch_unwind(run).unwrap_or(JobDone::Panicked)
    }
}
