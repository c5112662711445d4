//! The WebSocket codec.

use greenroom_core::protocol::websocket;
use greenroom_server::codec::{
    CodecError, CodecLimits, Decoder, Item, deflate, negotiate, upgrade,
};
use http::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY};
use http::{HeaderMap, Method, Version};

use crate::{take, take_byte};

/// Small, so that short inputs reach them.
const LIMITS: CodecLimits = CodecLimits {
    message_bytes_max: 3_000,
    frame_bytes_max: 2_000,
    fragments_max: 8,
};

type Decoded = (Vec<Item>, Option<CodecError>);

/// What a decoder makes of `stream`, given in portions of at most `portion` bytes.
fn decode(mut decoder: Decoder, stream: &[u8], portion: usize) -> Decoded {
    let mut items = Vec::new();
    let mut fed = 0;
    for portion in stream.chunks(portion.max(1)) {
        fed += portion.len();
        if let Err(error) = decoder.feed(&mut portion.to_vec(), &mut items) {
            assert_eq!(decoder.kept_bytes(), 0, "a failed decoder keeps nothing");
            return (items, Some(error));
        }
        assert!(decoder.kept_bytes() <= 2 * fed, "memory for what arrived");
    }
    (items, None)
}

fn decoder(inflates: bool) -> Decoder {
    if inflates {
        Decoder::inflating(LIMITS)
    } else {
        Decoder::new(LIMITS)
    }
}

fn check(items: &[Item]) {
    for item in items {
        let (bytes, max) = match item {
            Item::Text(text) => (text.as_bytes().len(), LIMITS.message_bytes_max),
            Item::Binary(bytes) => (bytes.len(), LIMITS.message_bytes_max),
            Item::Ping(bytes) | Item::Pong(bytes) => (bytes.len(), 125),
            Item::Close(close) => (close.as_ref().map_or(0, |(_, text)| text.len()), 123),
        };
        assert!(bytes <= max, "{bytes} bytes of at most {max}");
    }
}

/// A stream decodes alike in whatever portions it comes, within the limits.
pub(crate) fn frames(mut data: &[u8]) {
    let (inflates, portion) = (take_byte(&mut data) & 1 == 1, take_byte(&mut data).into());
    let whole = decode(decoder(inflates), data, data.len());
    check(&whole.0);
    assert_eq!(decode(decoder(inflates), data, portion), whole);
    assert_eq!(decode(decoder(inflates), data, 1), whole);
}

/// A frame as a peer sends it, masked with zeros.
fn peer_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A compressed message inflates to the same in one frame and in two, within the limit.
pub(crate) fn inflate(mut data: &[u8]) {
    let first = usize::from(take_byte(&mut data));
    if data.len() > LIMITS.frame_bytes_max {
        return;
    }
    let whole = decode(
        Decoder::inflating(LIMITS),
        &peer_frame(0xc2, data),
        usize::MAX,
    );
    check(&whole.0);
    let mut rest = data;
    let front = take(&mut rest, first);
    let two = [peer_frame(0x42, front), peer_frame(0x80, rest)].concat();
    assert_eq!(decode(Decoder::inflating(LIMITS), &two, usize::MAX), whole);
}

/// What we compress, a peer inflates to what it was.
pub(crate) fn deflates(data: &[u8]) {
    let limits = CodecLimits {
        message_bytes_max: 1 << 20,
        frame_bytes_max: 1 << 20,
        fragments_max: 1,
    };
    if let Some(deflated) = deflate(data) {
        assert!(deflated.len() < data.len(), "only what gets smaller");
        let decoded = decode(
            Decoder::inflating(limits),
            &peer_frame(0xc2, &deflated),
            usize::MAX,
        );
        assert_eq!(decoded, (vec![Item::Binary(data.to_vec().into())], None));
    }
    // What the server frames, a client's reader of frames takes apart.
    let frame = websocket::frame(websocket::Opcode::Binary, data);
    assert!(frame.ends_with(data));
}

/// Headers: `name: value` by line.
pub(crate) fn headers(data: &[u8]) -> HeaderMap {
    let lines = data.split(|byte| *byte == b'\n');
    let fields = lines.filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..at]).ok()?;
        Some((name, HeaderValue::from_bytes(&line[at + 1..]).ok()?))
    });
    fields.take(64).collect()
}

/// Any head of a request is judged, and an answer is one that a client takes.
pub(crate) fn handshake(data: &[u8]) {
    let headers = headers(data);
    match upgrade(&Method::GET, Version::HTTP_11, &headers, |_| true) {
        Ok(upgrade) => {
            assert_eq!(upgrade.accept.len(), 28, "a SHA-1 in base64");
            assert_eq!(headers.get_all(SEC_WEBSOCKET_KEY).iter().count(), 1);
        }
        Err(error) => assert!(error.status().is_client_error()),
    }
    if let Some(agreed) = negotiate(&headers) {
        let answer = agreed.answer.to_str().expect("ours is ASCII");
        assert!(answer.starts_with("permessage-deflate; server_no_context_takeover"));
        assert!(headers.contains_key(SEC_WEBSOCKET_EXTENSIONS));
        // Our own answer, offered, is one that we take.
        let mut again = HeaderMap::new();
        again.insert(SEC_WEBSOCKET_EXTENSIONS, agreed.answer.clone());
        assert_eq!(negotiate(&again), Some(agreed));
    }
}
