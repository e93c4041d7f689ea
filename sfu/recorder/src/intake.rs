//! One track, from its packets to frames on the recording's line of time, with what is to be said of it.
//!
//! Pictures begin with a key frame that says all a decoder needs. After a loss that nobody repaired they pause until
//! the next one, which is asked for; the pause is marked as a gap. Sound never pauses for a loss, and the hole it
//! leaves is marked as well.
//!
//! Owned by a file's recorder. Knows no container.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::assembler::{Assembled, Assembler};
use crate::clock::{MediaClock, SenderReport, WallClock};
use crate::codec::{Codec, Format};
use crate::depacketize::Built;
use crate::picture::{ParameterSets, VideoConfig, describe};
use crate::reorder::{Next, PacketHead, Reorder};

/// How often a key frame is asked for while one is needed: it has to be made and to travel before asking again helps.
const KEYFRAME_INTERVAL: Duration = Duration::from_secs(1);

/// How long a stream is listened to before anything of it is taken: what waited for a pass of a worker, or behind a busy
/// publisher's back, comes all at once, the most delayed of it first.
const LISTEN: Duration = Duration::from_millis(100);

/// What is assumed of the last frame, which no other follows: 30 frames a second.
const USUAL_FRAME_US: u64 = 33_333;

/// No frame is assumed to stand longer than this when nothing follows it.
const MAX_LAST_FRAME_US: u64 = 1_000_000;

/// A time in which there is nothing to show or to hear, in microseconds since the recording's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// End of the last frame before it.
    pub from_us: u64,
    /// Begin of the first frame behind it.
    pub to_us: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why there is a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// Packets were lost, or dropped where the tap's ring was full, and pictures had to wait for a key frame.
    Lost,
    /// The publisher had it muted.
    Muted,
    /// Payloads did not make frames.
    Malformed,
    /// The publisher's timestamps began anew.
    Restarted,
    /// It was not published: it ended, and began again later.
    Unpublished,
}

/// From when on pictures have a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// Microseconds since the recording's start.
    pub at_us: u64,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
}

/// What a file says of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrackConfig {
    Video(VideoConfig),
    /// Opus, with so many channels.
    Opus(u8),
}

impl TrackConfig {
    pub(crate) fn codec(&self) -> Codec {
        match self {
            Self::Video(video) => Codec::Video(video.codec),
            Self::Opus(_) => Codec::Opus,
        }
    }
}

/// A frame in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Microseconds since the recording's start, never less than of the one before.
    pub(crate) time_us: u64,
    /// How long before that it is shown: pictures that others build on are sent before others that are shown first.
    pub(crate) early_us: u64,
    /// How long it lasts, as far as it says.
    pub(crate) duration_us: Option<u64>,
    /// How long it is taken to last where nothing follows it.
    pub(crate) usual_us: u64,
    pub(crate) is_key: bool,
    pub(crate) data: Vec<u8>,
}

impl Frame {
    /// When it is shown or heard, in microseconds since the recording's start.
    pub(crate) fn shown_us(&self) -> u64 {
        self.time_us.saturating_sub(self.early_us)
    }
}

/// What an intake gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// What the following frames are.
    Config(TrackConfig),
    /// Nothing was there, up to the next frame.
    Gap(Gap),
    Frame(Frame),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Intake {
    started_at: Instant,
    stream: Option<Stream>,
    /// Emptied after each input by its owner.
    taken: VecDeque<Taken>,
    /// Begun and not ended: where, and why.
    gap: Option<(u64, GapReason)>,
    /// End of the last frame.
    end_us: Option<u64>,
    keyframe_asked_at: Option<Instant>,
    asks_keyframe: bool,
}

/// What belongs to a format.
#[derive(Debug)]
struct Stream {
    format: Format,
    reorder: Reorder,
    begin: Begin,
    assembler: Assembler,
    clock: MediaClock,
    sets: ParameterSets,
    config: Option<TrackConfig>,
    /// Spatial layers that were left out of a picture since the last key frame: what builds on them is lost.
    left_out: u8,
    /// The next picture has to be a key frame that says all.
    must_enter: bool,
    /// When the picture is shown that was entered with. Those behind it that are shown before it build on what is missing.
    entered_us: u64,
    /// From one picture to the next, of the last two that followed one another.
    step_us: u64,
    last_us: Option<u64>,
    /// Pictures that came behind the last one and are shown between the two.
    early: u32,
}

/// A stream is listened to for a moment before anything of it is taken, so that its clock knows how late its first packets
/// are.
#[derive(Debug, Clone, Copy)]
enum Begin {
    Unheard,
    /// Then.
    At(Instant),
    Over,
}

impl Begin {
    fn hear(&mut self, received_at: Instant) {
        if let Self::Unheard = self {
            *self = Self::At(received_at + LISTEN);
        }
    }
}

impl Stream {
    fn poll(&mut self, came_by: Instant) -> Option<Next> {
        match self.begin {
            Begin::At(at) if at <= came_by || self.reorder.is_full() => self.begin = Begin::Over,
            Begin::Over => {}
            Begin::Unheard | Begin::At(_) => return None,
        }
        self.reorder.poll(came_by)
    }

    fn has_begun(&self) -> bool {
        matches!(self.begin, Begin::Over)
    }

    fn drain(&mut self) -> Option<Next> {
        self.begin = Begin::Over;
        self.reorder.drain()
    }
}

impl Intake {
    pub(crate) fn new(started_at: Instant) -> Self {
        Self {
            started_at,
            stream: None,
            taken: VecDeque::new(),
            gap: None,
            end_us: None,
            keyframe_asked_at: None,
            asks_keyframe: false,
        }
    }

    pub(crate) fn handle_format(&mut self, format: Format, now: Instant) {
        // Said again, it is the same from its own first packet on.
        let same = |stream: &Stream| Format { from_sequence: stream.format.from_sequence, ..format } == stream.format;
        if self.stream.as_ref().is_some_and(same) {
            return;
        }
        self.drain(now);
        let mut stream = Stream {
            format,
            reorder: Reorder::starting_at(format.from_sequence),
            begin: Begin::Unheard,
            assembler: Assembler::new(format.codec),
            clock: MediaClock::new(format.clock_rate, format.codec.is_video()),
            sets: ParameterSets::default(),
            config: None,
            left_out: 0,
            must_enter: format.codec.is_video(),
            entered_us: 0,
            step_us: USUAL_FRAME_US,
            last_us: None,
            early: 0,
        };
        if format.codec == Codec::Opus {
            let config = TrackConfig::Opus(format.channels);
            stream.config = Some(config.clone());
            self.taken.push_back(Taken::Config(config));
        }
        self.stream = Some(stream);
    }

    pub(crate) fn handle_packet(&mut self, head: PacketHead, payload: &[u8], now: Instant, wall: &mut WallClock) {
        let received_us = self.us(head.received_at);
        if let Some(stream) = &mut self.stream {
            stream.clock.hear(head.timestamp, received_us, wall);
            stream.begin.hear(head.received_at);
            stream.reorder.insert(head, payload);
            // By when it came, not by when it is taken: whoever stood still has the repairs of what is missing right behind it.
            self.take_all(head.received_at, now);
        }
    }

    pub(crate) fn handle_sender_report(&mut self, report: &SenderReport, wall: &mut WallClock) {
        let received_us = self.us(report.received_at);
        if let Some(stream) = &mut self.stream {
            stream.clock.report(report, received_us, wall);
        }
    }

    pub(crate) fn handle_muted(&mut self, is_muted: bool, at: Instant) {
        if is_muted {
            // What waits behind a hole came before: it is taken first, and marked for what it is. Repairs do not come while a
            // track is muted.
            self.drain(at);
            let at_us = self.us(at).unsigned_abs();
            // What is muted is not lost: the reason of a gap that is open already gives way.
            let from_us = self.gap.map_or(self.end_us.unwrap_or(at_us), |(from_us, _)| from_us);
            self.gap = Some((from_us, GapReason::Muted));
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.take_all(now, now);
    }

    /// Takes what is next, as far as it is known from all that came by `came_by`.
    fn take_all(&mut self, came_by: Instant, now: Instant) {
        while let Some(next) = self.stream.as_mut().and_then(|stream| stream.poll(came_by)) {
            self.take_next(next, now);
        }
        let lacks_entry = |stream: &Stream| stream.has_begun() && stream.assembler.awaits_entry();
        if self.stream.as_ref().is_some_and(lacks_entry) {
            self.ask_keyframe(now);
        }
    }

    /// Nothing more comes from where it came. Whatever goes on with this track later has numbers, a clock and parameter sets of
    /// its own, though its format may be the same.
    pub(crate) fn handle_ended(&mut self, now: Instant) {
        self.drain(now);
        self.stream = None;
        // What is not there is not lost: the reason of a gap that is open already gives way.
        let from_us = self.gap.map(|(from_us, _)| from_us).or(self.end_us);
        self.gap = from_us.map(|from_us| (from_us, GapReason::Unpublished));
    }

    /// Nothing more will come of this format.
    pub(crate) fn drain(&mut self, now: Instant) {
        while let Some(next) = self.stream.as_mut().and_then(Stream::drain) {
            self.take_next(next, now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.stream.as_ref().and_then(|stream| match stream.begin {
            Begin::At(at) => Some(at),
            Begin::Unheard | Begin::Over => stream.reorder.deadline(),
        })
    }

    pub(crate) fn poll(&mut self) -> Option<Taken> {
        self.taken.pop_front()
    }

    /// True when a key frame is to be asked for.
    pub(crate) fn poll_keyframe(&mut self) -> bool {
        std::mem::take(&mut self.asks_keyframe)
    }

    /// Asks for a key frame, unless it was asked for a moment ago.
    pub(crate) fn ask_keyframe(&mut self, now: Instant) {
        let is_due = self
            .keyframe_asked_at
            .is_none_or(|asked_at| now.saturating_duration_since(asked_at) >= KEYFRAME_INTERVAL);
        if is_due {
            self.keyframe_asked_at = Some(now);
            self.asks_keyframe = true;
        }
    }

    pub(crate) fn is_video(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.format.codec.is_video())
    }

    /// On the recording's line; before its start is at its start.
    pub(crate) fn us(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.started_at).as_micros()).unwrap_or(i64::MAX)
    }

    fn take_next(&mut self, next: Next, now: Instant) {
        let Some(stream) = &mut self.stream else { return };
        let (assembled, reason) = match next {
            Next::Packet(head, payload) => (stream.assembler.handle(head, &payload), GapReason::Malformed),
            Next::Lost => ([stream.assembler.handle_loss(), None], GapReason::Lost),
        };
        for one in assembled.into_iter().flatten() {
            match one {
                Assembled::Frame(head, built) => self.take_frame(&head, built, now),
                Assembled::Broken => {
                    if let Some(stream) = &mut self.stream {
                        stream.must_enter = stream.format.codec.is_video();
                    }
                    self.open_gap(reason);
                }
            }
        }
    }

    fn take_frame(&mut self, head: &PacketHead, built: Built, now: Instant) {
        let received_us = self.us(head.received_at);
        let Some(stream) = &mut self.stream else { return };
        let enters = stream.must_enter;
        let duration_us = match stream.format.codec {
            Codec::Opus => opus_duration_us(&built.data),
            Codec::Video(codec) => {
                stream.sets.observe(codec, &built.data);
                if built.is_without_picture {
                    return;
                }
                let config = if built.is_key { describe(codec, &built, &stream.sets) } else { None };
                let layers = built.layers;
                // The publisher has put its highest layer away, or goes back to one that was not needed meanwhile.
                let builds_on_nothing = layers.kept & layers.inter & stream.left_out != 0;
                if ((stream.must_enter || built.is_key) && config.is_none()) || builds_on_nothing {
                    stream.assembler.break_off();
                    stream.must_enter = true;
                    self.open_gap(if builds_on_nothing { GapReason::Lost } else { GapReason::Malformed });
                    self.ask_keyframe(now);
                    return;
                }
                stream.must_enter = false;
                stream.left_out = layers.left_out | if built.is_key { 0 } else { stream.left_out };
                if let Some(config) = config {
                    self.take_config(TrackConfig::Video(config));
                }
                None
            }
        };
        let Some(stream) = &mut self.stream else { return };
        let placed = stream.clock.place(head.timestamp, received_us);
        // Sound from before the recording began is none of it; a picture is what others build on.
        if placed.is_before && !stream.format.codec.is_video() {
            return;
        }
        let early_us = if stream.format.codec.is_reordered() { placed.early_us } else { 0 };
        if enters {
            stream.entered_us = placed.time_us - early_us;
        } else if placed.time_us - early_us < stream.entered_us {
            return;
        }
        if placed.is_jump && self.gap.is_none() {
            self.gap = self.end_us.map(|end_us| (end_us, GapReason::Restarted));
        }
        if early_us > 0 {
            stream.early = stream.early.saturating_add(1);
        } else {
            // Where something is missing, the one before stood longer than it was made to.
            if let Some(last_us) = stream.last_us
                && self.gap.is_none()
            {
                stream.step_us = (placed.time_us - last_us).min(MAX_LAST_FRAME_US);
            }
            stream.last_us = Some(placed.time_us);
            stream.early = 0;
        }
        let usual_us = stream.step_us / (u64::from(stream.early) + 1);
        self.end_gap(placed.time_us);
        self.end_us = Some(placed.time_us + duration_us.unwrap_or(usual_us));
        self.taken.push_back(Taken::Frame(Frame {
            time_us: placed.time_us,
            early_us,
            duration_us,
            usual_us,
            is_key: built.is_key,
            data: built.data,
        }));
    }

    fn take_config(&mut self, config: TrackConfig) {
        let Some(stream) = &mut self.stream else { return };
        if stream.config.as_ref() != Some(&config) {
            stream.config = Some(config.clone());
            self.taken.push_back(Taken::Config(config));
        }
    }

    fn open_gap(&mut self, reason: GapReason) {
        // Before the first frame nothing is missing.
        if self.gap.is_none() {
            self.gap = self.end_us.map(|end_us| (end_us, reason));
        }
    }

    fn end_gap(&mut self, to_us: u64) {
        if let Some((from_us, reason)) = self.gap.take()
            && from_us < to_us
        {
            self.taken.push_back(Taken::Gap(Gap { from_us, to_us, reason }));
        }
    }
}

/// How long an Opus packet lasts (RFC 6716 section 3.1), in microseconds.
fn opus_duration_us(packet: &[u8]) -> Option<u64> {
    let (&toc, rest) = packet.split_first()?;
    let frame_us = match toc >> 3 {
        config @ 0..12 => [10_000, 20_000, 40_000, 60_000][usize::from(config % 4)],
        config @ 12..16 => [10_000, 20_000][usize::from(config % 2)],
        config => [2_500, 5_000, 10_000, 20_000][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(rest.first()? & 0x3f),
    };
    // A packet lasts 120 ms at most (section 3.2.5).
    Some((frame_us * frames).min(120_000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

    use super::*;

    /// A VP8 key frame of this size, as far as it is looked at.
    fn key(width: u8) -> Vec<u8> {
        vec![0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, width, 0, 8, 0, 0]
    }

    const DELTA: &[u8] = &[0x10, 0x11, 0, 0];

    struct Track {
        intake: Intake,
        wall: WallClock,
        start: Instant,
    }

    impl Track {
        fn vp8() -> Self {
            let start = Instant::now();
            let mut intake = Intake::new(start);
            intake.handle_format(Format::new("video/VP8", 90_000, 0, 0).unwrap(), start);
            Self { intake, wall: WallClock::default(), start }
        }

        /// Frame `sequence` of 100 a second, one packet each.
        fn give(&mut self, sequence: u64, payload: &[u8]) {
            self.give_later(0, sequence, payload);
        }

        /// The same, after so many frames for which nothing was sent.
        fn give_later(&mut self, later: u64, sequence: u64, payload: &[u8]) {
            let at = self.at(sequence + later);
            let timestamp = u32::try_from((sequence + later) * 900).unwrap();
            let head = PacketHead { sequence, timestamp, marker: true, received_at: at };
            self.intake.handle_packet(head, payload, at, &mut self.wall);
        }

        fn at(&self, sequence: u64) -> Instant {
            self.start + Duration::from_millis(10 * sequence)
        }

        fn taken(&mut self) -> Vec<Taken> {
            std::iter::from_fn(|| self.intake.poll()).collect()
        }

        fn times(&mut self) -> Vec<u64> {
            times(&self.taken())
        }
    }

    fn times(taken: &[Taken]) -> Vec<u64> {
        let time = |one: &Taken| if let Taken::Frame(frame) = one { Some(frame.time_us / 1000) } else { None };
        taken.iter().filter_map(time).collect()
    }

    fn gaps(taken: &[Taken]) -> Vec<Gap> {
        taken
            .iter()
            .filter_map(|one| if let Taken::Gap(gap) = one { Some(*gap) } else { None })
            .collect()
    }

    #[test]
    fn after_a_loss_pictures_pause_until_a_key_frame_that_is_asked_for_and_the_pause_is_marked() {
        let mut track = Track::vp8();
        track.give(0, &key(8));
        track.give(1, DELTA);
        assert!(!track.intake.poll_keyframe());
        for sequence in 3..53 {
            track.give(sequence, DELTA);
        }
        assert_eq!(track.times(), [0, 10], "it waits for packet 2");
        track.give(53, DELTA);
        assert!(track.intake.poll_keyframe() && !track.intake.poll_keyframe());
        track.give(54, &key(8));
        track.give(55, DELTA);
        let taken = track.taken();
        assert_eq!(times(&taken), [540, 550]);
        assert_eq!(gaps(&taken), [Gap { from_us: 20_000, to_us: 540_000, reason: GapReason::Lost }]);
    }

    #[test]
    fn a_repair_that_comes_in_time_leaves_no_mark() {
        let mut track = Track::vp8();
        track.give(0, &key(8));
        track.give(2, DELTA);
        track.give(1, DELTA);
        assert_eq!(track.intake.poll_timeout(), Some(track.at(10)), "it is listened to for a moment");
        track.intake.handle_timeout(track.at(10));
        let taken = track.taken();
        assert_eq!((times(&taken), gaps(&taken)), (vec![0, 10, 20], vec![]));
    }

    #[test]
    fn repairs_that_wait_behind_a_pause_of_whoever_takes_them_come_in_time() {
        let mut track = Track::vp8();
        let taken_at = track.at(200);
        let mut give = |sequence: u64, came: u64, payload: &[u8]| {
            let timestamp = u32::try_from(sequence * 900).unwrap();
            let head = PacketHead { sequence, timestamp, marker: true, received_at: track.at(came) };
            track.intake.handle_packet(head, payload, taken_at, &mut track.wall);
        };
        // Two seconds in which nothing was taken; every tenth packet is repaired 100 ms later.
        give(0, 0, &key(8));
        for sequence in 1..200 {
            if sequence % 10 != 5 {
                give(sequence, sequence, DELTA);
            }
            if sequence > 10 && sequence % 10 == 5 {
                give(sequence - 10, sequence, DELTA);
            }
        }
        give(195, 205, DELTA);
        assert_eq!(track.intake.poll_timeout(), None);
        let taken = track.taken();
        assert_eq!((times(&taken).len(), gaps(&taken)), (200, vec![]));
    }

    #[test]
    fn mutes_are_marked_as_mutes_and_sizes_are_told_when_they_change() {
        let mut track = Track::vp8();
        track.give(0, &key(8));
        track.intake.handle_muted(true, track.at(1));
        track.intake.handle_muted(false, track.at(100));
        track.give_later(99, 1, &key(8));
        track.give_later(99, 2, &key(16));
        let taken = track.taken();
        assert_eq!(gaps(&taken), [Gap { from_us: 33_333, to_us: 1_000_000, reason: GapReason::Muted }]);
        let width = |one: &Taken| match one {
            Taken::Config(TrackConfig::Video(video)) => Some(video.width),
            _ => None,
        };
        assert_eq!(taken.iter().filter_map(width).collect::<Vec<_>>(), [8, 16]);
    }

    #[test]
    fn a_loss_in_front_of_a_mute_is_a_gap_of_its_own() {
        let start = Instant::now();
        let mut track = Track { intake: Intake::new(start), wall: WallClock::default(), start };
        track.intake.handle_format(Format::new("audio/opus", 90_000, 1, 0).unwrap(), start);
        // CELT, 10 ms. Packet 1 is lost, and still waited for when the mute comes.
        let sound = &[0x90, 1];
        track.give(0, sound);
        track.give(2, sound);
        track.intake.handle_muted(true, track.at(3));
        track.intake.handle_muted(false, track.at(100));
        track.give_later(97, 3, sound);
        let taken = track.taken();
        assert_eq!(times(&taken), [0, 20, 1000]);
        let lost = Gap { from_us: 10_000, to_us: 20_000, reason: GapReason::Lost };
        let muted = Gap { from_us: 30_000, to_us: 1_000_000, reason: GapReason::Muted };
        assert_eq!(gaps(&taken), [lost, muted]);
    }

    #[test]
    fn half_a_picture_in_front_of_a_mute_is_left_out_and_the_mute_is_marked() {
        let mut track = Track::vp8();
        track.give(0, &key(8));
        let head = PacketHead { sequence: 1, timestamp: 900, marker: false, received_at: track.at(1) };
        track.intake.handle_packet(head, DELTA, track.at(1), &mut track.wall);
        track.intake.handle_muted(true, track.at(2));
        track.intake.handle_muted(false, track.at(100));
        track.give_later(98, 2, &key(8));
        let taken = track.taken();
        assert_eq!(times(&taken), [0, 1000]);
        assert_eq!(gaps(&taken), [Gap { from_us: 33_333, to_us: 1_000_000, reason: GapReason::Muted }]);
    }

    #[test]
    fn what_is_published_again_later_was_not_there_meanwhile_whatever_was_missing_when_it_ended() {
        for is_lost in [false, true] {
            let mut track = Track::vp8();
            track.give(0, &key(8));
            if is_lost {
                track.give(2, DELTA);
            }
            track.intake.handle_ended(track.at(3));
            let format = Format::new("video/VP8", 90_000, 0, 10).unwrap();
            track.intake.handle_format(format, track.at(500));
            track.give_later(490, 10, &key(8));
            track.intake.handle_timeout(track.at(510));
            let unpublished = Gap { from_us: 33_333, to_us: 5_000_000, reason: GapReason::Unpublished };
            assert_eq!(gaps(&track.taken()), [unpublished], "{is_lost}");
        }
    }

    #[test]
    fn a_key_frame_that_says_no_size_is_no_entry() {
        let mut track = Track::vp8();
        track.give(0, &[0x10, 0x10, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        track.give(1, DELTA);
        track.intake.handle_timeout(track.at(10));
        assert!(track.times().is_empty());
        assert!(track.intake.poll_keyframe());
    }

    #[test]
    fn sound_that_waited_and_comes_all_at_once_lies_where_it_was_made_and_not_before_the_recording() {
        for (came_ms, expected) in [(300, vec![180, 200, 220, 240, 260, 280, 300]), (50, vec![10, 30, 50])] {
            let start = Instant::now();
            let came_at = start + Duration::from_millis(came_ms);
            let (mut intake, mut wall) = (Intake::new(start), WallClock::default());
            intake.handle_format(Format::new("audio/opus", 48_000, 2, 0).unwrap(), start);
            for (sequence, timestamp) in (0..7).zip((0..).step_by(960)) {
                let head = PacketHead { sequence, timestamp, marker: true, received_at: came_at };
                intake.handle_packet(head, &[0x78, 1], came_at, &mut wall);
            }
            intake.handle_timeout(came_at + LISTEN);
            let taken: Vec<_> = std::iter::from_fn(|| intake.poll()).collect();
            assert_eq!(times(&taken), expected);
        }
    }

    #[test]
    fn opus_says_how_long_it_lasts() {
        assert_eq!(opus_duration_us(&[0x78, 1]), Some(20_000), "hybrid, 20 ms, one frame");
        assert_eq!(opus_duration_us(&[0xfb, 3]), Some(60_000), "CELT, three frames of 20 ms");
        assert_eq!(opus_duration_us(&[0xe0]), Some(2_500));
        assert_eq!(opus_duration_us(&[0x1b, 63]), Some(120_000), "no more than there may be");
        assert_eq!(opus_duration_us(&[]), None);
    }
}
