//! The opening handshake (RFC 6455, section 4.2), as a function from a request's head to the
//! answer's.

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, general_purpose::PAD};
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Response, StatusCode, Version};
use sha1::{Digest, Sha1};

/// What a server appends to the key before it hashes it (RFC 6455, section 1.3).
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// As lenient as other servers: the bits that 16 bytes leave over in the last character may be set.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    PAD.with_decode_allow_trailing_bits(true),
);

/// The one version of the protocol (RFC 6455, section 4.1).
const WEBSOCKET_VERSION: HeaderValue = HeaderValue::from_static("13");

/// A handshake that may go on: send [`response`](Self::response), then frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Proof for the peer that this is a WebSocket server: the hash of its key.
    pub accept: HeaderValue,
    /// The first subprotocol that the peer offered and the caller knows.
    pub subprotocol: Option<HeaderValue>,
    /// What [`negotiate`](super::negotiate) answered to the extensions that the peer offered, where
    /// the caller asked it; [`upgrade`] takes up none.
    pub extension: Option<HeaderValue>,
}

impl Upgrade {
    /// The answer, status 101, with `body` (an empty one of the caller's type).
    #[must_use]
    pub fn response<B>(&self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(subprotocol) = &self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol.clone());
        }
        if let Some(extension) = &self.extension {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, extension.clone());
        }
        response
    }
}

/// Why a request opens no WebSocket; its display is a sentence for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It does not ask for an upgrade.
    #[error("this address speaks WebSocket: connect with a WebSocket client")]
    NotAnUpgrade,
    /// It asks for another version than 13, or for none.
    #[error("only version 13 of the WebSocket protocol is spoken here")]
    Version,
    /// It is not a GET.
    #[error("a WebSocket is opened with GET")]
    Method,
    /// HTTP/1.0 has no upgrades, HTTP/2 and later have another handshake (RFC 8441).
    #[error("a WebSocket is opened over HTTP/1.1")]
    HttpVersion,
    /// Its key is missing, there twice, or not 16 bytes in base64.
    #[error("the Sec-WebSocket-Key header must be one, of 16 bytes in base64")]
    Key,
}

impl HandshakeError {
    /// The status to answer with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotAnUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Method | Self::HttpVersion | Self::Key => StatusCode::BAD_REQUEST,
        }
    }

    /// The headers that the status asks for, saying what would be taken (RFC 9110, section
    /// 15.5.22; RFC 6455, section 4.4).
    #[must_use]
    pub fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.status() == StatusCode::UPGRADE_REQUIRED {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(SEC_WEBSOCKET_VERSION, WEBSOCKET_VERSION);
        }
        headers
    }
}

/// Judges the head of a request that wants to open a WebSocket. Of the subprotocols that it
/// offers the first that `speaks` is taken, none when there is none: whether that will do is the
/// caller's to say. Extensions are not taken up.
///
/// # Errors
/// [`HandshakeError`], to be answered with its status, headers and sentence.
pub fn upgrade(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
    speaks: impl FnMut(&str) -> bool,
) -> Result<Upgrade, HandshakeError> {
    if version != Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    let asks = |name, wanted| tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted));
    if !asks(&UPGRADE, "websocket") || !asks(&CONNECTION, "upgrade") {
        return Err(HandshakeError::NotAnUpgrade);
    }
    if method != Method::GET {
        return Err(HandshakeError::Method);
    }
    if only(headers, &SEC_WEBSOCKET_VERSION) != Some(&WEBSOCKET_VERSION) {
        return Err(HandshakeError::Version);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?;
    Ok(Upgrade {
        accept: accept(key.as_bytes()).ok_or(HandshakeError::Key)?,
        subprotocol: choose(headers, speaks),
        extension: None,
    })
}

/// The first offered subprotocol that `speaks`.
fn choose(headers: &HeaderMap, mut speaks: impl FnMut(&str) -> bool) -> Option<HeaderValue> {
    let chosen = tokens(headers, &SEC_WEBSOCKET_PROTOCOL)
        .find(|token| !token.is_empty() && speaks(token))?;
    HeaderValue::from_str(chosen).ok()
}

/// The answer to a key; `None` when it is not 16 bytes in base64.
fn accept(key: &[u8]) -> Option<HeaderValue> {
    let nonce = BASE64.decode(key).ok()?;
    if nonce.len() != 16 {
        return None;
    }
    let hash = Sha1::new_with_prefix(key)
        .chain_update(ACCEPT_SUFFIX)
        .finalize();
    HeaderValue::from_str(&BASE64.encode(hash)).ok()
}

/// The comma-separated elements of every header of that name.
pub(super) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}
