//! What concerns browsers alone: cookies, and where a page comes from (RFC 6265bis, Fetch Metadata).

use axum::http::{HeaderMap, HeaderValue, header};

use crate::App;
use crate::doors::Peer;

/// A refresh token, where scripts cannot read it.
pub(super) const REFRESH: Cookie = Cookie { name: "sluice_refresh", path: "/api/accounts", same_site: "Strict" };
/// What a sign-in by a provider began with. It has to come along when the provider sends the browser back.
pub(super) const TICKET: Cookie = Cookie { name: "sluice_sign_in", path: "/api/accounts/oidc", same_site: "Lax" };

/// A cookie that only this server reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookie {
    name: &'static str,
    path: &'static str,
    same_site: &'static str,
}

impl Cookie {
    /// The header that sets it, for so many seconds; 0 takes it away. `value` is of letters that cookies may hold.
    pub(super) fn set(self, value: &str, life_s: u64, secure: bool) -> Option<HeaderValue> {
        let Self { name, path, same_site } = self;
        let secure = if secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path={path}; Max-Age={life_s}; HttpOnly; SameSite={same_site}{secure}");
        HeaderValue::try_from(text).ok()
    }

    /// Its value, of a request.
    pub(super) fn of(self, headers: &HeaderMap) -> Option<&str> {
        let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.name).map(|(_, value)| value)
    }
}

/// Whether no page of somebody else asks: a browser says so of itself, what is none says nothing. `SameSite` keeps cookies from
/// strangers' pages, this from those of neighbours under the same name as well.
pub(super) fn is_own_page(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

/// Whether people reach this server over HTTPS.
pub(super) fn is_secure(app: &App, peer: Peer, headers: &HeaderMap) -> bool {
    let url = app.config.public_url.as_deref().unwrap_or_default();
    // Behind a proxy that speaks HTTPS, says the configuration. What the header says concerns only who sent it.
    peer.secure
        || app.config.behind_proxy
        || url.starts_with("https:")
        || url.starts_with("wss:")
        || headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
}

/// The URL of this server's pages, without a slash at its end.
pub(super) fn own_url(app: &App, peer: Peer, headers: &HeaderMap) -> String {
    match &app.config.public_url {
        // `ws` and `wss` are `http` and `https` by another name.
        Some(url) => url
            .replacen("ws", "http", usize::from(url.starts_with("ws")))
            .trim_end_matches('/')
            .to_owned(),
        None => {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
            format!("{}://{host}", if is_secure(app, peer, headers) { "https" } else { "http" })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_not_by_half_its_name() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("a=1; xsluice_refresh=no;sluice_refresh=yes=; b"));
        headers.append("cookie", HeaderValue::from_static("sluice_sign_in=t"));
        assert_eq!((REFRESH.of(&headers), TICKET.of(&headers)), (Some("yes="), Some("t")));
        assert_eq!(REFRESH.of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_cookie_says_who_may_read_it() {
        let set = REFRESH.set("x", 60, true).unwrap();
        assert_eq!(set, "sluice_refresh=x; Path=/api/accounts; Max-Age=60; HttpOnly; SameSite=Strict; Secure");
        let gone = TICKET.set("", 0, false).unwrap();
        assert_eq!(gone, "sluice_sign_in=; Path=/api/accounts/oidc; Max-Age=0; HttpOnly; SameSite=Lax");
    }
}
