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
fn edits_follow_each_other() {
    let mut writer = Writer::new(0, 0);
    let mut message = Vec::new();
    writer.put_edits(&mut message, 2, 1);
    let id = [0x80, 0x80, 0x80, 0x80, 8];
    let expected = [
        &[0, 2, 24, 1, 2][..],
        &id,
        &[0, 4, 1, 1, b't', 1, b'y', 0x84],
        &id,
        &[0, 1, b'y', 0],
    ];
    assert_eq!(message, expected.concat());
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
