//! An operator writes a file, sets variables and passes flags; what holds, and what is said when it is wrong.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use sluice_config::{AuditPath, Config, ConfigError, File, LogFormat, Refusal, Setting, StorageUrl};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A file that a server may run with.
fn good_file() -> String {
    format!("[http]\nbehind_proxy = true\n[keys]\nAPIabc = \"{SECRET}\"\n")
}

fn env(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn load(text: &str, variables: &[(&str, &str)], flags: Vec<Setting>) -> Result<Config, ConfigError> {
    Config::load(Some(File { name: "sluice.toml", text }), env(variables), flags)
}

fn problem(text: &str, variables: &[(&str, &str)]) -> String {
    load(text, variables, Vec::new()).unwrap_err().to_string()
}

fn dev() -> Setting {
    Setting::flag("--dev", "dev", true).unwrap()
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = format!("{}[rtc]\nudp_port = 1001\nworkers = 2\n[rooms]\nempty_timeout_s = 7\n", good_file());
    let variables = [("SLUICE_RTC__UDP_PORT", "1002"), ("SLUICE_RTC__WORKERS", "3")];
    let flags = vec![Setting::flag("--udp-port", "rtc.udp_port", 1003).unwrap()];

    let config = load(&file, &variables, flags).unwrap();

    assert_eq!(config.rtc.udp_port, 1003, "flag");
    assert_eq!(config.rtc.workers, 3, "environment");
    assert_eq!(config.rooms.empty_timeout, Duration::from_secs(7), "file");
    assert_eq!(config.rooms.departure_timeout, Duration::from_secs(20), "default");
}

#[test]
fn the_environment_alone_configures_a_server() {
    let keys = format!("APIone: {SECRET}\nAPItwo: '{SECRET}'");
    let variables = env(&[
        ("SLUICE_KEYS", &keys),
        ("SLUICE_HTTP__BEHIND_PROXY", "1"),
        ("SLUICE_HTTP__LISTEN", "0.0.0.0:80, [::1]:81"),
        ("SLUICE_HTTP__PUBLIC_URL", "wss://call.example.org"),
        ("SLUICE_RTC__BIND", "[\"192.0.2.1\"]"),
        ("SLUICE_RTC__ADVERTISE", "198.51.100.7"),
        ("SLUICE_LOG__FORMAT", "json"),
        // Not ours, though they begin so.
        ("SLUICE_CONFIG", "x.toml"),
        ("SLUICE_BIN", "/bin/sluice"),
        ("SLUICE_SERVICE_HOST", "10.0.0.1"),
        ("SLUICE_SERVICE_PORT_HTTP", "7880"),
        ("SLUICE_PORT_7880_TCP", "tcp://10.0.0.1:7880"),
        ("SLUICE_HTTP__DRAIN_TIMEOUT_S", ""),
        ("HOME", "/root"),
    ]);

    let config = Config::load(None, variables, Vec::new()).unwrap();

    assert_eq!(config.keys.keys().collect::<Vec<_>>(), ["APIone", "APItwo"]);
    assert!(config.keys.values().all(|secret| secret.reveal() == SECRET));
    assert!(config.http.behind_proxy);
    let listen: Vec<SocketAddr> = vec!["0.0.0.0:80".parse().unwrap(), "[::1]:81".parse().unwrap()];
    assert_eq!(config.http.listen, listen);
    assert_eq!(config.http.public_url.unwrap().as_str(), "wss://call.example.org");
    assert_eq!(config.rtc.bind, ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(config.rtc.advertise, Some("198.51.100.7".parse().unwrap()));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.http.drain_timeout, Duration::from_secs(5), "an empty variable says nothing");
}

#[test]
fn issuers_in_the_environment_may_be_urls() {
    let trusted = "https://id.example.org: /etc/id.pem, other: /etc/other.pem";
    let config = load(&good_file(), &[("SLUICE_AUTH__TRUSTED_KEYS", trusted)], vec![]).unwrap();
    let pairs = config
        .auth
        .trusted_keys
        .iter()
        .map(|(issuer, path)| (issuer.as_str(), path.to_str().unwrap()));
    assert_eq!(pairs.collect::<Vec<_>>(), [("https://id.example.org", "/etc/id.pem"), ("other", "/etc/other.pem")]);
}

#[test]
fn development_mode_needs_nothing_else() {
    let config = Config::load(None, [], vec![dev()]).unwrap();

    assert_eq!(config.keys["devkey"].reveal(), "secret");
    let listen: Vec<SocketAddr> = vec!["127.0.0.1:7880".parse().unwrap(), "[::1]:7880".parse().unwrap()];
    assert_eq!(config.http.listen, listen);
    assert!(config.rooms.open && config.metrics.open);
    assert_eq!(config.storage.url, StorageUrl::Temporary);
    assert_eq!(config.audit.path, AuditPath::Temporary);

    let config = Config::load(None, env(&[("SLUICE_DEV", "true"), ("SLUICE_ROOMS__OPEN", "false")]), vec![]).unwrap();
    assert!(config.dev && !config.rooms.open, "development mode only sets defaults");
}

#[test]
fn a_flag_can_leave_the_development_mode_of_a_file() {
    let off = Setting::flag("--dev", "dev", false).unwrap();
    let config = load(&format!("dev = true\n{}", good_file()), &[], vec![off]).unwrap();
    assert!(!config.dev && !config.metrics.open);
}

#[test]
fn webhooks_are_sections_or_one_variable_and_signed_by_a_key_there_is() {
    let section = "[[webhooks]]\nurl = \"https://app.example.org/hook\"\napi_key = \"APIabc\"\n";
    let config = load(&format!("{}{section}", good_file()), &[], vec![]).unwrap();
    assert_eq!(config.webhooks.len(), 1);
    assert_eq!(config.webhooks[0].url.as_str(), "https://app.example.org/hook");
    assert!(!config.webhooks[0].allow_private);

    let variable = "[{ url = \"http://10.0.0.1/hook\", api_key = \"APIabc\", allow_private = true }]";
    let config = load(&good_file(), &[("SLUICE_WEBHOOKS", variable)], vec![]).unwrap();
    assert!(config.webhooks[0].allow_private);

    let strange = problem(&good_file(), &[("SLUICE_WEBHOOKS", &variable.replace("APIabc", "APIxyz"))]);
    assert!(strange.contains("signed with the API key `APIxyz`"), "{strange}");
    let twice = problem(&format!("{}{section}{section}", good_file()), &[]);
    assert!(twice.contains("webhook number 2 has the URL of one before"), "{twice}");
}

#[test]
fn the_password_of_storage_is_not_shown() {
    let url = "postgres://sluice:hunter2@db.example.org/sluice";
    let config = load(&good_file(), &[("SLUICE_STORAGE__URL", url)], vec![]).unwrap();
    assert!(matches!(&config.storage.url, StorageUrl::Postgres(stored) if stored.reveal() == url));
    assert!(!format!("{config:?}").contains("hunter2"));
    let problem = problem(&good_file(), &[("SLUICE_STORAGE__URL", "postgras://sluice:hunter2@db.example.org/sluice")]);
    assert!(!problem.contains("hunter2"), "{problem}");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_its_neighbour() {
    assert_eq!(
        problem("dev = true\n\n[rtc]\nudp_prot = 7882\n", &[]),
        "sluice.toml, line 4: unknown key `rtc.udp_prot`\n  did you mean `rtc.udp_port`?"
    );
    assert_eq!(
        problem("", &[("SLUICE_RTC__UDP_PROT", "1")]),
        "environment variable SLUICE_RTC__UDP_PROT: unknown key `rtc.udp_prot`\n  did you mean `rtc.udp_port`?"
    );
    assert_eq!(
        problem("[turn]\nservers = []\n", &[]),
        "sluice.toml, line 1: unknown key `turn`\n  config/sluice.sample.toml lists every key"
    );
}

#[test]
fn a_bad_value_is_named_with_its_line_and_the_accepted_form() {
    assert_eq!(
        problem("[rtc]\nudp_port = 70000\n", &[]),
        "sluice.toml, line 2: `rtc.udp_port` cannot be 70000\n  accepted: a UDP port, 0 to 65535 (0: the system chooses)"
    );
    assert_eq!(
        problem("[rtc]\n\nudp_port = \"7882\"\n", &[]),
        "sluice.toml, line 3: `rtc.udp_port` cannot be \"7882\"\n  accepted: a UDP port, 0 to 65535 (0: the system chooses)"
    );
    assert_eq!(
        problem("", &[("SLUICE_RTC__UDP_PORT", "high")]),
        "environment variable SLUICE_RTC__UDP_PORT: `rtc.udp_port` cannot be \"high\"\n  \
         accepted: a UDP port, 0 to 65535 (0: the system chooses)"
    );
    let flag = Setting::flag("--udp-port", "rtc.udp_port", -1).err().unwrap().to_string();
    assert!(flag.starts_with("flag --udp-port: `rtc.udp_port` cannot be -1"), "{flag}");

    for (text, key) in [
        ("dev = 1", "dev"),
        ("rtc = 5", "rtc"),
        ("http.listen = []", "http.listen"),
        ("http.listen = [\"7880\"]", "http.listen"),
        ("http.public_url = \"call.example.org\"", "http.public_url"),
        ("http.public_url = \"wss://\"", "http.public_url"),
        ("rtc.advertise = \"here\"", "rtc.advertise"),
        ("rtc.workers = 256", "rtc.workers"),
        ("limits.rooms = 0", "limits.rooms"),
        ("rooms.empty_timeout_s = -1", "rooms.empty_timeout_s"),
        ("rooms.empty_timeout_s = 1.5", "rooms.empty_timeout_s"),
        ("log.format = \"xml\"", "log.format"),
        ("storage.url = \"mysql://host/db\"", "storage.url"),
        ("storage.url = \"sqlite::memory:\"", "storage.url"),
        ("webhooks = [\"https://app.example.org\"]", "webhooks"),
        ("webhooks = [{ url = \"ftp://app.example.org\", api_key = \"k\" }]", "webhooks"),
        ("webhooks = [{ url = \"https://user:word@app.example.org\", api_key = \"k\" }]", "webhooks"),
        ("webhooks = [{ url = \"https://app.example.org\" }]", "webhooks"),
    ] {
        let problem = problem(text, &[]);
        assert!(problem.starts_with(&format!("sluice.toml, line 1: `{key}` cannot be")), "{text}: {problem}");
        assert!(problem.contains("accepted: "), "{problem}");
    }
}

#[test]
fn text_that_is_not_toml_is_named_with_its_line() {
    let problem = problem("[rtc]\nudp_port = 7882\nworkers 2\n", &[]);
    assert!(problem.starts_with("sluice.toml, line 3: not valid TOML: "), "{problem}");
}

#[test]
fn no_message_shows_a_secret() {
    let secret = "hunter2-hunter2";
    for text in [
        format!("[keys]\nAPIabc = {secret}\n"),
        format!("[keys]\nAPIabc = [\"{secret}\"]\n"),
        format!("keys = \"{secret}\"\n"),
        format!("[keys]\nAPIabc = \"{secret}\"\n"),
        format!("[keys]\nAPIabc = \"{secret}\n"),
    ] {
        let error = load(&text, &[], Vec::new()).unwrap_err();
        assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let error = problem("", &[("SLUICE_KEYS", secret)]);
    assert!(error.starts_with("environment variable SLUICE_KEYS: `keys` cannot be that"), "{error}");

    let config = Config::load(None, env(&[("SLUICE_KEYS", "a:hunter2"), ("SLUICE_DEV", "1")]), vec![]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn outside_development_mode_unsafe_wholes_are_refused() {
    let refusal = |text: &str| match load(text, &[], Vec::new()) {
        Err(ConfigError::Refused(refusal)) => refusal,
        other => panic!("{text}: {other:?}"),
    };
    let proxy = "http.behind_proxy = true\n";

    assert_eq!(refusal(proxy), Refusal::NoKeys);
    assert!(matches!(
        refusal(&format!("{proxy}keys.APIabc = \"{}\"", &SECRET[1..])),
        Refusal::ShortSecret { bytes: 31, .. }
    ));
    assert!(matches!(refusal(&format!("{proxy}keys.devkey = \"{SECRET}\"")), Refusal::WellKnownKey { .. }));
    assert!(matches!(refusal(&format!("{proxy}keys.\"\" = \"{SECRET}\"")), Refusal::EmptyKey { .. }));
    let keys = format!("keys.APIabc = \"{SECRET}\"\n");
    assert_eq!(refusal(&keys), Refusal::NoTls);
    assert!(matches!(refusal(&format!("{keys}http.tls.cert = \"c.pem\"")), Refusal::HalfTls { present: "cert", .. }));
    assert_eq!(
        refusal(&format!("{keys}{proxy}http.tls.cert = \"c.pem\"\nhttp.tls.key = \"k.pem\"")),
        Refusal::TlsBehindProxy
    );

    assert!(load(&format!("{keys}http.tls.cert = \"c.pem\"\nhttp.tls.key = \"k.pem\""), &[], vec![]).is_ok());
    assert!(load(&format!("{keys}{proxy}"), &[], vec![]).is_ok());
}

#[test]
fn development_mode_is_not_for_others() {
    let problem = load("", &[("SLUICE_HTTP__LISTEN", "0.0.0.0:7880")], vec![dev()]).unwrap_err().to_string();
    assert!(
        problem.starts_with("environment variable SLUICE_HTTP__LISTEN: development mode listens on loopback only"),
        "{problem}"
    );
    for loopback in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:0", "[::ffff:127.0.0.1]:1"] {
        load("", &[("SLUICE_HTTP__LISTEN", loopback)], vec![dev()]).unwrap();
    }
}

#[test]
fn development_is_not_counted_unless_it_is_wanted() {
    let config = load("", &[], vec![dev()]).unwrap();
    assert_eq!((config.limits.joins_per_minute_per_ip, config.limits.api_requests_per_minute_per_key), (0, 0));
    let config = load("[limits]\njoins_per_minute_per_ip = 5\n", &[], vec![dev()]).unwrap();
    assert_eq!((config.limits.joins_per_minute_per_ip, config.limits.failed_tokens_per_minute_per_ip), (5, 0));
    let config = load(&good_file(), &[], Vec::new()).unwrap();
    assert!(config.limits.joins_per_minute_per_ip > 0 && config.limits.failed_tokens_per_minute_per_ip > 0);
}

#[test]
fn proxies_pages_and_operators_come_from_the_environment_too() {
    let variables = [
        ("SLUICE_HTTP__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("SLUICE_HTTP__ALLOWED_ORIGINS", "https://a.example, http://localhost:5173"),
        ("SLUICE_HTTP__ADMIN_LISTEN", "127.0.0.1:7890"),
    ];
    let http = load(&good_file(), &variables, Vec::new()).unwrap().http;
    let networks: Vec<_> = http
        .trusted_proxies
        .iter()
        .map(|network| (network.address.to_string(), network.bits))
        .collect();
    assert_eq!(networks, [("10.0.0.0".to_owned(), 8), ("::1".to_owned(), 128)]);
    assert_eq!(http.allowed_origins.iter().map(ToString::to_string).collect::<Vec<_>>().len(), 2);
    assert_eq!(http.admin_listen, ["127.0.0.1:7890".parse::<SocketAddr>().unwrap()]);

    assert!(problem(&good_file(), &[("SLUICE_HTTP__TRUSTED_PROXIES", "0.0.0.0/0")]).contains("accepted: addresses or"));
    assert!(
        problem(&good_file(), &[("SLUICE_HTTP__ALLOWED_ORIGINS", "https://a.example/")]).contains("without a path")
    );
}

#[test]
fn the_door_for_operators_is_as_near_as_the_others_in_development() {
    let error = load("[http]\nadmin_listen = [\"0.0.0.0:7890\"]\n", &[], vec![dev()]).unwrap_err();
    assert!(matches!(error, ConfigError::Refused(Refusal::DevNotLoopback { .. })), "{error}");
}

#[test]
fn an_application_names_roles_of_its_own() {
    let sections =
        "[roles.therapist]\nmoderate = true\n[roles.patient]\npublish_sources = [\"camera\", \"screen_share\"]\n";
    let config = load(&format!("{}{sections}", good_file()), &[], vec![]).unwrap();
    let (therapist, patient) = (&config.roles["therapist"], &config.roles["patient"]);
    assert!(therapist.moderate && therapist.publish && !therapist.record);
    assert_eq!(
        patient.publish_sources.iter().map(|source| source.name()).collect::<Vec<_>>(),
        ["camera", "screen_share"]
    );

    let inline = [("SLUICE_ROLES", "{ auditor = { publish = false, hidden = true } }")];
    let config = load(&format!("{}{sections}", good_file()), &inline, vec![]).unwrap();
    assert!(config.roles.len() == 1 && config.roles["auditor"].hidden, "the environment replaces them");

    for bad in [
        "[roles.admin]\nmoderate = false\n",
        "[roles.Chef]\n",
        "[roles.\"\"]\n",
        "[roles.x]\nfly = true\n",
        "[roles.x]\npublish_sources = [\"nose\"]\n",
    ] {
        let said = problem(&format!("{}{bad}", good_file()), &[]);
        assert!(said.contains("`roles`") && said.contains("accepted: at most 64 roles"), "{bad}: {said}");
    }
    assert!(problem(&good_file(), &[("SLUICE_ROLES", "therapist")]).contains("SLUICE_ROLES"));
}

#[test]
fn a_provider_of_sign_in_is_refused_where_nobody_could_sign_in_or_somebody_listen() {
    let issuer = "[accounts.oidc]\nissuer = \"https://id.example.org/realms/one\"\n";
    let on = "[accounts]\nenabled = true\n";
    let public = good_file().replace("[http]\n", "[http]\npublic_url = \"https://call.example.org\"\n");

    assert!(problem(&format!("{public}{issuer}"), &[]).contains("accounts.enabled = true"));
    assert!(problem(&format!("{public}{on}{issuer}"), &[]).contains("`client_id`"));
    let known = format!("{on}{issuer}client_id = \"sluice\"\nclient_secret = \"hush\"\n");
    assert!(problem(&format!("{}{known}", good_file()), &[]).contains("http.public_url"));
    let plain = known.replace("https:", "http:");
    assert!(problem(&format!("{public}{plain}"), &[]).contains("allow_private"));

    let config = load(&format!("{public}{known}"), &[], vec![]).unwrap();
    assert_eq!(config.accounts.oidc.issuer.as_ref().unwrap().as_str(), "https://id.example.org/realms/one");
    assert!(!format!("{config:?}").contains("hush"));
    assert!(load(&format!("{public}{plain}allow_private = true\n"), &[], vec![]).is_ok());
    assert!(Config::load(None, env(&[("SLUICE_ACCOUNTS__ENABLED", "1"), ("SLUICE_DEV", "1")]), vec![]).is_ok());
    for bad in ["https://", "https://user@id.example.org", "https://id.example.org?x=1", "id.example.org"] {
        assert!(
            problem(&format!("{public}[accounts.oidc]\nissuer = \"{bad}\"\n"), &[]).contains("accepted: a URL"),
            "{bad}"
        );
    }
    assert!(problem(&format!("{public}[accounts]\naccess_life_s = 0\n"), &[]).contains("1 to 4294967295"));
}
