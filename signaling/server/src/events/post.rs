//! One post to one receiver: resolve, look at the address, connect to it, sign, send, read the status.
//!
//! A connection of its own for each post: so what was checked is what is spoken to, a redirect is followed by nobody, and
//! a receiver that is not told anything holds nothing open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::address::is_public;
use crate::auth::sign;
use crate::config::{ServerConfig, Webhook};

/// From the first question to the resolver to the status line. Below the time for which a delivery is claimed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of several addresses, the first may be dead.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;
/// Of an answer's head; its body is not read.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a signature counts (as with LiveKit).
const SIGNATURE_LIFE: Duration = Duration::from_secs(5 * 60);

const CONTENT: &str = "application/webhook+json";
const AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));

/// Why webhooks cannot be posted as configured.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address cannot be used.
    #[error("webhook {url} is not an http:// or https:// URL with a host")]
    Url {
        /// As configured.
        url: String,
    },
    /// Nobody knows the secret to sign with.
    #[error("webhook {url} is to be signed with the API key `{api_key}`, which is not one of [keys]")]
    UnknownKey {
        /// As configured.
        url: String,
        /// As configured.
        api_key: String,
    },
    /// HTTPS needs to know whom to trust.
    #[error("no root certificates are installed, and a webhook is for https: install the package ca-certificates")]
    NoRoots,
    /// They are there and of no use.
    #[error("the system's root certificates cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why there was no status.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("it did not answer in time")]
    Timeout,
    #[error("its name cannot be resolved: {0}")]
    Resolve(std::io::Error),
    #[error("it is at {0}, not on the open internet; `allow_private` allows that")]
    Private(SocketAddr),
    #[error("its name has no address")]
    NoAddress,
    #[error("cannot connect to it: {0}")]
    Connect(std::io::Error),
    #[error("HTTP failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be written: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("it cannot be signed: {0}")]
    Sign(#[from] serde_json::Error),
}

/// Posts to one receiver.
pub(super) struct Poster {
    host: String,
    port: u16,
    /// `Host` of the request.
    authority: String,
    path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    api_key: String,
    secret: String,
    allow_private: bool,
}

/// What the signature says: these bytes, of this server, now.
#[derive(Serialize)]
struct Signature<'a> {
    iss: &'a str,
    nbf: u64,
    exp: u64,
    /// Of the body, in base64.
    sha256: String,
}

/// Posters for all receivers of the configuration, in its order.
pub(super) fn posters(config: &ServerConfig) -> Result<Vec<Poster>, WebhookError> {
    let is_https = |webhook: &Webhook| webhook.url.starts_with("https:");
    let tls = config.webhooks.iter().any(is_https).then(connector).transpose()?;
    config
        .webhooks
        .iter()
        .map(|webhook| {
            let secret = config.keys.iter().find(|(key, _)| *key == webhook.api_key);
            let (_, secret) = secret.ok_or_else(|| WebhookError::UnknownKey {
                url: webhook.url.clone(),
                api_key: webhook.api_key.clone(),
            })?;
            Poster::new(webhook, secret, tls.as_ref()).ok_or_else(|| WebhookError::Url { url: webhook.url.clone() })
        })
        .collect()
}

/// Trusts whom the system trusts.
fn connector() -> Result<TlsConnector, WebhookError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(WebhookError::NoRoots),
        false => Ok(connector_to(roots)?),
    }
}

fn connector_to(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Poster {
    fn new(webhook: &Webhook, secret: &str, tls: Option<&TlsConnector>) -> Option<Self> {
        let uri: Uri = webhook.url.parse().ok()?;
        let authority = uri.authority()?;
        // Names and passwords in addresses end up in logs.
        if authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (port, tls) = match uri.scheme_str()? {
            "http" => (80, None),
            "https" => (443, Some((tls?.clone(), ServerName::try_from(host.clone()).ok()?))),
            _ => return None,
        };
        Some(Self {
            port: authority.port_u16().unwrap_or(port),
            authority: authority.as_str().to_owned(),
            path: match uri.query() {
                Some(query) => format!("{}?{query}", uri.path()),
                None => uri.path().to_owned(),
            },
            host,
            tls,
            api_key: webhook.api_key.clone(),
            secret: secret.to_owned(),
            allow_private: webhook.allow_private,
        })
    }

    /// Its name in logs: paths of receivers may hold secrets.
    pub(super) fn name(&self) -> &str {
        &self.authority
    }

    /// Posts; the status of the answer.
    pub(super) async fn post(&self, body: String) -> Result<u16, PostError> {
        tokio::time::timeout(PATIENCE, self.attempt(body)).await.map_err(|_| PostError::Timeout)?
    }

    async fn attempt(&self, body: String) -> Result<u16, PostError> {
        let request = self.request(body)?;
        let stream = self.connect().await?;
        match &self.tls {
            None => exchange(stream, request).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(PostError::Connect)?;
                exchange(stream, request).await
            }
        }
    }

    fn request(&self, body: String) -> Result<Request<Full<Bytes>>, PostError> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signature = Signature {
            iss: &self.api_key,
            nbf: now_s,
            exp: now_s + SIGNATURE_LIFE.as_secs(),
            sha256: STANDARD.encode(digest::digest(&digest::SHA256, body.as_bytes())),
        };
        Ok(Request::post(self.path.as_str())
            .header(HOST, &self.authority)
            .header(USER_AGENT, AGENT)
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, CONTENT)
            .header(AUTHORIZATION, sign(&signature, self.secret.as_bytes())?)
            .body(Full::from(body))?)
    }

    /// To the first address that answers, of those that are allowed.
    async fn connect(&self) -> Result<TcpStream, PostError> {
        let found = lookup_host((self.host.as_str(), self.port)).await.map_err(PostError::Resolve)?;
        let mut failure = PostError::NoAddress;
        for address in found.take(ADDRESSES) {
            if !self.allow_private && !is_public(address.ip()) {
                failure = PostError::Private(address);
                continue;
            }
            match tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = PostError::Connect(error),
                Err(_) => failure = PostError::Timeout,
            }
        }
        Err(failure)
    }
}

/// Sends the request and reads the head of the answer.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    request: Request<Full<Bytes>>,
) -> Result<u16, PostError> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    let response = tokio::select! {
        biased;
        response = &mut answer => response,
        // It may end with the answer already handed over.
        _ = connection => answer.await,
    }?;
    Ok(response.status().as_u16())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Takes posts over TLS; its port, and the certificate to trust.
    async fn receiver() -> (u16, CertificateDer<'static>) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let cert = cert.der().clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.clone()], PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut read = [0; 4096];
                if stream.read(&mut read).await.is_ok() {
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                }
            }
        });
        (port, cert)
    }

    fn trusting(certificates: &[CertificateDer<'static>]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate.clone()).unwrap();
        }
        connector_to(roots).unwrap()
    }

    fn poster(url: String, tls: &TlsConnector) -> Option<Poster> {
        let webhook = Webhook { url, api_key: "key".into(), allow_private: true };
        Poster::new(&webhook, "secret", Some(tls))
    }

    #[tokio::test]
    async fn over_tls_only_a_trusted_receiver_is_told() {
        let (port, certificate) = receiver().await;
        let url = format!("https://localhost:{port}/hook");
        let post = async |tls: &TlsConnector| poster(url.clone(), tls).unwrap().post("{}".into()).await;

        assert_eq!(post(&trusting(&[certificate])).await.unwrap(), 204);

        let (_, other) = receiver().await;
        assert!(matches!(post(&trusting(&[other])).await, Err(PostError::Connect(_))));
    }

    #[tokio::test]
    async fn a_path_may_be_left_out_and_a_name_with_a_password_is_no_address() {
        let tls = trusting(&[]);
        let target = |url: &str| poster(url.into(), &tls).map(|poster| (poster.host, poster.port, poster.path));
        let at = |host: &str, port, path: &str| Some((host.to_owned(), port, path.to_owned()));
        assert_eq!(target("http://app.example.org"), at("app.example.org", 80, "/"));
        assert_eq!(target("https://app.example.org?to=me"), at("app.example.org", 443, "/?to=me"));
        assert_eq!(target("http://[::1]:8080/hook"), at("::1", 8080, "/hook"));
        assert_eq!(target("http://user:word@app.example.org/"), None);
        assert_eq!(target("ftp://app.example.org/"), None);
        assert_eq!(target("/hook"), None);
    }
}
