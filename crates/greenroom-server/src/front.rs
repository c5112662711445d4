//! How the server is reached: TLS, proxies in front of it, the path it is mounted under.

use std::path::PathBuf;

use crate::proxies::TrustedProxies;

/// How the server is reached. The default: plain HTTP at the root, by everybody directly.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// Where its certificate comes from; `None`: plain HTTP.
    pub tls: Option<TlsSource>,
    /// Whose word about the client's address, scheme and host is believed.
    pub trusted_proxies: TrustedProxies,
    /// Whether trusted proxies begin each connection with a PROXY header (version 1 or 2).
    pub proxy_protocol: bool,
    /// The path it is mounted under, for example `/collab`; empty: the root. It answers with and
    /// without it, since some proxies strip it.
    pub base_path: BasePath,
    /// WebSocket connections of one client address (of IPv6: of one /64); `None`: no limit, since
    /// a school, or a proxy that is not trusted, is one address.
    pub connections_per_ip_max: Option<u32>,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsSource {
    /// From files, which are read anew when they change.
    Files(TlsFiles),
    /// From an ACME directory such as Let's Encrypt, by TLS-ALPN-01 on the port that it serves.
    Acme(AcmeOrder),
}

/// Certificate and key, in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and the root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What to ask an ACME directory for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeOrder {
    /// The names on the certificate.
    pub domains: Vec<String>,
    /// Who is told before it ends.
    pub email: Option<String>,
    /// The directory's address; `None`: Let's Encrypt.
    pub directory: Option<String>,
    /// Where account and certificate are kept.
    pub folder: PathBuf,
}

/// A path that starts with a slash and ends without one, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// Why a text is no base path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path to be mounted under")]
pub struct BasePathError(String);

impl BasePathError {
    /// What one looks like.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "write `/collab`: it starts with a slash; letters, digits, `-`, `_`, `.` and `/`"
    }
}

impl std::str::FromStr for BasePath {
    type Err = BasePathError;

    fn from_str(text: &str) -> Result<Self, BasePathError> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        let good = path.is_empty()
            || path.starts_with('/') && path.bytes().all(plain) && !path.contains("//");
        if good {
            Ok(Self(path.to_owned()))
        } else {
            Err(BasePathError(text.escape_debug().take(200).collect()))
        }
    }
}

impl BasePath {
    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// As text; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is left of `path` behind it; `None` when `path` is not under it.
    #[must_use]
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&self.0)?;
        match rest {
            "" => Some("/"),
            _ => rest.starts_with('/').then_some(rest),
        }
    }
}
