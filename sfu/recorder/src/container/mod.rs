//! Files: what writes them, and what comes out.
//!
//! A writer appends. What is known at the end only (duration, index) it writes into room it has left, as [`Patch`]es;
//! a file that never came to its end plays without them, and [`recover`](recover::recover) writes them later.

mod boxes;
mod ebml;
mod fragmented_mp4;
pub(crate) mod matroska;
pub mod recover;

pub(crate) use fragmented_mp4::Mp4Writer;
pub(crate) use matroska::MatroskaWriter;

use crate::codec::Codec;
use crate::intake::{Frame, TrackConfig};

/// Which container to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any codec. It is WebM where all codecs are WebM's.
    Matroska,
    /// H264, H265 and AV1 with Opus, in fragments; with another codec the file is a Matroska one.
    FragmentedMp4,
}

/// What kind of file it is, as its name ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// WebM.
    Webm,
    /// Matroska with codecs that WebM has not.
    Mkv,
    /// Fragmented MP4.
    Mp4,
}

impl Extension {
    /// Without the point.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webm => "webm",
            Self::Mkv => "mkv",
            Self::Mp4 => "mp4",
        }
    }

    /// What a file of these tracks is, where this container is wished for: what it cannot hold becomes Matroska.
    fn of(kind: Kind, tracks: &[TrackConfig]) -> Self {
        let all = |holds: fn(Codec) -> bool| tracks.iter().all(|track| holds(track.codec()));
        match kind {
            Kind::FragmentedMp4 if all(Codec::is_mp4) => Self::Mp4,
            _ if all(Codec::is_webm) => Self::Webm,
            _ => Self::Mkv,
        }
    }
}

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Behind all that was appended before. Each such chunk is a whole the file can end behind: worth a flush.
    Append,
    /// Over what was written, from this byte on. Never beyond the end.
    Patch {
        /// In bytes from the file's begin.
        offset: u64,
    },
}

/// Bytes for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Which of the recorder's files, from 0 on. They are written one after the other.
    pub part: u32,
    /// What kind of file it is.
    pub extension: Extension,
    /// Where in it.
    pub place: Place,
    /// What.
    pub bytes: Vec<u8>,
}

/// Bytes over others that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// In bytes from the file's begin.
    pub offset: u64,
    /// What to write there.
    pub bytes: Vec<u8>,
}

/// A cluster or fragment ends before a frame that comes so long after its first one, in microseconds. What is in it,
/// and what waits for repairs and for the other track, is what a crash costs: together less than two seconds.
pub(crate) const MAX_CLUSTER_US: u64 = 1_000_000;

/// Or before it is larger than this, so that memory is bounded whatever the publisher sends.
pub(crate) const MAX_CLUSTER_BYTES: usize = 4 << 20;

/// What a writer has to say.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) appended: Vec<Vec<u8>>,
    pub(crate) patches: Vec<Patch>,
}

/// A file being written.
#[derive(Debug)]
pub(crate) enum Writer {
    Matroska(MatroskaWriter),
    Mp4(Mp4Writer),
}

impl Writer {
    /// Begins a file of these tracks whose first frame is at `origin_us` of the recording.
    pub(crate) fn begin(kind: Kind, tracks: &[TrackConfig], origin_us: u64) -> (Self, Extension) {
        let extension = Extension::of(kind, tracks);
        if extension == Extension::Mp4
            && let Some(writer) = Mp4Writer::begin(tracks, origin_us)
        {
            return (Self::Mp4(writer), extension);
        }
        let extension = Extension::of(Kind::Matroska, tracks);
        (Self::Matroska(MatroskaWriter::begin(tracks, origin_us, extension == Extension::Webm)), extension)
    }

    /// True when the file goes on where a track changes so.
    pub(crate) fn takes(&self, before: &TrackConfig, after: &TrackConfig) -> bool {
        match (self, before, after) {
            // Sizes and parameter sets are in the bitstream as well, where Matroska's players look.
            (Self::Matroska(_), TrackConfig::Video(before), TrackConfig::Video(after)) => before.codec == after.codec,
            _ => before == after,
        }
    }

    /// A frame of a track, counted from 0. Those of a track come in order; those of several nearly so.
    pub(crate) fn write(&mut self, track: usize, frame: Frame) {
        match self {
            Self::Matroska(writer) => writer.write(track, &frame),
            Self::Mp4(writer) => writer.write(track, frame),
        }
    }

    /// Ends the cluster that is being made.
    pub(crate) fn flush(&mut self) {
        match self {
            Self::Matroska(writer) => writer.flush(),
            Self::Mp4(writer) => writer.flush(),
        }
    }

    /// True while something waits for a flush.
    pub(crate) fn holds(&self) -> bool {
        match self {
            Self::Matroska(writer) => writer.holds(),
            Self::Mp4(writer) => writer.holds(),
        }
    }

    /// Ends the file: the last frame ends at `end_us` of the recording.
    pub(crate) fn finish(&mut self, end_us: u64) {
        match self {
            Self::Matroska(writer) => writer.finish(end_us),
            Self::Mp4(writer) => writer.finish(end_us),
        }
    }

    /// What was written since the last call.
    pub(crate) fn take(&mut self) -> Written {
        match self {
            Self::Matroska(writer) => std::mem::take(&mut writer.written),
            Self::Mp4(writer) => std::mem::take(&mut writer.written),
        }
    }
}
