//! Whom a command believes to be the server it asks over https.

use ureq::tls::TlsConfig;

use crate::failure::Failure;

/// Whom to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Whoever an authority that this machine knows vouches for, or one in `SSL_CERT_FILE` or
    /// `SSL_CERT_DIR`.
    Authorities,
    /// Whoever answers. For questions without secrets, by an address that no certificate holds.
    Anybody,
}

/// What `trust` means for the server at `base`.
///
/// # Errors
/// When it is https and this build cannot, or when this machine knows no authority.
#[cfg(feature = "tls")]
pub(crate) fn tls_config(base: &str, trust: Trust) -> Result<TlsConfig, Failure> {
    use std::sync::Arc;
    use ureq::tls::{Certificate, RootCerts};

    // Reading all authorities takes some milliseconds, which plain http need not wait for.
    if !base.starts_with("https://") {
        return Ok(TlsConfig::default());
    }
    let config = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
    if trust == Trust::Anybody {
        return Ok(config.disable_verification(true).build());
    }
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first();
        let why = why.map_or_else(String::new, |error| format!(": {error}"));
        return Err(Failure::failed(format!(
            "this machine has no certificates of authorities{why}"
        ))
        .hint("install `ca-certificates`, or set SSL_CERT_FILE to a file in PEM form"));
    }
    let certs = found.certs.iter();
    let certs = certs.map(|cert| Certificate::from_der(cert).to_owned());
    let certs = RootCerts::Specific(Arc::new(certs.collect()));
    Ok(config.root_certs(certs).build())
}

/// What `trust` means for the server at `base`.
///
/// # Errors
/// When it is https.
#[cfg(not(feature = "tls"))]
pub(crate) fn tls_config(base: &str, _: Trust) -> Result<TlsConfig, Failure> {
    if base.starts_with("https://") {
        return Err(Failure::usage(format!(
            "`{base}` is https, and this program was built without"
        ))
        .hint("build it with `--features tls`, or ask on a port without TLS"));
    }
    Ok(TlsConfig::default())
}

/// Why the server was not believed, if that is what `error` says.
#[cfg(feature = "tls")]
pub(crate) fn refused(error: &ureq::Error) -> Option<String> {
    use rustls::{CertificateError, Error};

    let error = match error {
        ureq::Error::Rustls(error) => error,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref()?,
        _ => return None,
    };
    let Error::InvalidCertificate(error) = error else {
        return None;
    };
    Some(match error {
        // A bad signature: by somebody who calls himself like an authority that is known.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no authority known here vouches for its certificate".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        other => other.to_string(),
    })
}

/// Why the server was not believed: plain http has no such question.
#[cfg(not(feature = "tls"))]
pub(crate) fn refused(_: &ureq::Error) -> Option<String> {
    None
}
