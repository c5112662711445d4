//! Reads the file of a room as its bytes come.

use bytes::{Bytes, BytesMut};
use crc32fast::Hasher;
use greenroom_service::Millis;

use super::{
    END, ExportHead, FRAME_BYTES_MAX, HEAD_BYTES_MAX, MAGIC, RECORD, SNAPSHOT, SUM_BYTES, VERSION,
};
use crate::protocol::lib0::{ReadError, Reader};
use crate::store::Part;
use crate::store::envelope::{Record, RecordKind};

/// Why bytes are not the file of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportError {
    /// It begins otherwise.
    NotAnExport,
    /// A newer program wrote it; holds the version found.
    NewerFormat(u8),
    /// It ends before its end.
    CutOff {
        /// Where the piece begins that is not whole.
        at: u64,
    },
    /// What it holds is not what was written.
    Damaged {
        /// Where the piece begins.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

impl ExportError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotAnExport => "`greenroom room export` writes one",
            Self::NewerFormat(_) => {
                "import it into a server of the version that wrote it, or newer"
            }
            Self::CutOff { .. } | Self::Damaged { .. } => {
                "take another copy of the file, or export the room again"
            }
        }
    }
}

impl std::fmt::Display for ExportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAnExport => f.write_str("that is not an exported room"),
            Self::NewerFormat(version) => write!(
                f,
                "the file has format {version}, this program reads up to {VERSION}"
            ),
            Self::CutOff { at } => write!(
                f,
                "the file is cut off: the piece that begins at byte {at} is not whole"
            ),
            Self::Damaged { at, what } => write!(f, "the file is damaged at byte {at}: {what}"),
        }
    }
}

impl std::error::Error for ExportError {}

/// A piece of the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// What it is, first.
    Head(ExportHead),
    /// The state of a part.
    Snapshot {
        /// Which.
        part: Part,
        /// The last record that it includes.
        seq: u64,
        /// The part's own format.
        data: Bytes,
    },
    /// A record of the journal.
    Record {
        /// Its seq.
        seq: u64,
        /// Room time when it was made.
        at: Millis,
        /// What it says.
        record: Record,
    },
    /// All was read, and is as it was written.
    End,
}

/// What is to come.
#[derive(Debug)]
enum Next {
    Head,
    /// Snapshots, or the first record; holds the parts that had theirs.
    Frames(Vec<Part>),
    /// This record, or the end.
    Record(u64),
    Nothing,
}

/// Takes bytes as they come and gives pieces. Holds at most one piece that is not whole.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// Where in the file the buffer begins.
    at: u64,
    sum: Hasher,
    next: Next,
    /// The last record that the head names.
    seq: u64,
    /// The snapshot that reaches least far.
    covered: Option<u64>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            buffer: BytesMut::new(),
            at: 0,
            sum: Hasher::new(),
            next: Next::Head,
            seq: 0,
            covered: None,
        }
    }
}

/// Why there is no piece yet.
enum NoPiece {
    /// More bytes are to come.
    Yet,
    Ever(&'static str),
}

impl From<ReadError> for NoPiece {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::End => Self::Yet,
            ReadError::Utf8 => Self::Ever("a name is not UTF-8"),
            _ => Self::Ever("a number cannot be read"),
        }
    }
}

impl Decoder {
    /// Some more bytes have come. Ask for pieces until there are none before the next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Where the next piece begins.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.at
    }

    /// The next piece, when its bytes are here.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn next_piece(&mut self) -> Result<Option<Piece>, ExportError> {
        let at = self.at;
        let damaged = |what| ExportError::Damaged { at, what };
        if matches!(self.next, Next::Head) && !self.begins()? {
            return Ok(None);
        }
        let (length, piece) = match self.read() {
            Ok(Some(read)) => read,
            Ok(None) | Err(NoPiece::Yet) => return Ok(None),
            Err(NoPiece::Ever(what)) => return Err(damaged(what)),
        };
        let whole = self.buffer.split_to(length + SUM_BYTES).freeze();
        self.sum.update(&whole[..length]);
        let sum = self.sum.clone().finalize().to_le_bytes();
        if sum[..] != whole[length..] {
            return Err(damaged("its checksum does not match"));
        }
        self.at += whole.len() as u64;
        let piece = piece.of(&whole).map_err(damaged)?;
        self.in_order(&piece).map_err(damaged)?;
        Ok(Some(piece))
    }

    /// All bytes have come.
    ///
    /// # Errors
    /// [`ExportError`] unless the end was among them, and the last.
    pub fn finish(&self) -> Result<(), ExportError> {
        let at = self.at;
        match self.next {
            Next::Nothing if self.buffer.is_empty() => Ok(()),
            Next::Nothing => {
                let what = "bytes follow the end";
                Err(ExportError::Damaged { at, what })
            }
            Next::Head
                if !MAGIC.starts_with(&self.buffer[..self.buffer.len().min(MAGIC.len())]) =>
            {
                Err(ExportError::NotAnExport)
            }
            Next::Head if self.buffer.is_empty() => Err(ExportError::NotAnExport),
            _ => Err(ExportError::CutOff { at }),
        }
    }

    /// Whether the first bytes are here, and right.
    fn begins(&self) -> Result<bool, ExportError> {
        let here = self.buffer.len().min(MAGIC.len());
        if self.buffer[..here] != MAGIC[..here] {
            return Err(ExportError::NotAnExport);
        }
        match self.buffer.get(MAGIC.len()) {
            None => Ok(false),
            Some(&VERSION) => Ok(true),
            Some(&other) => Err(ExportError::NewerFormat(other)),
        }
    }

    /// The next piece without its sum, and its length; `None` when it is not whole.
    fn read(&self) -> Result<Option<(usize, Raw)>, NoPiece> {
        let mut reader = Reader::new(&self.buffer);
        let place = |data: &[u8]| {
            let start = data.as_ptr() as usize - self.buffer.as_ptr() as usize;
            start..start + data.len()
        };
        let raw = match self.next {
            Next::Head => {
                reader.bytes(MAGIC.len() + 1)?;
                let bytes_max = HEAD_BYTES_MAX as u64;
                Raw::Head(place(sized(&mut reader, bytes_max)?))
            }
            Next::Nothing => return Ok(None),
            Next::Frames(_) | Next::Record(_) => match reader.byte()? {
                END => Raw::End,
                SNAPSHOT => Raw::Snapshot {
                    part: place(sized(&mut reader, HEAD_BYTES_MAX as u64)?),
                    seq: reader.var_uint()?,
                    data: place(sized(&mut reader, FRAME_BYTES_MAX)?),
                },
                RECORD => Raw::Record {
                    seq: reader.var_uint()?,
                    at: reader.var_uint()?,
                    kind: reader.byte()?,
                    data: place(sized(&mut reader, FRAME_BYTES_MAX)?),
                },
                _ => return Err(NoPiece::Ever("no piece begins so")),
            },
        };
        let length = self.buffer.len() - reader.remaining();
        Ok((reader.remaining() >= SUM_BYTES).then_some((length, raw)))
    }

    /// Checks that the piece may stand here.
    fn in_order(&mut self, piece: &Piece) -> Result<(), &'static str> {
        match (&mut self.next, piece) {
            (next @ Next::Head, Piece::Head(head)) => {
                self.seq = head.seq;
                *next = Next::Frames(Vec::new());
            }
            (Next::Frames(seen), Piece::Snapshot { part, seq, .. }) => {
                if seen.contains(part) {
                    return Err("a second snapshot of the same part");
                }
                if *seq > self.seq {
                    return Err("a snapshot of later than the export");
                }
                seen.push(part.clone());
                self.covered = Some(self.covered.map_or(*seq, |least| least.min(*seq)));
            }
            (Next::Record(_), Piece::Snapshot { .. }) => {
                return Err("a snapshot stands behind records");
            }
            (Next::Record(next), Piece::Record { seq, .. }) if seq != next => {
                return Err("a record does not follow the one before it");
            }
            (Next::Frames(_), Piece::Record { seq, .. })
                if *seq > self.covered.unwrap_or(0) + 1 =>
            {
                return Err("records are missing before it");
            }
            (Next::Frames(_), Piece::End) if self.covered.unwrap_or(0) < self.seq => {
                return Err("records are missing before the end");
            }
            (next, Piece::Record { seq, .. }) => {
                if *seq == 0 || *seq > self.seq {
                    return Err("a record that the head does not know of");
                }
                *next = Next::Record(seq + 1);
            }
            (Next::Record(next), Piece::End) if *next != self.seq + 1 => {
                return Err("records are missing before the end");
            }
            (next, Piece::End) => *next = Next::Nothing,
            _ => return Err("a piece stands where it cannot"),
        }
        Ok(())
    }
}

/// varBytes of at most so many bytes.
fn sized<'a>(reader: &mut Reader<'a>, bytes_max: u64) -> Result<&'a [u8], NoPiece> {
    if reader.clone().var_uint()? > bytes_max {
        return Err(NoPiece::Ever("a length that no piece has"));
    }
    Ok(reader.var_bytes()?)
}

/// A piece before its sum is checked; ranges of its bytes.
enum Raw {
    Head(std::ops::Range<usize>),
    Snapshot {
        part: std::ops::Range<usize>,
        seq: u64,
        data: std::ops::Range<usize>,
    },
    Record {
        seq: u64,
        at: u64,
        kind: u8,
        data: std::ops::Range<usize>,
    },
    End,
}

impl Raw {
    fn of(self, whole: &Bytes) -> Result<Piece, &'static str> {
        Ok(match self {
            Self::Head(json) => {
                let head = ExportHead::decode(&whole[json]);
                Piece::Head(head.ok_or("the head is not what a head is")?)
            }
            Self::Snapshot { part, seq, data } => {
                let name = std::str::from_utf8(&whole[part]).ok();
                let part = name.and_then(Part::from_name);
                Piece::Snapshot {
                    part: part.ok_or("a part that this program does not know")?,
                    seq,
                    data: whole.slice(data),
                }
            }
            Self::Record {
                seq,
                at,
                kind,
                data,
            } => {
                let kind = RecordKind::from_byte(kind);
                let kind = kind.ok_or("a kind of record that this program does not know")?;
                let data = whole.slice(data);
                Piece::Record {
                    seq,
                    at: Millis(at),
                    record: Record { kind, data },
                }
            }
            Self::End => Piece::End,
        })
    }
}
