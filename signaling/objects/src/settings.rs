//! Which bucket, and with which keys.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use crate::{ObjectKey, Reach, Secret, ShelfError};

/// Bytes of an endpoint, and of a key.
const TEXT: usize = 2048;
/// Bytes of a token of keys that are lent; those of AWS are about 1 kB.
const TOKEN: usize = 16 * 1024;

/// A bucket that speaks S3, and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// Its region; empty: `us-east-1`, which other places than Amazon's mostly take.
    pub region: String,
    /// Another place than Amazon's: `https://host` with or without port; `http://` where somebody trusts the way.
    pub endpoint: Option<String>,
    /// The id of the key.
    pub access_key: Secret,
    /// The key.
    pub secret_key: Secret,
    /// Of keys that are lent.
    pub session_token: Option<Secret>,
    /// The bucket is in the path of addresses rather than in the host's name.
    pub path_style: bool,
    /// What all keys begin with: empty, or parts with `/` between them.
    pub prefix: String,
}

impl fmt::Display for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address())
    }
}

impl S3Settings {
    /// Whether somebody could be asked with these. Nobody is.
    ///
    /// # Errors
    /// [`ShelfError::Settings`] says what is wrong, without what it is.
    pub fn check(&self) -> Result<(), ShelfError> {
        let is_name =
            |text: &str, others: &[u8]| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte));
        let bucket = &self.bucket;
        // Part of a host's name: letters, digits and a few marks, none of which ends a host.
        if bucket.is_empty() || bucket.len() > 255 || !is_name(bucket, b"-._") || bucket.starts_with(['.', '-']) {
            return Err(ShelfError::Settings("the bucket has a name that no bucket has"));
        }
        if self.region.len() > 64 || !is_name(&self.region, b"-_") {
            return Err(ShelfError::Settings("the region is none"));
        }
        if self.endpoint.as_deref().is_some_and(|endpoint| !is_endpoint(endpoint)) {
            return Err(ShelfError::Settings("the endpoint is no http:// or https:// address of a host"));
        }
        if self.url().is_none() {
            return Err(ShelfError::Settings("the endpoint and the bucket make no address together"));
        }
        let is_key = |key: &Secret, most| {
            (1..=most).contains(&key.len_bytes()) && key.reveal().bytes().all(|byte| byte.is_ascii_graphic())
        };
        let keys = is_key(&self.access_key, TEXT) && is_key(&self.secret_key, TEXT);
        if !keys || self.session_token.as_ref().is_some_and(|token| !is_key(token, TOKEN)) {
            return Err(ShelfError::Settings("the keys are empty, or none"));
        }
        if !self.prefix.is_empty() && ObjectKey::parse(&self.prefix).is_err() {
            return Err(ShelfError::Settings("the prefix is no path without `/` at its ends"));
        }
        Ok(())
    }

    /// The key of an object under the prefix.
    ///
    /// # Errors
    /// [`ShelfError::Key`] as [`ObjectKey::parse`].
    pub fn key(&self, name: &str) -> Result<ObjectKey, ShelfError> {
        match self.prefix.as_str() {
            "" => ObjectKey::parse(name),
            prefix => ObjectKey::parse(&format!("{prefix}/{name}")),
        }
    }

    /// The bucket's address, without `/` at its end.
    #[must_use]
    pub fn address(&self) -> String {
        let (bucket, region) = (&self.bucket, self.region());
        let amazon = || format!("https://s3.{region}.amazonaws.com");
        let endpoint = self
            .endpoint
            .as_deref()
            .map_or_else(amazon, |endpoint| endpoint.trim_end_matches('/').to_owned());
        match endpoint.split_once("://") {
            Some((scheme, host)) if !self.path_style => format!("{scheme}://{bucket}.{host}"),
            _ => format!("{endpoint}/{bucket}"),
        }
    }

    /// The address of an object, for who has keys.
    #[must_use]
    pub fn location(&self, key: &ObjectKey) -> String {
        format!("{}/{}", self.address(), key.encoded())
    }

    pub(crate) fn region(&self) -> &str {
        if self.region.is_empty() { "us-east-1" } else { &self.region }
    }

    /// An address is not resolved, so it is looked at before.
    pub(crate) fn check_reach(&self, reach: Option<Reach>) -> Result<(), ShelfError> {
        match reach.is_some_and(|reach| self.ip().is_some_and(|ip| !reach(ip))) {
            true => Err(ShelfError::OffLimits),
            false => Ok(()),
        }
    }

    /// The address that is connected to, if it is none that has to be resolved: as those read it who connect. They
    /// take `127.1`, `0x7f.1` and `2130706433` for one, and a bucket's name may be a part of it.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.url()?.host_str()?.trim_matches(['[', ']']).parse().ok()
    }

    /// [`address`](Self::address) as it is read by those who connect, all of whom have to take it.
    fn url(&self) -> Option<Url> {
        let address = self.address();
        address.parse::<http::Uri>().ok()?;
        Url::parse(&address).ok().filter(Url::has_host)
    }

    pub(crate) fn is_plain_http(&self) -> bool {
        self.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"))
    }
}

/// A scheme, a host and perhaps a port; no path, no name and password.
fn is_endpoint(text: &str) -> bool {
    let host = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let Some(host) = host.map(|host| host.strip_suffix('/').unwrap_or(host)) else { return false };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']');
    !host.is_empty() && text.len() <= TEXT && host.chars().all(is_host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn settings() -> S3Settings {
        S3Settings {
            bucket: "calls".to_owned(),
            region: String::new(),
            endpoint: None,
            access_key: "AKIA".to_owned().into(),
            secret_key: "hush".to_owned().into(),
            session_token: Some("hush-token".to_owned().into()),
            path_style: false,
            prefix: String::new(),
        }
    }

    #[test]
    fn addresses_are_where_the_bucket_is() {
        let with = |endpoint: Option<&str>, path_style| {
            S3Settings { endpoint: endpoint.map(str::to_owned), path_style, ..settings() }.address()
        };
        assert_eq!(with(None, false), "https://calls.s3.us-east-1.amazonaws.com");
        assert_eq!(with(None, true), "https://s3.us-east-1.amazonaws.com/calls");
        assert_eq!(with(Some("http://localhost:9000/"), true), "http://localhost:9000/calls");
        assert_eq!(with(Some("https://s3.example.com"), false), "https://calls.s3.example.com");
    }

    #[test]
    fn settings_that_lead_elsewhere_are_refused() {
        assert!(settings().check().is_ok());
        for bucket in ["", "a/b", "a?b", ".a", "host:1", "a@b"] {
            assert!(S3Settings { bucket: bucket.to_owned(), ..settings() }.check().is_err(), "{bucket}");
        }
        for endpoint in ["", "ftp://a", "https://", "https://a/b", "https://u:p@a", "https://a?x", "https://a b"] {
            assert!(S3Settings { endpoint: Some(endpoint.to_owned()), ..settings() }.check().is_err(), "{endpoint}");
        }
        for prefix in ["/", "a/", "../a", "a//b"] {
            assert!(S3Settings { prefix: prefix.to_owned(), ..settings() }.check().is_err(), "{prefix}");
        }
        assert!(S3Settings { secret_key: String::new().into(), ..settings() }.check().is_err());
        assert!(S3Settings { access_key: "a\r\nb".to_owned().into(), ..settings() }.check().is_err());
        assert!(S3Settings { region: "a.b/".to_owned(), ..settings() }.check().is_err());
    }

    #[test]
    fn addresses_in_endpoints_are_seen() {
        let at = |endpoint: &str| S3Settings { endpoint: Some(endpoint.to_owned()), path_style: true, ..settings() };
        for (endpoint, address) in [
            ("http://127.0.0.1", "127.0.0.1"),
            ("http://127.0.0.1:9000/", "127.0.0.1"),
            ("https://[::1]:9000", "::1"),
            ("https://[::1]", "::1"),
            ("http://127.1:9000", "127.0.0.1"),
            ("http://2130706433", "127.0.0.1"),
            ("http://0x7f.1", "127.0.0.1"),
            ("http://0177.0.0.1", "127.0.0.1"),
            ("http://127.0.0.1.", "127.0.0.1"),
            ("http://[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ] {
            assert_eq!(at(endpoint).ip(), Some(address.parse().unwrap()), "{endpoint}");
            assert!(at(endpoint).check().is_ok(), "{endpoint}");
            assert!(matches!(at(endpoint).check_reach(Some(|_| false)), Err(ShelfError::OffLimits)), "{endpoint}");
        }
        assert_eq!(at("https://s3.example.com:9000").ip(), None);
    }

    #[test]
    fn addresses_that_a_bucket_completes_are_seen() {
        for (bucket, endpoint, address) in
            [("169.254", "http://169.254", "169.254.169.254"), ("127.0.0", "http://1:8080", "127.0.0.1")]
        {
            let at = |path_style| S3Settings {
                bucket: bucket.to_owned(),
                endpoint: Some(endpoint.to_owned()),
                path_style,
                ..settings()
            };
            assert_eq!(at(false).ip(), Some(address.parse().unwrap()), "{bucket} {endpoint}");
            assert!(matches!(at(false).check_reach(Some(|_| false)), Err(ShelfError::OffLimits)), "{bucket}");
            assert_ne!(at(true).ip(), at(false).ip(), "{bucket}");
        }
    }

    #[test]
    fn endpoints_nobody_could_ask_are_refused() {
        for endpoint in [
            "https://1.2.3.4.5",
            "https://s3.256",
            "http://999.1.1.1",
            "https://host:99999",
            "https://a:b",
            "http://[::1",
        ] {
            for path_style in [false, true] {
                let at = S3Settings { endpoint: Some(endpoint.to_owned()), path_style, ..settings() };
                assert!(matches!(at.check(), Err(ShelfError::Settings(_))), "{endpoint}");
                assert!(at.check_reach(Some(|_| true)).is_ok(), "{endpoint}");
            }
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?} {0:#?} {}", settings(), settings());
        assert!(!shown.contains("hush") && !shown.contains("AKIA"), "{shown}");
        assert!(shown.contains("calls") && shown.contains(Secret::HIDDEN));
    }
}
