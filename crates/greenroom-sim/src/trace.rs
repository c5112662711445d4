//! What happened, line by line: a hash over all of it, and the last lines for people.

use std::collections::VecDeque;
use std::fmt::{Arguments, Write};

/// Lines that are kept for a failure.
const TAIL_LINES: usize = 1_000_000;

/// The trace of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: crc32fast::Hasher,
    lines: u64,
    tail: VecDeque<String>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { hash: crc32fast::Hasher::new(), lines: 0, tail: VecDeque::new() }
    }

    /// Adds a line. `at` is virtual time in microseconds.
    pub(crate) fn line(&mut self, at: u64, what: Arguments<'_>) {
        // The oldest line's memory is taken for the new one.
        let mut line = if self.tail.len() < TAIL_LINES {
            String::new()
        } else {
            self.tail.pop_front().unwrap_or_default()
        };
        line.clear();
        let _ = write!(line, "{:>5}.{:06} {what}", at / 1_000_000, at % 1_000_000);
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        self.lines += 1;
        self.tail.push_back(line);
    }

    /// A hash of every line so far, and how many there are.
    pub(crate) fn sum(&self) -> (u32, u64) {
        (self.hash.clone().finalize(), self.lines)
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> impl Iterator<Item = &str> {
        self.tail.iter().map(String::as_str)
    }
}
