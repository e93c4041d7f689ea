//! A track somebody publishes: from the announcement, through its media section, to its end.

use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, Codec, SimulcastCodecInfo, TrackInfo, TrackSource, TrackType, VideoLayer,
    VideoQuality, encryption, request_response, video_layer,
};

use crate::backup::{self, Backup};
use crate::layers::declared;
use crate::{CodecRole, ExpectedTrack, MediaKind, TrackSid};

/// Codecs a client may publish. The first video codec is what SDKs fall back to when theirs is not listed.
pub(crate) const CODECS: [&str; 8] =
    ["video/VP8", "video/H264", "video/VP9", "video/AV1", "video/H265", "audio/opus", "audio/PCMU", "audio/G722"];
/// What stands in for a video codec nobody here knows: every client decodes it.
const FALLBACK_VIDEO: &str = CODECS[0];

/// Client ids one announcement may carry (its own, and one for each codec).
const CIDS: usize = 4;
/// Longest client id and track name.
pub(crate) const TEXT_BYTES: usize = 256;
/// Simulcast layers are `q`, `h`, `f`.
const LAYERS: usize = 3;
const RIDS: [&str; LAYERS] = ["q", "h", "f"];

/// Why an announcement was refused.
pub(crate) type Refusal = request_response::Reason;

/// A published track.
#[derive(Debug)]
pub(crate) struct Publication {
    /// What clients are told of it.
    pub(crate) info: TrackInfo,
    /// The client's ids for it.
    pub(crate) cids: Vec<String>,
    /// It met its media section: others know of it. Until then it is pending.
    pub(crate) live: bool,
    /// Its publisher was told that somebody subscribed.
    pub(crate) heard: bool,
    /// The best layer anybody wants, as the media plane said last; outer `None`: it said nothing yet.
    pub(crate) layers_wanted: Option<Option<u8>>,
    /// Its second codec, where it was announced with one.
    pub(crate) backup: Option<Backup>,
}

/// Codecs as join and room messages list them.
pub(crate) fn enabled_codecs() -> Vec<Codec> {
    CODECS
        .iter()
        .map(|mime| Codec { mime: (*mime).into(), fmtp_line: String::new() })
        .collect()
}

/// `vp9`, `VP9` and `video/VP9` are one codec; `None` for one that is not enabled.
pub(crate) fn canonical_codec(name: &str, kind: MediaKind) -> Option<&'static str> {
    let prefix = match kind {
        MediaKind::Audio => "audio/",
        MediaKind::Video => "video/",
    };
    CODECS.iter().copied().filter(|mime| mime.starts_with(prefix)).find(|mime| {
        mime.eq_ignore_ascii_case(name)
            || mime.get(prefix.len()..).is_some_and(|short| short.eq_ignore_ascii_case(name))
    })
}

/// Audio or video; data is not a media track.
pub(crate) fn media_kind(info: &TrackInfo) -> MediaKind {
    if info.r#type() == TrackType::Audio { MediaKind::Audio } else { MediaKind::Video }
}

impl Publication {
    /// Reads an announcement. The sid is not drawn before it is known to be good, hence the closure.
    ///
    /// # Errors
    /// The reason to tell the client.
    #[expect(deprecated, reason = "clients from before `codecs` and `audio_features` write and read the old fields")]
    pub(crate) fn announce(
        request: &AddTrackRequest,
        sid: impl FnOnce(TrackType, TrackSource) -> TrackSid,
    ) -> Result<(Self, ExpectedTrack), Refusal> {
        let kind = match TrackType::try_from(request.r#type) {
            Ok(TrackType::Audio) => MediaKind::Audio,
            Ok(TrackType::Video) => MediaKind::Video,
            _ => return Err(Refusal::UnsupportedType),
        };
        let ids = std::iter::once(&request.cid).chain(request.simulcast_codecs.iter().map(|codec| &codec.cid));
        let mut cids: Vec<String> = ids.filter(|cid| !cid.is_empty()).take(CIDS).cloned().collect();
        cids.dedup();
        if cids.is_empty() || cids.iter().any(|cid| cid.len() > TEXT_BYTES) || request.name.len() > TEXT_BYTES {
            return Err(Refusal::InvalidRequest);
        }

        let wanted = request.simulcast_codecs.first();
        let codec = match (wanted, kind) {
            (Some(wanted), MediaKind::Video) if !wanted.codec.is_empty() => {
                Some(canonical_codec(&wanted.codec, kind).unwrap_or(FALLBACK_VIDEO))
            }
            (Some(wanted), MediaKind::Audio) => canonical_codec(&wanted.codec, kind),
            _ => None,
        };
        let layers = layers(request);
        let mut features = request.audio_features.clone();
        features.truncate(16);
        for (set, feature) in
            [(request.stereo, AudioTrackFeature::TfStereo), (request.disable_dtx, AudioTrackFeature::TfNoDtx)]
        {
            if set && !features.contains(&(feature as i32)) {
                features.push(feature as i32);
            }
        }
        let stereo = features.contains(&(AudioTrackFeature::TfStereo as i32));
        let dtx = !features.contains(&(AudioTrackFeature::TfNoDtx as i32));

        // Encrypted, the blocks of RED could not be told apart; clients of LiveKit do without it there of themselves.
        let is_encrypted = request.encryption != encryption::Type::None as i32;
        let disable_red = request.disable_red || kind == MediaKind::Audio && is_encrypted;

        let sid = sid(request.r#type(), request.source());
        // The mode is the client's to know; without one, several layers of VP9 or AV1 are one stream (SVC).
        let mode = match wanted.map(|wanted| wanted.video_layer_mode()) {
            Some(mode) if mode != video_layer::Mode::Unused => mode,
            _ if kind == MediaKind::Audio => video_layer::Mode::Unused,
            _ if layers.len() > 1 && matches!(codec, Some("video/VP9" | "video/AV1")) => {
                video_layer::Mode::MultipleSpatialLayersPerStream
            }
            _ => video_layer::Mode::OneSpatialLayerPerStream,
        };
        let (second, backup) = match kind {
            MediaKind::Video => backup::announced(request, codec).unzip(),
            MediaKind::Audio => (None, None),
        };
        let codecs = codec.map(|mime| SimulcastCodecInfo {
            mime_type: mime.into(),
            cid: request.cid.clone(),
            layers: layers.clone(),
            video_layer_mode: mode as i32,
            ..Default::default()
        });
        let info = TrackInfo {
            sid: sid.to_string(),
            r#type: request.r#type,
            name: request.name.clone(),
            muted: request.muted,
            width: request.width,
            height: request.height,
            simulcast: layers.len() > 1,
            disable_dtx: !dtx,
            source: request.source,
            layers,
            mime_type: codec.unwrap_or_default().into(),
            codecs: codecs.into_iter().chain(second).collect(),
            stereo,
            disable_red,
            encryption: encryption::Type::try_from(request.encryption).unwrap_or_default() as i32,
            stream: stream(request),
            audio_features: features,
            backup_codec_policy: request.backup_codec_policy,
            packet_trailer_features: request.packet_trailer_features.iter().copied().take(16).collect(),
            ..Default::default()
        };
        let expected = ExpectedTrack {
            track: sid,
            cids: cids.clone(),
            kind,
            source: request.source(),
            layers: declared(info.codecs.first().map_or(&info.layers, |codec| &codec.layers), mode),
            codecs: codec.map(str::to_owned).into_iter().collect(),
            stereo,
            dtx,
            red: kind == MediaKind::Audio && !disable_red,
            has_trailers: kind == MediaKind::Video && !info.packet_trailer_features.is_empty(),
            role: backup.map_or(CodecRole::Only, CodecRole::Primary),
        };
        let backup = matches!(expected.role, CodecRole::Primary(_)).then(Backup::default);
        Ok((Self { info, cids, live: false, heard: false, layers_wanted: None, backup }, expected))
    }

    /// A track of a guest: it met its section in another room.
    pub(crate) fn of_guest(info: TrackInfo) -> Self {
        Self { info, cids: Vec::new(), live: true, heard: false, layers_wanted: None, backup: None }
    }

    /// The track met its section, on which `mime_type` was agreed, as the client's description spells it.
    pub(crate) fn bind(&mut self, mid: &str, mime_type: &str, simulcast: bool) {
        let kind = media_kind(&self.info);
        let mime_type = canonical_codec(mime_type, kind).unwrap_or(mime_type);
        self.live = true;
        self.info.mid = mid.to_owned();
        self.info.mime_type = mime_type.to_owned();
        #[expect(deprecated, reason = "clients from before `codecs` read it")]
        let layers = {
            self.info.simulcast = simulcast;
            self.info.layers.clone()
        };
        if self.info.codecs.is_empty() {
            self.info.codecs.push(SimulcastCodecInfo {
                cid: self.cids.first().cloned().unwrap_or_default(),
                layers,
                ..Default::default()
            });
        }
        if self.info.codecs.get(1).is_some_and(|second| second.mime_type == mime_type) {
            // What was agreed on is the second itself: there is no other.
            self.info.codecs.truncate(1);
            self.backup = None;
        }
        for codec in self.info.codecs.iter_mut().take(1) {
            codec.mime_type = mime_type.to_owned();
            codec.mid = mid.to_owned();
            if kind == MediaKind::Video && simulcast {
                codec.video_layer_mode = video_layer::Mode::OneSpatialLayerPerStream as i32;
            }
        }
    }

    /// Layers as declared, lowest first.
    pub(crate) fn layers(&self) -> &[VideoLayer] {
        self.info.codecs.first().map_or(&[], |codec| &codec.layers)
    }
}

/// The layers a client says it will send, lowest first; one of the whole size when it says nothing.
pub(crate) fn layers(request: &AddTrackRequest) -> Vec<VideoLayer> {
    if request.r#type() != TrackType::Video {
        return Vec::new();
    }
    let of_codec = request.simulcast_codecs.first().map(|codec| &codec.layers);
    let mut layers = of_codec.filter(|layers| !layers.is_empty()).unwrap_or(&request.layers).clone();
    layers.truncate(LAYERS);
    layers.sort_by_key(|layer| u64::from(layer.width) * u64::from(layer.height));
    if layers.is_empty() {
        layers.push(VideoLayer {
            quality: VideoQuality::High as i32,
            width: request.width,
            height: request.height,
            ..Default::default()
        });
    }
    if layers.len() > 1 {
        for (index, layer) in layers.iter_mut().enumerate() {
            if !RIDS.contains(&layer.rid.as_str()) {
                layer.rid = RIDS[index].into();
            }
        }
    } else {
        layers.iter_mut().for_each(|layer| layer.rid.truncate(0));
    }
    layers
}

/// Tracks of one stream play in sync: camera with microphone, screen with its sound. The name stands in SDP,
/// so a strange one from a client is not taken over.
fn stream(request: &AddTrackRequest) -> String {
    let tidy = |stream: &str| {
        (1..=64).contains(&stream.len()) && stream.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    match request.source() {
        _ if tidy(&request.stream) => request.stream.clone(),
        TrackSource::Camera | TrackSource::Microphone => "camera".into(),
        TrackSource::ScreenShare | TrackSource::ScreenShareAudio => "screen".into(),
        TrackSource::Unknown => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, deprecated, reason = "a test that cannot unwrap has failed; old fields are checked")]

    use livekit_protocol::SimulcastCodec;

    use super::*;

    fn sid(_: TrackType, _: TrackSource) -> TrackSid {
        "TR_VC1".into()
    }

    fn camera() -> AddTrackRequest {
        AddTrackRequest {
            cid: "c1".into(),
            r#type: TrackType::Video as i32,
            source: TrackSource::Camera as i32,
            width: 960,
            height: 540,
            ..Default::default()
        }
    }

    #[test]
    fn a_codec_is_known_by_any_spelling_and_replaced_when_unknown() {
        for (asked, given) in
            [("vp9", "video/VP9"), ("video/h264", "video/H264"), ("h265", "video/H265"), ("h266", "video/VP8")]
        {
            let request = AddTrackRequest {
                simulcast_codecs: vec![SimulcastCodec { codec: asked.into(), cid: "c1".into(), ..Default::default() }],
                ..camera()
            };
            let (publication, expected) = Publication::announce(&request, sid).unwrap();
            assert_eq!(expected.codecs, [given]);
            assert_eq!(publication.info.codecs[0].mime_type, given);
            assert_eq!(expected.cids, ["c1"]);
        }
    }

    #[test]
    fn an_announcement_without_id_or_of_data_is_refused() {
        let no_id = AddTrackRequest { cid: String::new(), ..camera() };
        assert_eq!(Publication::announce(&no_id, sid).unwrap_err(), Refusal::InvalidRequest);
        let data = AddTrackRequest { r#type: TrackType::Data as i32, ..camera() };
        assert_eq!(Publication::announce(&data, sid).unwrap_err(), Refusal::UnsupportedType);
        let strange = AddTrackRequest { r#type: 77, ..camera() };
        assert_eq!(Publication::announce(&strange, sid).unwrap_err(), Refusal::UnsupportedType);
    }

    #[test]
    fn stream_names_are_safe_in_sdp() {
        let request = AddTrackRequest { stream: "x y\r\na=evil".into(), ..camera() };
        assert_eq!(Publication::announce(&request, sid).unwrap().0.info.stream, "camera");
    }

    /// Payload names are the client's to spell (RFC 8866, section 6.6: letter case does not matter).
    #[test]
    fn a_section_may_spell_its_codec_as_it_likes() {
        let codec = |codec: &str| SimulcastCodec { codec: codec.into(), ..Default::default() };
        let request = AddTrackRequest { simulcast_codecs: vec![codec("vp9"), codec("vp8")], ..camera() };
        let (mut publication, _) = Publication::announce(&request, sid).unwrap();
        publication.bind("1", "video/vp9", false);
        assert_eq!(publication.info.mime_type, "video/VP9");
        assert_eq!(publication.info.codecs.len(), 2);
        publication.bind("1", "video/vp8", false);
        assert_eq!(publication.info.codecs.len(), 1, "the section brought the second: there is nothing behind it");
        assert_eq!(publication.info.codecs[0].mime_type, "video/VP8");
        assert!(publication.backup.is_none());
    }

    #[test]
    fn one_layer_is_the_whole_picture() {
        let (publication, _) = Publication::announce(&camera(), sid).unwrap();
        let [layer] = &publication.info.layers[..] else { unreachable!("one layer") };
        assert_eq!((layer.quality(), layer.height, layer.rid.as_str()), (VideoQuality::High, 540, ""));
    }
}
