//! Opens the audit trail and the keys beside it, and closes it in the end.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use sluice_audit::{AddressKey, AuditLog, SigningKey, Trail};
use sluice_config::AuditPath;
use sluice_server::AuditTrail;
use tempfile::TempDir;

use crate::storage::make_folder;

/// The open trail.
pub(crate) struct TrailFile {
    /// Writes until everybody who was given the trail has let go of it.
    thread: JoinHandle<()>,
    /// Goes with this value, and all that is in it.
    temporary: Option<TempDir>,
}

impl TrailFile {
    /// Opens the trail, makes it and its keys where there are none. Its chain is followed from the beginning.
    ///
    /// # Errors
    /// What is wrong, and what the operator can do.
    pub(crate) fn open(path: &AuditPath) -> anyhow::Result<(Self, AuditTrail)> {
        let (path, temporary) = match path {
            AuditPath::File(path) => {
                make_folder(path, "the audit trail (`audit.path`)")?;
                (path.clone(), None)
            }
            AuditPath::Temporary => {
                let folder = tempfile::Builder::new().prefix("sluice-").tempdir();
                let folder = folder.context("cannot make a folder for a temporary audit trail")?;
                (folder.path().join("audit.log"), Some(folder))
            }
        };
        let keys = Keys::of(&path)?;
        let signing = SigningKey::from_seed(&keys.signing).context("the key of the audit trail cannot be used")?;
        let verifying = signing.verifying_key();
        let cannot = || format!("cannot open the audit trail {} (`audit.path`)", path.display());
        let log = AuditLog::open(&path, signing, now_ms()).with_context(cannot)?;
        let (trail, thread) = Trail::start(log).with_context(cannot)?;
        tracing::info!(path = %path.display(), key = %verifying, "the audit trail is open");
        Ok((Self { thread, temporary }, AuditTrail::new(trail, AddressKey::new(&keys.addresses))))
    }

    /// Waits until all is written, once everybody has let go of the trail.
    pub(crate) fn close(self) {
        if self.thread.join().is_err() {
            tracing::error!("a bug ended the audit trail early");
        }
        if let Some(folder) = self.temporary
            && let Err(error) = folder.close()
        {
            tracing::warn!(%error, "cannot remove the temporary audit trail");
        }
    }
}

/// The two secrets of a trail.
struct Keys {
    signing: [u8; 32],
    addresses: [u8; 32],
}

impl Keys {
    /// Those that lie beside the trail; new ones where neither they nor the trail are there.
    fn of(trail: &Path) -> anyhow::Result<Self> {
        let mut path = trail.as_os_str().to_owned();
        path.push(".key");
        let path = PathBuf::from(path);
        match fs::read_to_string(&path) {
            Ok(text) => {
                Self::read(&text).with_context(|| format!("{} holds no keys of an audit trail", path.display()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if fs::metadata(trail).is_ok_and(|trail| trail.len() > 0) {
                    bail!(
                        "the audit trail {} is there, and its keys {} are not: put them back, or begin a new file",
                        trail.display(),
                        path.display()
                    );
                }
                Self::make(&path).with_context(|| format!("cannot write the keys {}", path.display()))
            }
            Err(error) => Err(error).with_context(|| format!("cannot read the keys {}", path.display())),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(key, _)| *key == name).and_then(|(_, value)| from_hex(value.trim()))
        };
        Some(Self { signing: value("signing")?, addresses: value("addresses")? })
    }

    /// Whole or not at all, for its owner alone.
    fn make(path: &Path) -> anyhow::Result<Self> {
        let mut keys = Self { signing: [0; 32], addresses: [0; 32] };
        getrandom::fill(&mut keys.signing).context("the system gives no random bytes")?;
        getrandom::fill(&mut keys.addresses).context("the system gives no random bytes")?;
        let text = format!(
            "# Secrets of the audit trail beside this file: one signs it, the other hides addresses in it.\n\
             signing {}\naddresses {}\n",
            to_hex(&keys.signing),
            to_hex(&keys.addresses)
        );
        let begun = path.with_extension("key.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&begun)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&begun, path)?;
        Ok(keys)
    }
}

fn to_hex(bytes: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn open(path: &Path) -> anyhow::Result<()> {
        let (file, trail) = TrailFile::open(&AuditPath::File(path.to_owned()))?;
        drop(trail);
        file.close();
        Ok(())
    }

    #[test]
    fn a_trail_is_continued_with_the_keys_it_was_begun_with() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("below/audit.log");
        open(&path).unwrap();
        let keys = fs::read_to_string(home.path().join("below/audit.log.key")).unwrap();
        open(&path).unwrap();
        assert_eq!(fs::read_to_string(home.path().join("below/audit.log.key")).unwrap(), keys);
        let verified = sluice_audit::verify(&path, None, None).unwrap();
        assert_eq!(verified.records, 2, "each start is a record");
    }

    #[cfg(unix)]
    #[test]
    fn the_keys_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        open(&home.path().join("audit.log")).unwrap();
        let mode = fs::metadata(home.path().join("audit.log.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_trail_whose_keys_are_gone_is_not_continued_with_others() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("audit.log");
        open(&path).unwrap();
        let keys = home.path().join("audit.log.key");
        fs::write(&keys, "signing 12\n").unwrap();
        assert!(format!("{:#}", open(&path).unwrap_err()).contains("holds no keys"));
        fs::remove_file(&keys).unwrap();
        assert!(format!("{:#}", open(&path).unwrap_err()).contains("its keys"));
        assert!(!keys.exists());
    }
}
