//! The files of one recording: which tracks share one, and what became of each.
//!
//! What somebody's camera and microphone give is in one file, what they share of their screen in another. A file stays
//! open when its tracks are gone, as others of the same person may follow; it is closed when they leave, or when the
//! recording ends.

use std::collections::BTreeMap;

use livekit_protocol::TrackInfo;
use sluice_node::{FileId, Recorded};
use sluice_recorder::PartSummary;
use sluice_recorder::manifest::{Owner, Track};
use sluice_recordings::{PartNumber, Source, TrackFacts, TrackKind};

use super::ledger::source_name;

/// Most tracks in a file at once: a voice and a picture.
pub(super) const INPUTS: usize = 2;
const SOUND: usize = 0;
const PICTURES: usize = 1;

/// Whose tracks share a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sharing {
    /// All there are: they were named one by one.
    Everything,
    /// Somebody's, or those of their screen.
    Somebody { identity: String, is_screen: bool },
}

/// One file.
#[derive(Debug)]
pub(super) struct RoomFile {
    pub(super) id: FileId,
    /// Without its ending.
    pub(super) name: String,
    sharing: Sharing,
    fed: Vec<Fed>,
    /// What is in it, as far as is known.
    parts: Vec<PartSummary>,
    /// What became of it, once it is closed.
    recorded: Option<Recorded>,
    is_closing: bool,
}

/// A track that was fed into a file.
#[derive(Debug)]
struct Fed {
    input: usize,
    facts: TrackFacts,
    track: TrackInfo,
    from_us: u64,
}

/// Where a part is written: the file, by its place among all, and the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) file: usize,
    pub(super) input: usize,
}

/// All files of a recording. As many as it has parts at most, which are bounded.
#[derive(Debug, Default)]
pub(super) struct Files {
    all: Vec<RoomFile>,
    parts: BTreeMap<PartNumber, Slot>,
}

impl Sharing {
    pub(super) fn of(source: &Source, facts: &TrackFacts) -> Self {
        match source {
            Source::Track { .. } | Source::Pair { .. } => Self::Everything,
            Source::Participant { .. } | Source::Room(_) => {
                Self::Somebody { identity: facts.identity.clone(), is_screen: facts.is_screen }
            }
        }
    }
}

impl Files {
    /// The open file these share in which nothing is written into this input now. Somebody with two cameras has two files.
    pub(super) fn open_for(&self, sharing: &Sharing, input: usize) -> Option<usize> {
        self.all.iter().enumerate().position(|(number, file)| {
            let is_taken = self.parts.values().any(|slot| *slot == Slot { file: number, input });
            file.recorded.is_none() && !file.is_closing && file.sharing == *sharing && !is_taken
        })
    }

    /// What the next file is called, without its ending: names people choose name no files.
    pub(super) fn next_name(&self, source: &Source) -> String {
        match source {
            Source::Room(_) => format!("track-{}", self.all.len() + 1),
            _ if self.all.is_empty() => "recording".to_owned(),
            _ => format!("recording-{}", self.all.len() + 1),
        }
    }

    pub(super) fn add(&mut self, id: FileId, name: String, sharing: Sharing) -> usize {
        let file = self.all.len();
        self.all.push(RoomFile {
            id,
            name,
            sharing,
            fed: Vec::new(),
            parts: Vec::new(),
            recorded: None,
            is_closing: false,
        });
        file
    }

    pub(super) fn id(&self, file: usize) -> Option<FileId> {
        self.all.get(file).map(|file| file.id)
    }

    /// A track goes into a file from now on, into an input of its own: nothing else does, see [`Self::open_for`].
    pub(super) fn feed(&mut self, part: PartNumber, slot: Slot, facts: TrackFacts, track: TrackInfo, from_us: u64) {
        if let Some(file) = self.all.get_mut(slot.file) {
            file.fed.push(Fed { input: slot.input, facts, track, from_us });
            self.parts.insert(part, slot);
        }
    }

    /// A part is written no more.
    pub(super) fn remove_part(&mut self, part: PartNumber) -> Option<(FileId, Slot)> {
        let slot = self.parts.remove(&part)?;
        Some((self.id(slot.file)?, slot))
    }

    /// The parts written into a file now.
    pub(super) fn parts_of(&self, file: usize) -> Vec<PartNumber> {
        self.parts.iter().filter(|(_, slot)| slot.file == file).map(|(part, _)| *part).collect()
    }

    /// Files to close, each named once: those of somebody who left, or all.
    pub(super) fn closing(&mut self, of: Option<&str>) -> Vec<(usize, FileId)> {
        let is_meant = |sharing: &Sharing| match (of, sharing) {
            (None, _) => true,
            (Some(who), Sharing::Somebody { identity, .. }) => identity == who,
            (Some(_), Sharing::Everything) => false,
        };
        let mut found = Vec::new();
        for (number, file) in self.all.iter_mut().enumerate() {
            if file.recorded.is_none() && !file.is_closing && is_meant(&file.sharing) {
                file.is_closing = true;
                found.push((number, file.id));
            }
        }
        found
    }

    /// What is in a file by now.
    pub(super) fn so_far(&mut self, file: usize, parts: Vec<PartSummary>) {
        if let Some(file) = self.all.get_mut(file) {
            file.parts = parts;
        }
    }

    /// The parts of files there are by now, by the file and the number of the part in it.
    pub(super) fn parts(&self) -> Vec<(usize, u32)> {
        let parts_of =
            |(number, file): (usize, &RoomFile)| file.parts.iter().map(|part| (number, part.part)).collect::<Vec<_>>();
        self.all.iter().enumerate().flat_map(parts_of).collect()
    }

    /// A file is closed, because it was to be or because it had to.
    pub(super) fn closed(&mut self, file: usize, recorded: Recorded) {
        if let Some(file) = self.all.get_mut(file) {
            file.parts.clone_from(&recorded.parts);
            file.recorded = Some(recorded);
        }
    }

    pub(super) fn are_all_closed(&self) -> bool {
        self.all.iter().all(|file| file.recorded.is_some())
    }

    /// A file ended before it was told to, and may be without what is written at the end.
    pub(super) fn has_failed(&self) -> bool {
        let failed = |recorded: &Recorded| recorded.failed.is_some();
        self.all.iter().any(|file| file.recorded.as_ref().is_some_and(failed))
    }

    /// The tracks that were fed, in order.
    pub(super) fn fed(&self) -> impl Iterator<Item = (&TrackFacts, &TrackInfo)> {
        self.all.iter().flat_map(|file| &file.fed).map(|fed| (&fed.facts, &fed.track))
    }

    /// What stands in the manifest: each track of each file on the disk.
    pub(super) fn tracks(&self) -> Vec<Track> {
        let mut tracks = Vec::new();
        for file in &self.all {
            for part in &file.parts {
                for summary in &part.tracks {
                    if let Some(fed) = file.fed_before(summary.input.0, summary.end_us) {
                        let owner = Owner {
                            track_sid: fed.track.sid.clone(),
                            participant: fed.facts.identity.clone(),
                            source: source_name(fed.track.source()).to_owned(),
                        };
                        tracks.push(Track::new(summary, owner, part.file_name(&file.name)));
                    }
                }
            }
        }
        tracks
    }
}

impl RoomFile {
    /// Several tracks may follow each other on one input. What is in a part is named after the last that was fed before it
    /// ended.
    fn fed_before(&self, input: usize, end_us: u64) -> Option<&Fed> {
        let mut of_input = self.fed.iter().filter(|fed| fed.input == input);
        let first = of_input.next()?;
        Some(of_input.take_while(|fed| fed.from_us < end_us).last().unwrap_or(first))
    }
}

/// The input a track goes into.
pub(super) fn input_of(facts: &TrackFacts) -> usize {
    match facts.kind {
        TrackKind::Audio => SOUND,
        TrackKind::Video => PICTURES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(track: &str) -> (TrackFacts, TrackInfo) {
        let facts = TrackFacts {
            track: track.to_owned(),
            identity: "ada".to_owned(),
            kind: TrackKind::Video,
            is_screen: false,
            is_encrypted: false,
        };
        (facts, TrackInfo { sid: track.to_owned(), ..TrackInfo::default() })
    }

    #[test]
    fn two_cameras_are_in_two_files_and_the_next_one_goes_on_where_one_ended() {
        let sharing = Sharing::Somebody { identity: "ada".to_owned(), is_screen: false };
        let mut files = Files::default();
        assert_eq!(files.open_for(&sharing, PICTURES), None);
        let open = |files: &mut Files, part: PartNumber, track: &str| {
            let file = files
                .open_for(&sharing, PICTURES)
                .unwrap_or_else(|| files.add(FileId(u64::from(part)), format!("track-{part}"), sharing.clone()));
            let (facts, track) = camera(track);
            files.feed(part, Slot { file, input: PICTURES }, facts, track, 0);
            file
        };
        assert_eq!((open(&mut files, 1, "TR_1"), open(&mut files, 2, "TR_2")), (0, 1));
        assert_eq!(files.open_for(&sharing, SOUND), Some(0), "a voice shares the first");

        files.remove_part(1);
        assert_eq!(open(&mut files, 3, "TR_3"), 0);
        assert_eq!(files.parts_of(1), [2], "the other camera is still there");
        assert_eq!(files.closing(Some("ada")).len(), 2);
        assert_eq!(files.open_for(&sharing, SOUND), None, "she has left");
    }
}
