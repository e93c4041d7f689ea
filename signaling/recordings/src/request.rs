//! LiveKit's requests for an egress, in all their forms, become one [`Order`].
//!
//! There are six requests for four kinds of source; outputs stand in lists and, in older clients, in a `oneof` beside
//! them. What needs a browser (`StartWebEgress`, `custom_base_url`) or a storage we do not speak is refused in words.

#![expect(deprecated, reason = "older clients fill the deprecated outputs")]

use livekit_protocol as proto;

use crate::order::OUTPUTS;
use crate::{
    Composition, Destination, Encoding, FileKind, Layout, Media, Order, Output, Refusal, S3Target, SegmentNames,
    Source, StreamUrl, Template,
};

const NO_BROWSER: Refusal = Refusal::NotOffered(
    "there is no browser here to show a page in: rooms are composed from their tracks, with the layouts grid, speaker and \
     single-speaker",
);
const NO_IMAGES: Refusal = Refusal::NotOffered("pictures at intervals are not written: ask for a file or for segments");
const NO_WEBSOCKET: Refusal =
    Refusal::NotOffered("tracks are not sent to WebSockets: ask for a file, or for a stream to an rtmp or srt address");
const NOT_S3: Refusal =
    Refusal::NotOffered("files are kept on this server or in S3-compatible storage: other storages are not spoken");
const NO_ROLE: Refusal = Refusal::NotOffered("roles are not assumed: give keys that may write to the bucket");
const NO_PROXY: Refusal = Refusal::NotOffered("uploads go through no proxy");
const ONE_BUCKET: Refusal = Refusal::NotOffered("all outputs of a recording go to one bucket: ask for two recordings");
const NO_WEBHOOKS: Refusal = Refusal::NotOffered(
    "a recording has no webhooks of its own: those of the configuration (`[[webhooks]]`) are told of all recordings",
);
const NO_CHANNELS: Refusal = Refusal::NotOffered("all voices are mixed: there is no routing to left and right");
const NO_OTHER_SOUND: Refusal = Refusal::NotOffered(
    "pictures of a participant go with their own sound, and a track with a track: for all that is heard ask for the room, or \
     for the sound alone",
);

/// Seconds of a segment where nothing is said, as LiveKit's servers have it.
const SEGMENT_S: u32 = 4;
const SEGMENT_MAX_S: u32 = 60;

/// Names of files where nothing is said.
const ROOM_FILE: &str = "{room_name}-{time}";
const TRACK_FILE: &str = "{track_id}-{time}";
pub(crate) const PARTICIPANT_FILE: &str = "{room_name}-{publisher_identity}-{time}";

// The messages say these alike, each in an `enum` of its own with the same variants.

/// The one output of older clients.
macro_rules! read_old_output {
    ($outputs:ident, $kind:ident, $output:expr) => {
        match &$output {
            Some($kind::File(file)) => $outputs.file(file)?,
            Some($kind::Stream(stream)) => $outputs.stream(stream)?,
            Some($kind::Segments(segments)) => $outputs.segments(segments)?,
            None => {}
        }
    };
}

/// Outputs in lists.
macro_rules! read_outputs {
    ($outputs:ident, $request:ident) => {{
        if !$request.image_outputs.is_empty() {
            return Err(NO_IMAGES);
        }
        $request.file_outputs.iter().try_for_each(|file| $outputs.file(file))?;
        $request.stream_outputs.iter().try_for_each(|stream| $outputs.stream(stream))?;
        $request.segment_outputs.iter().try_for_each(|segments| $outputs.segments(segments))?;
    }};
}

/// How pictures are encoded.
macro_rules! read_encoding {
    ($kind:ident, $options:expr) => {
        match &$options {
            Some($kind::Preset(preset)) => Encoding::preset(*preset)?,
            Some($kind::Advanced(options)) => Some(Encoding::advanced(options)?),
            None => None,
        }
    };
}

/// Where files are kept.
macro_rules! read_destination {
    ($kind:ident, $storage:expr) => {
        match $storage {
            None => Destination::Configured,
            Some($kind::S3(s3)) => bucket(s3)?,
            Some($kind::Gcp(_) | $kind::Azure(_) | $kind::AliOss(_)) => return Err(NOT_S3),
        }
    };
}

/// `StartRoomCompositeEgress`.
///
/// # Errors
/// Why it cannot be done, see [`Refusal`].
pub fn room_composite(request: &proto::RoomCompositeEgressRequest) -> Result<Order, Refusal> {
    use proto::room_composite_egress_request::{Options, Output as Old};
    without_webhooks(&request.webhooks)?;
    without_page(&request.custom_base_url)?;
    if request.audio_mixing != 0 {
        return Err(NO_CHANNELS);
    }
    let mut outputs = Outputs::new(ROOM_FILE);
    read_old_output!(outputs, Old, request.output);
    read_outputs!(outputs, request);
    let encoding = read_encoding!(Options, request.options);
    let composition =
        Composition { layout: Layout::named(&request.layout)?, media: media(request.audio_only, request.video_only)? };
    order(&request.room_name, Source::Room(composition), outputs, encoding)
}

/// What our own API asks for: the tracks as they come. With the request as LiveKit's clients see it in a list.
#[must_use]
pub fn as_it_comes(room: &str, source: Source) -> (Order, proto::egress_info::Request) {
    use proto::egress_info::Request as R;
    let outputs =
        vec![Output::Tracks { name: Template::plain(PARTICIPANT_FILE), destination: Destination::Configured }];
    let room_name = room.to_owned();
    let request = match &source {
        Source::Track { track } => {
            R::Track(proto::TrackEgressRequest { room_name, track_id: track.clone(), ..Default::default() })
        }
        Source::Pair { audio, video } => {
            let id = |track: &Option<String>| track.clone().unwrap_or_default();
            let (audio_track_id, video_track_id) = (id(audio), id(video));
            R::TrackComposite(proto::TrackCompositeEgressRequest {
                room_name,
                audio_track_id,
                video_track_id,
                ..Default::default()
            })
        }
        Source::Participant { identity, .. } => R::Participant(proto::ParticipantEgressRequest {
            room_name,
            identity: identity.clone(),
            ..Default::default()
        }),
        Source::Room(composition) => R::RoomComposite(proto::RoomCompositeEgressRequest {
            room_name,
            layout: composition.layout.name().to_owned(),
            ..Default::default()
        }),
    };
    (Order { room: room.to_owned(), source, outputs, encoding: None }, request)
}

/// `StartParticipantEgress`.
///
/// # Errors
/// Why it cannot be done, see [`Refusal`].
pub fn participant(request: &proto::ParticipantEgressRequest) -> Result<Order, Refusal> {
    use proto::participant_egress_request::Options;
    without_webhooks(&request.webhooks)?;
    let mut outputs = Outputs::new(PARTICIPANT_FILE);
    read_outputs!(outputs, request);
    let encoding = read_encoding!(Options, request.options);
    let source = Source::Participant {
        identity: given("identity", &request.identity)?,
        prefers_screen: request.screen_share,
        media: Media::Both,
    };
    order(&request.room_name, source, outputs, encoding)
}

/// `StartTrackCompositeEgress`.
///
/// # Errors
/// Why it cannot be done, see [`Refusal`].
pub fn track_composite(request: &proto::TrackCompositeEgressRequest) -> Result<Order, Refusal> {
    use proto::track_composite_egress_request::{Options, Output as Old};
    without_webhooks(&request.webhooks)?;
    let mut outputs = Outputs::new(ROOM_FILE);
    read_old_output!(outputs, Old, request.output);
    read_outputs!(outputs, request);
    let encoding = read_encoding!(Options, request.options);
    order(&request.room_name, pair(&request.audio_track_id, &request.video_track_id)?, outputs, encoding)
}

/// `StartTrackEgress`.
///
/// # Errors
/// Why it cannot be done, see [`Refusal`].
pub fn track(request: &proto::TrackEgressRequest) -> Result<Order, Refusal> {
    use proto::direct_file_output::Output as Kept;
    use proto::track_egress_request::Output as To;
    without_webhooks(&request.webhooks)?;
    let track = given("track_id", &request.track_id)?;
    let mut outputs = Outputs::new(TRACK_FILE);
    match &request.output {
        Some(To::File(file)) => {
            let destination = read_destination!(Kept, file.output.as_ref());
            outputs.named_file(&file.filepath, FileKind::ByCodec, destination, !file.disable_manifest)?;
        }
        Some(To::WebsocketUrl(_)) => return Err(NO_WEBSOCKET),
        None => {}
    }
    order(&request.room_name, Source::Track { track }, outputs, None)
}

/// `StartWebEgress`: always refused, in words.
///
/// # Errors
/// Always: [`Refusal::NotOffered`].
pub const fn web(_: &proto::WebEgressRequest) -> Result<Order, Refusal> {
    Err(NO_BROWSER)
}

/// `StartEgress`: one request for all sources.
///
/// # Errors
/// Why it cannot be done, see [`Refusal`].
pub fn any(request: &proto::StartEgressRequest) -> Result<Order, Refusal> {
    use proto::start_egress_request::{Encoding as Asked, Source as From};
    without_webhooks(&request.webhooks)?;
    let (source, default) = match request.source.as_ref().ok_or(Refusal::Missing("source"))? {
        From::Template(template) => {
            without_page(&template.custom_base_url)?;
            let media = media(template.audio_only, template.video_only)?;
            (Source::Room(Composition { layout: Layout::named(&template.layout)?, media }), ROOM_FILE)
        }
        From::Web(_) => return Err(NO_BROWSER),
        From::Media(source) => (tracks(source)?, PARTICIPANT_FILE),
    };
    let mut outputs = Outputs::new(default);
    for output in &request.outputs {
        let kept = output.storage.as_ref().or(request.storage.as_ref());
        outputs.any(output, kept)?;
    }
    let encoding = read_encoding!(Asked, request.encoding);
    order(&request.room_name, source, outputs, encoding)
}

/// The tracks a `MediaSource` means. Sound is that of the same participant, or one track, or that of everybody without pictures.
fn tracks(source: &proto::MediaSource) -> Result<Source, Refusal> {
    use proto::audio_route::Match;
    use proto::media_source::Video;
    let (routes, hears_all) = source
        .audio
        .as_ref()
        .map_or((&[][..], false), |audio| (&audio.routes[..], audio.capture_all));
    if routes.iter().any(|route| route.channel != 0) || routes.len() > 1 {
        return Err(NO_CHANNELS);
    }
    let heard = routes
        .first()
        .map(|route| route.r#match.as_ref().ok_or(Refusal::Missing("audio.routes.match")))
        .transpose()?;
    match (&source.video, heard) {
        // Whoever a route names is one of all.
        (None, _) if hears_all => Ok(Source::Room(Composition { layout: Layout::Grid, media: Media::AudioOnly })),
        (Some(_), _) if hears_all => Err(NO_OTHER_SOUND),
        (Some(Video::ParticipantVideo(video)), heard) => {
            let identity = given("participant_video.identity", &video.identity)?;
            let media = match heard {
                None => Media::VideoOnly,
                Some(Match::ParticipantIdentity(other)) if *other == identity => Media::Both,
                Some(_) => return Err(NO_OTHER_SOUND),
            };
            Ok(Source::Participant { identity, prefers_screen: video.prefer_screen_share, media })
        }
        (None, Some(Match::ParticipantIdentity(identity))) => Ok(Source::Participant {
            identity: given("participant_identity", identity)?,
            prefers_screen: false,
            media: Media::AudioOnly,
        }),
        (video, Some(Match::TrackId(audio))) => pair(audio, seen(video.as_ref())),
        (video @ Some(_), None) => pair("", seen(video.as_ref())),
        (None, None) => Err(Refusal::Missing("video or audio")),
        (_, Some(_)) => Err(NO_OTHER_SOUND),
    }
}

fn seen(video: Option<&proto::media_source::Video>) -> &str {
    match video {
        Some(proto::media_source::Video::VideoTrackId(track)) => track,
        _ => "",
    }
}

fn pair(audio: &str, video: &str) -> Result<Source, Refusal> {
    let some = |track: &str| (!track.is_empty()).then(|| track.to_owned());
    match (some(audio), some(video)) {
        (None, None) => Err(Refusal::Missing("audio_track_id or video_track_id")),
        (audio, video) => Ok(Source::Pair { audio, video }),
    }
}

fn order(room: &str, source: Source, outputs: Outputs, encoding: Option<Encoding>) -> Result<Order, Refusal> {
    let outputs = outputs.finish()?;
    let is_sound_only = |kind| matches!(kind, FileKind::Ogg | FileKind::Mp3);
    let asks_for_sound = outputs
        .iter()
        .any(|output| matches!(output, Output::File { kind, .. } if is_sound_only(*kind)));
    let has_pictures = match &source {
        Source::Room(composition) => composition.media != Media::AudioOnly,
        Source::Pair { video, .. } => video.is_some(),
        Source::Track { .. } => false,
        Source::Participant { media, .. } => *media != Media::AudioOnly,
    };
    if asks_for_sound && has_pictures {
        return Err(Refusal::NotOffered("ogg and mp3 hold sound only: ask for the sound alone, or for mp4"));
    }
    Ok(Order { room: given("room_name", room)?, source, outputs, encoding })
}

fn given(name: &'static str, value: &str) -> Result<String, Refusal> {
    if value.is_empty() { Err(Refusal::Missing(name)) } else { Ok(value.to_owned()) }
}

fn without_page(url: &str) -> Result<(), Refusal> {
    if url.is_empty() { Ok(()) } else { Err(NO_BROWSER) }
}

const fn without_webhooks(webhooks: &[proto::WebhookConfig]) -> Result<(), Refusal> {
    if webhooks.is_empty() { Ok(()) } else { Err(NO_WEBHOOKS) }
}

const fn media(audio_only: bool, video_only: bool) -> Result<Media, Refusal> {
    match (audio_only, video_only) {
        (false, false) => Ok(Media::Both),
        (true, false) => Ok(Media::AudioOnly),
        (false, true) => Ok(Media::VideoOnly),
        (true, true) => Err(Refusal::Ambiguous("audio_only and video_only")),
    }
}

fn bucket(s3: &proto::S3Upload) -> Result<Destination, Refusal> {
    if !s3.assume_role_arn.is_empty() {
        return Err(NO_ROLE);
    }
    if s3.proxy.is_some() {
        return Err(NO_PROXY);
    }
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(Destination::S3(Box::new(S3Target {
        access_key: given("s3.access_key", &s3.access_key)?.into(),
        secret: given("s3.secret", &s3.secret)?.into(),
        session_token: some(&s3.session_token).map(Into::into),
        region: s3.region.clone(),
        endpoint: some(&s3.endpoint),
        bucket: given("s3.bucket", &s3.bucket)?,
        path_style: s3.force_path_style,
    })))
}

/// The outputs of a request as they are read.
struct Outputs {
    read: Vec<Output>,
    /// The name of a file nobody named.
    default: &'static str,
}

impl Outputs {
    const fn new(default: &'static str) -> Self {
        Self { read: Vec::new(), default }
    }

    fn finish(self) -> Result<Vec<Output>, Refusal> {
        match self.read.len() {
            0 => return Err(Refusal::Missing("an output")),
            1..=OUTPUTS => {}
            _ => return Err(Refusal::TooMany(OUTPUTS)),
        }
        if self.read.iter().filter(|output| matches!(output, Output::Segments { .. })).count() > 1 {
            return Err(Refusal::Ambiguous("several outputs of segments"));
        }
        // Files go together, when the recording is over: none goes where it was not asked for.
        let mut destinations = self.read.iter().filter_map(Output::destination);
        let first = destinations.next();
        if destinations.any(|other| Some(other) != first) {
            return Err(ONE_BUCKET);
        }
        Ok(self.read)
    }

    fn any(&mut self, output: &proto::Output, kept: Option<&proto::StorageConfig>) -> Result<(), Refusal> {
        use proto::output::Config;
        use proto::storage_config::Provider;
        let destination = read_destination!(Provider, kept.and_then(|storage| storage.provider.as_ref()));
        match output.config.as_ref().ok_or(Refusal::Missing("output.config"))? {
            Config::File(file) => {
                self.named_file(&file.filepath, kind(file.file_type)?, destination, !file.disable_manifest)
            }
            Config::Stream(stream) => self.stream(stream),
            Config::Segments(segments) => self.named_segments(segments, destination),
            Config::Images(_) => Err(NO_IMAGES),
        }
    }

    fn file(&mut self, file: &proto::EncodedFileOutput) -> Result<(), Refusal> {
        use proto::encoded_file_output::Output as Kept;
        let destination = read_destination!(Kept, file.output.as_ref());
        self.named_file(&file.filepath, kind(file.file_type)?, destination, !file.disable_manifest)
    }

    fn named_file(
        &mut self,
        name: &str,
        kind: FileKind,
        destination: Destination,
        with_manifest: bool,
    ) -> Result<(), Refusal> {
        let name = Template::parse(name, self.default)?;
        self.read.push(Output::File { name, kind, destination, with_manifest });
        Ok(())
    }

    fn segments(&mut self, segments: &proto::SegmentedFileOutput) -> Result<(), Refusal> {
        use proto::segmented_file_output::Output as Kept;
        let destination = read_destination!(Kept, segments.output.as_ref());
        self.named_segments(segments, destination)
    }

    fn named_segments(
        &mut self,
        segments: &proto::SegmentedFileOutput,
        destination: Destination,
    ) -> Result<(), Refusal> {
        let by_time = match proto::SegmentedFileSuffix::try_from(segments.filename_suffix) {
            Ok(proto::SegmentedFileSuffix::Index) => false,
            Ok(proto::SegmentedFileSuffix::Timestamp) => true,
            Err(_) => return Err(Refusal::UnknownValue("filename_suffix")),
        };
        if segments.segment_duration > SEGMENT_MAX_S {
            return Err(Refusal::UnknownValue("segment_duration"));
        }
        let segment_s = if segments.segment_duration == 0 { SEGMENT_S } else { segments.segment_duration };
        let asked = (&*segments.filename_prefix, &*segments.playlist_name, &*segments.live_playlist_name);
        self.read.push(Output::Segments {
            names: SegmentNames::read(asked, self.default, (segment_s, by_time))?,
            destination,
            with_manifest: !segments.disable_manifest,
        });
        Ok(())
    }

    fn stream(&mut self, stream: &proto::StreamOutput) -> Result<(), Refusal> {
        if stream.protocol == proto::StreamProtocol::Websocket as i32 {
            return Err(NO_WEBSOCKET);
        }
        if stream.urls.len() > OUTPUTS {
            return Err(Refusal::TooMany(OUTPUTS));
        }
        let urls: Vec<_> = stream.urls.iter().map(|url| StreamUrl::parse(url)).collect::<Result<_, _>>()?;
        if urls.is_empty() {
            return Err(Refusal::Missing("stream.urls"));
        }
        self.read.push(Output::Stream { urls });
        Ok(())
    }
}

fn kind(file_type: i32) -> Result<FileKind, Refusal> {
    use proto::EncodedFileType as Asked;
    match Asked::try_from(file_type) {
        Ok(Asked::DefaultFiletype) => Ok(FileKind::ByCodec),
        Ok(Asked::Mp4) => Ok(FileKind::Mp4),
        Ok(Asked::Ogg) => Ok(FileKind::Ogg),
        Ok(Asked::Mp3) => Ok(FileKind::Mp3),
        Err(_) => Err(Refusal::UnknownValue("file_type")),
    }
}
