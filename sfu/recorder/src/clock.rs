//! Where a frame lies on the recording's line of time: microseconds since the recording's start.
//!
//! Without reports, by the RTP clock and the arrival of the packet that was least delayed. With them, by the publisher's own
//! wall clock, which its sound and its pictures share; how that clock lies to ours is what the least delayed of its
//! last reports say, since it was set, and of pictures the least delayed packet before the first of them. Corrections are
//! slewed, so that time goes on at nearly its pace and never back.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Instant;

/// An RTCP sender report, on the timestamp line of the tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// NTP timestamp: seconds since 1900 in the upper 32 bits, fractions of them in the lower.
    pub ntp: u64,
    /// The RTP timestamp of the same instant.
    pub timestamp: u32,
    /// When the report came to this machine.
    pub received_at: Instant,
}

/// How many reports say how the publisher's clock lies to ours: at one every few seconds the least delayed of the last
/// minutes, new enough to follow two clocks that drift apart.
const REPORTS: usize = 32;

/// A line further than this from the arrival of its packets is a lie or a restart: it begins anew there. Buffers on
/// the way and stalled publishers stay well below.
const MAX_DEVIATION_US: i64 = 10_000_000;

/// Most pictures that are shown before one that came in front of them, and how long before: decoders hold back no more
/// (H.264 section A.3.1, H.265 section A.4.2). A line that goes back for longer was set back.
const MAX_EARLY: u32 = 16;
const MAX_EARLY_US: u64 = 1_000_000;

/// Corrections forward of more than this are a jump: to slew over them would take minutes.
const JUMP_US: i64 = 1_000_000;

/// The publisher's wall clock was set where it and the media's went further apart than this from one report to the next: far
/// more than clocks drift in the seconds between, and than reports are made inexactly.
const CLOCK_SET_US: u64 = 500_000;

/// Slewing goes by one part in so many of the time that passes. Of sound 2 %, below what is heard. Of pictures 10 %: nobody
/// sees it, and they are what lags behind at first, by as long as it takes to encode and to send them.
const SLEW_OF_SOUND: i64 = 50;
const SLEW_OF_PICTURES: i64 = 10;

/// Further than this from their sound, pictures go by half of the time that passes: lips that are beside the words are seen, a
/// moment that is too quick is not. A browser on a busy machine sends its first key frame half a second late; at 10 % that would
/// be seen for as long as five seconds.
const LIPS_US: i64 = 40_000;
const SLEW_OF_LATE_PICTURES: i64 = 2;

/// A packet that is less delayed than all before by no more than this tells nothing: clocks tick, and figures are rounded.
const HEARD_US: i64 = 1_000;

/// The publisher's wall clock, shared by all tracks of a participant.
#[derive(Debug, Default)]
pub(crate) struct WallClock {
    /// Arrival minus sending of the last reports, in microseconds, the unknown offset of the clocks included.
    offsets: VecDeque<i64>,
    /// When sound was reported of last, and how late its line was then.
    late_sound: Option<(i64, i64)>,
}

impl WallClock {
    /// Takes a report of what was sent then, and whether the clock was set since the one before; gives where on the recording's
    /// line it lies.
    fn place(&mut self, sent_us: i64, received_us: i64, is_set: bool) -> i64 {
        let offset = received_us - sent_us;
        // The clock was set, or another machine's goes on under the same name, or one of the two lies: what was said before
        // tells nothing of this one.
        let is_another = |other: &i64| other.abs_diff(offset) > MAX_DEVIATION_US.unsigned_abs();
        if self.offsets.back().is_some_and(is_another) {
            self.offsets.clear();
        }
        if is_set {
            // What another track has said since is kept.
            self.offsets.retain(|other| other.abs_diff(offset) <= CLOCK_SET_US);
        }
        if self.offsets.len() == REPORTS {
            self.offsets.pop_front();
        }
        self.offsets.push_back(offset);
        sent_us + self.least()
    }

    /// Takes a packet that was sent then, as a report of it would be; gives where on the recording's line it lies.
    fn hear(&mut self, sent_us: i64, received_us: i64) -> i64 {
        let offset = received_us.saturating_sub(sent_us);
        match self.offsets.back_mut() {
            Some(last) if last.abs_diff(offset) <= CLOCK_SET_US => {
                *last = offset.min(*last);
                sent_us + self.least()
            }
            _ => received_us,
        }
    }

    fn least(&self) -> i64 {
        self.offsets.iter().copied().min().unwrap_or_default()
    }

    /// How late sound is by now, as it is slewed: pictures belong where it is heard, and not where it will be some day.
    fn sound_late_us(&self, now_us: i64) -> i64 {
        let Some((reported_us, late_us)) = self.late_sound else { return 0 };
        let slewed_us = now_us.saturating_sub(reported_us).max(0) / SLEW_OF_SOUND;
        (late_us.abs() - slewed_us).max(0) * late_us.signum()
    }
}

/// The RTP clock of a track on the recording's line.
#[derive(Debug)]
pub(crate) struct MediaClock {
    rate: i64,
    is_video: bool,
    anchor: Option<Anchor>,
    /// Of the last report: when it was sent by the publisher's wall clock, and of which timestamp it speaks.
    reported: Option<(i64, u32)>,
    /// Not yet slewed over.
    pending_us: i64,
    /// The last time given.
    last_us: i64,
    /// How many frames were given since then that are shown before it.
    early: u32,
    /// Something was placed.
    is_placed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    /// The last timestamp, and how many ticks it is behind the one the line began with.
    timestamp: u32,
    ticks: i64,
    /// The most there were of these.
    newest: i64,
    /// Where the line began, with all that was slewed since.
    begin_us: i64,
    /// Where it began as the least delayed of its packets has it.
    least_us: i64,
}

/// A frame's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Microseconds since the recording's start, never less than the one before.
    pub(crate) time_us: u64,
    /// How long before that its timestamp is: pictures may be sent in another order than they are shown in.
    pub(crate) early_us: u64,
    /// The line began anew.
    pub(crate) is_jump: bool,
    /// It was made before the recording began, and is placed at its begin.
    pub(crate) is_before: bool,
}

impl MediaClock {
    pub(crate) fn new(rate: NonZeroU32, is_video: bool) -> Self {
        Self {
            rate: i64::from(rate.get()),
            is_video,
            anchor: None,
            reported: None,
            pending_us: 0,
            last_us: 0,
            early: 0,
            is_placed: false,
        }
    }

    /// Places a frame that came at `received_us`.
    pub(crate) fn place(&mut self, timestamp: u32, received_us: i64) -> Placed {
        let time_us = match &mut self.anchor {
            Some(anchor) => {
                let passed_us = anchor.go_to(timestamp) * 1_000_000 / self.rate;
                let slewed_us = slewed_us(self.is_video, passed_us, self.pending_us);
                anchor.begin_us += slewed_us;
                self.pending_us -= slewed_us;
                anchor.time_us(self.rate)
            }
            None => received_us,
        };
        let is_far = time_us.abs_diff(received_us) > MAX_DEVIATION_US.unsigned_abs();
        let is_jump = is_far && self.anchor.is_some();
        let time_us = if is_far { received_us } else { time_us };
        self.is_placed = true;
        if is_jump || self.anchor.is_none() {
            self.anchor = Some(Anchor::new(timestamp, time_us));
            self.pending_us = 0;
        }
        // Nothing is shown before the recording began, wherever a correction would have it.
        let early_us = self.last_us.saturating_sub(time_us.max(0)).max(0).unsigned_abs();
        self.early = if early_us == 0 { 0 } else { self.early.saturating_add(1) };
        let is_early = self.early <= MAX_EARLY && early_us <= MAX_EARLY_US;
        self.last_us = self.last_us.max(time_us);
        let early_us = if is_early { early_us } else { 0 };
        Placed { time_us: self.last_us.unsigned_abs(), early_us, is_jump, is_before: time_us < 0 }
    }

    /// Hears of a packet that came at `received_us`. Where that is before the line has it, what the line began with was held
    /// up: a key frame takes long to send, and what waited somewhere comes all at once. Until the first frame is placed the
    /// line begins where the least delayed packet has it; later that is slewed to. Once there are reports as well, they say it
    /// better.
    pub(crate) fn hear(&mut self, timestamp: u32, received_us: i64, wall: &mut WallClock) {
        let came_us = match self.reported {
            Some(_) if self.is_placed => return,
            Some((sent_us, of)) => {
                let ticks = i64::from(timestamp.wrapping_sub(of).cast_signed());
                wall.hear(sent_us + ticks * 1_000_000 / self.rate, received_us)
            }
            None => received_us,
        };
        let anchor = self.anchor.get_or_insert(Anchor::new(timestamp, came_us));
        let mut then = *anchor;
        then.go_to(timestamp);
        let begin_us = anchor.begin_us.saturating_add(came_us - then.time_us(self.rate));
        if begin_us.abs_diff(anchor.begin_us) > MAX_DEVIATION_US.unsigned_abs() {
            return;
        }
        if begin_us < anchor.least_us - HEARD_US {
            anchor.least_us = begin_us;
        }
        let sound_late_us = if self.is_video { wall.sound_late_us(received_us) } else { 0 };
        let target_us = anchor.least_us + sound_late_us;
        if !self.is_placed {
            anchor.begin_us = target_us;
        }
        self.pending_us = target_us - anchor.begin_us;
        if !self.is_video {
            wall.late_sound = Some((received_us, -self.pending_us));
        }
    }

    /// Takes a report that came at `received_us`.
    pub(crate) fn report(&mut self, report: &SenderReport, received_us: i64, wall: &mut WallClock) {
        let sent_us = ntp_us(report.ntp);
        // A publisher that stands still for a moment may hold up its report, and pictures before that were not: what was sent
        // with the report came when they say. Sound does not say: it stands still with its publisher, and goes on behind.
        let came_us = match &self.anchor {
            Some(anchor) if self.is_video && self.reported.is_none() => {
                let least_us = anchor.least_us_of(report.timestamp, self.rate);
                let is_near = least_us.abs_diff(received_us) <= MAX_DEVIATION_US.unsigned_abs();
                if is_near { least_us.min(received_us) } else { received_us }
            }
            _ => received_us,
        };
        let is_set = self.reported.replace((sent_us, report.timestamp)).is_some_and(|(before_us, timestamp)| {
            let ticks = i64::from(report.timestamp.wrapping_sub(timestamp).cast_signed());
            (sent_us - before_us).abs_diff(ticks * 1_000_000 / self.rate) > CLOCK_SET_US
        });
        let on_wall_us = wall.place(sent_us, came_us, is_set);
        let target_us = if self.is_video { on_wall_us + wall.sound_late_us(received_us) } else { on_wall_us };
        if target_us.abs_diff(received_us) > MAX_DEVIATION_US.unsigned_abs() {
            return;
        }
        let Some(anchor) = &mut self.anchor else {
            self.anchor = Some(Anchor::new(report.timestamp, target_us));
            return;
        };
        let mut then = *anchor;
        then.go_to(report.timestamp);
        let correction_us = target_us - then.time_us(self.rate);
        if correction_us.abs() > MAX_DEVIATION_US {
            // The report speaks of another line of timestamps than the packets.
        } else if correction_us > JUMP_US {
            anchor.begin_us += correction_us;
            self.pending_us = 0;
        } else {
            self.pending_us = correction_us;
            if !self.is_video {
                wall.late_sound = Some((received_us, -correction_us));
            }
        }
    }
}

/// How much of what is pending is corrected while so much time passes.
fn slewed_us(is_video: bool, passed_us: i64, pending_us: i64) -> i64 {
    let slew = match (is_video, pending_us.abs() > LIPS_US) {
        (false, _) => SLEW_OF_SOUND,
        (true, false) => SLEW_OF_PICTURES,
        (true, true) => SLEW_OF_LATE_PICTURES,
    };
    (passed_us / slew).min(pending_us.abs()) * pending_us.signum()
}

/// Microseconds since 1900. 2^32 seconds are 4.3e15 of them.
fn ntp_us(ntp: u64) -> i64 {
    i64::try_from((u128::from(ntp) * 1_000_000) >> 32).unwrap_or(i64::MAX)
}

impl Anchor {
    fn new(timestamp: u32, begin_us: i64) -> Self {
        Self { timestamp, ticks: 0, newest: 0, begin_us, least_us: begin_us }
    }

    /// Goes to a timestamp, the shorter way around; gives how many ticks it is beyond all before.
    fn go_to(&mut self, timestamp: u32) -> i64 {
        let passed = i64::from(timestamp.wrapping_sub(self.timestamp).cast_signed());
        self.timestamp = timestamp;
        // A line that runs away from the arrival of its packets begins anew: this stays small.
        self.ticks = self.ticks.saturating_add(passed);
        let beyond = self.ticks.saturating_sub(self.newest).max(0);
        self.newest += beyond;
        beyond
    }

    /// When a timestamp would have come, no more delayed than the least delayed packet.
    fn least_us_of(mut self, timestamp: u32, rate: i64) -> i64 {
        self.go_to(timestamp);
        self.time_us(rate).saturating_add(self.least_us.saturating_sub(self.begin_us))
    }

    fn time_us(&self, rate: i64) -> i64 {
        self.begin_us.saturating_add(self.ticks.saturating_mul(1_000_000) / rate)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn clock(rate: u32) -> MediaClock {
        MediaClock::new(NonZeroU32::new(rate).unwrap(), rate == 90_000)
    }

    /// NTP of so many microseconds.
    fn ntp(us: u64) -> u64 {
        u64::try_from((u128::from(us) << 32) / 1_000_000).unwrap()
    }

    #[test]
    fn without_reports_time_goes_on_from_the_first_arrival_over_every_wrap_for_48_hours() {
        let mut clock = clock(90_000);
        let mut timestamp = 0xffff_0000_u32;
        let frames: i64 = 48 * 3600;
        for second in 0..frames {
            // Arrival jitters; the line does not.
            let placed = clock.place(timestamp, 250_000 + second * 1_000_000 + (second % 7) * 10_000);
            let time_us = 250_000 + second.unsigned_abs() * 1_000_000;
            assert_eq!(placed, Placed { time_us, early_us: 0, is_jump: false, is_before: false });
            timestamp = timestamp.wrapping_add(90_000);
        }
    }

    #[test]
    fn reports_bring_sound_and_pictures_of_a_participant_together() {
        let at = Instant::now();
        let (mut wall, mut video, mut audio) = (WallClock::default(), clock(90_000), clock(48_000));
        // Pictures begin 300 ms late for a key frame that was long on its way; both were made at the same instant.
        let (mut last_video, mut last_audio) = (0, 0);
        for frame in 0_u32..1500 {
            let made_us = i64::from(frame) * 20_000;
            last_video = video.place(frame * 1800, made_us + 350_000).time_us;
            last_audio = audio.place(7 + frame * 960, made_us + 50_000).time_us;
            if frame % 50 == 25 {
                let sent = ntp(made_us.unsigned_abs() + 5_000_000_000);
                let report = |timestamp| SenderReport { ntp: sent, timestamp, received_at: at };
                let (late, early) = (made_us + 60_000 + i64::from(frame % 3) * 30_000, made_us + 50_000);
                video.report(&report(frame * 1800), late, &mut wall);
                audio.report(&report(7 + frame * 960), early, &mut wall);
            }
        }
        assert!(last_video.abs_diff(last_audio) < 2_000, "{last_video} {last_audio}");
    }

    #[test]
    fn pictures_that_begin_late_are_with_their_sound_a_second_after_the_first_report() {
        let at = Instant::now();
        let (mut wall, mut video, mut audio) = (WallClock::default(), clock(90_000), clock(48_000));
        // A browser that is busy with its beginning sends pictures half a second late, then less and less.
        for frame in 0_u32..150 {
            let made_us = i64::from(frame) * 20_000;
            let late_us = (500_000 - made_us / 2).max(30_000);
            let shown = video.place(frame * 1800, made_us + late_us).time_us;
            let heard = audio.place(7 + frame * 960, made_us + 30_000).time_us;
            if frame % 25 == 24 {
                let ntp = ntp(made_us.unsigned_abs() + 5_000_000_000);
                let report = |timestamp| SenderReport { ntp, timestamp, received_at: at };
                video.report(&report(frame * 1800), made_us + late_us, &mut wall);
                audio.report(&report(7 + frame * 960), made_us + 30_000, &mut wall);
            }
            assert!(made_us < 1_500_000 || shown.abs_diff(heard) <= 40_000, "{shown} and {heard} at {made_us}");
        }
    }

    #[test]
    fn a_key_frame_that_is_long_on_its_way_is_with_its_sound_before_any_report() {
        for sound_held_up_us in [0, 300_000] {
            let (mut wall, mut video, mut audio) = (WallClock::default(), clock(90_000), clock(48_000));
            for frame in 0_u32..100 {
                let made_us = i64::from(frame) * 20_000;
                let seen_us = made_us + 30_000 + if frame == 0 { 250_000 } else { i64::from(frame % 3) * 5_000 };
                let heard_us = (made_us + 30_000).max(sound_held_up_us);
                video.hear(frame * 1800, seen_us, &mut wall);
                let shown = video.place(frame * 1800, seen_us).time_us;
                audio.hear(frame * 960, heard_us, &mut wall);
                let heard = audio.place(frame * 960, heard_us).time_us;
                assert!(made_us < 500_000 || shown.abs_diff(heard) <= 40_000, "{shown} and {heard} at {made_us}");
            }
        }
    }

    #[test]
    fn what_held_up_sound_and_pictures_at_their_begin_does_not_take_them_apart() {
        let at = Instant::now();
        let (mut wall, mut video, mut audio) = (WallClock::default(), clock(90_000), clock(48_000));
        for frame in 0_u32..500 {
            let made_us = i64::from(frame) * 20_000;
            // All of the first 400 ms comes at once. Sound is reported of less often.
            let came_us = (made_us + 30_000).max(430_000);
            let shown = video.place(frame * 1800, came_us).time_us;
            let heard = audio.place(7 + frame * 960, came_us).time_us;
            let ntp = ntp(made_us.unsigned_abs() + 5_000_000_000);
            let report = |timestamp| SenderReport { ntp, timestamp, received_at: at };
            if frame % 50 == 49 {
                video.report(&report(frame * 1800), came_us, &mut wall);
            }
            if frame % 250 == 125 {
                audio.report(&report(7 + frame * 960), came_us, &mut wall);
            }
            assert!(made_us < 4_500_000 || shown.abs_diff(heard) <= 40_000, "{shown} and {heard} at {made_us}");
        }
    }

    #[test]
    fn a_publisher_that_stands_still_with_its_first_report_takes_its_pictures_nowhere() {
        let at = Instant::now();
        let (mut wall, mut video, mut audio) = (WallClock::default(), clock(90_000), clock(48_000));
        // For 600 ms nothing is drawn and nothing sounds; sound goes on behind that as if there had been no pause.
        let [stops, goes_on] = [25_u32, 55];
        for frame in 0_u32..350 {
            let made_us = i64::from(frame) * 20_000;
            let stands_still = (stops..goes_on).contains(&frame);
            let ntp = ntp(made_us.unsigned_abs() + 5_000_000_000);
            let report = |timestamp| SenderReport { ntp, timestamp, received_at: at };
            let sounded = if frame < stops { frame } else { frame.saturating_sub(goes_on - stops) };
            if !stands_still {
                video.hear(frame * 1800, made_us + 50_000, &mut wall);
                let shown = video.place(frame * 1800, made_us + 50_000).time_us;
                audio.hear(sounded * 960, made_us + 30_000, &mut wall);
                let heard = audio.place(sounded * 960, made_us + 30_000).time_us;
                assert!(shown.abs_diff(heard) <= 660_000, "{shown} and {heard} at {made_us}");
                assert!(made_us < 4_200_000 || shown.abs_diff(heard) <= 40_000, "{shown} and {heard} at {made_us}");
            }
            if frame == stops {
                video.report(&report(frame * 1800), made_us + 630_000, &mut wall);
            } else if frame % 50 == 35 && frame > goes_on {
                video.report(&report(frame * 1800), made_us + 30_000, &mut wall);
            }
            if frame == 130 {
                audio.report(&report(sounded * 960), made_us + 30_000, &mut wall);
            }
        }
    }

    #[test]
    fn a_wall_clock_that_is_set_takes_sound_and_pictures_nowhere() {
        for set_us in [-5_000_000, -700_000, 3_000_000_i64] {
            let at = Instant::now();
            let (mut wall, mut video, mut audio) = (WallClock::default(), clock(90_000), clock(48_000));
            for frame in 0_u32..6000 {
                let made_us = i64::from(frame) * 20_000;
                let shown = video.place(frame * 1800, made_us + 50_000).time_us;
                let heard = audio.place(7 + frame * 960, made_us + 50_000).time_us;
                // Two minutes, of each a report a second. The clock is set between one of the pictures and one of the sound.
                let set_by_us = if frame >= 3030 { set_us } else { 0 };
                let sent = ntp((made_us + 5_000_000_000 + set_by_us).unsigned_abs());
                let report = |timestamp| SenderReport { ntp: sent, timestamp, received_at: at };
                if frame % 50 == 25 {
                    video.report(&report(frame * 1800), made_us + 50_000, &mut wall);
                } else if frame % 50 == 35 {
                    audio.report(&report(7 + frame * 960), made_us + 60_000, &mut wall);
                }
                assert!(shown.abs_diff(heard) < 30_000, "{set_us}: {shown} and {heard} at {frame}");
                assert!(shown.abs_diff(made_us.unsigned_abs() + 50_000) < 30_000, "{set_us}: {shown} at {frame}");
            }
        }
    }

    #[test]
    fn a_line_that_jumps_begins_anew_at_its_arrival() {
        let mut clock = clock(90_000);
        clock.place(0, 0);
        assert_eq!(
            clock.place(1 << 31, 33_000),
            Placed { time_us: 33_000, early_us: 0, is_jump: true, is_before: false }
        );
        assert_eq!(
            clock.place((1 << 31) + 3000, 66_000),
            Placed { time_us: 66_333, early_us: 0, is_jump: false, is_before: false }
        );
    }

    #[test]
    fn pictures_sent_behind_one_that_is_shown_later_are_early_and_those_of_a_line_set_back_are_not_for_long() {
        let mut clock = clock(90_000);
        let order = [0_u32, 3, 1, 2, 6, 4, 5];
        let shown = order.map(|frame| {
            let placed = clock.place(frame * 9_000, i64::from(frame) * 100_000);
            (placed.time_us / 100_000, (placed.time_us - placed.early_us) / 100_000)
        });
        assert_eq!(shown, [(0, 0), (3, 3), (3, 1), (3, 2), (6, 6), (6, 4), (6, 5)]);
        // Set back by more than any decoder holds, and by less.
        assert_eq!(
            clock.place(0, 600_000),
            Placed { time_us: 600_000, early_us: 600_000, is_jump: false, is_before: false }
        );
        let early = (0..100_u32).filter(|frame| clock.place(frame * 90, 600_000).early_us > 0).count();
        assert_eq!(early, 13, "and the three in front of them");
        assert_eq!(clock.place(2 * 90_000, 600_000).early_us, 0);
        assert_eq!(clock.place(2 * 90_000 - 99_000, 600_000).early_us, 0, "more than a second");
    }

    #[test]
    fn pictures_that_are_out_of_order_are_slewed_no_faster_than_others() {
        let (mut wall, mut clock, at) = (WallClock::default(), clock(90_000), Instant::now());
        clock.place(0, 0);
        // Half a second too late, as the first report says.
        wall.place(5_000_000_000, 0, false);
        clock.report(&SenderReport { ntp: ntp(5_000_000_000), timestamp: 0, received_at: at }, 500_000, &mut wall);
        clock.report(&SenderReport { ntp: ntp(4_999_500_000), timestamp: 0, received_at: at }, 0, &mut wall);
        let mut last = 0;
        for group in 0..5_u32 {
            for frame in [3, 1, 2] {
                let placed = clock.place((3 * group + frame) * 3_000, i64::from(3 * group + frame) * 33_333);
                last = last.max(placed.time_us);
            }
        }
        // Half a second has passed, of which a half is slewed at most.
        assert!(last.abs_diff(500_000) <= 250_001, "{last}");
    }

    #[test]
    fn nothing_is_shown_before_the_recording_began() {
        let (mut wall, mut clock) = (WallClock::default(), clock(90_000));
        clock.place(0, 10_000);
        // It began a quarter of a second before the recording, as one says that was captured 300 ms after it.
        clock.hear(27_000, 20_000, &mut wall);
        let times = [27_000, 9_000, 18_000].map(|timestamp| clock.place(timestamp, 20_000));
        assert!(times.iter().all(|placed| placed.early_us <= placed.time_us), "{times:?}");
    }

    #[test]
    fn a_wall_clock_that_lies_moves_nothing_far() {
        let (mut wall, mut clock, at) = (WallClock::default(), clock(90_000), Instant::now());
        clock.place(0, 0);
        for second in 1_i64..100 {
            let lie = if second % 2 == 0 { u64::MAX } else { 0 };
            let report = SenderReport { ntp: lie, timestamp: 77, received_at: at };
            clock.report(&report, second * 1_000_000, &mut wall);
            let timestamp = u32::try_from(second).unwrap() * 90_000;
            let placed = clock.place(timestamp, second * 1_000_000);
            let deviation = i64::try_from(placed.time_us).unwrap() - second * 1_000_000;
            assert!(deviation.abs() <= MAX_DEVIATION_US, "{deviation} at {second}");
        }
    }

    #[test]
    fn a_report_of_nothing_known_does_not_keep_those_behind_it_from_being_believed() {
        let (mut wall, mut clock, at) = (WallClock::default(), clock(90_000), Instant::now());
        // An hour ahead of those that follow: before anything was sent, or before the clock was set.
        let report = |sent_us, timestamp| SenderReport { ntp: ntp(sent_us), timestamp, received_at: at };
        clock.report(&report(8_600_000_000, 5), 0, &mut wall);
        clock.place(0, 150_000);
        for second in 0..4_u32 {
            let (now_us, now) = (i64::from(second) * 1_000_000, u64::from(second) * 1_000_000);
            // What came after 150 ms was made at once, as the way of sound says.
            wall.place(ntp_us(ntp(5_000_000_000 + now)), now_us, false);
            clock.report(&report(5_000_000_000 + now, second * 90_000), now_us + 150_000, &mut wall);
            for frame in 0..30 {
                clock.place(second * 90_000 + frame * 3000, now_us + i64::from(frame) * 33_333 + 150_000);
            }
        }
        assert_eq!(clock.place(4 * 90_000, 4_150_000).time_us, 4_000_000);
    }

    proptest! {
        #[test]
        fn time_never_goes_back_whatever_comes(
            steps in prop::collection::vec((any::<u32>(), any::<u64>(), 0i64..1 << 40, 0..3), 0..100)
        ) {
            let (mut wall, mut clock, at) = (WallClock::default(), clock(90_000), Instant::now());
            let mut last = 0;
            for (timestamp, ntp, received_us, what) in steps {
                match what {
                    0 => clock.report(&SenderReport { ntp, timestamp, received_at: at }, received_us, &mut wall),
                    1 => clock.hear(timestamp, received_us, &mut wall),
                    _ => {
                        let placed = clock.place(timestamp, received_us);
                        prop_assert!(placed.time_us >= last && placed.early_us <= placed.time_us);
                        last = placed.time_us;
                    }
                }
            }
        }
    }
}
