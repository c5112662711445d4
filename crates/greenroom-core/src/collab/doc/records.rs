//! What of a document stands in journal and snapshots.

use bytes::{BufMut, Bytes, BytesMut};

use crate::protocol::lib0::{ReadError, Reader, put_var_bytes, put_var_uint};
use crate::store::envelope::{Record, RecordKind};

/// The journal record of an update.
pub(crate) fn document_record(name: &str, update: &[u8]) -> Record {
    let mut data = BytesMut::with_capacity(name.len() + 2 + update.len());
    put_var_bytes(&mut data, name.as_bytes());
    data.put_slice(update);
    Record {
        kind: RecordKind::Document,
        data: data.freeze(),
    }
}

/// Takes a document's record apart: its name and the update.
pub(crate) fn read_document_record(data: &Bytes) -> Result<(&str, Bytes), ReadError> {
    let mut reader = Reader::new(data);
    let name = reader.var_string()?;
    Ok((name, data.slice_ref(reader.rest())))
}

/// The journal's note that an update could not be merged.
pub(crate) fn skipped_record(seq: u64, name: &str, error: &str) -> Record {
    let mut data = BytesMut::new();
    put_var_uint(&mut data, seq);
    put_var_bytes(&mut data, name.as_bytes());
    put_var_bytes(&mut data, error.as_bytes());
    Record {
        kind: RecordKind::Skipped,
        data: data.freeze(),
    }
}

/// A document's snapshot: varBytes merged update; varUint count, and so many varBytes updates that
/// are not merged into it.
pub(crate) fn encode_snapshot<'a>(
    base: &[u8],
    unmerged: impl ExactSizeIterator<Item = &'a Bytes>,
) -> Bytes {
    let mut data = BytesMut::with_capacity(base.len() + 16);
    put_var_bytes(&mut data, base);
    put_var_uint(&mut data, unmerged.len() as u64);
    for update in unmerged {
        put_var_bytes(&mut data, update);
    }
    data.freeze()
}

/// Takes a document's snapshot apart.
pub(crate) fn read_snapshot(data: &Bytes) -> Result<(Bytes, Vec<Bytes>), ReadError> {
    let mut reader = Reader::new(data);
    let base = data.slice_ref(reader.var_bytes()?);
    let mut unmerged = Vec::new();
    for _ in 0..reader.var_uint()? {
        unmerged.push(data.slice_ref(reader.var_bytes()?));
    }
    Ok((base, unmerged))
}
