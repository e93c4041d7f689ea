//! The segments of a recording (HLS): what they are called.
//!
//! A playlist names its segments, so both have the same names here and in a bucket. In a bucket that came with a request
//! they are called as asked for; elsewhere, names that people choose name nothing, and the server makes them.

use std::path::Path;

use sluice_composer::SegmentPlan;
use sluice_recordings::{Destination, Facts, ObjectPath, Order, Output, SegmentPaths};

const PLAYLIST: &str = "playlist.m3u8";
const LIVE_PLAYLIST: &str = "live.m3u8";
const PREFIX: &str = "segment";

/// What the segments of a recording are called.
#[derive(Debug, Clone)]
pub(super) struct Segments {
    asked: SegmentPaths,
    plan: SegmentPlan,
}

impl Segments {
    /// Those of an order, if it wants any.
    pub(super) fn of(order: &Order, facts: &Facts<'_>, folder: &Path) -> Option<Self> {
        let (names, destination) = order.outputs.iter().find_map(|output| match output {
            Output::Segments { names, destination, .. } => Some((names, destination)),
            _ => None,
        })?;
        let asked = names.fill(facts);
        let (playlist, live_playlist, prefix) = match destination {
            Destination::S3(_) => {
                (asked.playlist.file(), asked.live_playlist.as_ref().map(ObjectPath::file), asked.prefix.file())
            }
            Destination::Configured => (PLAYLIST, asked.live_playlist.as_ref().map(|_| LIVE_PLAYLIST), PREFIX),
        };
        let plan = SegmentPlan {
            folder: folder.to_owned(),
            playlist: playlist.to_owned(),
            live_playlist: live_playlist.map(str::to_owned),
            prefix: prefix.to_owned(),
            segment_s: u16::try_from(names.segment_s).unwrap_or(u16::MAX),
            by_time: names.by_time,
        };
        Some(Self { asked, plan })
    }

    /// As they were asked for.
    pub(super) const fn asked(&self) -> &SegmentPaths {
        &self.asked
    }

    /// As they are in the recording's directory.
    pub(super) const fn plan(&self) -> &SegmentPlan {
        &self.plan
    }

    /// The name that was asked for, of a file in the recording's directory.
    pub(super) fn name_of(&self, file: &str) -> String {
        self.asked.playlist.beside(file).to_string()
    }

    /// The directory that was asked for, with `/` at its end where there is one.
    pub(super) fn beside(&self) -> String {
        self.name_of("")
    }
}
