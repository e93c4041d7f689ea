//! `sluice user`: accounts from the command line, for the first administrator and for whoever is locked out. Works on the
//! store, whether a server runs or not; [`crate::deeds`] has it in the audit trail first.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use sluice_server::{Directory, NewUser, ServerConfig, UserChange};
use sluice_store::User;

use crate::cli::SourceArgs;
use crate::deeds::Recorded;
use crate::{keys, people};

/// Characters of a password that is made here: 20 of 62 kinds cannot be guessed, and can still be typed once.
const PASSWORD_CHARS: usize = 20;
/// Accounts read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make an account, with a password that is printed once or read from standard input
    #[command(after_help = EXAMPLES)]
    Add(AddArgs),
    /// Print all accounts
    List(SourceArgs),
    /// Give an account a new password, and sign it out everywhere
    Password(PasswordArgs),
    /// Lock an account out at once
    Disable(LoginArgs),
    /// Let an account in again
    Enable(LoginArgs),
}

const EXAMPLES: &str = "\
Examples:
  sluice user add ruth --role admin --config sluice.toml
  pass show sluice | sluice user add ruth --role admin --password-stdin --config sluice.toml

People sign in where `accounts.enabled` is true.";

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    whose: LoginArgs,
    /// What others see [default: the login]
    #[arg(long)]
    name: Option<String>,
    /// A role: admin, or one of the configuration (repeatable)
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    password: PasswordSource,
}

#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    #[command(flatten)]
    whose: LoginArgs,
    #[command(flatten)]
    password: PasswordSource,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// What is typed to sign in
    login: String,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Debug, Args)]
struct PasswordSource {
    /// Read the password from standard input, a line; otherwise one is made and printed
    #[arg(long)]
    password_stdin: bool,
}

/// A password, and whether nobody knows it yet.
struct Password {
    text: String,
    is_new: bool,
}

impl PasswordSource {
    fn read(&self) -> anyhow::Result<Password> {
        if !self.password_stdin {
            return Ok(Password { text: keys::random_text(PASSWORD_CHARS)?, is_new: true });
        }
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .context("cannot read the password from standard input")?;
        let text = line.trim_end_matches(['\r', '\n']).to_owned();
        if text.is_empty() {
            bail!(
                "standard input has no password\n  write it as one line, or leave --password-stdin out for a new one"
            );
        }
        Ok(Password { text, is_new: false })
    }
}

/// Does what was asked.
pub(crate) fn run(command: &UserCommand) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(carry_out(command))
}

async fn carry_out(command: &UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add(args) => add(args).await,
        UserCommand::List(source) => list(source).await,
        UserCommand::Password(args) => password(args).await,
        UserCommand::Disable(args) => set_disabled(args, true).await,
        UserCommand::Enable(args) => set_disabled(args, false).await,
    }
}

async fn add(args: &AddArgs) -> anyhow::Result<()> {
    // Before the store is taken: somebody may take their time.
    let password = args.password.read()?;
    let (directory, recorded) = directory(&args.whose.source).await?;
    let new = NewUser {
        login: args.whose.login.clone(),
        name: args.name.clone(),
        password: Some(password.text.clone()),
        roles: args.roles.clone(),
    };
    let deed = ("user.create", args.whose.login.as_str(), format!("roles: {}", args.roles.join(", ")));
    let user = recorded.carry_out(deed, directory.create(new)).await?;
    if !args.whose.source.load_unchecked()?.accounts.enabled {
        eprintln!("note: nobody signs in yet: `accounts.enabled` is false in this configuration");
    }
    let roles = if user.roles.is_empty() { "no role".to_owned() } else { user.roles.join(", ") };
    say(&format!("made the account {} ({roles})\n{}", user.login, announced(&password)))
}

async fn password(args: &PasswordArgs) -> anyhow::Result<()> {
    let password = args.password.read()?;
    let (directory, recorded) = directory(&args.whose.source).await?;
    let user = directory.find(&args.whose.login).await?;
    let change = UserChange { password: Some(password.text.clone()), ..UserChange::default() };
    let deed = ("user.change", user.id.as_str(), "password".to_owned());
    recorded.carry_out(deed, directory.change(&user.id, change)).await?;
    say(&format!("{} has a new password and is signed out everywhere\n{}", user.login, announced(&password)))
}

async fn set_disabled(args: &LoginArgs, disabled: bool) -> anyhow::Result<()> {
    let (directory, recorded) = directory(&args.source).await?;
    let user = directory.find(&args.login).await?;
    let change = UserChange { disabled: Some(disabled), ..UserChange::default() };
    let deed = ("user.change", user.id.as_str(), format!("disabled: {disabled}"));
    recorded.carry_out(deed, directory.change(&user.id, change)).await?;
    let what = if disabled { "is locked out" } else { "may sign in again" };
    say(&format!("{} {what}\n", user.login))
}

async fn list(source: &SourceArgs) -> anyhow::Result<()> {
    let (directory, recorded) = directory(source).await?;
    // Whoever reads the list may take their time, and a server may start meanwhile.
    drop(recorded);
    let mut last: Option<String> = None;
    loop {
        let users = directory.list(last.as_deref(), PAGE).await?;
        let Some(user) = users.last() else { return Ok(()) };
        last = Some(user.login.clone());
        say(&users.iter().map(line).collect::<String>())?;
    }
}

/// Login, name, roles and state, with tabs between them: for people, and for other programs.
fn line(user: &User) -> String {
    let state = if user.disabled { "disabled" } else { "enabled" };
    let roles = if user.roles.is_empty() { "-".to_owned() } else { user.roles.join(",") };
    format!("{}\t{}\t{roles}\t{state}\n", user.login, user.name)
}

/// Nobody can look a password up later.
fn announced(password: &Password) -> String {
    if password.is_new { format!("password, shown this once: {}\n", password.text) } else { String::new() }
}

/// The accounts of the configured store, and the way to change them.
async fn directory(source: &SourceArgs) -> anyhow::Result<(Directory, Recorded)> {
    let config = source.load_unchecked()?;
    let recorded = Recorded::open(&config).await?;
    let config = ServerConfig {
        roles: people::roles(config.roles),
        accounts: people::accounts(config.accounts),
        ..ServerConfig::new(Vec::new())
    };
    Ok((Directory::new(recorded.store.clone(), &config), recorded))
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}
