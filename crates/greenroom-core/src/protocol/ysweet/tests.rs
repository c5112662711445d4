//! Frames of the y-sweet dialect, byte by byte.

use super::*;

#[test]
fn a_client_asks_and_gets_the_same_back() {
    let read = |frame: &'static [u8]| {
        let mut out = Vec::new();
        let frame = Message::Binary(Bytes::from_static(frame));
        decode(&frame, &Limits::default(), &mut out).map(|()| out)
    };
    let asked = read(b"\x66\x01\x05\x66\x02\x80\x01\x03").expect("three messages");
    let [
        ClientMessage::Probe(five),
        ClientMessage::Probe(many),
        ClientMessage::QueryAwareness,
    ] = &asked[..]
    else {
        panic!("{asked:?}");
    };
    assert_eq!((&five[..], &many[..]), (&b"\x05"[..], &b"\x80\x01"[..]));
    let echo = encode(&ServerMessage::SavedUntil(many.clone())).expect("carried");
    assert_eq!(&echo[..], b"\x82\x04\x66\x02\x80\x01");
    assert_eq!(encode(&ServerMessage::Saved), None);
    for nonsense in [
        &b"\x66"[..],
        b"\x66\x02\x01",
        b"\x66\x09\0\0\0\0\0\0\0\0\0",
        b"\x67",
    ] {
        assert_eq!(
            read(nonsense).err(),
            Some(CloseReason::Malformed),
            "{nonsense:02x?}"
        );
    }
}
