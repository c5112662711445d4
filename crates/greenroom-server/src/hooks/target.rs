//! Where hooks may go. A name is resolved first, each of its addresses is judged, and the connection
//! is made to the address that was judged: a name that changes its mind in between reaches nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::Uri;

use crate::proxies::TrustedProxies;

/// The longest address of a receiver.
const URL_BYTES_MAX: usize = 2_048;

/// The address of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookUrl {
    text: String,
    pub(super) secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the `Host` header has it.
    pub(super) authority: String,
    pub(super) path: String,
}

/// Why a text is no address of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HookUrlError {
    /// It is no absolute http or https address.
    #[error("it is no http or https address")]
    Malformed,
    /// It names a user or a password.
    #[error("it holds a user name or a password; requests are signed instead")]
    User,
    /// https, in a program without TLS.
    #[error("this program was built without https")]
    NoTls,
}

impl HookUrl {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for HookUrl {
    type Err = HookUrlError;

    fn from_str(text: &str) -> Result<Self, HookUrlError> {
        let malformed = HookUrlError::Malformed;
        if text.len() > URL_BYTES_MAX || text.contains('#') {
            return Err(malformed);
        }
        let uri: Uri = text.parse().map_err(|_| malformed)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(malformed),
        };
        if secure && cfg!(not(feature = "tls")) {
            return Err(HookUrlError::NoTls);
        }
        let authority = uri.authority().ok_or(malformed)?;
        if authority.as_str().contains('@') {
            return Err(HookUrlError::User);
        }
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(malformed);
        }
        let usual = if secure { 443 } else { 80 };
        Ok(Self {
            text: text.to_owned(),
            secure,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(usual),
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }
}

/// The first of the addresses that may be asked: a public one, or one in a block that is allowed.
pub(super) fn judge(
    addresses: impl IntoIterator<Item = SocketAddr>,
    allowed: &TrustedProxies,
) -> Option<SocketAddr> {
    let may = |at: &SocketAddr| is_public(at.ip()) || allowed.contains(at.ip().to_canonical());
    addresses.into_iter().find(may)
}

/// Whether an address is one of the public internet: no machine of one's own network, nor this one,
/// nor what stands for one of those in another form.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let special = [a, b, c] == [192, 0, 0] || [a, b, c] == [192, 88, 99];
    let bench = a == 198 && (18..20).contains(&b);
    let local = ip.is_private() || ip.is_loopback() || ip.is_link_local();
    let nobody = a == 0 || a >= 224 || ip.is_documentation();
    !(local || nobody || shared || special || bench)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, ..] = ip.segments();
    let last = || {
        let [.., x, y] = ip.segments();
        Ipv4Addr::from((u32::from(x) << 16) | u32::from(y))
    };
    match (a, b) {
        // NAT64 and 6to4 carry an IPv4 address; with a prefix of one's own nobody can tell.
        (0x64, 0xff9b) if [c, d] == [0, 0] => is_public_v4(last()),
        (0x2002, _) => is_public_v4(Ipv4Addr::from((u32::from(b) << 16) | u32::from(c))),
        // Teredo, benchmarks, documentation and other things that are no servers.
        (0x2001, b) if b < 0x200 || b == 0xdb8 => false,
        // The rest of what is given out is 2000::/3.
        _ => a & 0xe000 == 0x2000,
    }
}
