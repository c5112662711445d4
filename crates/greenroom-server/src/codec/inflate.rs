//! Decompresses messages of peers (RFC 7692, section 7.2.2), with a bound on what comes out.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use super::CodecError;
use super::deflate::TAIL;

/// What is inflated at a time, in bytes; a message that is not larger costs one allocation.
const SCRATCH_BYTES: usize = 16 << 10;

/// DEFLATE streams that one message may be made of: a sender that cannot flush ends a stream
/// instead and begins another, and each costs the peer two bytes and us a reset.
const STREAMS_MAX: usize = 1_024;

thread_local! {
    /// About 60 KiB, made by the first compressed message on this thread and used for all of them:
    /// connections own none. Reset before each message.
    static TOOLS: RefCell<Tools> = RefCell::new(Tools {
        decompress: Decompress::new(false),
        scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
    });
}

struct Tools {
    decompress: Decompress,
    scratch: Box<[u8]>,
}

/// Inflates the payload of a whole message.
///
/// # Errors
/// [`CodecError::MessageTooLarge`] when more than `bytes_max` come out, of which no more than that
/// is allocated; [`CodecError::Deflate`] when it is nothing that RFC 7692 knows.
pub(super) fn inflate(deflated: &[u8], bytes_max: usize) -> Result<Bytes, CodecError> {
    TOOLS.with_borrow_mut(|tools| {
        tools.decompress.reset(false);
        let mut message = Message {
            decompress: &mut tools.decompress,
            scratch: &mut tools.scratch,
            filled: 0,
            kept: Vec::new(),
            bytes_max,
            streams: 1,
            ended: false,
        };
        message.feed(deflated)?;
        // RFC 7692 has a zero byte behind a final block, for this tail to make a block of (7.2.3.4).
        // Some senders leave it out.
        if !message.ended {
            message.feed(&TAIL)?;
        }
        message.finish()
    })
}

/// A message on its way.
struct Message<'a> {
    decompress: &'a mut Decompress,
    scratch: &'a mut [u8],
    /// So many bytes of the scratch are of this message, behind what is kept.
    filled: usize,
    kept: Vec<u8>,
    bytes_max: usize,
    streams: usize,
    /// The last stream ended in a final block.
    ended: bool,
}

impl Message<'_> {
    fn feed(&mut self, mut rest: &[u8]) -> Result<(), CodecError> {
        loop {
            if self.ended {
                if rest.is_empty() {
                    return Ok(());
                }
                self.begin_another()?;
            }
            let read = self.step(rest)?;
            rest = &rest[read..];
            if self.filled == self.scratch.len() {
                self.spill()?;
            } else if rest.is_empty() {
                return Ok(());
            } else if read == 0 && !self.ended {
                // A stream may end without reading: what filled the scratch was its last.
                return Err(CodecError::Deflate);
            }
        }
    }

    /// What follows a final block is a DEFLATE stream of its own (RFC 7692, section 7.2.3.4).
    fn begin_another(&mut self) -> Result<(), CodecError> {
        self.streams += 1;
        if self.streams > STREAMS_MAX {
            return Err(CodecError::Deflate);
        }
        self.ended = false;
        self.decompress.reset(false);
        Ok(())
    }

    /// Inflates into what is left of the scratch; gives how much it read.
    fn step(&mut self, rest: &[u8]) -> Result<usize, CodecError> {
        let (read, written) = (self.decompress.total_in(), self.decompress.total_out());
        let free = &mut self.scratch[self.filled..];
        let status = self
            .decompress
            .decompress(rest, free, FlushDecompress::Sync)
            .map_err(|_| CodecError::Deflate)?;
        self.ended = status == Status::StreamEnd;
        self.filled += (self.decompress.total_out() - written) as usize;
        Ok((self.decompress.total_in() - read) as usize)
    }

    /// Moves the scratch to what is kept. The buffer doubles, but not beyond the limit.
    fn spill(&mut self) -> Result<(), CodecError> {
        let needed = self.kept.len() + self.filled;
        if needed > self.bytes_max {
            return Err(CodecError::MessageTooLarge);
        }
        if needed > self.kept.capacity() {
            let wanted = needed.max((2 * self.kept.capacity()).min(self.bytes_max));
            self.kept.reserve_exact(wanted - self.kept.len());
        }
        self.kept.extend_from_slice(&self.scratch[..self.filled]);
        self.filled = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Bytes, CodecError> {
        if self.kept.is_empty() && self.filled <= self.bytes_max {
            return Ok(Bytes::copy_from_slice(&self.scratch[..self.filled]));
        }
        self.spill()?;
        Ok(Bytes::from(self.kept))
    }
}
