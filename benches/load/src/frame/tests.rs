use super::*;

#[test]
fn heads_of_all_sizes() {
    for len in [0_usize, 1, 125, 126, 65_535, 65_536] {
        let mut bytes = Vec::new();
        put(&mut bytes, Opcode::Binary, &vec![7; len]);
        let head = head(&bytes).unwrap().unwrap();
        // The mask stands between head and payload.
        assert_eq!(head.end + MASK.len(), bytes.len());
        assert_eq!((head.opcode, head.last), (Opcode::Binary, true));
    }
}

#[test]
fn waits_for_the_whole_head() {
    for part in [&[][..], &[0x82], &[0x82, 126, 0], &[0x82, 127, 0, 0, 0]] {
        assert_eq!(head(part), Ok(None));
    }
    assert_eq!(head(&[0x83, 0]), Err(3));
}
