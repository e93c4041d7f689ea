//! The typed configuration. `Default` is what holds outside development mode when nobody says otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::people::{Accounts, Role, roles};
use crate::recordings::Recordings;
use crate::{Network, PageOrigin, Secret};

/// Everything an operator can say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Development mode: this machine only, a known key, everything open.
    pub dev: bool,
    /// API keys and their secrets.
    pub keys: BTreeMap<String, Secret>,
    /// Whose tokens count beside those of the keys, and for how long.
    pub auth: Auth,
    /// Where signaling, API and web client are served.
    pub http: Http,
    /// Where media flows.
    pub rtc: Rtc,
    /// How rooms live when nobody says otherwise.
    pub rooms: Rooms,
    /// Bounds against too much of anything.
    pub limits: Limits,
    /// Where what must outlive the server is kept.
    pub storage: Storage,
    /// Where it is written who did what.
    pub audit: Audit,
    /// What is recorded, and where to.
    pub recordings: Recordings,
    /// How long what is kept there is kept.
    pub retention: Retention,
    /// Who is told of what happens in rooms.
    #[serde(deserialize_with = "webhooks")]
    pub webhooks: Vec<Webhook>,
    /// What the server writes about itself.
    pub log: Log,
    /// Who may read the metrics.
    pub metrics: Metrics,
    /// What people may be in rooms, besides host, participant and admin.
    #[serde(deserialize_with = "roles")]
    pub roles: BTreeMap<String, Role>,
    /// Who signs in here.
    pub accounts: Accounts,
}

/// `[auth]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// PEM files with public keys of those who sign tokens elsewhere, by their tokens' `iss`.
    pub trusted_keys: BTreeMap<String, PathBuf>,
    /// A JSON Web Key Set with more of them; tokens name one by `kid`.
    pub jwks_file: Option<PathBuf>,
    /// What tokens of the key set have as `iss`; anything when not said.
    pub jwks_issuer: Option<String>,
    /// A token that ends later than so long from now is refused.
    #[serde(rename = "max_token_life_s", deserialize_with = "seconds")]
    pub max_token_life: Duration,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            trusted_keys: BTreeMap::new(),
            jwks_file: None,
            jwks_issuer: None,
            max_token_life: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Addresses to listen on.
    #[serde(deserialize_with = "at_least_one")]
    pub listen: Vec<SocketAddr>,
    /// Plain HTTP, because a proxy in front speaks HTTPS.
    pub behind_proxy: bool,
    /// Proxies whose word about where a request came from is believed.
    pub trusted_proxies: Vec<Network>,
    /// Web pages that may use this server from a browser, besides its own.
    pub allowed_origins: Vec<PageOrigin>,
    /// Addresses for what is for operators; empty: among the others.
    pub admin_listen: Vec<SocketAddr>,
    /// URL by which clients reach this server; without it, the `Host` they asked for.
    pub public_url: Option<PublicUrl>,
    /// Shutdown waits so long for participants to be told and sockets to close.
    #[serde(rename = "drain_timeout_s", deserialize_with = "seconds")]
    pub drain_timeout: Duration,
    /// Certificate and key.
    pub tls: TlsFiles,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7880))],
            behind_proxy: false,
            trusted_proxies: Vec::new(),
            allowed_origins: vec![PageOrigin::any()],
            admin_listen: Vec::new(),
            public_url: None,
            drain_timeout: Duration::from_secs(5),
            tls: TlsFiles::default(),
        }
    }
}

/// `[http.tls]`: both or neither; [`TlsFiles::pair`] says which.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// Certificate chain, PEM, the server's own first.
    pub cert: Option<PathBuf>,
    /// Private key, PEM.
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// Certificate and key when HTTPS is configured.
    #[must_use]
    pub fn pair(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.cert.as_ref().zip(self.key.as_ref())
    }
}

/// The URL clients use. Starts with `ws://`, `wss://`, `http://` or `https://` and names a host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = &'static str;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        let host = ["ws://", "wss://", "http://", "https://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        match host {
            Some(host) if !host.is_empty() && !host.starts_with('/') && !host.contains(char::is_whitespace) => {
                Ok(Self(url))
            }
            _ => Err("not the URL of a server"),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[rtc]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rtc {
    /// UDP port of all workers; 0: the system chooses.
    pub udp_port: u16,
    /// TCP port for clients whose network lets no UDP out; 0: none.
    pub tcp_port: u16,
    /// Such clients may also come to the addresses of `http.listen`.
    pub tcp_on_http: bool,
    /// Addresses to bind and offer to clients; empty: found by itself.
    pub bind: Vec<IpAddr>,
    /// Address written into candidates instead of the bound ones (NAT 1:1).
    pub advertise: Option<IpAddr>,
    /// Worker threads; 0: one for each core.
    #[serde(deserialize_with = "workers")]
    pub workers: u16,
    /// Datagrams go one at a time, as on systems that have nothing better.
    pub portable_io: bool,
}

impl Default for Rtc {
    fn default() -> Self {
        Self {
            udp_port: 7882,
            tcp_port: 7881,
            tcp_on_http: false,
            bind: Vec::new(),
            advertise: None,
            workers: 0,
            portable_io: false,
        }
    }
}

/// `[rooms]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rooms {
    /// Whoever reaches the web page may create a room and join as a guest, without a token.
    pub open: bool,
    /// Whoever may join a room that is not open opens it.
    pub auto_create: bool,
    /// The server API may unmute a participant's track.
    pub remote_unmute: bool,
    /// A room nobody ever joined ends after this time.
    #[serde(rename = "empty_timeout_s", deserialize_with = "seconds")]
    pub empty_timeout: Duration,
    /// A room everybody left ends after this time.
    #[serde(rename = "departure_timeout_s", deserialize_with = "seconds")]
    pub departure_timeout: Duration,
    /// A participant whose signal connection broke is kept so long for its resume.
    #[serde(rename = "resume_timeout_s", deserialize_with = "seconds")]
    pub resume_timeout: Duration,
    /// Most participants at once; 0: no bound.
    pub max_participants: u32,
    /// Cameras forwarded to each participant, of those who spoke last; 0: all.
    pub last_cameras: u16,
    /// Microphones forwarded to each participant, the loudest; 0: all.
    pub loudest_microphones: u16,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            open: false,
            auto_create: true,
            remote_unmute: false,
            empty_timeout: Duration::from_secs(300),
            departure_timeout: Duration::from_secs(20),
            resume_timeout: Duration::from_secs(15),
            max_participants: 0,
            last_cameras: 0,
            loudest_microphones: 0,
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open TCP connections in all.
    pub connections: NonZeroU32,
    /// Open TCP connections from one address, or a /64 of IPv6.
    pub connections_per_ip: NonZeroU32,
    /// Rooms at once.
    pub rooms: NonZeroU32,
    /// Rooms that guests make in one minute, all together.
    pub room_creations_per_minute: NonZeroU32,
    /// Largest signal message a client may send, in bytes.
    pub signal_message_bytes: NonZeroU32,
    /// Largest HTTP request body, in bytes.
    pub body_bytes: NonZeroU32,
    /// Most media one participant may send, in kbit/s, headers included.
    pub publish_kbps: NonZeroU32,
    /// Attempts to enter a room in a minute, from one address; 0: no bound, as for the six below.
    pub joins_per_minute_per_ip: u32,
    /// Requests to the APIs in a minute, from one address.
    pub api_requests_per_minute_per_ip: u32,
    /// Wrong tokens in a minute, from one address.
    pub failed_tokens_per_minute_per_ip: u32,
    /// Attempts to enter a room in a minute, with tokens of one key.
    pub joins_per_minute_per_key: u32,
    /// Requests to the APIs in a minute, with tokens of one key.
    pub api_requests_per_minute_per_key: u32,
    /// Attempts to sign in in a minute, from one address.
    pub logins_per_minute_per_ip: u32,
    /// Attempts to sign in in a minute, with one login.
    pub logins_per_minute_per_login: u32,
}

/// A count that is one of our own defaults.
pub(crate) const fn count(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).expect("a constant above zero")
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: const { count(10_000) },
            connections_per_ip: const { count(1_000) },
            rooms: const { count(10_000) },
            room_creations_per_minute: const { count(600) },
            signal_message_bytes: const { count(512 * 1024) },
            body_bytes: const { count(64 * 1024) },
            publish_kbps: const { count(50_000) },
            joins_per_minute_per_ip: 600,
            api_requests_per_minute_per_ip: 1_200,
            failed_tokens_per_minute_per_ip: 60,
            joins_per_minute_per_key: 12_000,
            api_requests_per_minute_per_key: 12_000,
            logins_per_minute_per_ip: 30,
            logins_per_minute_per_login: 10,
        }
    }
}

/// `[storage]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// Which database.
    pub url: StorageUrl,
}

/// Which database. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StorageUrl {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A URL of PostgreSQL.
    Postgres(Secret),
    /// A file of SQLite that goes when the server ends.
    Temporary,
}

impl Default for StorageUrl {
    /// In a folder of its own: SQLite keeps two more files beside it.
    fn default() -> Self {
        Self::Sqlite(PathBuf::from("data/sluice.db"))
    }
}

impl TryFrom<String> for StorageUrl {
    type Error = &'static str;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        match url.split_once(':') {
            None if url == "temporary" => Ok(Self::Temporary),
            // What follows a question mark are settings of the driver, which are the store's to choose.
            Some(("sqlite", path)) if !path.is_empty() && !path.contains('?') && !path.contains(":memory:") => {
                Ok(Self::Sqlite(path.into()))
            }
            Some(("postgres" | "postgresql", rest)) if rest.len() > 2 && rest.starts_with("//") => {
                Ok(Self::Postgres(url.into()))
            }
            _ => Err("not a database"),
        }
    }
}

impl fmt::Debug for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres(redacted)"),
            Self::Temporary => f.write_str("Temporary"),
        }
    }
}

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// The trail.
    pub path: AuditPath,
}

/// Where the audit trail is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum AuditPath {
    /// A file, beside which lie its head (`.head`) and its keys (`.key`).
    File(PathBuf),
    /// A file that goes when the server ends.
    Temporary,
}

impl Default for AuditPath {
    fn default() -> Self {
        Self::File(PathBuf::from("data/audit.log"))
    }
}

impl TryFrom<String> for AuditPath {
    type Error = &'static str;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        match path.as_str() {
            "" => Err("not a path"),
            "temporary" => Ok(Self::Temporary),
            _ => Ok(Self::File(path.into())),
        }
    }
}

/// `[retention]`: days; `None` for ever.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// What happened in rooms.
    #[serde(rename = "events_days", deserialize_with = "days")]
    pub events: Option<Duration>,
    /// What was written in rooms that keep their chat.
    #[serde(rename = "chat_days", deserialize_with = "days")]
    pub chat: Option<Duration>,
    /// Who was where, and for how long.
    #[serde(rename = "sessions_days", deserialize_with = "days")]
    pub sessions: Option<Duration>,
    /// How participants fared.
    #[serde(rename = "quality_days", deserialize_with = "days")]
    pub quality: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| Some(Duration::from_secs(days * DAY_S));
        Self { events: days(30), chat: days(30), sessions: days(30), quality: days(7) }
    }
}

/// One of `[[webhooks]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to post.
    pub url: WebhookUrl,
    /// The API key whose secret signs.
    pub api_key: String,
    /// It may be on loopback, in a private network or otherwise not on the open internet.
    #[serde(default)]
    pub allow_private: bool,
}

/// The URL of a receiver. Starts with `http://` or `https://` and names a host, and nobody who signs in there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebhookUrl(String);

impl WebhookUrl {
    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = &'static str;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        match !host.is_empty() && !host.contains('@') && url.chars().all(|c| c.is_ascii_graphic()) {
            true => Ok(Self(url)),
            false => Err("not the URL of a receiver"),
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// Levels by module, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for people.
    #[default]
    Text,
    /// One JSON object on each line.
    Json,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// `/metrics` answers everybody; otherwise only this machine.
    pub open: bool,
}

/// As many as the media plane tells apart.
const MAX_WORKERS: u16 = 255;

fn workers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let workers = u16::deserialize(deserializer)?;
    if workers > MAX_WORKERS {
        return Err(de::Error::custom("too many workers"));
    }
    Ok(workers)
}

/// Each has a task and posts eight at a time.
const MAX_WEBHOOKS: usize = 16;

fn webhooks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Webhook>, D::Error> {
    let webhooks = Vec::<Webhook>::deserialize(deserializer)?;
    if webhooks.len() > MAX_WEBHOOKS {
        return Err(de::Error::custom("too many receivers"));
    }
    Ok(webhooks)
}

pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
}

/// Seconds of a day.
const DAY_S: u64 = 24 * 3600;

fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let days = u16::deserialize(deserializer)?;
    Ok((days > 0).then(|| Duration::from_secs(u64::from(days) * DAY_S)))
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    let addresses = Vec::<SocketAddr>::deserialize(deserializer)?;
    if addresses.is_empty() {
        return Err(de::Error::custom("a server that listens nowhere"));
    }
    Ok(addresses)
}
