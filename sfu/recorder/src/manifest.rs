//! What a recording consists of: `manifest.json`, beside its files.
//!
//! One line of time for all: microseconds since the recording's start. A reader that finds a `version` it does not know
//! asks for a newer one of itself; fields, and reasons of gaps, may be added without one. The schema is `manifest.schema.json` in this crate.

use serde::{Deserialize, Serialize};

use crate::file::{PartSummary, TrackSummary};
use crate::intake;

/// The version of this module's types.
pub const VERSION: u32 = 1;

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Manifest {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// Where it was recorded.
    pub room: Room,
    /// When it began, as RFC 3339 says it, in UTC. The time 0 of everything below.
    pub started_at: String,
    /// When it ended; nothing while it goes on.
    pub ended_at: Option<String>,
    /// Why it ended, where it did not end by being stopped.
    pub reason: Option<String>,
    /// Who was there.
    pub participants: Vec<Participant>,
    /// What was recorded, one for each file a track is in.
    pub tracks: Vec<Track>,
    /// Who spoke when.
    pub speakers: Vec<Speaker>,
    /// What was written.
    pub chat: Vec<Message>,
    /// What else happened.
    pub events: Vec<Event>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Room {
    /// Its id.
    pub sid: String,
    /// Its name.
    pub name: String,
}

/// Somebody who was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Participant {
    /// By which tracks and messages name them.
    pub identity: String,
    /// What they are called.
    pub name: String,
    /// 0 for those who were there before.
    pub joined_us: u64,
    /// Nothing for those who stayed.
    pub left_us: Option<u64>,
}

/// A track in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Track {
    /// Its id.
    pub track_sid: String,
    /// Identity of its publisher.
    pub participant: String,
    /// Sound or pictures.
    pub kind: TrackKind,
    /// Camera, microphone, ..., as LiveKit's protocol names it.
    pub source: String,
    /// In small letters, as behind the slash of a MIME type.
    pub codec: String,
    /// Name of its file, beside the manifest.
    pub file: String,
    /// Where time 0 of the file is.
    pub offset_us: u64,
    /// From there to the end of its last frame.
    pub duration_us: u64,
    /// Where it has nothing.
    pub gaps: Vec<Gap>,
    /// Sizes of its pictures.
    pub resolutions: Vec<Resolution>,
    /// Bytes of its frames.
    pub bytes: u64,
    /// How many frames.
    pub frames: u64,
}

/// Sound or pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// A time in which a track has nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gap {
    /// Begin.
    pub from_us: u64,
    /// End.
    pub to_us: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why a track has nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Packets were lost and not repaired.
    Lost,
    /// The publisher had it muted.
    Muted,
    /// What came was not what was announced.
    Malformed,
    /// The publisher began anew.
    Restarted,
    /// It was not published: it ended, and began again later.
    Unpublished,
}

/// From when on pictures have a size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Resolution {
    /// When.
    pub at_us: u64,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
}

/// A time in which somebody spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Speaker {
    /// Begin.
    pub from_us: u64,
    /// End.
    pub to_us: u64,
    /// Identity.
    pub participant: String,
}

/// A message of the chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Message {
    /// When.
    pub at_us: u64,
    /// Identity of who wrote it.
    pub participant: String,
    /// What.
    pub text: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Event {
    /// When.
    pub at_us: u64,
    /// What, as the event log names it.
    pub kind: String,
    /// What belongs to it, by its kind.
    #[serde(flatten)]
    pub fields: std::collections::BTreeMap<String, String>,
}

/// Whose track it is: what a recorder does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Id of the track.
    pub track_sid: String,
    /// Identity of its publisher.
    pub participant: String,
    /// Camera, microphone, ...
    pub source: String,
}

impl Track {
    /// What a recorder says of a track in a file, with what it does not know.
    #[must_use]
    pub fn new(summary: &TrackSummary, owner: Owner, file: String) -> Self {
        let gap = |gap: &intake::Gap| Gap { from_us: gap.from_us, to_us: gap.to_us, reason: gap.reason.into() };
        let size = |size: &intake::Resolution| Resolution { at_us: size.at_us, width: size.width, height: size.height };
        Self {
            track_sid: owner.track_sid,
            participant: owner.participant,
            kind: if summary.codec.is_video() { TrackKind::Video } else { TrackKind::Audio },
            source: owner.source,
            codec: summary.codec.name().to_owned(),
            file,
            offset_us: summary.origin_us,
            duration_us: summary.end_us.saturating_sub(summary.origin_us),
            gaps: summary.gaps.iter().map(gap).collect(),
            resolutions: summary.resolutions.iter().map(size).collect(),
            bytes: summary.bytes,
            frames: summary.frames,
        }
    }
}

impl PartSummary {
    /// The name of the part's file: `name.webm`, and `name.2.webm` for the second part.
    #[must_use]
    pub fn file_name(&self, name: &str) -> String {
        file_name(name, self.part, self.extension)
    }
}

/// The name of a recorder's file: `name.webm` for the first part, and `name.2.webm` for the second.
#[must_use]
pub fn file_name(name: &str, part: u32, extension: crate::Extension) -> String {
    let extension = extension.as_str();
    match part {
        0 => format!("{name}.{extension}"),
        part => format!("{name}.{}.{extension}", u64::from(part) + 1),
    }
}

impl From<intake::GapReason> for GapReason {
    fn from(reason: intake::GapReason) -> Self {
        match reason {
            intake::GapReason::Lost => Self::Lost,
            intake::GapReason::Muted => Self::Muted,
            intake::GapReason::Malformed => Self::Malformed,
            intake::GapReason::Restarted => Self::Restarted,
            intake::GapReason::Unpublished => Self::Unpublished,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{Codec, Extension, Input};

    fn manifest() -> Manifest {
        let summary = TrackSummary {
            input: Input(0),
            codec: Codec::Opus,
            origin_us: 5,
            begin_us: 5,
            end_us: 105,
            gaps: vec![
                intake::Gap { from_us: 10, to_us: 20, reason: intake::GapReason::Muted },
                intake::Gap { from_us: 30, to_us: 40, reason: intake::GapReason::Unpublished },
            ],
            resolutions: Vec::new(),
            frames: 2,
            bytes: 80,
        };
        let owner = Owner { track_sid: "TR_1".into(), participant: "ada".into(), source: "microphone".into() };
        Manifest {
            version: VERSION,
            started_at: "2026-11-22T05:00:00Z".into(),
            tracks: vec![Track::new(&summary, owner, file_name("ada", 1, Extension::Webm))],
            events: vec![Event {
                at_us: 1,
                kind: "track_published".into(),
                fields: [("track_sid".to_owned(), "TR_1".to_owned())].into(),
            }],
            ..Manifest::default()
        }
    }

    #[test]
    fn what_is_written_is_read_and_is_as_the_fields_are_named() {
        let json = serde_json::to_value(manifest()).unwrap();
        assert_eq!(json["tracks"][0]["kind"], "audio");
        assert_eq!(json["tracks"][0]["gaps"][0]["reason"], "muted");
        assert_eq!(json["tracks"][0]["gaps"][1]["reason"], "unpublished");
        assert_eq!((&json["tracks"][0]["offset_us"], &json["tracks"][0]["duration_us"]), (&5.into(), &100.into()));
        assert_eq!(json["tracks"][0]["file"], "ada.2.webm");
        assert_eq!(json["events"][0]["track_sid"], "TR_1");
        assert_eq!(serde_json::from_value::<Manifest>(json).unwrap(), manifest());
    }

    /// The file is written anew by `UPDATE_SCHEMA=1 cargo test -p sluice-recorder schema`.
    #[test]
    fn the_schema_is_that_of_the_types() {
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(Manifest)).unwrap() + "\n";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("manifest.schema.json");
        #[expect(clippy::disallowed_methods, reason = "a developer's wish, not configuration")]
        if std::env::var("UPDATE_SCHEMA").is_ok() {
            std::fs::write(&path, &schema).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(committed == schema, "write it anew with UPDATE_SCHEMA=1, and think of VERSION");
    }
}
