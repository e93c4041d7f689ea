//! Writing the trail.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::head::{Head, sync_directory};
use crate::keys::SigningKey;
use crate::record::{Digest, Entry, Kind, Line, Outcome, Record};
use crate::verify::{BadRecord, Flaw, VerifyError, Walk, head_path};

/// Why the trail could not be written. Whatever needs a record must not be done then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Another process writes it.
    #[error("another process writes this audit trail: each server needs one of its own")]
    InUse,
    /// It is not as it was written, and is not continued as if it were.
    #[error("the audit trail is not as it was written ({0}); keep it as evidence and begin a new file")]
    Bad(#[from] BadRecord),
    /// It belongs to another key.
    #[error("the audit trail was begun with another signing key; use that one, or begin a new file")]
    OtherKey,
    /// The file cannot be written.
    #[error("the audit trail cannot be written")]
    Io(#[from] io::Error),
    /// It could not be written before, and what is on the disk is not known: it has to be opened again.
    #[error("the audit trail could not be written before: restart, which looks at what is there")]
    Broken,
}

/// Entries of several threads cross on their way here: an earlier time by less than this says nothing about the clock.
const CROSSING_MS: i64 = 1_000;

/// The trail of one server. Blocks: an append waits for the disk, some milliseconds.
#[derive(Debug)]
pub struct AuditLog {
    file: File,
    head_path: PathBuf,
    key: SigningKey,
    number: u64,
    hash: Digest,
    at_ms: i64,
    length: u64,
    clock_is_back: bool,
    broken: bool,
}

impl AuditLog {
    /// Opens a trail to continue it, or begins one. Its chain is followed from the beginning. A record at the end that
    /// was cut short, since the process before was killed, is taken off, and a record says so.
    ///
    /// # Errors
    /// [`AuditError::Bad`] when somebody changed it.
    pub fn open(path: &Path, key: SigningKey, now_ms: i64) -> Result<Self, AuditError> {
        let file = open_file(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(AuditError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        sync_directory(path)?;

        // Hashes alone for all but the last: its signature covers the whole chain.
        let mut walk = Walk::new(BufReader::new(File::open(path)?), Some(key.verifying_key()), false);
        let saved = Head::load(&head_path(path))?;
        let mut last = None;
        while let Some(line) = walk.step().map_err(AuditError::from)? {
            if saved.is_some_and(|head| head.number == line.record.number && head.hash != line.hash) {
                return Err(BadRecord { number: line.record.number, flaw: Flaw::Head }.into());
            }
            last = Some(line);
        }
        if let Some(head) = &saved {
            walk.reaches(head)?;
        } else if walk.number > 1 {
            return Err(BadRecord { number: walk.number, flaw: Flaw::HeadMissing }.into());
        }
        if let Some(line) = last.as_ref().filter(|line| !line.is_signed(&key.verifying_key())) {
            return Err(BadRecord { number: line.record.number, flaw: Flaw::Signature }.into());
        }

        let torn = (walk.torn_bytes > 0)
            .then(|| crate::verify::digest_of_rest(path, walk.good_bytes))
            .transpose()?;
        let mut log = Self {
            file,
            head_path: head_path(path),
            key,
            number: walk.number,
            hash: walk.hash,
            at_ms: walk.at_ms,
            length: walk.good_bytes,
            clock_is_back: false,
            broken: false,
        };
        log.cut_to_length()?;
        log.file.sync_data()?;
        // From the second record on there is a head: its absence says that somebody took it.
        if let (None, Some(line)) = (saved, &last) {
            Head::of(line).save(&log.head_path)?;
        }
        let opened = note("audit.opened", log.key.verifying_key().to_string());
        log.write(vec![(Kind::Opened, opened, now_ms)])?;
        if let Some(digest) = torn {
            let detail = format!("{} bytes of an unfinished record, SHA-256 {digest}", walk.torn_bytes);
            log.write(vec![(Kind::Repaired, note("audit.repaired", detail), now_ms)])?;
        }
        Ok(log)
    }

    /// Writes a record; its number. When this has answered, it is on the disk.
    ///
    /// # Errors
    /// It may be there all the same after [`AuditError::Io`]; what it speaks of must not be done.
    pub fn append(&mut self, entry: &Entry, now_ms: i64) -> Result<u64, AuditError> {
        self.write(vec![(Kind::Entry, entry.clone(), now_ms)])
    }

    /// Writes several records with one wait for the disk; the number of the last.
    ///
    /// # Errors
    /// Like [`AuditLog::append`]: all of them, a part, or none may be there.
    pub fn append_all(&mut self, entries: &[Entry], now_ms: i64) -> Result<u64, AuditError> {
        self.write(entries.iter().map(|entry| (Kind::Entry, entry.clone(), now_ms)).collect())
    }

    /// The same for entries of different moments.
    ///
    /// # Errors
    /// Like [`AuditLog::append_all`].
    pub fn append_timed(&mut self, entries: &[(Entry, i64)]) -> Result<u64, AuditError> {
        self.write(entries.iter().map(|(entry, at_ms)| (Kind::Entry, entry.clone(), *at_ms)).collect())
    }

    /// The head, to be kept elsewhere.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        Head::load(&self.head_path).ok().flatten()
    }

    /// How many records there are.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.number
    }

    fn write(&mut self, records: Vec<(Kind, Entry, i64)>) -> Result<u64, AuditError> {
        if self.broken {
            return Err(AuditError::Broken);
        }
        let mut batch = Batch {
            number: self.number,
            hash: self.hash,
            at_ms: self.at_ms,
            clock_is_back: self.clock_is_back,
            text: String::new(),
            head: None,
        };
        for (kind, entry, at_ms) in records {
            batch.push_in_time(kind, &entry, at_ms, &self.key);
        }
        let Some(head) = batch.head else { return Ok(self.number) };

        if let Err(error) = self.file.write_all(batch.text.as_bytes()) {
            // Perhaps a part was written: a full disk. It is taken off again, so that the next one can be tried.
            self.broken = self.cut_to_length().is_err();
            return Err(error.into());
        }
        // From here on until all is well, nobody knows what the disk has: a second sync may say yes to what is lost.
        self.broken = true;
        self.file.sync_data()?;
        head.save(&self.head_path)?;
        self.broken = false;
        self.number = batch.number;
        self.hash = batch.hash;
        self.at_ms = batch.at_ms;
        self.clock_is_back = batch.clock_is_back;
        self.length = self.length.saturating_add(u64::try_from(batch.text.len()).unwrap_or(u64::MAX));
        Ok(self.number)
    }

    /// Takes off what is beyond the last whole record, and stands there.
    fn cut_to_length(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        Ok(())
    }
}

/// Records that are written together, and where the trail stands after them.
struct Batch {
    number: u64,
    hash: Digest,
    at_ms: i64,
    clock_is_back: bool,
    text: String,
    head: Option<Head>,
}

impl Batch {
    /// A record, after one about the clock where that went back. Time stands still until the clock has caught up.
    fn push_in_time(&mut self, kind: Kind, entry: &Entry, at_ms: i64, key: &SigningKey) {
        if at_ms >= self.at_ms {
            self.clock_is_back = false;
        } else if self.at_ms.saturating_sub(at_ms) >= CROSSING_MS && !std::mem::replace(&mut self.clock_is_back, true) {
            let detail = format!("the clock shows {at_ms}, the record before {}", self.at_ms);
            self.push(Kind::ClockMovedBack, &note("audit.clock_moved_back", detail), key);
        }
        self.at_ms = self.at_ms.max(at_ms);
        self.push(kind, entry, key);
    }

    fn push(&mut self, kind: Kind, entry: &Entry, key: &SigningKey) {
        self.number = self.number.saturating_add(1);
        let record = Record::of(entry, kind, self.number, self.at_ms, &self.hash);
        let line = Line::seal(record, &self.hash, key);
        self.hash = line.hash;
        self.head = Some(Head::of(&line));
        self.text.push_str(&line.write());
    }
}

impl From<VerifyError> for AuditError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Bad(BadRecord { flaw: Flaw::OtherKey, .. }) => Self::OtherKey,
            VerifyError::Bad(bad) => Self::Bad(bad),
            VerifyError::Io(error) => Self::Io(error),
        }
    }
}

/// A record the trail makes of itself.
fn note(what: &str, detail: String) -> Entry {
    Entry {
        who: None,
        what: what.to_owned(),
        whom: None,
        room: None,
        from: None,
        result: Outcome::Done,
        request_id: None,
        detail: Some(detail),
    }
}

/// For its owner alone, where systems have owners.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
