//! `sluice token create`: a signed access token for any LiveKit SDK. Works offline, with the key alone.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgAction, Args};
use livekit_token::{AccessToken, VideoGrants};
use sluice_config::Secret;

use crate::cli::SourceArgs;

pub(crate) const EXAMPLES: &str = "\
Examples:
  sluice token create --dev --identity ann --room lobby
  sluice token create --config sluice.toml --identity tv --room lobby --can-publish=false --ttl 12h
  sluice token create --key APIabc --secret S --room-create --room-list      for the server API

Without --secret the keys of the configuration sign (--dev, --config, SLUICE_KEYS).";

/// Flags of `token create`; the grants are named as in LiveKit's tokens.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Who: unique in the room, a second one of the same identity replaces the first
    #[arg(long, required_unless_present_any = ["room_create", "room_list", "room_admin", "room_record"])]
    identity: Option<String>,
    /// Which room
    #[arg(long, required_unless_present_any = ["room_create", "room_list", "room_record"])]
    room: Option<String>,
    /// Name shown to others
    #[arg(long)]
    name: Option<String>,
    /// How long the token can be used to join: 90s, 30m, 6h or 7d
    #[arg(long, default_value = "6h", value_parser = parse_ttl)]
    ttl: Duration,
    /// Free text that others in the room can read
    #[arg(long)]
    metadata: Option<String>,
    /// A named value that others in the room can read (repeatable)
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = parse_attribute)]
    attributes: Vec<(String, String)>,

    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    signer: SignerArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Grants")]
struct GrantArgs {
    /// May send audio and video
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    can_publish: bool,
    /// May receive audio and video
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    can_subscribe: bool,
    /// May send messages
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    can_publish_data: bool,
    /// May change its own metadata, name and attributes
    #[arg(long)]
    can_update_own_metadata: bool,
    /// May send from these sources only
    #[arg(long, value_name = "SOURCE,...", value_delimiter = ',',
          value_parser = ["camera", "microphone", "screen_share", "screen_share_audio"])]
    can_publish_sources: Vec<String>,
    /// Not shown to others
    #[arg(long)]
    hidden: bool,
    /// Is a recorder
    #[arg(long)]
    recorder: bool,
    /// Is an agent
    #[arg(long)]
    agent: bool,
    /// Server API: may moderate the room given by --room
    #[arg(long)]
    room_admin: bool,
    /// Server API: may create and delete rooms
    #[arg(long)]
    room_create: bool,
    /// Server API: may list rooms
    #[arg(long)]
    room_list: bool,
    /// Server API: may record
    #[arg(long)]
    room_record: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Who signs")]
struct SignerArgs {
    /// API key; needed when the configuration holds several
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Its secret, when no configuration is at hand
    #[arg(long, value_name = "SECRET", requires = "key", conflicts_with_all = ["dev", "config"])]
    secret: Option<String>,

    #[command(flatten)]
    source: SourceArgs,
}

/// Prints the token.
pub(crate) fn create(args: &CreateArgs) -> anyhow::Result<()> {
    let (key, secret) = args.signer.choose()?;
    let token = AccessToken::with_api_key(&key, secret.reveal())
        .with_ttl(args.ttl)
        .with_identity(args.identity.as_deref().unwrap_or_default())
        .with_name(args.name.as_deref().unwrap_or_default())
        .with_metadata(args.metadata.as_deref().unwrap_or_default())
        .with_attributes(args.attributes.iter().cloned())
        .with_grants(args.grants())
        .to_jwt()
        .context("cannot sign the token")?;
    writeln!(std::io::stdout(), "{token}").context("cannot write to standard output")
}

impl CreateArgs {
    fn grants(&self) -> VideoGrants {
        let grants = &self.grants;
        VideoGrants {
            room_join: self.identity.is_some() && self.room.is_some(),
            room: self.room.clone().unwrap_or_default(),
            room_create: grants.room_create,
            room_list: grants.room_list,
            room_record: grants.room_record,
            room_admin: grants.room_admin,
            can_publish: Some(grants.can_publish),
            can_subscribe: Some(grants.can_subscribe),
            can_publish_data: Some(grants.can_publish_data),
            can_publish_sources: grants.can_publish_sources.clone(),
            can_update_own_metadata: Some(grants.can_update_own_metadata),
            hidden: grants.hidden,
            recorder: grants.recorder,
            agent: grants.agent,
            ..VideoGrants::default()
        }
    }
}

impl SignerArgs {
    fn choose(&self) -> anyhow::Result<(String, Secret)> {
        if let (Some(key), Some(secret)) = (&self.key, &self.secret) {
            return Ok((key.clone(), Secret::from(secret.as_str())));
        }
        choose_key(self.source.load_unchecked()?.keys, self.key.as_deref())
    }
}

/// The key of that name, or the only one there is.
fn choose_key(mut keys: BTreeMap<String, Secret>, wanted: Option<&str>) -> anyhow::Result<(String, Secret)> {
    let names = keys.keys().cloned().collect::<Vec<_>>().join(", ");
    match wanted {
        Some(wanted) => keys.remove_entry(wanted).with_context(|| {
            let known = if names.is_empty() { "it has none".to_owned() } else { format!("it has {names}") };
            format!("the configuration has no API key `{wanted}` ({known})\n  or give --key with --secret")
        }),
        None if keys.len() > 1 => bail!("the configuration has several API keys: say which with --key ({names})"),
        None => keys.pop_first().context(
            "no API key to sign with\n  give --config FILE, --key and --secret, SLUICE_KEYS, or --dev for a development server",
        ),
    }
}

/// `90s`, `30m`, `6h`, `7d`.
fn parse_ttl(text: &str) -> Result<Duration, String> {
    let accepted = || "accepted: a whole number above 0 with a unit, such as 90s, 30m, 6h or 7d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(accepted)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(accepted()),
    };
    // Ten years are more than any token needs, and sums with the present time stay small.
    const MAX_TTL_S: u64 = 10 * 365 * 86_400;
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_s)) {
        Some(0) | None => Err(accepted()),
        Some(ttl_s) if ttl_s > MAX_TTL_S => Err("longer than ten years".to_owned()),
        Some(ttl_s) => Ok(Duration::from_secs(ttl_s)),
    }
}

fn parse_attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("accepted: NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_lifetime_is_a_number_and_a_unit() {
        assert_eq!(parse_ttl("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_ttl("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(parse_ttl("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "s", "6", "6 h", "-1h", "0s", "1w", "6é", "99999999999999999999s", "18446744073709551615d"] {
            assert!(parse_ttl(bad).is_err(), "{bad}");
        }
        assert!(parse_ttl("4000d").is_err());
    }

    #[test]
    fn one_key_needs_no_name_several_do() {
        let keys = |names: &[&str]| names.iter().map(|&name| (name.to_owned(), Secret::from("s"))).collect();
        assert_eq!(choose_key(keys(&["a"]), None).unwrap().0, "a");
        assert_eq!(choose_key(keys(&["a", "b"]), Some("b")).unwrap().0, "b");
        assert!(choose_key(keys(&["a", "b"]), None).unwrap_err().to_string().contains("a, b"));
        assert!(choose_key(keys(&["a"]), Some("c")).unwrap_err().to_string().contains("it has a"));
        assert!(choose_key(keys(&[]), None).unwrap_err().to_string().contains("--dev"));
    }
}
