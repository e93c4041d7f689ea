//! `sluice audit verify | export`: reads an audit trail. Works offline, with the files alone; a server may be writing
//! meanwhile.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use sluice_audit::{Head, Verified, VerifyingKey, export, verify};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Say whether every record is as it was written, or name the first that is not
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Print the records as JSON lines, each verified before it is printed
    Export(ExportArgs),
}

const VERIFY_HELP: &str = "\
Beside the trail lies PATH.head, which says how many records there are. Whoever can change both files and has the
signing key can write another history: so keep copies of the head elsewhere, and give one with --head; and note
the public key, and give it with --public-key.

Examples:
  sluice audit verify /var/lib/sluice/audit.jsonl
  sluice audit verify audit.jsonl --public-key 3b6a27bc... --head audit-2026-11-01.head";

#[derive(Debug, Args)]
pub(crate) struct TrailArgs {
    /// The trail
    path: PathBuf,
    /// The key that must have signed, 64 hexadecimal digits [default: the one that the trail names itself]
    #[arg(long, value_name = "KEY", value_parser = VerifyingKey::parse)]
    public_key: Option<VerifyingKey>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    trail: TrailArgs,
    /// A copy of PATH.head that was kept elsewhere, and must be a part of the trail
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    trail: TrailArgs,
    /// Only from then on, in milliseconds since 1970 (`date --date=2026-11-01 +%s000`)
    #[arg(long, value_name = "MS", default_value_t = i64::MIN, hide_default_value = true)]
    from_ms: i64,
    /// Only until then
    #[arg(long, value_name = "MS", default_value_t = i64::MAX, hide_default_value = true)]
    to_ms: i64,
}

/// Does what was asked.
pub(crate) fn run(command: &AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify(args) => {
            let verified = args.verify()?;
            let report = report(&verified, args.trail.public_key.is_some());
            std::io::stdout().write_all(report.as_bytes()).context("cannot write to standard output")
        }
        AuditCommand::Export(args) => {
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            let times = args.from_ms..args.to_ms;
            export(&args.trail.path, args.trail.public_key.as_ref(), times, &mut out)
                .with_context(|| args.trail.not_good())?;
            Ok(())
        }
    }
}

impl TrailArgs {
    fn not_good(&self) -> String {
        format!("the audit trail {} was not found good", self.path.display())
    }
}

impl VerifyArgs {
    fn verify(&self) -> anyhow::Result<Verified> {
        let kept = match &self.head {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the head {}", path.display()))?;
                Some(Head::parse(&text).with_context(|| format!("{} is not the head of a trail", path.display()))?)
            }
        };
        verify(&self.trail.path, self.trail.public_key.as_ref(), kept.as_ref()).with_context(|| self.trail.not_good())
    }
}

fn report(verified: &Verified, key_given: bool) -> String {
    use std::fmt::Write as _;
    let mut text = format!("good: {} records, the last with hash {}\n", verified.records, verified.hash);
    // Writing to a text cannot fail.
    if let Some(key) = verified.key {
        let _ = writeln!(text, "signed with the key {key}");
    }
    if !key_given {
        text.push_str(
            "(the trail names this key itself: compare it with the one you noted, or give it as --public-key)\n",
        );
    }
    if verified.torn_bytes > 0 {
        let _ = writeln!(
            text,
            "{} bytes of an unfinished record at the end: a server is writing it, or was killed then",
            verified.torn_bytes
        );
    }
    text
}
