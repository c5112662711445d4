//! The write-ahead log of SQLite, read past its damage.
//!
//! Each frame's checksum goes on from that of the frame before, so SQLite ends at the first frame
//! that does not hold. The sum that a frame should have begun with stands in the frame before it,
//! so that each can be judged by itself: those that hold are put into a new log, without the others.
//! What such a log makes of the database is not to be trusted page by page: a page may be older than
//! those around it. It is only read for what carries checksums of its own.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// As SQLite makes them, and we let it.
const PAGE_BYTES: usize = 4_096;
/// Of a log whose sums are made of little-endian words; of big-endian ones, it is one more.
const MAGIC: u32 = 0x377f_0682;

/// What the whole frames of a log make, with fresh sums.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rebuilt {
    /// The new log.
    pub(super) log: Vec<u8>,
    /// Frames that did not hold.
    pub(super) dropped: u64,
}

/// `None` when there is nothing in it.
pub(super) fn rebuild(log: &[u8]) -> Option<Rebuilt> {
    // The bit of the header that says which words the sums are made of may be what is damaged.
    let both = [false, true].map(|is_big_endian| rebuild_as(log, is_big_endian));
    let found = both.into_iter().flatten();
    found.max_by_key(|rebuilt| rebuilt.log.len())
}

fn rebuild_as(log: &[u8], is_big_endian: bool) -> Option<Rebuilt> {
    let frames = log.get(HEADER_BYTES..)?;
    let salts = salts(log)?;
    let mut rebuilt = Builder::new(&salts);
    let mut stored = [word(log, 24)?, word(log, 28)?];
    let mut computed = sum([0, 0], log.get(..24)?, is_big_endian);
    let mut dropped = 0;
    let mut held_back = 0;
    for frame in frames.chunks_exact(FRAME_HEADER_BYTES + PAGE_BYTES) {
        let own = [word(frame, 16)?, word(frame, 20)?];
        // The sum before may itself be what is damaged.
        let sums = [stored, computed].map(|seed| {
            let seed = sum(seed, &frame[..8], is_big_endian);
            sum(seed, &frame[FRAME_HEADER_BYTES..], is_big_endian)
        });
        if frame[8..16] == salts[..] && sums.contains(&own) {
            dropped += std::mem::take(&mut held_back);
            rebuilt.frame(frame)?;
        } else {
            // Behind the last whole frame there is what an older use of the file left.
            held_back += 1;
        }
        (stored, computed) = (own, sums[0]);
    }
    Some(Rebuilt {
        log: rebuilt.finish()?,
        dropped,
    })
}

/// Two neighbours agree on them: the header with the first frame, or the first frames.
fn salts(log: &[u8]) -> Option<[u8; 8]> {
    let of_frame = |at: usize| {
        let begin = HEADER_BYTES + at * (FRAME_HEADER_BYTES + PAGE_BYTES) + 8;
        log.get(begin..begin + 8)
    };
    let header = log.get(16..24)?;
    let agreed = match (of_frame(0), of_frame(1)) {
        (Some(first), Some(second)) if first == second => first,
        _ => header,
    };
    agreed.try_into().ok()
}

struct Builder {
    log: Vec<u8>,
    sum: [u32; 2],
    /// Where the last frame begins.
    last: Option<usize>,
    pages_max: u32,
}

impl Builder {
    fn new(salts: &[u8; 8]) -> Self {
        let mut log = Vec::new();
        for field in [MAGIC, 3_007_000, PAGE_BYTES as u32, 0] {
            log.extend(field.to_be_bytes());
        }
        log.extend(salts);
        let sum = sum([0, 0], &log, false);
        for part in sum {
            log.extend(part.to_be_bytes());
        }
        Self {
            log,
            sum,
            last: None,
            pages_max: 0,
        }
    }

    fn frame(&mut self, frame: &[u8]) -> Option<()> {
        self.last = Some(self.log.len());
        self.pages_max = self.pages_max.max(word(frame, 0)?).max(word(frame, 4)?);
        self.put(frame);
        Some(())
    }

    fn put(&mut self, frame: &[u8]) {
        let halfway = sum(self.sum, &frame[..8], false);
        self.sum = sum(halfway, &frame[FRAME_HEADER_BYTES..], false);
        self.log.extend(&frame[..16]);
        for part in self.sum {
            self.log.extend(part.to_be_bytes());
        }
        self.log.extend(&frame[FRAME_HEADER_BYTES..]);
    }

    /// The last frame ends a transaction, whether or not it did: what does not carry sums of its own
    /// is not looked at anyway.
    fn finish(mut self) -> Option<Vec<u8>> {
        let last = self.last?;
        let mut frame = self.log.split_off(last);
        if word(&frame, 4)? == 0 {
            frame[4..8].copy_from_slice(&self.pages_max.to_be_bytes());
            let before = last - FRAME_HEADER_BYTES - PAGE_BYTES;
            let at = if before < HEADER_BYTES {
                24
            } else {
                before + 16
            };
            self.sum = [word(&self.log, at)?, word(&self.log, at + 4)?];
            self.put(&frame);
        } else {
            self.log.extend(frame);
        }
        Some(self.log)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_be_bytes(word))
}

/// SQLite's checksum: a Fletcher sum over pairs of words.
fn sum(seed: [u32; 2], bytes: &[u8], is_big_endian: bool) -> [u32; 2] {
    let read = |word: &[u8]| {
        let word = word.try_into().expect("a word has four bytes");
        if is_big_endian {
            u32::from_be_bytes(word)
        } else {
            u32::from_le_bytes(word)
        }
    };
    let [mut first, mut second] = seed;
    for pair in bytes.chunks_exact(8) {
        first = first.wrapping_add(read(&pair[..4])).wrapping_add(second);
        second = second.wrapping_add(read(&pair[4..])).wrapping_add(first);
    }
    [first, second]
}
