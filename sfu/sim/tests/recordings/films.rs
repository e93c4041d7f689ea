//! Films of every codec, and what a decoder makes of them.

use std::path::Path;
use std::time::Duration;

use sluice_sim::{Film, Media, Publication, Shot};

use super::packets::Lay;
use super::shown::{Look, looks, packet_looks};
use super::{clip, packets};

/// Frames between two key frames: a key frame that is asked for comes within half a second.
const GOP: &str = "15";

/// A film, and how each of its frames looks to ffmpeg.
#[derive(Debug, Clone)]
pub struct Reel {
    pub publication: Publication,
    pub film: Film,
    pub looks: Vec<Vec<Look>>,
}

impl Reel {
    fn new(media: Media, frames: &[Vec<u8>], looks: Vec<Look>) -> Self {
        let lay: Lay = match media {
            Media::Opus => packets::opus,
            Media::Vp8 => packets::vp8,
            Media::Vp9 => packets::vp9,
            Media::H264 => packets::h264,
            Media::H265 => packets::h265,
            Media::Av1 => packets::av1,
        };
        assert_eq!(frames.len(), looks.len(), "{media:?}: as many as are sent");
        let every = if media.is_video() { GOP.parse().unwrap() } else { 1 };
        let shot = |(index, frame): (usize, &Vec<u8>)| Shot { is_entry: index % every == 0, payloads: lay(frame) };
        let shots = frames.iter().enumerate().map(shot).collect();
        let interval = if media.is_video() { Duration::from_nanos(33_333_333) } else { Duration::from_millis(20) };
        Self { publication: Publication::video(media), film: Film::new(vec![shots], interval), looks: vec![looks] }
    }

    /// Another encoding of the same film.
    pub fn and(mut self, higher: Self) -> Self {
        self.publication.is_simulcast = true;
        self.film.encodings.extend(higher.film.encodings);
        self.looks.extend(higher.looks);
        self
    }
}

/// Three seconds of moving pictures, of this width and nine sixteenths of it.
pub fn pictures(media: Media, width: u32) -> Reel {
    pictures_of(media, &clip::pictures(width, width * 9 / 16 / 2 * 2, 3))
}

/// Pictures of a source of ffmpeg.
pub fn pictures_of(media: Media, source: &str) -> Reel {
    let directory = tempfile::tempdir().unwrap();
    let (at, source) = (directory.path(), source);
    let (frames, name) = match media {
        Media::Vp8 => (clip::vp8(at, source, GOP), "vp8.ivf"),
        Media::Vp9 => (clip::vp9(at, source, GOP), "vp9.ivf"),
        Media::H264 => (clip::h264(at, source, GOP), "h264.h264"),
        Media::H265 => (clip::h265(at, source, GOP), "h265.hevc"),
        Media::Av1 => (clip::av1(at, source, GOP), "av1.ivf"),
        Media::Opus => panic!("no pictures"),
    };
    Reel::new(media, &frames, looks(&at.join(name)).into_iter().map(|(_, look)| look).collect())
}

/// Three seconds of a tone.
pub fn sound() -> Reel {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::opus(directory.path(), 3);
    sound_of(directory.path(), &frames)
}

/// Sound that is in `opus.ogg`.
pub fn sound_of(directory: &Path, frames: &[Vec<u8>]) -> Reel {
    let looks = packet_looks(&directory.join("opus.ogg"), "a").into_iter().map(|(_, look)| look).collect();
    Reel::new(Media::Opus, frames, looks)
}
