//! A room as one file: its format, written and read piece by piece, and how a room is made of it.
//!
//! ```text
//! file      15 bytes  "greenroom room\n"
//!           1 byte    version = 1
//!           head      varUint length, and so many bytes of JSON; a sum
//!           frames    as many as there are, each with a sum
//!           1 byte    0, the end; a sum
//!
//! sum       4 bytes   CRC-32 (IEEE 802.3) of every byte of the file before it but those of other
//!                     sums, little-endian
//!
//! frame     1 byte    1, a snapshot
//!           varString part: `service`, or `document:NAME`
//!           varUint   seq of the last record that it includes
//!           varBytes  the part's own format
//!
//! frame     1 byte    2, a record
//!           varUint   seq
//!           varUint   room time in milliseconds
//!           1 byte    kind
//!           varBytes  its content, as the kind says
//! ```
//! Each sum covers the whole file up to it, so that the first that does not match names the frame
//! that is damaged, and one that is missing, doubled or moved is found as well.

mod decoder;
mod exporter;
mod import;
#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes, BytesMut};
use crc32fast::Hasher;
use greenroom_service::Millis;
use serde_json::{Map, Value, json};

use crate::protocol::lib0::{VAR_UINT_MAX, put_var_bytes, put_var_uint};
use crate::store::Part;
use crate::store::envelope::Record;

pub use decoder::{Decoder, ExportError, Piece};
pub use exporter::Exporter;
pub use import::{ImportError, Incoming};

/// The media type of such a file.
pub const MEDIA_TYPE: &str = "application/vnd.greenroom.room";

/// What it begins with.
const MAGIC: &[u8; 15] = b"greenroom room\n";

/// The newest version that this program reads, and the one that it writes.
const VERSION: u8 = 1;

/// The head: it holds metadata, which has a limit far below.
const HEAD_BYTES_MAX: usize = 4 << 20;

/// The largest frame: above the largest document that can be allowed.
const FRAME_BYTES_MAX: u64 = (1 << 30) + (1 << 20);

/// The bytes of a sum.
const SUM_BYTES: usize = 4;

/// What a frame is.
const END: u8 = 0;
const SNAPSHOT: u8 = 1;
const RECORD: u8 = 2;

/// What a file says of the room in it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportHead {
    /// The room's name.
    pub room: String,
    /// Its kind.
    pub kind: String,
    /// The seq of the last record that is in the file, by itself or in a snapshot.
    pub seq: u64,
    /// When it was first written to.
    pub created: Millis,
    /// When it was exported.
    pub exported: Millis,
    /// The users' own data about it.
    pub metadata: Map<String, Value>,
}

impl ExportHead {
    fn encode(&self) -> Vec<u8> {
        let head = json!({
            "room": self.room,
            "kind": self.kind,
            "seq": self.seq,
            "created_ms": self.created.0,
            "exported_ms": self.exported.0,
            "metadata": self.metadata,
        });
        head.to_string().into_bytes()
    }

    /// Keys that this version does not know are a newer version's affair.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let head: Value = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            room: head["room"].as_str()?.to_owned(),
            kind: head["kind"].as_str()?.to_owned(),
            seq: head["seq"].as_u64()?,
            created: Millis(head["created_ms"].as_u64()?),
            exported: Millis(head["exported_ms"].as_u64()?),
            metadata: head["metadata"].as_object()?.clone(),
        })
    }
}

/// Writes a file, piece by piece: the snapshots first, then the records in order, then the end.
#[derive(Debug)]
pub struct Encoder(Hasher);

impl Encoder {
    /// Begins a file; gives its first bytes.
    #[must_use]
    pub fn begin(head: &ExportHead) -> (Self, Bytes) {
        let mut encoder = Self(Hasher::new());
        let mut out = BytesMut::from(&MAGIC[..]);
        out.put_u8(VERSION);
        put_var_bytes(&mut out, &head.encode());
        let begun = encoder.sealed(out);
        (encoder, begun)
    }

    /// The frame of a snapshot, without the store's envelope.
    pub fn snapshot(&mut self, part: &Part, seq: u64, data: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(data.len() + 160);
        out.put_u8(SNAPSHOT);
        put_var_bytes(&mut out, part.name().as_bytes());
        put_var_uint(&mut out, seq);
        put_var_bytes(&mut out, data);
        self.sealed(out)
    }

    /// The frame of a record, made at room time `at`.
    pub fn record(&mut self, seq: u64, at: Millis, record: &Record) -> Bytes {
        let mut out = BytesMut::with_capacity(record.data.len() + 32);
        out.put_u8(RECORD);
        put_var_uint(&mut out, seq);
        put_var_uint(&mut out, at.0.min(VAR_UINT_MAX));
        out.put_u8(record.kind as u8);
        put_var_bytes(&mut out, &record.data);
        self.sealed(out)
    }

    /// The end: a file without one is cut off.
    #[must_use]
    pub fn end(mut self) -> Bytes {
        self.sealed(BytesMut::from(&[END][..]))
    }

    fn sealed(&mut self, mut out: BytesMut) -> Bytes {
        self.0.update(&out);
        out.put_u32_le(self.0.clone().finalize());
        out.freeze()
    }
}
