//! The bytes of a backup: one moment of a whole store as a stream, whatever engine holds it.
//!
//! ```text
//! backup    8 bytes  "GRNMBKUP"
//!           1 byte   version = 2; 1 is read too
//!           blocks   to the end of the file; the first is a head, the last an end
//!
//! block     1 byte   kind
//!           varUint  length of the content
//!           content
//!           4 bytes  CRC-32 of kind, length and content, little-endian
//!
//! head  1   varUint  when, milliseconds since the Unix epoch
//!           varUint  number of rooms
//!           varUint  newest epoch
//!           varString version of the program
//! room  2   varString name, varString kind, 16 bytes incarnation, little-endian
//!           varUint  created, varUint changed, varUint head, varUint trimmed
//!           varUint  next wake plus one, 0 when there is none
//!           varBytes metadata, varBytes accesses
//! snapshot 3 varString part, varUint seq, rest: the sealed snapshot
//! row   4   varUint  first seq, varUint number of records, varUint time, rest: the row
//! queued 5  rest: an item of the durable queue
//! end   6   varUint  number of rooms, of snapshots, of rows, of queued items
//!           from format 2 on: varUint number of versions
//!           4 bytes  CRC-32 of every byte of the file before this block, little-endian
//! version 7 varString document, varUint id, varUint seq, varString kind, varString label,
//!           varString user, varUint expiry plus one, 0 when there is none, varUint bytes,
//!           rest: the sealed version; from format 2 on
//! ```
//! Snapshots, rows and versions follow their room; rows and versions are in order. They are what the store holds, envelope
//! included, and carry their own checksums.

use std::io::{self, Read, Write};

use bytes::{BufMut, Bytes, BytesMut};
use crc32fast::Hasher;
use greenroom_core::protocol::lib0::{
    ReadError, Reader, VAR_UINT_MAX, put_var_bytes, put_var_uint,
};

#[cfg(test)]
mod tests;

/// What a backup begins with.
const MAGIC: [u8; 8] = *b"GRNMBKUP";

/// The newest format that this program reads, and the one that it writes. 2 has versions.
const VERSION: u8 = 2;

/// The largest block: far above the largest document with its shadow.
const BLOCK_BYTES_MAX: u64 = 1 << 30;

/// Why a backup could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// It begins otherwise.
    #[error("that is not a backup of a Greenroom")]
    NotABackup,
    /// A newer program wrote it.
    #[error("the backup has format {0}, this program reads up to {VERSION}")]
    NewerFormat(u8),
    /// It ends before its end.
    #[error("the backup is cut off: its end is missing")]
    CutOff,
    /// What it holds is not what was written.
    #[error("the backup is damaged at byte {at}: {what}")]
    Damaged {
        /// Where the block begins.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The store that it comes from, or goes to, failed.
    #[error(transparent)]
    Store(#[from] super::OpenError),
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl BackupError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotABackup => Some("`greenroom backup FILE` writes one"),
            Self::NewerFormat(_) => {
                Some("restore it with the version that wrote it, or a newer one")
            }
            Self::CutOff | Self::Damaged { .. } => {
                Some("take another copy of the file, or an older backup")
            }
            Self::Store(error) => Some(error.hint()),
            Self::Io(_) => None,
        }
    }
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupHead {
    /// When it was taken, in milliseconds since the Unix epoch.
    pub taken_ms: u64,
    /// How many rooms it holds.
    pub rooms: u64,
    /// The newest epoch of the store.
    pub epoch: u64,
    /// The program that took it.
    pub version: String,
}

/// How much a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupTotals {
    /// Rooms.
    pub rooms: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Rows of journals.
    pub rows: u64,
    /// Items of the durable queue.
    pub queued: u64,
    /// Kept versions of documents.
    pub versions: u64,
}

/// A room of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BackupRoom {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) incarnation: u128,
    pub(super) created_ms: u64,
    pub(super) changed_ms: u64,
    pub(super) head: u64,
    pub(super) trimmed: u64,
    pub(super) next_wake_ms: Option<u64>,
    pub(super) metadata: Bytes,
    pub(super) accesses: Bytes,
}

/// A kept version of a document of the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BackupVersion {
    pub(super) document: String,
    pub(super) id: u64,
    pub(super) seq: u64,
    pub(super) kind: String,
    pub(super) label: String,
    pub(super) user: String,
    pub(super) expires_ms: Option<u64>,
    pub(super) bytes: u64,
    pub(super) data: Bytes,
}

/// A piece of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Head(BackupHead),
    Room(BackupRoom),
    Snapshot {
        part: String,
        seq: u64,
        data: Bytes,
    },
    Row {
        first_seq: u64,
        count: u64,
        time_ms: u64,
        data: Bytes,
    },
    Version(BackupVersion),
    Queued(Bytes),
    End(BackupTotals),
}

impl Block {
    const fn kind(&self) -> u8 {
        match self {
            Self::Head(_) => 1,
            Self::Room(_) => 2,
            Self::Snapshot { .. } => 3,
            Self::Row { .. } => 4,
            Self::Queued(_) => 5,
            Self::End(_) => 6,
            Self::Version(_) => 7,
        }
    }

    /// The content; `sum_before` is of the file before this block.
    fn encode(&self, sum_before: u32) -> BytesMut {
        let mut out = BytesMut::new();
        match self {
            Self::Head(head) => {
                put_number(&mut out, head.taken_ms);
                put_number(&mut out, head.rooms);
                put_number(&mut out, head.epoch);
                put_var_bytes(&mut out, head.version.as_bytes());
            }
            Self::Room(room) => {
                put_var_bytes(&mut out, room.name.as_bytes());
                put_var_bytes(&mut out, room.kind.as_bytes());
                out.put_u128_le(room.incarnation);
                put_number(&mut out, room.created_ms);
                put_number(&mut out, room.changed_ms);
                put_number(&mut out, room.head);
                put_number(&mut out, room.trimmed);
                put_number(
                    &mut out,
                    room.next_wake_ms.map_or(0, |wake| wake.saturating_add(1)),
                );
                put_var_bytes(&mut out, &room.metadata);
                put_var_bytes(&mut out, &room.accesses);
            }
            Self::Snapshot { part, seq, data } => {
                put_var_bytes(&mut out, part.as_bytes());
                put_number(&mut out, *seq);
                out.put_slice(data);
            }
            Self::Row {
                first_seq,
                count,
                time_ms,
                data,
            } => {
                put_number(&mut out, *first_seq);
                put_number(&mut out, *count);
                put_number(&mut out, *time_ms);
                out.put_slice(data);
            }
            Self::Version(version) => put_version(&mut out, version),
            Self::Queued(data) => out.put_slice(data),
            Self::End(totals) => {
                for number in [totals.rooms, totals.snapshots, totals.rows, totals.queued] {
                    put_number(&mut out, number);
                }
                put_number(&mut out, totals.versions);
                out.put_u32_le(sum_before);
            }
        }
        out
    }

    /// The block of this kind, and the sum that an end names.
    fn decode(format: u8, kind: u8, content: &Bytes) -> Result<(Self, Option<u32>), ReadError> {
        let mut reader = Reader::new(content);
        let block = match kind {
            1 => Self::Head(BackupHead {
                taken_ms: reader.var_uint()?,
                rooms: reader.var_uint()?,
                epoch: reader.var_uint()?,
                version: reader.var_string()?.to_owned(),
            }),
            2 => Self::Room(read_room(&mut reader)?),
            3 => Self::Snapshot {
                part: reader.var_string()?.to_owned(),
                seq: reader.var_uint()?,
                data: content.slice_ref(reader.rest()),
            },
            4 => Self::Row {
                first_seq: reader.var_uint()?,
                count: reader.var_uint()?,
                time_ms: reader.var_uint()?,
                data: content.slice_ref(reader.rest()),
            },
            5 => Self::Queued(content.clone()),
            6 => {
                let totals = BackupTotals {
                    rooms: reader.var_uint()?,
                    snapshots: reader.var_uint()?,
                    rows: reader.var_uint()?,
                    queued: reader.var_uint()?,
                    versions: if format < 2 { 0 } else { reader.var_uint()? },
                };
                let sum = reader.bytes(4)?.first_chunk().copied();
                return Ok((Self::End(totals), sum.map(u32::from_le_bytes)));
            }
            7 if format >= 2 => Self::Version(read_version(&mut reader, content)?),
            _ => return Err(ReadError::Any),
        };
        Ok((block, None))
    }
}

/// A timer that is further away than a varUint reaches does not ring either way.
fn put_number(out: &mut BytesMut, number: u64) {
    put_var_uint(out, number.min(VAR_UINT_MAX));
}

fn read_room(reader: &mut Reader<'_>) -> Result<BackupRoom, ReadError> {
    let name = reader.var_string()?.to_owned();
    let kind = reader.var_string()?.to_owned();
    let incarnation = reader.bytes(16)?.first_chunk().copied();
    Ok(BackupRoom {
        name,
        kind,
        incarnation: u128::from_le_bytes(incarnation.ok_or(ReadError::End)?),
        created_ms: reader.var_uint()?,
        changed_ms: reader.var_uint()?,
        head: reader.var_uint()?,
        trimmed: reader.var_uint()?,
        next_wake_ms: reader.var_uint()?.checked_sub(1),
        metadata: Bytes::copy_from_slice(reader.var_bytes()?),
        accesses: Bytes::copy_from_slice(reader.var_bytes()?),
    })
}

fn put_version(out: &mut BytesMut, version: &BackupVersion) {
    put_var_bytes(out, version.document.as_bytes());
    put_number(out, version.id);
    put_number(out, version.seq);
    for text in [&version.kind, &version.label, &version.user] {
        put_var_bytes(out, text.as_bytes());
    }
    let expires = version.expires_ms.map_or(0, |at| at.saturating_add(1));
    put_number(out, expires);
    put_number(out, version.bytes);
    out.put_slice(&version.data);
}

fn read_version(reader: &mut Reader<'_>, content: &Bytes) -> Result<BackupVersion, ReadError> {
    Ok(BackupVersion {
        document: reader.var_string()?.to_owned(),
        id: reader.var_uint()?,
        seq: reader.var_uint()?,
        kind: reader.var_string()?.to_owned(),
        label: reader.var_string()?.to_owned(),
        user: reader.var_string()?.to_owned(),
        expires_ms: reader.var_uint()?.checked_sub(1),
        bytes: reader.var_uint()?,
        data: content.slice_ref(reader.rest()),
    })
}

/// Reads a backup to its end and checks all of it.
///
/// # Errors
/// [`BackupError`].
pub fn check_backup(input: impl Read) -> Result<(BackupHead, BackupTotals), BackupError> {
    let (mut reader, head) = BackupReader::begin(input)?;
    loop {
        if let Block::End(totals) = reader.next()? {
            return Ok((head, totals));
        }
    }
}

/// Writes a backup, block by block.
pub(super) struct BackupWriter<W> {
    out: W,
    sum: Hasher,
    totals: BackupTotals,
}

impl<W: Write> BackupWriter<W> {
    pub(super) fn begin(out: W, head: BackupHead) -> Result<Self, BackupError> {
        let mut writer = Self {
            out,
            sum: Hasher::new(),
            totals: BackupTotals::default(),
        };
        writer.write(&MAGIC)?;
        writer.write(&[VERSION])?;
        writer.put(&Block::Head(head))?;
        Ok(writer)
    }

    pub(super) fn put(&mut self, block: &Block) -> Result<(), BackupError> {
        match block {
            Block::Room(_) => self.totals.rooms += 1,
            Block::Snapshot { .. } => self.totals.snapshots += 1,
            Block::Row { .. } => self.totals.rows += 1,
            Block::Version(_) => self.totals.versions += 1,
            Block::Queued(_) => self.totals.queued += 1,
            Block::Head(_) | Block::End(_) => {}
        }
        let content = block.encode(self.sum.clone().finalize());
        let mut whole = BytesMut::with_capacity(content.len() + 16);
        whole.put_u8(block.kind());
        put_var_bytes(&mut whole, &content);
        whole.put_u32_le(crc32fast::hash(&whole));
        self.write(&whole)
    }

    /// Writes the end: what has none is cut off.
    pub(super) fn finish(mut self) -> Result<BackupTotals, BackupError> {
        let totals = self.totals;
        self.put(&Block::End(totals))?;
        self.out.flush()?;
        Ok(totals)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.sum.update(bytes);
        Ok(self.out.write_all(bytes)?)
    }
}

/// Reads a backup, block by block, and checks it to its end.
pub(super) struct BackupReader<R> {
    input: R,
    format: u8,
    at: u64,
    sum: Hasher,
    totals: BackupTotals,
}

impl<R: Read> BackupReader<R> {
    /// Reads what every backup begins with.
    pub(super) fn begin(input: R) -> Result<(Self, BackupHead), BackupError> {
        let mut reader = Self {
            input,
            format: VERSION,
            at: 0,
            sum: Hasher::new(),
            totals: BackupTotals::default(),
        };
        let mut magic = [0; MAGIC.len()];
        match reader.read(&mut magic) {
            Ok(()) if magic == MAGIC => {}
            Ok(()) | Err(BackupError::CutOff) => return Err(BackupError::NotABackup),
            Err(error) => return Err(error),
        }
        let mut version = [0];
        reader.read(&mut version)?;
        if !(1..=VERSION).contains(&version[0]) {
            return Err(BackupError::NewerFormat(version[0]));
        }
        reader.format = version[0];
        match reader.next()? {
            Block::Head(head) => Ok((reader, head)),
            _ => Err(BackupError::Damaged {
                at: 9,
                what: "it does not begin with a head",
            }),
        }
    }

    /// The next block; after an end, nothing else is to be asked for.
    pub(super) fn next(&mut self) -> Result<Block, BackupError> {
        let at = self.at;
        let damaged = |what| BackupError::Damaged { at, what };
        let sum_before = self.sum.clone().finalize();
        let mut head = BytesMut::new();
        let mut byte = [0];
        self.read(&mut byte)?;
        let kind = byte[0];
        head.put_u8(kind);
        let length = self.length(&mut head).map_err(|error| match error {
            Some(error) => error,
            None => damaged("a block has no sensible length"),
        })?;
        let mut content = Vec::new();
        let read = (&mut self.input).take(length).read_to_end(&mut content)?;
        self.at += read as u64;
        if (read as u64) < length {
            return Err(BackupError::CutOff);
        }
        self.sum.update(&content);
        let mut sum = Hasher::new();
        sum.update(&head);
        sum.update(&content);
        let mut told = [0; 4];
        self.read(&mut told)?;
        if sum.finalize().to_le_bytes() != told {
            return Err(damaged("a checksum does not match"));
        }
        let (block, whole) = Block::decode(self.format, kind, &Bytes::from(content))
            .map_err(|_| damaged("a block cannot be read"))?;
        self.count(&block, whole.is_none_or(|whole| whole == sum_before))
            .map_err(damaged)?;
        Ok(block)
    }

    /// How far it has been read.
    pub(super) const fn position(&self) -> u64 {
        self.at
    }

    fn count(&mut self, block: &Block, is_whole: bool) -> Result<(), &'static str> {
        let totals = &mut self.totals;
        match block {
            Block::Room(_) => totals.rooms += 1,
            Block::Snapshot { .. } => totals.snapshots += 1,
            Block::Row { .. } => totals.rows += 1,
            Block::Version(_) => totals.versions += 1,
            Block::Queued(_) => totals.queued += 1,
            Block::End(told) if !is_whole || told != totals => {
                return Err("blocks are missing before it");
            }
            Block::Head(_) | Block::End(_) => {}
        }
        Ok(())
    }

    /// Reads a varUint; `None` as an error when it is none, or too large.
    fn length(&mut self, head: &mut BytesMut) -> Result<u64, Option<BackupError>> {
        let mut length = 0_u64;
        for shift in (0..35).step_by(7) {
            let mut byte = [0];
            self.read(&mut byte).map_err(Some)?;
            head.put_u8(byte[0]);
            length |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return if length <= BLOCK_BYTES_MAX {
                    Ok(length)
                } else {
                    Err(None)
                };
            }
        }
        Err(None)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), BackupError> {
        match self.input.read_exact(into) {
            Ok(()) => {
                self.at += into.len() as u64;
                self.sum.update(into);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(BackupError::CutOff),
            Err(error) => Err(error.into()),
        }
    }
}
