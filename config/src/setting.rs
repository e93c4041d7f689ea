//! One key with one value and where it was said; and how a file, the environment and the built-in
//! development defaults become lists of them. The caller reads the file and the environment.

use std::ffi::OsString;
use std::fmt;

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Table, Value};

use crate::schema::{self, Form, Key};
use crate::{Config, ConfigError};

/// Prefix of every environment variable of ours.
const PREFIX: &str = "SLUICE_";

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the configuration file.
    File {
        /// The file as the caller named it.
        file: String,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A command line flag.
    Flag(&'static str),
    /// What development mode sets by itself.
    Development,
    /// Nobody said it: the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { file, line } => write!(f, "{file}, line {line}"),
            Origin::Env(name) => write!(f, "environment variable {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
            Origin::Development => f.write_str("development mode"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// One key with one value, known to be of the accepted form.
#[derive(Clone)]
pub struct Setting {
    key: &'static Key,
    value: Value,
    origin: Origin,
}

impl Setting {
    /// A command line flag that stands for a key.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`] and [`ConfigError::BadValue`].
    pub fn flag(flag: &'static str, path: &str, value: impl Into<Value>) -> Result<Self, ConfigError> {
        Self::checked(path, value.into(), Origin::Flag(flag))
    }

    /// The path of its key.
    pub(crate) fn path(&self) -> &'static str {
        self.key.path
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// Puts the value into the table of all, over what was there.
    pub(crate) fn write_into(&self, table: &mut Table) {
        insert(table, self.key.path, self.value.clone());
    }

    /// Reads a configuration that says nothing but this, so that a bad value is known with its origin.
    fn checked(path: &str, value: Value, origin: Origin) -> Result<Self, ConfigError> {
        let Some(key) = schema::find(path) else {
            return Err(unknown(path, origin));
        };
        let setting = Self { key, value, origin };
        let mut alone = Table::new();
        setting.write_into(&mut alone);
        match Config::deserialize(alone) {
            Ok(_) => Ok(setting),
            Err(_) => Err(bad_value(key, &setting.value.to_string(), setting.origin)),
        }
    }
}

/// Everything a file says.
pub(crate) fn from_file(file: &str, text: &str) -> Result<Vec<Setting>, ConfigError> {
    let origin = |byte: usize| Origin::File { file: file.to_owned(), line: line_of(text, byte) };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        origin: origin(error.span().map_or(0, |span| span.start)),
        problem: error.message().to_owned(),
    })?;
    let mut settings = Vec::new();
    walk("", table.into_inner(), &origin, &mut settings)?;
    Ok(settings)
}

fn walk(
    section: &str,
    table: DeTable<'_>,
    origin: &impl Fn(usize) -> Origin,
    settings: &mut Vec<Setting>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let here = origin(name.span().start);
        let path =
            if section.is_empty() { name.get_ref().to_string() } else { format!("{section}.{}", name.get_ref()) };
        if schema::is_section(&path) {
            let shown = show(value.get_ref());
            let DeValue::Table(inner) = value.into_inner() else {
                return Err(ConfigError::BadValue {
                    origin: here,
                    key: path,
                    value: shown,
                    accepts: "a section: its name in brackets on a line of its own, its keys below",
                });
            };
            walk(&path, inner, origin, settings)?;
            continue;
        }
        let Some(key) = schema::find(&path) else {
            return Err(unknown(&path, here));
        };
        let shown = show(value.get_ref());
        let value = Value::deserialize(ValueDeserializer::from(Spanned::new(value.span(), value.into_inner())))
            .map_err(|_| bad_value(key, &shown, here.clone()))?;
        settings.push(Setting::checked(&path, value, here)?);
    }
    Ok(())
}

/// Everything the environment says. Only names that start with `SLUICE_` are looked at, and of those not:
/// - `SLUICE_CONFIG`, which names the file, and `SLUICE_BIN`, which tells test suites where the server is,
/// - what Kubernetes puts into every pod beside a service called `sluice` (`SLUICE_SERVICE_HOST`,
///   `SLUICE_SERVICE_PORT…`, `SLUICE_PORT…`),
/// - empty ones: a deployment file that passes a variable on cannot leave it unset.
pub(crate) fn from_env(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    for (name, value) in variables {
        // A name that is not Unicode cannot be one of ours.
        let Some(name) = name.to_str() else { continue };
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if value.is_empty() || is_foreign(rest) {
            continue;
        }
        let origin = Origin::Env(name.to_owned());
        let path = rest.to_lowercase().replace("__", ".");
        let Some(key) = schema::find(&path) else {
            return Err(unknown(&path, origin));
        };
        let Some(value) = value.to_str().and_then(|text| from_text(key.form, text)) else {
            return Err(bad_value(key, &format!("\"{}\"", value.to_string_lossy()), origin));
        };
        settings.push(Setting::checked(&path, value, origin)?);
    }
    Ok(settings)
}

fn is_foreign(name: &str) -> bool {
    let kubernetes = ["PORT", "SERVICE_HOST", "SERVICE_PORT"];
    ["CONFIG", "BIN"].contains(&name)
        || kubernetes
            .iter()
            .any(|own| name == *own || name.strip_prefix(own).is_some_and(|rest| rest.starts_with('_')))
}

/// Text of the environment as the value of a key; `None` when it has not the form.
fn from_text(form: Form, text: &str) -> Option<Value> {
    let text = text.trim();
    Some(match form {
        Form::Boolean => match text {
            "true" | "1" => true.into(),
            "false" | "0" => false.into(),
            _ => return None,
        },
        Form::Integer => text.parse::<i64>().ok()?.into(),
        Form::Text => text.into(),
        // A TOML array, or simply `a, b`: an IPv6 address begins with a bracket as well.
        Form::List => match toml::from_str::<Table>(&format!("list = {text}"))
            .ok()
            .and_then(|t| t.get("list").cloned())
        {
            Some(list @ Value::Array(_)) => list,
            _ => parts(text).map(Value::from).collect::<Vec<_>>().into(),
        },
        Form::Map => {
            let mut map = Table::new();
            for pair in parts(text) {
                // A name may be a URL: a colon with a space behind it is the one between the two.
                let (name, value) = pair.split_once(": ").or_else(|| pair.split_once([':', '=']))?;
                map.insert(unquote(name.trim()).to_owned(), unquote(value.trim()).into());
            }
            map.into()
        }
        Form::Tables => toml::from_str::<Table>(&format!("tables = {text}")).ok()?.remove("tables")?,
    })
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty())
}

fn unquote(text: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(text)
}

/// What development mode sets by itself, before any other source.
pub(crate) fn development() -> Result<Vec<Setting>, ConfigError> {
    let settings: [(&str, Value); _] = [
        ("keys", Table::from_iter([(DEV_KEY.to_owned(), Value::from(DEV_SECRET))]).into()),
        // Both, since `localhost` may resolve to either.
        ("http.listen", vec!["127.0.0.1:7880", "[::1]:7880"].into()),
        ("rooms.open", true.into()),
        ("storage.url", "temporary".into()),
        ("audit.path", "temporary".into()),
        ("recordings.path", "temporary".into()),
        ("metrics.open", true.into()),
        // All come from this machine, and load tests are what it is for.
        ("limits.joins_per_minute_per_ip", 0.into()),
        ("limits.api_requests_per_minute_per_ip", 0.into()),
        ("limits.failed_tokens_per_minute_per_ip", 0.into()),
        ("limits.joins_per_minute_per_key", 0.into()),
        ("limits.api_requests_per_minute_per_key", 0.into()),
        ("limits.logins_per_minute_per_ip", 0.into()),
        ("limits.logins_per_minute_per_login", 0.into()),
    ];
    settings
        .into_iter()
        .map(|(path, value)| Setting::checked(path, value, Origin::Development))
        .collect()
}

/// The key of development mode, the one in LiveKit's own documentation: an SDK's example works unchanged.
pub const DEV_KEY: &str = "devkey";

/// Its secret.
pub const DEV_SECRET: &str = "secret";

/// Writes a value at a path of sections, making the sections.
fn insert(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Table::new().into());
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn unknown(path: &str, origin: Origin) -> ConfigError {
    ConfigError::UnknownKey { origin, key: path.to_owned(), nearest: schema::nearest(path) }
}

fn bad_value(key: &Key, value: &str, origin: Origin) -> ConfigError {
    let value = if key.secret { "that".to_owned() } else { shorten(value) };
    ConfigError::BadValue { origin, key: key.path.to_owned(), value, accepts: key.accepts }
}

/// A value as the file has it, for a message.
fn show(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(when) => when.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    }
}

/// Longest value repeated in a message, in characters.
const SHOWN_CHARS: usize = 80;

fn shorten(value: &str) -> String {
    let one_line = value.replace(char::is_control, " ");
    match one_line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &one_line[..end]),
        None => one_line,
    }
}

/// Line of a byte, counted from 1.
fn line_of(text: &str, byte: usize) -> usize {
    1 + text.as_bytes().iter().take(byte).filter(|&&b| b == b'\n').count()
}
