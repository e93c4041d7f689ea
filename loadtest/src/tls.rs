//! TLS towards a server, trusting the certificates of the system or those of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::error::LoadError;

/// Where systems keep the certificates they trust; `SSL_CERT_FILE` comes first, as for OpenSSL.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// What makes TLS of a connection. Trusts the certificates in `ca`, or those of the system.
pub(crate) fn connector(ca: Option<&Path>) -> Result<TlsConnector, LoadError> {
    let system = || {
        let of_variable = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        of_variable.into_iter().chain(SYSTEM.map(PathBuf::from)).find(|path| path.exists())
    };
    let path = ca.map(Path::to_path_buf).or_else(system);
    let path = path.ok_or_else(|| LoadError::Trust("the system's list".into(), "there is none".into()))?;
    let unusable = |error: &dyn std::fmt::Display| LoadError::Trust(path.display().to_string(), error.to_string());

    let mut trusted = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&path).map_err(|error| unusable(&error))?;
    // A list of the system may hold some that this library does not take.
    trusted.add_parsable_certificates(certificates.filter_map(Result::ok));
    if trusted.is_empty() {
        return Err(unusable(&"it has no certificate"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
