//! Frames of the Hocuspocus dialect, byte by byte, and the table of its sessions.

use std::sync::Arc;

use greenroom_service::{Refuse, SessionId};
use proptest::prelude::*;

use super::sessions::{Sessions, Step};
use super::*;

fn binary(bytes: &[u8]) -> Message {
    Message::Binary(Bytes::copy_from_slice(bytes))
}

/// A frame of the document `doc`.
fn of_doc(body: &[u8]) -> Message {
    binary(&[b"\x03doc", body].concat())
}

fn named(said: Result<Said, CloseReason>) -> String {
    match said {
        Err(reason) => reason.name().into(),
        Ok(Said::Close) => "close".into(),
        Ok(Said::Token { token, knows_pings }) => format!("token {token:?} {knows_pings}"),
        Ok(Said::Message(message)) => match message {
            ClientMessage::SyncStep1(vector) => format!("step1 {}", vector.iter().len()),
            ClientMessage::SyncStep2(update) => format!("step2 {}", update.bytes.len()),
            ClientMessage::Update(update) => format!("update {}", update.bytes.len()),
            ClientMessage::Awareness(entries) => format!("awareness {}", entries.len()),
            ClientMessage::QueryAwareness => "query".into(),
            ClientMessage::Probe(_) => "probe".into(),
            ClientMessage::Frame(message) => format!("stateless {:?}", message.as_text()),
        },
    }
}

#[test]
fn what_peers_send_is_read() {
    let cases: [(&[u8], &str); 12] = [
        (b"\x02\x00\x03tok\x054.8.0", r#"token "tok" true"#),
        (b"\x02\x00\x03tok", r#"token "tok" false"#),
        (b"\x02\x00\x00", r#"token "" false"#),
        (b"\x00\x00\x01\x00", "step1 0"),
        (b"\x01\x06\x01\x01\x00\x02{}", "awareness 1"),
        (b"\x00\x01\x02\x00\x00", "step2 2"),
        (
            b"\x00\x02\x0c\x01\x01\x01\x00\x04\x01\x01t\x02Hi\x00",
            "update 12",
        ),
        (b"\x03", "query"),
        (b"\x05\x05ping!", r#"stateless Some("ping!")"#),
        (b"\x07", "close"),
        // What only servers say to one another.
        (b"\x06\x05ping!", "malformed"),
        (b"\x04\x00\x01\x00", "malformed"),
    ];
    for (body, expected) in cases {
        let frame = of_doc(body);
        let Opened::Addressed { address, body } =
            open(&frame, &Limits::default()).expect("it has an address")
        else {
            panic!("{frame:?} is about a session");
        };
        assert_eq!(address, "doc");
        assert_eq!(
            named(decode(&body, &Limits::default())),
            expected,
            "{body:02x?}"
        );
    }
}

#[test]
fn what_no_peer_sends_is_malformed() {
    let limits = Limits::default();
    let bodies: [&[u8]; 10] = [
        b"\x00",
        b"\x00\x03\x01\x00",
        b"\x00\x02\x01\x00",
        b"\x00\x00\x01\x00\x00",
        b"\x02\x01\x00",
        b"\x02\x00\x09tok",
        b"\x05\x02\xff\xfe",
        b"\x07\x00",
        b"\x08\x01",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for body in bodies {
        let said = decode(&Bytes::copy_from_slice(body), &limits);
        assert_eq!(named(said), "malformed", "{body:02x?}");
    }
    let long = [&[0xff, 2][..], &[b'a'; 0x17f], &[3]].concat();
    let frames: [&[u8]; 6] = [b"", b"\xff\xff\xff", b"\x03do", b"\x03doc", b"\x0b", &long];
    for frame in frames {
        assert_eq!(open(&binary(frame), &limits), Err(CloseReason::Malformed));
    }
    assert_eq!(
        open(&Message::from("doc"), &limits),
        Err(CloseReason::Malformed)
    );
    assert_eq!(open(&binary(b"\x0a"), &limits), Ok(Opened::Pong));
    let large = Message::Binary(vec![1; limits.yjs_frame_bytes_max + 1].into());
    assert_eq!(open(&large, &limits), Err(CloseReason::TooLarge));
}

#[test]
fn what_we_send() {
    let yjs = |message| ServerMessage::Yjs(String::new(), message);
    let bytes = Bytes::from_static;
    let cases: [(ServerMessage, &[u8]); 9] = [
        (ServerMessage::LetIn(Rights::ALL), b"\x02\x02\x0aread-write"),
        (ServerMessage::LetIn(Rights::READ), b"\x02\x02\x08readonly"),
        (
            yjs(YjsMessage::SyncStep1(bytes(b"\x00"))),
            b"\x00\x00\x01\x00",
        ),
        (
            yjs(YjsMessage::SyncStep2(bytes(b"\x00\x00"))),
            b"\x00\x01\x02\x00\x00",
        ),
        (
            yjs(YjsMessage::Update(bytes(b"\x00\x00"))),
            b"\x00\x02\x02\x00\x00",
        ),
        (yjs(YjsMessage::Awareness(bytes(b"\x00"))), b"\x01\x01\x00"),
        (ServerMessage::Saved, b"\x08\x01"),
        (
            ServerMessage::Refused(Refuse::new("read_only", "no")),
            b"\x08\x00",
        ),
        (ServerMessage::Frame("ping!".into()), b"\x05\x05ping!"),
    ];
    for (message, body) in cases {
        // The very same address comes back, whatever stands behind the name.
        for address in ["doc", "doc\0wdkzfmo1tjd"] {
            let frame = encode(address, &message).expect("this dialect carries it");
            let payload = [&[address.len() as u8], address.as_bytes(), body].concat();
            assert_eq!(frame, super::frame(Opcode::Binary, &payload), "{message:?}");
        }
    }
    assert_eq!(
        encode("doc", &ServerMessage::Frame(bytes(b"raw").into())),
        None
    );
    assert_eq!(&ask_token("doc")[..], b"\x82\x06\x03doc\x02\x00");
    assert_eq!(
        &permission_denied("doc", "nope")[..],
        b"\x82\x0b\x03doc\x02\x01\x04nope"
    );
    assert_eq!(&close("doc", "bye")[..], b"\x82\x09\x03doc\x07\x03bye");
    assert_eq!(&keep_alive("doc")[..], b"\x82\x07\x03doc\x01\x01\x00");
    assert_eq!(&ping()[..], b"\x82\x01\x09");
}

/// Sends a token of a document; gives the try.
fn knock(table: &mut Sessions, limits: &Limits) -> (Arc<str>, sessions::Attempt) {
    match table.receive(&of_doc(b"\x02\x00\x03tok\x054.8.0"), limits) {
        Ok(Some(Step::Judge {
            address, attempt, ..
        })) => (address, attempt),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_comes_before_the_verdict_waits_for_it() {
    let (mut table, limits) = (Sessions::default(), Limits::default());
    // A provider whose token takes a while has edits before it.
    let update = b"\x00\x02\x0c\x01\x01\x01\x00\x04\x01\x01t\x02Hi\x00";
    assert!(matches!(table.receive(&of_doc(update), &limits), Ok(None)));
    let (address, attempt) = knock(&mut table, &limits);
    assert!(table.knows_pings());
    assert!(matches!(
        table.receive(&of_doc(b"\x00\x00\x01\x00"), &limits),
        Ok(None)
    ));
    assert_eq!(table.waits(), (1, 2, update.len() + 4));
    let said = table.let_in(&address, attempt, SessionId(7), &limits);
    let said = said.expect("it waits");
    assert!(matches!(
        said[..],
        [
            Step::Hear(SessionId(7), ClientMessage::Update(_)),
            Step::Hear(SessionId(7), ClientMessage::SyncStep1(_))
        ]
    ));
    assert_eq!(table.waits(), (0, 0, 0));
    // The same verdict does not count twice.
    assert!(
        table
            .let_in(&address, attempt, SessionId(8), &limits)
            .is_none()
    );
    let token = table.receive(&of_doc(b"\x02\x00\x03new"), &limits);
    assert!(matches!(token, Ok(Some(Step::Renew(SessionId(7), token))) if token == "new"));
    let left = table.receive(&of_doc(b"\x07"), &limits);
    assert!(matches!(left, Ok(Some(Step::Leave(SessionId(7))))));
}

#[test]
fn who_is_denied_may_show_another_token_and_goes_on() {
    let (mut table, limits) = (Sessions::default(), Limits::default());
    let (address, attempt) = knock(&mut table, &limits);
    assert!(matches!(
        table.receive(&of_doc(b"\x00\x00\x01\x00"), &limits),
        Ok(None)
    ));
    let denied = table.deny(&address, attempt, "no".into(), &limits);
    assert!(matches!(denied, Some(Step::Deny(_, why)) if why == "no"));
    let (_, second) = knock(&mut table, &limits);
    // One that came meanwhile is judged when the one before was no good.
    assert!(matches!(
        table.receive(&of_doc(b"\x02\x00\x05third"), &limits),
        Ok(None)
    ));
    let third = table.deny(&address, second, "no".into(), &limits);
    let Some(Step::Judge {
        attempt: third,
        token,
        ..
    }) = third
    else {
        panic!("{third:?}");
    };
    assert_eq!(token, "third");
    let said = table.let_in(&address, third, SessionId(1), &limits);
    assert_eq!(said.expect("it waits").len(), 1);
    // Ended by us, it is heard no more without a token.
    table.ended(&address);
    assert!(matches!(
        table.receive(&of_doc(b"\x00\x00\x01\x00"), &limits),
        Ok(None)
    ));
    assert_eq!(table.waits(), (0, 0, 0));
    knock(&mut table, &limits);
}

#[test]
fn a_fault_is_laid_to_one_session() {
    let (mut table, limits) = (Sessions::default(), Limits::default());
    let (address, attempt) = knock(&mut table, &limits);
    table.let_in(&address, attempt, SessionId(1), &limits);
    let fault = table.receive(&of_doc(b"\x00\x02\x01\x07"), &limits);
    assert!(matches!(
        fault,
        Ok(Some(Step::Fault(SessionId(1), CloseReason::Malformed)))
    ));
    for name in [&b"\x00"[..], b"\x02  ", b"\x02a\n"] {
        let frame = binary(&[name, b"\x02\x00\x00"].concat());
        let denied = table.receive(&frame, &limits);
        assert!(matches!(denied, Ok(Some(Step::Deny(_, why))) if why.starts_with("room_name")));
    }
}

#[test]
fn what_waits_is_bounded_and_more_closes_the_connection() {
    let limits = Limits {
        hocuspocus_pending_max: 2,
        hocuspocus_queue_messages_max: 3,
        hocuspocus_queue_bytes_max: 100,
        hocuspocus_sessions_max: 3,
        ..Limits::default()
    };
    let step1 = of_doc(b"\x00\x00\x01\x00");
    let mut table = Sessions::default();
    for _ in 0..3 {
        assert!(matches!(table.receive(&step1, &limits), Ok(None)));
    }
    assert_eq!(
        table.receive(&step1, &limits).err(),
        Some(CloseReason::Overrun)
    );

    let mut table = Sessions::default();
    let large = of_doc(&[5; 101]);
    assert_eq!(
        table.receive(&large, &limits).err(),
        Some(CloseReason::Overrun)
    );

    let mut table = Sessions::default();
    let token = |name: &str| binary(&[&[1][..], name.as_bytes(), b"\x02\x00\x00"].concat());
    for name in ["a", "b"] {
        assert!(matches!(
            table.receive(&token(name), &limits),
            Ok(Some(Step::Judge { .. }))
        ));
    }
    assert_eq!(
        table.receive(&token("c"), &limits).err(),
        Some(CloseReason::Overrun)
    );

    // Those who were denied make place.
    let mut table = Sessions::default();
    let (address, attempt) = knock(&mut table, &limits);
    for _ in 0..3 {
        assert!(matches!(table.receive(&step1, &limits), Ok(None)));
    }
    table.deny(&address, attempt, "no".into(), &limits);
    let other = binary(b"\x01x\x00\x00\x01\x00");
    assert!(matches!(table.receive(&other, &limits), Ok(None)));
    assert_eq!(table.waits(), (1, 1, 4));
    // Ended and denied ones go before a session is told that there are too many.
    for name in ["p", "q"] {
        let Ok(Some(Step::Judge {
            address, attempt, ..
        })) = table.receive(&token(name), &limits)
        else {
            panic!("{name} is judged");
        };
        table.let_in(&address, attempt, SessionId(1), &limits);
    }
    let full = table.receive(&token("r"), &limits);
    assert!(matches!(full, Ok(Some(Step::Deny(_, why))) if why.starts_with("sessions_full")));
}

proptest! {
    /// Whatever comes, the counts are those of what waits, and within the limits.
    #[test]
    fn what_waits_is_counted(
        events in prop::collection::vec((0_u8..4, 0_u8..9, any::<bool>()), 0..200),
    ) {
        let limits = Limits {
            hocuspocus_pending_max: 2,
            hocuspocus_queue_messages_max: 5,
            hocuspocus_queue_bytes_max: 40,
            hocuspocus_sessions_max: 3,
            ..Limits::default()
        };
        let mut table = Sessions::default();
        let mut judged = Vec::new();
        let bodies: [&[u8]; 7] = [
            b"\x02\x00\x03tok", b"\x00\x00\x01\x00", b"\x07", b"\x01\x01\x00",
            b"\x02\x00\x99", b"\x00\x07", b"\x05\x05ping!",
        ];
        for (name, what, good) in events {
            let step = if let Some(body) = bodies.get(usize::from(what)) {
                let frame = binary(&[&[1, b'a' + name], *body].concat());
                match table.receive(&frame, &limits) {
                    Ok(step) => step,
                    Err(reason) => {
                        prop_assert_eq!(reason, CloseReason::Overrun);
                        return Ok(());
                    }
                }
            } else if judged.is_empty() {
                None
            } else {
                let (address, attempt) = judged.remove(usize::from(name) % judged.len());
                if good {
                    table.let_in(&address, attempt, SessionId(name.into()), &limits);
                    None
                } else {
                    table.deny(&address, attempt, "no".into(), &limits)
                }
            };
            if let Some(Step::Judge { address, attempt, .. }) = step {
                judged.push((address, attempt));
            }
            let (waiting, queued, bytes) = table.waits();
            prop_assert!(waiting <= 2 && queued <= 5 && bytes <= 40);
            prop_assert!(waiting > 0 || (queued, bytes) == (0, 0));
        }
    }

    /// What we write is read as it was, whoever it is addressed to.
    #[test]
    fn addresses_come_back(name in "[a-z/é]{1,40}", word in prop::option::of("[a-z0-9]{0,12}")) {
        let address = word.as_ref().map_or(name.clone(), |word| format!("{name}\0{word}"));
        prop_assert_eq!(parts_of(&address), (name.as_str(), word.as_deref()));
        let frame = encode(&address, &ServerMessage::Frame("hi".into())).expect("carried");
        let (_, payload, _) = super::super::websocket::read_server_frame(&frame).expect("whole");
        let received = binary(payload);
        let Ok(Opened::Addressed { address: read, body }) = open(&received, &Limits::default())
        else {
            panic!("it has an address");
        };
        prop_assert_eq!(read, address.as_str());
        prop_assert_eq!(named(decode(&body, &Limits::default())), r#"stateless Some("hi")"#);
    }
}
