//! Who takes from a tap, and whether a decoder could: each packet is read as a receiver's depacketizer would, and what
//! the tap says between packets is held against the order it promises.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use sluice_core::{Command, RoomId, TapId, TapMessage, TapPacket, TapReport, TapWish, TrackId};

use crate::delivery::participant;
use crate::dependency::Dependency;
use crate::descriptor;
use crate::media::{Media, Stamp};
use crate::simulation::Simulation;
use crate::sink::{Received, Sink, Stream};

/// Whoever takes from a tap. See the module's documentation.
#[derive(Debug, Default)]
pub struct Tapped {
    stream: Stream,
    /// Codecs it was told, in order.
    pub formats: Vec<String>,
    /// Mutes it was told, in order.
    pub mutes: Vec<bool>,
    /// When the first packet of every picture came, and where the report puts that on the publisher's clock, in seconds.
    pub placed: Vec<(Instant, f64)>,
    /// What it was told of the publisher's clock, in seconds, and when the packet came of which that was said.
    pub reports: Vec<(Instant, f64)>,
    /// How often it was told that nothing comes any more.
    pub ends: u64,
    /// Packets that found no room while nobody took any.
    pub lost: u64,
    clock_rate_hz: u32,
    report: Option<TapReport>,
    timestamp: Option<u32>,
    is_muted: bool,
    /// Nobody takes anything for now; so many may wait.
    stalled: Option<usize>,
    waiting: VecDeque<TapMessage>,
    /// What came, where it is kept instead of looked at.
    pub(crate) kept: Option<Vec<(Instant, TapMessage)>>,
}

impl Tapped {
    pub(crate) fn new(track: &TrackId, now: Instant) -> Self {
        let mut tapped = Self::default();
        tapped.stream.set_track("tap".into(), Some(track), now);
        tapped
    }

    /// What its decoder made of it.
    #[must_use]
    pub fn sink(&self) -> &Sink {
        &self.stream.sinks[0]
    }

    pub(crate) fn stall(&mut self, room: Option<usize>) {
        self.stalled = room;
    }

    /// The tap gives something. True when the decoder wants a key frame.
    pub(crate) fn give(&mut self, message: TapMessage, now: Instant) -> bool {
        if let Some(kept) = &mut self.kept {
            kept.push((now, message));
            return false;
        }
        let is_full = self.stalled.is_some_and(|room| self.waiting.len() >= room);
        match &message {
            TapMessage::Packet(_) if is_full => self.lost += 1,
            _ => self.waiting.push_back(message),
        }
        let mut asks = false;
        while self.stalled.is_none()
            && let Some(message) = self.waiting.pop_front()
        {
            asks |= self.hear(message, now);
        }
        asks
    }

    fn hear(&mut self, message: TapMessage, now: Instant) -> bool {
        if self.ends > 0 {
            self.complain(format!("after the end: {message:?}"));
        }
        match message {
            TapMessage::Format(format) => {
                self.clock_rate_hz = format.clock_rate_hz;
                self.formats.push(format.mime_type);
            }
            TapMessage::SenderReport(report) => {
                self.reports.push((report.received_at, seconds(report.ntp)));
                self.report = Some(report);
            }
            TapMessage::Muted { is_muted, .. } => {
                if is_muted == self.is_muted {
                    self.complain(format!("muted {is_muted} twice"));
                }
                self.is_muted = is_muted;
                self.mutes.push(is_muted);
            }
            TapMessage::Ended => self.ends += 1,
            TapMessage::Packet(packet) => return self.receive(&packet, now),
        }
        false
    }

    fn receive(&mut self, packet: &TapPacket, now: Instant) -> bool {
        if self.is_muted {
            self.complain(format!("a packet of a muted track: {}", packet.sequence()));
        }
        let (mut payload, mut dependency) = (Vec::new(), Vec::new());
        packet.write_payload(&mut payload);
        if payload.len() != packet.payload_len() {
            self.complain(format!("{} bytes, said to be {}", payload.len(), packet.payload_len()));
        }
        let dependency = packet.write_dependency_descriptor(&mut dependency).then_some(Dependency(dependency));
        let Some(media) = self.formats.last().and_then(|mime_type| media(mime_type)) else {
            self.complain(format!("a packet before its format: {:?}", self.formats));
            return false;
        };
        let is_marked = packet.marker();
        let read = descriptor::read(media, &payload, is_marked, dependency.as_ref(), &mut self.stream.table);
        let read = read.and_then(|(described, len)| Some((described, Stamp::read(payload.get(len..)?)?)));
        let Some((described, stamp)) = read else {
            self.complain(format!("{media:?} payload that nobody sent: {payload:?}"));
            return false;
        };
        if packet.is_entry() != (stamp.is_entry() || !media.is_video()) && self.sink().frames == 0 {
            self.complain(format!("said to be an entry: {}, {stamp:?}", packet.is_entry()));
        }
        let is_first = self.timestamp.replace(packet.timestamp()) != Some(packet.timestamp());
        if let Some(report) = self.report.filter(|_| is_first) {
            let since = f64::from(packet.timestamp().wrapping_sub(report.timestamp).cast_signed());
            let at = seconds(report.ntp) + since / f64::from(self.clock_rate_hz);
            self.placed.push((packet.received_at(), at));
        }
        self.stream.receive(Received {
            at: now,
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            media,
            stamp,
            described,
            payload_len: payload.len(),
            is_marked,
            has_trailer: false,
        })
    }

    fn complain(&mut self, what: String) {
        self.stream.violations.push(what);
    }

    /// What is wrong with it. `is_lossless`: no network of its publisher lost or reordered anything.
    pub(crate) fn audit(&self, tap: TapId, is_lossless: bool) -> Vec<String> {
        let wrong = self.stream.audit(is_lossless && self.lost == 0);
        wrong.into_iter().map(|what| format!("{tap:?}: {what}")).collect()
    }

    /// How far the publisher's clock, as its reports tell it, and ours drift apart and together, in seconds. Of each second
    /// the picture counts that was least under way: others wait behind key frames.
    #[must_use]
    pub fn clock_error(&self) -> f64 {
        let Some((first, _)) = self.placed.first() else { return f64::INFINITY };
        let mut ahead = BTreeMap::new();
        for (came, at) in &self.placed {
            let since = (*came - *first).as_secs_f64();
            let most = ahead.entry(since as u64).or_insert(f64::MIN);
            *most = f64::max(*most, at - since);
        }
        let (least, most) = ahead
            .values()
            .fold((f64::MAX, f64::MIN), |(least, most), e| (f64::min(least, *e), f64::max(most, *e)));
        most - least
    }
}

impl Simulation {
    /// Somebody's track is to be tapped, under any room's name for it.
    pub fn tap_in(&mut self, room: RoomId, publisher: &str, track: &TrackId, wish: TapWish) -> TapId {
        let tap = TapId(self.taps.len() as u64);
        self.taps.insert(tap, Tapped::new(track, self.now()));
        let (publisher, track) = (participant(publisher), track.clone());
        self.command(Command::Tap { tap, room, publisher, track, wish });
        tap
    }

    /// Somebody's track is to be tapped.
    pub fn tap(&mut self, publisher: &str, track: &TrackId, wish: TapWish) -> TapId {
        self.tap_in(self.room.clone(), publisher, track, wish)
    }

    /// A tap is taken away.
    pub fn untap(&mut self, tap: TapId) {
        self.command(Command::Untap { tap });
    }

    /// From now on nobody takes what a tap gives, and so many messages may wait; or somebody does again.
    pub fn stall_tap(&mut self, tap: TapId, room: Option<usize>) {
        self.taps.get_mut(&tap).expect("a tap").stall(room);
    }

    /// Whoever takes from a tap.
    #[must_use]
    pub fn tapped(&self, tap: TapId) -> &Tapped {
        &self.taps[&tap]
    }

    /// Hands what taps give to those who take it. False when there was nothing.
    pub(crate) fn take_tapped(&mut self) -> bool {
        let (now, mut is_any) = (self.now(), false);
        while let Some((tap, message)) = self.workers.poll_tapped() {
            is_any = true;
            if self.taps.get_mut(&tap).is_some_and(|tapped| tapped.give(message, now)) {
                self.workers.handle_command(Command::TapKeyframe { tap }, now);
            }
        }
        is_any
    }
}

/// NTP's 32.32 fixed point.
fn seconds(ntp: u64) -> f64 {
    ntp as f64 / 2_f64.powi(32)
}

fn media(mime_type: &str) -> Option<Media> {
    let all = [Media::Opus].into_iter().chain(Media::VIDEO);
    all.into_iter().find(|media| media.mime_type().eq_ignore_ascii_case(mime_type))
}
