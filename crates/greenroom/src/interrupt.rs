//! Ctrl-C for commands that do one thing and end: what is half written goes, the exit code is ours.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::exit_codes::ExitCode;
use crate::failure::Failure;

/// The file that is half written, if any: looked at when the command is interrupted, for a line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unfinished(Arc<Mutex<Option<PathBuf>>>);

impl Unfinished {
    /// From now on `path` goes when the command is interrupted.
    pub(crate) fn begin(&self, path: &Path) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.to_owned());
    }

    /// It is whole, or gone.
    pub(crate) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn remove(&self) {
        if let Some(path) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // The process ends either way.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Watches for Ctrl-C on a thread of its own until the process ends.
///
/// # Errors
/// When the system gives no thread or no signals.
pub(crate) fn watch() -> Result<Unfinished, Failure> {
    let unfinished = Unfinished::default();
    let watched = unfinished.clone();
    let failed = |error| Failure::failed(format!("cannot catch signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(failed)?;
    std::thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || {
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                watched.remove();
                end();
            }
        })
        .map_err(failed)?;
    Ok(unfinished)
}

#[expect(
    clippy::exit,
    reason = "the main thread waits for a peer or a disk, which nothing else ends"
)]
fn end() -> ! {
    std::process::exit(ExitCode::Interrupted.number().into())
}
