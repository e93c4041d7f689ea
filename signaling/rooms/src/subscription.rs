//! What one participant wants of one track, and what a publisher lets others have.

use std::time::Instant;

use livekit_protocol::{SubscriptionPermission, UpdateTrackSettings, VideoLayer, VideoQuality};

use crate::Demand;

/// A layer a little smaller than asked for is good enough: tiles are a few pixels larger than the picture
/// (LiveKit uses the same tolerance).
const SIZE_TOLERANCE: f64 = 0.9;

/// One participant's view of one track: what it wishes and how far the wish is carried out.
#[derive(Debug, Default)]
pub(crate) struct Subscription {
    /// Asked for (or away) by the participant; `None` leaves it to auto-subscribe.
    pub(crate) choice: Option<bool>,
    /// The last bound it asked for.
    pub(crate) setting: Option<Setting>,
    /// The media plane was told to forward.
    pub(crate) open: bool,
    /// The participant was told that the publisher does not let it.
    pub(crate) denied: bool,
    /// The bound last told to the media plane.
    pub(crate) demand: Demand,
    /// Whether the media plane paused it for want of bandwidth; `None`: it never did.
    pub(crate) paused: Option<bool>,
    /// The participant was told that it cannot decode it.
    pub(crate) undecodable: bool,
    /// When the participant is told that there is no such track.
    pub(crate) give_up_at: Option<Instant>,
}

/// How much of a track a participant asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Nothing at all.
    pub(crate) disabled: bool,
    /// A step, used when no size is given.
    pub(crate) quality: VideoQuality,
    /// The size it is shown at, 0 when not given.
    pub(crate) width: u32,
    /// See `width`.
    pub(crate) height: u32,
    /// Frames per second that are enough, 0 when not given.
    pub(crate) fps: u32,
    /// 1 is the most important, 0 when not given.
    pub(crate) priority: u32,
}

impl From<&UpdateTrackSettings> for Setting {
    fn from(update: &UpdateTrackSettings) -> Self {
        Self {
            disabled: update.disabled,
            quality: VideoQuality::try_from(update.quality).unwrap_or(VideoQuality::High),
            width: update.width,
            height: update.height,
            fps: update.fps,
            priority: update.priority,
        }
    }
}

impl Setting {
    /// The bound for the media plane, given the layers the publisher declared (lowest first).
    pub(crate) fn demand(self, layers: &[VideoLayer]) -> Demand {
        if self.disabled || self.quality == VideoQuality::Off {
            return Demand::NOTHING;
        }
        let by_quality = match self.quality {
            VideoQuality::Low | VideoQuality::Off => 0,
            VideoQuality::Medium => 1,
            VideoQuality::High => 2,
        };
        let sized = self.width > 0 && self.height > 0;
        let max_spatial = if sized { smallest_that_fills(layers, self.width, self.height) } else { by_quality };
        Demand {
            enabled: true,
            max_spatial,
            max_fps: (self.fps > 0).then(|| u16::try_from(self.fps).unwrap_or(u16::MAX)),
            area_px: self.width.saturating_mul(self.height),
            // The protocol counts down from the most important, 1; the media plane serves the higher first.
            priority: if self.priority == 0 { 0 } else { u32::MAX - self.priority + 1 },
        }
    }
}

/// Index of the smallest layer that fills the size, else of the largest. The shorter side decides: tiles
/// crop the longer one.
fn smallest_that_fills(layers: &[VideoLayer], width: u32, height: u32) -> u8 {
    let enough = |layer: &VideoLayer| {
        let (have, want) = if layer.width < layer.height { (layer.width, width) } else { (layer.height, height) };
        f64::from(have) >= f64::from(want) * SIZE_TOLERANCE
    };
    // A single layer may be an SVC stream or of unknown size: nothing to choose by.
    if layers.len() < 2 || layers.iter().any(|layer| layer.height == 0) {
        return Demand::default().max_spatial;
    }
    let index = layers.iter().position(enough).unwrap_or(layers.len() - 1);
    match layers[index].rid.as_str() {
        "q" => 0,
        "h" => 1,
        _ => 2,
    }
}

/// Who may subscribe to a publisher's tracks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everybody.
    #[default]
    Everyone,
    /// These only.
    Only(Vec<Listener>),
}

/// One of a restricted audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    identity: String,
    all_tracks: bool,
    tracks: Vec<String>,
}

/// Listeners one publisher may name; further ones are left out, which only takes away.
const LISTENERS: usize = 1000;

impl Audience {
    /// Reads a client's list. `identity_of` resolves a participant sid; unknown ones are left out.
    pub(crate) fn read<'a>(
        permission: &'a SubscriptionPermission,
        identity_of: impl Fn(&str) -> Option<&'a str>,
    ) -> Self {
        if permission.all_participants {
            return Self::Everyone;
        }
        let listeners = permission.track_permissions.iter().filter_map(|listener| {
            let identity = match listener.participant_identity.as_str() {
                "" => identity_of(&listener.participant_sid)?,
                identity => identity,
            };
            Some(Listener {
                identity: identity.to_owned(),
                all_tracks: listener.all_tracks,
                tracks: listener.track_sids.iter().take(LISTENERS).cloned().collect(),
            })
        });
        Self::Only(listeners.take(LISTENERS).collect())
    }

    /// Whether this participant may have this track.
    pub(crate) fn allows(&self, identity: &str, track: &str) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only(listeners) => listeners.iter().any(|listener| {
                listener.identity == identity && (listener.all_tracks || listener.tracks.iter().any(|t| t == track))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use livekit_protocol::TrackPermission;

    use super::*;

    fn camera() -> Vec<VideoLayer> {
        [("q", 240, 135), ("h", 480, 270), ("f", 960, 540)]
            .map(|(rid, width, height)| VideoLayer { rid: rid.into(), width, height, ..Default::default() })
            .into()
    }

    fn sized(width: u32, height: u32) -> Setting {
        Setting { disabled: false, quality: VideoQuality::High, width, height, fps: 0, priority: 0 }
    }

    #[test]
    fn a_small_tile_asks_for_a_small_layer() {
        for (width, height, spatial) in
            [(120, 68, 0), (240, 135, 0), (260, 148, 0), (320, 180, 1), (480, 270, 1), (640, 360, 2), (1920, 1080, 2)]
        {
            assert_eq!(sized(width, height).demand(&camera()).max_spatial, spatial, "{width}x{height}");
        }
    }

    #[test]
    fn portrait_video_is_measured_by_its_width() {
        let portrait: Vec<_> = camera()
            .into_iter()
            .map(|layer| VideoLayer { width: layer.height, height: layer.width, ..layer })
            .collect();
        assert_eq!(sized(135, 400).demand(&portrait).max_spatial, 0);
    }

    #[test]
    fn without_a_size_the_quality_decides_and_off_is_off() {
        let quality = |quality| Setting { quality, ..sized(0, 0) };
        assert_eq!(quality(VideoQuality::Low).demand(&camera()).max_spatial, 0);
        assert_eq!(quality(VideoQuality::Medium).demand(&camera()).max_spatial, 1);
        assert_eq!(quality(VideoQuality::High).demand(&camera()), Demand::default());
        assert!(!quality(VideoQuality::Off).demand(&camera()).enabled);
        assert!(!Setting { disabled: true, ..quality(VideoQuality::High) }.demand(&camera()).enabled);
        let unknown = sized(10, 10).demand(&[]);
        assert_eq!((unknown.max_spatial, unknown.area_px), (2, 100), "nothing declared, nothing to choose by");
    }

    #[test]
    fn rate_area_and_order_go_with_the_size() {
        let demand = |fps, priority| Setting { fps, priority, ..sized(320, 180) }.demand(&camera());
        assert_eq!(demand(0, 0), Demand { max_spatial: 1, area_px: 57_600, ..Demand::default() });
        assert_eq!(demand(15, 0).max_fps, Some(15));
        assert_eq!(demand(1 << 20, 0).max_fps, Some(u16::MAX));
        assert!(demand(0, 1).priority > demand(0, 2).priority, "1 is the most important");
        assert!(demand(0, u32::MAX).priority > demand(0, 0).priority, "to say something is more than to say nothing");
        assert_eq!(sized(u32::MAX, u32::MAX).demand(&camera()).area_px, u32::MAX);
    }

    #[test]
    fn a_restricted_audience_is_by_identity_or_sid_and_by_track() {
        let permission = SubscriptionPermission {
            all_participants: false,
            track_permissions: vec![
                TrackPermission { participant_sid: "PA_bob".into(), all_tracks: true, ..Default::default() },
                TrackPermission {
                    participant_identity: "eve".into(),
                    track_sids: vec!["TR_1".into()],
                    ..Default::default()
                },
                TrackPermission { participant_sid: "PA_unknown".into(), all_tracks: true, ..Default::default() },
            ],
        };
        let audience = Audience::read(&permission, |sid| (sid == "PA_bob").then_some("bob"));
        assert!(audience.allows("bob", "TR_2"));
        assert!(audience.allows("eve", "TR_1"));
        assert!(!audience.allows("eve", "TR_2"));
        assert!(!audience.allows("", "TR_2") && !audience.allows("mallory", "TR_1"));
        assert!(Audience::default().allows("anybody", "TR_1"));
    }
}
