//! The only place of xtask that prints.

/// Prints one line of results.
#[expect(
    clippy::print_stdout,
    reason = "printing results is what a chore is for"
)]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Prints one line about what went wrong.
#[expect(clippy::print_stderr, reason = "the one way out for errors")]
pub(crate) fn error(text: &str) {
    eprintln!("{text}");
}
