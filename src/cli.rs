//! The command line: what can be said, and which module answers. Knows the sources of the configuration.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use sluice_config::{Config, ConfigError, File, Setting};

use crate::{audit, backup, keys, serve, token, user};

/// A selective forwarding unit for browsers and apps: rooms with audio, video and data, for every LiveKit SDK.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  sluice serve --dev                                      then open http://localhost:7880
  sluice token create --dev --identity ann --room lobby   a token for any LiveKit SDK
  sluice keys generate                                    keys for a server that others reach
  sluice loadtest meeting                                 how the server on this machine copes with six people";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Work with access tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Work with API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Read an audit trail
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Keep accounts: the first administrator, and whoever is locked out
    #[command(subcommand)]
    User(user::UserCommand),
    /// Copy the database while the server goes on
    Backup(backup::BackupArgs),
    /// Load a LiveKit-compatible server with synthetic participants and report how it served them
    Loadtest(sluice_loadtest::cli::LoadtestArgs),
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Print a signed token with which a LiveKit SDK joins a room or calls the server API
    #[command(after_help = token::EXAMPLES)]
    Create(token::CreateArgs),
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Print a new API key and its secret as a piece of the configuration file
    Generate,
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Serve(args) => serve::run(args.load()?, args.guests),
            Command::Token(TokenCommand::Create(args)) => token::create(&args),
            Command::Keys(KeysCommand::Generate) => keys::generate(),
            Command::Audit(command) => audit::run(&command),
            Command::User(command) => user::run(&command),
            Command::Backup(args) => backup::run(&args),
            Command::Loadtest(args) => Ok(args.run()?),
        }
    }
}

/// Where the configuration comes from.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Development mode: this machine only, key `devkey`, secret `secret`, rooms open to everybody
    #[arg(long)]
    dev: bool,

    /// Configuration file; config/sluice.sample.toml shows and explains every key
    #[arg(long, value_name = "FILE", env = "SLUICE_CONFIG")]
    config: Option<PathBuf>,
}

impl SourceArgs {
    fn settings(&self) -> Result<Vec<Setting>, ConfigError> {
        self.dev.then(|| Setting::flag("--dev", "dev", true)).into_iter().collect()
    }

    /// The name and text of the file, when there is one.
    fn read_file(&self) -> anyhow::Result<Option<(String, String)>> {
        let Some(path) = &self.config else { return Ok(None) };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("cannot read the configuration file {name} (given by --config or SLUICE_CONFIG)")
        })?;
        Ok(Some((name, text)))
    }

    /// Everything these sources say, without the rules a server must keep: for a command that wants the keys.
    pub(crate) fn load_unchecked(&self) -> anyhow::Result<Config> {
        let file = self.read_file()?;
        let file = file.as_ref().map(|(name, text)| File { name, text });
        Ok(Config::load_unchecked(file, std::env::vars_os(), self.settings()?)?)
    }
}

/// Flags of `serve`. What is not a flag here is a key of the file.
#[derive(Debug, Args)]
#[command(after_help = SERVE_HELP)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    source: SourceArgs,

    /// Address for signaling, API and web client (repeatable) [default: 0.0.0.0:7880; --dev: loopback only, 127.0.0.1:7880 and ::1]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,

    /// UDP port for media; 0 lets the system choose [default: 7882]
    #[arg(long, value_name = "PORT")]
    udp_port: Option<u16>,

    /// Development only: fill each room somebody enters with so many synthetic guests
    #[arg(long, value_name = "N", default_value_t = 0, requires = "dev", value_parser = clap::value_parser!(u8).range(..=12))]
    guests: u8,

    /// Public address to tell clients, behind a 1:1 NAT
    #[arg(long, value_name = "IP")]
    advertise: Option<IpAddr>,

    /// Log lines for people (text) or machines (json) [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,

    /// Log levels, such as `info` or `info,sluice_server=debug` [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

const SERVE_HELP: &str = "\
Every key of the configuration file can also be an environment variable: SLUICE_ and its sections joined by
two underscores, such as SLUICE_RTC__UDP_PORT=7882 or SLUICE_KEYS=\"KEY: SECRET\". Flags win over the
environment, the environment over the file.

For a server that others reach: `sluice keys generate`, then `[http.tls]` with certificate and key, or
`http.behind_proxy = true` behind a proxy that speaks HTTPS; open the UDP port in the firewall.

SIGTERM or SIGINT ends gracefully: participants are told. A second signal ends at once.";

impl ServeArgs {
    fn load(&self) -> anyhow::Result<Config> {
        let file = self.source.read_file()?;
        let file = file.as_ref().map(|(name, text)| File { name, text });
        Ok(Config::load(file, std::env::vars_os(), self.settings()?)?)
    }

    fn settings(&self) -> Result<Vec<Setting>, ConfigError> {
        let mut settings = self.source.settings()?;
        if !self.listen.is_empty() {
            let addresses: Vec<String> = self.listen.iter().map(ToString::to_string).collect();
            settings.push(Setting::flag("--listen", "http.listen", addresses)?);
        }
        if let Some(port) = self.udp_port {
            settings.push(Setting::flag("--udp-port", "rtc.udp_port", i64::from(port))?);
        }
        if let Some(address) = self.advertise {
            settings.push(Setting::flag("--advertise", "rtc.advertise", address.to_string())?);
        }
        if let Some(format) = &self.log_format {
            settings.push(Setting::flag("--log-format", "log.format", format.as_str())?);
        }
        if let Some(filter) = &self.log {
            settings.push(Setting::flag("--log", "log.filter", filter.as_str())?);
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
