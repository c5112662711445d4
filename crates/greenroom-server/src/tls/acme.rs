//! A certificate from an ACME directory, proven by TLS-ALPN-01: the directory connects to the port
//! that is served anyway, so that nothing else has to be opened.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream as _;
use rustls_acme::caches::DirCache;
use rustls_acme::{AcmeConfig, AcmeState, ResolvesServerCertAcme};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

use super::{ACME_PROTOCOL, HTTP_PROTOCOL, TlsError, provider};
use crate::front::AcmeOrder;

/// Names on one certificate; Let's Encrypt takes as many.
const DOMAINS_MAX: usize = 100;

/// What orders a certificate and renews it.
pub(super) struct Renewal(AcmeState<io::Error>);

impl Renewal {
    /// Orders and renews for as long as it is polled; the directory's patience is kept to inside.
    pub(super) async fn run(self) {
        let mut state = self.0;
        while let Some(event) = poll_fn(|cx| Pin::new(&mut state).poll_next(cx)).await {
            match event {
                Ok(event) => tracing::info!(?event, "certificate"),
                Err(error) => tracing::warn!(?error, "certificate not ordered; it is tried again"),
            }
        }
    }
}

/// Makes ready to order; nothing is asked before [`Renewal::run`].
pub(super) fn order(order: &AcmeOrder) -> Result<(Renewal, ServerConfig), TlsError> {
    let AcmeOrder {
        domains,
        email,
        directory,
        folder,
    } = order;
    let wrong = |why: &str| TlsError::Order(why.to_owned());
    if domains.is_empty() || domains.len() > DOMAINS_MAX {
        return Err(wrong("it takes 1 to 100 domains"));
    }
    if let Some(odd) = domains.iter().find(|domain| !is_domain(domain)) {
        return Err(wrong(&format!("`{}` is not a domain", odd.escape_debug())));
    }
    let mut config = AcmeConfig::new(domains)
        .contact(email.iter().map(|email| format!("mailto:{email}")))
        .directory_lets_encrypt(true);
    if let Some(directory) = directory {
        config = config.directory(directory);
    }
    let state = config.cache(DirCache::new(folder.clone())).state();
    let config = serving(state.resolver())?;
    Ok((Renewal(state), config))
}

/// Shows the certificate, and to a directory that asks by its protocol the proof.
fn serving(resolver: Arc<ResolvesServerCertAcme>) -> Result<ServerConfig, TlsError> {
    let wrong = |error: tokio_rustls::rustls::Error| TlsError::Order(error.to_string());
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![HTTP_PROTOCOL.to_vec(), ACME_PROTOCOL.to_vec()];
    config.ticketer = ring::Ticketer::new().map_err(wrong)?;
    Ok(config)
}

/// A name with a dot in it; an address or a wildcard cannot be proven this way.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    text.contains('.') && !is_address && text.len() <= 253 && text.split('.').all(label)
}
