//! What is to be recorded, read from whichever request asked for it.

use livekit_protocol as proto;

use crate::{Refusal, Secret, SegmentNames, Template};

/// Most outputs of one recording. Each is a file written, or somebody sent to.
pub(crate) const OUTPUTS: usize = 8;
/// Bytes of an address.
const URL_BYTES: usize = 2048;

/// What is to be recorded, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The room's name.
    pub room: String,
    /// What of it.
    pub source: Source,
    /// Where to; at least one.
    pub outputs: Vec<Output>,
    /// How pictures are encoded where they are encoded anew. `None`: as they come, as long as the output can hold that.
    pub encoding: Option<Encoding>,
}

/// What of a room is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One track as it comes.
    Track {
        /// Its id.
        track: String,
    },
    /// A voice and a picture in one file.
    Pair {
        /// Id of the track that is heard.
        audio: Option<String>,
        /// Id of the track that is seen.
        video: Option<String>,
    },
    /// Whatever somebody publishes.
    Participant {
        /// Who.
        identity: String,
        /// The shared screen rather than the camera, and its sound rather than the microphone.
        prefers_screen: bool,
        /// What of it.
        media: Media,
    },
    /// Everybody.
    Room(Composition),
}

/// How a room becomes one picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Composition {
    /// Who is where.
    pub layout: Layout,
    /// What of it.
    pub media: Media,
}

/// Who is where in the picture of a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// All of the same size.
    #[default]
    Grid,
    /// Who speaks is large, the others are beside.
    Speaker,
    /// Who speaks, and nobody else.
    SingleSpeaker,
}

/// Sound, pictures, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Media {
    /// Both.
    #[default]
    Both,
    /// Sound only.
    AudioOnly,
    /// Pictures only.
    VideoOnly,
}

/// Where a recording goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// One file.
    File {
        /// Its name.
        name: Template,
        /// What kind.
        kind: FileKind,
        /// Where it is kept.
        destination: Destination,
        /// The manifest is kept beside it.
        with_manifest: bool,
    },
    /// The files of the tracks as they come, and nothing made of them.
    Tracks {
        /// The name of each.
        name: Template,
        /// Where they are kept.
        destination: Destination,
    },
    /// A playlist and its segments (HLS).
    Segments {
        /// Names.
        names: SegmentNames,
        /// Where they are kept.
        destination: Destination,
        /// The manifest is kept beside them.
        with_manifest: bool,
    },
    /// Live, to others.
    Stream {
        /// Whom to.
        urls: Vec<StreamUrl>,
    },
}

/// Which container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// What the codecs go into without being changed: MP4 for H264 and H265, WebM for the others.
    ByCodec,
    /// MP4.
    Mp4,
    /// Ogg, sound only.
    Ogg,
    /// MP3, sound only.
    Mp3,
}

/// Where files are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// As the server is configured.
    Configured,
    /// A bucket the request brought the keys of.
    S3(Box<S3Target>),
}

/// A bucket, with its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Target {
    /// Access key.
    pub access_key: Secret,
    /// Its secret.
    pub secret: Secret,
    /// Of keys that are lent.
    pub session_token: Option<Secret>,
    /// Region; empty: the usual one.
    pub region: String,
    /// Another place than Amazon's.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The bucket is in the path rather than in the host's name.
    pub path_style: bool,
}

/// Somebody a stream goes to. The key of a stream is in its address, so it is shown in part only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamUrl(Secret);

/// How pictures and sound are encoded, where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
    /// Bits per second of pictures.
    pub video_bps: u32,
    /// Bits per second of sound.
    pub audio_bps: u32,
    /// Seconds between key frames; `None`: as the output needs.
    pub keyframe_s: Option<u32>,
}

impl Output {
    /// The name of what it makes. A stream makes nothing that has one.
    #[must_use]
    pub const fn name(&self) -> Option<&Template> {
        match self {
            Self::File { name, .. } | Self::Tracks { name, .. } => Some(name),
            Self::Segments { names, .. } => Some(names.playlist()),
            Self::Stream { .. } => None,
        }
    }

    /// Where its files are kept. A stream has none.
    #[must_use]
    pub const fn destination(&self) -> Option<&Destination> {
        match self {
            Self::File { destination, .. } | Self::Tracks { destination, .. } | Self::Segments { destination, .. } => {
                Some(destination)
            }
            Self::Stream { .. } => None,
        }
    }
}

impl Source {
    /// Whether one file with the tracks as they come is enough.
    #[must_use]
    pub const fn is_as_it_comes(&self) -> bool {
        !matches!(self, Self::Room(_))
    }
}

impl Layout {
    /// As LiveKit names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Speaker => "speaker",
            Self::SingleSpeaker => "single-speaker",
        }
    }

    /// The layout of a name. LiveKit's come with `-light` and `-dark`.
    ///
    /// # Errors
    /// [`Refusal::UnknownValue`] when there is none.
    pub fn named(name: &str) -> Result<Self, Refusal> {
        match name.trim_end_matches("-light").trim_end_matches("-dark") {
            "" | "grid" => Ok(Self::Grid),
            "speaker" => Ok(Self::Speaker),
            "single-speaker" => Ok(Self::SingleSpeaker),
            _ => Err(Refusal::UnknownValue("layout")),
        }
    }
}

impl StreamUrl {
    /// An address that can be sent to.
    ///
    /// # Errors
    /// [`Refusal::StreamAddress`] when it is none of RTMP or SRT.
    pub fn parse(url: &str) -> Result<Self, Refusal> {
        let host = ["rtmp://", "rtmps://", "srt://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let is_plain = url.len() <= URL_BYTES && url.chars().all(|c| c.is_ascii_graphic());
        match host {
            Some(rest) if is_plain && !rest.is_empty() && !rest.starts_with(['/', '?', '-']) => {
                Ok(Self(url.to_owned().into()))
            }
            _ => Err(Refusal::StreamAddress),
        }
    }

    /// The whole address, for the one call that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// The host it goes to, without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.0.reveal().split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((address, _)) => address,
            None => host.split(':').next().unwrap_or_default(),
        }
    }

    /// The address without what lets others send there: the key of a stream is in its path after the application (RTMP) or in
    /// its query (SRT), and passwords stand before the host.
    #[must_use]
    pub fn shown(&self) -> String {
        let url = self.0.reveal();
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let (authority, path) =
            place.split_once('/').map_or((place, None), |(authority, path)| (authority, Some(path)));
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let mut shown = format!("{scheme}://{host}");
        if let Some(path) = path {
            // A key may have slashes in it and at its end, so that all but the first part may be of it.
            let application = path.trim_matches('/').split_once('/').map(|(application, _)| application);
            shown.extend(application.iter().flat_map(|application| ["/", application]));
            shown.extend(["/", Secret::HIDDEN]);
        }
        if query.is_some() {
            shown.extend(["?", Secret::HIDDEN]);
        }
        shown
    }
}

impl Default for Encoding {
    /// What LiveKit's servers do where nothing is said: 720p, 30 frames per second.
    fn default() -> Self {
        Self { width: 1280, height: 720, fps: 30, video_bps: 3_000_000, audio_bps: 128_000, keyframe_s: None }
    }
}

impl Encoding {
    /// One of the named ones; `None` for the one that says not to encode.
    ///
    /// # Errors
    /// [`Refusal::UnknownValue`] when the number names none.
    pub fn preset(preset: i32) -> Result<Option<Self>, Refusal> {
        use proto::EncodingOptionsPreset as P;
        let preset = P::try_from(preset).map_err(|_| Refusal::UnknownValue("preset"))?;
        let (width, height, fps, kbps) = match preset {
            P::H264720p30 => (1280, 720, 30, 3000),
            P::H264720p60 => (1280, 720, 60, 4500),
            P::H2641080p30 => (1920, 1080, 30, 4500),
            P::H2641080p60 => (1920, 1080, 60, 6000),
            P::PortraitH264720p30 => (720, 1280, 30, 3000),
            P::PortraitH264720p60 => (720, 1280, 60, 4500),
            P::PortraitH2641080p30 => (1080, 1920, 30, 4500),
            P::PortraitH2641080p60 => (1080, 1920, 60, 6000),
            P::Passthrough => return Ok(None),
        };
        Ok(Some(Self { width, height, fps, video_bps: kbps * 1000, ..Self::default() }))
    }

    /// One described in numbers; 0 stands for what is usual.
    ///
    /// # Errors
    /// [`Refusal::UnknownValue`] for sizes and rates nobody encodes.
    pub fn advanced(options: &proto::EncodingOptions) -> Result<Self, Refusal> {
        let number = |name, value: i32, usual: u32, max: u32| match u32::try_from(value) {
            Ok(0) => Ok(usual),
            Ok(value) if value <= max => Ok(value),
            _ => Err(Refusal::UnknownValue(name)),
        };
        let usual = Self::default();
        // Encoders take whole pairs of lines.
        let even = |pixels: u32| (pixels / 2).max(1) * 2;
        let interval = options.key_frame_interval;
        if !(0.0..=60.0).contains(&interval) {
            return Err(Refusal::UnknownValue("key_frame_interval"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 60")]
        let seconds = interval.ceil() as u32;
        Ok(Self {
            width: even(number("width", options.width, 1920, 4096)?),
            height: even(number("height", options.height, 1080, 4096)?),
            fps: number("framerate", options.framerate, usual.fps, 60)?,
            video_bps: number("video_bitrate", options.video_bitrate, 4500, 50_000)? * 1000,
            audio_bps: number("audio_bitrate", options.audio_bitrate, 128, 512)? * 1000,
            keyframe_s: (seconds > 0).then_some(seconds),
        })
    }
}
