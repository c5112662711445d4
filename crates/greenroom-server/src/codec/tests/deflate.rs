//! permessage-deflate: the examples of RFC 7692, what is agreed on, bounds, and both directions
//! against plain DEFLATE streams.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
use proptest::prelude::*;

use super::{
    BINARY, CLOSE, FIN, LIMITS, PING, PONG, TEXT, binary, check_with, decode, decode_with,
    peer_frame, peer_header, text,
};
use crate::codec::{CodecError, Decoder, Item, deflate, negotiate};

const RSV1: u8 = 0x40;
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// "Hello" as RFC 7692, section 7.2.3.1, has it.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn check(stream: &[u8], items: &[Item], failed: Option<CodecError>) {
    check_with(|| Decoder::inflating(LIMITS), stream, items, failed);
}

/// A whole compressed message of these bytes.
fn compressed(first: u8, payload: &[u8]) -> Vec<u8> {
    peer_frame(FIN | RSV1 | first, payload)
}

/// What a peer may make of `payload`: level, flush and final block as it likes.
fn peer_deflate(payload: &[u8], level: u32, ends: Ends) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(level), false);
    let mut deflated = Vec::with_capacity(payload.len() + payload.len() / 8 + 100);
    let mut put = |bytes: &[u8], flush| {
        compress.compress_vec(bytes, &mut deflated, flush).unwrap();
    };
    match ends {
        Ends::Flushed => put(payload, FlushCompress::Sync),
        Ends::FlushedTwice => {
            let (before, behind) = payload.split_at(payload.len() / 2);
            put(before, FlushCompress::Sync);
            put(behind, FlushCompress::Sync);
        }
        Ends::Final | Ends::FinalWithoutZero => put(payload, FlushCompress::Finish),
    }
    match ends {
        Ends::Final => deflated.push(0),
        Ends::FinalWithoutZero => {}
        Ends::Flushed | Ends::FlushedTwice => {
            let bytes = deflated.strip_suffix(&TAIL).unwrap().len();
            deflated.truncate(bytes);
        }
    }
    deflated
}

/// How a peer ends a message.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Flushed,
    FlushedTwice,
    Final,
    FinalWithoutZero,
}

#[test]
fn the_examples_of_the_rfc() {
    let hello = |payload: &[u8]| check(&compressed(TEXT, payload), &[text("Hello")], None);
    hello(&HELLO);
    // 7.2.3.3, without compression; 7.2.3.4, a final block; 7.2.3.5, two blocks.
    hello(b"\x00\x05\x00\xfa\xffHello\x00");
    hello(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]);
    hello(&[
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
    ]);
    // 7.2.3.1, in two frames; 7.2.3.6, an empty message.
    let fragments = [
        peer_frame(RSV1 | TEXT, &HELLO[..3]),
        peer_frame(FIN, &HELLO[3..]),
    ];
    check(&fragments.concat(), &[text("Hello")], None);
    check(&compressed(TEXT, &[0]), &[text("")], None);
    check(&compressed(BINARY, b""), &[binary(b"")], None);
}

#[test]
fn a_message_knows_nothing_of_the_one_before() {
    // 7.2.3.2: the second "Hello" is a reference into the first.
    let stream = [
        compressed(TEXT, &HELLO),
        compressed(TEXT, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
    ];
    check(
        &stream.concat(),
        &[text("Hello")],
        Some(CodecError::Deflate),
    );
}

#[test]
fn compressed_and_other_messages_mix() {
    let stream = [
        peer_frame(FIN | TEXT, b"plain"),
        peer_frame(RSV1 | BINARY, &HELLO[..1]),
        peer_frame(FIN | PING, b"?"),
        peer_frame(0, b""),
        peer_frame(0, &HELLO[1..6]),
        peer_frame(FIN | PONG, b""),
        peer_frame(FIN, &HELLO[6..]),
        peer_frame(BINARY, b"pl"),
        peer_frame(FIN, b"ain"),
        peer_frame(FIN | CLOSE, b""),
    ];
    let items = [
        text("plain"),
        Item::Ping(Bytes::from_static(b"?")),
        Item::Pong(Bytes::new()),
        binary(b"Hello"),
        binary(b"plain"),
        Item::Close(None),
    ];
    check(&stream.concat(), &items, None);
}

#[test]
fn the_bit_stands_where_a_message_begins_and_nowhere_else() {
    let reserved = Some(CodecError::ReservedBit);
    for opcode in [CLOSE, PING, PONG] {
        check(&compressed(opcode, b""), &[], reserved);
    }
    for first in [RSV1, FIN | RSV1] {
        let stream = [
            peer_frame(RSV1 | TEXT, &HELLO[..3]),
            peer_frame(first, &HELLO[3..]),
        ];
        check(&stream.concat(), &[], reserved);
        check(&peer_frame(first, b"x"), &[], reserved);
    }
    for bits in [0x20, 0x10, 0x60, 0x50] {
        check(&peer_frame(FIN | bits | TEXT, &HELLO), &[], reserved);
    }
    assert_eq!(decode([&*compressed(TEXT, &HELLO)]), (vec![], reserved));
}

#[test]
fn inflated_text_is_utf8() {
    let deflated = peer_deflate(b"good \xff", 6, Ends::Flushed);
    check(&compressed(TEXT, &deflated), &[], Some(CodecError::Utf8));
    check(
        &compressed(BINARY, &deflated),
        &[binary(b"good \xff")],
        None,
    );
    let deflated = peer_deflate("gr\u{fc}n".as_bytes(), 6, Ends::Flushed);
    check(&compressed(TEXT, &deflated), &[text("gr\u{fc}n")], None);
}

#[test]
fn what_is_no_deflate_data_is_said() {
    let failed = Some(CodecError::Deflate);
    for payload in [
        &b"\x07"[..],
        b"\xff\xff",
        b"\x00\x05\x00\x05\x00Hello",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x07",
    ] {
        check(&compressed(BINARY, payload), &[], failed);
    }
    // Empty final blocks: each is a stream of its own.
    let streams = |count: usize| compressed(BINARY, &[3, 0].repeat(count));
    assert_eq!(
        decode_with(Decoder::inflating(LIMITS), [&*streams(1_000)]),
        (vec![binary(b"")], None)
    );
    assert_eq!(
        decode_with(Decoder::inflating(LIMITS), [&*streams(1_030)]),
        (vec![], failed)
    );
}

#[test]
fn what_comes_out_is_bounded() {
    let bytes_max = LIMITS.message_bytes_max;
    let zeros = |count: usize| compressed(BINARY, &peer_deflate(&vec![0; count], 9, Ends::Flushed));
    let decode = |stream: &[u8]| decode_with(Decoder::inflating(LIMITS), [stream]);
    for count in [16_383, 16_384, 16_385, 32_768, bytes_max - 1, bytes_max] {
        assert_eq!(
            decode(&zeros(count)),
            (vec![binary(&vec![0; count])], None),
            "{count}"
        );
    }
    let too_large = (vec![], Some(CodecError::MessageTooLarge));
    for count in [bytes_max + 1, 2 * bytes_max, 5_000_000] {
        assert_eq!(decode(&zeros(count)), too_large, "{count}");
    }
    // The limit may lie below what is inflated at a time.
    let small = crate::codec::CodecLimits {
        message_bytes_max: 100,
        ..LIMITS
    };
    let decode = |stream: &[u8]| decode_with(Decoder::inflating(small), [stream]);
    assert_eq!(decode(&zeros(100)), (vec![binary(&[0; 100])], None));
    assert_eq!(decode(&zeros(101)), too_large);
    // Compressed bytes count as well, by the claim.
    let claim = [peer_header(FIN | RSV1 | BINARY, 101), vec![0; 4]].concat();
    assert_eq!(decode(&claim), too_large);
}

/// A final block may fill what is inflated at a time, and end only with what is read next.
#[test]
fn a_final_block_may_end_where_the_scratch_does() {
    for count in (16_000..16_800).chain(32_600..32_900) {
        let payload = vec![11; count];
        for (level, ends) in [1, 6]
            .into_iter()
            .flat_map(|level| [(level, Ends::Final), (level, Ends::FinalWithoutZero)])
        {
            let stream = compressed(BINARY, &peer_deflate(&payload, level, ends));
            let decoded = decode_with(Decoder::inflating(LIMITS), [&*stream]);
            let expected = (vec![binary(&payload)], None);
            assert!(
                decoded == expected,
                "{count} bytes, level {level}, {ends:?}"
            );
        }
    }
}

#[test]
fn nothing_is_kept_between_messages() {
    let mut decoder = Decoder::inflating(LIMITS);
    let mut out = Vec::new();
    let deflated = peer_deflate(&[7; 50_000], 1, Ends::Flushed);
    for byte in compressed(BINARY, &deflated) {
        decoder.feed(&mut [byte], &mut out).unwrap();
    }
    assert_eq!((out, decoder.kept_bytes()), (vec![binary(&[7; 50_000])], 0));
}

fn negotiated(offers: &[&str]) -> Option<String> {
    let line = |offer: &&str| {
        (
            SEC_WEBSOCKET_EXTENSIONS,
            HeaderValue::from_str(offer).unwrap(),
        )
    };
    let headers: HeaderMap = offers.iter().map(line).collect();
    let agreed = negotiate(&headers)?;
    let answer = agreed.answer.to_str().unwrap().to_owned();
    let window = answer.split_once("server_max_window_bits=");
    let largest = window.is_none_or(|(_, bits)| bits == "15");
    assert_eq!(agreed.deflates, largest, "{offers:?}");
    Some(answer)
}

const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[test]
fn offers_that_are_taken_up() {
    for offer in [
        "permessage-deflate",
        "Permessage-Deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate;client_max_window_bits=8",
        "permessage-deflate ; client_max_window_bits = \"15\"",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_max_window_bits=10",
        "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=10, permessage-deflate",
    ] {
        assert_eq!(negotiated(&[offer]).as_deref(), Some(ANSWER), "{offer}");
    }
    let two = negotiated(&["permessage-bzip2", "permessage-deflate"]);
    assert_eq!(two.as_deref(), Some(ANSWER));
    let largest = format!("{ANSWER}; server_max_window_bits=15");
    for offer in [
        "permessage-deflate; server_max_window_bits=15",
        "permessage-deflate; server_max_window_bits=\"15\"; server_no_context_takeover; \
         client_no_context_takeover; client_max_window_bits=9",
    ] {
        assert_eq!(negotiated(&[offer]), Some(largest.clone()), "{offer}");
    }
}

#[test]
fn a_smaller_window_is_promised_where_nothing_better_is_offered() {
    for bits in 8..15 {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        let answer = format!("{ANSWER}; server_max_window_bits={bits}");
        assert_eq!(negotiated(&[&offer]), Some(answer));
        let better = format!("{offer}, permessage-deflate; client_max_window_bits");
        assert_eq!(negotiated(&[&better]).as_deref(), Some(ANSWER));
    }
}

#[test]
fn offers_that_are_declined() {
    for offer in [
        "",
        ",",
        "permessage-bzip2",
        "permessage-deflate-2",
        "permessage-deflate;",
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=1",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=09",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=15; server_max_window_bits=15",
    ] {
        assert_eq!(negotiated(&[offer]), None, "{offer}");
    }
    assert_eq!(negotiated(&[]), None);
}

#[test]
fn what_does_not_get_smaller_is_not_compressed() {
    assert_eq!(deflate(b""), None);
    assert_eq!(deflate(b"abc"), None);
    let noise: Vec<u8> = (0..1_000_u32)
        .map(|n| (n.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect();
    assert!(deflate(&noise).is_none_or(|deflated| deflated.len() < noise.len()));
    let runs = deflate(&[b'a'; 1_000]).unwrap();
    assert!(runs.len() < 20, "{}", runs.len());
    assert_eq!(
        deflate(&[b'a'; 1_000]),
        Some(runs),
        "one payload, one result"
    );
}

fn peer_inflate(deflated: &[u8], bytes: usize) -> Vec<u8> {
    let mut decompress = Decompress::new(false);
    let mut out = Vec::with_capacity(bytes + 1);
    let whole = [deflated, &TAIL].concat();
    decompress
        .decompress_vec(&whole, &mut out, FlushDecompress::Sync)
        .unwrap();
    out
}

/// Payloads that compress to anything between nothing and themselves.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::collection::vec(
        prop::sample::select(vec!["{\"x\":", "1", ",", "cursor", "\u{20ac}", "}"]),
        0..4_000,
    )
    .prop_map(|words| words.concat().into_bytes());
    let noise = prop::collection::vec(any::<u8>(), 0..3_000);
    let runs = (any::<u8>(), 0..50_000_usize).prop_map(|(byte, count)| vec![byte; count]);
    prop_oneof![words, noise, runs]
}

proptest! {
    #[test]
    fn what_we_compress_a_peer_inflates(payload in payload()) {
        if let Some(deflated) = deflate(&payload) {
            prop_assert_eq!(peer_inflate(&deflated, payload.len()), payload);
        }
    }

    #[test]
    fn what_a_peer_compresses_we_inflate(
        payload in payload(),
        level in 0..10_u32,
        ends in prop::sample::select(vec![Ends::Flushed, Ends::FlushedTwice, Ends::Final, Ends::FinalWithoutZero]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let deflated = peer_deflate(&payload, level, ends);
        let mut cuts: Vec<_> = cuts.iter().map(|at| at.index(deflated.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut stream, mut begin, mut first) = (Vec::new(), 0, RSV1 | BINARY);
        for at in cuts {
            stream.extend(peer_frame(first, &deflated[begin..at]));
            (begin, first) = (at, 0);
        }
        stream.extend(peer_frame(FIN | first, &deflated[begin..]));
        let decoded = decode_with(Decoder::inflating(LIMITS), stream.chunks(1_000));
        prop_assert_eq!(decoded, (vec![binary(&payload)], None));
    }

    #[test]
    fn no_bytes_make_it_panic_or_pass_the_limit(deflated in prop::collection::vec(any::<u8>(), 0..300)) {
        let limits = crate::codec::CodecLimits { message_bytes_max: 1_000, ..LIMITS };
        let (items, _) = decode_with(Decoder::inflating(limits), [&*compressed(BINARY, &deflated)]);
        for item in items {
            let Item::Binary(bytes) = item else { unreachable!("binary was sent") };
            prop_assert!(bytes.len() <= 1_000);
        }
    }
}
