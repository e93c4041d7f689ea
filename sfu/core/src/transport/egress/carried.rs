//! Header extensions that travel with a packet from its publisher to every subscriber, as bytes ready to write.
//!
//! Made once for each packet. Names of streams (mid, rid) and transport-wide numbers are each connection's own and
//! are not among them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sluice_rtp::av1::DEPENDENCY_DESCRIPTOR_URI;
use str0m::rtp::{Extension, ExtensionMap, ExtensionValues};

use super::super::RawDependencyDescriptor;

/// Seconds from 1900, where NTP counts from, to 1970 (RFC 5905 figure 4).
const NTP_TO_UNIX_SECONDS: u64 = 2_208_988_800;

/// What a publisher's packet says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Carried {
    /// RFC 6464: level and voice activity.
    audio_level: Option<u8>,
    /// 3GPP TS 26.114: coordination of video orientation.
    orientation: Option<u8>,
    playout_delay: Option<[u8; 3]>,
    /// The second half only where the sender knew the offset of its clock.
    absolute_capture_time: Option<([u8; 16], usize)>,
    dependency_descriptor: Option<Arc<RawDependencyDescriptor>>,
}

impl Carried {
    pub(crate) fn read(values: &ExtensionValues) -> Self {
        let level =
            |dbov: i8| dbov.unsigned_abs().min(127) | if values.voice_activity == Some(true) { 0x80 } else { 0 };
        Self {
            audio_level: values.audio_level.map(level),
            orientation: values.video_orientation.map(|o| o as u8),
            playout_delay: playout_delay(values),
            absolute_capture_time: values.abs_capture_time.map(|time| {
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&ntp(time.capture_time).to_be_bytes());
                bytes[8..].copy_from_slice(&time.clock_offset.unwrap_or(0).to_be_bytes());
                (bytes, if time.clock_offset.is_some() { 16 } else { 8 })
            }),
            dependency_descriptor: values.user_values.get_arc::<RawDependencyDescriptor>(),
        }
    }

    /// For a piece of sound that a packet repeats: as loud as the packet that brings it, so that no meter jumps.
    pub(crate) fn of_repeated(&self) -> Self {
        Self { audio_level: self.audio_level, ..Self::default() }
    }

    /// How a picture is to be turned, as its publisher wrote it.
    pub(crate) fn orientation(&self) -> Option<u8> {
        self.orientation
    }

    /// Sound level as -dBov, 0 to 127.
    pub(crate) fn audio_level_dbov(&self) -> Option<u8> {
        self.audio_level.map(|byte| byte & 0x7f)
    }

    /// The dependency descriptor as its publisher wrote it.
    pub(crate) fn dependency_descriptor(&self) -> Option<&[u8]> {
        self.dependency_descriptor.as_deref().map(|raw| raw.0.as_ref())
    }

    /// Elements for a subscriber that negotiated `ids`, the dependency descriptor left out: it is rewritten.
    pub(super) fn elements(&self, ids: &ExtensionIds) -> impl Iterator<Item = (u8, &[u8])> {
        fn one(id: Option<u8>, bytes: Option<&[u8]>) -> Option<(u8, &[u8])> {
            Some((id?, bytes?))
        }
        let capture_time = self.absolute_capture_time.as_ref().map(|(bytes, len)| &bytes[..*len]);
        [
            one(ids.audio_level, self.audio_level.as_ref().map(std::slice::from_ref)),
            one(ids.orientation, self.orientation.as_ref().map(std::slice::from_ref)),
            one(ids.playout_delay, self.playout_delay.as_ref().map(<[u8; 3]>::as_slice)),
            one(ids.absolute_capture_time, capture_time),
        ]
        .into_iter()
        .flatten()
    }
}

/// Ten-millisecond steps, twelve bits each.
fn playout_delay(values: &ExtensionValues) -> Option<[u8; 3]> {
    let steps = |time: str0m::media::MediaTime| u16::try_from(Duration::from(time).as_millis() / 10).ok();
    let (min, max) = (steps(values.play_delay_min?)?.min(0xfff), steps(values.play_delay_max?)?.min(0xfff));
    let [_, a, b, c] = (u32::from(min) << 12 | u32::from(max)).to_be_bytes();
    Some([a, b, c])
}

/// NTP's 32.32 fixed point (RFC 5905 section 6). Wraps in 2036, as it does on the wire.
pub(in super::super) fn ntp(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().wrapping_add(NTP_TO_UNIX_SECONDS) << 32;
    seconds | ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000)
}

/// Ids a client's section negotiated (RFC 8285).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ExtensionIds {
    pub(super) transport_sequence: Option<u8>,
    pub(super) mid: Option<u8>,
    pub(super) audio_level: Option<u8>,
    pub(super) orientation: Option<u8>,
    pub(super) playout_delay: Option<u8>,
    pub(super) absolute_capture_time: Option<u8>,
    pub(super) absolute_send_time: Option<u8>,
    pub(super) dependency_descriptor: Option<u8>,
}

impl ExtensionIds {
    pub(crate) fn agreed(map: &ExtensionMap) -> Self {
        let mut ids = Self::default();
        for (id, extension) in map.iter() {
            let place = match extension {
                Extension::TransportSequenceNumber => &mut ids.transport_sequence,
                Extension::RtpMid => &mut ids.mid,
                Extension::AudioLevel => &mut ids.audio_level,
                Extension::VideoOrientation => &mut ids.orientation,
                Extension::PlayoutDelay => &mut ids.playout_delay,
                Extension::AbsoluteCaptureTime => &mut ids.absolute_capture_time,
                Extension::AbsoluteSendTime => &mut ids.absolute_send_time,
                other if other.as_uri() == DEPENDENCY_DESCRIPTOR_URI => &mut ids.dependency_descriptor,
                _ => continue,
            };
            *place = Some(id);
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use str0m::media::MediaTime;
    use str0m::rtp::{AbsCaptureTime, VideoOrientation};

    use super::*;

    fn ids() -> ExtensionIds {
        ExtensionIds {
            audio_level: Some(1),
            orientation: Some(2),
            playout_delay: Some(3),
            absolute_capture_time: Some(4),
            ..Default::default()
        }
    }

    #[test]
    fn what_a_packet_says_of_itself_is_written_as_it_stood() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        let values = ExtensionValues {
            audio_level: Some(-35),
            voice_activity: Some(true),
            video_orientation: Some(VideoOrientation::Deg90),
            play_delay_min: Some(MediaTime::from_hundredths(10)),
            play_delay_max: Some(MediaTime::from_hundredths(0xabc)),
            abs_capture_time: Some(AbsCaptureTime { capture_time: time, clock_offset: None }),
            ..Default::default()
        };
        let carried = Carried::read(&values);
        assert_eq!(carried.audio_level_dbov(), Some(35));
        let capture_time = ((NTP_TO_UNIX_SECONDS + 1) << 32 | 1 << 31).to_be_bytes();
        let elements: Vec<(u8, &[u8])> = carried.elements(&ids()).collect();
        assert_eq!(
            elements,
            [(1, &[0x80 | 35][..]), (2, &[3]), (3, &[0x00, 0xaa, 0xbc]), (4, &capture_time)],
            "RFC 6464, 3GPP TS 26.114, twelve bits each, NTP"
        );
    }

    #[test]
    fn what_was_not_agreed_is_left_out() {
        let values = ExtensionValues { audio_level: Some(-127), ..Default::default() };
        let carried = Carried::read(&values);
        assert_eq!(carried.elements(&ExtensionIds::default()).count(), 0);
        assert_eq!(carried.elements(&ids()).count(), 1);
    }
}
