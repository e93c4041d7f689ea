//! What the server must be told. Plain values: the typed configuration file lives in `config/`, and the
//! composition root (`src/`) copies it in here, so that this crate knows no file format.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use sluice_store::Retention;

use crate::recordings::RecordingsConfig;

/// Everything the doors need to know.
#[derive(Clone)]
pub struct ServerConfig {
    /// API keys and their secrets: `(key, secret)`. A token is checked with the secret of the key that
    /// issued it; the first pair signs the tokens the server hands out. Must not be empty.
    pub keys: Vec<(String, String)>,
    /// Public keys of those who sign tokens elsewhere: `(issuer, PEM)`, where the issuer is what their tokens have as
    /// `iss`. RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).
    pub trusted_keys: Vec<(String, String)>,
    /// The same as a JSON Web Key Set; tokens name a key of it by `kid`.
    pub jwks: Option<String>,
    /// The `iss` that tokens of the key set must have; any, when it is not said.
    pub jwks_issuer: Option<String>,
    /// A token that ends later than so long from now is refused.
    pub max_token_life: Duration,
    /// Development mode: `/api/rooms` lists every room and `/api/info` says so.
    pub dev: bool,
    /// URL by which clients reach this server (`wss://call.example.org`). Without it the native join answers
    /// with the `Host` the request came to.
    pub public_url: Option<String>,
    /// Guest access: whether the native API makes rooms and hands out tokens to anybody who asks.
    pub open_rooms: bool,
    /// Whether `/metrics` answers everybody. Otherwise only a peer on the loopback address that came without
    /// a proxy gets it, everybody else 404.
    pub metrics_open: bool,
    /// What is for operators is at [`crate::Server::serve_admin`] alone; elsewhere it is 404 for everybody.
    pub separate_admin: bool,
    /// Everybody comes through a proxy.
    pub behind_proxy: bool,
    /// Networks, as an address and the bits of it that count, whose `X-Forwarded-For` or `Forwarded` is believed.
    /// Without any, and behind a proxy, nobody is bounded by address.
    pub trusted_proxies: Vec<(IpAddr, u8)>,
    /// Origins of web pages that may use this server from a browser, besides its own; `*` for all.
    pub allowed_origins: Vec<String>,
    /// How often.
    pub rates: Rates,
    /// How rooms live when nobody says otherwise.
    pub rooms: RoomDefaults,
    /// Bounds against too much of anything.
    pub limits: Limits,
    /// Bounds against waiting for ever.
    pub timeouts: Timeouts,
    /// Who is told of what happens in rooms.
    pub webhooks: Vec<Webhook>,
    /// What people may be in rooms, besides host, participant and admin.
    pub roles: BTreeMap<String, Role>,
    /// Who signs in here.
    pub accounts: AccountsConfig,
    /// How long things are kept.
    pub retention: Retention,
    /// What is recorded, and where to.
    pub recordings: RecordingsConfig,
}

/// Shows everything but the secrets.
impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("keys", &self.keys.iter().map(|(key, _)| key).collect::<Vec<_>>())
            .field("trusted_keys", &self.trusted_keys)
            .field("jwks", &self.jwks)
            .field("jwks_issuer", &self.jwks_issuer)
            .field("max_token_life", &self.max_token_life)
            .field("dev", &self.dev)
            .field("public_url", &self.public_url)
            .field("open_rooms", &self.open_rooms)
            .field("metrics_open", &self.metrics_open)
            .field("separate_admin", &self.separate_admin)
            .field("behind_proxy", &self.behind_proxy)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("allowed_origins", &self.allowed_origins)
            .field("rates", &self.rates)
            .field("rooms", &self.rooms)
            .field("limits", &self.limits)
            .field("timeouts", &self.timeouts)
            .field("webhooks", &self.webhooks)
            .field("roles", &self.roles)
            .field("accounts", &self.accounts)
            .field("retention", &self.retention)
            .field("recordings", &self.recordings)
            .finish()
    }
}

impl ServerConfig {
    /// Production defaults with these keys.
    #[must_use]
    pub fn new(keys: Vec<(String, String)>) -> Self {
        Self {
            keys,
            trusted_keys: Vec::new(),
            jwks: None,
            jwks_issuer: None,
            max_token_life: Duration::from_secs(7 * 24 * 3600),
            dev: false,
            public_url: None,
            open_rooms: false,
            metrics_open: false,
            separate_admin: false,
            behind_proxy: false,
            trusted_proxies: Vec::new(),
            allowed_origins: vec!["*".into()],
            rates: Rates::default(),
            rooms: RoomDefaults::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            webhooks: Vec::new(),
            roles: BTreeMap::new(),
            accounts: AccountsConfig::default(),
            retention: Retention::default(),
            recordings: RecordingsConfig::default(),
        }
    }

    /// Development mode: `devkey` / `secret`, guests welcome, metrics open, nobody asks too often.
    #[must_use]
    pub fn development() -> Self {
        let keys = vec![("devkey".into(), "secret".into())];
        Self { dev: true, open_rooms: true, metrics_open: true, rates: Rates::UNBOUNDED, ..Self::new(keys) }
    }
}

/// A receiver of webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to post: `http://` or `https://`. What is owed to a receiver belongs to its URL.
    pub url: String,
    /// The API key whose secret signs; one of [`ServerConfig::keys`].
    pub api_key: String,
    /// It may be on loopback, in a private network or otherwise not on the open internet.
    pub allow_private: bool,
}

/// What somebody of a role may do in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Send audio and video.
    pub publish: bool,
    /// From these sources only, as LiveKit's tokens spell them (`camera`, `screen_share`); empty: from all.
    pub publish_sources: Vec<String>,
    /// Receive audio and video.
    pub subscribe: bool,
    /// Send messages.
    pub data: bool,
    /// Moderate the room.
    pub moderate: bool,
    /// Record.
    pub record: bool,
    /// Not shown to others.
    pub hidden: bool,
}

/// A participant's.
impl Default for Role {
    fn default() -> Self {
        Self {
            publish: true,
            publish_sources: Vec::new(),
            subscribe: true,
            data: true,
            moderate: false,
            record: false,
            hidden: false,
        }
    }
}

/// People who sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountsConfig {
    /// They may.
    pub enabled: bool,
    /// How long an access token counts.
    pub access_life: Duration,
    /// Who did not come for so long signs in again.
    pub refresh_life: Duration,
    /// Whoever reaches the server may make an account.
    pub registration: bool,
    /// Who else vouches for people.
    pub oidc: Option<OidcConfig>,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            access_life: Duration::from_secs(15 * 60),
            refresh_life: Duration::from_secs(30 * 24 * 3600),
            registration: false,
            oidc: None,
        }
    }
}

/// A provider of OpenID Connect. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct OidcConfig {
    /// Its issuer: an `https://` URL, or an `http://` one where it may be private.
    pub issuer: String,
    /// What it calls this server.
    pub client_id: String,
    /// What this server proves itself with; none: a public client.
    pub client_secret: Option<String>,
    /// What the button says.
    pub name: String,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The claim with somebody's roles, as a path of names joined by dots.
    pub roles_claim: Option<String>,
    /// It may be on loopback, in a private network or otherwise not on the open internet, and speak plain HTTP.
    pub allow_private: bool,
}

impl fmt::Debug for OidcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcConfig")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("has_client_secret", &self.client_secret.is_some())
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .field("roles_claim", &self.roles_claim)
            .field("allow_private", &self.allow_private)
            .finish()
    }
}

/// How a room lives when nobody says otherwise.
#[derive(Debug, Clone)]
pub struct RoomDefaults {
    /// Whoever may join a room that is not open opens it. Otherwise only tokens with `roomCreate` do, and the server
    /// API.
    pub auto_create: bool,
    /// Whether the server API may unmute a participant's track.
    pub remote_unmute: bool,
    /// A room nobody ever joined ends after this time.
    pub empty_timeout: Duration,
    /// A room everybody left ends after this time.
    pub departure_timeout: Duration,
    /// Most participants at once; 0 means no bound.
    pub max_participants: u32,
    /// Cameras forwarded to each participant, of those who spoke last; 0 means all.
    pub last_cameras: u16,
    /// Microphones forwarded to each participant, the loudest; 0 means all.
    pub loudest_microphones: u16,
}

impl Default for RoomDefaults {
    fn default() -> Self {
        Self {
            auto_create: true,
            remote_unmute: false,
            empty_timeout: Duration::from_secs(300),
            departure_timeout: Duration::from_secs(20),
            max_participants: 0,
            last_cameras: 0,
            loudest_microphones: 0,
        }
    }
}

/// Bounds against too much of anything.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open TCP connections in all. Further ones wait in the kernel's backlog.
    pub connections: usize,
    /// Open TCP connections from one address, or from a /64 of IPv6. Trusted proxies may have any number.
    pub connections_per_ip: usize,
    /// Rooms at once.
    pub rooms: usize,
    /// Rooms the native API makes in one minute, all callers together.
    pub room_creations_per_minute: u32,
    /// Largest signal message a client may send, in bytes.
    pub signal_message_bytes: usize,
    /// Largest HTTP request body, in bytes.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_ip: 1_000,
            rooms: 10_000,
            room_creations_per_minute: 600,
            signal_message_bytes: 512 * 1024,
            body_bytes: 64 * 1024,
        }
    }
}

/// Bounds on how often: so many in a minute, and as many at once after a minute's rest. 0 is no bound. An address is one of
/// IPv4 or a /64 of IPv6.
#[derive(Debug, Clone)]
pub struct Rates {
    /// Attempts to enter a room, from one address.
    pub joins_per_ip: u32,
    /// Requests to the native and the server API, from one address.
    pub api_requests_per_ip: u32,
    /// Wrong tokens from one address; with none left, no token from there is looked at.
    pub failed_tokens_per_ip: u32,
    /// Attempts to enter a room, with tokens of one key.
    pub joins_per_key: u32,
    /// Requests to the server API, with tokens of one key.
    pub api_requests_per_key: u32,
    /// Attempts to sign in, from one address.
    pub logins_per_ip: u32,
    /// Attempts to sign in with one login, from anywhere.
    pub logins_per_login: u32,
}

impl Rates {
    /// No bounds.
    pub const UNBOUNDED: Self = Self {
        joins_per_ip: 0,
        api_requests_per_ip: 0,
        failed_tokens_per_ip: 0,
        joins_per_key: 0,
        api_requests_per_key: 0,
        logins_per_ip: 0,
        logins_per_login: 0,
    };
}

/// A lecture hall behind one address gets in within a minute; whoever guesses tokens does not get far.
impl Default for Rates {
    fn default() -> Self {
        Self {
            joins_per_ip: 600,
            api_requests_per_ip: 1_200,
            failed_tokens_per_ip: 60,
            joins_per_key: 12_000,
            api_requests_per_key: 12_000,
            logins_per_ip: 30,
            logins_per_login: 10,
        }
    }
}

/// Bounds against waiting for ever.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// TLS handshake and request head must be complete within this time.
    pub request_head: Duration,
    /// A request body must be complete within this time.
    pub request_body: Duration,
    /// A connection that takes nothing of what is written to it for so long is closed.
    pub response_write: Duration,
    /// A WebSocket from which nothing came for so long is gone (clients ping every 5 s).
    pub signal_idle: Duration,
    /// A write to a WebSocket that does not finish within this time ends it.
    pub signal_write: Duration,
    /// A participant whose signal connection broke is kept so long for its resume.
    pub resume: Duration,
    /// Shutdown waits so long for participants to be told and sockets to close.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            request_head: Duration::from_secs(5),
            request_body: Duration::from_secs(15),
            response_write: Duration::from_secs(10),
            signal_idle: Duration::from_secs(20),
            signal_write: Duration::from_secs(10),
            resume: Duration::from_secs(15),
            drain: Duration::from_secs(5),
        }
    }
}
