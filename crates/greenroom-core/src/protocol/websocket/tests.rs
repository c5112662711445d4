use super::*;

#[test]
fn headers_are_as_short_as_they_can_be() {
    let check = |payload_bytes: usize, expected: &[u8]| {
        let payload = vec![7; payload_bytes];
        let whole = frame(Opcode::Binary, &payload);
        assert_eq!(&whole[..expected.len()], expected);
        assert_eq!(&whole[expected.len()..], payload);
        assert_eq!(header(Opcode::Binary, payload_bytes), expected);
    };
    check(0, &[0x82, 0]);
    check(1, &[0x82, 1]);
    check(125, &[0x82, 125]);
    check(126, &[0x82, 126, 0, 126]);
    check(0xffff, &[0x82, 126, 0xff, 0xff]);
    check(0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn a_frame_is_read_as_written_and_not_before_it_is_all_there() {
    for payload_bytes in [0, 1, 125, 126, 300, 0xffff, 0x1_0000] {
        let payload = vec![9; payload_bytes];
        let whole = frame(Opcode::Text, &payload);
        let expected = Some((Opcode::Text, payload.as_slice(), whole.len()));
        assert_eq!(read_server_frame(&whole), expected);
        for end in (0..whole.len()).step_by(1 + payload_bytes / 100) {
            assert_eq!(read_server_frame(&whole[..end]), None);
        }
    }
}

#[test]
fn what_no_server_of_ours_sends_is_not_read() {
    let check = |bytes: &[u8]| assert_eq!(read_server_frame(bytes), None, "{bytes:x?}");
    check(&[0x02, 0]);
    check(&[0xc2, 0]);
    check(&[0x83, 0]);
    check(&[0x82, 0x80, 0, 0, 0, 0]);
    check(&[0x82, 126, 0, 1, 7]);
    check(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, 7]);
    check(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]);
}

/// Stands in for a compressor: a run of one byte becomes that byte, anything else grows.
fn runs(payload: &[u8]) -> Option<Vec<u8>> {
    let first = *payload.first()?;
    payload
        .iter()
        .all(|byte| *byte == first)
        .then(|| vec![first])
}

#[test]
fn what_gets_smaller_is_compressed() {
    let check = |payload: &[u8], expected: &[u8]| {
        let whole = frame(Opcode::Text, payload);
        assert_eq!(deflated(&whole, runs), expected, "{}", payload.len());
    };
    let as_is = |payload: &[u8]| check(payload, &frame(Opcode::Text, payload));
    as_is(b"");
    as_is(&[b'a'; DEFLATE_BYTES_MIN - 1]);
    check(&[b'a'; DEFLATE_BYTES_MIN], &[0xc1, 1, b'a']);
    check(&vec![b'a'; DEFLATE_BYTES_MAX], &[0xc1, 1, b'a']);
    as_is(&vec![b'a'; DEFLATE_BYTES_MAX + 1]);
    as_is(&(0..=255).collect::<Vec<_>>());
    let whole = frame(Opcode::Binary, &[7; 300]);
    assert_eq!(deflated(&whole, |all| Some(all.to_vec())), whole);
}

#[test]
fn control_frames() {
    assert_eq!(ping(b"hi"), &b"\x89\x02hi"[..]);
    assert_eq!(pong(b""), &b"\x8a\x00"[..]);
    assert_eq!(close_frame(1000, "bye"), &b"\x88\x05\x03\xe8bye"[..]);
    let long = close_frame(4400, &"ä".repeat(100));
    let (_, payload, _) = read_server_frame(&long).unwrap();
    assert_eq!(&payload[2..], "ä".repeat(61).as_bytes());
}

#[test]
#[should_panic(expected = "a control frame of 126 bytes")]
fn a_control_frame_that_is_too_large_is_a_bug() {
    let _ = ping(&[0; 126]);
}
