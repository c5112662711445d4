//! Files that are there only when they are whole, and what was written into them.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::interrupt::Unfinished;
use crate::progress::Progress;

/// Writes a file under its name with `.part` behind it, which goes when it is whole.
///
/// # Errors
/// When there is such a file, or it cannot be written: nothing is left of it then.
pub(crate) fn into_file<T>(
    path: &Path,
    unfinished: &Unfinished,
    write: impl FnOnce(&mut File) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if path.exists() {
        return Err(Failure::usage(format!("{} exists", path.display()))
            .hint("name another file, or remove that one"));
    }
    let failed = |path: &Path, error: io::Error| {
        Failure::failed(format!("cannot write {}: {error}", path.display()))
    };
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = private_file(&part).map_err(|error| failed(&part, error))?;
    unfinished.begin(&part);
    let taken = write(&mut file).and_then(|taken| {
        file.sync_all()
            .and_then(|()| std::fs::rename(&part, path))
            .map_err(|error| failed(path, error))?;
        Ok(taken)
    });
    unfinished.end();
    if taken.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    taken
}

/// What rooms hold is not for everybody on the machine.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Counts and sums what is written.
#[derive(Debug)]
pub(crate) struct Counting<W> {
    out: W,
    bytes: u64,
    sum: Sha256,
    progress: Progress,
}

impl<W: Write> Counting<W> {
    /// Nothing is written yet.
    pub(crate) fn new(out: W, progress: Progress) -> Self {
        Self {
            out,
            bytes: 0,
            sum: Sha256::new(),
            progress,
        }
    }

    /// How many bytes were written, and their SHA-256.
    pub(crate) fn finish(self) -> (u64, String) {
        (self.bytes, hex(&self.sum.finalize()))
    }
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        self.sum.update(&bytes[..written]);
        self.progress.at(self.bytes);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
