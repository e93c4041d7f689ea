//! Names of files. What back ends ask for is text from outside: it names a file below our own directory, or none.

use std::fmt;

use time::OffsetDateTime;

use crate::Refusal;

/// Bytes of one part of a path: file systems take 255, and an ending is added.
const PART_BYTES: usize = 200;
/// Bytes of a whole path: keys of object storages take 1024, and a prefix is added.
const PATH_BYTES: usize = 800;
const PARTS: usize = 16;
/// Names that open a device on Windows, where files are downloaded to.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixSeconds(pub i64);

/// What stands for the words in braces.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// `{room_name}`.
    pub room_name: &'a str,
    /// `{room_id}`.
    pub room_id: &'a str,
    /// `{time}`, in UTC: `2026-11-22T052346`; `{utc}`: `20261122052346`.
    pub time: UnixSeconds,
    /// `{publisher_identity}`; empty when there is not exactly one.
    pub publisher_identity: &'a str,
    /// `{track_id}`; empty when there is not exactly one.
    pub track_id: &'a str,
    /// `{track_type}`: `audio` or `video`.
    pub track_type: &'a str,
    /// `{track_source}`: `camera`, `microphone`, ...
    pub track_source: &'a str,
}

/// A name with words in braces, as a back end gave it. Checked: whatever the words stand for, it leads nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

/// A relative path of plain parts, below whatever directory or prefix it is put.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectPath(String);

impl Template {
    /// A name of our own.
    pub(crate) fn plain(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// A name as it was asked for. One that is empty or ends in `/` gets `default` as its last part. A leading `/` means
    /// nothing: there is no other place than ours.
    ///
    /// # Errors
    /// [`Refusal::Name`] when it climbs out of its directory, has characters no file name has, or is too long.
    pub fn parse(asked: &str, default: &str) -> Result<Self, Refusal> {
        if asked.len() > PATH_BYTES {
            return Err(Refusal::Name("is too long"));
        }
        if asked.chars().any(|c| c.is_control() || c == '\\') {
            return Err(Refusal::Name("has characters that no file name has"));
        }
        let parts: Vec<_> = asked.split('/').filter(|part| !part.is_empty()).collect();
        if parts.iter().any(|part| matches!(*part, "." | "..")) {
            return Err(Refusal::Name("climbs out of its directory"));
        }
        if parts.len() > PARTS {
            return Err(Refusal::Name("has too many directories"));
        }
        let mut name = parts.join("/");
        if name.is_empty() || asked.ends_with('/') {
            name = [name.as_str(), default]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("/");
        }
        Ok(Self(name))
    }

    /// The name, once it is known what the words stand for. `ending` (with its dot) is added where it is missing.
    #[must_use]
    pub fn fill(&self, facts: &Facts<'_>, ending: &str) -> ObjectPath {
        let mut parts: Vec<_> = self.0.split('/').map(|part| plain(&replaced(part, facts))).collect();
        // Words may have been long, or stood for nothing.
        while parts.len() > 1 && parts.iter().map(|part| part.len() + 1).sum::<usize>() > PATH_BYTES {
            parts.remove(0);
        }
        let mut path = parts.join("/");
        let has_ending = path.len() > ending.len()
            && path.get(path.len() - ending.len()..).is_some_and(|end| end.eq_ignore_ascii_case(ending));
        if !has_ending {
            path.push_str(ending);
        }
        ObjectPath(path)
    }
}

impl ObjectPath {
    /// The path, with `/` between its parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name for another of the same name: `call-2.webm` for `call.webm`.
    #[must_use]
    pub fn numbered(&self, number: usize) -> Self {
        let file = self.0.rfind('/').map_or(0, |slash| slash + 1);
        let ending = self.0.get(file..).and_then(|name| name.rfind('.')).map_or(self.0.len(), |dot| file + dot);
        let mut path = self.0.clone();
        path.insert_str(ending, &format!("-{number}"));
        Self(path)
    }

    /// Its last part.
    #[must_use]
    pub fn file(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, file)| file)
    }

    /// That of a file in the same directory, which has a plain name.
    #[must_use]
    pub fn beside(&self, file: &str) -> Self {
        Self(
            self.0
                .rsplit_once('/')
                .map_or_else(|| file.to_owned(), |(directory, _)| format!("{directory}/{file}")),
        )
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts in what the words stand for. What they stand for is not looked through again.
fn replaced(part: &str, facts: &Facts<'_>) -> String {
    let mut text = String::with_capacity(part.len());
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((word, behind)) = after.split_once('}') else {
            text.push('{');
            rest = after;
            continue;
        };
        match word {
            "room_name" => text.push_str(facts.room_name),
            "room_id" => text.push_str(facts.room_id),
            "time" => text.push_str(&stamp(facts.time, "-", "T")),
            "utc" => text.push_str(&stamp(facts.time, "", "")),
            "publisher_identity" => text.push_str(facts.publisher_identity),
            "track_id" => text.push_str(facts.track_id),
            "track_type" => text.push_str(facts.track_type),
            "track_source" => text.push_str(facts.track_source),
            _ => text.extend(["{", word, "}"]),
        }
        rest = behind;
    }
    text.push_str(rest);
    text
}

fn stamp(time: UnixSeconds, between: &str, before_time: &str) -> String {
    let time = OffsetDateTime::from_unix_timestamp(time.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}{between}{month:02}{between}{day:02}{before_time}{hour:02}{minute:02}{second:02}")
}

/// A moment as RFC 3339 writes it, in UTC: `2026-11-22T05:23:46.250Z`.
#[must_use]
pub fn rfc3339(unix_ms: i64) -> String {
    let moment = stamp(UnixSeconds(unix_ms.div_euclid(1000)), "-", "T");
    let (date, time) = moment.split_once('T').unwrap_or((&moment, ""));
    let (hour, rest) = time.split_at_checked(2).unwrap_or((time, ""));
    let (minute, second) = rest.split_at_checked(2).unwrap_or((rest, ""));
    format!("{date}T{hour}:{minute}:{second}.{:03}Z", unix_ms.rem_euclid(1000))
}

/// One part of a path that every file system and every object storage takes.
fn plain(part: &str) -> String {
    let mut text: String = part
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if c.is_control() || is_invisible(c) => '_',
            c => c,
        })
        .collect();
    while text.len() > PART_BYTES {
        text.pop();
    }
    // Trailing dots and spaces are dropped by Windows: `..` would be nothing but dots.
    text.truncate(text.trim_end_matches(['.', ' ']).len());
    // A leading dash is taken for an option by whoever lists the directory, a leading dot hides the file.
    if text.starts_with(['-', '.', ' ']) {
        text.replace_range(..1, "_");
    }
    let stem = text.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_device = DEVICES.contains(&stem.as_str())
        || (stem.len() == 4
            && (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.ends_with(|c: char| c.is_ascii_digit()));
    if text.is_empty() || is_device {
        text.insert(0, '_');
    }
    text
}

/// Characters that change how a name reads without being seen: marks of direction and joiners without width.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const FACTS: Facts<'static> = Facts {
        room_name: "Team call",
        room_id: "RM_abc",
        time: UnixSeconds(1_795_325_026),
        publisher_identity: "ada",
        track_id: "TR_VC1",
        track_type: "video",
        track_source: "camera",
    };

    fn name(asked: &str) -> String {
        Template::parse(asked, "{room_name}-{time}").unwrap().fill(&FACTS, ".webm").to_string()
    }

    #[test]
    fn words_stand_for_what_they_name() {
        assert_eq!(
            name("{room_id}/{publisher_identity}-{track_type}-{track_source}-{track_id}"),
            "RM_abc/ada-video-camera-TR_VC1.webm"
        );
        assert_eq!(name("a-{time}.webm"), "a-2026-11-22T052346.webm");
        assert_eq!(name("{utc}"), "20261122052346.webm");
        assert_eq!(name("{colour}-{room"), "{colour}-{room.webm");
    }

    #[test]
    fn a_name_not_asked_for_is_made() {
        assert_eq!(name(""), "Team call-2026-11-22T052346.webm");
        assert_eq!(name("calls/"), "calls/Team call-2026-11-22T052346.webm");
        assert_eq!(name("/"), "Team call-2026-11-22T052346.webm");
    }

    #[test]
    fn there_is_no_other_place_than_ours() {
        assert_eq!(name("/out/x.webm"), "out/x.webm");
        for climbs in ["../x", "a/../../etc/x", "a/..", "./x"] {
            assert!(matches!(Template::parse(climbs, "x"), Err(Refusal::Name(_))), "{climbs}");
        }
        for unwritable in ["a\0b", "a\nb", "..\\x"] {
            assert!(Template::parse(unwritable, "x").is_err(), "{unwritable:?}");
        }
        assert!(Template::parse(&"x".repeat(5000), "x").is_err());
        assert!(Template::parse(&"x/".repeat(100), "x").is_err());
    }

    #[test]
    fn what_a_word_stands_for_cannot_climb() {
        let named = |room_name| {
            Template::parse("{room_name}", "x")
                .unwrap()
                .fill(&Facts { room_name, ..FACTS }, ".webm")
                .to_string()
        };
        assert_eq!(named("../../etc/passwd"), "_._.._etc_passwd.webm");
        assert_eq!(named(".."), "_.webm");
        assert_eq!(named("-rf"), "_rf.webm");
        assert_eq!(named("CON"), "_CON.webm");
        assert_eq!(named("{track_id}"), "{track_id}.webm");
        assert_eq!(named("a\u{202E}b"), "a_b.webm");
    }

    #[test]
    fn moments_are_written_as_everybody_reads_them() {
        assert_eq!(rfc3339(1_795_325_026_250), "2026-11-22T05:23:46.250Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    }

    proptest! {
        #[test]
        fn every_path_is_relative_and_short(asked in ".{0,300}", room_name in ".{0,300}", identity in ".{0,300}") {
            let facts = Facts { room_name: &room_name, publisher_identity: &identity, ..FACTS };
            let Ok(template) = Template::parse(&asked, "{room_name}-{publisher_identity}") else { return Ok(()) };
            let path = template.fill(&facts, ".webm");
            prop_assert!(path.as_str().len() <= 1000);
            prop_assert!(path.as_str().ends_with(".webm"));
            for part in path.as_str().split('/') {
                prop_assert!(!part.is_empty() && part.len() <= 255 && !part.starts_with(['.', '-']), "{part:?}");
                prop_assert!(!part.chars().any(|c| c.is_control() || c == '\\'), "{part:?}");
            }
        }
    }
}
