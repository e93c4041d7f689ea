//! `[roles]` and `[accounts]`: what people may be, and who signs in here.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::model::seconds;
use crate::Secret;

/// Roles there are anyway; nobody can mean something else by them.
const BUILT_IN: [&str; 3] = ["host", "participant", "admin"];
/// More are no roles any more, but people.
const MAX_ROLES: usize = 64;
/// A role's name goes with each participant, to everybody.
const ROLE_NAME_BYTES: usize = 64;

/// One of `[roles]`: what somebody of that role may do in a room. What is not said is as for a participant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    /// Send audio and video.
    pub publish: bool,
    /// From these sources only; empty: from all.
    pub publish_sources: Vec<MediaSource>,
    /// Receive audio and video.
    pub subscribe: bool,
    /// Send messages.
    pub data: bool,
    /// Moderate the room, as its host does.
    pub moderate: bool,
    /// Record.
    pub record: bool,
    /// Not shown to others.
    pub hidden: bool,
}

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

/// Where media comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A shared screen.
    ScreenShare,
    /// Its sound.
    ScreenShareAudio,
}

impl MediaSource {
    /// As the configuration and LiveKit's tokens spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::ScreenShare => "screen_share",
            Self::ScreenShareAudio => "screen_share_audio",
        }
    }
}

/// `[accounts]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accounts {
    /// People may sign in.
    pub enabled: bool,
    /// How long an access token counts.
    #[serde(rename = "access_life_s", deserialize_with = "some_seconds")]
    pub access_life: Duration,
    /// Who did not come for so long has to sign in again.
    #[serde(rename = "refresh_life_s", deserialize_with = "some_seconds")]
    pub refresh_life: Duration,
    /// Whoever reaches the server may make an account.
    pub registration: bool,
    /// Who else vouches for people.
    pub oidc: Oidc,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            enabled: false,
            access_life: Duration::from_secs(15 * 60),
            refresh_life: Duration::from_secs(30 * 24 * 3600),
            registration: false,
            oidc: Oidc::default(),
        }
    }
}

/// `[accounts.oidc]`: a provider of OpenID Connect. There is one when `issuer` is said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Oidc {
    /// Its issuer, under which its configuration is found.
    pub issuer: Option<IssuerUrl>,
    /// What it calls this server.
    pub client_id: Option<String>,
    /// What this server proves itself with; none: a public client.
    pub client_secret: Option<Secret>,
    /// What the button says.
    pub name: String,
    /// What is asked for besides `openid`.
    #[serde(deserialize_with = "scopes")]
    pub scopes: Vec<String>,
    /// The claim that lists somebody's roles; without it, roles are given here.
    pub roles_claim: Option<String>,
    /// It may be in a private network or on this machine, and speak plain HTTP.
    pub allow_private: bool,
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            issuer: None,
            client_id: None,
            client_secret: None,
            name: "Single sign-on".to_owned(),
            scopes: vec!["profile".to_owned(), "email".to_owned()],
            roles_claim: None,
            allow_private: false,
        }
    }
}

/// The URL of an issuer: `https://` or `http://`, a host, nobody who signs in there, no query (OpenID Connect Discovery 1.0,
/// section 3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct IssuerUrl(String);

impl IssuerUrl {
    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it says travels in the open.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }
}

impl TryFrom<String> for IssuerUrl {
    type Error = &'static str;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let is_plain = url.chars().all(|c| c.is_ascii_graphic() && !"?#@".contains(c));
        if host.is_empty() || !is_plain { Err("not the URL of an issuer") } else { Ok(Self(url)) }
    }
}

pub(super) fn roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Role>, D::Error> {
    let roles = BTreeMap::<String, Role>::deserialize(deserializer)?;
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let is_name = |name: &String| {
        (1..=ROLE_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_letter) && !BUILT_IN.contains(&name.as_str())
    };
    if roles.len() > MAX_ROLES || !roles.keys().all(is_name) {
        return Err(de::Error::custom("not roles of an application"));
    }
    Ok(roles)
}

/// A life of nothing would sign in nobody.
fn some_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    match seconds(deserializer)? {
        Duration::ZERO => Err(de::Error::custom("no time at all")),
        some => Ok(some),
    }
}

/// Words of RFC 6749 (section 3.3): they travel with spaces between them.
fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let scopes = Vec::<String>::deserialize(deserializer)?;
    let is_scope =
        |scope: &String| !scope.is_empty() && scope.chars().all(|c| c.is_ascii_graphic() && !"\"\\".contains(c));
    if !scopes.iter().all(is_scope) {
        return Err(de::Error::custom("not scopes"));
    }
    Ok(scopes)
}
