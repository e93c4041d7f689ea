//! The pictures and sounds of guests: real VP8 and Opus, encoded once by `clips/draw.py` and part of the program.

use std::sync::OnceLock;

/// How many different guests there are.
pub(crate) const COUNT: usize = 3;
/// Frames in a second of every picture.
pub(crate) const FRAMES_PER_SECOND: u32 = 15;
/// Width and height of every picture.
pub(crate) const DIMENSIONS: (u32, u32) = (320, 180);

const PICTURES: [&[u8]; COUNT] = [
    include_bytes!("../clips/guest-1.ivf"),
    include_bytes!("../clips/guest-2.ivf"),
    include_bytes!("../clips/guest-3.ivf"),
];
const VOICES: [&[u8]; COUNT] = [
    include_bytes!("../clips/guest-1.opus20"),
    include_bytes!("../clips/guest-2.opus20"),
    include_bytes!("../clips/guest-3.opus20"),
];

/// Encoded frames, shown in turn without end.
#[derive(Debug)]
pub(crate) struct Picture {
    frames: Vec<&'static [u8]>,
}

impl Picture {
    /// The picture of a guest.
    pub(crate) fn of(guest: u8) -> &'static Self {
        static PARSED: [OnceLock<Picture>; COUNT] = [const { OnceLock::new() }; COUNT];
        let index = usize::from(guest) % COUNT;
        PARSED[index].get_or_init(|| Self { frames: ivf_frames(PICTURES[index]) })
    }

    /// The frame at a place, which counts on past the end.
    pub(crate) fn frame(&self, place: usize) -> &'static [u8] {
        self.frames.get(place % self.frames.len().max(1)).copied().unwrap_or_default()
    }

    /// The first place from here on where a decoder can begin.
    pub(crate) fn next_keyframe(&self, place: usize) -> usize {
        let places = place..place + self.frames.len();
        places.into_iter().find(|place| is_keyframe(self.frame(*place))).unwrap_or(place)
    }
}

/// Lowest bit of the frame tag (RFC 6386 section 9.1).
pub(crate) fn is_keyframe(frame: &[u8]) -> bool {
    frame.first().is_some_and(|tag| tag & 1 == 0)
}

/// The frames of an IVF file: a header of 32 bytes, then each frame behind 12 bytes that begin with its length.
fn ivf_frames(file: &'static [u8]) -> Vec<&'static [u8]> {
    let mut frames = Vec::new();
    let mut rest = file.get(32..).unwrap_or_default();
    while let Some((head, behind)) = rest.split_first_chunk::<12>() {
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let Some((frame, behind)) = usize::try_from(len).ok().and_then(|len| behind.split_at_checked(len)) else {
            break;
        };
        frames.push(frame);
        rest = behind;
    }
    frames
}

/// 20 ms of sound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sound {
    /// In -dBov, as RFC 6464 counts it: 0 is loudest.
    pub(crate) level: i8,
    pub(crate) packet: &'static [u8],
}

/// Packets of sound, played in turn without end.
#[derive(Debug)]
pub(crate) struct Voice {
    sounds: Vec<Sound>,
}

impl Voice {
    /// The voice of a guest.
    pub(crate) fn of(guest: u8) -> &'static Self {
        static PARSED: [OnceLock<Voice>; COUNT] = [const { OnceLock::new() }; COUNT];
        let index = usize::from(guest) % COUNT;
        PARSED[index].get_or_init(|| Self { sounds: sounds(VOICES[index]) })
    }

    /// The sound at a place, which counts on past the end.
    pub(crate) fn sound(&self, place: usize) -> Option<Sound> {
        self.sounds.get(place % self.sounds.len().max(1)).copied()
    }
}

fn sounds(file: &'static [u8]) -> Vec<Sound> {
    let mut sounds = Vec::new();
    let mut rest = file;
    while let Some(([level, high, low], behind)) = rest.split_first_chunk::<3>() {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((packet, behind)) = behind.split_at_checked(len) else { break };
        sounds.push(Sound { level: -i8::try_from(*level).unwrap_or(127), packet });
        rest = behind;
    }
    sounds
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_guest_has_twelve_seconds_of_picture_that_can_be_entered_every_two() {
        for guest in 0..3 {
            let picture = Picture::of(guest);
            assert_eq!(picture.frames.len(), 180);
            let keyframes: Vec<usize> = (0..180).filter(|place| is_keyframe(picture.frame(*place))).collect();
            assert_eq!(keyframes, [0, 30, 60, 90, 120, 150]);
            assert_eq!(picture.next_keyframe(1), 30);
            assert_eq!(picture.next_keyframe(151), 180, "over the end, to the beginning");
            assert!(picture.frame(180) == picture.frame(0));
        }
    }

    #[test]
    fn every_guest_has_six_seconds_of_voice_that_is_quiet_but_there() {
        for guest in 0..3 {
            let voice = Voice::of(guest);
            assert!((300..=302).contains(&voice.sounds.len()), "{}", voice.sounds.len());
            let loudest = voice.sounds.iter().map(|sound| sound.level).max().unwrap();
            assert!((-35..=-18).contains(&loudest), "{loudest}");
            assert!(voice.sounds.iter().all(|sound| !sound.packet.is_empty()));
        }
    }
}
