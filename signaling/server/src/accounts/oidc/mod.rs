//! Sign-in by a provider of OpenID Connect: the authorization code flow (Core 1.0, section 3.1) with PKCE (RFC 7636), state
//! and nonce.
//!
//! What a sign-in began with travels in a *ticket*, a signed cookie of the browser that began it: nothing waits here, so
//! there is nothing to flood, and a restart in between does no harm. A browser has one at a time. Verification is by the same
//! code, and the same cryptography, as tokens of rooms; there is no second stack of it in the process.
//!
//! Knows neither cookies nor accounts: the doors carry the one, [`Accounts`](super::Accounts) the other.

mod form;
mod id_token;
mod provider;

use std::time::Instant;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sluice_store::ForeignAccount;

use super::access::OwnKey;
use super::{now, random_secret};
use crate::config::OidcConfig;
use form::pairs;
use id_token::{Expected, Untrue};
pub use provider::ProviderError;
use provider::{Remote, Silence};

/// What a ticket has as `iss`.
const TICKET: &str = "sluice:sign-in";
/// So long somebody may take at the provider.
pub(crate) const TICKET_LIFE_S: i64 = 600;
/// Longest path to come back to: the ticket is a cookie.
const NEXT_BYTES: usize = 512;

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    #[error("`next` is not a path of this server")]
    BadNext,
    #[error("this browser did not begin that sign-in, or too long ago")]
    BadState,
    #[error("the provider declined")]
    Declined,
    #[error("the provider is not to be spoken to: {0}")]
    Silent(#[from] Silence),
    #[error("the provider's word is not believed: {0}")]
    Untrue(#[from] Untrue),
    #[error("a ticket cannot be signed: {0}")]
    Sign(#[from] serde_json::Error),
}

/// What a sign-in began with.
#[derive(Debug, Serialize, Deserialize)]
struct Ticket {
    iss: String,
    /// Seconds since 1970.
    exp: i64,
    state: String,
    nonce: String,
    verifier: String,
    redirect_uri: String,
    next: String,
}

/// A sign-in that began.
pub(crate) struct Started {
    /// Where to send the browser.
    pub(crate) location: String,
    /// What it shall keep meanwhile.
    pub(crate) ticket: String,
}

/// What the provider sends the browser back with.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Callback {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    iss: Option<String>,
}

/// Somebody for whom the provider vouches.
#[derive(Debug)]
pub(crate) struct Vouched {
    /// Who that is to the provider, for good.
    pub(super) account: ForeignAccount,
    /// What they would like to be called by; proves nothing.
    pub(super) login: Option<String>,
    pub(super) name: Option<String>,
    /// `None`: the provider is not asked.
    pub(super) roles: Option<Vec<String>>,
}

/// The provider.
pub(crate) struct Provider {
    config: OidcConfig,
    remote: Remote,
    key: OwnKey,
}

impl Provider {
    /// Speaks to nobody yet. `key` signs tickets.
    pub(super) fn new(config: OidcConfig, key: OwnKey) -> Result<Self, ProviderError> {
        Ok(Self { remote: Remote::new(config.clone())?, config, key })
    }

    /// What the button says.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Begins a sign-in that comes back to `redirect_uri` and leads to the path `next`.
    pub(crate) async fn start(&self, redirect_uri: String, next: &str) -> Result<Started, OidcError> {
        if !is_path_of_ours(next) {
            return Err(OidcError::BadNext);
        }
        let known = self.remote.known(Instant::now()).await?;
        let [state, nonce, verifier] = [(); 3].map(|()| URL_SAFE_NO_PAD.encode(random_secret::<32>()));
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let scope = std::iter::once("openid")
            .chain(self.config.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid"))
            .collect::<Vec<_>>()
            .join(" ");
        let query = pairs(&[
            ("response_type", "code"),
            ("client_id", &self.config.client_id),
            ("redirect_uri", &redirect_uri),
            ("scope", &scope),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = &known.metadata.authorization_endpoint;
        let location = format!("{endpoint}{}{query}", if endpoint.contains('?') { '&' } else { '?' });
        let exp = now().0.div_euclid(1000) + TICKET_LIFE_S;
        let iss = TICKET.to_owned();
        let ticket = Ticket { iss, exp, state, nonce, verifier, redirect_uri, next: next.to_owned() };
        Ok(Started { location, ticket: self.key.sign(&ticket)? })
    }

    /// Ends a sign-in: whom the provider vouches for, and the path they were on their way to.
    pub(crate) async fn finish(
        &self,
        ticket: Option<&str>,
        callback: &Callback,
    ) -> Result<(Vouched, String), OidcError> {
        let now_s = now().0.div_euclid(1000);
        let ticket = ticket.and_then(|ticket| self.key.open::<Ticket>(ticket));
        let ticket = ticket
            .filter(|ticket| ticket.iss == TICKET && ticket.exp > now_s)
            .ok_or(OidcError::BadState)?;
        let state = callback.state.as_deref().unwrap_or_default();
        verify_slices_are_equal(state.as_bytes(), ticket.state.as_bytes()).map_err(|_| OidcError::BadState)?;
        let known = self.remote.known(Instant::now()).await?;
        // One provider's answer must not be taken for another's (RFC 9207).
        let is_other = match &callback.iss {
            Some(issuer) => *issuer != self.config.issuer,
            None => known.metadata.authorization_response_iss_parameter_supported,
        };
        if is_other {
            return Err(Untrue::Issuer.into());
        }
        let code = callback.code.as_deref().filter(|_| callback.error.is_none()).ok_or(OidcError::Declined)?;
        let token = self
            .remote
            .exchange(&known.metadata, code, &ticket.verifier, &ticket.redirect_uri)
            .await
            .map_err(declined)?;
        let expected = Expected {
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            nonce: &ticket.nonce,
            now_s: u64::try_from(now_s).unwrap_or(0),
        };
        let claims = match id_token::verify(&token, &known.keys, expected) {
            Err(Untrue::UnknownKey) => {
                let known = self.remote.newer(&known, Instant::now()).await?;
                id_token::verify(&token, &known.keys, expected)?
            }
            other => other?,
        };
        let login = claims.text("preferred_username").or_else(|| claims.text("email")).map(str::to_owned);
        let vouched = Vouched {
            account: ForeignAccount { issuer: self.config.issuer.clone(), subject: claims.sub.clone() },
            name: claims.text("name").map(str::to_owned),
            login,
            roles: self.config.roles_claim.as_deref().map(|path| claims.texts(path)),
        };
        Ok((vouched, ticket.next))
    }
}

/// A provider that does not take a code or a verifier says so with status 400 (RFC 6749 section 5.2).
fn declined(silence: Silence) -> OidcError {
    match silence {
        Silence::Status(400) => OidcError::Declined,
        other => other.into(),
    }
}

/// A path, and no way elsewhere: browsers read `//host` as another server, a backslash as a slash, and leave out tabs and line
/// ends.
fn is_path_of_ours(next: &str) -> bool {
    next.len() <= NEXT_BYTES
        && next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for fine in ["/", "/rooms/math?x=1#y", "/a//b", "/@evil.example"] {
            assert!(is_path_of_ours(fine), "{fine}");
        }
        for bad in [
            "",
            "rooms",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/a\r\nset-cookie: x",
            "https://evil.example",
            "javascript:alert(1)",
            "/é",
            &format!("/{}", "x".repeat(512)),
        ] {
            assert!(!is_path_of_ours(bad), "{bad:?}");
        }
    }
}
