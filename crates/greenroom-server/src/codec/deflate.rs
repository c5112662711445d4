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

/// Reads the offers of permessage-deflate in a handshake's head and gives the answer to the first
/// that can be taken up, the value of `Sec-WebSocket-Extensions`; `None` when there is none.
///
/// Both sides give up context takeover, which a server may ask of any client (RFC 7692, section
/// 7.1.1). Any `client_max_window_bits` will do and needs no answer. An offer that wants a smaller
/// `server_max_window_bits` than 15 is declined, because what is compressed once per room has one
/// window; so is one with a parameter that is unknown, malformed or there twice (section 5.1).
#[must_use]
pub fn negotiate(headers: &HeaderMap) -> Option<HeaderValue> {
    tokens(headers, &SEC_WEBSOCKET_EXTENSIONS).find_map(|offer| {
        Some(HeaderValue::from_static(match accepts(offer)? {
            ServerWindow::Free => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            }
            ServerWindow::Largest => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=15"
            }
        }))
    })
}

/// What an offer says of the window that the server compresses with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerWindow {
    /// Nothing.
    Free,
    /// It names the largest that there is, and wants to hear it again.
    Largest,
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
            ("client_max_window_bits", Some(bits)) if is_window(bits) => {}
            ("server_max_window_bits", Some("15")) => window = ServerWindow::Largest,
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
fn is_window(bits: &str) -> bool {
    matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
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
