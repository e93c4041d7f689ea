//! `sluice loadtest`: its flags, and the files it writes. Names here are stable: scripts use them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::capacity;
use crate::conductor::Setup;
use crate::control::{self, Control};
use crate::error::LoadError;
use crate::number::{ceil, float};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::publication::Content;
use crate::report::Report;
use crate::scenario::{self, Churn, Common, Webinar};
use crate::server::Server;
use crate::signal::SignalVersion;
use crate::slo::Slo;

/// Shown below the help.
const EXAMPLES: &str = "\
Examples, beside `sluice serve --dev`:
  sluice loadtest webinar --subscribers 100 --server-pid $(pgrep -x sluice) --json webinar.json --html webinar.html
  sluice loadtest meeting --participants 10 --duration 30s
  sluice loadtest webinar --subscribers 50 --pps 240 --packet-bytes 1100 --burst 8     for comparing servers
  sluice loadtest webinar --find-capacity --slo \"p99<20ms loss<0.1%\"
  sluice loadtest control --clients 1000 --server-pid $(pgrep -x sluice)         for signaling and API

Latency is from a publisher's socket to a subscriber's, on one clock. A synthetic camera sends VP8 that servers read and
no decoder shows. loadtest/README.md says what each figure means.";

/// Flags of `sluice loadtest`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LoadtestArgs {
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, Clone, Subcommand)]
enum Load {
    #[command(flatten)]
    Media(Scenario),
    /// Clients without media, and how long signaling and API take meanwhile
    Control {
        /// How many
        #[arg(long, default_value_t = 1000)]
        clients: usize,
        /// So many join in a second
        #[arg(long, default_value_t = 200.0)]
        join_rate: f64,
        /// How long to measure, once everybody is there; at most 30s, since nobody without media may stay for longer
        #[arg(long, default_value = "10s", value_parser = parse_duration)]
        duration: Duration,
        #[command(flatten)]
        target: Target,
        /// Write the report as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Subcommand)]
enum Scenario {
    /// Everybody sees and hears everybody
    Meeting {
        /// How many
        #[arg(long, default_value_t = 6)]
        participants: usize,
        #[command(flatten)]
        flags: Flags,
    },
    /// A few send, many receive
    Webinar {
        /// Who send; they receive nothing
        #[arg(long, default_value_t = 1)]
        publishers: usize,
        /// Who receive
        #[arg(long, default_value_t = 50)]
        subscribers: usize,
        /// Who receive as well, and once it is measured take no more than 300 kbit/s; figures are the others'
        #[arg(long, value_name = "N", default_value_t = 0)]
        slow: usize,
        /// Who receive as well, and once it is measured take and say nothing any more; figures are the others'
        #[arg(long, value_name = "N", default_value_t = 0)]
        dead: usize,
        #[command(flatten)]
        flags: Flags,
    },
    /// A few speak, many listen, nobody is seen
    AudioRoom {
        /// Who speak, and hear each other
        #[arg(long, default_value_t = 5)]
        speakers: usize,
        /// Who listen
        #[arg(long, default_value_t = 50)]
        listeners: usize,
        #[command(flatten)]
        flags: Flags,
    },
    /// Many small meetings
    ManyRooms {
        /// How many
        #[arg(long, default_value_t = 10)]
        rooms: usize,
        /// In each
        #[arg(long, default_value_t = 3)]
        participants: usize,
        #[command(flatten)]
        flags: Flags,
    },
    /// People come and go all the time, in a room where somebody stays
    Churn {
        /// So many come in a second
        #[arg(long, default_value_t = 5.0)]
        joins_per_second: f64,
        /// Each stays so long
        #[arg(long, default_value = "3s", value_parser = parse_duration)]
        stay: Duration,
        /// Who stay all the time and send
        #[arg(long, default_value_t = 2)]
        publishers: usize,
        /// Those who come send, too
        #[arg(long)]
        publish: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Everybody's signal connection breaks at once, and everybody resumes
    ReconnectStorm {
        /// How many
        #[arg(long, default_value_t = 10)]
        rooms: usize,
        /// In each
        #[arg(long, default_value_t = 3)]
        participants: usize,
        #[command(flatten)]
        flags: Flags,
    },
}

/// Which server, and in which of its rooms.
#[derive(Debug, Clone, Args)]
struct Target {
    /// The server
    #[arg(long, default_value = "ws://localhost:7880")]
    url: String,
    /// For a server with TLS: the PEM file with the certificate that vouches for it [default: the system's]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Its API key
    #[arg(long, env = "LIVEKIT_API_KEY", default_value = "devkey")]
    api_key: String,
    /// Its secret
    #[arg(long, env = "LIVEKIT_API_SECRET", default_value = "secret", hide_env_values = true)]
    api_secret: String,
    /// The server's process on this machine, whose processor time and memory are reported
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Begins the names of rooms
    #[arg(long, default_value = "loadtest-")]
    room: String,
}

impl Target {
    fn server(&self) -> Result<Server, LoadError> {
        Server::new(&self.url, &self.api_key, &self.api_secret, self.ca.as_deref())
    }
}

/// Flags of all scenarios with media.
#[derive(Debug, Clone, Args)]
struct Flags {
    #[command(flatten)]
    target: Target,
    /// How long to measure, once everybody is there: 500ms, 10s or 2m
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    duration: Duration,
    /// Decides every size and pause
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many join in a second
    #[arg(long, default_value_t = 20.0)]
    join_rate: f64,
    /// Threads for media [default: one less than processors]
    #[arg(long)]
    threads: Option<usize>,
    /// Signal protocol: v1 (one peer connection; v0 where the server has no v1), v0 (two), or that of another server to
    /// compare with: janus, whose --url is that of its WebSocket
    #[arg(long, default_value = "v1", value_parser = parse_signal)]
    signal: SignalVersion,
    /// Packets a second of one plain stream, instead of a camera; without sound
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pps: Option<u32>,
    /// Bytes of payload in each of these packets
    #[arg(long, value_name = "BYTES", default_value_t = 1100, requires = "pps", value_parser = clap::value_parser!(u16).range(64..=1180))]
    packet_bytes: u16,
    /// So many of these packets leave together; 1 is evenly spaced
    #[arg(long, value_name = "N", default_value_t = 1, requires = "pps", value_parser = clap::value_parser!(u8).range(1..=64))]
    burst: u8,
    /// Cameras without microphones
    #[arg(long)]
    no_audio: bool,
    /// So many recordings go on while it is measured, of those with a camera in turns, each into a file of its own
    #[arg(long, value_name = "N", default_value_t = 0)]
    recordings: usize,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a page with plots, which needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Search for the largest load that holds --slo, beginning at the one given
    #[arg(long)]
    find_capacity: bool,
    /// What must hold: bounds on p50, p90, p99, p999, max (latency), loss, freeze, first_frame, join, resume
    #[arg(long, value_name = "BOUNDS", default_value = "p99<20ms loss<0.1%")]
    slo: Slo,
    /// The search goes no further
    #[arg(long, value_name = "N", default_value_t = 2000, requires = "find_capacity")]
    most: u64,
}

/// The server sends away who has had no media for a minute.
const LONGEST_CONTROL: Duration = Duration::from_secs(30);

/// A report in its three forms.
struct Written {
    text: String,
    json: String,
    html: String,
}

impl LoadtestArgs {
    /// Runs what was asked for and writes the reports.
    ///
    /// # Errors
    /// [`LoadError`] when the load could not be run or a file not be written.
    pub fn run(self) -> Result<(), LoadError> {
        let scenario = match self.load {
            Load::Media(scenario) => scenario,
            Load::Control { clients, join_rate, duration, target, json } => {
                let control = Control { clients, join_rate, duration: duration.min(LONGEST_CONTROL) };
                let report = control::run(control, &target.server()?, target.server_pid, &target.room)?;
                return print(&report.to_text(), &[(&json, &report.to_json())]);
            }
        };
        let flags = scenario.flags();
        let setup = Setup {
            server: flags.target.server()?,
            server_pid: flags.target.server_pid,
            threads: flags.threads.unwrap_or_else(default_threads).max(1),
            version: flags.signal,
        };
        let mut progress = Progress::visible();
        let written = if flags.find_capacity {
            let (unit, first) = scenario.load();
            let mut place = 0;
            let found = capacity::search(unit, first, flags.most, &flags.slo, |load| {
                place += 1;
                progress.note(&format!("step {place}: {load} {unit}"));
                // Rooms of their own: nobody meets those of the step before.
                let common = Common { room: format!("{}{place}-", flags.target.room), ..flags.common() };
                crate::run(&scenario.with_load(load).plan(&common), &setup, &mut progress)
            })?;
            Written { text: found.to_text(), json: found.to_json(), html: found.to_html() }
        } else {
            let report: Report = crate::run(&scenario.plan(&flags.common()), &setup, &mut progress)?;
            Written { text: report.to_text(), json: report.to_json(), html: report.to_html() }
        };
        print(&written.text, &[(&flags.json, &written.json), (&flags.html, &written.html)])
    }
}

impl Scenario {
    fn flags(&self) -> &Flags {
        match self {
            Self::Meeting { flags, .. }
            | Self::Webinar { flags, .. }
            | Self::AudioRoom { flags, .. }
            | Self::ManyRooms { flags, .. }
            | Self::Churn { flags, .. }
            | Self::ReconnectStorm { flags, .. } => flags,
        }
    }

    fn plan(&self, common: &Common) -> Plan {
        match *self {
            Self::Meeting { participants, .. } => scenario::meeting(common, participants),
            Self::Webinar { publishers, subscribers, slow, dead, .. } => {
                scenario::webinar(common, Webinar { publishers, subscribers, slow, dead })
            }
            Self::AudioRoom { speakers, listeners, .. } => scenario::audio_room(common, speakers, listeners),
            Self::ManyRooms { rooms, participants, .. } => scenario::many_rooms(common, rooms, participants),
            Self::Churn { joins_per_second, stay, publishers, publish, .. } => {
                scenario::churn(common, Churn { joins_per_second, stay, publishers, is_publishing: publish })
            }
            Self::ReconnectStorm { rooms, participants, .. } => scenario::reconnect_storm(common, rooms, participants),
        }
    }

    /// What a search for capacity varies, and how much of it was asked for.
    fn load(&self) -> (&'static str, u64) {
        match *self {
            Self::Meeting { participants, .. } => ("participants", participants as u64),
            Self::Webinar { subscribers, .. } => ("subscribers", subscribers as u64),
            Self::AudioRoom { listeners, .. } => ("listeners", listeners as u64),
            Self::ManyRooms { rooms, .. } | Self::ReconnectStorm { rooms, .. } => ("rooms", rooms as u64),
            Self::Churn { joins_per_second, .. } => ("joins a second", ceil(joins_per_second)),
        }
    }

    fn with_load(&self, load: u64) -> Self {
        let mut scaled = self.clone();
        let count = usize::try_from(load).unwrap_or(usize::MAX);
        match &mut scaled {
            Self::Meeting { participants, .. } => *participants = count,
            Self::Webinar { subscribers, .. } => *subscribers = count,
            Self::AudioRoom { listeners, .. } => *listeners = count,
            Self::ManyRooms { rooms, .. } | Self::ReconnectStorm { rooms, .. } => *rooms = count,
            Self::Churn { joins_per_second, .. } => *joins_per_second = float(load),
        }
        scaled
    }
}

impl Flags {
    fn common(&self) -> Common {
        let packets = |per_second| Content::Packets { per_second, bytes: self.packet_bytes, burst: self.burst };
        Common {
            duration: self.duration,
            seed: self.seed,
            join_rate: self.join_rate,
            video: self.pps.map_or(Content::CAMERA, packets),
            has_sound: !self.no_audio && self.pps.is_none(),
            room: self.target.room.clone(),
            recordings: self.recordings,
        }
    }
}

/// Shows a report, and writes it to the files that were asked for.
fn print(text: &str, files: &[(&Option<PathBuf>, &String)]) -> Result<(), LoadError> {
    let shown = std::io::stdout().write_all(text.as_bytes());
    shown.map_err(|error| LoadError::Write("standard output".into(), error))?;
    for (path, text) in files {
        if let Some(path) = path {
            write_file(path, text)?;
        }
    }
    Ok(())
}

fn write_file(path: &Path, text: &str) -> Result<(), LoadError> {
    std::fs::write(path, text).map_err(|error| LoadError::Write(path.display().to_string(), error))
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1)
}

fn parse_signal(text: &str) -> Result<SignalVersion, String> {
    let all = [SignalVersion::V1, SignalVersion::V0, SignalVersion::Janus];
    let known = all.into_iter().find(|version| version.name() == text);
    known.ok_or_else(|| "accepted: v1, v0 or janus".to_owned())
}

/// `500ms`, `10s`, `2m`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let accepted = || "accepted: a whole number above 0 with a unit, such as 500ms, 10s or 2m".to_owned();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(accepted()),
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms)) {
        Some(0) | None => Err(accepted()),
        Some(ms) if ms > 24 * 3_600_000 => Err("longer than a day".to_owned()),
        Some(ms) => Ok(Duration::from_millis(ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "s", "10", "0s", "1d", "-1s", "1.5s", "25h", "99999999999999999999s", "10 s", "é"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
