//! Typed configuration: a TOML file, `SLUICE_*` environment variables and flags become one checked value.
//!
//! Used by the composition root alone. Knows neither the file system nor the process environment (the caller
//! reads both), nor the crates the values go to.
//!
//! Later sources win: defaults, then (in development mode) its own defaults, then the file, the environment,
//! the flags. Every value is checked on its own first, so that a bad one is reported with its place; then the
//! rules between keys are checked on the whole ([`Refusal`]).

mod error;
mod model;
mod people;
mod recordings;
mod rules;
mod schema;
mod setting;
mod web;

use std::ffi::OsString;

use serde::Deserialize as _;
use toml::{Table, Value};

pub use error::{ConfigError, OidcProblem, Refusal};
pub use model::{
    Audit, AuditPath, Config, Http, Limits, Log, LogFormat, Metrics, PublicUrl, Rooms, Rtc, Storage, StorageUrl,
    TlsFiles, Webhook, WebhookUrl,
};
pub use people::{Accounts, IssuerUrl, MediaSource, Oidc, Role};
pub use recordings::{FfmpegPath, Recordings, RecordingsPath, S3};
pub use rules::MIN_SECRET_BYTES;
pub use setting::{DEV_KEY, DEV_SECRET, Origin, Setting};
pub use sluice_secret::Secret;
pub use web::{Network, PageOrigin};

/// The commented sample file, as shipped.
pub const SAMPLE: &str = include_str!("../sluice.sample.toml");

/// The path of every key there is (`rtc.udp_port`), in the order of the sample file.
pub fn keys() -> impl Iterator<Item = &'static str> {
    schema::KEYS.iter().map(|key| key.path)
}

/// A configuration file that has been read.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Its name for messages.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Config {
    /// Reads all sources and checks the whole: what a server may run with.
    ///
    /// # Errors
    /// [`ConfigError`], which names the place, the key and the accepted form.
    pub fn load(
        file: Option<File<'_>>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Vec<Setting>,
    ) -> Result<Self, ConfigError> {
        let (config, settings) = Self::read(file, env, flags)?;
        rules::check(&config, &settings)?;
        Ok(config)
    }

    /// Reads all sources without the rules a *server* must keep: for a command that needs the keys alone.
    ///
    /// # Errors
    /// [`ConfigError`], never [`ConfigError::Refused`].
    pub fn load_unchecked(
        file: Option<File<'_>>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Vec<Setting>,
    ) -> Result<Self, ConfigError> {
        Self::read(file, env, flags).map(|(config, _)| config)
    }

    fn read(
        file: Option<File<'_>>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Vec<Setting>,
    ) -> Result<(Self, Vec<Setting>), ConfigError> {
        let mut settings = match file {
            Some(file) => setting::from_file(file.name, file.text)?,
            None => Vec::new(),
        };
        settings.extend(setting::from_env(env)?);
        settings.extend(flags);
        if said_last(&settings, "dev").is_some_and(|setting| *setting.value() == Value::Boolean(true)) {
            settings.splice(0..0, setting::development()?);
        }

        let mut all = Table::new();
        for setting in &settings {
            setting.write_into(&mut all);
        }
        let config = Self::deserialize(all).expect("each value was read alone, and no field looks at another");
        Ok((config, settings))
    }
}

/// The setting that holds for a key.
fn said_last<'a>(settings: &'a [Setting], path: &str) -> Option<&'a Setting> {
    settings.iter().rev().find(|setting| setting.path() == path)
}
