//! What a disk gives back: rows of the journal, snapshots and the past of a room in them.
//!
//! A checksum stands before each reader. It is made to fit, so that what lies behind it is tried too:
//! a disk that lies, or an older version of ours, may have written anything.

use bytes::{BufMut, Bytes, BytesMut};
use greenroom_core::collab::read_past as read_documents;
use greenroom_core::export::{Decoder, Encoder, ExportError, ExportHead, Incoming, Piece};
use greenroom_core::limits::Limits;
use greenroom_core::room::behaviour::Past;
use greenroom_core::service::read_past as read_state;
use greenroom_core::store::Part;
use greenroom_core::store::envelope::{
    Record, RecordKind, VERSION, decode_row, encode_row, open_snapshot, seal_snapshot,
};
use greenroom_service::Millis;

use crate::{take, take_byte};

const INCARNATION: u128 = 0x67;
/// A row of the corpus begins at this seq.
const SEQ: u64 = 1;

/// Puts head and checksum around `body`.
fn sealed(body: &[u8]) -> Bytes {
    let mut sealed = BytesMut::with_capacity(body.len() + 21);
    sealed.put_u8(VERSION);
    sealed.put_u128_le(INCARNATION);
    sealed.put_slice(body);
    sealed.put_u32_le(crc32fast::hash(&sealed));
    sealed.freeze()
}

/// A row is read or refused, and one that is read says the same when it is written again; so is
/// what its records hold.
pub(crate) fn row(data: &[u8]) {
    // As it lies on the disk: nearly always refused.
    drop(decode_row(&Bytes::copy_from_slice(data), INCARNATION, SEQ));
    let Ok(row) = decode_row(&sealed(data), INCARNATION, SEQ) else {
        return;
    };
    assert!(!row.records.is_empty());
    let held: usize = row.records.iter().map(|record| record.data.len() + 2).sum();
    assert!(held <= data.len(), "records lie in their row");
    let written = encode_row(
        INCARNATION,
        row.epoch,
        row.first_seq,
        row.time,
        &row.records,
    );
    assert_eq!(decode_row(&written, INCARNATION, SEQ).as_ref(), Ok(&row));
    let past = || Past {
        records: (SEQ..).zip(row.records.iter().cloned()).collect(),
        ..Past::default()
    };
    drop(read_documents(past()));
    drop(read_state(&past()));
}

/// The pieces of an exported room that comes in chunks of so many bytes, each with its place.
fn pieces(file: &[u8], chunk: usize) -> Result<Vec<(u64, Piece)>, ExportError> {
    let (mut decoder, mut pieces) = (Decoder::default(), Vec::new());
    for bytes in file.chunks(chunk) {
        decoder.push(bytes);
        loop {
            let at = decoder.position();
            let Some(piece) = decoder.next_piece()? else {
                break;
            };
            pieces.push((at, piece));
        }
    }
    decoder.finish()?;
    Ok(pieces)
}

/// A file of a room is read or refused, the same however it is cut into chunks; one that is sound
/// gives what was written into it, and that becomes a room or is refused.
pub(crate) fn export(mut data: &[u8]) {
    let chunk = usize::from(take_byte(&mut data)) + 1;
    // As somebody sends it: nearly always refused, for its sums.
    assert_eq!(pieces(data, chunk), pieces(data, data.len().max(1)));
    let off_by = u64::from(take_byte(&mut data) / 128);
    let mut frames = Vec::new();
    while !data.is_empty() {
        let kind = RecordKind::from_byte(take_byte(&mut data));
        let length = usize::from(take_byte(&mut data));
        frames.push((kind, Bytes::copy_from_slice(take(&mut data, length))));
    }
    let records = frames.iter().filter(|(kind, _)| kind.is_some()).count() as u64;
    let (mut encoder, begun) = Encoder::begin(&ExportHead {
        room: "a".into(),
        kind: "collab".into(),
        seq: records + off_by,
        created: Millis(1),
        exported: Millis(2),
        metadata: serde_json::Map::new(),
    });
    let (mut file, mut seq) = (begun.to_vec(), 0);
    for (kind, data) in frames {
        file.extend(match kind {
            Some(kind) => {
                seq += 1;
                encoder.record(seq, Millis(seq), &Record { kind, data })
            }
            None => encoder.snapshot(&Part::Document(String::new()), seq, &data),
        });
    }
    file.extend(encoder.end());
    let read = pieces(&file, chunk);
    assert_eq!(read, pieces(&file, file.len()));
    let Ok(read) = read else { return };
    let mut incoming = Incoming::default();
    for (at, piece) in read {
        incoming.take(at, piece);
    }
    drop(incoming.into_import(&Limits::default()));
}

/// A document's snapshot and the updates behind it are read or refused. Nothing is lost: what is
/// read is in the shadow, parked, set aside, or named as unreadable.
pub(crate) fn snapshot(mut data: &[u8]) {
    drop(open_snapshot(&sealed(data), INCARNATION, SEQ));
    let mut records = Vec::new();
    let count = take_byte(&mut data) & 3;
    for _ in 0..count {
        let kind = if take_byte(&mut data) & 7 == 0 {
            RecordKind::Skipped
        } else {
            RecordKind::Document
        };
        let len = take_byte(&mut data);
        let data = Bytes::copy_from_slice(take(&mut data, len.into()));
        records.push(Record { kind, data });
    }
    let whole = seal_snapshot(INCARNATION, 7, data);
    let body = open_snapshot(&whole, INCARNATION, 7).expect("sealed just now");
    assert_eq!(body, data);
    let past = Past {
        snapshots: vec![(Part::Document("d".into()), 7, body)],
        records: (8..).zip(records).collect(),
        head: 7 + u64::from(count),
    };
    if let Ok(documents) = read_documents(past) {
        for document in documents {
            let kept = document.tail.len() + document.parked.len() + document.unmergeable.len();
            assert!(kept + document.unreadable.len() <= data.len() + usize::from(count));
        }
    }
}

/// The state of a service is read or refused, and one that is read says the same when it is written
/// and read again.
pub(crate) fn service_state(mut data: &[u8]) {
    let mut records = Vec::new();
    let count = take_byte(&mut data) & 3;
    for _ in 0..count {
        let kind = match take_byte(&mut data) % 3 {
            0 => RecordKind::Entries,
            1 => RecordKind::Saved,
            _ => RecordKind::Timer,
        };
        let len = take_byte(&mut data);
        let data = Bytes::copy_from_slice(take(&mut data, len.into()));
        records.push(Record { kind, data });
    }
    let past = |snapshot: Bytes, records: Vec<Record>| Past {
        snapshots: vec![(Part::Service, 7, snapshot)],
        records: (8..).zip(records).collect(),
        head: 7,
    };
    if let Ok(state) = read_state(&past(Bytes::copy_from_slice(data), records)) {
        let again = read_state(&past(state.clone(), Vec::new()));
        assert_eq!(again.expect("what we write, we read"), state);
    }
}
