//! One file after the other, from the packets of one or several tracks.
//!
//! A file begins when it is known what is in it: pictures with their first key frame, sound at once. When something
//! comes that it cannot hold (another codec, another track) the next *part* begins, with a key frame. Frames of
//! several tracks are interleaved by their time; a track that is silent is not waited for long. Sound that came later
//! waits for that key frame: of neither sound nor pictures anything is lost, and the next part may begin with sound from
//! before the last picture of the one in front of it.
//!
//! Owned by whoever drains taps. Knows no file system: chunks come out in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::clock::{SenderReport, WallClock};
use crate::codec::{Codec, Format};
use crate::container::{Chunk, Extension, Kind, MAX_CLUSTER_US, Place, Writer};
use crate::intake::{Frame, Gap, Intake, Resolution, Taken, TrackConfig};
use crate::reorder::{PacketHead, WAIT};

/// How long a frame waits for one of another track that may be older: as long as that may wait for a repair, and a
/// little.
const INTERLEAVE_WAIT: Duration = WAIT.saturating_add(Duration::from_millis(100));

/// How long the first frame waits for the other tracks to say what they are: a key frame that was asked for, and asked
/// for again. Nothing is on the disk meanwhile, and a kill may take two seconds and no more.
const START_WAIT: Duration = Duration::from_millis(1_800);

/// How long sound that came later waits for a key frame of the pictures, with which both can begin a file without
/// losing any: one that was asked for, and asked for again.
const CUT_WAIT: Duration = Duration::from_secs(2);

/// Most bytes that wait for other tracks: three seconds at 20 Mbit/s. Beyond, nothing waits.
const MAX_QUEUED_BYTES: usize = 8 << 20;

/// Most frames that do, whatever their size.
const MAX_QUEUED_FRAMES: usize = 8192;

/// Most files of a recorder. A publisher that is something else more often (another codec, other channels) is recorded up
/// to there.
const MAX_PARTS: u32 = 256;

/// From this part on all are Matroska, whatever is wished for: Matroska goes on within a file where MP4 needs another one,
/// which is wherever pictures change their size.
const MAX_MP4_PARTS: u32 = 128;

/// The same while so many files were begun within so long. A camera goes through four sizes at most until its layers are
/// all there, and turns with its telephone now and then.
const BURST_PARTS: usize = 8;
const BURST: Duration = Duration::from_secs(300);

/// Most gaps and most sizes that are told apart in a file. A track that lost something every second of an hour has
/// fewer; of one with more, the last is drawn out, so that what is marked covers what is missing.
const MAX_GAPS: usize = 4096;
const MAX_RESOLUTIONS: usize = 1024;

/// A cluster is flushed so long after it was begun, frame or no frame.
const FLUSH_AFTER: Duration = Duration::from_micros(MAX_CLUSTER_US);

/// A track of a recorder, in the order in which they were named to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Input(pub usize);

/// What a recorder asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A key frame of this track.
    Keyframe(Input),
}

/// Why a recorder ended before it was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The publisher changed what it sends so often that this would have taken more than 256 files.
    TooManyParts,
}

impl EndReason {
    /// As manifests name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooManyParts => "too_many_parts",
        }
    }
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSummary {
    /// Which of the recorder's files.
    pub part: u32,
    /// What kind of file it is.
    pub extension: Extension,
    /// Its tracks.
    pub tracks: Vec<TrackSummary>,
}

/// What is in a file of one track. Times are microseconds since the recording's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackSummary {
    /// Which track.
    pub input: Input,
    /// Its codec.
    pub codec: Codec,
    /// Where the file's time 0 is on the recording's line.
    pub origin_us: u64,
    /// Begin of its first frame. It may be a little before the file's, when it came after the other track's first.
    pub begin_us: u64,
    /// End of its last one.
    pub end_us: u64,
    /// Where nothing is between these.
    pub gaps: Vec<Gap>,
    /// Sizes of pictures.
    pub resolutions: Vec<Resolution>,
    /// How many frames, and their bytes.
    pub frames: u64,
    /// Bytes of frames, without the container's.
    pub bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub struct FileRecorder {
    kind: Kind,
    wall: WallClock,
    tracks: Vec<Track>,
    file: Option<File>,
    parts: u32,
    /// Since when a part is to begin with the next key frame.
    cuts_since: Option<Instant>,
    /// When the first frame began to wait for the file to begin.
    waiting_since: Option<Instant>,
    chunks: VecDeque<Chunk>,
    /// Of files that are finished; as many as there may be parts at most.
    summaries: Vec<PartSummary>,
    /// When the last files were begun.
    begun: VecDeque<Instant>,
    end_reason: Option<EndReason>,
    is_finished: bool,
}

#[derive(Debug)]
struct Track {
    intake: Intake,
    queue: VecDeque<(Taken, Instant)>,
    bytes: usize,
    frames: usize,
    /// Of the frames that come out of the queue next.
    config: Option<TrackConfig>,
    /// Nothing is waited for.
    is_quiet: bool,
    /// Frames are left out until a key frame.
    awaits_key: bool,
}

#[derive(Debug)]
struct File {
    writer: Writer,
    part: u32,
    extension: Extension,
    origin_us: u64,
    members: Vec<Member>,
    flush_at: Option<Instant>,
}

/// A track in a file.
#[derive(Debug)]
struct Member {
    config: TrackConfig,
    summary: TrackSummary,
}

impl FileRecorder {
    /// Records so many tracks (one or more) into one file. Times count from `started_at`.
    #[must_use]
    pub fn new(kind: Kind, tracks: usize, started_at: Instant) -> Self {
        let track = |_| Track {
            intake: Intake::new(started_at),
            queue: VecDeque::new(),
            bytes: 0,
            frames: 0,
            config: None,
            is_quiet: false,
            awaits_key: false,
        };
        Self {
            kind,
            wall: WallClock::default(),
            tracks: (0..tracks).map(track).collect(),
            file: None,
            parts: 0,
            cuts_since: None,
            waiting_since: None,
            chunks: VecDeque::new(),
            summaries: Vec::new(),
            begun: VecDeque::new(),
            end_reason: None,
            is_finished: false,
        }
    }

    /// What a track's packets hold from here on.
    pub fn handle_format(&mut self, input: Input, format: Format, now: Instant) {
        if self.is_finished {
            return;
        }
        if let Some(track) = self.tracks.get_mut(input.0) {
            track.intake.handle_format(format, now);
            track.is_quiet = false;
        }
        self.advance(now);
    }

    /// A packet of a track. It may be taken long after it came: how long a repair is waited for counts from when those behind it
    /// came.
    pub fn handle_packet(&mut self, input: Input, head: &PacketHead, payload: &[u8], now: Instant) {
        if self.is_finished {
            return;
        }
        if let Some(track) = self.tracks.get_mut(input.0) {
            track.intake.handle_packet(*head, payload, now, &mut self.wall);
        }
        self.advance(now);
    }

    /// A sender report of a track.
    pub fn handle_sender_report(&mut self, input: Input, report: &SenderReport) {
        if self.is_finished {
            return;
        }
        if let Some(track) = self.tracks.get_mut(input.0) {
            track.intake.handle_sender_report(report, &mut self.wall);
        }
    }

    /// The publisher muted a track, or no longer.
    pub fn handle_muted(&mut self, input: Input, is_muted: bool, at: Instant) {
        if self.is_finished {
            return;
        }
        if let Some(track) = self.tracks.get_mut(input.0) {
            track.intake.handle_muted(is_muted, at);
            track.is_quiet = is_muted;
        }
        self.advance(at);
    }

    /// A track ended, or will not come. It may go on later, with its format said again: after a new tap's first number, by the
    /// clock of that tap.
    pub fn handle_ended(&mut self, input: Input, now: Instant) {
        if self.is_finished {
            return;
        }
        if let Some(track) = self.tracks.get_mut(input.0) {
            track.intake.handle_ended(now);
            track.is_quiet = true;
        }
        self.advance(now);
    }

    /// Time has passed, and all that came meanwhile is taken: a repair among it would be too late from here on.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_finished {
            return;
        }
        for track in &mut self.tracks {
            track.intake.handle_timeout(now);
        }
        self.advance(now);
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let oldest = self.next_track().and_then(|next| self.tracks.get(next)?.queue.front());
        let frame = oldest.map(|(_, taken_at)| match self.file {
            None if self.parts == 0 => self.waiting_since.unwrap_or(*taken_at) + START_WAIT,
            _ => *taken_at + INTERLEAVE_WAIT,
        });
        let repairs = self.tracks.iter().map(|track| track.intake.poll_timeout());
        let flush = self.file.as_ref().and_then(|file| file.flush_at);
        let cut = self.cuts_since.map(|since| since + CUT_WAIT);
        repairs.chain([frame, flush, cut]).flatten().min()
    }

    /// The recording ends here: what was taken is written, and the file is finished. Nothing is taken afterwards.
    pub fn finish(&mut self, now: Instant) {
        if self.is_finished {
            return;
        }
        for track in &mut self.tracks {
            track.intake.drain(now);
            track.is_quiet = true;
        }
        self.advance(now);
        self.end_file();
        self.is_finished = true;
    }

    /// Bytes for the file. To be called until there are none: they are not kept from growing here.
    pub fn poll_write(&mut self) -> Option<Chunk> {
        self.chunks.pop_front()
    }

    /// What is asked for.
    pub fn poll_request(&mut self) -> Option<Request> {
        let asking = self.tracks.iter_mut().position(|track| track.intake.poll_keyframe())?;
        Some(Request::Keyframe(Input(asking)))
    }

    /// What is in the files that were finished, without those taken by [`Self::poll_summary`].
    #[must_use]
    pub fn summaries(&self) -> &[PartSummary] {
        &self.summaries
    }

    /// What is in the next file that was finished, for whoever writes down what there is before the recording ends.
    pub fn poll_summary(&mut self) -> Option<PartSummary> {
        if self.summaries.is_empty() { None } else { Some(self.summaries.remove(0)) }
    }

    /// Which file is open, and where its time 0 is on the recording's line, in microseconds.
    #[must_use]
    pub fn open_part(&self) -> Option<(u32, u64)> {
        self.file.as_ref().map(|file| (file.part, file.origin_us))
    }

    /// What is in the file that is open, so far: all of its tracks, also those of which nothing came yet. Whoever is left with
    /// this, when the file is cut off, may find some of each in it.
    #[must_use]
    pub fn open_summary(&self) -> Option<PartSummary> {
        let file = self.file.as_ref()?;
        let tracks = file.members.iter().map(|member| match &member.summary {
            nothing if nothing.frames == 0 => {
                TrackSummary { begin_us: file.origin_us, end_us: file.origin_us, ..nothing.clone() }
            }
            summary => summary.clone(),
        });
        Some(PartSummary { part: file.part, extension: file.extension, tracks: tracks.collect() })
    }

    /// Why it ended by itself, where it did: all files are finished, and nothing is taken any more.
    #[must_use]
    pub fn end_reason(&self) -> Option<EndReason> {
        self.end_reason
    }

    /// Takes frames out of the intakes and writes those whose turn it is.
    fn advance(&mut self, now: Instant) {
        if self.is_finished {
            return;
        }
        for track in &mut self.tracks {
            while let Some(taken) = track.intake.poll() {
                if let Taken::Frame(frame) = &taken {
                    track.bytes += frame.data.len();
                    track.frames += 1;
                }
                track.queue.push_back((taken, now));
            }
        }
        loop {
            self.take_heads(now);
            if self.cuts_now(now) {
                self.end_file();
            }
            let Some(next) = self.next_track() else { break };
            if !self.may_write(next, now) {
                break;
            }
            if self.cuts_since.is_some() && self.is_entry(next) {
                // Who waits for it may be older.
                self.end_file();
            } else {
                self.write_next(next, now);
            }
        }
        if let Some(file) = &mut self.file
            && file.flush_at.is_some_and(|flush_at| flush_at <= now)
        {
            file.flush_at = None;
            file.writer.flush();
        }
        self.collect(now);
    }

    /// Takes what is said of frames from the heads of the queues.
    fn take_heads(&mut self, now: Instant) {
        for index in 0..self.tracks.len() {
            while let Some(track) = self.tracks.get_mut(index)
                && let Some((Taken::Config(_) | Taken::Gap(_), _)) = track.queue.front()
            {
                match track.queue.pop_front() {
                    Some((Taken::Config(config), _)) => {
                        track.config = Some(config.clone());
                        self.meet(index, &config, now);
                    }
                    Some((Taken::Gap(gap), _)) => {
                        if let Some(member) = self.file.as_mut().and_then(|file| file.member(index)) {
                            member.note_gap(gap);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// A track is something else from here on: the file goes on, or another one begins.
    fn meet(&mut self, index: usize, config: &TrackConfig, now: Instant) {
        let Some(file) = &mut self.file else { return };
        let member = file.members.iter_mut().find(|member| member.summary.input.0 == index);
        if let Some(member) = member
            && file.writer.takes(&member.config, config)
        {
            member.config = config.clone();
            return;
        }
        let others_show = file
            .members
            .iter()
            .any(|member| member.summary.input.0 != index && member.config.codec().is_video());
        if config.codec().is_video() || !others_show {
            self.end_file();
        } else {
            // Pictures of others go on until a key frame, with which both can begin.
            self.cuts_since.get_or_insert(now);
            for track in &mut self.tracks {
                if track.intake.is_video() {
                    track.intake.ask_keyframe(now);
                }
            }
        }
    }

    /// The track with the oldest frame, of those that do not wait for the next file.
    fn next_track(&self) -> Option<usize> {
        let heads = self.tracks.iter().enumerate().filter_map(|(index, track)| match track.queue.front() {
            Some((Taken::Frame(frame), _)) => Some((frame.time_us, index)),
            _ => None,
        });
        let may_be_next = |index: usize| self.file.as_ref().is_none_or(|file| file.has(index));
        heads.filter(|(_, index)| may_be_next(*index)).min().map(|(_, index)| index)
    }

    /// Whether a track goes on with a key frame.
    fn is_entry(&self, index: usize) -> bool {
        self.tracks.get(index).is_some_and(|track| {
            let is_video = track.config.as_ref().is_some_and(|config| config.codec().is_video());
            is_video && track.begins_with_key()
        })
    }

    /// Whether the oldest frame need not wait for other tracks any more.
    fn may_write(&mut self, next: usize, now: Instant) -> bool {
        let is_full = self.is_full();
        let Some((_, taken_at)) = self.tracks.get(next).and_then(|track| track.queue.front()) else { return false };
        let waited = now.saturating_duration_since(*taken_at);
        if self.file.is_none() {
            let since = *self.waiting_since.get_or_insert(*taken_at);
            let all_known = self.tracks.iter().all(|track| track.config.is_some() || track.is_quiet);
            // Later parts begin with what is known: recording goes on already.
            return self.parts > 0 || all_known || is_full || now.saturating_duration_since(since) >= START_WAIT;
        }
        let others_there =
            self.tracks.iter().enumerate().all(|(index, track)| {
                index == next || track.is_quiet || track.config.is_none() || !track.queue.is_empty()
            });
        others_there || is_full || waited >= INTERLEAVE_WAIT
    }

    fn write_next(&mut self, next: usize, now: Instant) {
        let Some(track) = self.tracks.get_mut(next) else { return };
        let Some((Taken::Frame(frame), _)) = track.queue.pop_front() else { return };
        track.bytes -= frame.data.len();
        track.frames -= 1;
        let is_video = track.config.as_ref().is_some_and(|config| config.codec().is_video());
        if is_video && frame.is_key {
            track.awaits_key = false;
        } else if track.awaits_key {
            return;
        }
        if self.file.is_none() {
            self.begin_file(next, frame.time_us, now);
        }
        let Some(file) = &mut self.file else { return };
        let Some(place) = file.members.iter().position(|member| member.summary.input.0 == next) else { return };
        let Some(member) = file.members.get_mut(place) else { return };
        // What is shown before the key frame that the file begins with builds on one that is not in it.
        if member.summary.frames > 0 && frame.shown_us() < member.summary.begin_us {
            return;
        }
        member.note(&frame);
        file.writer.write(place, frame);
        if file.flush_at.is_none() {
            file.flush_at = Some(now + FLUSH_AFTER);
        }
        self.collect(now);
    }

    /// Whether a track that is not in the file waits no longer for a key frame of the others: there is none to come, it has
    /// waited for long enough, or for too much.
    fn cuts_now(&self, now: Instant) -> bool {
        let (Some(since), Some(file)) = (self.cuts_since, &self.file) else { return false };
        // What they gave before they fell silent still belongs to this file.
        let is_over = |track: &Track| track.is_quiet && track.queue.is_empty();
        let mut shown = file.members.iter().filter(|member| member.config.codec().is_video());
        let is_none_to_come = shown.all(|member| self.tracks.get(member.summary.input.0).is_none_or(is_over));
        is_none_to_come || self.is_full() || now.saturating_duration_since(since) >= CUT_WAIT
    }

    /// More waits than may.
    fn is_full(&self) -> bool {
        let bytes: usize = self.tracks.iter().map(|track| track.bytes).sum();
        let frames: usize = self.tracks.iter().map(|track| track.frames).sum();
        bytes > MAX_QUEUED_BYTES || frames > MAX_QUEUED_FRAMES
    }

    /// Begins a file with all tracks of which it is known what they are.
    fn begin_file(&mut self, first: usize, origin_us: u64, now: Instant) {
        self.waiting_since = None;
        if self.parts >= MAX_PARTS {
            self.end_reason = Some(EndReason::TooManyParts);
            self.end();
            return;
        }
        let kind = self.kind_of_next(now);
        let mut members = Vec::new();
        for (index, track) in self.tracks.iter_mut().enumerate() {
            let Some(config) = track.config.clone() else { continue };
            let codec = config.codec();
            if codec.is_video() && index != first {
                // Its next frame may build on one in the file before.
                track.awaits_key = !track.begins_with_key();
                if track.awaits_key {
                    track.intake.ask_keyframe(now);
                }
            }
            let summary = TrackSummary {
                input: Input(index),
                codec,
                origin_us,
                begin_us: 0,
                end_us: 0,
                gaps: Vec::new(),
                resolutions: Vec::new(),
                frames: 0,
                bytes: 0,
            };
            members.push(Member { config, summary });
        }
        let configs: Vec<TrackConfig> = members.iter().map(|member| member.config.clone()).collect();
        let (writer, extension) = Writer::begin(kind, &configs, origin_us);
        self.file = Some(File { writer, part: self.parts, extension, origin_us, members, flush_at: None });
        self.parts = self.parts.saturating_add(1);
        self.begun.push_back(now);
    }

    /// What the next file is to be: as wished for, unless the publisher would make too many such.
    fn kind_of_next(&mut self, now: Instant) -> Kind {
        self.begun.retain(|begun| now.saturating_duration_since(*begun) < BURST);
        let is_burst = self.begun.len() >= BURST_PARTS;
        if is_burst || self.parts >= MAX_MP4_PARTS { Kind::Matroska } else { self.kind }
    }

    /// Nothing is taken any more, and nothing kept.
    fn end(&mut self) {
        self.is_finished = true;
        self.tracks.clear();
    }

    fn end_file(&mut self) {
        self.cuts_since = None;
        let Some(mut file) = self.file.take() else { return };
        let written = file.members.drain(..).map(|member| member.summary).filter(|summary| summary.frames > 0);
        let tracks: Vec<TrackSummary> = written.collect();
        let end_us = tracks.iter().map(|track| track.end_us).max().unwrap_or(file.origin_us);
        file.writer.finish(end_us);
        push_written(&mut self.chunks, &mut file.writer, file.part, file.extension);
        self.summaries.push(PartSummary { part: file.part, extension: file.extension, tracks });
    }

    /// Takes what the writer wrote.
    fn collect(&mut self, now: Instant) {
        let Some(file) = &mut self.file else { return };
        if push_written(&mut self.chunks, &mut file.writer, file.part, file.extension) {
            file.flush_at = file.writer.holds().then(|| now + FLUSH_AFTER);
        }
    }
}

/// True when there was something.
fn push_written(chunks: &mut VecDeque<Chunk>, writer: &mut Writer, part: u32, extension: Extension) -> bool {
    let written = writer.take();
    let is_any = !written.appended.is_empty();
    for bytes in written.appended {
        chunks.push_back(Chunk { part, extension, place: Place::Append, bytes });
    }
    for patch in written.patches {
        chunks.push_back(Chunk { part, extension, place: Place::Patch { offset: patch.offset }, bytes: patch.bytes });
    }
    is_any
}

impl Track {
    fn begins_with_key(&self) -> bool {
        self.queue.iter().find_map(|(taken, _)| match taken {
            Taken::Frame(frame) => Some(frame.is_key),
            Taken::Config(_) | Taken::Gap(_) => None,
        }) == Some(true)
    }
}

impl File {
    fn has(&self, index: usize) -> bool {
        self.members.iter().any(|member| member.summary.input.0 == index)
    }

    fn member(&mut self, index: usize) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.summary.input.0 == index)
    }
}

impl Member {
    fn note_gap(&mut self, gap: Gap) {
        let gaps = &mut self.summary.gaps;
        let is_full = gaps.len() == MAX_GAPS;
        match gaps.last_mut() {
            Some(last) if is_full => last.to_us = gap.to_us,
            _ => gaps.push(gap),
        }
    }

    fn note(&mut self, frame: &Frame) {
        if let TrackConfig::Video(video) = &self.config {
            let (width, height) = (video.width, video.height);
            let sizes = &mut self.summary.resolutions;
            let is_same = sizes.last().is_some_and(|last| (last.width, last.height) == (width, height));
            if !is_same && sizes.len() < MAX_RESOLUTIONS {
                sizes.push(Resolution { at_us: frame.time_us, width, height });
            }
        }
        let summary = &mut self.summary;
        if summary.frames == 0 {
            summary.begin_us = frame.time_us;
        }
        summary.end_us = frame.time_us + frame.duration_us.unwrap_or(frame.usual_us);
        summary.frames += 1;
        summary.bytes += u64::try_from(frame.data.len()).unwrap_or(u64::MAX);
    }
}

/// Records one track into a file of its own.
#[derive(Debug)]
pub struct TrackRecorder(FileRecorder);

impl TrackRecorder {
    const TRACK: Input = Input(0);

    /// Times count from `started_at`.
    #[must_use]
    pub fn new(kind: Kind, started_at: Instant) -> Self {
        Self(FileRecorder::new(kind, 1, started_at))
    }

    /// What the packets hold from here on.
    pub fn handle_format(&mut self, format: Format, now: Instant) {
        self.0.handle_format(Self::TRACK, format, now);
    }

    /// A packet.
    pub fn handle_packet(&mut self, head: &PacketHead, payload: &[u8], now: Instant) {
        self.0.handle_packet(Self::TRACK, head, payload, now);
    }

    /// A sender report.
    pub fn handle_sender_report(&mut self, report: &SenderReport) {
        self.0.handle_sender_report(Self::TRACK, report);
    }

    /// The publisher muted it, or no longer.
    pub fn handle_muted(&mut self, is_muted: bool, at: Instant) {
        self.0.handle_muted(Self::TRACK, is_muted, at);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    /// See [`FileRecorder::finish`].
    pub fn finish(&mut self, now: Instant) {
        self.0.finish(now);
    }

    /// See [`FileRecorder::poll_write`].
    pub fn poll_write(&mut self) -> Option<Chunk> {
        self.0.poll_write()
    }

    /// What is asked for.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.0.poll_request()
    }

    /// See [`FileRecorder::summaries`].
    #[must_use]
    pub fn summaries(&self) -> &[PartSummary] {
        self.0.summaries()
    }

    /// See [`FileRecorder::poll_summary`].
    pub fn poll_summary(&mut self) -> Option<PartSummary> {
        self.0.poll_summary()
    }

    /// See [`FileRecorder::end_reason`].
    #[must_use]
    pub fn end_reason(&self) -> Option<EndReason> {
        self.0.end_reason()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const KEY: &[u8] = &[0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 8, 0, 8, 0, 0];
    const MIME_TYPES: [&str; 6] = ["video/VP8", "video/VP9", "video/H264", "video/H265", "video/AV1", "audio/opus"];

    fn head(sequence: u64, timestamp: u32, received_at: Instant) -> PacketHead {
        PacketHead { sequence, timestamp, marker: true, received_at }
    }

    #[test]
    fn what_was_written_is_flushed_though_nothing_follows() {
        let start = Instant::now();
        let mut recorder = TrackRecorder::new(Kind::Matroska, start);
        recorder.handle_format(Format::new("video/VP8", 90_000, 0, 0).unwrap(), start);
        recorder.handle_packet(&head(0, 0, start), KEY, start);
        assert!(recorder.poll_write().is_none(), "it is listened to for a moment");
        let begin = recorder.poll_timeout().unwrap();
        recorder.handle_timeout(begin);
        assert!(recorder.poll_write().is_some() && recorder.poll_write().is_none(), "the file's head");
        let at = recorder.poll_timeout().unwrap();
        assert_eq!(at, begin + FLUSH_AFTER);
        recorder.handle_timeout(at);
        assert!(recorder.poll_write().is_some(), "the cluster");
        assert_eq!(recorder.poll_timeout(), None);
    }

    #[test]
    fn what_is_in_a_file_that_is_open_names_all_its_tracks() {
        let start = Instant::now();
        let mut recorder = FileRecorder::new(Kind::Matroska, 2, start);
        recorder.handle_format(Input(0), Format::new("audio/opus", 48_000, 2, 0).unwrap(), start);
        recorder.handle_format(Input(1), Format::new("video/VP8", 90_000, 0, 0).unwrap(), start);
        recorder.handle_packet(Input(0), &head(0, 0, start), &[0x78, 1], start);
        assert_eq!(recorder.open_summary(), None, "of the pictures it is not known how large they are");
        let at = start + Duration::from_millis(20);
        recorder.handle_packet(Input(1), &head(0, 0, at), KEY, at);
        recorder.handle_timeout(start + Duration::from_millis(200));
        let tracks = recorder.open_summary().unwrap().tracks;
        let said: Vec<_> = tracks.iter().map(|track| (track.input.0, track.frames, track.end_us)).collect();
        assert_eq!(said, [(0, 1, 20_000), (1, 0, 0)]);
    }

    #[test]
    fn what_somebody_says_who_shows_nothing_is_never_longer_than_two_seconds_on_its_way_to_the_disk() {
        let start = Instant::now();
        let mut recorder = FileRecorder::new(Kind::Matroska, 2, start);
        recorder.handle_format(Input(0), Format::new("audio/opus", 48_000, 2, 0).unwrap(), start);
        let mut written_at = start;
        for packet in 0..500_u32 {
            let at = start + Duration::from_millis(20) * packet;
            recorder.handle_packet(Input(0), &head(packet.into(), packet * 960, at), &[0x78, 1], at);
            recorder.handle_timeout(at);
            while recorder.poll_write().is_some() {
                written_at = at;
            }
            assert!(at - written_at < Duration::from_secs(2), "{:?}", at - start);
        }
    }

    #[test]
    fn nothing_is_taken_after_the_end() {
        let start = Instant::now();
        let mut recorder = TrackRecorder::new(Kind::Matroska, start);
        recorder.handle_format(Format::new("video/VP8", 90_000, 0, 0).unwrap(), start);
        recorder.handle_packet(&head(0, 0, start), KEY, start);
        recorder.finish(start);
        while recorder.poll_write().is_some() {}
        // Nor is it kept, or anything asked for or waited for: whatever comes goes nowhere.
        for sequence in 1..100 {
            recorder.handle_packet(&head(2 * sequence, 3000, start), KEY, start);
        }
        recorder.handle_format(Format::new("video/VP9", 90_000, 0, 1000).unwrap(), start);
        recorder.handle_muted(true, start);
        recorder.handle_timeout(start);
        assert_eq!((recorder.poll_timeout(), recorder.poll_request()), (None, None));
        assert!(recorder.0.tracks[0].intake.poll().is_none());
        recorder.finish(start);
        assert_eq!((recorder.poll_write(), recorder.summaries().len()), (None, 1));
    }

    #[test]
    fn a_recording_of_nothing_is_no_file() {
        let start = Instant::now();
        let mut recorder = TrackRecorder::new(Kind::Matroska, start);
        recorder.handle_format(Format::new("audio/opus", 48_000, 2, 0).unwrap(), start);
        recorder.finish(start);
        assert_eq!((recorder.poll_write(), recorder.summaries()), (None, &[][..]));
    }

    #[test]
    fn a_publisher_that_is_something_else_all_the_time_makes_so_many_files_and_the_recording_says_why_it_ended() {
        let start = Instant::now();
        let mut recorder = TrackRecorder::new(Kind::Matroska, start);
        let (mut files, mut told) = (std::collections::BTreeSet::new(), Vec::new());
        for packet in 0..1000_u32 {
            let at = start + Duration::from_millis(20) * packet;
            let channels = if packet % 2 == 0 { 1 } else { 2 };
            recorder.handle_format(Format::new("audio/opus", 48_000, channels, packet.into()).unwrap(), at);
            recorder.handle_packet(&head(packet.into(), packet * 960, at), &[0x78, 1], at);
            files.extend(std::iter::from_fn(|| recorder.poll_write()).map(|chunk| chunk.part));
            told.extend(std::iter::from_fn(|| recorder.poll_summary()).map(|summary| summary.part));
        }
        assert_eq!(files.len(), 256);
        assert_eq!(told, files.into_iter().collect::<Vec<_>>(), "each is told of, though only at its end");
        assert_eq!(recorder.end_reason(), Some(EndReason::TooManyParts));
        assert_eq!((recorder.poll_timeout(), recorder.poll_request()), (None, None));
        recorder.finish(start);
        assert_eq!((recorder.poll_write(), recorder.poll_summary()), (None, None));
    }

    /// Something a tap may say of one of two tracks.
    #[derive(Debug, Clone)]
    enum Said {
        Format(usize),
        /// How far the number and the time go on, and what is in it.
        Packet(u8, u32, bool, Vec<u8>),
        Report(u64, u32),
        Muted(bool),
        Ended,
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        let begin = prop::sample::select(vec![
            KEY.to_vec(),
            vec![0x10, 0x11, 0, 0],
            vec![0x0c, 0x82, 0x49, 0x83, 0x42, 0x00, 0x09, 0xf0, 0x07, 0x76],
            vec![0x78, 0, 10, 0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x1e, 0x84, 0, 0, 3, 0, 4, 0x68, 0xce, 0x3c, 0x80],
            vec![0x7c, 0x85, 0x88],
            vec![0x62, 0x01, 0x93, 0x80],
            vec![0x18, 0x0a, 0x0b],
            vec![0x78],
            vec![],
        ]);
        (begin, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(begin, rest)| [begin, rest].concat())
    }

    fn said() -> impl Strategy<Value = Said> {
        prop_oneof![
            2 => (0usize..6).prop_map(Said::Format),
            30 => (
                prop_oneof![20 => Just(1), 1 => any::<u8>()],
                prop_oneof![20 => 0u32..9_000, 1 => any::<u32>()],
                any::<bool>(),
                payload(),
            )
                .prop_map(|(sequence, ticks, marker, payload)| Said::Packet(sequence, ticks, marker, payload)),
            2 => any::<(u64, u32)>().prop_map(|(ntp, timestamp)| Said::Report(ntp, timestamp)),
            1 => any::<bool>().prop_map(Said::Muted),
            1 => Just(Said::Ended),
        ]
    }

    proptest! {
        /// Whatever a publisher sends: no panic, no timeout that has passed already once it was handled (its owner would
        /// never sleep again), nothing written but at a file's end or within it, and tracks go on in time.
        #[test]
        fn anything_may_come(
            is_mp4: bool,
            all in prop::collection::vec((0usize..2, said(), prop_oneof![9 => 0u64..50, 1 => 0u64..20_000]), 0..150)
        ) {
            let start = Instant::now();
            let kind = if is_mp4 { Kind::FragmentedMp4 } else { Kind::Matroska };
            let mut recorder = FileRecorder::new(kind, 2, start);
            let mut now = start;
            let mut lines = [(0_u64, 0_u32); 2];
            let mut lens = std::collections::BTreeMap::<u32, u64>::new();
            for (input, said, later_ms) in all {
                now += Duration::from_millis(later_ms);
                let (sequence, timestamp) = &mut lines[input];
                let input = Input(input);
                match said {
                    Said::Format(codec) => {
                        recorder.handle_format(input, Format::new(MIME_TYPES[codec], 90_000, 2, *sequence).unwrap(), now);
                    }
                    Said::Packet(on, ticks, marker, payload) => {
                        *sequence += u64::from(on);
                        *timestamp = timestamp.wrapping_add(ticks);
                        let head =
                            PacketHead { sequence: *sequence, timestamp: *timestamp, marker, received_at: now };
                        recorder.handle_packet(input, &head, &payload, now);
                    }
                    Said::Report(ntp, timestamp) => {
                        recorder.handle_sender_report(input, &SenderReport { ntp, timestamp, received_at: now });
                    }
                    Said::Muted(is_muted) => recorder.handle_muted(input, is_muted, now),
                    Said::Ended => recorder.handle_ended(input, now),
                }
                recorder.handle_timeout(now);
                prop_assert!(recorder.poll_timeout().is_none_or(|at| at > now));
                while recorder.poll_request().is_some() {}
            }
            recorder.finish(now);
            while let Some(chunk) = recorder.poll_write() {
                let len = lens.entry(chunk.part).or_default();
                let bytes = chunk.bytes.len() as u64;
                match chunk.place {
                    Place::Append => *len += bytes,
                    Place::Patch { offset } => prop_assert!(offset + bytes <= *len),
                }
            }
            for track in recorder.summaries().iter().flat_map(|part| &part.tracks) {
                prop_assert!(track.begin_us <= track.end_us);
                prop_assert!(track.gaps.iter().all(|gap| gap.from_us < gap.to_us));
            }
        }
    }
}
