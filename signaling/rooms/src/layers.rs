//! Layers of video in two vocabularies: the protocol's `LOW`, `MEDIUM`, `HIGH` and the media plane's 0, 1, 2.
//!
//! A spatial layer of an SVC stream and an encoding of a simulcast track are one thing here. Decides nothing:
//! which layers anybody wants is the media plane's to say.

use livekit_protocol::{
    SubscribedCodec, SubscribedQuality, SubscribedQualityUpdate, VideoLayer, VideoQuality, video_layer,
};

use crate::DeclaredLayer;

/// The steps of the protocol, lowest first; the index is the spatial layer.
const QUALITIES: [VideoQuality; 3] = [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High];
/// The best spatial layer.
pub(crate) const HIGHEST: u8 = 2;

/// The layers of an announcement (lowest first) as the media plane counts them.
///
/// Encodings of simulcast are known by their rid, since a track may have `q` and `f` only. Layers of an SVC
/// stream have none, and are known by their order.
pub(crate) fn declared(layers: &[VideoLayer], mode: video_layer::Mode) -> Vec<DeclaredLayer> {
    let by_rid = mode == video_layer::Mode::OneSpatialLayerPerStream;
    layers
        .iter()
        .zip(0_u8..)
        .map(|(layer, index)| DeclaredLayer {
            spatial: match layer.rid.as_str() {
                "q" if by_rid => 0,
                "h" if by_rid => 1,
                "f" if by_rid => 2,
                _ => index,
            },
            width: layer.width,
            height: layer.height,
            bitrate_bps: layer.bitrate,
        })
        .collect()
}

/// What a publisher is told of the layers anybody wants: each step by itself, for its codec and, for clients
/// from before there were several codecs, without one. With them, where it announced a `backup` codec, the layers of
/// that: a client begins to publish it when one of them is wanted.
///
/// A track with one encoding has step `LOW` alone, so it goes on as long as anything is wanted.
#[expect(deprecated, reason = "clients from before `subscribed_codecs` read the old list")]
pub(crate) fn subscribed_quality(
    track_sid: &str,
    mime_type: &str,
    max_spatial: Option<u8>,
    backup: Option<(&str, Option<u8>)>,
) -> SubscribedQualityUpdate {
    let steps = |max_spatial: Option<u8>| {
        let step = |(quality, spatial): (VideoQuality, u8)| SubscribedQuality {
            quality: quality as i32,
            enabled: max_spatial.is_some_and(|max| spatial <= max),
        };
        QUALITIES.into_iter().zip(0..).map(step).collect::<Vec<_>>()
    };
    let of_codec = |(mime_type, max_spatial): (&str, Option<u8>)| SubscribedCodec {
        // SDKs compare the short name in lower case.
        codec: mime_type.rsplit('/').next().unwrap_or_default().to_ascii_lowercase(),
        qualities: steps(max_spatial),
    };
    SubscribedQualityUpdate {
        track_sid: track_sid.to_owned(),
        subscribed_qualities: steps(max_spatial),
        subscribed_codecs: std::iter::once((mime_type, max_spatial)).chain(backup).map(of_codec).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(rids: &[&str]) -> Vec<VideoLayer> {
        let layer = |rid: &&str| VideoLayer { rid: (*rid).into(), width: 640, bitrate: 7, ..Default::default() };
        rids.iter().map(layer).collect()
    }

    #[test]
    fn encodings_are_known_by_name_and_svc_layers_by_order() {
        use video_layer::Mode;
        let spatial = |rids: &[&str], mode| -> Vec<u8> {
            declared(&layers(rids), mode).iter().map(|layer| layer.spatial).collect()
        };
        assert_eq!(spatial(&["q", "h", "f"], Mode::OneSpatialLayerPerStream), [0, 1, 2]);
        assert_eq!(spatial(&["q", "f"], Mode::OneSpatialLayerPerStream), [0, 2]);
        assert_eq!(spatial(&["q", "f"], Mode::MultipleSpatialLayersPerStream), [0, 1]);
        assert_eq!(spatial(&[""], Mode::OneSpatialLayerPerStream), [0]);
        let one = declared(&layers(&["q"]), Mode::Unused);
        assert_eq!(one, [DeclaredLayer { spatial: 0, width: 640, height: 0, bitrate_bps: 7 }]);
    }

    #[test]
    #[expect(deprecated, reason = "the old list is checked")]
    fn steps_above_what_is_wanted_are_off() {
        for (wanted, on) in [(None, [false; 3]), (Some(0), [true, false, false]), (Some(2), [true; 3])] {
            let update = subscribed_quality("TR_1", "video/VP9", wanted, None);
            let [codec] = &update.subscribed_codecs[..] else { unreachable!("one codec") };
            assert_eq!(codec.codec, "vp9");
            assert_eq!(codec.qualities, update.subscribed_qualities);
            let enabled: Vec<_> = codec.qualities.iter().map(|quality| (quality.quality(), quality.enabled)).collect();
            let steps = [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High];
            assert_eq!(enabled, steps.into_iter().zip(on).collect::<Vec<_>>());
        }
    }
}
