//! Rules between keys: what each value allows by itself and the whole must not do.

use std::net::{IpAddr, SocketAddr};

use crate::error::OidcProblem;
use crate::setting::DEV_KEY;
use crate::{Config, Origin, Refusal, Setting, said_last};

/// The shortest secret accepted outside development mode, in bytes: HS256 wants a key as long as its hash
/// (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// Refuses what is not safe to run.
pub(crate) fn check(config: &Config, settings: &[Setting]) -> Result<(), Refusal> {
    let origin = |path: &str| said_last(settings, path).map_or(Origin::Default, |setting| setting.origin().clone());

    check_key_names(config, || origin("keys"))?;
    check_webhooks(config, || origin("webhooks"))?;
    check_oidc(config, || origin("accounts.oidc.issuer"))?;
    match (&config.http.tls.cert, &config.http.tls.key) {
        (Some(_), None) => return Err(Refusal::HalfTls { present: "cert", missing: "key" }),
        (None, Some(_)) => return Err(Refusal::HalfTls { present: "key", missing: "cert" }),
        _ => {}
    }
    if config.http.behind_proxy && config.http.tls.pair().is_some() {
        return Err(Refusal::TlsBehindProxy);
    }
    if config.dev {
        check_development(&config.http.listen, || origin("http.listen"))?;
        check_development(&config.http.admin_listen, || origin("http.admin_listen"))
    } else {
        check_public(config, || origin("keys"))
    }
}

fn check_key_names(config: &Config, origin: impl Fn() -> Origin) -> Result<(), Refusal> {
    for (key, secret) in &config.keys {
        let what = match (key.is_empty(), secret.len_bytes()) {
            (true, _) => "key name",
            (false, 0) => "secret",
            _ => continue,
        };
        return Err(Refusal::EmptyKey { origin: origin(), what });
    }
    Ok(())
}

/// Somebody has to sign, and what is owed to a receiver belongs to its URL.
fn check_webhooks(config: &Config, origin: impl Fn() -> Origin) -> Result<(), Refusal> {
    for (number, webhook) in config.webhooks.iter().enumerate() {
        if !config.keys.contains_key(&webhook.api_key) {
            return Err(Refusal::WebhookKey { origin: origin(), key: webhook.api_key.clone() });
        }
        if config.webhooks.iter().take(number).any(|other| other.url == webhook.url) {
            return Err(Refusal::WebhookTwice { origin: origin(), number: number + 1 });
        }
    }
    Ok(())
}

/// A provider is of use where people sign in, knows this server by a name and an address, and is listened to in private.
fn check_oidc(config: &Config, origin: impl Fn() -> Origin) -> Result<(), Refusal> {
    let oidc = &config.accounts.oidc;
    let Some(issuer) = &oidc.issuer else { return Ok(()) };
    let problem = if !config.accounts.enabled {
        OidcProblem::AccountsOff
    } else if oidc.client_id.as_ref().is_none_or(String::is_empty) {
        OidcProblem::NoClientId
    } else if issuer.is_plain() && !oidc.allow_private {
        OidcProblem::Plain
    } else if config.http.public_url.is_none() && !config.dev {
        OidcProblem::NoPublicUrl
    } else {
        return Ok(());
    };
    Err(Refusal::Oidc { origin: origin(), problem })
}

/// A known key is no secret, so nobody else may reach it.
fn check_development(listen: &[SocketAddr], origin: impl Fn() -> Origin) -> Result<(), Refusal> {
    match listen.iter().find(|address| !is_loopback(address.ip())) {
        Some(&address) => Err(Refusal::DevNotLoopback { origin: origin(), address }),
        None => Ok(()),
    }
}

fn check_public(config: &Config, origin: impl Fn() -> Origin) -> Result<(), Refusal> {
    if config.keys.is_empty() {
        return Err(Refusal::NoKeys);
    }
    for (key, secret) in &config.keys {
        if key == DEV_KEY {
            return Err(Refusal::WellKnownKey { origin: origin(), key: key.clone() });
        }
        if secret.len_bytes() < MIN_SECRET_BYTES {
            return Err(Refusal::ShortSecret { origin: origin(), key: key.clone(), bytes: secret.len_bytes() });
        }
    }
    if config.http.tls.pair().is_none() && !config.http.behind_proxy {
        return Err(Refusal::NoTls);
    }
    Ok(())
}

/// Loopback, also when IPv4 is written as IPv6.
fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
