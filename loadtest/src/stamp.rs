//! What every packet of media carries at the end of its payload: which stream and packet it is, and when it was
//! sent. A forwarder leaves payloads alone (it renumbers headers and descriptors only), so the receiver reads what
//! the sender wrote. Knows no codec.

/// Bytes of a stamp. A payload is never shorter.
pub(crate) const STAMP_LEN: usize = 28;

const MAGIC: [u8; 4] = *b"slt1";
const KEYFRAME: u8 = 1;
const UNIFORM: u8 = 2;
const VIDEO: u8 = 4;

/// One packet, as its sender knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The track's number in the run.
    pub(crate) track: u32,
    /// Encoding of a simulcast, from the smallest.
    pub(crate) encoding: u8,
    /// A decoder can begin with the frame.
    pub(crate) is_keyframe: bool,
    /// Every packet of the track is owed to every subscriber: there is nothing to choose from.
    pub(crate) is_uniform: bool,
    /// Pictures, not sound.
    pub(crate) is_video: bool,
    /// Number of the packet in its frame, from 0.
    pub(crate) packet: u8,
    /// Packets of the frame.
    pub(crate) packets: u8,
    /// Number of the frame in its encoding.
    pub(crate) frame: u32,
    /// Number of the packet in its encoding.
    pub(crate) number: u32,
    /// When it was sent, in nanoseconds of the run's clock.
    pub(crate) sent_ns: u64,
}

impl Stamp {
    /// Writes it over the last bytes of a payload. Shorter payloads stay as they are.
    pub(crate) fn write(&self, payload: &mut [u8]) {
        let Some(tail) = payload.last_chunk_mut::<STAMP_LEN>() else { return };
        tail[..4].copy_from_slice(&MAGIC);
        tail[4..8].copy_from_slice(&self.track.to_be_bytes());
        tail[8] = self.encoding;
        let flags = [(self.is_keyframe, KEYFRAME), (self.is_uniform, UNIFORM), (self.is_video, VIDEO)];
        tail[9] = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum();
        tail[10] = self.packet;
        tail[11] = self.packets;
        tail[12..16].copy_from_slice(&self.frame.to_be_bytes());
        tail[16..20].copy_from_slice(&self.number.to_be_bytes());
        tail[20..].copy_from_slice(&self.sent_ns.to_be_bytes());
    }

    /// Reads it; `None` when the payload is not one of ours.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let tail = payload.last_chunk::<STAMP_LEN>()?;
        let word = |at: usize| u32::from_be_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]);
        (tail[..4] == MAGIC).then(|| Self {
            track: word(4),
            encoding: tail[8],
            is_keyframe: tail[9] & KEYFRAME != 0,
            is_uniform: tail[9] & UNIFORM != 0,
            is_video: tail[9] & VIDEO != 0,
            packet: tail[10],
            packets: tail[11],
            frame: word(12),
            number: word(16),
            sent_ns: u64::from(word(20)) << 32 | u64::from(word(24)),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(
            (track, frame, number, sent_ns) in any::<(u32, u32, u32, u64)>(),
            (encoding, packet, packets) in any::<(u8, u8, u8)>(),
            (is_keyframe, is_uniform, is_video) in any::<(bool, bool, bool)>(),
            mut payload in proptest::collection::vec(any::<u8>(), STAMP_LEN..200),
        ) {
            let stamp =
                Stamp { track, encoding, is_keyframe, is_uniform, is_video, packet, packets, frame, number, sent_ns };
            stamp.write(&mut payload);
            prop_assert_eq!(Stamp::read(&payload), Some(stamp));
        }

        #[test]
        fn foreign_bytes_are_no_stamp(payload in proptest::collection::vec(0_u8..0x60, 0..100)) {
            prop_assert_eq!(Stamp::read(&payload), None);
        }
    }
}
