//! Why a participant sees what it sees: the report behind "why is this blurry?".
//!
//! Values only. Every quality decision of the worker ends in a [`Reason`]; nothing here decides.

use crate::{Kind, ParticipantId, TrackId};

/// What limits a subscription now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The section or the connection is not up yet.
    #[default]
    Connecting,
    /// It gets the best its publisher has.
    Full,
    /// It gets what the subscriber asked for, which is less than there is.
    SubscriberAsked,
    /// The subscriber asked for nothing.
    Disabled,
    /// There is no room for a better layer.
    Bandwidth,
    /// There is no room for any layer: paused until there is.
    Paused,
    /// The publisher sends no better layer (or nothing) now.
    PublisherNotSending,
    /// The publisher muted it.
    Muted,
    /// The chosen layer begins with the next key frame.
    WaitingForKeyframe,
    /// The room forwards only so many at once, and this is not among them.
    RoomLimit,
    /// The subscriber takes none of the codecs it comes in.
    NotDecodable,
}

/// One subscription, explained.
#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionReport {
    /// Which track.
    pub track: TrackId,
    /// Whose.
    pub publisher: ParticipantId,
    /// Sound or pictures.
    pub kind: Kind,
    /// The codec it is sent in (`video/VP8`): one of two, where its publisher has a second.
    pub mime_type: String,
    /// Bits per second set aside for it.
    pub allocated_bps: u64,
    /// Bits per second sent as of late.
    pub delivered_bps: u64,
    /// Bits per second its wish would take.
    pub wanted_bps: u64,
    /// Spatial and temporal layer forwarded now.
    pub current: Option<(u8, u8)>,
    /// Spatial and temporal layer it was given.
    pub target: Option<(u8, u8)>,
    /// Spatial and temporal layer wished for, bounded by what its publisher can send.
    pub wanted: Option<(u8, u8)>,
    /// Width and height of the current layer in pixels, when announced.
    pub resolution: Option<(u32, u32)>,
    /// Frames per second forwarded as of late.
    pub fps: f32,
    /// What limits it.
    pub reason: Reason,
}

/// A participant's receiving side, explained.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkReport {
    /// Whose.
    pub participant: ParticipantId,
    /// Bits per second its link is thought to carry.
    pub estimate_bps: u64,
    /// Bits per second set aside for tracks.
    pub allocated_bps: u64,
    /// Bits per second sent as of late, padding and repairs included.
    pub sent_bps: u64,
    /// Share of packets it reports lost, 0.0 to 1.0.
    pub loss: f32,
    /// Round trip in milliseconds.
    pub rtt_ms: Option<u32>,
    /// Jitter it reports, in milliseconds.
    pub jitter_ms: Option<u32>,
    /// Each track it takes.
    pub subscriptions: Vec<SubscriptionReport>,
}
