//! The bytes of a journal row and of a snapshot: ours, versioned, checksummed.
//!
//! ```text
//! row       1 byte   version = 1
//!           16 bytes incarnation, little-endian
//!           varUint  epoch
//!           varUint  seq of the first record
//!           varUint  number of records
//!           varUint  room time in milliseconds
//!           records  each: 1 byte kind, varUint length, that many bytes
//!           4 bytes  CRC-32 (IEEE 802.3) of all before, little-endian
//!
//! snapshot  1 byte   version = 1
//!           16 bytes incarnation, little-endian
//!           varUint  seq of the last record that it includes
//!           rest     the part's own format
//!           4 bytes  CRC-32 of all before, little-endian
//! ```
//! A row is valid only if version, checksum, incarnation and seq all hold: a stale row of a deleted
//! room, or of another place in the journal, is never taken for this one.

use bytes::{BufMut, Bytes, BytesMut};
use greenroom_service::Millis;

use crate::protocol::lib0::{Reader, put_var_bytes, put_var_uint, var_uint_len};

#[cfg(test)]
mod tests;

/// The version of both formats.
pub const VERSION: u8 = 1;

/// What a record is about; the number stands in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum RecordKind {
    /// A Yjs update: varString document name, then the update, v1, as it was received.
    Document = 1,
    /// Durable entries: per entry varBytes key, 1 byte present, and varBytes value if present.
    Entries = 2,
    /// The bytes of `Service::save`.
    Saved = 3,
    /// A durable timer: varString name, 1 byte present, and varUint milliseconds if present.
    Timer = 4,
    /// A note for operators that a document's record could not be applied: varUint its seq,
    /// varString document name, varString reason.
    Skipped = 5,
    /// The users' own data about the room, replaced: a JSON object. What counts is in the room's
    /// meta, written in the same transaction; the record tells readers of the journal.
    Metadata = 6,
    /// A Yjs update that was made for a user by a request: varString document name, varString
    /// user, then the update, v1.
    Edited = 7,
}

impl RecordKind {
    /// The word for tails and exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Document | Self::Edited => "document",
            Self::Entries => "entries",
            Self::Saved => "saved",
            Self::Timer => "timer",
            Self::Skipped => "skipped",
            Self::Metadata => "metadata",
        }
    }

    /// The kind that this byte stands for.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Document,
            2 => Self::Entries,
            3 => Self::Saved,
            4 => Self::Timer,
            5 => Self::Skipped,
            6 => Self::Metadata,
            7 => Self::Edited,
            _ => return None,
        })
    }
}

/// One durable step of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is about.
    pub kind: RecordKind,
    /// Its content, as the kind says.
    pub data: Bytes,
}

/// A decoded row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedRow {
    /// The epoch of the owner that wrote it.
    pub epoch: u64,
    /// The seq of its first record.
    pub first_seq: u64,
    /// Room time when it was written.
    pub time: Millis,
    /// Its records, at least one.
    pub records: Vec<Record>,
}

/// Why stored bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Shorter than its own fields, or longer.
    Length,
    /// Written by a newer version; holds the version found.
    Version(u8),
    /// The checksum does not match.
    Checksum,
    /// It belongs to another incarnation of the room.
    Incarnation,
    /// It is not the expected place of the journal; holds the seq found.
    Seq(u64),
    /// A record kind that this version does not know.
    Kind(u8),
}

impl std::fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length => write!(f, "its length does not fit its content"),
            Self::Version(v) => {
                write!(f, "it has format version {v}, this program reads {VERSION}")
            }
            Self::Checksum => write!(f, "its checksum does not match"),
            Self::Incarnation => write!(f, "it belongs to another incarnation of the room"),
            Self::Seq(seq) => write!(f, "it starts at seq {seq}, which is not its place"),
            Self::Kind(kind) => write!(f, "record kind {kind} is unknown to this program"),
        }
    }
}

impl std::error::Error for EnvelopeError {}

/// Encodes a row.
#[must_use]
pub fn encode_row(
    incarnation: u128,
    epoch: u64,
    first_seq: u64,
    time: Millis,
    records: &[Record],
) -> Bytes {
    assert!(!records.is_empty(), "a row holds at least one record");
    let count = records.len() as u64;
    let numbers = [epoch, first_seq, count, time.0].map(var_uint_len);
    let record_bytes = |record: &Record| {
        let bytes = record.data.len();
        1 + var_uint_len(bytes as u64) + bytes
    };
    let payload: usize = records.iter().map(record_bytes).sum();
    // To the byte: it becomes a shared buffer as it is.
    let bytes = 1 + 16 + numbers.iter().sum::<usize>() + payload + 4;
    let mut row = Vec::with_capacity(bytes);
    row.put_u8(VERSION);
    row.put_u128_le(incarnation);
    put_var_uint(&mut row, epoch);
    put_var_uint(&mut row, first_seq);
    put_var_uint(&mut row, count);
    put_var_uint(&mut row, time.0);
    for record in records {
        row.put_u8(record.kind as u8);
        put_var_bytes(&mut row, &record.data);
    }
    row.put_u32_le(crc32fast::hash(&row));
    row.into()
}

/// Decodes the row that must start at `first_seq` of `incarnation`.
///
/// # Errors
/// [`EnvelopeError`] when anything about it does not hold.
pub fn decode_row(
    data: &Bytes,
    incarnation: u128,
    first_seq: u64,
) -> Result<DecodedRow, EnvelopeError> {
    let body = checked_body(data, incarnation)?;
    let short = |_| EnvelopeError::Length;
    let mut reader = Reader::new(&body);
    let epoch = reader.var_uint().map_err(short)?;
    let found = reader.var_uint().map_err(short)?;
    if found != first_seq {
        return Err(EnvelopeError::Seq(found));
    }
    let count = reader.var_uint().map_err(short)?;
    let time = Millis(reader.var_uint().map_err(short)?);
    let mut records = Vec::new();
    for _ in 0..count {
        let byte = reader.byte().map_err(short)?;
        let kind = RecordKind::from_byte(byte).ok_or(EnvelopeError::Kind(byte))?;
        records.push(Record {
            kind,
            data: body.slice_ref(reader.var_bytes().map_err(short)?),
        });
    }
    if !reader.is_empty() || records.is_empty() {
        return Err(EnvelopeError::Length);
    }
    Ok(DecodedRow {
        epoch,
        first_seq,
        time,
        records,
    })
}

/// The incarnation that a row or a snapshot says it belongs to, for readers that do not own the
/// room; `None` when it is too short or of another version.
#[must_use]
pub fn incarnation_of(data: &[u8]) -> Option<u128> {
    let bytes = data.get(1..17)?.try_into().ok()?;
    (data[0] == VERSION).then(|| u128::from_le_bytes(bytes))
}

/// Puts the envelope of a snapshot around `data`.
#[must_use]
pub fn seal_snapshot(incarnation: u128, seq: u64, data: &[u8]) -> Bytes {
    let mut sealed = BytesMut::with_capacity(data.len() + 32);
    sealed.put_u8(VERSION);
    sealed.put_u128_le(incarnation);
    put_var_uint(&mut sealed, seq);
    sealed.put_slice(data);
    sealed.put_u32_le(crc32fast::hash(&sealed));
    sealed.freeze()
}

/// Takes the envelope of a snapshot off.
///
/// # Errors
/// [`EnvelopeError`] when anything about it does not hold.
pub fn open_snapshot(data: &Bytes, incarnation: u128, seq: u64) -> Result<Bytes, EnvelopeError> {
    let body = checked_body(data, incarnation)?;
    let mut reader = Reader::new(&body);
    let found = reader.var_uint().map_err(|_| EnvelopeError::Length)?;
    if found != seq {
        return Err(EnvelopeError::Seq(found));
    }
    Ok(body.slice_ref(reader.rest()))
}

/// The same row or snapshot in another incarnation of its room: what a restored store holds. Looks
/// into nothing behind the incarnation, so that it carries what this version cannot read too.
///
/// # Errors
/// [`EnvelopeError`] when it is not whole, or not of incarnation `from`.
pub fn reincarnate(data: &Bytes, from: u128, to: u128) -> Result<Bytes, EnvelopeError> {
    let body = checked_body(data, from)?;
    let mut renewed = BytesMut::with_capacity(data.len());
    renewed.put_u8(VERSION);
    renewed.put_u128_le(to);
    renewed.put_slice(&body);
    renewed.put_u32_le(crc32fast::hash(&renewed));
    Ok(renewed.freeze())
}

/// Checks version, checksum and incarnation; gives what stands between them and the checksum.
fn checked_body(data: &Bytes, incarnation: u128) -> Result<Bytes, EnvelopeError> {
    const HEAD: usize = 17;
    if data.len() < HEAD + 4 {
        return Err(EnvelopeError::Length);
    }
    if data[0] != VERSION {
        return Err(EnvelopeError::Version(data[0]));
    }
    let (content, sum) = data.split_at(data.len() - 4);
    if crc32fast::hash(content).to_le_bytes() != sum {
        return Err(EnvelopeError::Checksum);
    }
    if content[1..HEAD] != incarnation.to_le_bytes() {
        return Err(EnvelopeError::Incarnation);
    }
    Ok(data.slice(HEAD..data.len() - 4))
}
