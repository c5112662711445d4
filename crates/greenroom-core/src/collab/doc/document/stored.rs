//! What is stored of a document: its records in the journal and its snapshots.

use bytes::{BufMut, Bytes, BytesMut};
use greenroom_service::UserId;

use crate::collab::doc::job::{LoadDocument, StoredUpdate};
use crate::protocol::lib0::{ReadError, Reader, put_var_bytes, put_var_uint, var_uint_len};
use crate::store::envelope::{Record, RecordKind};

/// The journal record of an update.
pub(crate) fn document_record(name: &str, update: &[u8]) -> Record {
    // To the byte: it becomes a shared buffer as it is.
    let name_bytes = var_uint_len(name.len() as u64) + name.len();
    let mut data = Vec::with_capacity(name_bytes + update.len());
    put_var_bytes(&mut data, name.as_bytes());
    data.put_slice(update);
    Record {
        kind: RecordKind::Document,
        data: data.into(),
    }
}

/// The journal record of an update that was made for a user; `""` for somebody without a name.
pub(super) fn edited_record(name: &str, user: Option<&UserId>, update: &[u8]) -> Record {
    let user = user.map_or("", |user| user.as_str());
    let mut data = BytesMut::with_capacity(name.len() + user.len() + 4 + update.len());
    put_var_bytes(&mut data, name.as_bytes());
    put_var_bytes(&mut data, user.as_bytes());
    data.put_slice(update);
    Record {
        kind: RecordKind::Edited,
        data: data.freeze(),
    }
}

/// Takes the record of an update that was made for a user apart: document, user, update.
pub(crate) fn read_edited_record(data: &Bytes) -> Result<(&str, &str, Bytes), ReadError> {
    let mut reader = Reader::new(data);
    let (name, user) = (reader.var_string()?, reader.var_string()?);
    Ok((name, user, data.slice_ref(reader.rest())))
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

/// A document's snapshot: varBytes merged update; then twice a list, varUint count and so many times
/// varUint seq and varBytes update: what could not be merged, and what was not merged yet.
pub(super) fn encode_snapshot(
    base: &[u8],
    unmergeable: &[(u64, Bytes)],
    unmerged: &[(u64, Bytes)],
) -> Bytes {
    let mut data = BytesMut::with_capacity(base.len() + 16);
    put_var_bytes(&mut data, base);
    for list in [unmergeable, unmerged] {
        put_var_uint(&mut data, list.len() as u64);
        for (seq, update) in list {
            put_var_uint(&mut data, *seq);
            put_var_bytes(&mut data, update);
        }
    }
    data.freeze()
}

/// Takes a document's snapshot apart; `base_seq` is the last record that it includes.
pub(crate) fn read_snapshot(
    name: &str,
    base_seq: u64,
    data: &Bytes,
) -> Result<LoadDocument, ReadError> {
    let mut reader = Reader::new(data);
    let mut document = LoadDocument::new(name);
    document.base_seq = base_seq;
    document.base = data.slice_ref(reader.var_bytes()?);
    for skipped in [true, false] {
        for _ in 0..reader.var_uint()? {
            let seq = reader.var_uint()?;
            let update = data.slice_ref(reader.var_bytes()?);
            document.tail.push(StoredUpdate {
                seq,
                update,
                skipped,
            });
        }
    }
    document.tail.sort_by_key(|stored| stored.seq);
    Ok(document)
}

/// What a version holds: varUint 0, to be the number of what may come before the state, then the
/// state, an update.
pub(super) fn encode_version(state: &[u8]) -> Bytes {
    let mut data = BytesMut::with_capacity(state.len() + 1);
    put_var_uint(&mut data, 0);
    data.put_slice(state);
    data.freeze()
}

/// Takes a version apart: the state, an update.
pub(crate) fn read_version(data: &Bytes) -> Result<Bytes, ReadError> {
    let mut reader = Reader::new(data);
    reader.var_uint()?;
    Ok(data.slice_ref(reader.rest()))
}
