//! What `cargo xtask compare` was asked for.

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};

/// Seconds that each load is measured; the figure is that of the second in the middle.
const SECONDS: u32 = 5;
const QUICK_SECONDS: u32 = 3;
/// Cores each server may use at equal load: one worker of ours.
const CPU: f64 = 1.0;
/// Cores each server may use in the search for the break point. So few, because the load tester has only the rest of
/// the machine, and a server that it cannot overload has no break point that anybody could find.
const BREAK_CPU: f64 = 0.1;
/// Packets a second of the one publisher: with 1100 bytes each, a camera of 2.1 Mbit/s.
const CAMERA: u32 = 240;
/// What the kernel's bandwidth control takes: a thousandth of a second of each period (`cage.rs`).
const LEAST_CPU: f64 = 0.1;

/// A server that somebody else started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) pid: u32,
}

/// The flags.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Few loads, briefly, no break points.
    pub(super) is_quick: bool,
    /// Rewrites `benches/RESULTS.md`.
    pub(super) saves: bool,
    /// Packages of peers that are missing are installed.
    pub(super) installs: bool,
    /// How long each load is measured.
    pub(super) seconds: u32,
    /// Packets a second of the one publisher.
    pub(super) camera: u32,
    /// Cores at equal load.
    pub(super) cpu: f64,
    /// Cores in the search for the break point.
    pub(super) break_cpu: f64,
    /// Built already.
    pub(super) sluice: Option<PathBuf>,
    /// Elsewhere than on the PATH.
    pub(super) livekit_server: Option<PathBuf>,
    pub(super) foreign: Vec<Foreign>,
    /// Key and secret of foreign servers.
    pub(super) key: String,
    pub(super) secret: String,
    /// The command for whoever wants to repeat it: without secrets, and files without their directories.
    pub(super) shown: String,
}

impl Options {
    /// Reads the arguments after the verb.
    pub(super) fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options = Self {
            is_quick: false,
            saves: false,
            installs: false,
            seconds: SECONDS,
            camera: CAMERA,
            cpu: CPU,
            break_cpu: BREAK_CPU,
            sluice: None,
            livekit_server: None,
            foreign: Vec::new(),
            key: "devkey".to_owned(),
            secret: "secret".to_owned(),
            shown: "cargo xtask compare".to_owned(),
        };
        let mut seconds = None;
        let mut left = arguments.iter();
        while let Some(flag) = left.next() {
            let mut value = || left.next().with_context(|| format!("{flag} wants a value"));
            let shown = match flag.as_str() {
                "--quick" => {
                    options.is_quick = true;
                    String::new()
                }
                "--save" => {
                    options.saves = true;
                    String::new()
                }
                "--install" => {
                    options.installs = true;
                    String::new()
                }
                "--duration" => {
                    let text = value()?;
                    let whole = text.trim_end_matches('s').parse().ok().filter(|seconds| (1..=3600).contains(seconds));
                    seconds = Some(whole.context("--duration wants whole seconds")?);
                    text.clone()
                }
                "--pps" => {
                    let rate = value()?;
                    let whole = rate.parse().ok().filter(|rate| (1..=10_000).contains(rate));
                    options.camera = whole.context("--pps wants packets a second")?;
                    rate.clone()
                }
                "--cpu" => share(value()?, &mut options.cpu)?,
                "--break-cpu" => share(value()?, &mut options.break_cpu)?,
                "--sluice" => program(value()?, &mut options.sluice),
                "--livekit-server" => program(value()?, &mut options.livekit_server),
                "--server" => {
                    let text = value()?;
                    options.foreign.push(foreign(text)?);
                    text.clone()
                }
                "--api-key" => {
                    options.key.clone_from(value()?);
                    options.key.clone()
                }
                "--api-secret" => {
                    options.secret.clone_from(value()?);
                    "SECRET".to_owned()
                }
                other => bail!(
                    "{other}: there are --quick, --save, --install, --duration S, --pps N, --cpu CORES, --break-cpu CORES, --sluice FILE, \
                     --livekit-server FILE, --server NAME=URL,PID, --api-key K and --api-secret S"
                ),
            };
            options.shown += &format!(" {flag} {shown}");
            options.shown.truncate(options.shown.trim_end().len());
        }
        options.seconds = seconds.unwrap_or(if options.is_quick { QUICK_SECONDS } else { SECONDS });
        Ok(options)
    }
}

/// A number of cores.
fn share(text: &str, into: &mut f64) -> anyhow::Result<String> {
    *into = text
        .parse()
        .ok()
        .filter(|cores| (LEAST_CPU..=1024.0).contains(cores))
        .with_context(|| format!("{text}: wants cores that a server may keep busy, {LEAST_CPU} at least"))?;
    Ok(text.to_owned())
}

fn program(text: &str, into: &mut Option<PathBuf>) -> String {
    let path = PathBuf::from(text);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    *into = Some(path);
    name
}

/// `NAME=URL,PID`.
fn foreign(text: &str) -> anyhow::Result<Foreign> {
    let wanted = || format!("{text}: --server wants NAME=URL,PID, such as other=ws://127.0.0.1:7880,1234");
    let (name, rest) = text.split_once('=').with_context(wanted)?;
    let (url, pid) = rest.rsplit_once(',').with_context(wanted)?;
    let pid = pid.parse().with_context(wanted)?;
    ensure!(!name.is_empty() && url.starts_with("ws"), wanted());
    Ok(Foreign { name: name.to_owned(), url: url.to_owned(), pid })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(words: &[&str]) -> anyhow::Result<Options> {
        Options::read(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_server_somebody_else_started_has_a_name_an_url_and_a_process() {
        let options = read(&["--server", "other=ws://[::1]:7880/a,b,77", "--cpu", "0.5"]).unwrap();
        let other = Foreign { name: "other".into(), url: "ws://[::1]:7880/a,b".into(), pid: 77 };
        assert_eq!((options.foreign, options.cpu), (vec![other], 0.5));
        for bad in ["other", "other=ws://host", "=ws://host,1", "other=ws://host,me", "other=host,1"] {
            assert!(read(&["--server", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in [
            &["--cpu", "0.01"][..],
            &["--cpu", "NaN"],
            &["--duration", "0"],
            &["--duration"],
            &["--pps", "0"],
            &["--janus"],
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_short_run_is_short_unless_told_otherwise() {
        assert_eq!(read(&["--quick"]).unwrap().seconds, QUICK_SECONDS);
        assert_eq!(read(&["--duration", "9s", "--quick"]).unwrap().seconds, 9);
    }

    #[test]
    fn the_command_to_repeat_holds_no_secret_and_no_directory() {
        let options = read(&["--save", "--livekit-server", "/a/b/livekit-server", "--api-secret", "hush"]).unwrap();
        assert_eq!(options.shown, "cargo xtask compare --save --livekit-server livekit-server --api-secret SECRET");
        assert_eq!((options.secret.as_str(), options.livekit_server), ("hush", Some("/a/b/livekit-server".into())));
    }
}
