//! Finishes what a server that was killed left open: its files are made whole, brought to their bucket if they go to one,
//! and the recordings are over. What was on its way to a bucket goes on.

use std::path::Path;
use std::sync::Arc;

use livekit_protocol::{EgressInfo, EgressStatus, FileInfo};
use sluice_objects::{Destination, Parcel};
use sluice_recordings::{RecordingId, rfc3339};
use sluice_rooms::RecordingStep;
use sluice_store::{Recording, UnixMillis};

use super::delivery::Left;
use super::kept::KeptFile;
use super::repair::{Whole, repair_all};
use super::{RecordingsConfig, Shared, folder};
use crate::clock::moment;

/// No manifest is older when a server is killed: it is written every 5 s, by a disk that may be slow.
const MANIFEST_AGE_US: u64 = 15_000_000;
const REASON: &str = "the server was stopped in the middle; what it had written plays";

/// One after the other, in the background: a server that starts serves calls first.
pub(super) async fn finish(shared: Arc<Shared>, left_open: Vec<Recording>) {
    for recording in left_open {
        let (Some(path), Some(id)) = (&shared.config.folder, RecordingId::parse(&recording.id)) else { continue };
        let (folder, began) = (folder::of(path, &id), recording.created);
        let destination = match shared.delivery.left(&folder).await {
            Ok(Left::Arrived(kept)) => {
                shared.over(recording, &kept.note, None, RecordingStep::Ended).await;
                continue;
            }
            Ok(Left::OnItsWay(parcel, receipt)) => {
                let shared = shared.clone();
                tokio::spawn(async move { shared.settle(recording, parcel, receipt).await });
                continue;
            }
            Ok(Left::NotSent(destination, wish)) => Some((destination, wish)),
            Ok(Left::Nothing) => None,
            Err(error) => {
                tracing::error!(%error, id = recording.id, "it cannot be read where a recording is to go");
                None
            }
        };
        let at = folder.clone();
        let made_whole = tokio::task::spawn_blocking(move || {
            let files = repair_all(&at)?;
            if let Err(error) = finish_manifest(&at, began, &files) {
                tracing::warn!(%error, ?at, "the manifest of a recording that was cut off cannot be finished");
            }
            Ok::<_, std::io::Error>(files)
        })
        .await;
        let files = match made_whole {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => {
                tracing::error!(%error, id = recording.id, "what was recorded cannot be looked through");
                continue;
            }
            Err(_) => continue,
        };
        let ended = over(recording, &id, files, &shared.config);
        tracing::info!(id = ended.id, bytes = ended.bytes, "finished a recording that was cut off");
        if let Some((destination, wish)) = destination {
            let shared = shared.clone();
            // It may take as long as its bucket is away.
            tokio::spawn(async move { shared.send_left(ended, &id, folder, destination, wish).await });
            continue;
        }
        shared.over(ended, "", None, RecordingStep::Ended).await;
    }
    look_through(&shared).await;
}

/// Looks through what there is of all recordings: what a killed server left of composites goes, and what a bucket refused is
/// tried again, since somebody may have put its keys right. Keys that are of no use any more go.
async fn look_through(shared: &Arc<Shared>) {
    let Some(path) = shared.config.folder.clone() else { return };
    let of_all = shared.clone();
    let with_parcel = move || -> std::io::Result<Vec<RecordingId>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let Some(id) = entry.file_name().to_str().and_then(RecordingId::parse) else { continue };
            if let Err(error) = of_all.composites.remove_unfinished(&id, &entry.path()) {
                tracing::warn!(%error, id = id.as_str(), "what was left of a composite stays");
            }
            found.extend(Parcel::is_in(&entry.path()).then_some(id));
        }
        Ok(found)
    };
    let found = tokio::task::spawn_blocking(with_parcel).await;
    let ids = found.unwrap_or_else(|error| Err(std::io::Error::other(error))).unwrap_or_else(|error| {
        tracing::error!(%error, "the directory for recordings cannot be looked through");
        Vec::new()
    });
    for id in ids {
        let (Some(path), Ok(Some(recording))) = (&shared.config.folder, shared.store.recording(id.as_str()).await)
        else {
            continue;
        };
        // Those that are not over are on their way, or recorded.
        if !recording.is_over {
            continue;
        }
        let folder = folder::of(path, &id);
        match shared.delivery.left(&folder).await {
            Ok(Left::OnItsWay(parcel, receipt)) => {
                let shared = shared.clone();
                tokio::spawn(async move { shared.settle(recording, parcel, receipt).await });
            }
            // It ended without being sent.
            Ok(Left::NotSent(destination, _)) => {
                shared.delivery.drop_keys(folder, destination == Destination::Ours).await;
            }
            _ => {}
        }
    }
}

/// The manifest was written while the recording went on, and is as old as that: what was still recorded then ends with its
/// file.
fn finish_manifest(folder: &Path, began: UnixMillis, files: &[Whole]) -> std::io::Result<()> {
    let path = folder.join(folder::MANIFEST);
    let Some(mut manifest) = folder::read_manifest(&path)? else { return Ok(()) };
    manifest.tracks.retain_mut(|track| {
        let Some(file) = files.iter().find(|file| file.name == track.file) else { return false };
        if let Some(whole_us) = file.duration_us
            && whole_us.saturating_sub(track.duration_us) <= MANIFEST_AGE_US
        {
            track.duration_us = whole_us;
        }
        true
    });
    let end_us = manifest
        .tracks
        .iter()
        .map(|track| track.offset_us.saturating_add(track.duration_us))
        .max()
        .unwrap_or(0);
    manifest.ended_at = Some(rfc3339(began.0.saturating_add(i64::try_from(end_us / 1000).unwrap_or(i64::MAX))));
    manifest.reason = Some(REASON.to_owned());
    folder::write_manifest(&path, &manifest)
}

fn over(recording: Recording, id: &RecordingId, files: Vec<Whole>, config: &RecordingsConfig) -> Recording {
    let now: UnixMillis = moment();
    let expires = config.expiry(now);
    let mut info: EgressInfo = serde_json::from_str(&recording.info).unwrap_or_default();
    info.status = if files.is_empty() { EgressStatus::EgressAborted } else { EgressStatus::EgressFailed }.into();
    REASON.clone_into(&mut info.error);
    info.ended_at = now.0.saturating_mul(1_000_000);
    info.updated_at = info.ended_at;
    let bytes = files.iter().map(|file| file.bytes).sum();
    let kept: Vec<_> = files.iter().map(|file| KeptFile { name: file.name.clone(), bytes: file.bytes }).collect();
    info.file_results = files
        .into_iter()
        .map(|file| FileInfo {
            location: folder::location(id, &file.name),
            filename: file.name,
            started_at: info.started_at,
            ended_at: info.ended_at,
            duration: i64::try_from(file.duration_us.unwrap_or(0)).unwrap_or(i64::MAX).saturating_mul(1000),
            size: i64::try_from(file.bytes).unwrap_or(i64::MAX),
        })
        .collect();
    let info = serde_json::to_string(&info).unwrap_or_else(|_| recording.info.clone());
    Recording { info, files: KeptFile::write(&kept), is_over: true, ended: Some(now), expires, bytes, ..recording }
}
