//! Rows and snapshots come back, no damage goes unseen, and the format cannot drift.

use bytes::Bytes;
use greenroom_service::Millis;
use proptest::prelude::*;

use super::*;
use crate::protocol::lib0::VAR_UINT_MAX;

const INCARNATION: u128 = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;

fn record(kind: RecordKind, data: &'static [u8]) -> Record {
    Record {
        kind,
        data: Bytes::from_static(data),
    }
}

fn row() -> Bytes {
    let records = [
        record(RecordKind::Document, b"\0\x02ab"),
        record(RecordKind::Saved, b""),
    ];
    encode_row(INCARNATION, 300, 7, Millis(1_700_000_000_000), &records)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn any_kind() -> impl Strategy<Value = RecordKind> {
    (1..=5_u8).prop_map(|byte| RecordKind::from_byte(byte).expect("1 to 5 are kinds"))
}

fn any_record() -> impl Strategy<Value = Record> {
    (any_kind(), prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(kind, data)| Record {
        kind,
        data: data.into(),
    })
}

proptest! {
    #[test]
    fn a_row_comes_back(
        incarnation in any::<u128>(),
        epoch in 0..VAR_UINT_MAX,
        first_seq in 0..VAR_UINT_MAX,
        time in 0..VAR_UINT_MAX,
        records in prop::collection::vec(any_record(), 1..10),
    ) {
        let time = Millis(time);
        let row = encode_row(incarnation, epoch, first_seq, time, &records);
        let decoded = decode_row(&row, incarnation, first_seq).expect("it is whole");
        prop_assert_eq!(decoded, DecodedRow { epoch, first_seq, time, records });
        let other = decode_row(&row, incarnation ^ 1, first_seq);
        prop_assert_eq!(other, Err(EnvelopeError::Incarnation));
        let elsewhere = decode_row(&row, incarnation, first_seq + 1);
        prop_assert_eq!(elsewhere, Err(EnvelopeError::Seq(first_seq)));
    }

    #[test]
    fn a_snapshot_comes_back(
        incarnation in any::<u128>(),
        seq in 0..VAR_UINT_MAX,
        data in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        let sealed = seal_snapshot(incarnation, seq, &data);
        prop_assert_eq!(open_snapshot(&sealed, incarnation, seq), Ok(Bytes::from(data)));
        let other = open_snapshot(&sealed, incarnation ^ 1, seq);
        prop_assert_eq!(other, Err(EnvelopeError::Incarnation));
        let elsewhere = open_snapshot(&sealed, incarnation, seq + 1);
        prop_assert_eq!(elsewhere, Err(EnvelopeError::Seq(seq)));
    }

    #[test]
    fn nonsense_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        prop_assert!(decode_row(&bytes, INCARNATION, 1).is_err());
        prop_assert!(open_snapshot(&bytes, INCARNATION, 1).is_err());
    }

    /// A checksum that holds does not make the content valid: nothing of it is trusted.
    #[test]
    fn nonsense_with_a_checksum_is_refused_or_read(
        content in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&INCARNATION.to_le_bytes());
        bytes.extend_from_slice(&content);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        if let Ok(row) = decode_row(&Bytes::from(bytes), INCARNATION, 1) {
            prop_assert!(!row.records.is_empty());
        }
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_detected() {
    every_damage_is_detected(&row(), |bytes| decode_row(bytes, INCARNATION, 7).is_ok());
    let sealed = seal_snapshot(INCARNATION, 7, b"a document");
    every_damage_is_detected(&sealed, |bytes| {
        open_snapshot(bytes, INCARNATION, 7).is_ok()
    });
}

fn every_damage_is_detected(whole: &Bytes, is_valid: impl Fn(&Bytes) -> bool) {
    assert!(is_valid(whole));
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_valid(&damaged.into()), "bit {bit}");
    }
    for length in 0..whole.len() {
        assert!(!is_valid(&whole.slice(..length)), "cut at {length}");
    }
    let mut longer = whole.to_vec();
    longer.push(0);
    assert!(!is_valid(&longer.into()));
}

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    let mut newer = row().to_vec();
    newer[0] = 2;
    let decoded = decode_row(&Bytes::from(newer), INCARNATION, 7);
    assert_eq!(decoded, Err(EnvelopeError::Version(2)));
}

#[test]
fn an_unknown_kind_is_named() {
    let mut other = row().to_vec();
    let at = other.len() - 4 - 2;
    assert_eq!(other[at], RecordKind::Saved as u8);
    other[at] = 99;
    let end = other.len() - 4;
    let sum = crc32fast::hash(&other[..end]);
    other[end..].copy_from_slice(&sum.to_le_bytes());
    let decoded = decode_row(&Bytes::from(other), INCARNATION, 7);
    assert_eq!(decoded, Err(EnvelopeError::Kind(99)));
}

/// What was written yesterday is read tomorrow: these bytes may only change with [`VERSION`].
#[test]
fn rows_and_snapshots_have_these_bytes() {
    let head = "01000102030405060708090a0b0c0d0e0f";
    let row_body = "ac02070280d095ffbc310104000261620300";
    assert_eq!(hex(&row()), format!("{head}{row_body}b8a86fd9"));
    let snapshot = seal_snapshot(INCARNATION, 300, b"xyz");
    assert_eq!(hex(&snapshot), format!("{head}ac0278797ab50d9e00"));
}
