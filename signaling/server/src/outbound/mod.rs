//! One HTTP request to somebody else's server: resolve, look at the address, connect to that very address, ask, read.
//!
//! A connection of its own for each request: so what was checked is what is spoken to, nobody follows a redirect, and a
//! server that is not asked anything holds nothing open. Knows neither who asks nor what the answer means.

mod address;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::http::{HeaderValue, request};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

pub(crate) use address::is_public;

/// From the first question to the resolver to the end of the answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Of several addresses, the first may be dead.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;
/// Of an answer's head.
const HEAD_BYTES: usize = 16 * 1024;

const AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
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
    #[error("its answer cannot be read, or is too large: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// Why nobody can be spoken to over TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTrust {
    #[error("no root certificates are installed: install the package ca-certificates")]
    NoRoots,
    #[error("the system's root certificates cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// Trusts whom the system trusts.
pub(crate) fn connector() -> Result<TlsConnector, NoTrust> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(NoTrust::NoRoots),
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

/// Where requests go.
#[derive(Clone)]
pub(crate) struct Destination {
    host: String,
    port: u16,
    /// `Host` of the request.
    authority: String,
    path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    allow_private: bool,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Destination {
    /// Where a URL leads: `http://`, or `https://` where there is a connector; else `None`.
    pub(crate) fn parse(url: &str, tls: Option<&TlsConnector>, allow_private: bool) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
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
            allow_private,
        })
    }

    /// Host and port as the URL has them: its name in logs, since paths may hold secrets.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// A request to it, with method and headers of `request`. Reads at most `most` bytes of the answer's body; with 0 none of
    /// it, whatever it is.
    pub(crate) async fn ask(&self, request: request::Builder, body: String, most: usize) -> Result<Answer, Unanswered> {
        let host = HeaderValue::from_str(&self.authority).map_err(hyper::http::Error::from)?;
        let request = request
            .uri(self.path.as_str())
            .header(HOST, host)
            .header(USER_AGENT, AGENT)
            .header(CONNECTION, "close")
            .body(Full::from(body))?;
        tokio::time::timeout(PATIENCE, self.attempt(request, most))
            .await
            .map_err(|_| Unanswered::Timeout)?
    }

    async fn attempt(&self, request: Request<Full<Bytes>>, most: usize) -> Result<Answer, Unanswered> {
        let stream = self.connect().await?;
        match &self.tls {
            None => exchange(stream, request, most).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(Unanswered::Connect)?;
                exchange(stream, request, most).await
            }
        }
    }

    /// To the first address that answers, of those that are allowed.
    async fn connect(&self) -> Result<TcpStream, Unanswered> {
        let found = lookup_host((self.host.as_str(), self.port)).await.map_err(Unanswered::Resolve)?;
        let mut failure = Unanswered::NoAddress;
        for address in found.take(ADDRESSES) {
            if !self.allow_private && !is_public(address.ip()) {
                failure = Unanswered::Private(address);
                continue;
            }
            match tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = Unanswered::Connect(error),
                Err(_) => failure = Unanswered::Timeout,
            }
        }
        Err(failure)
    }
}

/// Sends the request and reads the answer.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Answer, Unanswered> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await?;
    let mut answer = std::pin::pin!(async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = match most {
            0 => Bytes::new(),
            most => Limited::new(response.into_body(), most)
                .collect()
                .await
                .map_err(Unanswered::Body)?
                .to_bytes(),
        };
        Ok(Answer { status, body })
    });
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It may end with the answer already handed over.
        _ = connection => answer.await,
    }
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

    /// Answers over TLS; its port, and the certificate to trust.
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
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
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

    #[tokio::test]
    async fn over_tls_only_a_trusted_server_is_asked_and_no_more_read_than_wanted() {
        let (port, certificate) = receiver().await;
        let ask = async |tls: &TlsConnector, most: usize| {
            let destination = Destination::parse(&format!("https://localhost:{port}/x"), Some(tls), true).unwrap();
            destination.ask(Request::get("/"), String::new(), most).await
        };
        let trusted = trusting(&[certificate]);
        assert_eq!(ask(&trusted, 5).await.unwrap().body, "hello");
        assert!(matches!(ask(&trusted, 4).await, Err(Unanswered::Body(_))));
        let unread = ask(&trusted, 0).await.unwrap();
        assert_eq!((unread.status, unread.body.len()), (200, 0));

        let (_, other) = receiver().await;
        assert!(matches!(ask(&trusting(&[other]), 5).await, Err(Unanswered::Connect(_))));
    }

    #[tokio::test]
    async fn nobody_in_private_is_asked_unless_that_is_allowed() {
        let ask = async |url: &str| {
            let destination = Destination::parse(url, None, false).unwrap();
            destination.ask(Request::get("/"), String::new(), 5).await
        };
        for url in ["http://127.0.0.1:1", "http://[::1]:1", "http://10.0.0.1", "http://169.254.169.254/latest"] {
            assert!(matches!(ask(url).await, Err(Unanswered::Private(_))), "{url}");
        }
    }

    #[test]
    fn a_path_may_be_left_out_and_a_name_with_a_password_is_no_address() {
        let tls = trusting(&[]);
        let target = |url: &str| Destination::parse(url, Some(&tls), false).map(|to| (to.host, to.port, to.path));
        let at = |host: &str, port, path: &str| Some((host.to_owned(), port, path.to_owned()));
        assert_eq!(target("http://app.example.org"), at("app.example.org", 80, "/"));
        assert_eq!(target("https://app.example.org?to=me"), at("app.example.org", 443, "/?to=me"));
        assert_eq!(target("http://[::1]:8080/hook"), at("::1", 8080, "/hook"));
        assert_eq!(target("http://user:word@app.example.org/"), None);
        assert_eq!(target("ftp://app.example.org/"), None);
        assert_eq!(target("/hook"), None);
    }
}
