//! Where recordings lie: `<folder>/<id>/`, with the tracks' files and `manifest.json`. All names are made here.

use std::io;
use std::path::{Path, PathBuf};

use sluice_recorder::manifest::Manifest;
use sluice_recordings::RecordingId;

/// The manifest's name.
pub(super) const MANIFEST: &str = "manifest.json";

/// Makes a directory for its owner's eyes, and those above it. One that is there stays as it is.
pub(super) fn make(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The directory of a recording. An id is plain letters, so it cannot lead elsewhere.
pub(super) fn of(folder: &Path, id: &RecordingId) -> PathBuf {
    folder.join(id.as_str())
}

/// Writes a manifest as a whole, or not at all.
pub(super) fn write_manifest(path: &Path, manifest: &Manifest) -> io::Result<()> {
    write_whole(path, &serde_json::to_vec_pretty(manifest)?)
}

/// The manifest that is there; `None` when there is none.
pub(super) fn read_manifest(path: &Path) -> io::Result<Option<Manifest>> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    // Half of it is nothing to leave behind, least of all on a disk that is full.
    written.inspect_err(|_| {
        let _ = std::fs::remove_file(&beside);
    })
}

/// Where a file of a recording is, for those who ask over the network.
pub(super) fn location(id: &RecordingId, file: &str) -> String {
    format!("/api/recordings/{}/files/{file}", id.as_str())
}
