//! The work of a test room, in the test's hands: jobs of the core, tasks of the service.

use greenroom_service::{TaskId, TaskResult, TaskSpec};

use super::TestRoom;
use crate::room::Input;
use crate::room::job::JobDone;

impl TestRoom {
    /// From now on jobs wait for [`run_job`](Self::run_job).
    pub fn hold_jobs(&mut self) {
        self.holds_jobs = true;
    }

    /// Runs the oldest job that waits; false when there is none.
    pub fn run_job(&mut self) -> bool {
        let Some((id, job)) = self.held_jobs.pop_front() else {
            return false;
        };
        self.input(Input::ComputeDone(id, job.run()));
        true
    }

    /// The oldest job that waits panics; false when there is none.
    pub fn lose_job(&mut self) -> bool {
        let Some((id, _)) = self.held_jobs.pop_front() else {
            return false;
        };
        self.input(Input::ComputeDone(id, JobDone::Panicked));
        true
    }

    /// Runs the jobs that wait, and from now on each at once.
    pub fn release_jobs(&mut self) {
        self.holds_jobs = false;
        while self.run_job() {}
    }

    /// How many jobs wait.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.held_jobs.len()
    }

    /// The tasks that were started and are not finished.
    #[must_use]
    pub fn tasks(&self) -> &[(TaskId, TaskSpec)] {
        &self.tasks
    }

    /// A task ends.
    pub fn finish_task(&mut self, id: TaskId, result: TaskResult) {
        self.tasks.retain(|(task, _)| *task != id);
        self.input(Input::TaskDone(id, result));
    }
}
