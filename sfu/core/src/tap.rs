//! Taps: a track given away as values, to whoever records it or listens to it.
//!
//! A tap is the third kind of sink of a track, beside subscriptions and relays. It has a forwarder and numbers of its
//! own, as a subscription has, so what it gives is **one continuous stream**: no sequence number twice, one timestamp
//! line over changes of encodings, mutes and the move to a second codec. Of a simulcast track it follows the best encoding
//! that lives, within its wish; layers within an encoding come as a subscriber would get them. RED is unwrapped, and
//! packet trailers are cut off. It has no link, so nobody shares one out: what it wants it gets.
//!
//! It counts as a subscriber for dynacast, and asks for a key frame when it has nothing to begin with. Of losses it does
//! not: whoever drains it knows how long it waited for repairs, and says so ([`crate::Command::TapKeyframe`]).
//!
//! ```text
//!  Muted?  Format  SenderReport?  Packet  Packet ...  Muted  Muted  Packet ...  Format  Packet ...  Ended
//! ```
//!
//! This module has the words and the state of one tap. Who makes and feeds them is `worker/taps.rs`; what carries what they
//! give, and what happens when that is full, is whoever owns the worker.

use std::sync::Arc;
use std::time::Instant;

use sluice_rtp::dependency_descriptor;
use str0m::format::CodecSpec;

use crate::allocator::LayerId;
use crate::forwarder::{Arrival, Forwarder, OutNumbers, Placement, Verdict};
use crate::track::{Ingested, Track};
use crate::transport::{OutFormat, SenderClock};
use crate::{Kind, ParticipantId, RoomId, TrackId, TrackKey};

/// No layer of a track is above it.
const ALL: u8 = 7;

/// A tap, by the number whoever made it gave it. A number is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TapId(pub u64);

/// How much of a track a tap wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TapWish {
    /// Highest spatial (or simulcast) layer: 0 = `q`, 1 = `h`, 2 = `f`. Where all that live are above, the lowest of
    /// them. `None`: the best there is. Of no meaning for sound.
    pub max_spatial: Option<u8>,
}

/// What a tap gives, in order. [`TapMessage::Ended`] comes once, and last.
#[derive(Debug, Clone)]
pub enum TapMessage {
    /// How to read the packets that follow. First of all before any packet, and again when it changes.
    Format(TapFormat),
    /// A packet.
    Packet(TapPacket),
    /// What a timestamp means in time.
    SenderReport(TapReport),
    /// The track was muted or is not any more. Said at the beginning only of one that is muted, and then before its
    /// format is known. While it is muted no packets come.
    Muted {
        /// Muted or not.
        is_muted: bool,
        /// Since when.
        at: Instant,
    },
    /// Nothing comes any more: the tap was taken away, or its track, its publisher or the room went, or they never were.
    Ended,
}

/// What the packets of a track are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapFormat {
    /// The first packet in it. One before that which comes later is in the format before.
    pub from_sequence: u64,
    /// `video/VP8`, `audio/opus`.
    pub mime_type: String,
    /// Ticks of the timestamps in a second.
    pub clock_rate_hz: u32,
    /// Of sound, how many channels were agreed (two for all Opus, RFC 7587 section 7).
    pub channels: Option<u8>,
    /// The parameters agreed, as in `a=fmtp`: profile and packetization mode of H264 and the like. May be empty.
    pub fmtp: String,
}

/// What the last sender report of the track's publisher says of a packet (RFC 3550 section 6.4.1). Said with the first
/// packet after each report, and where the tap's timestamps begin anew. Not the report itself: whoever taps a track between
/// two of them is told of one that came seconds ago, and how long ago nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TapReport {
    /// When it was captured by the wall clock of the publisher, NTP's 32.32 fixed point. The same clock for all its
    /// tracks.
    pub ntp: u64,
    /// The packet's timestamp, on the tap's own line.
    pub timestamp: u32,
    /// When the packet came.
    pub received_at: Instant,
}

/// A packet of a tap. Cloning counts a reference: the payload is the one all subscribers were sent.
#[derive(Debug, Clone)]
pub struct TapPacket {
    ingested: Arc<Ingested>,
    placement: Placement,
    format: OutFormat,
}

impl TapPacket {
    /// Its number, extended. Packets may come out of order; what is missing was lost, or is not repaired yet.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.placement.sequence
    }

    /// In ticks of the format's clock, on the tap's own line.
    #[must_use]
    pub fn timestamp(&self) -> u32 {
        self.placement.timestamp
    }

    /// Of pictures: the last packet of one.
    #[must_use]
    pub fn marker(&self) -> bool {
        self.placement.marker
    }

    /// When it came from its publisher.
    #[must_use]
    pub fn received_at(&self) -> Instant {
        self.ingested.packet.arrived_at
    }

    /// A decoder can begin with it: the first packet of a key frame, or any of sound.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        self.ingested.info.is_entry
    }

    /// How its picture is to be turned for showing (3GPP TS 26.114 section 7.4.5: camera, flip and rotation in the low
    /// four bits), where it says so.
    #[must_use]
    pub fn orientation(&self) -> Option<u8> {
        self.ingested.packet.carried.orientation()
    }

    /// Bytes that [`Self::write_payload`] appends.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.ingested.payload(self.format).len()
    }

    /// Appends the payload: the codec's descriptor, with numbers that go on over changes of encodings, and what it
    /// carries.
    pub fn write_payload(&self, to: &mut Vec<u8>) {
        let begin = to.len();
        self.ingested.write_payload(self.format, to);
        let Placement { picture_id, tl0_pic_idx, .. } = self.placement;
        self.ingested.info.descriptor.patch(&mut to[begin..], picture_id, tl0_pic_idx);
    }

    /// Appends the dependency descriptor (AV1 RTP payload specification, appendix A). False where there is none.
    pub fn write_dependency_descriptor(&self, to: &mut Vec<u8>) -> bool {
        let Placement { frame_number, active_targets, .. } = self.placement;
        let Ingested { packet, info, .. } = &*self.ingested;
        let mut bytes = [0; dependency_descriptor::MAX_LEN];
        let written = packet.carried.dependency_descriptor().and_then(|raw| {
            bytes.get_mut(..raw.len())?.copy_from_slice(raw);
            let len = info.patch_dependency(&mut bytes, raw.len(), frame_number, active_targets)?;
            bytes.get(..len)
        });
        written.is_some_and(|written| {
            to.extend_from_slice(written);
            true
        })
    }
}

/// One tap.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) room: RoomId,
    pub(crate) publisher: ParticipantId,
    pub(crate) track_id: TrackId,
    /// What it is fed from, once that is published.
    pub(crate) track: Option<TrackKey>,
    wish: TapWish,
    forwarder: Forwarder,
    numbers: OutNumbers,
    /// As told last.
    format: Option<CodecSpec>,
    clock: Option<SenderClock>,
    is_muted: bool,
}

impl Tap {
    pub(crate) fn new((room, publisher, track_id): (RoomId, ParticipantId, TrackId), wish: TapWish) -> Self {
        Self {
            room,
            publisher,
            track_id,
            track: None,
            wish,
            forwarder: Forwarder::default(),
            numbers: OutNumbers::default(),
            format: None,
            clock: None,
            is_muted: false,
        }
    }

    /// Its packets come from that track from now on.
    pub(crate) fn feed(&mut self, key: TrackKey, is_simulcast: bool) {
        self.track = Some(key);
        self.forwarder = Forwarder::new(is_simulcast);
    }

    /// The best spatial layer it wants, in the words of [`crate::Demand::max_spatial`].
    pub(crate) fn max_spatial(&self) -> u8 {
        self.wish.max_spatial.unwrap_or(crate::Demand::NOTHING.max_spatial)
    }

    /// The layers that live may have changed.
    pub(crate) fn aim(&mut self, track: &Track, now: Instant) {
        let most = self.wish.max_spatial.unwrap_or(ALL);
        let spatial = track.best_stream(most, now).unwrap_or(most);
        self.forwarder.set_target(Some(LayerId { spatial, temporal: ALL }));
    }

    /// The encoding of which it needs a key frame to go on as it is meant to.
    pub(crate) fn waits_for_keyframe(&self) -> Option<u8> {
        self.forwarder.waits_for_keyframe()
    }

    /// The encoding it gives, or is about to give.
    pub(crate) fn stream(&self) -> Option<u8> {
        self.forwarder.stream().or_else(|| self.waits_for_keyframe())
    }

    /// Its track is muted or not. What to say of it: nothing, where that is known.
    pub(crate) fn set_muted(&mut self, is_muted: bool, at: Instant) -> Option<TapMessage> {
        if is_muted {
            // What comes after begins anew, whatever was on its way.
            self.forwarder.pause();
        }
        let was_muted = std::mem::replace(&mut self.is_muted, is_muted);
        (was_muted != is_muted).then_some(TapMessage::Muted { is_muted, at })
    }

    /// A packet of its track came. False when it is none of its stream.
    pub(crate) fn take(&mut self, kind: Kind, ingested: &Arc<Ingested>, mut give: impl FnMut(TapMessage)) -> bool {
        let Ingested { packet, info, format, .. } = &**ingested;
        let spec = format.spec();
        let clock_rate_hz = spec.clock_rate.get();
        let arrival = Arrival { at: packet.arrived_at, clock_rate_hz };
        let Verdict::Forward(placement) = self.forwarder.forward(info, &mut self.numbers, arrival) else {
            return false;
        };
        if self.format.replace(spec) != Some(spec) {
            give(TapMessage::Format(describe(kind, spec, placement.sequence)));
        }
        // Another source has a line of its own, and begins elsewhere on ours: the same report says something else.
        if let Some(clock) = packet.clock.filter(|_| packet.clock != self.clock || placement.is_switch) {
            self.clock = packet.clock;
            give(TapMessage::SenderReport(TapReport {
                ntp: clock.time_of(packet.timestamp, clock_rate_hz),
                timestamp: placement.timestamp,
                received_at: packet.arrived_at,
            }));
        }
        let format = OutFormat {
            payload_type: *packet.payload_type,
            is_unwrapped: ingested.is_redundant(),
            takes_trailers: false,
            repair: None,
            clock_rate_hz,
        };
        give(TapMessage::Packet(TapPacket { ingested: Arc::clone(ingested), placement, format }));
        true
    }
}

fn describe(kind: Kind, spec: CodecSpec, from_sequence: u64) -> TapFormat {
    let media = match kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
    };
    TapFormat {
        from_sequence,
        mime_type: format!("{media}/{}", spec.codec),
        clock_rate_hz: spec.clock_rate.get(),
        channels: spec.channels,
        fmtp: spec.format.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

    use std::time::Duration;

    use sluice_rtp::VideoCodec;
    use str0m::format::{Codec, FormatParams, PayloadParams};
    use str0m::media::{Frequency, Mid, Pt, Rid};

    use super::*;
    use crate::forwarder::{Inspector, Received};
    use crate::transport::{Carried, Packet};

    /// Of 40 ms.
    const TICKS_IN_FRAME: u32 = 3_600;

    /// An encoding of a simulcast camera in VP8, whose every packet is a picture.
    struct Encoding {
        rid: &'static str,
        inspector: Inspector,
        sequence: u64,
        timestamp: u32,
        clock: Option<SenderClock>,
    }

    impl Encoding {
        fn new(index: u8, rid: &'static str, sequence: u64, timestamp: u32) -> Self {
            Self { rid, inspector: Inspector::new(index, true), sequence, timestamp, clock: None }
        }

        /// Its publisher says that the next picture is of this time, in seconds.
        fn report(&mut self, seconds: u64) {
            self.clock = Some(SenderClock { ntp: seconds << 32, rtp: self.timestamp });
        }

        fn next(&mut self, is_key: bool, arrived_at: Instant) -> Arc<Ingested> {
            let packet = Packet {
                mid: Mid::from("0"),
                rid: Some(Rid::from(self.rid)),
                payload_type: Pt::from(96),
                sequence: self.sequence,
                timestamp: self.timestamp,
                marker: true,
                payload: Arc::from([0x10, u8::from(!is_key), 0xff]),
                carried: Carried::default(),
                clock: self.clock,
                arrived_at,
            };
            (self.sequence, self.timestamp) = (self.sequence + 1, self.timestamp.wrapping_add(TICKS_IN_FRAME));
            let info = self.inspector.inspect(Received {
                codec: Some(VideoCodec::Vp8),
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                marker: packet.marker,
                payload: &packet.payload,
                dependency_descriptor: None,
            });
            let (codec, clock_rate) = (Codec::Vp8, Frequency::NINETY_KHZ);
            let spec = CodecSpec { codec, clock_rate, channels: None, format: FormatParams::default() };
            let format = PayloadParams::new(Pt::from(96), Some(Pt::from(97)), spec);
            Arc::new(Ingested { packet, info, format, primary_at: 0, trailer_len: 0 })
        }
    }

    fn tap_of(stream: u8) -> Tap {
        let mut tap = Tap::new(("RM_1".into(), "PA_ann".into(), "TR_cam".into()), TapWish::default());
        tap.feed(TrackKey::default(), true);
        want(&mut tap, stream);
        tap
    }

    fn want(tap: &mut Tap, stream: u8) {
        tap.forwarder.set_target(Some(LayerId { spatial: stream, temporal: ALL }));
    }

    /// What a tap gives of a packet, in short.
    fn given(tap: &mut Tap, packet: &Arc<Ingested>) -> Vec<String> {
        let mut said = Vec::new();
        tap.take(Kind::Video, packet, |message| {
            said.push(match message {
                TapMessage::Format(format) => format!("{} from {}", format.mime_type, format.from_sequence),
                TapMessage::SenderReport(report) => {
                    format!("{} ms is {}", (report.ntp * 1_000 + (1 << 31)) >> 32, report.timestamp)
                }
                TapMessage::Packet(packet) => format!("{} at {}", packet.sequence(), packet.timestamp()),
                other => format!("{other:?}"),
            });
        });
        said
    }

    #[test]
    fn reports_of_every_encoding_are_on_the_one_line_of_the_tap() {
        let (mut tap, start) = (tap_of(0), Instant::now());
        let at = |frame: u32| start + Duration::from_millis(40) * frame;
        let (mut q, mut f) = (Encoding::new(0, "q", 70, 6_000), Encoding::new(2, "f", 1_000, u32::MAX - 10));
        assert_eq!(given(&mut tap, &q.next(true, at(0))), ["video/VP8 from 1", "1 at 6000"], "no report yet");
        q.report(50);
        assert_eq!(given(&mut tap, &q.next(false, at(1))), ["50000 ms is 9600", "2 at 9600"]);
        assert_eq!(given(&mut tap, &q.next(false, at(2))), ["3 at 13200"], "said once");
        // The larger one begins a frame later, and was reported with the frame before.
        want(&mut tap, 2);
        f.report(70);
        assert!(given(&mut tap, &f.next(false, at(2))).is_empty(), "no picture to begin with");
        assert_eq!(tap.waits_for_keyframe(), Some(2));
        assert_eq!(given(&mut tap, &f.next(true, at(3))), ["70040 ms is 16800", "4 at 16800"]);
        assert!(given(&mut tap, &q.next(false, at(3))).is_empty());
        assert_eq!(given(&mut tap, &f.next(false, at(4))), ["5 at 20400"]);
    }

    #[test]
    fn what_was_muted_begins_anew_and_goes_on_in_time() {
        let (mut tap, start) = (tap_of(0), Instant::now());
        let mut q = Encoding::new(0, "q", 70, 6_000);
        q.report(50);
        given(&mut tap, &q.next(true, start));
        assert!(matches!(tap.set_muted(true, start), Some(TapMessage::Muted { is_muted: true, .. })));
        assert!(tap.set_muted(true, start).is_none(), "told already");
        assert!(tap.set_muted(false, start).is_some());
        let back_at = start + Duration::from_secs(2);
        assert!(given(&mut tap, &q.next(false, back_at)).is_empty());
        assert_eq!(tap.stream(), Some(0), "waited for");
        // Its encoder stood still meanwhile: two frames on its line, two seconds on ours, and the report says which.
        assert_eq!(given(&mut tap, &q.next(true, back_at)), ["50080 ms is 186000", "2 at 186000"]);
    }
}
