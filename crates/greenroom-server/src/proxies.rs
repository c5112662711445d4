//! Who a request comes from when proxies stand between: the right-most hop that is not one of ours.
//! What everybody may write into a header is believed only from a trusted peer, hop by hop.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

/// Hops that are looked at; more proxies than this in a row are a loop or a lie.
const HOPS_MAX: usize = 32;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Addresses that only machines of one's own network have (RFC 1918, 4193, 3927, 4291) or the
/// machine itself.
const PRIVATE: [&str; 8] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// Addresses whose word about a request's origin is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Net>);

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Net {
    /// As IPv6, IPv4 mapped into it.
    first: u128,
    bits: u32,
}

/// Why a text names no addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address, a block of addresses or a preset")]
pub struct ProxyRuleError(String);

impl ProxyRuleError {
    /// What one looks like.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "write `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`, or `private` for all private addresses"
    }
}

/// Who sent a request, as far as can be believed. Each request carries it as an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address.
    pub ip: IpAddr,
    /// Whether it speaks https or wss.
    pub secure: bool,
    /// The host that it asked for, where a proxy says so.
    pub host: Option<String>,
}

impl TrustedProxies {
    /// Reads a list of addresses, blocks and presets.
    ///
    /// # Errors
    /// [`ProxyRuleError`] for the first that is none.
    pub fn parse<'a>(rules: impl IntoIterator<Item = &'a str>) -> Result<Self, ProxyRuleError> {
        let mut nets = Vec::new();
        for rule in rules {
            match rule.trim() {
                "private" => nets.extend(PRIVATE.iter().filter_map(|net| net.parse::<Net>().ok())),
                rule => nets.push(rule.parse()?),
            }
        }
        Ok(Self(nets))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `ip` is one.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(ip))
    }

    /// Who sent the request that `peer` handed in.
    #[must_use]
    pub fn client(&self, peer: IpAddr, secure: bool, headers: &HeaderMap) -> Client {
        let direct = Client {
            ip: peer.to_canonical(),
            secure,
            host: None,
        };
        if !self.contains(peer) {
            return direct;
        }
        let standard = self.by_standard(&direct, headers);
        let usual = self.by_custom(&direct, headers);
        match (standard, usual) {
            (Some(one), None) | (None, Some(one)) => one,
            // A proxy writes one of the two and lets the other pass as the client wrote it. Which
            // one is not known here, so that they are believed only where they agree.
            (Some(a), Some(b)) if a.ip == b.ip => b,
            (Some(_), Some(_)) | (None, None) => direct,
        }
    }

    /// By `Forwarded` (RFC 7239).
    fn by_standard(&self, direct: &Client, headers: &HeaderMap) -> Option<Client> {
        let elements = list(headers, &FORWARDED);
        let elements: Vec<Vec<(String, String)>> = elements.iter().map(|e| pairs(e)).collect();
        let value = |element: &Vec<(String, String)>, name: &str| {
            let pair = element.iter().find(|(key, _)| key == name);
            pair.map(|(_, value)| value.clone())
        };
        let hops: Vec<_> = elements.iter().map(|e| value(e, "for")).collect();
        let (ip, at) = self.walk(direct.ip, &hops)?;
        let proto = value(&elements[at], "proto");
        Some(Client {
            ip,
            secure: proto.map_or(direct.secure, |proto| is_secure(&proto)),
            host: value(&elements[at], "host"),
        })
    }

    /// By the `X-Forwarded-` headers.
    fn by_custom(&self, direct: &Client, headers: &HeaderMap) -> Option<Client> {
        let hops: Vec<_> = list(headers, &FOR).into_iter().map(Some).collect();
        let (ip, at) = self.walk(direct.ip, &hops)?;
        // Proxies that append do so to each of the headers, others write the last one only.
        let beside = |name: &HeaderName| {
            let mut values = list(headers, name);
            if values.len() == hops.len() {
                Some(values.swap_remove(at))
            } else {
                values.pop()
            }
        };
        Some(Client {
            ip,
            secure: beside(&PROTO).map_or(direct.secure, |proto| is_secure(&proto)),
            host: beside(&HOST),
        })
    }

    /// From the nearest hop back to the first that is not trusted: its address, and where it
    /// stands. A hop without an address ends the way at the proxy that wrote it.
    fn walk(&self, peer: IpAddr, hops: &[Option<String>]) -> Option<(IpAddr, usize)> {
        let mut client = None;
        let mut said_by = peer;
        for (at, hop) in hops.iter().enumerate().rev().take(HOPS_MAX) {
            if !self.contains(said_by) {
                break;
            }
            let Some(ip) = hop.as_deref().and_then(node_address) else {
                return Some((said_by, at));
            };
            said_by = ip.to_canonical();
            client = Some((said_by, at));
        }
        client
    }
}

impl Net {
    fn contains(self, ip: IpAddr) -> bool {
        let differs = self.first ^ wide(ip);
        differs.checked_shr(128 - self.bits).unwrap_or(0) == 0
    }
}

impl FromStr for Net {
    type Err = ProxyRuleError;

    fn from_str(text: &str) -> Result<Self, ProxyRuleError> {
        let error = || ProxyRuleError(text.escape_debug().take(100).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let ip: IpAddr = address.parse().map_err(|_| error())?;
        let (width, offset) = if ip.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= width),
            None => Some(width),
        };
        Ok(Self {
            first: wide(ip),
            bits: bits.ok_or_else(error)? + offset,
        })
    }
}

fn wide(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn is_secure(proto: &str) -> bool {
    proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss")
}

/// An address as proxies write it: alone, with a port, in brackets.
fn node_address(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse().ok()
}

/// The elements of a header, in the order in which proxies appended them.
fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter();
    let text = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    let elements = text.flat_map(|line| split(&line, ','));
    elements.filter(|element| !element.is_empty()).collect()
}

/// The `name=value` pairs of an element of `Forwarded`.
fn pairs(element: &str) -> Vec<(String, String)> {
    let pairs = split(element, ';');
    let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| {
            let value = value.trim().trim_matches('"').replace('\\', "");
            (name.trim().to_ascii_lowercase(), value)
        })
        .collect()
}

/// Splits at `by` outside of quotes.
fn split(text: &str, by: char) -> Vec<String> {
    let mut quoted = false;
    text.split(|c: char| {
        quoted ^= c == '"';
        c == by && !quoted
    })
    .map(|part| part.trim().to_owned())
    .collect()
}
