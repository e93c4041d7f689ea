//! One post to one receiver: sign, send, read the status. How it gets there is [`outbound`]'s.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Serialize;
use tokio_rustls::TlsConnector;

use crate::auth::sign;
use crate::config::{ServerConfig, Webhook};
use crate::outbound::{self, Destination, NoTrust, Unanswered};

/// How long a signature counts (as with LiveKit).
const SIGNATURE_LIFE: Duration = Duration::from_secs(5 * 60);

const CONTENT: &str = "application/webhook+json";

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

impl From<NoTrust> for WebhookError {
    fn from(no_trust: NoTrust) -> Self {
        match no_trust {
            NoTrust::NoRoots => Self::NoRoots,
            NoTrust::Tls(error) => Self::Tls(error),
        }
    }
}

/// Why there was no status.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("it cannot be signed: {0}")]
    Sign(#[from] serde_json::Error),
}

/// Posts to one receiver.
pub(super) struct Poster {
    destination: Destination,
    api_key: String,
    secret: String,
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
    let tls = config.webhooks.iter().any(is_https).then(outbound::connector).transpose()?;
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

impl Poster {
    fn new(webhook: &Webhook, secret: &str, tls: Option<&TlsConnector>) -> Option<Self> {
        Some(Self {
            destination: Destination::parse(&webhook.url, tls, webhook.allow_private)?,
            api_key: webhook.api_key.clone(),
            secret: secret.to_owned(),
        })
    }

    /// Its name in logs: paths of receivers may hold secrets.
    pub(super) fn name(&self) -> &str {
        self.destination.authority()
    }

    /// Posts; the status of the answer, whose body is not read.
    pub(super) async fn post(&self, body: String) -> Result<u16, PostError> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signature = Signature {
            iss: &self.api_key,
            nbf: now_s,
            exp: now_s + SIGNATURE_LIFE.as_secs(),
            sha256: STANDARD.encode(digest::digest(&digest::SHA256, body.as_bytes())),
        };
        let request = Request::post("/")
            .header(CONTENT_TYPE, CONTENT)
            .header(AUTHORIZATION, sign(&signature, self.secret.as_bytes())?);
        Ok(self.destination.ask(request, body, 0).await?.status)
    }
}
