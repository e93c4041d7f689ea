//! A stream as segments and their playlist (HLS, RFC 8216), in a folder.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Longest playlist that is read: a day of segments of a second, whatever they are called, is 21 MiB.
const MAX_PLAYLIST: u64 = 64 << 20;
/// Bytes of a name. File systems take 255; a number and `.ts.tmp` are added.
const MAX_NAME: usize = 220;
/// Segments of the playlist for those who watch live.
const LIVE_SEGMENTS: usize = 5;

/// Where segments go, and what they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentPlan {
    /// A folder that is there.
    pub folder: PathBuf,
    /// Name of the playlist of all segments.
    pub playlist: String,
    /// Name of the playlist of the last few, if it is wanted.
    pub live_playlist: Option<String>,
    /// What the names of segments begin with. A per cent sign becomes a low line.
    pub prefix: String,
    /// Seconds of a segment; the stream's key frames must allow them.
    pub segment_s: u16,
    /// Segments are named by the time of day rather than by number.
    pub by_time: bool,
}

/// A segment that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Name of its file.
    pub name: String,
    /// In microseconds.
    pub duration_us: u64,
}

/// A playlist of all segments, as it was when it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Playlist(String);

/// A name that leads out of its folder, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("playlists and segments have plain names of files")]
pub struct NotAName;

impl SegmentPlan {
    /// Looks at the names.
    pub(super) fn check(&self) -> Result<(), NotAName> {
        let names = [Some(self.playlist.as_str()), self.live_playlist.as_deref(), Some(&self.prefix)];
        let is_plain = |name: &str| {
            let mut parts = Path::new(name).components();
            let is_one = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
            is_one && name.len() <= MAX_NAME && !name.chars().any(char::is_control)
        };
        let are_apart = self.live_playlist.as_ref() != Some(&self.playlist);
        if are_apart && names.into_iter().flatten().all(is_plain) { Ok(()) } else { Err(NotAName) }
    }

    /// Arguments behind the input. Again: behind the segments that are there.
    pub(super) fn output(&self, command: &mut Command, is_again: bool) {
        let flags =
            if is_again { "independent_segments+temp_file+append_list" } else { "independent_segments+temp_file" };
        command.args(["-c", "copy", "-map", "0", "-f", "hls", "-hls_playlist_type", "event", "-hls_flags", flags]);
        command.args(["-hls_time", &self.segment_s.clamp(1, 60).to_string()]);
        // Names are patterns here, and a per cent sign has no other way to be written that all versions know.
        let prefix = self.prefix.replace('%', "_");
        let pattern = if self.by_time {
            command.args(["-strftime", "1"]);
            format!("{prefix}_%Y%m%d%H%M%S.ts")
        } else {
            format!("{prefix}_%05d.ts")
        };
        command
            .arg("-hls_segment_filename")
            .arg(self.file(&pattern))
            .arg(self.file(&self.playlist));
    }

    fn file(&self, name: &str) -> OsString {
        self.folder.join(name).into_os_string()
    }

    /// The playlist of all segments, as it is now: its lines that are whole.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than 64 MiB. That there is none yet is none.
    pub fn read(&self) -> io::Result<Playlist> {
        let mut text = Vec::new();
        match fs::File::open(self.folder.join(&self.playlist)) {
            Ok(file) => drop(file.take(MAX_PLAYLIST + 1).read_to_end(&mut text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if u64::try_from(text.len()).is_ok_and(|bytes| bytes > MAX_PLAYLIST) {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a playlist longer than any that is read"));
        }
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "a playlist that is no text");
        String::from_utf8(text).map(Playlist).map_err(no_text)
    }

    /// The segments that are whole, in order.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn segments(&self) -> io::Result<Vec<Segment>> {
        Ok(self.read()?.segments())
    }

    /// Writes the playlist of the last few segments, so that nobody reads half of it.
    pub(super) fn write_live(&self, is_over: bool) -> io::Result<()> {
        let Some(name) = &self.live_playlist else { return Ok(()) };
        let text = live(&self.segments()?, is_over);
        let path = self.folder.join(name);
        let mut beside = OsString::from(".");
        beside.push(name);
        let beside = self.folder.join(beside);
        fs::write(&beside, text)?;
        fs::rename(beside, path)
    }
}

impl Playlist {
    /// What it names.
    #[must_use]
    pub fn segments(&self) -> Vec<Segment> {
        let mut duration_us = None;
        let mut segments = Vec::new();
        for line in self.0.lines() {
            if let Some(said) = line.strip_prefix("#EXTINF:") {
                duration_us = said.split(',').next().and_then(micros);
            } else if is_name(line) {
                let name = Path::new(line)
                    .file_name()
                    .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                segments.push(Segment { name, duration_us: duration_us.take().unwrap_or_default() });
            }
        }
        segments
    }

    /// The playlist as it was when so many segments were there, and more were to come.
    #[must_use]
    pub fn up_to(&self, count: usize) -> String {
        let mut left = count;
        let before_next = |line: &&str| {
            let is_there = left > 0;
            left -= usize::from(is_there && is_name(line.trim_end()));
            is_there
        };
        self.0.split_inclusive('\n').take_while(before_next).collect()
    }

    /// That of the last few, when so many segments were there, and more were to come.
    #[must_use]
    pub fn last_of(&self, count: usize) -> String {
        let segments = self.segments();
        live(segments.get(..count).unwrap_or(&segments), false)
    }
}

/// Whether a line of a playlist names a segment.
fn is_name(line: &str) -> bool {
    !line.starts_with('#') && !line.is_empty()
}

/// `2.000000` in microseconds.
fn micros(seconds: &str) -> Option<u64> {
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
    let part: String = part.chars().chain(std::iter::repeat('0')).take(6).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(part.parse().ok()?)
}

/// The playlist of the last few.
fn live(segments: &[Segment], is_over: bool) -> String {
    let first = segments.len().saturating_sub(LIVE_SEGMENTS);
    let last = segments.get(first..).unwrap_or_default();
    let longest = last.iter().map(|segment| segment.duration_us.div_ceil(1_000_000)).max().unwrap_or(1);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{longest}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n"
    );
    for Segment { name, duration_us } in last {
        let (whole, part) = (duration_us / 1_000_000, duration_us % 1_000_000);
        text += &format!("#EXTINF:{whole}.{part:06},\n{name}\n");
    }
    if is_over {
        text += "#EXT-X-ENDLIST\n";
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn plan(playlist: &str, live_playlist: &str, prefix: &str) -> SegmentPlan {
        SegmentPlan {
            folder: "/nowhere".into(),
            playlist: playlist.into(),
            live_playlist: Some(live_playlist.into()),
            prefix: prefix.into(),
            segment_s: 2,
            by_time: false,
        }
    }

    #[test]
    fn names_stay_in_their_folder() {
        assert!(plan("all.m3u8", "live.m3u8", "100% room").check().is_ok());
        for (playlist, live, prefix) in
            [("../a", "b", "c"), ("a", "/b", "c"), ("a", "b", ""), ("a", "a", "c"), ("a\n", "b", "c"), (".", "b", "c")]
        {
            assert_eq!(plan(playlist, live, prefix).check(), Err(NotAName));
        }
    }

    #[test]
    fn a_playlist_is_read_to_its_last_whole_line_or_said_to_be_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let plan = SegmentPlan { folder: folder.path().into(), ..plan("all.m3u8", "live.m3u8", "a") };
        assert_eq!(plan.segments().unwrap(), []);
        let name = "\u{e4}".repeat(110);
        let of = |number: usize| format!("#EXTINF:1.000000,\n{name}_{number:05}.ts\n");
        // A day of segments of a second, and half of the next one's name.
        let mut text = "#EXTM3U\n".to_owned() + &(0..86_400).map(of).collect::<String>();
        let half = [text.as_bytes(), b"#EXTINF:1.000000,\n\xc3"].concat();
        fs::write(folder.path().join("all.m3u8"), half).unwrap();
        let segments = plan.segments().unwrap();
        assert_eq!(
            (segments.len(), segments.last().map(|last| last.name.ends_with("_86399.ts"))),
            (86_400, Some(true))
        );

        text.extend(std::iter::repeat_n('#', 64 << 20));
        fs::write(folder.path().join("all.m3u8"), text).unwrap();
        assert_eq!(plan.segments().unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn the_last_few_are_those_of_all() {
        let all = "#EXTM3U\n#EXT-X-VERSION:6\n".to_owned()
            + &(0..7).map(|number| format!("#EXTINF:2.5,\na_{number}.ts\n")).collect::<String>();
        let segments = Playlist(all).segments();
        assert_eq!((segments.len(), segments[6].duration_us), (7, 2_500_000));
        let text = live(&segments, true);
        assert!(text.contains("TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:2\n"), "{text}");
        assert!(text.ends_with("a_6.ts\n#EXT-X-ENDLIST\n") && !text.contains("a_1.ts"), "{text}");
    }

    #[test]
    fn playlists_of_some_segments_name_no_others() {
        let head = "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:EVENT\n";
        let of = |number: usize| format!("#EXTINF:2.000000,\na_{number}.ts\n");
        let all = Playlist(head.to_owned() + &(0..9).map(of).collect::<String>() + "#EXT-X-ENDLIST\n");
        assert_eq!(all.up_to(2), head.to_owned() + &of(0) + &of(1));
        assert_eq!(all.up_to(9), head.to_owned() + &(0..9).map(of).collect::<String>());
        let last = all.last_of(7);
        assert!(last.contains("MEDIA-SEQUENCE:2\n") && last.ends_with(&of(6)), "{last}");
        assert!(!all.last_of(9).contains("ENDLIST"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: String, count in 0_usize..5) {
            let playlist = Playlist(text);
            let segments = playlist.segments();
            for segment in &segments {
                prop_assert!(!segment.name.contains('/'));
            }
            let some = Playlist(playlist.up_to(count)).segments();
            prop_assert_eq!(some.as_slice(), &segments[..count.min(segments.len())]);
        }

        #[test]
        fn durations_are_read_as_they_are_written(duration_us in 0_u64..100_000_000) {
            let written = [Segment { name: "a.ts".into(), duration_us }];
            prop_assert_eq!(Playlist(live(&written, false)).segments(), written);
        }
    }
}
