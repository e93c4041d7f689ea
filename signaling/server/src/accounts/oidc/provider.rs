//! What the provider says of itself (OpenID Connect Discovery 1.0), its keys, and the exchange of a code for an ID token
//! (RFC 6749 section 4.1.3). Knows HTTP; what a token must say, [`id_token`](super::id_token) knows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::form::{encoded, pairs};
use crate::auth::{Key, TrustError, from_jwks};
use crate::config::OidcConfig;
use crate::outbound::{self, Destination, Unanswered};

/// Where a provider describes itself, under its issuer.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// Largest answer: key sets with chains of certificates are the largest.
const ANSWER_BYTES: usize = 256 * 1024;
/// How long what was said counts. Providers change their keys beforehand.
const FRESH: Duration = Duration::from_secs(3600);
/// A key that is not known may be a new one: then the keys are asked for again, but not more often than so.
const KEYS_AGAIN: Duration = Duration::from_secs(60);

/// Why a provider cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// HTTPS needs to know whom to trust.
    #[error("sign-in by {issuer}: {reason}")]
    Trust {
        /// As configured.
        issuer: String,
        /// Why nobody is trusted.
        reason: String,
    },
    /// Its URL cannot be used.
    #[error("sign-in by {issuer}: that is not a URL that starts with https:// (or, where it may be private, http://)")]
    Issuer {
        /// As configured.
        issuer: String,
    },
}

/// Why the provider did not say what is needed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Silence {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is not the expected JSON: {0}")]
    Json(serde_json::Error),
    #[error("it says to be another issuer")]
    Issuer,
    #[error("one of its addresses cannot be used")]
    Address,
    #[error("its keys: {0}")]
    Keys(#[from] TrustError),
}

/// What it says of itself, as far as this server acts on it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    /// How clients prove themselves; HTTP Basic when it is not said.
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// It says in its redirects who it is (RFC 9207).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// The same with its keys, and since when that is known.
pub(super) struct Known {
    pub(super) metadata: Metadata,
    pub(super) keys: Vec<(String, Key)>,
    since: Instant,
}

/// The answer to a code.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// The provider, as it is spoken to.
pub(super) struct Remote {
    config: OidcConfig,
    tls: Option<TlsConnector>,
    discovery: Destination,
    /// Asked for by one at a time; the others wait for the answer.
    known: Mutex<Option<Arc<Known>>>,
}

impl Remote {
    pub(super) fn new(config: OidcConfig) -> Result<Self, ProviderError> {
        let tls = match outbound::connector() {
            Ok(tls) => Some(tls),
            // It may be in the same house, without any.
            Err(_) if config.issuer.starts_with("http://") => None,
            Err(reason) => {
                return Err(ProviderError::Trust { issuer: config.issuer, reason: reason.to_string() });
            }
        };
        let url = format!("{}{WELL_KNOWN}", config.issuer.trim_end_matches('/'));
        match destination(&config, tls.as_ref(), &url) {
            Some(discovery) => Ok(Self { config, tls, discovery, known: Mutex::default() }),
            None => Err(ProviderError::Issuer { issuer: config.issuer }),
        }
    }

    /// What is known, asked for where it is not or where that was long ago.
    pub(super) async fn known(&self, now: Instant) -> Result<Arc<Known>, Silence> {
        self.known_since(|known| now.saturating_duration_since(known.since) < FRESH, now).await
    }

    /// The same with keys newer than those, unless they were asked for a moment ago.
    pub(super) async fn newer(&self, than: &Known, now: Instant) -> Result<Arc<Known>, Silence> {
        let is_young = now.saturating_duration_since(than.since) < KEYS_AGAIN;
        self.known_since(|known| is_young || known.since > than.since, now).await
    }

    async fn known_since(&self, suffices: impl Fn(&Known) -> bool, now: Instant) -> Result<Arc<Known>, Silence> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| suffices(known)) {
            return Ok(known.clone());
        }
        let metadata: Metadata = get(&self.discovery).await?;
        if metadata.issuer != self.config.issuer {
            return Err(Silence::Issuer);
        }
        // People are sent there: what is not a web address would be another way of harming them.
        self.to(&metadata.authorization_endpoint)?;
        let keys: serde_json::Value = get(&self.to(&metadata.jwks_uri)?).await?;
        let keys = from_jwks(&keys.to_string())?;
        let fresh = Arc::new(Known { metadata, keys, since: now });
        *known = Some(fresh.clone());
        Ok(fresh)
    }

    /// The ID token that a code is worth.
    pub(super) async fn exchange(
        &self,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
    ) -> Result<String, Silence> {
        let OidcConfig { client_id, client_secret, .. } = &self.config;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("client_id", client_id),
            ("code_verifier", verifier),
        ];
        let mut request = Request::post("/")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        if let Some(secret) = client_secret {
            let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
            let takes = |method: &str| methods.is_some_and(|methods| methods.iter().any(|one| one == method));
            if takes("client_secret_post") && !takes("client_secret_basic") {
                fields.push(("client_secret", secret));
            } else {
                // Both are encoded before they are joined (RFC 6749 section 2.3.1).
                let pair = format!("{}:{}", encoded(client_id), encoded(secret));
                request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)));
            }
        }
        let answer = self.to(&metadata.token_endpoint)?.ask(request, pairs(&fields), ANSWER_BYTES).await?;
        Ok(read::<Tokens>(&answer)?.id_token)
    }

    fn to(&self, url: &str) -> Result<Destination, Silence> {
        destination(&self.config, self.tls.as_ref(), url).ok_or(Silence::Address)
    }
}

/// In the open only what may be private.
fn destination(config: &OidcConfig, tls: Option<&TlsConnector>, url: &str) -> Option<Destination> {
    if !config.allow_private && !url.starts_with("https://") {
        return None;
    }
    Destination::parse(url, tls, config.allow_private)
}

async fn get<T: DeserializeOwned>(destination: &Destination) -> Result<T, Silence> {
    let request = Request::get("/").header(ACCEPT, "application/json");
    read(&destination.ask(request, String::new(), ANSWER_BYTES).await?)
}

fn read<T: DeserializeOwned>(answer: &outbound::Answer) -> Result<T, Silence> {
    match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(Silence::Json),
        other => Err(Silence::Status(other)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Mutex as Shelf;

    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A provider with keys of these names; its issuer, and how often it was asked for keys.
    async fn provider(ids: Arc<Shelf<Vec<&'static str>>>) -> (String, Arc<Shelf<u32>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Shelf::new(0));
        let (of_itself, times) = (issuer.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                let answer = if head[..read].starts_with(b"GET /keys ") {
                    *times.lock().unwrap() += 1;
                    let x = URL_SAFE_NO_PAD.encode(Ed25519KeyPair::generate().unwrap().public_key().as_ref());
                    let key = |id: &&str| json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": x });
                    json!({ "keys": ids.lock().unwrap().iter().map(key).collect::<Vec<_>>() })
                } else {
                    let at = |path: &str| format!("{of_itself}/{path}");
                    json!({ "issuer": of_itself, "authorization_endpoint": at("a"), "token_endpoint": at("t"),
                        "jwks_uri": at("keys") })
                };
                let answer = answer.to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
                stream.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
            }
        });
        (issuer, asked)
    }

    #[tokio::test]
    async fn new_keys_are_asked_for_when_one_is_missing_but_not_all_the_time() {
        let ids = Arc::new(Shelf::new(vec!["old"]));
        let (issuer, asked) = provider(ids.clone()).await;
        let remote = remote(&issuer, true).unwrap();
        let begin = Instant::now();
        let names = |known: &Known| known.keys.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        let first = remote.known(begin).await.unwrap();
        ids.lock().unwrap().push("new");

        let soon = remote.newer(&first, begin + Duration::from_secs(59)).await.unwrap();
        assert_eq!((names(&soon), *asked.lock().unwrap()), (vec!["old".to_owned()], 1));
        let later = begin + Duration::from_secs(60);
        let newer = remote.newer(&first, later).await.unwrap();
        assert_eq!((names(&newer), *asked.lock().unwrap()), (vec!["old".to_owned(), "new".to_owned()], 2));
        // Somebody else who had the old ones is given those that are there by now.
        remote.newer(&first, later + KEYS_AGAIN).await.unwrap();
        remote.known(later + FRESH - Duration::from_secs(1)).await.unwrap();
        assert_eq!(*asked.lock().unwrap(), 2);
        remote.known(later + FRESH).await.unwrap();
        assert_eq!(*asked.lock().unwrap(), 3, "a key that was taken back is forgotten within the hour");
    }

    fn remote(issuer: &str, allow_private: bool) -> Result<Remote, ProviderError> {
        Remote::new(OidcConfig {
            issuer: issuer.to_owned(),
            client_id: "sluice".to_owned(),
            client_secret: None,
            name: String::new(),
            scopes: Vec::new(),
            roles_claim: None,
            allow_private,
        })
    }

    #[test]
    fn in_the_open_only_what_may_be_private() {
        assert!(remote("http://127.0.0.1:1/realm", true).is_ok());
        assert!(matches!(remote("http://id.example.org", false), Err(ProviderError::Issuer { .. })));
        assert!(matches!(remote("http://", true), Err(ProviderError::Issuer { .. })));
        let private = remote("http://127.0.0.1:1/realm", true).ok();
        let to = |url: &str| private.as_ref().is_some_and(|remote| remote.to(url).is_ok());
        assert!(
            to("http://10.0.0.1/token") && !to("javascript:alert(1)") && !to("file:///etc/passwd") && !to("/token")
        );
    }
}
