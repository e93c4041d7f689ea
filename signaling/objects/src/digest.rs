//! Reads a file part by part and remembers what it was: a part may have to be read again, and must still be the same.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use md5::{Digest as _, Md5};

use crate::ShelfError;

/// Bytes of a part. S3 takes no less than 5 MiB; an upload holds one in memory at a time.
const PART_BYTES: u64 = 8 << 20;
/// Most parts S3 takes.
const PARTS: u64 = 10_000;
/// Largest object S3 takes.
const LARGEST: u64 = 5 << 40;

/// A file on its way.
pub(crate) struct Source {
    path: PathBuf,
    bytes: u64,
    part_bytes: u64,
    whole: Context,
    parts: Vec<[u8; 16]>,
}

impl Source {
    pub(crate) async fn open(path: &Path) -> Result<Self, ShelfError> {
        let path = path.to_owned();
        let (path, metadata) = blocking(move || {
            let metadata = std::fs::metadata(&path);
            (path, metadata)
        })
        .await?;
        let bytes = metadata.map_err(ShelfError::Local)?.len();
        if bytes > LARGEST {
            return Err(ShelfError::TooLarge);
        }
        // All of one size, as some buckets want it; whole MiB.
        let part_bytes = bytes.div_ceil(PARTS).next_multiple_of(1 << 20).max(PART_BYTES);
        Ok(Self { path, bytes, part_bytes, whole: Context::new(&SHA256), parts: Vec::new() })
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many parts; an empty file has one, which is empty.
    pub(crate) fn parts(&self) -> usize {
        usize::try_from(self.bytes.div_ceil(self.part_bytes)).unwrap_or(usize::MAX).max(1)
    }

    /// Reads a part: the next one, or one that was read before.
    pub(crate) async fn part(&mut self, index: usize) -> Result<Bytes, ShelfError> {
        let (path, at) = (self.path.clone(), u64::try_from(index).unwrap_or(u64::MAX).saturating_mul(self.part_bytes));
        let length = self.part_bytes.min(self.bytes.saturating_sub(at));
        let is_next = index == self.parts.len();
        let mut whole = self.whole.clone();
        let (read, whole) = blocking(move || {
            let read = read(&path, at, length).map(|part| (<[u8; 16]>::from(Md5::digest(&part)), part));
            if let (Ok((_, part)), true) = (&read, is_next) {
                whole.update(part);
            }
            (read, whole)
        })
        .await?;
        let (md5, part) = read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => ShelfError::Changed,
            _ => ShelfError::Local(error),
        })?;
        if is_next {
            self.whole = whole;
            self.parts.push(md5);
        } else if self.parts.get(index) != Some(&md5) {
            return Err(ShelfError::Changed);
        }
        Ok(part)
    }

    /// SHA-256 of all that was read, in hexadecimal digits.
    pub(crate) fn sha256(&self) -> String {
        hex(self.whole.clone().finish().as_ref())
    }

    /// The `ETag` a bucket gives to an object that it received so: MD5 of the one part, or that of the parts' MD5s.
    pub(crate) fn etag(&self) -> String {
        match self.parts.as_slice() {
            [only] => hex(only),
            parts => format!("{}-{}", hex(&Md5::digest(parts.concat())), parts.len()),
        }
    }
}

fn read(path: &Path, at: u64, length: u64) -> std::io::Result<Bytes> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    let mut part = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_exact(&mut part)?;
    Ok(part.into())
}

/// Off the threads that serve others.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ShelfError> {
    let lost = |_| ShelfError::Local(std::io::Error::other("the runtime is ending"));
    tokio::task::spawn_blocking(work).await.map_err(lost)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_part_read_again_must_be_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, vec![7; (8 << 20) + 5]).unwrap();
        let mut source = Source::open(&path).await.unwrap();
        assert_eq!((source.parts(), source.part(0).await.unwrap().len()), (2, 8 << 20));
        assert_eq!(source.part(1).await.unwrap().len(), 5);
        let sha256 = source.sha256();
        source.part(0).await.unwrap();
        assert_eq!(source.sha256(), sha256, "a part read again is not counted again");
        std::fs::write(&path, vec![8; (8 << 20) + 5]).unwrap();
        assert!(matches!(source.part(0).await, Err(ShelfError::Changed)));
        std::fs::write(&path, [8]).unwrap();
        assert!(matches!(source.part(0).await, Err(ShelfError::Changed)));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(source.part(0).await, Err(ShelfError::Local(_))));
    }

    #[tokio::test]
    async fn digests_are_those_everybody_knows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "").unwrap();
        let mut source = Source::open(&path).await.unwrap();
        assert_eq!((source.parts(), source.part(0).await.unwrap().len()), (1, 0));
        assert_eq!(source.etag(), "d41d8cd98f00b204e9800998ecf8427e");
        assert!(source.sha256().starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
    }
}
