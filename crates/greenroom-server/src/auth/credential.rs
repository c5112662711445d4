//! Where a request carries its token, and which subprotocol to answer a handshake with.
//!
//! Three places, in this order: the header `Authorization: Bearer TOKEN`; a WebSocket subprotocol
//! `greenroom.token.TOKEN`, which a browser can set where it can set no header; the query
//! parameter `token`, as Yjs providers send it. An empty token is none.

use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

/// What a subprotocol that carries a token starts with.
pub const TOKEN_SUBPROTOCOL_PREFIX: &str = "greenroom.token.";

/// The token of a request, from its headers and the query of its address (without `?`).
#[must_use]
pub fn token_of(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let found = bearer(headers)
        .or_else(|| {
            let mut offered = offered_subprotocols(headers);
            offered.find_map(|offer| offer.strip_prefix(TOKEN_SUBPROTOCOL_PREFIX))
        })
        .map(str::to_owned);
    let found = found.or_else(|| query.and_then(token_in_query));
    found.filter(|token| !token.is_empty())
}

/// The subprotocol to answer a WebSocket handshake with, given those that this door speaks:
/// the client's first among `spoken`, else its first that carries no token, else its first. `None`
/// when it offered none. A browser drops a connection whose offer is not answered, so one that is
/// offered is always chosen.
#[must_use]
pub fn subprotocol_answer<'a>(headers: &'a HeaderMap, spoken: &[&str]) -> Option<&'a str> {
    let offered = || offered_subprotocols(headers);
    offered()
        .find(|offer| spoken.contains(offer))
        .or_else(|| offered().find(|offer| !offer.starts_with(TOKEN_SUBPROTOCOL_PREFIX)))
        .or_else(|| offered().next())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}

/// All offers in their order; a client may spread them over several headers.
fn offered_subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|offer| !offer.is_empty())
}

fn token_in_query(query: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(name, _)| *name == "token")
        .map(|(_, value)| percent_decode(value))
}

/// Decodes `%XX` once. An invalid escape stays as it is, and what is no UTF-8 becomes U+FFFD: no
/// token holds either, so both are refused as malformed by whoever reads the token.
fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| Some(hex_digit(hex[0])? << 4 | hex_digit(hex[1])?));
        decoded.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}
