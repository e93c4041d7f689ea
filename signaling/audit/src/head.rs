//! The head: number, hash and signature of the newest record, in a file of its own.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::keys::VerifyingKey;
use crate::record::{Digest, Line, from_hex, to_hex};

/// Where the trail ends. As text it is one line of JSON, which can be kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the newest record.
    pub number: u64,
    /// Its hash.
    pub hash: Digest,
    pub(crate) signature: [u8; 64],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    number: u64,
    hash: String,
    signature: String,
}

impl Head {
    pub(crate) fn of(line: &Line) -> Self {
        Self { number: line.record.number, hash: line.hash, signature: line.signature }
    }

    /// Reads the text of a head; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let written: Written = serde_json::from_str(text.trim()).ok()?;
        Some(Self {
            number: written.number,
            hash: Digest::parse(&written.hash)?,
            signature: from_hex(&written.signature)?,
        })
    }

    /// Whether the holder of this key said so.
    #[must_use]
    pub fn is_signed(&self, key: &VerifyingKey) -> bool {
        key.verifies(self.number, &self.hash, &self.signature)
    }

    /// Replaces the file: after this, and after whatever happens during it, the file holds one whole head.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("head.new");
        let mut file = File::create(&new)?;
        file.write_all(self.to_string().as_bytes())?;
        file.sync_data()?;
        fs::rename(&new, path)?;
        sync_directory(path)
    }

    /// `None`: there is no such file.
    pub(crate) fn load(path: &Path) -> io::Result<Option<Self>> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map(Some).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, hash, signature } = self;
        writeln!(f, "{{\"number\":{number},\"hash\":\"{hash}\",\"signature\":\"{}\"}}", to_hex(signature))
    }
}

/// A name in a directory is only on the disk when the directory is.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(windows) {
        // Directories cannot be opened there.
        return Ok(());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    File::open(parent)?.sync_all()
}
