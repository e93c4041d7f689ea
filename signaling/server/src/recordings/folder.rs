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
    let mut location = format!("/api/recordings/{}/files/", id.as_str());
    for byte in file.bytes() {
        // RFC 3986, section 2.3. Some names are those that a back end asked for.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            location.push(char::from(byte));
        } else {
            location.push_str(&format!("%{byte:02X}"));
        }
    }
    location
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_location_is_an_address_whatever_a_file_is_called() {
        let id = RecordingId::parse("EG_aaaaaaaaaaaa").unwrap();
        assert_eq!(location(&id, "recording-2.webm"), "/api/recordings/EG_aaaaaaaaaaaa/files/recording-2.webm");
        assert!(location(&id, "caf\u{e9} #1?.ts").ends_with("/files/caf%C3%A9%20%231%3F.ts"));
    }
}
