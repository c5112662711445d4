//! Frames of the y-websocket dialect, byte by byte.

use super::*;

fn decoded(frame: &'static [u8]) -> Result<String, CloseReason> {
    let mut messages = Vec::new();
    let frame = Message::Binary(Bytes::from_static(frame));
    let result = decode(&frame, &Limits::default(), &mut messages);
    let name = |message: &ClientMessage| match message {
        ClientMessage::SyncStep1(vector) => format!("step1 {}", vector.iter().len()),
        ClientMessage::SyncStep2(update) => format!("step2 {}", update.bytes.len()),
        ClientMessage::Update(update) => format!("update {}", update.bytes.len()),
        ClientMessage::Awareness(entries) => format!("awareness {}", entries.len()),
        ClientMessage::QueryAwareness => "query".into(),
        ClientMessage::Probe(_) => "probe".into(),
        ClientMessage::Frame(_) => "frame".into(),
    };
    let names: Vec<_> = messages.iter().map(name).collect();
    result.map(|()| names.join(", "))
}

#[test]
fn what_peers_send_is_read() {
    let cases: [(&[u8], &str); 9] = [
        (b"\x00\x00\x01\x00", "step1 0"),
        (b"\x00\x00\x03\x01\x01\x02", "step1 1"),
        (b"\x00\x01\x02\x00\x00", "step2 2"),
        (
            b"\x00\x02\x0c\x01\x01\x01\x00\x04\x01\x01t\x02Hi\x00",
            "update 12",
        ),
        (b"\x01\x01\x00", "awareness 0"),
        (b"\x01\x06\x01\x01\x00\x02{}", "awareness 1"),
        (b"\x03", "query"),
        // y-sweet's client answers the question with its own type and a body.
        (b"\x03\x06\x01\x01\x00\x02{}", "awareness 1"),
        (
            b"\x00\x00\x01\x00\x01\x01\x00\x00\x01\x02\x00\x00",
            "step1 0, awareness 0, step2 2",
        ),
    ];
    for (frame, expected) in cases {
        assert_eq!(decoded(frame).as_deref(), Ok(expected), "{frame:02x?}");
    }
}

#[test]
fn what_no_peer_sends_is_malformed() {
    let cases: [&[u8]; 12] = [
        b"",
        b"\x00",
        b"\x00\x00",
        b"\x00\x00\x02\x00",
        b"\x00\x00\x01\x01",
        b"\x00\x03\x01\x00",
        b"\x00\x02\x01\x00",
        b"\x01",
        b"\x02\x00\x00",
        b"\x04",
        b"\x66\x01\x00",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for frame in cases {
        assert_eq!(decoded(frame), Err(CloseReason::Malformed), "{frame:02x?}");
    }
    let text = Message::from("hello");
    let read = decode(&text, &Limits::default(), &mut Vec::new());
    assert_eq!(read, Err(CloseReason::Malformed));
}

#[test]
fn a_frame_has_a_largest_size() {
    let limits = Limits {
        yjs_frame_bytes_max: 4,
        ..Limits::default()
    };
    let read = |frame: &'static [u8]| {
        let frame = Message::Binary(Bytes::from_static(frame));
        decode(&frame, &limits, &mut Vec::new())
    };
    assert_eq!(read(b"\x00\x00\x01\x00"), Ok(()));
    assert_eq!(read(b"\x00\x01\x02\x00\x00"), Err(CloseReason::TooLarge));
}

#[test]
fn what_came_before_nonsense_is_kept() {
    let mut messages = Vec::new();
    let frame = Message::Binary(Bytes::from_static(b"\x00\x00\x01\x00\x04"));
    let read = decode(&frame, &Limits::default(), &mut messages);
    assert_eq!((read, messages.len()), (Err(CloseReason::Malformed), 1));
}

#[test]
fn what_we_send() {
    let document = String::new;
    let yjs = |message| ServerMessage::Yjs(document(), message);
    let bytes = Bytes::from_static;
    let refuse = greenroom_service::Refuse::new("read_only", "no");
    let cases: [(ServerMessage, &[u8]); 5] = [
        (
            yjs(YjsMessage::SyncStep1(bytes(b"\x00"))),
            b"\x82\x04\x00\x00\x01\x00",
        ),
        (
            yjs(YjsMessage::SyncStep2(bytes(b"\x00\x00"))),
            b"\x82\x05\x00\x01\x02\x00\x00",
        ),
        (
            yjs(YjsMessage::Update(bytes(b"\x00\x00"))),
            b"\x82\x05\x00\x02\x02\x00\x00",
        ),
        (
            yjs(YjsMessage::Awareness(bytes(b"\x00"))),
            b"\x82\x03\x01\x01\x00",
        ),
        (
            ServerMessage::Refused(refuse),
            b"\x82\x10\x02\x00\x0dread_only: no",
        ),
    ];
    for (message, expected) in cases {
        let frame = encode(&message).expect("this dialect carries it");
        assert_eq!(&frame[..], expected, "{message:?}");
    }
    assert_eq!(encode(&ServerMessage::Frame("raw".into())), None);
    assert_eq!(&keep_alive()[..], b"\x82\x03\x01\x01\x00");
}
