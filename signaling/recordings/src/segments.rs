//! Names of segments (HLS): a playlist of all, one of the last few, and the segments themselves. They lie in one directory,
//! since a playlist names what is beside it.

use crate::{Facts, ObjectPath, Refusal, Template};

const APART: Refusal =
    Refusal::Name("of segments or of a playlist is in a directory of its own: they lie beside each other");
const SAME: Refusal = Refusal::Name("of the live playlist is that of the other playlist");
const ENDING: &str = ".m3u8";

/// How a playlist and its segments are to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentNames {
    /// What segments begin with.
    prefix: Template,
    /// The playlist of all segments.
    playlist: Template,
    /// The playlist of the last few, if it is wanted.
    live_playlist: Option<Template>,
    /// Seconds of a segment.
    pub segment_s: u32,
    /// Segments are named by time rather than by number.
    pub by_time: bool,
}

/// What they are called, once it is known what the words stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentPaths {
    /// What the names of segments begin with.
    pub prefix: ObjectPath,
    /// The playlist of all segments.
    pub playlist: ObjectPath,
    /// The playlist of the last few, if it is wanted.
    pub live_playlist: Option<ObjectPath>,
}

impl SegmentNames {
    /// Names as they were asked for, read as LiveKit's servers do: the directory is that of the playlist, or else of the
    /// prefix; of playlist and prefix, one is called as the other where it has no name, and `default` where both have none.
    ///
    /// # Errors
    /// [`Refusal::Name`] as [`Template::parse`], when they would lie apart, and when both playlists are one.
    pub fn read(
        (prefix, playlist, live_playlist): (&str, &str, &str),
        default: &str,
        (segment_s, by_time): (u32, bool),
    ) -> Result<Self, Refusal> {
        let (of_prefix, prefix) = split(prefix)?;
        let (of_playlist, playlist) = split(playlist)?;
        let (of_live, live_playlist) = split(live_playlist)?;
        let directory = if of_playlist.is_empty() { &of_prefix } else { &of_playlist };
        if [&of_prefix, &of_live].into_iter().any(|other| !other.is_empty() && other != directory) {
            return Err(APART);
        }
        let first = |names: [&str; 3]| names.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned();
        let (playlist, prefix) =
            (first([stem(&playlist), &prefix, default]), first([&prefix, stem(&playlist), default]));
        if stem(&live_playlist) == playlist {
            return Err(SAME);
        }
        let template = |name: &str| Template::parse(&format!("{directory}/{name}"), default);
        Ok(Self {
            prefix: template(&prefix)?,
            live_playlist: (!live_playlist.is_empty()).then(|| template(&live_playlist)).transpose()?,
            playlist: template(&playlist)?,
            segment_s,
            by_time,
        })
    }

    /// The name of the playlist of all segments.
    #[must_use]
    pub const fn playlist(&self) -> &Template {
        &self.playlist
    }

    /// Whether somebody may watch while the recording goes on.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.live_playlist.is_some()
    }

    /// The names, once it is known what the words stand for.
    #[must_use]
    pub fn fill(&self, facts: &Facts<'_>) -> SegmentPaths {
        let playlist = self.playlist.fill(facts, ENDING);
        let live_playlist = self.live_playlist.as_ref().map(|name| playlist.beside(name.fill(facts, ENDING).file()));
        // In a playlist the one begins a comment, or ends a path, and the other stands before digits.
        let prefix = self.prefix.fill(facts, "").file().replace(['#', '%'], "_");
        SegmentPaths { prefix: playlist.beside(&prefix), playlist, live_playlist }
    }
}

/// Directory and name of what was asked for, of which both may be empty.
fn split(asked: &str) -> Result<(String, String), Refusal> {
    Template::parse(asked, "x")?;
    let mut parts: Vec<_> = asked.split('/').filter(|part| !part.is_empty()).collect();
    let name = if asked.ends_with('/') { None } else { parts.pop() };
    Ok((parts.join("/"), name.unwrap_or_default().to_owned()))
}

fn stem(playlist: &str) -> &str {
    playlist.strip_suffix(ENDING).unwrap_or(playlist)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::UnixSeconds;

    const FACTS: Facts<'static> = Facts {
        room_name: "Team #1 100%",
        room_id: "RM_abc",
        time: UnixSeconds(1_795_325_026),
        publisher_identity: "",
        track_id: "",
        track_type: "",
        track_source: "",
    };

    /// Playlist, live playlist and prefix.
    fn names(prefix: &str, playlist: &str, live: &str) -> Result<[String; 3], Refusal> {
        let paths = SegmentNames::read((prefix, playlist, live), "{room_id}-{time}", (4, false))?.fill(&FACTS);
        let live = paths.live_playlist.map_or_else(String::new, |path| path.to_string());
        Ok([paths.playlist.to_string(), live, paths.prefix.to_string()])
    }

    #[test]
    fn names_are_what_livekit_makes_of_them() {
        let unnamed = "RM_abc-2026-11-22T052346";
        for (prefix, playlist, live, expected) in [
            ("", "", "", [format!("{unnamed}.m3u8"), String::new(), unnamed.into()]),
            ("seg", "", "", ["seg.m3u8".into(), String::new(), "seg".into()]),
            ("", "call", "now", ["call.m3u8".into(), "now.m3u8".into(), "call".into()]),
            ("", "call.m3u8", "now.m3u8", ["call.m3u8".into(), "now.m3u8".into(), "call".into()]),
            ("a/b/seg", "call", "now", ["a/b/call.m3u8".into(), "a/b/now.m3u8".into(), "a/b/seg".into()]),
            ("seg", "a/call", "a/now", ["a/call.m3u8".into(), "a/now.m3u8".into(), "a/seg".into()]),
            ("a/", "", "", [format!("a/{unnamed}.m3u8"), String::new(), format!("a/{unnamed}")]),
            ("a/", "call", "", ["a/call.m3u8".into(), String::new(), "a/call".into()]),
            (
                "{room_id}/seg",
                "/{room_id}/",
                "now",
                ["RM_abc/seg.m3u8".into(), "RM_abc/now.m3u8".into(), "RM_abc/seg".into()],
            ),
        ] {
            assert_eq!(names(prefix, playlist, live).unwrap(), expected, "{prefix} {playlist} {live}");
        }
    }

    #[test]
    fn what_cannot_lie_beside_each_other_is_refused() {
        assert_eq!(names("a/seg", "b/call", ""), Err(APART));
        assert_eq!(names("a/b/seg", "a/call", ""), Err(APART));
        assert_eq!(names("", "a/call", "b/now"), Err(APART));
        assert_eq!(names("", "call", "call.m3u8"), Err(SAME));
        assert!(names("../seg", "", "").is_err() && names("", "a\nb", "").is_err() && names("", "", "..").is_err());
    }

    #[test]
    fn players_read_the_names_in_a_playlist() {
        assert_eq!(names("{room_name}", "#call", "").unwrap(), ["#call.m3u8", "", "Team _1 100_"]);
    }
}
