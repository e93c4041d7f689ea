//! What it costs to record somebody: from the packets of two taps to the bytes of a file. What the kernel takes to write
//! them is not in it.

use std::time::{Duration, Instant};

use sluice_recorder::{FileRecorder, Format, Input, Kind, PacketHead};

use crate::measure::{Effort, repeat};

/// Seconds of the call in a stretch.
pub const SECONDS: usize = 10;
/// A camera of 720 lines at 1.5 Mbit/s.
const PICTURES_IN_SECOND: u32 = 30;
const PACKETS_OF_PICTURE: u32 = 6;
const BYTES_OF_PACKET: usize = 1050;
/// A voice at 32 kbit/s.
const SOUNDS_IN_SECOND: u32 = 50;
const BYTES_OF_SOUND: usize = 80;
const VIDEO: Input = Input(0);
const AUDIO: Input = Input(1);
/// The begin of a VP8 key frame of 1280 by 720, behind its descriptor, and that of another frame.
const KEY: [u8; 11] = [0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02];
const DELTA: [u8; 2] = [0x10, 0x11];

/// Somebody who is recorded.
struct Recorded {
    recorder: FileRecorder,
    start: Instant,
    picture: u32,
    sound: u32,
    packet: Vec<u8>,
}

impl Recorded {
    fn new() -> Self {
        let start = Instant::now();
        let mut recorder = FileRecorder::new(Kind::Matroska, 2, start);
        recorder.handle_format(VIDEO, Format::new("video/VP8", 90_000, 0, 0).unwrap(), start);
        recorder.handle_format(AUDIO, Format::new("audio/opus", 48_000, 2, 0).unwrap(), start);
        Self { recorder, start, picture: 0, sound: 0, packet: vec![0xab; BYTES_OF_PACKET] }
    }

    /// A second of the call; how many bytes of the file came of it.
    fn second(&mut self) -> usize {
        let until = self.picture + PICTURES_IN_SECOND;
        let mut written = 0;
        while self.picture < until {
            let at = self.start + Duration::from_secs(1) * self.picture / PICTURES_IN_SECOND;
            self.picture(at);
            while self.start + Duration::from_secs(1) * self.sound / SOUNDS_IN_SECOND <= at {
                self.sound(at);
            }
            written += std::iter::from_fn(|| self.recorder.poll_write())
                .map(|chunk| chunk.bytes.len())
                .sum::<usize>();
        }
        written
    }

    fn picture(&mut self, received_at: Instant) {
        for place in 0..PACKETS_OF_PICTURE {
            let begin: &[u8] = match (place, self.picture % (2 * PICTURES_IN_SECOND)) {
                (0, 0) => &KEY,
                (0, _) => &DELTA,
                _ => &[0],
            };
            self.packet[..begin.len()].copy_from_slice(begin);
            let head = PacketHead {
                sequence: u64::from(self.picture * PACKETS_OF_PICTURE + place),
                timestamp: self.picture.wrapping_mul(90_000 / PICTURES_IN_SECOND),
                marker: place + 1 == PACKETS_OF_PICTURE,
                received_at,
            };
            self.recorder.handle_packet(VIDEO, &head, &self.packet, received_at);
        }
        self.picture += 1;
    }

    fn sound(&mut self, received_at: Instant) {
        let mut packet = [0xab; BYTES_OF_SOUND];
        // 20 ms in one frame.
        packet[0] = 0x78;
        let (sequence, timestamp) = (self.sound.into(), self.sound.wrapping_mul(48_000 / SOUNDS_IN_SECOND));
        let head = PacketHead { sequence, timestamp, marker: false, received_at };
        self.recorder.handle_packet(AUDIO, &head, &packet, received_at);
        self.sound += 1;
    }
}

/// A second of somebody with a camera of 720 lines and a microphone, into Matroska.
#[must_use]
pub fn second(effort: Effort) -> Option<f64> {
    let mut recorded = Recorded::new();
    repeat(effort, SECONDS, || recorded.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_in_the_file() {
        let mut recorded = Recorded::new();
        let written: usize = (0..20).map(|_| recorded.second()).sum();
        let sent = 20 * (30 * 6 * (BYTES_OF_PACKET - 1) + 50 * BYTES_OF_SOUND);
        // The last cluster is not full yet.
        assert!(written > sent * 9 / 10 && written < sent * 11 / 10, "{written} bytes of {sent}");
    }
}
