//! Matroska and WebM (RFC 9559).
//!
//! Laid out so that only the end writes back: behind the segment's head lies room for the seek head, in the
//! information room for the duration, and the segment's size is unknown until it is known. Times are milliseconds from
//! the first frame of the file, as WebM wants them.

use super::ebml::{Elements, UNKNOWN_SIZE, long_size};
use super::{MAX_CLUSTER_BYTES, MAX_CLUSTER_US, Patch, Written};
use crate::intake::{Frame, TrackConfig};

pub(super) mod id {
    //! Element ids (RFC 9559 section 5).
    pub(crate) const EBML: u32 = 0x1a45_dfa3;
    pub(crate) const SEGMENT: u32 = 0x1853_8067;
    pub(crate) const SEEK_HEAD: u32 = 0x114d_9b74;
    pub(crate) const SEEK: u32 = 0x4dbb;
    pub(crate) const SEEK_ID: u32 = 0x53ab;
    pub(crate) const SEEK_POSITION: u32 = 0x53ac;
    pub(crate) const INFO: u32 = 0x1549_a966;
    pub(crate) const TIMESTAMP_SCALE: u32 = 0x002a_d7b1;
    pub(crate) const DURATION: u32 = 0x4489;
    pub(crate) const MUXING_APP: u32 = 0x4d80;
    pub(crate) const WRITING_APP: u32 = 0x5741;
    pub(crate) const TRACKS: u32 = 0x1654_ae6b;
    pub(crate) const TRACK_ENTRY: u32 = 0xae;
    pub(crate) const TRACK_NUMBER: u32 = 0xd7;
    pub(crate) const TRACK_TYPE: u32 = 0x83;
    pub(crate) const CLUSTER: u32 = 0x1f43_b675;
    pub(crate) const TIMESTAMP: u32 = 0xe7;
    pub(crate) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(crate) const CUES: u32 = 0x1c53_bb6b;
    pub(crate) const VOID: u32 = 0xec;
}

/// Track types (RFC 9559 section 5.1.4.1.3).
pub(super) const TYPE_VIDEO: u64 = 1;
const TYPE_AUDIO: u64 = 2;

/// Three seeks of fixed width and their head.
pub(super) const SEEK_HEAD_LEN: usize = 5 + 3 * 21;

/// A duration is a float of eight bytes.
pub(super) const DURATION_LEN: usize = 11;

/// Most places that can be sought to. When there are more, every other one goes: an hour with a key frame a second has
/// 3,600, and after a day it is still every few seconds.
const MAX_CUES: usize = 16_384;

/// What Opus decoders want to hear before a place that was sought to, in nanoseconds (RFC 7845, section 4.6).
const SEEK_PRE_ROLL_NS: u64 = 80_000_000;

/// A place that can be sought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cue {
    pub(super) time_ms: u64,
    pub(super) track: u64,
    /// Of the cluster, from the segment's first byte of data.
    pub(super) position: u64,
}

/// Places that can be sought to, thinned when there are too many.
#[derive(Debug, Default)]
pub(super) struct Cues(Vec<Cue>);

impl Cues {
    pub(super) fn push(&mut self, cue: Cue) {
        if self.0.len() == MAX_CUES {
            let mut place = 0_usize;
            self.0.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        self.0.push(cue);
    }
}

/// Where things lie in a file, in bytes from its begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Layout {
    /// Of the first byte behind the segment's head, where the room for the seek head is.
    pub(super) data: u64,
    pub(super) info: u64,
    pub(super) duration: u64,
    pub(super) tracks: u64,
}

/// Writes one file.
#[derive(Debug)]
pub(crate) struct MatroskaWriter {
    pub(super) written: Written,
    /// Length of all that was appended.
    len: u64,
    layout: Layout,
    origin_us: u64,
    cluster: Option<Cluster>,
    cues: Cues,
    /// Milliseconds of the last frame of each track.
    last_ms: Vec<Option<u64>>,
    /// The track whose frames are cues: that of the pictures, where there is one.
    cue_track: usize,
}

#[derive(Debug)]
struct Cluster {
    time_ms: u64,
    blocks: Vec<u8>,
    has_cue: bool,
}

impl MatroskaWriter {
    pub(crate) fn begin(tracks: &[TrackConfig], origin_us: u64, is_webm: bool) -> Self {
        let (bytes, layout) = head(tracks, if is_webm { "webm" } else { "matroska" });
        Self {
            len: length(&bytes),
            written: Written { appended: vec![bytes], patches: Vec::new() },
            layout,
            origin_us,
            cluster: None,
            cues: Cues::default(),
            last_ms: vec![None; tracks.len()],
            cue_track: tracks.iter().position(|track| track.codec().is_video()).unwrap_or(0),
        }
    }

    pub(crate) fn write(&mut self, track: usize, frame: &Frame) {
        let time_ms = self.file_ms(frame.time_us);
        let Some(last_ms) = self.last_ms.get_mut(track) else { return };
        // Two frames of a track never share a millisecond: decoders take that for an error. A picture that is shown before
        // one in front of it takes no time of its own on the file's line.
        let next_ms = u64::from(frame.early_us == 0);
        let time_ms = last_ms.map_or(time_ms, |last_ms| time_ms.max(last_ms + next_ms));
        *last_ms = Some(time_ms);

        // Blocks say when they are shown, in the order in which they are decoded (RFC 9559 section 10).
        let shown_ms = if frame.early_us == 0 { time_ms } else { self.file_ms(frame.shown_us()) };
        let is_full = self.cluster.as_ref().is_some_and(|cluster| {
            time_ms.saturating_sub(cluster.time_ms) >= MAX_CLUSTER_US / 1000
                || cluster.blocks.len() + frame.data.len() > MAX_CLUSTER_BYTES
        });
        if is_full {
            self.flush();
        }
        let cluster = self
            .cluster
            .get_or_insert_with(|| Cluster { time_ms, blocks: Vec::new(), has_cue: false });
        if track == self.cue_track && frame.is_key && !cluster.has_cue {
            cluster.has_cue = true;
            let number = u64::try_from(track + 1).unwrap_or(u64::MAX);
            self.cues.push(Cue { time_ms, track: number, position: self.len - self.layout.data });
        }
        // That may be before the cluster, and a frame of another track may be a little older, too.
        let behind = i64::try_from(shown_ms.abs_diff(cluster.time_ms)).unwrap_or(i64::MAX);
        let relative = if shown_ms < cluster.time_ms { -behind } else { behind };
        let relative = i16::try_from(relative).unwrap_or(if relative < 0 { i16::MIN } else { i16::MAX });
        // RFC 9559 section 10.2: track number, time, flags.
        let number = u8::try_from(track + 1).unwrap_or(u8::MAX).min(0x7e) | 0x80;
        let [high, low] = relative.to_be_bytes();
        let mut blocks = Elements(std::mem::take(&mut cluster.blocks));
        blocks.head(id::SIMPLE_BLOCK, 4 + frame.data.len());
        blocks.0.extend_from_slice(&[number, high, low, if frame.is_key { 0x80 } else { 0 }]);
        blocks.0.extend_from_slice(&frame.data);
        cluster.blocks = blocks.0;
    }

    pub(crate) fn holds(&self) -> bool {
        self.cluster.is_some()
    }

    pub(crate) fn flush(&mut self) {
        let Some(cluster) = self.cluster.take() else { return };
        let timestamp = Elements::default().uint(id::TIMESTAMP, cluster.time_ms);
        let mut bytes = Elements(Vec::with_capacity(cluster.blocks.len() + 32));
        bytes.head(id::CLUSTER, timestamp.0.len() + cluster.blocks.len());
        bytes.0.extend_from_slice(&timestamp.0);
        bytes.0.extend_from_slice(&cluster.blocks);
        self.append(bytes.0);
    }

    pub(crate) fn finish(&mut self, end_us: u64) {
        self.flush();
        let last_ms = self.last_ms.iter().flatten().max().copied().unwrap_or_default();
        let end_ms = self.file_ms(end_us).max(last_ms);
        let (cues, patches) = tail(&self.layout, &self.cues, self.len, end_ms);
        self.append(cues);
        self.written.patches.extend(patches);
    }

    fn file_ms(&self, time_us: u64) -> u64 {
        (time_us.saturating_sub(self.origin_us) + 500) / 1000
    }

    fn append(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.len += length(&bytes);
            self.written.appended.push(bytes);
        }
    }
}

/// What a file begins with.
fn head(tracks: &[TrackConfig], doc_type: &str) -> (Vec<u8>, Layout) {
    let ebml = Elements::default()
        .uint(0x4286, 1) // EBMLVersion
        .uint(0x42f7, 1) // EBMLReadVersion
        .uint(0x42f2, 4) // EBMLMaxIDLength
        .uint(0x42f3, 8) // EBMLMaxSizeLength
        .text(0x4282, doc_type)
        .uint(0x4287, 4) // DocTypeVersion
        .uint(0x4285, 2); // DocTypeReadVersion
    let mut file = Elements::default().master(id::EBML, &ebml).0;
    file.extend_from_slice(&id::SEGMENT.to_be_bytes());
    file.extend_from_slice(&UNKNOWN_SIZE);
    let data = length(&file);
    file.extend(void(SEEK_HEAD_LEN));

    let info_at = length(&file);
    let about = Elements::default()
        .uint(id::TIMESTAMP_SCALE, 1_000_000)
        .text(id::MUXING_APP, "sluice")
        .text(id::WRITING_APP, "sluice");
    let room = void(DURATION_LEN);
    let info = Elements::default().bytes(id::INFO, &[about.0, room].concat());
    file.extend_from_slice(&info.0);
    let duration = length(&file) - length(&[0; DURATION_LEN]);

    let tracks_at = length(&file);
    let entries = tracks.iter().zip(1..).fold(Elements::default(), |entries, (track, number)| {
        entries.master(id::TRACK_ENTRY, &track_entry(track, number))
    });
    file.extend(Elements::default().master(id::TRACKS, &entries).0);
    (file, Layout { data, info: info_at, duration, tracks: tracks_at })
}

fn track_entry(track: &TrackConfig, number: u64) -> Elements {
    use sluice_rtp::VideoCodec;
    let entry = Elements::default()
        .uint(id::TRACK_NUMBER, number)
        .uint(0x73c5, number) // TrackUID
        .uint(0x9c, 0) // FlagLacing
        .text(0x0022_b59c, "und"); // Language
    match track {
        TrackConfig::Video(video) => {
            let codec_id = match video.codec {
                VideoCodec::Vp8 => "V_VP8",
                VideoCodec::Vp9 => "V_VP9",
                VideoCodec::H264 => "V_MPEG4/ISO/AVC",
                VideoCodec::H265 => "V_MPEGH/ISO/HEVC",
                VideoCodec::Av1 => "V_AV1",
            };
            let size = Elements::default().uint(0xb0, video.width.into()).uint(0xba, video.height.into());
            let entry = entry.uint(id::TRACK_TYPE, TYPE_VIDEO).text(0x86, codec_id);
            let entry = if video.private.is_empty() { entry } else { entry.bytes(0x63a2, &video.private) };
            entry.master(0xe0, &size)
        }
        TrackConfig::Opus(channels) => {
            let sound = Elements::default().float(0xb5, 48_000.0).uint(0x9f, (*channels).into());
            entry
                .uint(id::TRACK_TYPE, TYPE_AUDIO)
                .text(0x86, "A_OPUS")
                .bytes(0x63a2, &opus_head(*channels))
                .uint(0x56aa, 0) // CodecDelay: we come in the middle, nothing is to be skipped
                .uint(0x56bb, SEEK_PRE_ROLL_NS)
                .master(0xe1, &sound)
        }
    }
}

/// RFC 7845 section 5.1, without pre-skip and gain.
fn opus_head(channels: u8) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.extend_from_slice(&[channels, 0, 0]);
    head.extend_from_slice(&48_000_u32.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    head
}

/// An element of nothing, so many bytes long: between 2 and 128.
pub(super) fn void(len: usize) -> Vec<u8> {
    let mut elements = Elements::default();
    elements.head(id::VOID, len.saturating_sub(2));
    elements.0.resize(len, 0);
    elements.0
}

/// What is appended to a file of length `len` to end it, and what is written over.
pub(super) fn tail(layout: &Layout, cues: &Cues, len: u64, end_ms: u64) -> (Vec<u8>, Vec<Patch>) {
    let points = cues.0.iter().fold(Elements::default(), |points, cue| {
        let place = Elements::default().uint(0xf7, cue.track).uint(0xf1, cue.position);
        points.master(0xbb, &Elements::default().uint(0xb3, cue.time_ms).master(0xb7, &place))
    });
    // An empty index is no index.
    let cues = if points.0.is_empty() { Vec::new() } else { Elements::default().master(id::CUES, &points).0 };
    let cues_at = if cues.is_empty() { None } else { Some(len) };

    let places = [(id::INFO, Some(layout.info)), (id::TRACKS, Some(layout.tracks)), (id::CUES, cues_at)];
    let seeks = places.iter().fold(Elements::default(), |seeks, (id, at)| match at {
        Some(at) => {
            let position = (at - layout.data).to_be_bytes();
            let seek = Elements::default()
                .bytes(id::SEEK_ID, &id.to_be_bytes())
                .bytes(id::SEEK_POSITION, &position);
            seeks.master(id::SEEK, &seek)
        }
        None => seeks,
    });
    let mut seek_head = Elements::default().master(id::SEEK_HEAD, &seeks).0;
    if seek_head.len() < SEEK_HEAD_LEN {
        seek_head.extend(void(SEEK_HEAD_LEN - seek_head.len()));
    }
    // Milliseconds below 2^53 are exact.
    #[expect(clippy::cast_precision_loss, reason = "a float is what the format has")]
    let duration = Elements::default().float(id::DURATION, end_ms as f64).0;
    let size = len + length(&cues) - layout.data;
    let patches = vec![
        Patch { offset: layout.data, bytes: seek_head },
        Patch { offset: layout.duration, bytes: duration },
        // Last: it says that all the rest was written.
        Patch { offset: layout.data - 8, bytes: long_size(size).to_vec() },
    ];
    (cues, patches)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_left_for_exactly_what_comes() {
        let (file, layout) = head(&[TrackConfig::Opus(2)], "webm");
        let (cues, patches) = tail(&layout, &Cues(vec![Cue { time_ms: 0, track: 1, position: 9 }]), 1000, 5000);
        assert!(!cues.is_empty());
        assert_eq!(patches[0].bytes.len(), SEEK_HEAD_LEN);
        assert_eq!(patches[1].bytes.len(), DURATION_LEN);
        for (patch, room) in patches.iter().zip([SEEK_HEAD_LEN, DURATION_LEN]) {
            let at = usize::try_from(patch.offset).unwrap_or_default();
            assert_eq!(file[at..at + room], void(room));
        }
        assert_eq!(patches[2].offset + 8, layout.data);
        let (none, patches) = tail(&layout, &Cues::default(), 1000, 5000);
        assert!(none.is_empty() && patches[0].bytes.len() == SEEK_HEAD_LEN);
    }

    #[test]
    fn the_index_leads_to_clusters_that_begin_with_what_is_sought() {
        let mut writer = MatroskaWriter::begin(&[TrackConfig::Opus(2)], 7_000_000, true);
        for packet in 0..400 {
            let frame = Frame {
                time_us: 7_000_000 + packet * 20_000,
                early_us: 0,
                duration_us: Some(20_000),
                usual_us: 20_000,
                is_key: true,
                data: vec![0xfc; 9],
            };
            writer.write(0, &frame);
        }
        let cues_at = {
            writer.finish(15_000_000);
            let cues = writer.written.appended.last().map_or(0, Vec::len);
            writer.written.appended.iter().map(Vec::len).sum::<usize>() - cues
        };
        let file = writer.written.appended.concat();
        let data = usize::try_from(writer.layout.data).unwrap_or_default();
        assert!(file[cues_at..].starts_with(&id::CUES.to_be_bytes()));
        assert_eq!(writer.cues.0.len(), 8);
        for cue in &writer.cues.0 {
            let cluster = &file[data + usize::try_from(cue.position).unwrap_or_default()..];
            assert!(cluster.starts_with(&id::CLUSTER.to_be_bytes()));
            let timestamp = Elements::default().uint(id::TIMESTAMP, cue.time_ms).0;
            assert!(cluster.windows(timestamp.len()).take(16).any(|window| window == timestamp), "{cue:?}");
        }
    }

    #[test]
    fn an_index_that_is_full_is_thinned() {
        let mut cues = Cues::default();
        for time_ms in 0..100_000 {
            cues.push(Cue { time_ms, track: 1, position: time_ms });
        }
        assert!(cues.0.len() <= MAX_CUES && cues.0.len() > MAX_CUES / 4);
        assert_eq!(cues.0[0].time_ms, 0);
    }
}
