//! Headers that tell browsers what pages of this server may do, and what may be done with them.

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What every answer has, unless its door said otherwise.
const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // For browsers that do not know `frame-ancestors`.
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), usb=()",
        ),
    ),
];

/// The headers.
#[derive(Debug, Clone)]
pub(super) struct Safety {
    content_security: HeaderValue,
}

impl Safety {
    /// The web client speaks to where it came from, and to the URL by which clients reach this server. Recordings may play
    /// from the bucket at that address.
    pub(super) fn new(public_url: Option<&str>, bucket: Option<&str>) -> Self {
        let content_security = HeaderValue::try_from(content_security("'self'", public_url, bucket))
            .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
        Self { content_security }
    }

    fn put(&self, headers: &mut HeaderMap) {
        let policy = (header::CONTENT_SECURITY_POLICY, self.content_security.clone());
        for (name, value) in ALWAYS.into_iter().chain([policy]) {
            headers.entry(name).or_insert(value);
        }
    }
}

pub(super) async fn set(State(safety): State<Safety>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    safety.put(response.headers_mut());
    response
}

/// The policy (CSP Level 3). No script or style but from files of this server: what somebody smuggles into a page does
/// not run, and sends nothing elsewhere. `blob:` is the client's own: workers, pictures, recordings.
fn content_security(styles: &str, public_url: Option<&str>, bucket: Option<&str>) -> String {
    let elsewhere = public_url.and_then(connectable).map(|sources| format!(" {sources}")).unwrap_or_default();
    let kept = bucket.and_then(origin).map(|source| format!(" {source}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src {styles}; \
         img-src 'self' data: blob:; font-src 'self'; media-src 'self' blob: mediastream:{kept}; connect-src 'self'{elsewhere}; \
         manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// The policy for a page that has this text in its only `<style>`.
pub(super) fn with_style(style: &str) -> HeaderValue {
    let hash = format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, style.as_bytes())));
    HeaderValue::try_from(content_security(&hash, None, None))
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}

/// The server of a URL as sources, for requests and for WebSockets. What does not belong into a policy gives none.
fn connectable(url: &str) -> Option<String> {
    let origin = origin(url)?;
    Some(format!("{origin} ws{}", origin.strip_prefix("http")?))
}

/// The server of a URL as a source for requests.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let secure = if scheme.ends_with('s') { "s" } else { "" };
    (!authority.is_empty() && authority.chars().all(is_plain)).then(|| format!("http{secure}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_may_speak_to_its_server_and_nobody_else() {
        assert!(content_security("'self'", None, None).contains("connect-src 'self';"));
        let policy = content_security("'self'", Some("wss://call.example.org:8443/x"), None);
        let expected = "connect-src 'self' https://call.example.org:8443 wss://call.example.org:8443;";
        assert!(policy.contains(expected), "{policy}");
        assert_eq!(connectable("ws://a; script-src *"), None);
        let policy = content_security("'self'", None, Some("https://calls.s3.eu-north-1.amazonaws.com/x"));
        assert!(
            policy.contains("mediastream: https://calls.s3.eu-north-1.amazonaws.com; connect-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn a_style_is_named_by_its_hash() {
        // printf 'a' | openssl dgst -sha256 -binary | base64
        let expected = "style-src 'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=';";
        assert!(with_style("a").to_str().is_ok_and(|policy| policy.contains(expected)));
    }
}
