//! The sample file tells the truth: it parses, shows the defaults, and leaves no key out.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use sluice_config::{Config, File, SAMPLE};

fn read(text: &str) -> Config {
    Config::load_unchecked(Some(File { name: "sluice.sample.toml", text }), [], Vec::new()).unwrap()
}

/// The sample with its examples (`# name = value`) made real.
fn with_examples() -> String {
    let is_example = |line: &str| {
        line.split_once(" = ").is_some_and(|(name, _)| {
            name.starts_with('"') || name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    let line = |line: &'static str| line.strip_prefix("# ").filter(|rest| is_example(rest)).unwrap_or(line);
    SAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn as_shipped_it_says_the_defaults() {
    assert_eq!(read(SAMPLE), Config::default());
}

#[test]
fn its_examples_are_accepted_and_every_key_stands_in_it() {
    let text = with_examples();
    let config = read(&text);
    assert_eq!((config.keys.len(), config.auth.trusted_keys.len(), config.webhooks.len()), (1, 1, 1));
    assert!(config.http.tls.pair().is_some() && config.http.public_url.is_some() && config.rtc.advertise.is_some());

    assert!(config.roles["therapist"].moderate && config.accounts.oidc.issuer.is_some());

    let said: Vec<String> = leaves("", &toml::from_str(&text).unwrap());
    let missing: Vec<&str> = sluice_config::keys().filter(|key| !said.iter().any(|said| said == key)).collect();
    assert!(missing.is_empty(), "keys the sample does not show: {missing:?}");
}

#[test]
fn the_table_of_keys_and_the_types_agree() {
    // A key of the table that the types do not know is refused when it is read: the test above saw them all
    // accepted. A field of the types that the table does not know shows up in serde's list of fields.
    for section in [
        "",
        "auth",
        "http",
        "http.tls",
        "rtc",
        "rooms",
        "limits",
        "storage",
        "retention",
        "audit",
        "log",
        "metrics",
        "accounts",
        "accounts.oidc",
        "recordings",
        "recordings.s3",
    ] {
        let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        let error = toml::from_str::<Config>(&format!("{header}no_such_key = 1")).unwrap_err();
        let fields = error.message().split("expected ").nth(1).unwrap().split('`').skip(1).step_by(2);
        for field in fields {
            let path = if section.is_empty() { field.to_owned() } else { format!("{section}.{field}") };
            assert!(
                sluice_config::keys().any(|key| key == path || key.starts_with(&format!("{path}."))),
                "the field {path} has no line in the table of keys"
            );
        }
    }
}

fn leaves(section: &str, table: &toml::Table) -> Vec<String> {
    table
        .iter()
        .flat_map(|(name, value)| {
            let path = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            match value {
                toml::Value::Table(inner) if !["keys", "auth.trusted_keys", "roles"].contains(&path.as_str()) => {
                    leaves(&path, inner)
                }
                _ => vec![path],
            }
        })
        .collect()
}
