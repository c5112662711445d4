use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, ReadTxn, StateVector, Text, Transact, Update};

use super::*;

#[test]
fn a_marker_is_read_as_it_was_put() {
    let marker = Marker {
        writer: 999,
        seq: 0x12_3456,
        at_us: u32::MAX,
    };
    let mut bytes = Vec::new();
    marker.put(&mut bytes);
    assert_eq!(bytes.len(), MARKER_LEN);
    assert_eq!(Marker::read(&bytes), Some(marker));
    assert_eq!(Marker::read(&bytes[..18]), None);
    bytes[5] = b'x';
    assert_eq!(Marker::read(&bytes), None);
}

#[test]
fn the_first_update_names_the_text_and_the_second_its_neighbour() {
    let mut writer = Writer::new(0, 0);
    let mut message = Vec::new();
    writer.put_update(&mut message, 19, 0);
    let text = b"~000000000000000000";
    let id = [0x80, 0x80, 0x80, 0x80, 8];
    let first = [
        &[0, 2, 33, 1, 1][..],
        &id,
        &[0, 4, 1, 1, b't', 19],
        text,
        &[0],
    ];
    assert_eq!(message, first.concat());

    message.clear();
    writer.put_update(&mut message, 19, 0);
    let text = b"~000000000100000000";
    let second = [
        &[0, 2, 36, 1, 1][..],
        &id,
        &[19, 0x84],
        &id,
        &[18, 19],
        text,
        &[0],
    ];
    assert_eq!(message, second.concat());
}

#[test]
fn an_engine_takes_the_updates() {
    let mut writer = Writer::new(3, 1);
    let mut other = Writer::new(3, 0);
    let document = Doc::new();
    let text = document.get_or_insert_text("t");
    let mut transaction = document.transact_mut();
    for _ in 0..3 {
        for writer in [&mut writer, &mut other] {
            let mut message = Vec::new();
            writer.put_update(&mut message, 30, 5);
            transaction.apply_update(update_of(&message)).unwrap();
        }
    }
    assert_eq!(text.len(&transaction), 6 * 30);
    assert!(
        text.get_string(&transaction)
            .contains("~000100000200000005xxxxxxxxxxx")
    );
    assert!(!transaction.has_missing_updates());
}

#[test]
fn edits_join_by_ten() {
    let mut writer = Writer::new(0, 0);
    let document = Doc::new();
    let text = document.get_or_insert_text("t");
    let mut transaction = document.transact_mut();
    for _ in 0..4 {
        let mut message = Vec::new();
        writer.put_edits(&mut message, 25);
        transaction.apply_update(update_of(&message)).unwrap();
    }
    assert_eq!(text.len(&transaction), 200);
    assert!(!transaction.has_missing_updates());
    drop(transaction);
    let all = document
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    // One client with ten structs.
    assert_eq!(all[..2], [1, 10]);
}

/// The update in a sync message.
fn update_of(message: &[u8]) -> Update {
    let mut body = message.strip_prefix(&[0, 2]).unwrap();
    Update::decode_v1(take_var_bytes(&mut body).unwrap()).unwrap()
}

#[test]
fn awareness_is_json_with_a_marker() {
    let mut writer = Writer::new(0, 3);
    let mut message = Vec::new();
    writer.put_awareness(&mut message, 40, 7);
    let json = br#"{"cursor":"~000300000000000007xxxxxxxx"}"#;
    let start = message.len() - json.len();
    assert_eq!(&message[start..], json);
    assert_eq!(&message[..2], &[1, 48]);
}
