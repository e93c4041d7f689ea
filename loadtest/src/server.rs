//! Which server is loaded: its address, and tokens it accepts.

use std::time::Duration;

use livekit_token::{AccessToken, VideoGrants};

use crate::error::LoadError;

/// Longer than any run.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);

/// A LiveKit-compatible server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Host and port.
    authority: String,
    host: String,
    port: u16,
    /// Of the URL, without a slash at its end.
    path: String,
    api_key: String,
    api_secret: String,
}

impl Server {
    /// The server at a URL (`ws` or `http`), and the key that signs tokens for it.
    ///
    /// # Errors
    /// [`LoadError::Url`] for what is no such URL, [`LoadError::Tls`] for one that wants TLS.
    pub fn new(url: &str, api_key: &str, api_secret: &str) -> Result<Self, LoadError> {
        let bad = || LoadError::Url(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        match scheme {
            "ws" | "http" => {}
            "wss" | "https" => return Err(LoadError::Tls(url.to_owned())),
            _ => return Err(bad()),
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address without a port stand inside its brackets.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| bad())?),
            _ => (authority, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || path.contains(['?', '#']) {
            return Err(bad());
        }
        Ok(Self {
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            path: path.trim_end_matches('/').to_owned(),
            api_key: api_key.to_owned(),
            api_secret: api_secret.to_owned(),
        })
    }

    pub(crate) fn host(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The URL of one of its paths.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{}{path}", self.authority, self.path)
    }

    /// A request for one of its paths, whose answer ends with the connection.
    pub(crate) fn get(&self, path: &str) -> String {
        format!("GET {}{path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.path, self.authority)
    }

    /// Lets somebody into a room; `name` is what others see.
    pub(crate) fn token(&self, room: &str, identity: &str, name: &str) -> Result<String, LoadError> {
        let grants = VideoGrants { room_join: true, room: room.to_owned(), ..Default::default() };
        let token = AccessToken::with_api_key(&self.api_key, &self.api_secret)
            .with_identity(identity)
            .with_name(name)
            .with_ttl(TOKEN_TTL)
            .with_grants(grants);
        Ok(token.to_jwt()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn urls_are_understood_or_refused() {
        let server = |url| Server::new(url, "k", "s");
        let plain = server("ws://localhost:7880").unwrap();
        assert_eq!((plain.host(), plain.url("/rtc")), (("localhost", 7880), "ws://localhost:7880/rtc".to_owned()));
        let behind = server("http://10.0.0.1/calls/").unwrap();
        assert_eq!((behind.host(), behind.url("/rtc")), (("10.0.0.1", 80), "ws://10.0.0.1/calls/rtc".to_owned()));
        assert_eq!(server("ws://[::1]:7880").unwrap().host(), ("::1", 7880));
        assert_eq!(server("ws://[::1]").unwrap().host(), ("::1", 80));
        for bad in ["localhost:7880", "ws://", "ws://host:port", "ftp://host", "ws://host/?a=b"] {
            assert!(matches!(server(bad), Err(LoadError::Url(_))), "{bad}");
        }
        assert!(matches!(server("wss://host"), Err(LoadError::Tls(_))));
    }
}
