//! Makes files whole that could not be closed: a server was killed, or a disk was full.
//!
//! What there is to do to a file is said by `sluice_recorder`; here it is done. Blocks: whoever owns this does it elsewhere.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use sluice_composer::is_unfinished;
use sluice_objects::Kept;
use sluice_recorder::manifest::Manifest;
use sluice_recorder::{NotRecoverable, Repair, recover};

use super::composites::is_composite;
use super::folder;
use super::kept::is_playlist;

/// How often a file is cut a little shorter, where the disk has no room for its end. An index takes twenty bytes for two
/// seconds of media, so that one such piece mostly has room for the index of hours.
const CUTS: usize = 4;
const END_OF_LIST: &[u8] = b"#EXT-X-ENDLIST";

/// A file as it is now.
pub(super) struct Whole {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// `None`: it was whole, or it is none that has a duration.
    pub(super) duration_us: Option<u64>,
}

/// Makes all files of a recording whole that a killed server left. One that the disk does not give or take is named with the
/// others as it is: these are not to wait for it.
///
/// # Errors
/// The directory cannot be read.
pub(super) fn repair_all(folder: &Path) -> io::Result<Vec<Whole>> {
    repair_each(folder, repair)
}

fn repair_each(folder: &Path, repair: impl Fn(&Path) -> Result<Option<u64>, NotRecoverable>) -> io::Result<Vec<Whole>> {
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours_alone = name == folder::MANIFEST || Kept::is_note(&name) || is_unfinished(&name);
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) || is_ours_alone {
            continue;
        }
        let path = entry.path();
        let repaired = match repair(&path) {
            // Segments and composites are whole, or not under their names yet.
            Err(NotRecoverable::Foreign) if name.ends_with(".ts") || is_composite(&name) => Ok(None),
            Err(NotRecoverable::Foreign) if is_playlist(&name) => {
                end_playlist(&path).map(|()| None).map_err(Into::into)
            }
            repaired => repaired,
        };
        let duration_us = repaired.or_else(|error| {
            tracing::warn!(%error, name, "a file of a recording is left as it is");
            if matches!(error, NotRecoverable::Io(_)) { Ok(None) } else { Err(error) }
        });
        if let Ok(duration_us) = duration_us {
            files.push(Whole { name, bytes: entry.metadata().map_or(0, |metadata| metadata.len()), duration_us });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Makes the files whole that a manifest names, after one of them failed; the manifest says then how long they play.
pub(super) fn repair_named(folder: &Path, manifest: &mut Manifest) {
    let names: BTreeSet<String> = manifest.tracks.iter().map(|track| track.file.clone()).collect();
    for name in names {
        match repair(&folder.join(&name)) {
            Ok(None) => {}
            Ok(Some(duration_us)) => end_with_file(manifest, &name, duration_us),
            // It plays, and players look for themselves how long.
            Err(error) => tracing::warn!(%error, name, "a file of a recording is left as it is"),
        }
    }
}

/// What came last may not be in the file.
fn end_with_file(manifest: &mut Manifest, name: &str, duration_us: u64) {
    let of_file = || manifest.tracks.iter().filter(|track| track.file == name);
    let begin_us = of_file().map(|track| track.offset_us).min().unwrap_or(0);
    let end_us = begin_us.saturating_add(duration_us);
    for track in manifest.tracks.iter_mut().filter(|track| track.file == name) {
        track.duration_us = track.duration_us.min(end_us.saturating_sub(track.offset_us));
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// How long the file plays that was made whole; `None`: it was. The room for its end is taken from its last seconds, where the
/// disk has no other.
fn repair(path: &Path) -> Result<Option<u64>, NotRecoverable> {
    let mut file = open(path)?;
    let mut cuts = 0;
    loop {
        let Some(repair) = recover(&mut file)? else { return Ok(None) };
        let Err(error) = apply(&mut file, &repair) else { return Ok(Some(repair.duration_us)) };
        let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match repair.without_last.filter(|_| is_full && cuts < CUTS) {
            Some(without_last) => file.set_len(without_last)?,
            None => {
                // Half an index would be taken for damage.
                file.set_len(repair.keep)?;
                return Err(error.into());
            }
        }
        cuts += 1;
    }
}

fn apply(file: &mut File, repair: &Repair) -> io::Result<()> {
    file.set_len(repair.keep)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&repair.append)?;
    for patch in &repair.patches {
        file.seek(SeekFrom::Start(patch.offset))?;
        file.write_all(&patch.bytes)?;
    }
    file.sync_all()
}

/// Tells players that nothing more comes.
fn end_playlist(path: &Path) -> io::Result<()> {
    let mut file = open(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    if text.windows(END_OF_LIST.len()).any(|part| part == END_OF_LIST) {
        return Ok(());
    }
    if text.last().is_some_and(|last| *last != b'\n') {
        file.write_all(b"\n")?;
    }
    file.write_all(END_OF_LIST)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use sluice_recorder::manifest::Track;

    use super::*;

    #[test]
    fn segments_that_a_killed_server_wrote_play_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.0,\nEG_a-segment_00000.ts\n";
        for (name, text) in [
            ("playlist.m3u8", playlist),
            ("EG_a-segment_00000.ts", "\u{47}transport stream"),
            ("EG_a-segment_00001.ts.tmp", "half of one"),
            ("composite-grid.ogg", "OggS, and what ffmpeg made of it"),
            (".composite-grid.ogg.unfinished", "OggS, and half of it"),
            ("notes.txt", "somebody else's"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        for _ in 0..2 {
            let names: Vec<_> = repair_all(folder.path()).unwrap().into_iter().map(|whole| whole.name).collect();
            assert_eq!(names, ["EG_a-segment_00000.ts", "composite-grid.ogg", "playlist.m3u8"]);
            let text = std::fs::read_to_string(folder.path().join("playlist.m3u8")).unwrap();
            assert_eq!(text, format!("{playlist}#EXT-X-ENDLIST\n"), "once");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_holds_up_no_other() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["track-1.webm", "track-2.webm", "track-3.webm"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let whole = repair_each(folder.path(), |path| match path.ends_with("track-2.webm") {
            true => Err(NotRecoverable::Io(io::Error::other("the disk is broken there"))),
            false => Ok(Some(7)),
        });
        let whole: Vec<_> = whole.unwrap().into_iter().map(|whole| (whole.duration_us, whole.bytes)).collect();
        assert_eq!(whole, [(Some(7), 12), (None, 12), (Some(7), 12)], "and it is one of them");
    }

    #[test]
    fn no_track_plays_longer_than_its_file() {
        let track = |file: &str, offset_us, duration_us| -> Track {
            let track = serde_json::json!({
                "track_sid": "TR_1", "participant": "ann", "kind": "audio", "source": "microphone", "codec": "opus",
                "file": file, "offset_us": offset_us, "duration_us": duration_us, "gaps": [], "resolutions": [],
                "bytes": 1, "frames": 1,
            });
            serde_json::from_value(track).unwrap()
        };
        let tracks = vec![track("a", 100, 900), track("a", 400, 700), track("b", 0, 5_000), track("a", 2_000, 10)];
        let mut manifest = Manifest { tracks, ..Manifest::default() };
        end_with_file(&mut manifest, "a", 800);
        let durations: Vec<_> = manifest.tracks.iter().map(|track| track.duration_us).collect();
        assert_eq!(durations, [800, 500, 5_000, 0]);
    }
}
