//! Which web pages may talk to the server.
//!
//! A browser lets any page open a WebSocket to any server and says only where the page is from,
//! in `Origin`. So a page is let in when the operator allowed its origin, when it comes from this
//! server itself (`Origin` names the host of `Host`), or when both are near ([`Reach`]). A request
//! without `Origin` is not from a page's script and passes.
//!
//! A server that asks for no token trusts that only near programs reach it. A page from far away
//! can get there by DNS rebinding: its own name suddenly means 127.0.0.1, and `Origin` equals
//! `Host`. Therefore such a server also refuses requests to it under a name that is not near.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::HeaderMap;
use http::header::{HOST, HeaderName, ORIGIN};

/// Characters of a rejected origin or host that an error repeats: they were chosen by a stranger.
const SHOWN_CHARS_MAX: usize = 200;

/// From how far away pages and names are trusted without being allowed one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Pages and names of this machine: `localhost`, names under it, 127.0.0.0/8, `[::1]`.
    Local,
    /// And of the local network: private and link-local addresses, names without a dot, names
    /// under `.local`. Requests may name any address, since an address cannot be rebound.
    Lan,
    /// No page but those allowed and the server's own; requests under any name.
    Public,
}

/// The origins allowed by an operator, and how far the server reaches.
#[derive(Clone, Debug)]
pub struct OriginPolicy {
    reach: Reach,
    rules: Vec<OriginRule>,
}

/// One allowed origin, or a family of them.
///
/// | text | allows |
/// |---|---|
/// | `https://app.example.com` | this scheme and host, on the scheme's usual port |
/// | `http://app.example.com:3000` | this scheme, host and port |
/// | `https://*.example.com` | each host under `example.com`, however deep, not itself |
/// | `*.example.com` | the same with any scheme and port |
/// | `null` | pages without an origin: files, sandboxed frames, whoever made them |
/// | `*` | every page there is |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRule(Rule);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Every,
    Null,
    Site(Site),
    /// Hosts that end in `suffix`, which starts with a dot.
    Under {
        suffix: String,
        /// Scheme and port; `None`: any.
        through: Option<(String, Option<u16>)>,
    },
}

/// An origin taken apart, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Site {
    scheme: String,
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    host: String,
    /// The port, also where it is the scheme's usual one; `None` for schemes without ports.
    port: Option<u16>,
}

/// Why a string is no origin rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin")]
pub struct OriginRuleError(String);

impl OriginRuleError {
    /// What an origin looks like.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "write `https://app.example.com`, `http://localhost:3000`, `*.example.com` or `*`: \
         a scheme and a host, no path and no slash at the end"
    }
}

/// Why a request is refused. Its text names what was rejected, escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// The page's origin is not allowed.
    #[error("origin `{origin}` is not allowed here")]
    Origin {
        /// The rejected origin.
        origin: String,
    },
    /// The request names a host that is not near.
    #[error("host `{host}` is not a name of this machine")]
    Host {
        /// The rejected host.
        host: String,
        /// How far the server reaches.
        reach: Reach,
    },
}

impl OriginError {
    /// What the operator would have to type.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Origin { origin } => {
                format!("to allow it, add `--origin {origin}` (GREENROOM_ORIGIN={origin})")
            }
            Self::Host {
                host,
                reach: Reach::Local,
            } => format!(
                "`greenroom dev --lan` answers the local network; to allow this name alone, add \
                 `--origin http://{host}` (GREENROOM_ORIGIN=http://{host})"
            ),
            Self::Host {
                host,
                reach: Reach::Lan | Reach::Public,
            } => format!(
                "to allow it, add `--origin http://{host}` (GREENROOM_ORIGIN=http://{host})"
            ),
        }
    }
}

impl OriginPolicy {
    /// Allows `rules` beside what `reach` allows by itself.
    #[must_use]
    pub const fn new(reach: Reach, rules: Vec<OriginRule>) -> Self {
        Self { reach, rules }
    }

    /// Judges a request by its headers. `authority` is the one of the request's address where it
    /// has one (HTTP/2); otherwise the header `Host` counts.
    ///
    /// # Errors
    /// [`OriginError`], as [`Self::check`].
    pub fn check_headers(
        &self,
        headers: &HeaderMap,
        authority: Option<&str>,
    ) -> Result<(), OriginError> {
        let origin = header_text(headers, &ORIGIN);
        let host = match authority {
            Some(authority) => Some(authority.to_owned()),
            None => header_text(headers, &HOST),
        };
        self.check(origin.as_deref(), host.as_deref())
    }

    /// Judges a request by its `Origin` and its `Host`.
    ///
    /// # Errors
    /// [`OriginError::Host`] when the server is not to be reached under that name,
    /// [`OriginError::Origin`] when that page may not talk to it.
    pub fn check(&self, origin: Option<&str>, host: Option<&str>) -> Result<(), OriginError> {
        if self.rules.contains(&OriginRule(Rule::Every)) {
            return Ok(());
        }
        let host = host.map(str::to_ascii_lowercase);
        let host = host.as_deref();
        if let Some(host) = host
            && !self.answers_to(host)
        {
            return Err(OriginError::Host {
                host: shown(host),
                reach: self.reach,
            });
        }
        match origin {
            Some(origin) if !self.allows(origin, host) => Err(OriginError::Origin {
                origin: shown(origin),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// A name that an allowed origin has is one that the operator vouches for.
    fn answers_to(&self, authority: &str) -> bool {
        if self.reach == Reach::Public {
            return true;
        }
        let Some((host, _)) = split_authority(authority) else {
            return false;
        };
        self.reach.answers_to(host) || self.rules.iter().any(|rule| rule.has_host(host))
    }

    fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        if origin == "null" {
            return self.rules.contains(&OriginRule(Rule::Null));
        }
        let Some(site) = Site::parse(origin) else {
            return false;
        };
        self.rules.iter().any(|rule| rule.allows(&site))
            || host.is_some_and(|host| site.is_served_by(host))
            || self.reach.trusts_pages_of(&site.host)
    }
}

impl Reach {
    fn answers_to(self, host: &str) -> bool {
        match self {
            Self::Public => true,
            Self::Local => is_local(host),
            Self::Lan => is_local(host) || is_lan_name(host) || address(host).is_some(),
        }
    }

    fn trusts_pages_of(self, host: &str) -> bool {
        match self {
            Self::Public => false,
            Self::Local => is_local(host),
            Self::Lan => {
                is_local(host) || is_lan_name(host) || address(host).is_some_and(is_lan_address)
            }
        }
    }
}

impl OriginRule {
    fn allows(&self, site: &Site) -> bool {
        match &self.0 {
            Rule::Every => true,
            Rule::Null => false,
            Rule::Site(allowed) => allowed == site,
            Rule::Under { suffix, through } => {
                is_under(&site.host, suffix)
                    && through
                        .as_ref()
                        .is_none_or(|(scheme, port)| *scheme == site.scheme && *port == site.port)
            }
        }
    }

    fn has_host(&self, host: &str) -> bool {
        match &self.0 {
            Rule::Every => true,
            Rule::Null => false,
            Rule::Site(allowed) => allowed.host == host,
            Rule::Under { suffix, .. } => is_under(host, suffix),
        }
    }
}

impl FromStr for OriginRule {
    type Err = OriginRuleError;

    fn from_str(text: &str) -> Result<Self, OriginRuleError> {
        let error = || OriginRuleError(shown(text));
        let rule = match text {
            "*" => Rule::Every,
            "null" => Rule::Null,
            _ => match text.strip_prefix("*.") {
                Some(parent) => {
                    let parent = parent.to_ascii_lowercase();
                    if !is_name(&parent) {
                        return Err(error());
                    }
                    Rule::Under {
                        suffix: format!(".{parent}"),
                        through: None,
                    }
                }
                None => Rule::of_site(text).ok_or_else(error)?,
            },
        };
        Ok(Self(rule))
    }
}

impl Rule {
    fn of_site(text: &str) -> Option<Self> {
        let Some((scheme, wildcard)) = text.split_once("://*.") else {
            return Site::parse(text).map(Self::Site);
        };
        let parent = Site::parse(&format!("{scheme}://{wildcard}"))?;
        Some(Self::Under {
            suffix: format!(".{}", parent.host),
            through: Some((parent.scheme, parent.port)),
        })
    }
}

impl Site {
    fn parse(origin: &str) -> Option<Self> {
        let origin = origin.to_ascii_lowercase();
        let (scheme, authority) = origin.split_once("://")?;
        let is_scheme_byte = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
        if scheme.is_empty() || !scheme.bytes().all(is_scheme_byte) {
            return None;
        }
        let (host, port) = split_authority(authority)?;
        Some(Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            port: port.or_else(|| usual_port(scheme)),
        })
    }

    /// Whether this is where the server itself serves pages, when it is called `authority`. The
    /// scheme is not compared: behind a proxy the server does not know its own.
    fn is_served_by(&self, authority: &str) -> bool {
        split_authority(authority).is_some_and(|(host, port)| {
            host == self.host && port.or_else(|| usual_port(&self.scheme)) == self.port
        })
    }
}

impl fmt::Display for OriginRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port_text = |scheme: &str, port: Option<u16>| match port {
            Some(port) if usual_port(scheme) != Some(port) => format!(":{port}"),
            Some(_) | None => String::new(),
        };
        match &self.0 {
            Rule::Every => f.write_str("*"),
            Rule::Null => f.write_str("null"),
            Rule::Site(Site { scheme, host, port }) => {
                write!(f, "{scheme}://{host}{}", port_text(scheme, *port))
            }
            Rule::Under { suffix, through } => match through {
                None => write!(f, "*{suffix}"),
                Some((scheme, port)) => {
                    write!(f, "{scheme}://*{suffix}{}", port_text(scheme, *port))
                }
            },
        }
    }
}

/// `host` or `host:port`, with an IPv6 address in brackets. Expects lower case.
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let port_at = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(port_at);
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None if port.is_empty() => None,
        None => return None,
    };
    (is_name(host) || address(host).is_some()).then_some((host, port))
}

fn is_name(host: &str) -> bool {
    let is_name_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    !host.is_empty() && !host.starts_with('.') && host.bytes().all(is_name_byte)
}

fn is_under(host: &str, suffix: &str) -> bool {
    host.len() > suffix.len() && host.ends_with(suffix)
}

fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost"
        || is_under(host, ".localhost")
        || address(host).is_some_and(|address| address.is_loopback())
}

/// Names that no stranger can own: public DNS has no name without a dot, and `.local` is
/// multicast DNS (RFC 6762).
fn is_lan_name(host: &str) -> bool {
    is_under(host, ".local") || (!host.contains('.') && address(host).is_none())
}

fn is_lan_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// A header as text. One that comes twice is joined, which is no origin and no host.
fn header_text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let lossy = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let first = lossy(values.next()?);
    Some(values.fold(first, |text, value| format!("{text}, {}", lossy(value))))
}

fn shown(text: &str) -> String {
    text.chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect()
}
