//! What can be wrong with a configuration, said so that the reader can mend it without opening the manual.

use std::net::SocketAddr;

use crate::Origin;
use crate::rules::MIN_SECRET_BYTES;

/// Why a configuration is refused.
///
/// No message shows a secret, and none shows a whole line of a file: the line may hold one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not TOML.
    #[error("{origin}: not valid TOML: {problem}")]
    Syntax {
        /// File and line.
        origin: Origin,
        /// What the parser says.
        problem: String,
    },
    /// There is no such key.
    #[error("{origin}: unknown key `{key}`{}", nearest_hint(*nearest))]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// The key as written, sections joined by dots.
        key: String,
        /// The key that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The key exists, its value is of no use.
    #[error("{origin}: `{key}` cannot be {value}\n  accepted: {accepts}")]
    BadValue {
        /// Where it stands.
        origin: Origin,
        /// The key, sections joined by dots.
        key: String,
        /// The value as written; the word "that" when it may be a secret.
        value: String,
        /// The accepted form.
        accepts: &'static str,
    },
    /// Each value is fine by itself, together they are not safe to run with.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Rules between keys. Each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody could get in.
    #[error(
        "no API keys: outside development mode [keys] must hold at least one\n  \
         make one with `sluice keys generate`, or run `sluice serve --dev` on this machine only"
    )]
    NoKeys,
    /// A key or secret is the empty string.
    #[error("{origin}: [keys] has an empty {what}\n  make a pair with `sluice keys generate`")]
    EmptyKey {
        /// Where the keys stand.
        origin: Origin,
        /// "key name" or "secret".
        what: &'static str,
    },
    /// A secret could be guessed.
    #[error(
        "{origin}: the secret of API key `{key}` has {bytes} bytes, at least {MIN_SECRET_BYTES} are needed\n  \
         make a pair with `sluice keys generate`"
    )]
    ShortSecret {
        /// Where the keys stand.
        origin: Origin,
        /// Which.
        key: String,
        /// Its secret's length.
        bytes: usize,
    },
    /// The development key is public knowledge.
    #[error(
        "{origin}: the API key `{key}` is the development key that everybody knows\n  \
         make a pair with `sluice keys generate`"
    )]
    WellKnownKey {
        /// Where the keys stand.
        origin: Origin,
        /// Which.
        key: String,
    },
    /// Browsers give no camera to a page that is not secure.
    #[error(
        "no TLS: outside development mode set `http.tls.cert` and `http.tls.key` (PEM files)\n  \
         or set `http.behind_proxy = true` when a proxy in front of this server speaks HTTPS"
    )]
    NoTls,
    /// Half a pair.
    #[error("`http.tls.{present}` is set, `http.tls.{missing}` is not: both PEM files are needed")]
    HalfTls {
        /// The one there is.
        present: &'static str,
        /// The one there is not.
        missing: &'static str,
    },
    /// Two ways to speak HTTP at once.
    #[error(
        "`http.behind_proxy` means plain HTTP, `http.tls` means HTTPS\n  \
         keep one of them"
    )]
    TlsBehindProxy,
    /// Nobody knows the secret to sign with.
    #[error(
        "{origin}: a webhook is to be signed with the API key `{key}`, which is not one of [keys]\n  \
         set its `api_key` to one of them"
    )]
    WebhookKey {
        /// Where the webhooks stand.
        origin: Origin,
        /// The key that is not there.
        key: String,
    },
    /// What is owed to a receiver belongs to its URL.
    #[error(
        "{origin}: webhook number {number} has the URL of one before\n  each receiver is told once: keep one of them"
    )]
    WebhookTwice {
        /// Where the webhooks stand.
        origin: Origin,
        /// Which, counted from 1.
        number: usize,
    },
    /// The provider of OpenID Connect cannot be used as it stands.
    #[error("{origin}: nobody can sign in by `accounts.oidc`: {problem}")]
    Oidc {
        /// Where the issuer stands.
        origin: Origin,
        /// Why.
        problem: OidcProblem,
    },
    /// Development keys must not be reachable from outside.
    #[error(
        "{origin}: development mode listens on loopback only, {address} is not loopback\n  \
         use 127.0.0.1:{}, or leave --dev and configure keys and TLS", address.port()
    )]
    DevNotLoopback {
        /// Where the address stands.
        origin: Origin,
        /// It.
        address: SocketAddr,
    },
}

/// Why nobody can sign in by a provider of OpenID Connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OidcProblem {
    /// Nobody signs in at all.
    #[error("there are no accounts\n  set `accounts.enabled = true`")]
    AccountsOff,
    /// The provider has to know who asks.
    #[error("it has no `client_id`\n  register this server at the provider, and set what it is called there")]
    NoClientId,
    /// Whoever is in between could sign in as anybody.
    #[error(
        "its issuer is not https://\n  use HTTPS, or `accounts.oidc.allow_private = true` inside a network of your own"
    )]
    Plain,
    /// The provider sends people back to a known address.
    #[error("it has to know where to send people back to\n  set `http.public_url`")]
    NoPublicUrl,
}

fn nearest_hint(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(
        || "\n  config/sluice.sample.toml lists every key".to_owned(),
        |key| format!("\n  did you mean `{key}`?"),
    )
}
