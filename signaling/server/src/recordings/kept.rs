//! The files of a recording that is over, as the store has them.

use serde::{Deserialize, Serialize};

/// One file, beside the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptFile {
    /// Its name in the recording's directory.
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

impl KeptFile {
    /// What is in it, by its ending.
    pub(crate) fn content_type(&self) -> &'static str {
        content_type(&self.name)
    }

    /// As the store has several.
    pub(super) fn write(files: &[Self]) -> String {
        serde_json::to_string(files).unwrap_or_else(|_| "[]".to_owned())
    }

    pub(super) fn read(files: &str) -> Vec<Self> {
        serde_json::from_str(files).unwrap_or_else(|error| {
            tracing::error!(%error, "the files of a recording cannot be read");
            Vec::new()
        })
    }
}

/// What is in a file of a recording, by its ending.
pub(super) fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "mp4" => "video/mp4",
        "ogg" => "audio/ogg",
        "mp3" => "audio/mpeg",
        "m3u8" => "application/vnd.apple.mpegurl",
        "ts" => "video/mp2t",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

/// Whether a file names others, by its ending.
pub(super) fn is_playlist(name: &str) -> bool {
    name.ends_with(".m3u8")
}

#[cfg(test)]
mod tests {
    use super::content_type;

    #[test]
    fn players_are_told_what_every_file_is_that_a_recording_can_have() {
        for name in ["a.webm", "a.mkv", "a.mp4", "a.ogg", "a.mp3", "live.m3u8", "segment_00001.ts", "manifest.json"] {
            assert_ne!(content_type(name), "application/octet-stream", "{name}");
        }
        assert_eq!(content_type("live.m3u8"), "application/vnd.apple.mpegurl");
    }
}
