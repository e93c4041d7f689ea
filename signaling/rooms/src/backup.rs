//! The second (backup) codec of a track: named when the track is announced, asked for when somebody cannot decode the first,
//! and announced once more, under the sid of its track, with the section that brings it.
//!
//! Belongs to a publication, whose `TrackInfo.codecs` lists it second. Who needs it is the media plane's to say.

use livekit_protocol::{AddTrackRequest, BackupCodecPolicy, SimulcastCodecInfo, video_layer};

use crate::layers::declared;
use crate::publication::{Publication, TEXT_BYTES, canonical_codec, layers};
use crate::{BackupCodec, BackupPolicy, CodecRole, ExpectedTrack, MediaKind};

/// How far a second codec got.
#[derive(Debug, Default)]
pub(crate) struct Backup {
    /// The best layer of it anybody wants, as the media plane said last; outer `None`: it said nothing yet.
    pub(crate) wanted: Option<Option<u8>>,
}

/// The second codec an announcement of video names beside its `first`.
pub(crate) fn announced(request: &AddTrackRequest, first: Option<&str>) -> Option<(SimulcastCodecInfo, BackupCodec)> {
    let mime_type = canonical_codec(&request.simulcast_codecs.get(1)?.codec, MediaKind::Video)?;
    let policy = match request.backup_codec_policy() {
        BackupCodecPolicy::Simulcast => BackupPolicy::Simulcast,
        BackupCodecPolicy::PreferRegression | BackupCodecPolicy::Regression => BackupPolicy::Regression,
    };
    let info = SimulcastCodecInfo {
        mime_type: mime_type.into(),
        video_layer_mode: video_layer::Mode::OneSpatialLayerPerStream as i32,
        ..Default::default()
    };
    (first? != mime_type).then(|| (info, BackupCodec { mime_type: mime_type.into(), policy }))
}

impl Publication {
    /// The client will publish the second codec. What to expect, in the place of what was expected of it before: who
    /// gave up and tries again does so under a new id. `None` when there is none, or it is there, or expected under
    /// that id already.
    pub(crate) fn announce_backup(&mut self, request: &AddTrackRequest) -> Option<ExpectedTrack> {
        self.backup.as_ref().filter(|_| self.live)?;
        let [_, info] = &mut self.info.codecs[..] else { return None };
        if !info.mid.is_empty() || info.cid == request.cid {
            return None;
        }
        let named = request.simulcast_codecs.first().and_then(|c| canonical_codec(&c.codec, MediaKind::Video));
        if named != Some(&info.mime_type) || !(1..=TEXT_BYTES).contains(&request.cid.len()) {
            return None;
        }
        info.cid.clone_from(&request.cid);
        info.layers = layers(request);
        let layers = declared(&info.layers, info.video_layer_mode());
        let codecs = vec![info.mime_type.clone()];
        Some(ExpectedTrack {
            track: self.info.sid.as_str().into(),
            cids: vec![request.cid.clone()],
            kind: MediaKind::Video,
            source: self.info.source(),
            layers,
            codecs,
            stereo: false,
            dtx: false,
            red: false,
            has_trailers: !self.info.packet_trailer_features.is_empty(),
            role: CodecRole::Backup,
        })
    }

    /// The second codec met its section, or lost it.
    pub(crate) fn bind_backup(&mut self, mid: Option<&str>) {
        let (Some(_), [_, info]) = (&self.backup, &mut self.info.codecs[..]) else { return };
        info.mid = mid.unwrap_or_default().to_owned();
        if mid.is_none() {
            info.cid.clear();
        }
    }

    /// The media plane said which layers of any codec are wanted.
    pub(crate) fn has_been_weighed(&self) -> bool {
        self.layers_wanted.is_some() || self.backup.as_ref().is_some_and(|backup| backup.wanted.is_some())
    }

    /// Codec and best layer wanted of the second codec.
    pub(crate) fn backup_wanted(&self) -> Option<(&str, Option<u8>)> {
        let (Some(backup), [_, info]) = (&self.backup, &self.info.codecs[..]) else { return None };
        Some((&info.mime_type, backup.wanted.flatten()))
    }
}
