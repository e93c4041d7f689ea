//! Who may ask, and how often: the bounds that hold before anything is done for a request.
//!
//! [`bucket`] counts, [`client`] says whose a request is, [`origin`] which pages may ask. This file holds the clock and the
//! locks, and knows no door: what a refusal looks like is theirs.

mod bucket;
mod client;
mod origin;

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use axum::http::HeaderMap;

use crate::auth::AuthError;
use crate::config::ServerConfig;
use bucket::Buckets;
pub(crate) use client::ClientAddress;
use client::Proxies;
pub(crate) use origin::Origins;

/// Addresses, or keys, with less than a full bucket at once: some MiB for each of the bounds, and more than come in a minute
/// to any one node.
const BUCKETS: usize = 16 * 1024;

/// Letters of a login that tell it from others; longer ones are nobody's.
const LOGIN_CHARS: usize = 128;

/// What is asked for: each has bounds of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To enter a room.
    Join,
    /// Something of an API.
    Api,
}

impl Asked {
    /// For the label `kind` of metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Api => "api",
        }
    }
}

/// Asked too often. After this time there is a place again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooOften(pub(crate) Duration);

/// Whose a token is whose signature holds: whoever signed it asks, or somebody in a room whom they let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bearer<'a> {
    /// A back end.
    Key(&'a str),
    /// A participant. There are many of one key, and none of them may use it up for the others and for the back end.
    Participant {
        /// Who signed.
        key: &'a str,
        /// Where.
        room: &'a str,
        /// Who.
        identity: &'a str,
    },
}

/// A participant in a fixed number of bytes: names can be long.
type ParticipantMark = [u8; 32];

fn mark(key: &str, room: &str, identity: &str) -> ParticipantMark {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [key, room, identity] {
        // With its length, so that no two are written alike.
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref().try_into().expect("the length is that of the hash")
}

/// Why a token is not accepted.
#[derive(Debug)]
pub(crate) enum Denied {
    /// It was looked at.
    Auth(AuthError),
    /// It was not, or its bearer asks too often.
    TooOften(TooOften),
}

impl TooOften {
    /// Whole seconds for `Retry-After`, rounded up: who comes then is let in.
    pub(crate) fn retry_after_s(self) -> u64 {
        self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0)
    }
}

/// One bound, or none.
struct Bound<K>(Option<Mutex<Buckets<K>>>);

impl<K: Clone + Eq + Hash + Ord> Bound<K> {
    fn new(per_minute: u32) -> Self {
        Self(NonZeroU32::new(per_minute).map(|per_minute| Mutex::new(Buckets::new(per_minute, BUCKETS))))
    }

    fn with(&self, ask: impl FnOnce(&mut Buckets<K>) -> Result<(), Duration>) -> Result<(), TooOften> {
        match &self.0 {
            // Buckets are whole after every step.
            Some(buckets) => ask(&mut buckets.lock().unwrap_or_else(PoisonError::into_inner)).map_err(TooOften),
            None => Ok(()),
        }
    }

    fn take(&self, key: &K) -> Result<(), TooOften> {
        self.with(|buckets| buckets.take(key, Instant::now()))
    }

    fn look(&self, key: &K) -> Result<(), TooOften> {
        self.with(|buckets| match buckets.wait(key, Instant::now()) {
            Duration::ZERO => Ok(()),
            wait => Err(wait),
        })
    }
}

/// All bounds on how often.
pub(crate) struct Gate {
    origins: Origins,
    proxies: Proxies,
    /// Everybody comes from a proxy that does not say from where: then they cannot be told apart, and must not be held as one.
    is_blind: bool,
    joins: Bound<ClientAddress>,
    api_requests: Bound<ClientAddress>,
    failed_tokens: Bound<ClientAddress>,
    key_joins: Bound<String>,
    key_api_requests: Bound<String>,
    participant_joins: Bound<ParticipantMark>,
    participant_api_requests: Bound<ParticipantMark>,
    logins: Bound<ClientAddress>,
    login_names: Bound<String>,
    guesses: Bound<(Option<ClientAddress>, String)>,
}

/// Guesses at the secrets of one room, its password and its host key, from one address in a minute. Right ones do not count, or a
/// class behind one address would keep itself out.
const GUESSES: u32 = 30;

/// A guess that has been counted.
pub(crate) struct Guess<'a> {
    bound: &'a Bound<(Option<ClientAddress>, String)>,
    whose: (Option<ClientAddress>, String),
}

impl Guess<'_> {
    /// It was none: its place is free again.
    pub(crate) fn was_right(self) {
        // Without a bound there is nothing to give back.
        let _ = self.bound.with(|buckets| {
            buckets.give_back(&self.whose, Instant::now());
            Ok(())
        });
    }
}

impl Gate {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let proxies = Proxies::new(&config.trusted_proxies);
        let rates = &config.rates;
        Self {
            origins: Origins::new(&config.allowed_origins, config.public_url.as_deref()),
            is_blind: config.behind_proxy && proxies.is_empty(),
            proxies,
            joins: Bound::new(rates.joins_per_ip),
            api_requests: Bound::new(rates.api_requests_per_ip),
            failed_tokens: Bound::new(rates.failed_tokens_per_ip),
            key_joins: Bound::new(rates.joins_per_key),
            key_api_requests: Bound::new(rates.api_requests_per_key),
            // One participant asks no more than one address may, wherever it comes from.
            participant_joins: Bound::new(rates.joins_per_ip),
            participant_api_requests: Bound::new(rates.api_requests_per_ip),
            logins: Bound::new(rates.logins_per_ip),
            login_names: Bound::new(rates.logins_per_login),
            guesses: Bound::new(GUESSES),
        }
    }

    /// Which web pages may ask.
    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Whether connections from there are other people's.
    pub(crate) fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.includes(peer)
    }

    /// Whose a request is, where that can be told.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<ClientAddress> {
        (!self.is_blind).then(|| self.proxies.client(peer, headers))
    }

    /// One more request from there.
    pub(crate) fn enter(&self, asked: Asked, client: Option<ClientAddress>) -> Result<(), TooOften> {
        let Some(client) = client else { return Ok(()) };
        match asked {
            Asked::Join => self.joins.take(&client),
            Asked::Api => self.api_requests.take(&client),
        }
    }

    /// Whether a token from there is looked at: not after too many that were wrong, which cost as much to check as right ones.
    pub(crate) fn may_try_token(&self, client: Option<ClientAddress>) -> Result<(), TooOften> {
        client.map_or(Ok(()), |client| self.failed_tokens.look(&client))
    }

    /// A token from there was wrong.
    pub(crate) fn token_failed(&self, client: Option<ClientAddress>) {
        if let Some(client) = client {
            let _ = self.failed_tokens.take(&client);
        }
    }

    /// One more attempt to sign in from there.
    pub(crate) fn sign_in_from(&self, client: Option<ClientAddress>) -> Result<(), TooOften> {
        client.map_or(Ok(()), |client| self.logins.take(&client))
    }

    /// One more attempt with this login, right or wrong, from anywhere: many addresses guess no faster than one.
    pub(crate) fn sign_in_as(&self, login: &str) -> Result<(), TooOften> {
        let login = login.trim().to_lowercase().chars().take(LOGIN_CHARS).collect();
        self.login_names.take(&login)
    }

    /// One more guess at a secret of a room. Where nobody can be told apart all who guess at it count as one.
    pub(crate) fn guess(&self, client: Option<ClientAddress>, room: &str) -> Result<Guess<'_>, TooOften> {
        let whose = (client, room.to_owned());
        self.guesses.take(&whose)?;
        Ok(Guess { bound: &self.guesses, whose })
    }

    /// One more request with a token whose signature holds: names alone would let anybody use up what is others'. Says which
    /// bound it was that refuses. Who enters a room counts to its key as well, once its own bound has let it pass.
    pub(crate) fn with_token(&self, asked: Asked, bearer: Bearer<'_>) -> Result<(), (&'static str, TooOften)> {
        let of_key = |bound: &Bound<String>, key: &str| bound.take(&key.to_owned()).map_err(|often| ("key", often));
        let of_participant =
            |bound: &Bound<_>, mark: ParticipantMark| bound.take(&mark).map_err(|often| ("participant", often));
        match (asked, bearer) {
            (Asked::Join, Bearer::Key(key)) => of_key(&self.key_joins, key),
            (Asked::Join, Bearer::Participant { key, room, identity }) => {
                of_participant(&self.participant_joins, mark(key, room, identity))?;
                of_key(&self.key_joins, key)
            }
            (Asked::Api, Bearer::Key(key)) => of_key(&self.key_api_requests, key),
            (Asked::Api, Bearer::Participant { key, room, identity }) => {
                of_participant(&self.participant_api_requests, mark(key, room, identity))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_participants_are_marked_alike() {
        assert_eq!(mark("key", "math", "ada"), mark("key", "math", "ada"));
        for other in [("key", "mat", "hada"), ("keym", "ath", "ada"), ("key", "math", "bob"), ("key", "", "mathada")] {
            assert_ne!(mark("key", "math", "ada"), mark(other.0, other.1, other.2), "{other:?}");
        }
    }

    #[test]
    fn whoever_comes_when_told_is_let_in() {
        for (wait, after_s) in
            [(Duration::from_nanos(1), 1), (Duration::from_secs(2), 2), (Duration::from_millis(2100), 3)]
        {
            assert_eq!(TooOften(wait).retry_after_s(), after_s);
        }
    }
}
