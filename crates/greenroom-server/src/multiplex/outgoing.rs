//! What a connection of several sessions says by itself, in order, beside what its rooms write.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::link::Resume;
use crate::writer::{ConnWriter, Written};

/// Frames that wait for the socket.
#[derive(Debug)]
pub(super) struct Outgoing {
    frames: VecDeque<Bytes>,
    bytes: usize,
    bytes_max: usize,
}

impl Outgoing {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Sends a frame behind those that wait; false when too much does.
    pub(super) fn send(&mut self, frame: Bytes, writer: &ConnWriter<Resume>) -> bool {
        self.bytes += frame.len();
        self.frames.push_back(frame);
        self.resume(writer);
        self.bytes <= self.bytes_max
    }

    /// Writes what the socket takes.
    pub(super) fn resume(&mut self, writer: &ConnWriter<Resume>) {
        while let Some(frame) = self.frames.pop_front() {
            let bytes = frame.len();
            let mut one = vec![frame];
            let written = writer.write(&mut one);
            match one.pop().filter(|_| written == Written::Blocked) {
                // It was not taken.
                Some(frame) => return self.frames.push_front(frame),
                None => self.bytes -= bytes,
            }
        }
    }
}
