//! What is to be kept, as it stands on the disk beside the files: `outbox.json` while it is on its way, `stored.json`
//! once it is there.
//!
//! Both are written as a whole. `outbox.json` may have the keys of a bucket in it that came with a request, and nowhere
//! else can they be had after a crash; it is for its owner's eyes, and goes when all is done. `stored.json` has no
//! secrets.

use std::io;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::{ObjectKey, S3Settings, Stored, durable};

/// The name of what is on its way.
pub(crate) const OUTBOX: &str = "outbox.json";
/// The name of what is there.
pub(crate) const STORED: &str = "stored.json";
const VERSION: u32 = 1;

/// Which bucket files go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The configured one.
    Ours,
    /// One that a request brought the keys of.
    Theirs(Box<S3Settings>),
}

/// A file to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name in the directory.
    pub name: String,
    /// Its name in the bucket.
    pub key: ObjectKey,
    /// What a browser is told that it is.
    pub content_type: String,
    /// It stays here too when it is there.
    pub stays: bool,
}

/// Files of one directory that are to be kept together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Where to.
    pub destination: Destination,
    /// A word of whoever made it, kept as it is: what to do when it has arrived, say.
    pub note: String,
    /// The files; `None` while they are not finished. Then only the destination is remembered.
    pub items: Option<Vec<Item>>,
    /// What was stored of them so far, in their order.
    pub(crate) stored: Vec<Stored>,
}

/// What is kept in a bucket of the files of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// It is the configured bucket.
    pub is_ours: bool,
    /// The word that the parcel had.
    pub note: String,
    /// The files: the name in the directory, and what the bucket holds.
    pub files: Vec<(String, Stored)>,
}

/// The part of `outbox.json` and `stored.json` that both have.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredText {
    key: String,
    bytes: u64,
    sha256: String,
    location: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParcelText {
    version: u32,
    note: String,
    s3: Option<SettingsText>,
    items: Option<Vec<ItemText>>,
    stored: Vec<StoredText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemText {
    name: String,
    key: String,
    content_type: String,
    stays: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsText {
    bucket: String,
    region: String,
    endpoint: Option<String>,
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
    path_style: bool,
    prefix: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptText {
    version: u32,
    is_ours: bool,
    note: String,
    files: Vec<KeptFileText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFileText {
    name: String,
    stored: StoredText,
}

impl Parcel {
    /// Of which nothing is there yet.
    #[must_use]
    pub const fn new(destination: Destination, note: String, items: Option<Vec<Item>>) -> Self {
        Self { destination, note, items, stored: Vec::new() }
    }

    /// Of which this is there already, of its first files and in their order.
    #[must_use]
    pub fn begun(mut self, mut stored: Vec<Stored>) -> Self {
        let items = self.items.iter().flatten();
        stored.truncate(stored.iter().zip(items).take_while(|(stored, item)| stored.key == item.key).count());
        self.stored = stored;
        self
    }

    /// Writes it down in the files' directory. When this returns it outlasts a power cut.
    ///
    /// # Errors
    /// The directory cannot be written, or a file's name is not one of a file in it.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        if self.items.iter().flatten().any(|item| !is_name(&item.name)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name that is none"));
        }
        durable::write(folder, OUTBOX, &serde_json::to_vec(&ParcelText::from(self))?)
    }

    /// What stands in a directory; `None`: nothing is on its way from there.
    ///
    /// # Errors
    /// It cannot be read, or not understood.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let Some(text) = durable::read(&folder.join(OUTBOX))? else { return Ok(None) };
        // The error of the parser would quote the text, and there are keys in it.
        let broken = |_| io::Error::new(io::ErrorKind::InvalidData, "what is on its way to a bucket cannot be read");
        let text: ParcelText = serde_json::from_slice(&text).map_err(broken)?;
        text.parcel().map(Some)
    }

    /// Whether something stands in a directory.
    #[must_use]
    pub fn is_in(folder: &Path) -> bool {
        folder.join(OUTBOX).exists()
    }

    pub(crate) fn remove(folder: &Path) -> io::Result<()> {
        durable::remove_written(folder, OUTBOX)
    }
}

impl Kept {
    /// Whether a name is one of the files in a recording's directory that are written here, and not for others.
    #[must_use]
    pub fn is_note(name: &str) -> bool {
        let name = name.strip_suffix(".new").unwrap_or(name);
        name == OUTBOX || name == STORED
    }

    /// What is kept of a directory's files; `None`: nothing is, or it is still on its way.
    ///
    /// # Errors
    /// It cannot be read, or not understood.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let Some(text) = durable::read(&folder.join(STORED))? else { return Ok(None) };
        let text: KeptText = serde_json::from_slice(&text)?;
        if text.version != VERSION {
            return Err(invalid("written by another version"));
        }
        let file = |file: KeptFileText| Ok((file.name, file.stored.stored()?));
        let files = text.files.into_iter().map(file).collect::<io::Result<_>>()?;
        Ok(Some(Self { is_ours: text.is_ours, note: text.note, files }))
    }

    /// With what of the same directory was there before. A parcel without a word leaves that of the one before.
    pub(crate) fn after(mut self, before: Option<Self>) -> Self {
        let Some(mut before) = before.filter(|before| before.is_ours == self.is_ours) else { return self };
        before.files.retain(|(name, _)| !self.files.iter().any(|(other, _)| other == name));
        before.files.append(&mut self.files);
        let note = if self.note.is_empty() { before.note } else { self.note };
        Self { note, ..before }
    }

    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let file = |(name, stored): &(String, Stored)| KeptFileText { name: name.clone(), stored: stored.into() };
        let text = KeptText {
            version: VERSION,
            is_ours: self.is_ours,
            note: self.note.clone(),
            files: self.files.iter().map(file).collect(),
        };
        durable::write(folder, STORED, &serde_json::to_vec(&text)?)
    }
}

impl ParcelText {
    fn parcel(self) -> io::Result<Parcel> {
        if self.version != VERSION {
            return Err(invalid("written by another version"));
        }
        let destination = match self.s3 {
            None => Destination::Ours,
            Some(settings) => Destination::Theirs(Box::new(settings.settings())),
        };
        let items = self
            .items
            .map(|items| items.into_iter().map(ItemText::item).collect::<io::Result<Vec<_>>>());
        let stored = self.stored.into_iter().map(StoredText::stored).collect::<io::Result<Vec<_>>>()?;
        Ok(Parcel { destination, note: self.note, items: items.transpose()?, stored })
    }
}

impl From<&Parcel> for ParcelText {
    fn from(parcel: &Parcel) -> Self {
        let item = |item: &Item| ItemText {
            name: item.name.clone(),
            key: item.key.to_string(),
            content_type: item.content_type.clone(),
            stays: item.stays,
        };
        Self {
            version: VERSION,
            note: parcel.note.clone(),
            s3: match &parcel.destination {
                Destination::Ours => None,
                Destination::Theirs(settings) => Some(settings.as_ref().into()),
            },
            items: parcel.items.as_ref().map(|items| items.iter().map(item).collect()),
            stored: parcel.stored.iter().map(StoredText::from).collect(),
        }
    }
}

impl ItemText {
    fn item(self) -> io::Result<Item> {
        if !is_name(&self.name) {
            return Err(invalid("a name that is none"));
        }
        let key = ObjectKey::parse(&self.key).map_err(|_| invalid("a key that is none"))?;
        Ok(Item { name: self.name, key, content_type: self.content_type, stays: self.stays })
    }
}

impl StoredText {
    fn stored(self) -> io::Result<Stored> {
        let key = ObjectKey::parse(&self.key).map_err(|_| invalid("a key that is none"))?;
        Ok(Stored { key, bytes: self.bytes, sha256: self.sha256, location: self.location })
    }
}

impl From<&Stored> for StoredText {
    fn from(stored: &Stored) -> Self {
        Self {
            key: stored.key.to_string(),
            bytes: stored.bytes,
            sha256: stored.sha256.clone(),
            location: stored.location.clone(),
        }
    }
}

impl SettingsText {
    fn settings(self) -> S3Settings {
        S3Settings {
            bucket: self.bucket,
            region: self.region,
            endpoint: self.endpoint,
            access_key: self.access_key.into(),
            secret_key: self.secret_key.into(),
            session_token: self.session_token.map(Into::into),
            path_style: self.path_style,
            prefix: self.prefix,
        }
    }
}

impl From<&S3Settings> for SettingsText {
    fn from(settings: &S3Settings) -> Self {
        Self {
            bucket: settings.bucket.clone(),
            region: settings.region.clone(),
            endpoint: settings.endpoint.clone(),
            access_key: settings.access_key.reveal().to_owned(),
            secret_key: settings.secret_key.reveal().to_owned(),
            session_token: settings.session_token.as_ref().map(|token| token.reveal().to_owned()),
            path_style: settings.path_style,
            prefix: settings.prefix.clone(),
        }
    }
}

/// The name of a file in the directory itself, and not of a note.
fn is_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let is_one = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
    is_one && !Kept::is_note(name)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn parcel(name: &str) -> Parcel {
        let settings = S3Settings {
            bucket: "theirs".to_owned(),
            region: "eu-1".to_owned(),
            endpoint: Some("https://s3.example.com".to_owned()),
            access_key: "AKIA".to_owned().into(),
            secret_key: "hush".to_owned().into(),
            session_token: Some("hush-token".to_owned().into()),
            path_style: true,
            prefix: String::new(),
        };
        let key = ObjectKey::parse("calls/a.webm").unwrap();
        let stored = Stored { key: key.clone(), bytes: 5, sha256: "ab".to_owned(), location: "https://x/a".to_owned() };
        let item = Item { name: name.to_owned(), key, content_type: "video/webm".to_owned(), stays: true };
        Parcel {
            stored: vec![stored],
            ..Parcel::new(Destination::Theirs(Box::new(settings)), "calls/a".to_owned(), Some(vec![item]))
        }
    }

    #[test]
    fn a_parcel_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Parcel::read(folder.path()).unwrap(), None);
        let parcel = parcel("recording.webm");
        parcel.write(folder.path()).unwrap();
        parcel.write(folder.path()).unwrap();
        assert_eq!(Parcel::read(folder.path()).unwrap(), Some(parcel.clone()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(!format!("{parcel:?}").contains("hush"));
        Parcel::remove(folder.path()).unwrap();
        Parcel::remove(folder.path()).unwrap();
        assert_eq!(Parcel::read(folder.path()).unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_keys_that_came_with_a_request() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        // One that was left behind, for everybody's eyes.
        std::fs::write(folder.path().join("outbox.json.new"), "").unwrap();
        parcel("a").write(folder.path()).unwrap();
        let mode = std::fs::metadata(folder.path().join(OUTBOX)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn names_that_lead_elsewhere_are_neither_written_nor_read() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "../a", "a/b", "/etc/passwd", "a/", "./a", OUTBOX, STORED, "stored.json.new"] {
            assert!(parcel(name).write(folder.path()).is_err(), "{name}");
        }
        parcel("aaa").write(folder.path()).unwrap();
        let path = folder.path().join(OUTBOX);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"aaa\"", "\"../a\"")).unwrap();
        assert!(Parcel::read(folder.path()).is_err());
        std::fs::write(&path, text.replace("calls/a.webm", "calls/../a")).unwrap();
        assert!(Parcel::read(folder.path()).is_err());
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        let error = Parcel::read(folder.path()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}
