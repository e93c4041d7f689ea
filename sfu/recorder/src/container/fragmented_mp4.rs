//! Fragmented MP4 (ISO/IEC 14496-12), for H264, H265 and AV1 with Opus.
//!
//! Boxes are those of `shiguredo_mp4` (no dependencies, Apache-2.0, released every few months); its muxer makes the
//! head. Fragments are put together here, because the muxer counts time from the sum of durations, and here a frame
//! says its own: tracks begin apart and have gaps.
//!
//! Pictures may be sent in another order than they are shown in. They are decoded at the times at which pictures are shown,
//! one after the other and as much sooner as has turned out to be needed, and a composition offset says how much later each is
//! shown (section 8.6.1.3). How far they are out of order need not be known beforehand: the first ones are decoded more
//! quickly. Nor does the file need an edit list, or offsets below nothing, which players understand differently: ffmpeg shows
//! all later for them. A fragment ends in front of the newest picture, as others may come that are shown before it.

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
const SAMPLE_LEN: usize = 12;

/// The same with its composition offset, where pictures are out of order.
const OFFSET_SAMPLE_LEN: usize = 16;

/// No head of a fragment is longer: its samples, and the heads of more tracks than a file has.
pub(super) const MAX_MOOF: u64 = 128 << 10;
const _: () = assert!(MAX_SAMPLES * OFFSET_SAMPLE_LEN + 126 * 100 < 128 << 10, "our own fragments are read");

/// How long each sample of a `trun` is (section 8.8.8), by its version and flags: where the bytes are, and for each sample the
/// three, or the four. Nothing for what is not written here.
pub(super) fn sample_len(version_and_flags: u32) -> Option<usize> {
    match version_and_flags {
        0x0000_0701 => Some(SAMPLE_LEN),
        // Version 1 where an offset is below nothing.
        0x0000_0f01 | 0x0100_0f01 => Some(OFFSET_SAMPLE_LEN),
        _ => None,
    }
}

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
    /// Ticks at which the last sample that was written ends.
    end: u64,
    /// The first tick at which a sample may be shown that is not out of order.
    next: u64,
    /// Pictures came that are shown before one in front of them.
    is_reordered: bool,
    /// By how many ticks samples are decoded before one is shown.
    lead: u64,
    /// How long the next one is taken to last where nothing follows it: as long as the last, within bounds.
    usual: u32,
}

#[derive(Debug)]
struct PendingSample {
    /// Ticks at which it is shown.
    shown: u64,
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
            Track { timescale, samples: Vec::new(), end: 0, next: 0, is_reordered: false, lead: 0, usual }
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
                || fragment.samples >= MAX_SAMPLES
        });
        let Some(place) = self.tracks.get_mut(track) else { return };
        let ticks = |us: u64| ticks(us, place.timescale);
        place.is_reordered |= frame.early_us > 0;
        let shown = if frame.early_us > 0 {
            ticks(frame.shown_us().saturating_sub(self.origin_us))
        } else {
            ticks(file_us).max(place.next)
        };
        place.next = place.next.max(shown + 1);
        let duration = frame.duration_us.and_then(|us| u32::try_from(ticks(us)).ok());
        if is_full {
            // Now it is known how long the one before lasts at most. It need not stand for what is missing behind it: the
            // next fragment says when it begins.
            if let Some(last) = place.samples.last_mut().filter(|_| !place.is_reordered) {
                let until = u32::try_from(shown - last.shown).unwrap_or(u32::MAX);
                last.duration = Some(last.duration.map_or(until, |own| own.min(until)));
            }
            self.cut(false);
        }
        let fragment = self.fragment.get_or_insert(Fragment { begin_us: file_us, bytes: 0, samples: 0 });
        fragment.bytes += frame.data.len();
        fragment.samples += 1;
        if let Some(place) = self.tracks.get_mut(track) {
            place
                .samples
                .push(PendingSample { shown, duration, is_key: frame.is_key, data: frame.data });
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.fragment.is_some()
    }

    pub(crate) fn flush(&mut self) {
        self.cut(false);
    }

    /// Ends the fragment. What may be shown behind pictures that are still to come is kept for the next one, unless this is the
    /// last.
    fn cut(&mut self, is_last: bool) {
        if self.fragment.take().is_none() {
            return;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let mut runs = Vec::new();
        let mut payload = Vec::new();
        for (track, number) in self.tracks.iter_mut().zip(1..) {
            let samples = track.take(is_last);
            if let Some(first) = track.samples.first() {
                let begin_us = us(first.shown, track.timescale);
                let kept = self.fragment.get_or_insert(Fragment { begin_us, bytes: 0, samples: 0 });
                kept.begin_us = kept.begin_us.min(begin_us);
                kept.bytes += track.samples.iter().map(|sample| sample.data.len()).sum::<usize>();
                kept.samples += track.samples.len();
            }
            if samples.is_empty() {
                continue;
            }
            let entry = samples.iter().position(|sample| sample.is_key);
            let entry = entry.and_then(|place| Some((place, samples.get(place)?.shown)));
            let mut run = track.lay(number, &samples);
            (run.offset, run.entry) = (payload.len(), entry);
            samples.iter().for_each(|sample| payload.extend_from_slice(&sample.data));
            runs.push(run);
        }
        // Sizes and counts are within their fields: a fragment is bounded.
        let Some(bytes) = fragment(self.sequence, &runs, &payload) else { return };
        let seek_number = u32::try_from(self.seek_track + 1).unwrap_or(u32::MAX);
        for (run, number) in runs.iter().zip(1..) {
            if run.track == seek_number
                && let Some(entry) = run.entry
            {
                self.note_entry(number, entry);
            }
        }
        self.append(bytes);
    }

    pub(crate) fn finish(&mut self, end_us: u64) {
        self.cut(true);
        let file_ms = ticks(end_us.saturating_sub(self.origin_us), 1_000);
        if let Some(at) = self.mehd {
            self.written.patches.push(duration_patch(at, file_ms));
        }
        if let Some(index) = self.index() {
            self.append(index);
        }
    }

    /// Notes the sample at a place in its run, and when it is shown.
    fn note_entry(&mut self, traf_number: u32, (place, time): (usize, u64)) {
        if self.entries.len() == MAX_ENTRIES {
            let mut place = 0_usize;
            self.entries.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        self.entries.push(TfraEntry {
            time,
            moof_offset: self.len,
            traf_number,
            trun_number: 1,
            sample_number: u32::try_from(place + 1).unwrap_or(u32::MAX),
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
    /// The first sample a decoder can begin with: its place, and when it is shown.
    entry: Option<(usize, u64)>,
    samples: Vec<TrunSample>,
}

impl Track {
    /// The samples of a fragment. Where pictures are out of order, those from the newest on stay: others may come that are
    /// shown before it. If these are all there are, none came for long.
    fn take(&mut self, is_last: bool) -> Vec<PendingSample> {
        let newest = self
            .samples
            .iter()
            .zip(0..)
            .max_by_key(|(sample, _)| sample.shown)
            .map_or(0, |(_, place)| place);
        let bytes: usize = self.samples.iter().skip(newest).map(|sample| sample.data.len()).sum();
        let stays = self.is_reordered && !is_last && newest > 0 && bytes < MAX_CLUSTER_BYTES / 2;
        let kept = self.samples.split_off(if stays { newest } else { self.samples.len() });
        std::mem::replace(&mut self.samples, kept)
    }

    /// When samples are decoded: strictly one after the other, behind those that were written.
    fn decoded(&mut self, samples: &[PendingSample]) -> Vec<u64> {
        let mut times: Vec<u64> = samples.iter().map(|sample| sample.shown).collect();
        times.sort_unstable();
        let late = samples.iter().zip(&times).map(|(sample, time)| time.saturating_sub(sample.shown));
        self.lead = late.max().unwrap_or_default().max(self.lead);
        times.iter_mut().for_each(|time| *time = time.saturating_sub(self.lead));
        // Those for which there is no time yet share what is there in front of the next one.
        let count = times.iter().position(|time| *time > self.end).unwrap_or(times.len());
        let room = times.get(count).map_or(0, |time| time - self.end);
        for (time, place) in times.iter_mut().take(count).zip(0_u64..) {
            *time = self.end + room * place / u64::try_from(count).unwrap_or(u64::MAX);
        }
        let mut earliest = self.end;
        for time in &mut times {
            *time = (*time).max(earliest);
            earliest = *time + 1;
        }
        times
    }

    /// Lays samples into a run. Within a fragment a sample begins where the durations of those before it end (section 8.8.8),
    /// so it stands for what is missing behind it as well.
    fn lay(&mut self, track: u32, samples: &[PendingSample]) -> Run {
        let times = self.decoded(samples);
        let begin = times.first().copied().unwrap_or(self.end);
        let offset = |sample: &PendingSample, time: u64| sample.shown.cast_signed().saturating_sub(time.cast_signed());
        let is_any_apart = samples.iter().zip(&times).any(|(sample, time)| offset(sample, *time) != 0);
        let mut run = Run { track, begin, offset: 0, entry: None, samples: Vec::with_capacity(samples.len()) };
        for (place, (sample, time)) in samples.iter().zip(&times).enumerate() {
            let duration = match times.get(place + 1) {
                Some(next) => u32::try_from(next - time).unwrap_or(u32::MAX),
                None => sample.duration.unwrap_or(self.usual),
            };
            self.usual = duration.min(self.timescale / ASSUMED_PER_SECOND);
            self.end = time + u64::from(duration);
            run.samples.push(TrunSample {
                duration: Some(duration),
                size: u32::try_from(sample.data.len()).ok(),
                flags: Some(if sample.is_key { SYNC } else { NON_SYNC }),
                composition_time_offset: is_any_apart.then(|| offset(sample, *time)),
            });
        }
        if !self.is_reordered {
            self.next = self.next.max(self.end);
        }
        run
    }
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

fn us(ticks: u64, timescale: u32) -> u64 {
    u64::try_from(u128::from(ticks) * 1_000_000 / u128::from(timescale)).unwrap_or(u64::MAX)
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
            let (duration_us, usual_us) = (Some(20_000), 20_000);
            writer.write(0, Frame { time_us: 0, early_us: 0, duration_us, usual_us, is_key: true, data });
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
