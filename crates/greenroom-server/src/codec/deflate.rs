//! permessage-deflate (RFC 7692): what is agreed on in the handshake, and compressing.
//!
//! Neither side keeps a context from one message to the next: it would cost about 300 KiB per
//! connection, and what is compressed once for a whole room has no connection's past.

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress};
use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};

use super::handshake::tokens;

const NAME: &str = "permessage-deflate";

/// Takes a quarter off what level 1 leaves of a kilobyte of JSON (0.31 of it instead of 0.41) for
/// 7 us more; levels above gain next to nothing (zlib-rs 0.6).
const LEVEL: Compression = Compression::new(2);

/// What a sync flush ends in; not sent (RFC 7692, section 7.2.1).
pub(super) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// What was agreed on for one connection: it takes compressed messages, and we take them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The answer to the offer, the value of `Sec-WebSocket-Extensions`.
    pub answer: HeaderValue,
    /// Whether we compress what this connection is sent. A message need not be compressed (RFC
    /// 7692, section 6); those for a peer that wants a smaller window than the one that the whole
    /// room shares are not.
    pub deflates: bool,
}

/// Reads the offers of permessage-deflate in a handshake's head and takes one up: the first with
/// which we compress, else the first with a smaller window; `None` when there is none.
///
/// Both sides give up context takeover, which a server may ask of any client (RFC 7692, section
/// 7.1.1). Any `client_max_window_bits` will do and needs no answer. A `server_max_window_bits` below
/// 15 is promised and kept by not compressing, because what is compressed once per room has one
/// window. An offer with a parameter that is unknown, malformed or there twice is declined (section
/// 5.1).
#[must_use]
pub fn negotiate(headers: &HeaderMap) -> Option<Agreed> {
    let offers = || tokens(headers, &SEC_WEBSOCKET_EXTENSIONS).filter_map(accepts);
    let window = offers()
        .find(|window| window.is_largest())
        .or_else(|| offers().next())?;
    Some(Agreed {
        answer: window.answer(),
        deflates: window.is_largest(),
    })
}

/// The window that a server compresses with when none is named.
const WINDOW_BITS_MAX: u8 = 15;

/// What an offer says of the window that the server compresses with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerWindow {
    /// Nothing.
    Free,
    /// The largest that it may have, and that it wants to hear it again.
    Bits(u8),
}

impl ServerWindow {
    fn is_largest(self) -> bool {
        matches!(self, Self::Free | Self::Bits(WINDOW_BITS_MAX))
    }

    fn answer(self) -> HeaderValue {
        const BOTH: &str =
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        match self {
            Self::Free => HeaderValue::from_static(BOTH),
            Self::Bits(bits) => {
                HeaderValue::try_from(format!("{BOTH}; server_max_window_bits={bits}"))
                    .expect("ASCII letters and digits are a header's value")
            }
        }
    }
}

/// Judges one offer; `None` declines it.
fn accepts(offer: &str) -> Option<ServerWindow> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(NAME) {
        return None;
    }
    let mut seen: [Option<&str>; 4] = [None; 4];
    let mut window = ServerWindow::Free;
    for parameter in parts {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start()))),
            None => (parameter, None),
        };
        match (name, value) {
            ("server_no_context_takeover" | "client_no_context_takeover", None) => {}
            ("client_max_window_bits", None) => {}
            ("client_max_window_bits", Some(bits)) => {
                window_bits(bits)?;
            }
            ("server_max_window_bits", Some(bits)) => {
                window = ServerWindow::Bits(window_bits(bits)?);
            }
            _ => return None,
        }
        if seen.contains(&Some(name)) {
            return None;
        }
        // There are four names, and none of them twice: a place is left.
        *seen.iter_mut().find(|place| place.is_none())? = Some(name);
    }
    Some(window)
}

/// A value may stand in quotes (RFC 6455, section 9.1).
fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    inner.unwrap_or(value)
}

/// A decimal number from 8 to 15 without a leading zero (RFC 7692, section 7.1.2).
fn window_bits(text: &str) -> Option<u8> {
    let bits = text
        .parse()
        .ok()
        .filter(|bits| (8..=WINDOW_BITS_MAX).contains(bits))?;
    // What `parse` takes beyond that, a sign or a leading zero, makes the text longer.
    (text.len() == if bits < 10 { 1 } else { 2 }).then_some(bits)
}

thread_local! {
    /// 256 KiB, made by the first message that is compressed on this thread and used for all of
    /// them: connections and rooms own none. Reset before each message.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(LEVEL, false));
}

/// Compresses the payload of a message (RFC 7692, section 7.2.1) without any context; `None` when
/// it does not get smaller by that.
#[must_use]
pub fn deflate(payload: &[u8]) -> Option<Vec<u8>> {
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        // What fills this has not got smaller, and may be cut off.
        let mut deflated = Vec::with_capacity(payload.len());
        compress
            .compress_vec(payload, &mut deflated, FlushCompress::Sync)
            .ok()?;
        if deflated.len() == deflated.capacity() {
            return None;
        }
        let bytes = deflated.strip_suffix(&TAIL)?.len();
        deflated.truncate(bytes);
        Some(deflated)
    })
}
