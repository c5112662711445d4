//! The decoder: every rule of RFC 6455 at every split, random sequences, broken bytes. What two
//! implementations agree on is in `tests/it/codec.rs`.

mod deflate;
mod handshake;
mod random;

use bytes::Bytes;
use greenroom_core::protocol::websocket::Opcode;
use greenroom_service::Text;

use super::{CodecError, CodecLimits, Decoder, Item};

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

const LIMITS: CodecLimits = CodecLimits {
    message_bytes_max: 100_000,
    frame_bytes_max: 80_000,
    fragments_max: 8,
};

/// A frame as a peer sends it; `first` is its first byte.
fn peer_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = peer_header(first, payload.len());
    let mask = [0x5a, 0, 0xff, payload.len() as u8];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    frame
}

/// Its header, without the mask.
fn peer_header(first: u8, length: usize) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..=125 => header.push(0x80 | length as u8),
        126..=0xffff => {
            header.push(0x80 | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header
}

fn text(text: &str) -> Item {
    Item::Text(Text::from_utf8(Bytes::copy_from_slice(text.as_bytes())).unwrap())
}

fn binary(bytes: &[u8]) -> Item {
    Item::Binary(Bytes::copy_from_slice(bytes))
}

type Decoded = (Vec<Item>, Option<CodecError>);

/// Decodes the portions one by one; an error must stay.
fn decode<'a>(portions: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    decode_with(Decoder::new(LIMITS), portions)
}

fn decode_with<'a>(mut decoder: Decoder, portions: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut out = Vec::new();
    let mut failed = None;
    for portion in portions {
        let result = decoder.feed(&mut portion.to_vec(), &mut out);
        if let Some(error) = failed {
            assert_eq!(result, Err(error));
        }
        failed = result.err();
        assert!(failed.is_none() || decoder.kept_bytes() == 0);
    }
    (out, failed)
}

/// Expects this of the stream when it comes whole, split in two at every byte (within a large
/// payload at every hundredth part), byte by byte and in portions of 7.
fn check(stream: &[u8], items: &[Item], failed: Option<CodecError>) {
    check_with(|| Decoder::new(LIMITS), stream, items, failed);
}

fn check_with(
    decoder: impl Fn() -> Decoder,
    stream: &[u8],
    items: &[Item],
    failed: Option<CodecError>,
) {
    let expected = (items.to_vec(), failed);
    assert_eq!(decode_with(decoder(), [stream]), expected, "whole");
    let edge = stream.len().min(300);
    let middle = (edge..stream.len()).step_by(1 + stream.len() / 100);
    for at in (0..edge)
        .chain(middle)
        .chain(stream.len() - edge / 10..=stream.len())
    {
        let (before, behind) = stream.split_at(at);
        let decoded = decode_with(decoder(), [before, behind]);
        assert_eq!(decoded, expected, "split at {at}");
    }
    let decoded = decode_with(decoder(), stream.chunks(1));
    assert_eq!(decoded, expected, "byte by byte");
    let decoded = decode_with(decoder(), stream.chunks(7));
    assert_eq!(decoded, expected, "in sevens");
}

#[test]
fn messages_of_every_length_form() {
    for length in [0, 1, 3, 4, 7, 8, 9, 124, 125, 126, 127, 0xffff, 0x1_0000] {
        let payload = vec![b'x'; length];
        let string = String::from_utf8(payload.clone()).unwrap();
        check(
            &peer_frame(FIN | BINARY, &payload),
            &[binary(&payload)],
            None,
        );
        check(&peer_frame(FIN | TEXT, &payload), &[text(&string)], None);
    }
}

#[test]
fn several_frames_at_once() {
    let stream = [
        peer_frame(FIN | TEXT, b"one"),
        peer_frame(FIN | PING, b"two"),
        peer_frame(FIN | BINARY, b""),
        peer_frame(FIN | PONG, b""),
        peer_frame(FIN | TEXT, "drei, \u{fc}ber".as_bytes()),
    ];
    let items = [
        text("one"),
        Item::Ping(Bytes::from_static(b"two")),
        binary(b""),
        Item::Pong(Bytes::new()),
        text("drei, \u{fc}ber"),
    ];
    check(&stream.concat(), &items, None);
}

#[test]
fn fragments_with_control_frames_between() {
    let stream = [
        peer_frame(TEXT, b"He"),
        peer_frame(FIN | PING, b"?"),
        peer_frame(0, b""),
        peer_frame(0, b"l"),
        peer_frame(FIN | PONG, &[7; 125]),
        peer_frame(FIN, b"lo"),
        peer_frame(BINARY, b""),
        peer_frame(FIN, b""),
        peer_frame(BINARY, b""),
        peer_frame(FIN, b"\xff"),
    ];
    let items = [
        Item::Ping(Bytes::from_static(b"?")),
        Item::Pong(Bytes::from_static(&[7; 125])),
        text("Hello"),
        binary(b""),
        binary(b"\xff"),
    ];
    check(&stream.concat(), &items, None);
}

#[test]
fn fragments_follow_each_other() {
    let nothing = CodecError::ContinuationOfNothing;
    let within = CodecError::MessageWithinMessage;
    check(&peer_frame(FIN, b"x"), &[], Some(nothing));
    check(&peer_frame(0, b"x"), &[], Some(nothing));
    let after = [
        peer_frame(TEXT, b"a"),
        peer_frame(FIN, b"b"),
        peer_frame(FIN, b""),
    ];
    check(&after.concat(), &[text("ab")], Some(nothing));
    for first in [TEXT, FIN | TEXT, BINARY, FIN | BINARY] {
        let begun = [peer_frame(TEXT, b"a"), peer_frame(first, b"b")];
        check(&begun.concat(), &[], Some(within));
        let begun = [peer_frame(BINARY, b""), peer_frame(first, b"b")];
        check(&begun.concat(), &[], Some(within));
    }
}

#[test]
fn reserved_bits_and_opcodes() {
    for bit in [0x40, 0x20, 0x10, 0x70] {
        for opcode in [TEXT, BINARY, CLOSE, PING] {
            let frame = peer_frame(FIN | bit | opcode, b"x");
            check(&frame, &[], Some(CodecError::ReservedBit));
        }
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        assert_eq!(Opcode::from_bits(opcode), None);
        let stream = [
            peer_frame(FIN | TEXT, b"ok"),
            peer_frame(FIN | opcode, b"x"),
        ];
        check(
            &stream.concat(),
            &[text("ok")],
            Some(CodecError::ReservedOpcode),
        );
        check(
            &peer_frame(opcode, b""),
            &[],
            Some(CodecError::ReservedOpcode),
        );
    }
}

#[test]
fn what_is_wrong_with_a_header_shows_with_its_byte() {
    assert_eq!(decode([&[0xc1][..]]).1, Some(CodecError::ReservedBit));
    assert_eq!(decode([&[0x83][..]]).1, Some(CodecError::ReservedOpcode));
    assert_eq!(decode([&[0x09][..]]).1, Some(CodecError::ControlFragmented));
    assert_eq!(decode([&[0x81, 0x05][..]]).1, Some(CodecError::Unmasked));
    assert_eq!(
        decode([&[0x89, 0xfe][..]]).1,
        Some(CodecError::ControlTooLong)
    );
}

#[test]
fn frames_are_masked() {
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        for length in [0, 5] {
            let mut frame = vec![FIN | opcode, length];
            frame.extend(vec![b'a'; length.into()]);
            check(&frame, &[], Some(CodecError::Unmasked));
        }
    }
}

#[test]
fn control_frames_are_short_and_whole() {
    for opcode in [CLOSE, PING, PONG] {
        let long = peer_frame(FIN | opcode, &[b'x'; 126]);
        check(&long, &[], Some(CodecError::ControlTooLong));
        let fragment = peer_frame(opcode, b"");
        check(&fragment, &[], Some(CodecError::ControlFragmented));
    }
    let ping = Item::Ping(Bytes::from(vec![b'x'; 125]));
    check(&peer_frame(FIN | PING, &[b'x'; 125]), &[ping], None);
}

#[test]
fn lengths_take_no_more_bytes_than_they_need() {
    let check_length = |length: &[u8], error| {
        let header = [&[FIN | BINARY][..], length, &[0; 4]].concat();
        check(&header, &[], Some(error));
    };
    let not_minimal = CodecError::LengthNotMinimal;
    check_length(&[0xfe, 0, 0], not_minimal);
    check_length(&[0xfe, 0, 125], not_minimal);
    check_length(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0], not_minimal);
    check_length(&[0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], not_minimal);
    check_length(
        &[0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
        CodecError::LengthHighBit,
    );
    check_length(&[0xff; 9], CodecError::LengthHighBit);
}

#[test]
fn text_is_utf8_across_fragments_and_fails_at_the_first_wrong_byte() {
    let character = "\u{10348}".as_bytes();
    for at in 0..=4 {
        let stream = [
            peer_frame(TEXT, &character[..at]),
            peer_frame(FIN | PING, b""),
            peer_frame(FIN, &character[at..]),
        ];
        let items = [Item::Ping(Bytes::new()), text("\u{10348}")];
        check(&stream.concat(), &items, None);
    }
    let wrong = [
        &b"\xc0\x80"[..],
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8",
        b"\x80",
    ];
    for bytes in wrong {
        let payload = [b"good", bytes, b"good"].concat();
        check(
            &peer_frame(FIN | TEXT, &payload),
            &[],
            Some(CodecError::Utf8),
        );
        check(&peer_frame(TEXT, &payload), &[], Some(CodecError::Utf8));
        check(
            &peer_frame(FIN | BINARY, &payload),
            &[binary(&payload)],
            None,
        );
    }
    let mut begun = peer_frame(FIN | TEXT, b"good\xf4\x90 and more");
    begun.truncate(2 + 4 + 6);
    check(&begun, &[], Some(CodecError::Utf8));
    begun.pop();
    check(&begun, &[], None);
    check(
        &peer_frame(FIN | TEXT, b"cut \xe2\x82"),
        &[],
        Some(CodecError::Utf8),
    );
    let cut = [peer_frame(TEXT, b"cut \xe2\x82"), peer_frame(FIN, b"")];
    check(&cut.concat(), &[], Some(CodecError::Utf8));
}

#[test]
fn a_close_carries_a_code_that_may_be_sent_and_utf8() {
    let close = |payload: &[u8]| peer_frame(FIN | CLOSE, payload);
    let with = |code: u16, text: &[u8]| close(&[&code.to_be_bytes(), text].concat());
    check(&close(b""), &[Item::Close(None)], None);
    check(&close(b"\x03"), &[], Some(CodecError::CloseTooShort));
    for code in [
        1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999,
    ] {
        let item = Item::Close(Some((code, "tsch\u{fc}ss".into())));
        check(&with(code, "tsch\u{fc}ss".as_bytes()), &[item], None);
    }
    for code in [
        0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        check(&with(code, b""), &[], Some(CodecError::CloseCode));
    }
    check(&with(1000, b"\xce"), &[], Some(CodecError::Utf8));
    let longest = "x".repeat(123);
    let item = Item::Close(Some((1000, longest.clone())));
    check(&with(1000, longest.as_bytes()), &[item], None);
}

#[test]
fn nothing_is_read_behind_a_close() {
    let stream = [
        peer_frame(TEXT, b"never finished"),
        peer_frame(FIN | CLOSE, b""),
        peer_frame(FIN | TEXT, b"late"),
        vec![0xff; 20],
    ];
    check(&stream.concat(), &[Item::Close(None)], None);
}

#[test]
fn limits_are_judged_by_the_claim() {
    let at_limit = vec![1; LIMITS.frame_bytes_max];
    assert_eq!(
        decode([&*peer_frame(FIN | BINARY, &at_limit)]),
        (vec![binary(&at_limit)], None)
    );
    let claim = |first, length| [peer_header(first, length), vec![0; 4]].concat();
    let frame = claim(FIN | BINARY, LIMITS.frame_bytes_max + 1);
    check(&frame, &[], Some(CodecError::FrameTooLarge));
    let huge = claim(BINARY, i64::MAX as usize);
    check(&huge, &[], Some(CodecError::FrameTooLarge));
    let half = vec![2; LIMITS.message_bytes_max / 2];
    let rest = LIMITS.message_bytes_max - half.len();
    let fits = [peer_frame(BINARY, &half), peer_frame(FIN, &half[..rest])].concat();
    assert_eq!(decode([&*fits]).1, None);
    let over = [peer_frame(BINARY, &half), claim(FIN, rest + 1)].concat();
    assert_eq!(
        decode([&*over]),
        (vec![], Some(CodecError::MessageTooLarge))
    );
}

#[test]
fn fragments_are_counted_per_message() {
    let fragments = |count: usize| {
        let middle = peer_frame(0, b"").repeat(count - 2);
        [peer_frame(TEXT, b"a"), middle, peer_frame(FIN, b"z")].concat()
    };
    let allowed = fragments(LIMITS.fragments_max);
    check(&allowed.repeat(2), &[text("az"), text("az")], None);
    let more = fragments(LIMITS.fragments_max + 1);
    check(&more, &[], Some(CodecError::TooManyFragments));
}

#[test]
fn memory_follows_what_came_not_what_was_claimed() {
    let mut decoder = Decoder::new(CodecLimits {
        message_bytes_max: 200 << 20,
        frame_bytes_max: 200 << 20,
        fragments_max: 2,
    });
    let mut out = Vec::new();
    let mut feed = |decoder: &mut Decoder, mut bytes: Vec<u8>| {
        decoder.feed(&mut bytes, &mut out).unwrap();
        decoder.kept_bytes()
    };
    let claim = [peer_header(FIN | BINARY, 100 << 20), vec![0; 4]].concat();
    assert_eq!(feed(&mut decoder, claim), 0);
    let mut came = 0;
    while came < 1 << 20 {
        came += 1_000;
        let kept = feed(&mut decoder, vec![0; 1_000]);
        assert!(
            (came..=2 * came).contains(&kept),
            "{came} came, {kept} are kept"
        );
    }
}

#[test]
fn an_idle_decoder_keeps_nothing() {
    let mut decoder = Decoder::new(LIMITS);
    assert_eq!(decoder.kept_bytes(), 0);
    let mut out = Vec::new();
    for frame in [
        peer_frame(FIN | TEXT, &[b'a'; 5_000]),
        peer_frame(FIN | PING, &[b'a'; 99]),
    ] {
        for byte in frame {
            decoder.feed(&mut [byte], &mut out).unwrap();
        }
        assert_eq!(decoder.kept_bytes(), 0);
    }
    assert_eq!(out.len(), 2);
    assert!(size_of::<Decoder>() <= 192, "{}", size_of::<Decoder>());
}

#[test]
fn errors_have_the_codes_of_the_rfc() {
    let codes = [
        (CodecError::ReservedBit, 1002),
        (CodecError::Unmasked, 1002),
        (CodecError::CloseCode, 1002),
        (CodecError::Utf8, 1007),
        (CodecError::Deflate, 1007),
        (CodecError::FrameTooLarge, 1009),
        (CodecError::MessageTooLarge, 1009),
        (CodecError::TooManyFragments, 1009),
    ];
    for (error, code) in codes {
        assert_eq!(error.close_code(), code, "{error}");
    }
}
