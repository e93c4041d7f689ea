//! Every key there is, with the form its value takes. Error messages, the environment and the suggestions
//! for misspelt keys read this table; a test holds it against [`crate::Config`].

/// What kind of TOML value a key holds. The environment has only text and needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Boolean,
    Integer,
    Text,
    /// A list of texts; `a, b` in the environment.
    List,
    /// Names to texts; `name: text, name: text` in the environment. A later source replaces the whole map.
    Map,
    /// Names to tables; TOML's inline table in the environment. A later source replaces all of them.
    Tables,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// Sections and name, joined by dots.
    pub(crate) path: &'static str,
    pub(crate) form: Form,
    /// The accepted form in words, for people.
    pub(crate) accepts: &'static str,
    /// Whether the value must not be shown.
    pub(crate) secret: bool,
}

const fn key(path: &'static str, form: Form, accepts: &'static str) -> Key {
    Key { path, form, accepts, secret: false }
}

const SECONDS: &str = "whole seconds, 0 to 4294967295";
const DAYS: &str = "whole days, 0 to 65535 (0: for ever)";
const PEM: &str = "the path of a PEM file";
const SWITCH: &str = "true or false";
const FORWARDED: &str = "a whole number, 0 to 65535 (0: all)";
const RATE: &str = "a whole number, 0 to 4294967295 (0: no bound)";
const LIFE: &str = "whole seconds, 1 to 4294967295";
const COUNT: &str = "a whole number, 1 to 4294967295";

/// All of them, in the order of the sample file.
pub(crate) const KEYS: &[Key] = &[
    key("dev", Form::Boolean, SWITCH),
    Key {
        path: "keys",
        form: Form::Map,
        accepts: "API keys with their secrets in quotes: KEY = \"SECRET\" under [keys]; SLUICE_KEYS=\"KEY: SECRET\"",
        secret: true,
    },
    key(
        "webhooks",
        Form::List,
        "at most 16 receivers: [{ url = \"https://app.example.org/hook\", api_key = \"KEY\" }], or [[webhooks]] with \
         these keys below",
    ),
    key(
        "auth.trusted_keys",
        Form::Map,
        "issuers with PEM files: \"https://id.example.org\" = \"/etc/sluice/id.pem\" under [auth.trusted_keys]",
    ),
    key("auth.jwks_file", Form::Text, "the path of a JSON Web Key Set"),
    key("auth.jwks_issuer", Form::Text, "what tokens of the key set have as `iss`"),
    key("auth.max_token_life_s", Form::Integer, SECONDS),
    key("http.listen", Form::List, "addresses with ports, such as [\"0.0.0.0:7880\"] or [\"[::1]:7880\"]"),
    key("http.behind_proxy", Form::Boolean, SWITCH),
    key("http.trusted_proxies", Form::List, "addresses or networks, such as [\"127.0.0.1\", \"10.0.0.0/8\"]"),
    key(
        "http.allowed_origins",
        Form::List,
        "origins without a path, such as [\"https://app.example.org\"], or [\"*\"]",
    ),
    key("http.admin_listen", Form::List, "addresses with ports, such as [\"127.0.0.1:7890\"]; empty: none of its own"),
    key("http.public_url", Form::Text, "a URL that starts with ws://, wss://, http:// or https://"),
    key("http.drain_timeout_s", Form::Integer, SECONDS),
    key("http.tls.cert", Form::Text, PEM),
    key("http.tls.key", Form::Text, PEM),
    key("rtc.udp_port", Form::Integer, "a UDP port, 0 to 65535 (0: the system chooses)"),
    key("rtc.tcp_port", Form::Integer, "a TCP port, 0 to 65535 (0: no media over TCP)"),
    key("rtc.tcp_on_http", Form::Boolean, SWITCH),
    key("rtc.bind", Form::List, "IP addresses of this machine, such as [\"192.0.2.10\"]; empty: found by itself"),
    key("rtc.advertise", Form::Text, "one IP address, such as \"198.51.100.7\""),
    key("rtc.workers", Form::Integer, "a whole number, 0 to 255 (0: one for each core)"),
    key("rtc.portable_io", Form::Boolean, SWITCH),
    key("rooms.open", Form::Boolean, SWITCH),
    key("rooms.auto_create", Form::Boolean, SWITCH),
    key("rooms.remote_unmute", Form::Boolean, SWITCH),
    key("rooms.empty_timeout_s", Form::Integer, SECONDS),
    key("rooms.departure_timeout_s", Form::Integer, SECONDS),
    key("rooms.resume_timeout_s", Form::Integer, SECONDS),
    key("rooms.max_participants", Form::Integer, "a whole number, 0 to 4294967295 (0: no bound)"),
    key("rooms.last_cameras", Form::Integer, FORWARDED),
    key("rooms.loudest_microphones", Form::Integer, FORWARDED),
    key("limits.connections", Form::Integer, COUNT),
    key("limits.connections_per_ip", Form::Integer, COUNT),
    key("limits.rooms", Form::Integer, COUNT),
    key("limits.room_creations_per_minute", Form::Integer, COUNT),
    key("limits.signal_message_bytes", Form::Integer, COUNT),
    key("limits.body_bytes", Form::Integer, COUNT),
    key("limits.publish_kbps", Form::Integer, COUNT),
    Key {
        path: "storage.url",
        form: Form::Text,
        accepts: "\"sqlite:PATH\", \"postgres://USER:PASSWORD@HOST/DATABASE\" or \"temporary\"",
        // There may be a password in it.
        secret: true,
    },
    key("audit.path", Form::Text, "the path of a file, or \"temporary\""),
    key("recordings.path", Form::Text, "the path of a directory, \"temporary\" or \"off\""),
    key("recordings.at_once", Form::Integer, COUNT),
    key("recordings.at_once_in_room", Form::Integer, COUNT),
    key("recordings.max_hours", Form::Integer, COUNT),
    key("recordings.max_file_gib", Form::Integer, COUNT),
    key("recordings.keep_days", Form::Integer, DAYS),
    key("recordings.ffmpeg", Form::Text, "the path of ffmpeg, \"find\" or \"off\""),
    key("recordings.compositions_at_once", Form::Integer, COUNT),
    key("recordings.allow_private", Form::Boolean, SWITCH),
    key("recordings.s3.bucket", Form::Text, "the name of a bucket"),
    key("recordings.s3.region", Form::Text, "a region, such as \"eu-central-1\" (empty: us-east-1)"),
    key("recordings.s3.endpoint", Form::Text, "a URL without a path, such as \"https://s3.example.org\""),
    Key { path: "recordings.s3.access_key", form: Form::Text, accepts: "the id of a key to the bucket", secret: true },
    Key { path: "recordings.s3.secret_key", form: Form::Text, accepts: "the key to the bucket", secret: true },
    key("recordings.s3.path_style", Form::Boolean, SWITCH),
    key("recordings.s3.prefix", Form::Text, "a path without `/` at its ends"),
    key("recordings.s3.keep_local", Form::Boolean, SWITCH),
    key("limits.joins_per_minute_per_ip", Form::Integer, RATE),
    key("limits.api_requests_per_minute_per_ip", Form::Integer, RATE),
    key("limits.failed_tokens_per_minute_per_ip", Form::Integer, RATE),
    key("limits.joins_per_minute_per_key", Form::Integer, RATE),
    key("limits.api_requests_per_minute_per_key", Form::Integer, RATE),
    key("limits.logins_per_minute_per_ip", Form::Integer, RATE),
    key("limits.logins_per_minute_per_login", Form::Integer, RATE),
    key("retention.events_days", Form::Integer, DAYS),
    key("retention.chat_days", Form::Integer, DAYS),
    key("retention.sessions_days", Form::Integer, DAYS),
    key("retention.quality_days", Form::Integer, DAYS),
    key("log.format", Form::Text, "\"text\" or \"json\""),
    key("log.filter", Form::Text, "levels by module, such as \"info\" or \"info,sluice_core=debug\""),
    key("metrics.open", Form::Boolean, SWITCH),
    key(
        "roles",
        Form::Tables,
        "at most 64 roles that are not host, participant or admin, with names of a-z, 0-9, - and _: [roles.NAME] with the \
         keys publish, subscribe, data, moderate, record, hidden (true or false) and publish_sources (a list of camera, \
         microphone, screen_share, screen_share_audio)",
    ),
    key("accounts.enabled", Form::Boolean, SWITCH),
    key("accounts.access_life_s", Form::Integer, LIFE),
    key("accounts.refresh_life_s", Form::Integer, LIFE),
    key("accounts.registration", Form::Boolean, SWITCH),
    key("accounts.oidc.issuer", Form::Text, "a URL that starts with https:// (or http://) and has no query"),
    key("accounts.oidc.client_id", Form::Text, "what the provider calls this server"),
    Key {
        path: "accounts.oidc.client_secret",
        form: Form::Text,
        accepts: "the secret that the provider gave this server",
        secret: true,
    },
    key("accounts.oidc.name", Form::Text, "what the button says"),
    key("accounts.oidc.scopes", Form::List, "scopes, such as [\"profile\", \"email\"]"),
    key("accounts.oidc.roles_claim", Form::Text, "the name of a claim, or a path such as \"realm_access.roles\""),
    key("accounts.oidc.allow_private", Form::Boolean, SWITCH),
];

/// How near two names must be (0 to 1) before one is offered for the other.
const LIKENESS: f64 = 0.75;

/// The key of that path.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether keys lie below that path.
pub(crate) fn is_section(path: &str) -> bool {
    KEYS.iter()
        .any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The key that was probably meant: one of that name in another section, else the most alike.
pub(crate) fn nearest(path: &str) -> Option<&'static str> {
    let name = last(path);
    if let Some(moved) = KEYS.iter().find(|key| last(key.path) == name) {
        return Some(moved.path);
    }
    KEYS.iter()
        .map(|key| {
            let whole = strsim::normalized_damerau_levenshtein(key.path, path);
            let own = strsim::normalized_damerau_levenshtein(last(key.path), name);
            (key.path, whole.max(own))
        })
        .filter(|(_, likeness)| *likeness >= LIKENESS)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(path, _)| path)
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_its_neighbour() {
        assert_eq!(nearest("rtc.udp_prot"), Some("rtc.udp_port"));
        assert_eq!(nearest("room.empty_timeout_s"), Some("rooms.empty_timeout_s"));
        assert_eq!(nearest("udp_port"), Some("rtc.udp_port"));
        assert_eq!(nearest("http.listn"), Some("http.listen"));
        assert_eq!(nearest("turn.servers"), None);
    }

    #[test]
    fn sections_are_what_keys_lie_in() {
        assert!(is_section("http") && is_section("http.tls"));
        assert!(!is_section("http.listen") && !is_section("htt") && !is_section("keys"));
    }
}
