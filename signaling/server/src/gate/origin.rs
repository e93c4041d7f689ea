//! Which web pages may use this server from a browser (the Fetch standard's CORS, RFC 6454 origins).
//!
//! Only browsers send `Origin`; an SDK of another kind has none and is not concerned. The one cookie that signs
//! anybody in is not sent for other pages, so such a page gains nothing by its visitor's presence: it needs a token either way.

use axum::http::HeaderValue;

/// Pages that may.
#[derive(Debug, Clone)]
pub(crate) enum Origins {
    /// Every page there is.
    Any,
    /// The own pages, and those of exactly these origins.
    These(Vec<String>),
}

impl Origins {
    /// `*` among them stands for all. Pages of the URL by which clients reach this server are its own.
    pub(crate) fn new(allowed: &[String], public_url: Option<&str>) -> Self {
        if allowed.iter().any(|origin| origin == "*") {
            return Self::Any;
        }
        let own = public_url.map(origin_of);
        Self::These(allowed.iter().map(|origin| origin.to_ascii_lowercase()).chain(own).collect())
    }

    /// Whether a page of that origin may. `host` is what the request was sent to: the page that this server itself gave out
    /// has it in its origin.
    pub(crate) fn allow(&self, origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
        let Self::These(origins) = self else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = host.and_then(|host| host.to_str().ok());
        let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let is_own = authority.is_some_and(|authority| host.is_some_and(|host| host.eq_ignore_ascii_case(authority)));
        is_own || origins.iter().any(|allowed| allowed == origin)
    }
}

/// The origin of pages at a URL; `ws` and `wss` are `http` and `https` by another name.
fn origin_of(url: &str) -> String {
    let url = url.replacen("ws", "http", usize::from(url.starts_with("ws")));
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", &url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{authority}").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn exactly_those_named_and_the_own() {
        let allowed = ["https://good.com".to_owned(), "https://app.good.com:8443".to_owned()];
        let origins = Origins::new(&allowed, Some("wss://Public.good.com/calls"));
        let host = HeaderValue::from_static("call.good.com");
        let allow = |origin: &str| origins.allow(&origin.parse().unwrap(), Some(&host));
        for good in
            ["https://good.com", "https://app.good.com:8443", "https://call.good.com", "https://public.good.com"]
        {
            assert!(allow(good), "{good}");
        }
        for evil in [
            "null",
            "",
            "*",
            "http://good.com",
            "https://good.com.evil",
            "https://evil-good.com",
            "https://good.com:8443",
            "https://good.com/",
            "https://call.good.com.evil",
            "file://call.good.com",
            "call.good.com",
        ] {
            assert!(!allow(evil), "{evil}");
        }
        assert!(!origins.allow(&"https://call.good.com".parse().unwrap(), None));
    }

    #[test]
    fn a_star_is_everybody() {
        let origins = Origins::new(&["https://good.com".to_owned(), "*".to_owned()], None);
        assert!(origins.allow(&"null".parse().unwrap(), None));
    }
}
