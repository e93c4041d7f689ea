//! Small files that are there as a whole or not at all, for their owner's eyes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Largest that is read, and so largest that is written. A file takes some 500 bytes, and a day of segments of two
/// seconds is 43 200 files.
const BYTES: usize = 64 << 20;

/// Writes a file anew. When this returns it outlasts a power cut.
pub(crate) fn write(folder: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    if text.len() > BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too much to be read again"));
    }
    let beside = beside(folder, name);
    // One that was left behind may have been made with other rights.
    remove(&beside)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, folder.join(name))
    });
    // Half of it takes room on a disk that may be full, and may have keys in it.
    written.inspect_err(|_| {
        let _ = remove(&beside);
    })?;
    sync(folder)
}

/// Reads a file; `None` when there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(u64::try_from(BYTES).unwrap_or(u64::MAX)).read_to_end(&mut text)?;
    Ok(Some(text))
}

/// Removes a file that was written so, and what a kill left of its writing. When this returns they stay away.
pub(crate) fn remove_written(folder: &Path, name: &str) -> io::Result<()> {
    remove(&folder.join(name))?;
    remove(&beside(folder, name))?;
    sync(folder)
}

/// Where a file is written before it has its name.
fn beside(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.new"))
}

/// Whether there is no room: there may be soon, not least because files go.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Removes a file, if there is one.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A name is in its directory for good only when the directory is written too.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let text = vec![b'x'; BYTES];
        write(folder.path(), "a", &text).unwrap();
        assert!(read(&folder.path().join("a")).unwrap().unwrap() == text);

        let more = vec![b'y'; BYTES + 1];
        assert_eq!(write(folder.path(), "a", &more).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(read(&folder.path().join("a")).unwrap().unwrap() == text, "what was there is there");
    }

    #[test]
    fn nothing_stays_of_what_could_not_be_written_or_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let is_empty = || fs::read_dir(folder.path()).unwrap().next().is_none();
        // No file takes the name of a directory.
        fs::create_dir(folder.path().join("a")).unwrap();
        assert!(write(folder.path(), "a", b"keys").is_err());
        fs::remove_dir(folder.path().join("a")).unwrap();
        assert!(is_empty());
        // Who writes is killed.
        write(folder.path(), "a", b"keys").unwrap();
        fs::write(folder.path().join("a.new"), "other ke").unwrap();
        remove_written(folder.path(), "a").unwrap();
        assert!(is_empty());
    }
}
