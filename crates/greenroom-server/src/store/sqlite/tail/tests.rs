//! The bytes of a commit: they come back, and damage costs no more than it must.

use bytes::Bytes;
use greenroom_service::Millis;
use proptest::prelude::*;

use super::{TailRow, decode, encode};

fn row(data: Vec<u8>) -> TailRow {
    TailRow {
        count: 2,
        time: Millis(1_700_000_000_000),
        data: data.into(),
        commit: 1,
    }
}

fn blob(rows: &[((i64, u64), TailRow)]) -> Vec<u8> {
    encode(rows.iter().map(|(key, row)| (*key, row)))
}

fn three() -> Vec<((i64, u64), TailRow)> {
    vec![
        ((1, 7), row(b"first".to_vec())),
        ((300, 1 << 40), row(vec![])),
        ((1, 9), row(vec![0xff; 200])),
    ]
}

proptest! {
    #[test]
    fn rows_come_back(rows in prop::collection::vec(
        (0..1_i64 << 50, 0..1_u64 << 50, prop::collection::vec(any::<u8>(), 0..300)),
        0..20,
    )) {
        let rows: Vec<_> = rows.into_iter().map(|(room, seq, data)| ((room, seq), row(data))).collect();
        let found = decode(&Bytes::from(blob(&rows))).expect("it is whole");
        prop_assert_eq!(found.len(), rows.len());
        for (found, (key, row)) in found.iter().zip(&rows) {
            let expected = (key.0, key.1, row.count, row.time, row.data.clone());
            prop_assert_eq!(found, &expected);
        }
    }

    #[test]
    fn nonsense_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(decode(&Bytes::from(bytes)), None);
    }
}

#[test]
fn one_flipped_bit_costs_at_most_one_row() {
    let rows = three();
    let whole = blob(&rows);
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let found = decode(&Bytes::from(damaged)).unwrap_or_else(|| panic!("bit {bit}"));
        assert_eq!(found.len(), 3);
        let mut other = 0;
        for (found, (key, row)) in found.iter().zip(&rows) {
            assert_eq!((found.0, found.1, found.2), (key.0, key.1, row.count));
            other += usize::from(found.4 != row.data);
        }
        assert!(other <= 1, "bit {bit}");
    }
}

#[test]
fn a_truncated_commit_is_refused_or_whole() {
    let whole = blob(&three());
    for length in 0..whole.len() {
        let cut = Bytes::copy_from_slice(&whole[..length]);
        if let Some(found) = decode(&cut) {
            let datas: Vec<_> = found.iter().map(|entry| entry.4.clone()).collect();
            let expected: Vec<_> = three().into_iter().map(|(_, row)| row.data).collect();
            assert_eq!(datas, expected, "cut at {length}");
        }
    }
}

/// The format cannot drift unseen: what was written yesterday is read tomorrow.
#[test]
fn a_commit_has_these_bytes() {
    let rows = [((1, 7), row(b"ab".to_vec()))];
    let hex: String = blob(&rows)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let directory = "0101070280d095ffbc3102";
    let sum = format!("{:08x}", crc32fast::hash(&unhex(directory)).swap_bytes());
    assert_eq!(
        hex,
        format!("0b000000{directory}{sum}6162{directory}{sum}0b000000")
    );
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
