//! HTTPS from certificate files. They are read once, at start.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Certificate chain and private key, both PEM, as the TLS configuration of the server.
pub(crate) fn from_files(cert: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let unreadable =
        |what: &str, path: &Path| format!("cannot read {what} {} as PEM (`http.tls.{what}`)", path.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<_, _>>)
        .with_context(|| unreadable("cert", cert))?;
    ensure!(!chain.is_empty(), "no certificate in {} (`http.tls.cert`)", cert.display());
    let key_der = PrivateKeyDer::from_pem_file(key).with_context(|| unreadable("key", key))?;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("the TLS library offers no protocol version")?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .with_context(|| format!("{} and {} do not belong together", cert.display(), key.display()))?;
    Ok(Arc::new(config))
}
