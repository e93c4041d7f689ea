//! A simulated call that is recorded: what taps give goes into files, as the server's recorder takes it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sluice_core::{Command, TapId, TapMessage, TapWish, TrackId};
use sluice_recorder::{
    FileRecorder, Format, Input, Kind, PacketHead, PartSummary, Request, SenderReport, TrackSummary,
};
use sluice_sim::Simulation;

use super::films::Reel;
use super::player::{Disk, Played, play};
use super::shown::{Look, Sequence, Within, looks, packet_looks};

/// How often the recorder's thread takes what there is.
const STEP_MS: u64 = 10;

/// A call and its recorder. See the module.
pub struct Studio {
    pub sim: Simulation,
    recorder: FileRecorder,
    disk: Disk,
    taps: Vec<Tapped>,
    /// The number behind the highest that came, for each input.
    next: [u64; 2],
    directory: tempfile::TempDir,
}

struct Tapped {
    tap: TapId,
    input: Input,
    /// Its first number, and where that is on the input's line.
    line: Option<(u64, u64)>,
}

impl Studio {
    /// Records so many tracks. Pictures are the first one.
    pub fn new(sim: Simulation, kind: Kind, tracks: usize) -> Self {
        let recorder = FileRecorder::new(kind, tracks, sim.now());
        let directory = tempfile::tempdir().unwrap();
        Self { sim, recorder, disk: Disk::default(), taps: Vec::new(), next: [0; 2], directory }
    }

    /// A track is an input from now on.
    pub fn tap(&mut self, publisher: &str, track: &TrackId, input: usize) -> TapId {
        let tap = self.sim.tap(publisher, track, TapWish::default());
        self.sim.keep_given(tap);
        self.taps.push(Tapped { tap, input: Input(input), line: None });
        tap
    }

    /// Time passes, and what taps give is taken.
    pub fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms / STEP_MS {
            self.sim.run_ms(STEP_MS);
            self.take();
        }
    }

    fn take(&mut self) {
        let mut all: Vec<(Instant, usize, TapMessage)> = Vec::new();
        for (index, tapped) in self.taps.iter().enumerate() {
            all.extend(self.sim.take_given(tapped.tap).into_iter().map(|(at, message)| (at, index, message)));
        }
        all.sort_by_key(|(at, ..)| *at);
        for (at, index, message) in all {
            self.give(index, message, at);
        }
        let now = self.sim.now();
        if self.recorder.poll_timeout().is_some_and(|at| at <= now) {
            self.recorder.handle_timeout(now);
        }
        while let Some(Request::Keyframe(input)) = self.recorder.poll_request() {
            if let Some(tapped) = self.taps.iter().rev().find(|tapped| tapped.input == input) {
                self.sim.command(Command::TapKeyframe { tap: tapped.tap });
            }
        }
        self.disk.drain_file(&mut self.recorder);
    }

    fn give(&mut self, index: usize, message: TapMessage, now: Instant) {
        let (tapped, recorder) = (&mut self.taps[index], &mut self.recorder);
        let (input, next) = (tapped.input, &mut self.next[tapped.input.0]);
        match message {
            TapMessage::Format(format) => {
                let (first, base) = *tapped.line.get_or_insert((format.from_sequence, *next));
                let from_sequence = base + format.from_sequence - first;
                let channels = format.channels.unwrap_or(0);
                let format = Format::new(&format.mime_type, format.clock_rate_hz, channels, from_sequence).unwrap();
                recorder.handle_format(input, format, now);
            }
            TapMessage::Packet(packet) => {
                let (first, base) = tapped.line.expect("a format before any packet");
                let Some(number) = packet.sequence().checked_sub(first) else { return };
                let mut payload = Vec::new();
                packet.write_payload(&mut payload);
                let head = PacketHead {
                    sequence: base + number,
                    timestamp: packet.timestamp(),
                    marker: packet.marker(),
                    received_at: packet.received_at(),
                };
                *next = (*next).max(base + number + 1);
                recorder.handle_packet(input, &head, &payload, now);
            }
            TapMessage::SenderReport(report) => {
                let sluice_core::TapReport { ntp, timestamp, received_at } = report;
                recorder.handle_sender_report(input, &SenderReport { ntp, timestamp, received_at });
            }
            TapMessage::Muted { is_muted, at } => recorder.handle_muted(input, is_muted, at),
            TapMessage::Ended => recorder.handle_ended(input, now),
        }
    }

    /// Ends the recording. Its files are to be decoded without a word.
    pub fn finish(mut self) -> Recorded {
        self.take();
        self.recorder.finish(self.sim.now());
        self.disk.drain_file(&mut self.recorder);
        let summaries = self.recorder.summaries().to_vec();
        assert_eq!(summaries.len(), self.disk.0.len());
        let parts = summaries.into_iter().map(|summary| {
            let path = self.disk.save(self.directory.path(), summary.part);
            let [pictures, sound] = [true, false].map(|is_video| looks_of(&path, &summary, is_video));
            Part { played: play(&path), pictures, sound, summary, path }
        });
        Recorded { parts: parts.collect(), sent: self.next, _directory: self.directory }
    }
}

fn looks_of(path: &Path, summary: &PartSummary, is_video: bool) -> Vec<(f64, Look)> {
    match summary.tracks.iter().any(|track| track.codec.is_video() == is_video) {
        false => Vec::new(),
        true if is_video => looks(path),
        true => packet_looks(path, "a"),
    }
}

/// What a recording became.
pub struct Recorded {
    pub parts: Vec<Part>,
    /// Packets that were sent of each input, lost ones among them.
    pub sent: [u64; 2],
    _directory: tempfile::TempDir,
}

/// One of its files.
pub struct Part {
    pub summary: PartSummary,
    pub path: PathBuf,
    pub played: Played,
    /// What it shows and sounds, as `shown` has it.
    pub pictures: Vec<(f64, Look)>,
    pub sound: Vec<(f64, Look)>,
}

impl Recorded {
    /// Its only file.
    pub fn only(&self) -> &Part {
        assert_eq!(self.parts.len(), 1, "one file");
        &self.parts[0]
    }
}

impl Part {
    /// What is said of its pictures or of its sound.
    pub fn track(&self, is_video: bool) -> &TrackSummary {
        self.summary
            .tracks
            .iter()
            .find(|track| track.codec.is_video() == is_video)
            .expect("such a track")
    }

    /// Its frames among those of a reel. Fails where the file says something else than there is.
    pub fn frames(&self, reel: &Reel, within: Within) -> Sequence {
        let is_video = reel.publication.media.is_video();
        let (all, track) = (if is_video { &self.pictures } else { &self.sound }, self.track(is_video));
        assert_eq!(all.len() as u64, track.frames, "as many as the summary says");
        let sequence = Sequence::find(all, &reel.looks, reel.film.interval, within);
        // The summary, the file and what is in it agree.
        let said = (track.end_us - track.begin_us) as f64 / 1e6;
        let is = sequence.frames.last().unwrap().at - sequence.frames[0].at + reel.film.interval.as_secs_f64();
        assert!((said - is).abs() < 0.1, "{said} s in the summary, {is} s in the file");
        sequence
    }
}

/// Ann publishes, and what she does is recorded from before she began.
pub fn ann(seed: u64, kind: Kind, reels: &[&Reel]) -> (Studio, Vec<TrackId>) {
    let mut sim = Simulation::new(seed);
    sim.join("ann", sluice_core::Connection::Single);
    sim.run(Duration::from_secs(1));
    let mut studio = Studio::new(sim, kind, reels.len());
    let tracks = publish(&mut studio, reels);
    (studio, tracks)
}

/// Ann publishes these as the recorder's inputs.
pub fn publish(studio: &mut Studio, reels: &[&Reel]) -> Vec<TrackId> {
    let publish = |(input, reel): (usize, &&Reel)| {
        let track = studio.sim.publish_film("ann", &input.to_string(), reel.publication, reel.film.clone());
        studio.tap("ann", &track, input);
        track
    };
    reels.iter().enumerate().map(publish).collect()
}
