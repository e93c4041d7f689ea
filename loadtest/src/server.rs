//! Which server is loaded: its address, and tokens it accepts.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use livekit_token::{AccessToken, VideoGrants};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::LoadError;
use crate::tls;

/// Longer than any run.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);

/// A connection, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A LiveKit-compatible server.
#[derive(Clone)]
pub struct Server {
    tls: Option<TlsConnector>,
    /// Host and port.
    authority: String,
    host: String,
    port: u16,
    /// Of the URL, without a slash at its end.
    path: String,
    api_key: String,
    api_secret: String,
}

/// Shows everything but the secret.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url(""))
            .field("api_key", &self.api_key)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// The server at a URL (`ws`, `wss`, `http` or `https`), and the key that signs tokens for it. With TLS its
    /// certificate must be vouched for by one in the file `ca`, or by one the system trusts.
    ///
    /// # Errors
    /// [`LoadError::Url`] for what is no such URL, [`LoadError::Trust`] when no certificate can be trusted.
    pub fn new(url: &str, api_key: &str, api_secret: &str, ca: Option<&Path>) -> Result<Self, LoadError> {
        let bad = || LoadError::Url(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let is_secure = match scheme {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(bad()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address without a port stand inside its brackets.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| bad())?),
            _ => (authority, if is_secure { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || path.contains(['?', '#']) {
            return Err(bad());
        }
        Ok(Self {
            tls: is_secure.then(|| tls::connector(ca)).transpose()?,
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            path: path.trim_end_matches('/').to_owned(),
            api_key: api_key.to_owned(),
            api_secret: api_secret.to_owned(),
        })
    }

    /// A connection to it, and our address on the way there.
    pub(crate) async fn open(&self) -> io::Result<(Box<dyn Stream>, IpAddr)> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?.ip();
        let Some(tls) = &self.tls else { return Ok((Box::new(stream), local)) };
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        Ok((Box::new(tls.connect(name, stream).await?), local))
    }

    /// The URL of one of its paths.
    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}{}{path}", self.authority, self.path)
    }

    /// A request for one of its paths, whose answer ends with the connection.
    pub(crate) fn get(&self, path: &str) -> String {
        self.request("GET", path, None, "")
    }

    /// The same with a method, whoever asks, and a body of JSON.
    pub(crate) fn request(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> String {
        let (base, host, length) = (&self.path, &self.authority, body.len());
        let token = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        let body = match length {
            0 => String::from("\r\n"),
            _ => format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"),
        };
        format!("{method} {base}{path} HTTP/1.0\r\nhost: {host}\r\n{token}{body}")
    }

    /// Lets somebody into a room; `name` is what others see.
    pub(crate) fn token(&self, room: &str, identity: &str, name: &str) -> Result<String, LoadError> {
        let grants = VideoGrants { room_join: true, room: room.to_owned(), ..Default::default() };
        Ok(self.signed(grants).with_identity(identity).with_name(name).to_jwt()?)
    }

    /// For whoever records rooms.
    pub(crate) fn recording_token(&self) -> Result<String, LoadError> {
        Ok(self.signed(VideoGrants { room_record: true, ..Default::default() }).to_jwt()?)
    }

    fn signed(&self, grants: VideoGrants) -> AccessToken {
        AccessToken::with_api_key(&self.api_key, &self.api_secret)
            .with_ttl(TOKEN_TTL)
            .with_grants(grants)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn urls_are_understood_or_refused() {
        let server = |url| Server::new(url, "k", "s", None);
        let address = |url| {
            let server = server(url).unwrap();
            (server.host.clone(), server.port, server.url("/rtc"))
        };
        let is = |host: &str, port: u16, url: &str| (host.to_owned(), port, url.to_owned());
        assert_eq!(address("ws://localhost:7880"), is("localhost", 7880, "ws://localhost:7880/rtc"));
        assert_eq!(address("http://10.0.0.1/calls/"), is("10.0.0.1", 80, "ws://10.0.0.1/calls/rtc"));
        assert_eq!(address("ws://[::1]:7880"), is("::1", 7880, "ws://[::1]:7880/rtc"));
        assert_eq!(address("ws://[::1]"), is("::1", 80, "ws://[::1]/rtc"));
        for bad in ["localhost:7880", "ws://", "ws://host:port", "ftp://host", "ws://host/?a=b"] {
            assert!(matches!(server(bad), Err(LoadError::Url(_))), "{bad}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_not_trusted() {
        let nowhere = Path::new("/nowhere/ca.pem");
        let error = Server::new("wss://host", "k", "s", Some(nowhere)).unwrap_err();
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    }

    #[test]
    fn no_secret_is_printed() {
        let server = Server::new("ws://host", "key", "hush", None).unwrap();
        assert!(!format!("{server:?}").contains("hush"));
    }
}
