//! The pool that runs jobs: as many threads as there are cores, with the stack that yrs needs to
//! recurse into what the gate lets through.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use greenroom_core::collab::doc::update::ENGINE_STACK_BYTES;
use greenroom_core::room::job::{Job, JobDone};

type Work = (Job, Box<dyn FnOnce(JobDone) + Send>);

/// The threads end when this is dropped and what was handed in is done. The queue is bounded by
/// use: a document has one job at a time.
#[derive(Debug)]
pub(crate) struct ComputePool(mpsc::Sender<Work>);

impl ComputePool {
    /// Starts `threads` threads.
    ///
    /// # Errors
    /// As the operating system gives when it has no thread.
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        // One idle thread at a time waits for work while it holds the lock; the others wait for it.
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..threads {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new()
                .name("greenroom-compute".into())
                .stack_size(ENGINE_STACK_BYTES)
                .spawn(move || run(&receiver))?;
        }
        Ok(Self(sender))
    }

    /// Runs `job`, then calls `done` with its end, on a thread of the pool.
    pub(crate) fn run(&self, job: Job, done: impl FnOnce(JobDone) + Send + 'static) {
        let work: Work = (job, Box::new(done));
        // The threads catch what panics, so that they are there as long as the pool is.
        if let Err(mpsc::SendError((_, done))) = self.0.send(work) {
            done(JobDone::Panicked);
        }
    }
}

fn run(receiver: &Mutex<mpsc::Receiver<Work>>) {
    loop {
        let next = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok((job, done)) = next else { return };
        done(job.run());
    }
}
