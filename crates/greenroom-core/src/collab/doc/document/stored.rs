//! What is stored of a document: its records in the journal and its snapshots.

use bytes::{BufMut, Bytes, BytesMut};

use crate::protocol::lib0::{ReadError, Reader, put_var_bytes, put_var_uint};
use crate::store::envelope::{Record, RecordKind};

/// The journal record of an update.
pub(super) fn document_record(name: &str, update: &[u8]) -> Record {
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
pub(super) fn skipped_record(seq: u64, name: &str, error: &str) -> Record {
    let mut data = BytesMut::new();
    put_var_uint(&mut data, seq);
    put_var_bytes(&mut data, name.as_bytes());
    put_var_bytes(&mut data, error.as_bytes());
    Record {
        kind: RecordKind::Skipped,
        data: data.freeze(),
    }
}

/// Takes the note that an update could not be merged apart: the seq of its record.
pub(crate) fn read_skipped_record(data: &Bytes) -> Result<u64, ReadError> {
    Reader::new(data).var_uint()
}

/// A document's snapshot: varBytes merged update, varUint count, and so many varBytes updates that
/// could not be merged.
pub(super) fn encode_snapshot(base: &[u8], unmergeable: &[Bytes]) -> Bytes {
    let mut data = BytesMut::with_capacity(base.len() + 16);
    put_var_bytes(&mut data, base);
    put_var_uint(&mut data, unmergeable.len() as u64);
    for update in unmergeable {
        put_var_bytes(&mut data, update);
    }
    data.freeze()
}

/// Takes a document's snapshot apart.
pub(crate) fn read_snapshot(data: &Bytes) -> Result<(Bytes, Vec<Bytes>), ReadError> {
    let mut reader = Reader::new(data);
    let base = data.slice_ref(reader.var_bytes()?);
    let mut unmergeable = Vec::new();
    for _ in 0..reader.var_uint()? {
        unmergeable.push(data.slice_ref(reader.var_bytes()?));
    }
    Ok((base, unmergeable))
}
