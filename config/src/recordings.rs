//! `[recordings]`: what is recorded, and where to.

use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;

use crate::Secret;
use crate::model::count;

/// `[recordings]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recordings {
    /// The directory for them.
    pub path: RecordingsPath,
    /// Most that go on at once.
    pub at_once: NonZeroU32,
    /// Most of them that are of one room, where a back end does not ask for more.
    pub at_once_in_room: NonZeroU32,
    /// Longest, in hours.
    pub max_hours: NonZeroU32,
    /// Largest file, in GiB.
    pub max_file_gib: NonZeroU32,
    /// Days one is kept after its end; 0: until somebody deletes it.
    pub keep_days: u16,
    /// What makes one video of a recording.
    pub ffmpeg: FfmpegPath,
    /// Most videos that are made at once.
    pub compositions_at_once: NonZeroU32,
    /// Buckets that requests bring along may be on loopback or in a private network.
    pub allow_private: bool,
    /// The bucket they are kept in when they are over.
    pub s3: S3,
}

impl Default for Recordings {
    fn default() -> Self {
        Self {
            path: RecordingsPath::default(),
            at_once: const { count(100) },
            at_once_in_room: const { count(25) },
            max_hours: const { count(12) },
            max_file_gib: const { count(64) },
            keep_days: 0,
            ffmpeg: FfmpegPath::Find,
            compositions_at_once: const { count(1) },
            allow_private: false,
            s3: S3::default(),
        }
    }
}

/// Where ffmpeg is, which makes one video of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum FfmpegPath {
    /// Wherever the `PATH` leads.
    Find,
    /// There.
    File(PathBuf),
    /// It is not used.
    Off,
}

impl TryFrom<String> for FfmpegPath {
    type Error = &'static str;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        match path.as_str() {
            "" => Err("not a path"),
            "find" => Ok(Self::Find),
            "off" => Ok(Self::Off),
            _ => Ok(Self::File(path.into())),
        }
    }
}

/// Where recordings are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum RecordingsPath {
    /// A directory, with one for each recording in it.
    Directory(PathBuf),
    /// A directory that goes when the server ends.
    Temporary,
    /// Nothing is recorded.
    Off,
}

impl Default for RecordingsPath {
    fn default() -> Self {
        Self::Directory(PathBuf::from("data/recordings"))
    }
}

impl TryFrom<String> for RecordingsPath {
    type Error = &'static str;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        match path.as_str() {
            "" => Err("not a path"),
            "temporary" => Ok(Self::Temporary),
            "off" => Ok(Self::Off),
            _ => Ok(Self::Directory(path.into())),
        }
    }
}

/// `[recordings.s3]`: a bucket that speaks S3. There is one when `bucket` is said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3 {
    /// Its name.
    pub bucket: Option<String>,
    /// Its region; empty: `us-east-1`.
    pub region: String,
    /// Another place than Amazon's.
    pub endpoint: Option<String>,
    /// The id of the key.
    pub access_key: Option<Secret>,
    /// The key.
    pub secret_key: Option<Secret>,
    /// The bucket is in the path of addresses rather than in the host's name.
    pub path_style: bool,
    /// What all keys begin with.
    pub prefix: String,
    /// Files stay in the directory, too.
    pub keep_local: bool,
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            bucket: None,
            region: String::new(),
            endpoint: None,
            access_key: None,
            secret_key: None,
            path_style: false,
            prefix: String::new(),
            keep_local: true,
        }
    }
}
