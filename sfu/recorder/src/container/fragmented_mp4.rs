//! Fragmented MP4 (ISO/IEC 14496-12), for H264, H265 and AV1 with Opus.
//!
//! Boxes are those of `shiguredo_mp4` (no dependencies, Apache-2.0, released every few months); its muxer makes the
//! head. Fragments are put together here, because the muxer counts time from the sum of durations, and here a frame
//! says its own: tracks begin apart and have gaps.

use std::num::NonZeroU32;

use shiguredo_mp4::bitstream::opus::{ChannelCount, OpusSampleEntryConfig, build_opus_box};
use shiguredo_mp4::boxes::{
    MfhdBox, MfraBox, MfroBox, MoofBox, SampleEntry, TfdtBox, TfhdBox, TfraBox, TfraEntry, TrafBox, TrunBox, TrunSample,
};
use shiguredo_mp4::mux::{Fmp4SegmentMuxer, Sample};
use shiguredo_mp4::{Encode, SampleFlags, TrackKind};

use super::boxes::find;
use super::{MAX_CLUSTER_BYTES, MAX_CLUSTER_US, Patch, Written};
use crate::intake::{Frame, TrackConfig};

/// Ticks of a second, in which frames of common rates and packets of Opus have whole lengths.
const VIDEO_TIMESCALE: u32 = 90_000;
const AUDIO_TIMESCALE: u32 = 48_000;

/// Ticks of the movie as a whole, as the muxer writes it.
const MOVIE_TIMESCALE: u64 = 1_000;

/// A last frame of which it is not known how long it lasts is taken to last so many parts of a second: with a longer
/// time the next one, which may come sooner than the one before did, would have to wait.
const ASSUMED_PER_SECOND: u32 = 30;

/// Most places that can be sought to; see the cues of Matroska.
const MAX_ENTRIES: usize = 16_384;

/// Most samples in a fragment, so that frames of no size do not make its head large: 2,000 a second for each of two tracks.
const MAX_SAMPLES: usize = 4096;

/// What is said of each sample: its duration, its size and its flags.
pub(super) const SAMPLE_LEN: usize = 12;

/// What a `trun` says (section 8.8.8): where the bytes are, and for each sample the three.
pub(super) const TRUN_FLAGS: u32 = 0x0701;

/// No head of a fragment is longer: its samples, and the heads of more tracks than a file has.
pub(super) const MAX_MOOF: u64 = 64 << 10;
const _: () = assert!(MAX_SAMPLES * SAMPLE_LEN + 126 * 100 < 64 << 10, "our own fragments are read");

/// A frame that a decoder can begin with depends on no other (section 8.8.3.1).
const SYNC: SampleFlags = SampleFlags::new(0x0200_0000);
/// One that depends on others, and is no entry.
const NON_SYNC: SampleFlags = SampleFlags::new(0x0101_0000);

/// Writes one file.
#[derive(Debug)]
pub(crate) struct Mp4Writer {
    pub(super) written: Written,
    len: u64,
    origin_us: u64,
    /// Where the duration of the whole is to be written; see [`mehd`].
    mehd: Option<u64>,
    tracks: Vec<Track>,
    fragment: Option<Fragment>,
    sequence: u32,
    entries: Vec<TfraEntry>,
    /// The track that is sought in.
    seek_track: usize,
}

#[derive(Debug)]
struct Track {
    timescale: u32,
    samples: Vec<PendingSample>,
    /// Ticks at which the last sample ends.
    end: u64,
    /// How long the next one is taken to last where nothing follows it: as long as the last, within bounds.
    usual: u32,
}

#[derive(Debug)]
struct PendingSample {
    time: u64,
    duration: Option<u32>,
    is_key: bool,
    data: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Fragment {
    begin_us: u64,
    bytes: usize,
    samples: usize,
}

impl Mp4Writer {
    /// Nothing, when a track cannot be described.
    pub(crate) fn begin(tracks: &[TrackConfig], origin_us: u64) -> Option<Self> {
        let head = head(tracks)?;
        let mehd = mehd(&head);
        let of = |track: &TrackConfig| {
            let is_video = track.codec().is_video();
            let timescale = if is_video { VIDEO_TIMESCALE } else { AUDIO_TIMESCALE };
            let usual = if is_video { VIDEO_TIMESCALE / ASSUMED_PER_SECOND } else { AUDIO_TIMESCALE / 50 };
            Track { timescale, samples: Vec::new(), end: 0, usual }
        };
        Some(Self {
            len: u64::try_from(head.len()).ok()?,
            written: Written { appended: vec![head], patches: Vec::new() },
            origin_us,
            mehd,
            tracks: tracks.iter().map(of).collect(),
            fragment: None,
            sequence: 0,
            entries: Vec::new(),
            seek_track: tracks.iter().position(|track| track.codec().is_video()).unwrap_or(0),
        })
    }

    pub(crate) fn write(&mut self, track: usize, frame: Frame) {
        let file_us = frame.time_us.saturating_sub(self.origin_us);
        let is_full = self.fragment.is_some_and(|fragment| {
            file_us.saturating_sub(fragment.begin_us) >= MAX_CLUSTER_US
                || fragment.bytes + frame.data.len() > MAX_CLUSTER_BYTES
                || fragment.samples == MAX_SAMPLES
        });
        let Some(place) = self.tracks.get_mut(track) else { return };
        let ticks = |us: u64| ticks(us, place.timescale);
        let newest = place.samples.last().map_or(place.end, |last| last.time + 1);
        let time = ticks(file_us).max(newest);
        let duration = frame.duration_us.and_then(|us| u32::try_from(ticks(us)).ok());
        // Now it is known how long the one before lasts. Within a fragment a sample begins where the durations of those
        // before it end (section 8.8.8), so it stands for what is missing behind it as well. The last one need not: the
        // next fragment says when it begins.
        if let Some(last) = place.samples.last_mut() {
            let until = u32::try_from(time - last.time).unwrap_or(u32::MAX);
            let own = last.duration.filter(|_| is_full);
            last.duration = Some(own.map_or(until, |own| own.min(until)));
        }
        if is_full {
            self.flush();
        }
        let fragment = self.fragment.get_or_insert(Fragment { begin_us: file_us, bytes: 0, samples: 0 });
        fragment.bytes += frame.data.len();
        fragment.samples += 1;
        if let Some(place) = self.tracks.get_mut(track) {
            place
                .samples
                .push(PendingSample { time, duration, is_key: frame.is_key, data: frame.data });
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.fragment.is_some()
    }

    pub(crate) fn flush(&mut self) {
        if self.fragment.take().is_none() {
            return;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let mut runs = Vec::new();
        let mut payload = Vec::new();
        for (track, number) in self.tracks.iter_mut().zip(1..) {
            let samples = std::mem::take(&mut track.samples);
            let Some(first) = samples.first() else { continue };
            let begin = first.time;
            let first_key = samples.iter().position(|sample| sample.is_key);
            let mut run = Run { track: number, begin, offset: payload.len(), first_key, samples: Vec::new() };
            for sample in samples {
                let duration = sample.duration.unwrap_or(track.usual);
                track.usual = duration.min(track.timescale / ASSUMED_PER_SECOND);
                track.end = sample.time + u64::from(duration);
                run.samples.push(TrunSample {
                    duration: Some(duration),
                    size: u32::try_from(sample.data.len()).ok(),
                    flags: Some(if sample.is_key { SYNC } else { NON_SYNC }),
                    composition_time_offset: None,
                });
                payload.extend_from_slice(&sample.data);
            }
            runs.push(run);
        }
        // Sizes and counts are within their fields: a fragment is bounded.
        let Some(bytes) = fragment(self.sequence, &runs, &payload) else { return };
        let seek_number = u32::try_from(self.seek_track + 1).unwrap_or(u32::MAX);
        for (run, number) in runs.iter().zip(1..) {
            if run.track == seek_number
                && let Some(first_key) = run.first_key
            {
                self.note_entry(run, number, first_key);
            }
        }
        self.append(bytes);
    }

    pub(crate) fn finish(&mut self, end_us: u64) {
        self.flush();
        let file_ms = ticks(end_us.saturating_sub(self.origin_us), 1_000);
        if let Some(at) = self.mehd {
            self.written.patches.push(duration_patch(at, file_ms));
        }
        if let Some(index) = self.index() {
            self.append(index);
        }
    }

    fn note_entry(&mut self, run: &Run, traf_number: u32, first_key: usize) {
        if self.entries.len() == MAX_ENTRIES {
            let mut place = 0_usize;
            self.entries.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        let before: u64 = run
            .samples
            .iter()
            .take(first_key)
            .filter_map(|sample| sample.duration)
            .map(u64::from)
            .sum();
        self.entries.push(TfraEntry {
            time: run.begin + before,
            moof_offset: self.len,
            traf_number,
            trun_number: 1,
            sample_number: u32::try_from(first_key + 1).unwrap_or(u32::MAX),
        });
    }

    /// Where fragments begin that can be sought to (section 8.8.9).
    fn index(&self) -> Option<Vec<u8>> {
        let track_id = u32::try_from(self.seek_track + 1).ok()?;
        let of_track = TfraBox {
            version: 1,
            track_id,
            length_size_of_traf_num: 3,
            length_size_of_trun_num: 3,
            length_size_of_sample_num: 3,
            entries: self.entries.clone(),
        };
        let mut index = MfraBox { tfra_boxes: vec![of_track], mfro_box: MfroBox { size: 0 } };
        index.mfro_box.size = u32::try_from(index.encode_to_vec().ok()?.len()).ok()?;
        index.encode_to_vec().ok()
    }

    fn append(&mut self, bytes: Vec<u8>) {
        self.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.written.appended.push(bytes);
    }
}

/// The samples of a track in a fragment.
struct Run {
    track: u32,
    begin: u64,
    /// Where its bytes begin in the payload.
    offset: usize,
    first_key: Option<usize>,
    samples: Vec<TrunSample>,
}

/// `moof` and `mdat`.
fn fragment(sequence_number: u32, runs: &[Run], payload: &[u8]) -> Option<Vec<u8>> {
    let moof = |base: usize| -> Option<Vec<u8>> {
        let trafs: Option<Vec<TrafBox>> = runs
            .iter()
            .map(|run| {
                let data_offset = i32::try_from(base + run.offset).ok()?;
                Some(TrafBox {
                    tfhd_box: TfhdBox {
                        track_id: run.track,
                        base_data_offset: None,
                        sample_description_index: None,
                        default_sample_duration: None,
                        default_sample_size: None,
                        default_sample_flags: None,
                        duration_is_empty: false,
                        default_base_is_moof: true,
                    },
                    tfdt_box: Some(TfdtBox { version: 1, base_media_decode_time: run.begin }),
                    trun_boxes: vec![TrunBox {
                        data_offset: Some(data_offset),
                        first_sample_flags: None,
                        samples: run.samples.clone(),
                    }],
                    unknown_boxes: Vec::new(),
                })
            })
            .collect();
        let moof = MoofBox { mfhd_box: MfhdBox { sequence_number }, traf_boxes: trafs?, unknown_boxes: Vec::new() };
        moof.encode_to_vec().ok()
    };
    // Offsets count from the begin of the box whose length they do not change.
    let len = moof(0)?.len();
    let mut bytes = moof(len + 8)?;
    bytes.extend_from_slice(&u32::try_from(payload.len() + 8).ok()?.to_be_bytes());
    bytes.extend_from_slice(b"mdat");
    bytes.extend_from_slice(payload);
    Some(bytes)
}

/// `ftyp` and `moov`. The muxer learns tracks from samples, so it is shown one of each.
fn head(tracks: &[TrackConfig]) -> Option<Vec<u8>> {
    let samples: Option<Vec<Sample>> = tracks
        .iter()
        .zip(0..)
        .map(|(track, data_offset)| {
            let (track_kind, timescale, entry) = match track {
                TrackConfig::Video(video) => (TrackKind::Video, VIDEO_TIMESCALE, video.entry.clone()?),
                TrackConfig::Opus(channels) => {
                    let channel_count = if *channels == 1 { ChannelCount::Mono } else { ChannelCount::Stereo };
                    let config = OpusSampleEntryConfig {
                        channel_count,
                        pre_skip: 0,
                        input_sample_rate: AUDIO_TIMESCALE,
                        output_gain: 0,
                    };
                    (TrackKind::Audio, AUDIO_TIMESCALE, SampleEntry::Opus(build_opus_box(&config)))
                }
            };
            Some(Sample {
                track_kind,
                sample_entry: Some(entry),
                keyframe: true,
                timescale: NonZeroU32::new(timescale)?,
                duration: 1,
                composition_time_offset: None,
                data_offset,
                data_size: 1,
            })
        })
        .collect();
    let mut muxer = Fmp4SegmentMuxer::new().ok()?;
    muxer.create_media_segment_metadata(&samples?).ok()?;
    muxer.init_segment_bytes().ok()
}

/// Where the body of the box begins that says the duration of the whole: version and flags, then the number.
pub(super) fn mehd(bytes: &[u8]) -> Option<u64> {
    let body = find(bytes, &[*b"moov", *b"mvex", *b"mehd"]).into_iter().next()?;
    u64::try_from(body.start).ok()
}

/// Writes the duration of the whole into its box (section 8.8.2), which is that of version 0. 0 says that it was not written
/// yet, so the shortest file has 1.
pub(super) fn duration_patch(mehd: u64, file_ms: u64) -> Patch {
    let duration = u32::try_from(file_ms * MOVIE_TIMESCALE / 1_000).unwrap_or(u32::MAX).max(1);
    Patch { offset: mehd + 4, bytes: duration.to_be_bytes().to_vec() }
}

fn ticks(us: u64, timescale: u32) -> u64 {
    u64::try_from(u128::from(us) * u128::from(timescale) / 1_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use shiguredo_mp4::bitstream::h264;
    use sluice_rtp::VideoCodec;

    use super::*;
    use crate::container::recover::recover;
    use crate::picture::VideoConfig;

    /// Pictures whose publisher has put this behind its parameter sets.
    fn pictures(said: &[u8]) -> TrackConfig {
        // Constrained baseline, 16x16.
        let sps = [0x67, 0x42, 0xc0, 0x0a, 0xda, 0x79];
        let pps = [&[0x68, 0xce, 0x3c, 0x80], said].concat();
        let config = h264::H264SampleEntryConfig { length_size: h264::LengthSize::FourBytes };
        let entry = h264::build_avc1_box(&[sps.to_vec()], &[pps], &config).unwrap();
        let (width, height) = (entry.visual.width, entry.visual.height);
        let entry = Some(SampleEntry::Avc1(entry));
        TrackConfig::Video(VideoConfig { codec: VideoCodec::H264, width, height, private: Vec::new(), entry })
    }

    #[test]
    fn frames_of_no_size_at_one_instant_make_no_large_head() {
        let mut writer = Mp4Writer::begin(&[TrackConfig::Opus(2)], 0).unwrap();
        for _ in 0..3 * MAX_SAMPLES {
            let data = vec![0xfc];
            writer.write(0, Frame { time_us: 0, duration_us: Some(20_000), usual_us: 20_000, is_key: true, data });
        }
        writer.finish(0);
        let file = writer.written.appended.concat();
        let heads = find(&file, &[*b"moof"]);
        assert_eq!(heads.len(), 3);
        assert!(heads.iter().all(|head| head.len() < usize::try_from(MAX_MOOF).unwrap()));
        assert!(recover(&mut std::io::Cursor::new(&file)).is_ok());
    }

    #[test]
    fn parameter_sets_that_look_like_boxes_are_not_written_over() {
        let head = head(&[pictures(b"mehd"), TrackConfig::Opus(2)]).unwrap();
        let at = usize::try_from(mehd(&head).unwrap()).unwrap();
        assert_eq!(head[at - 8..at], [0, 0, 0, 16, b'm', b'e', b'h', b'd']);
        let first = head.windows(4).position(|window| window == b"mehd").unwrap();
        assert!(first + 4 < at, "what the publisher said comes first");
    }
}
