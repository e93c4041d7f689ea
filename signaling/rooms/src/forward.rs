//! A participant that is in another room, too: what one room tells the other of it.
//!
//! Two rooms know a forward by its number and nothing else of each other. The participant's own room says how it is, all of
//! it each time ([`Portrait`]), so that only the newest needs to arrive; the other shows it as a *guest*, who has no
//! connection there. Either side may end it. Who carries the portraits, and that the other room hears when one of the two
//! is no more, is the server's.

use std::collections::BTreeMap;

use livekit_protocol::ParticipantInfo;

use crate::subscription::Audience;
use crate::{Moderation, ParticipantSid, TrackSid};

/// Forwards a room takes part in at once, and guests it has: each is a mirror of every track.
pub(crate) const FORWARDS: usize = 256;

/// One participant's stay in one other room. The server numbers them; no number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardId(pub u64);

/// How a forwarded participant is now, as people in its own room see it: all that its other room is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Portrait {
    /// Who it is, with its tracks as they are called in its own room.
    pub(crate) info: ParticipantInfo,
    /// Who may have its tracks.
    pub(crate) audience: Audience,
    /// How loud it speaks, as people are told: 0.0 to 1.0.
    pub(crate) level: f32,
}

impl Portrait {
    /// Whose it is.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.info.identity
    }

    /// Its session in its own room.
    #[must_use]
    pub fn sid(&self) -> ParticipantSid {
        self.info.sid.as_str().into()
    }
}

/// A forward as the participant's own room knows it.
#[derive(Debug)]
pub(crate) struct Forward {
    pub(crate) participant: ParticipantSid,
    /// What the other room was told last, by what it follows from.
    pub(crate) told: Option<(u32, f32, Audience)>,
}

/// What a guest is beside a participant.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) forward: ForwardId,
    /// Its tracks here, and what they are called in its own room.
    pub(crate) tracks: BTreeMap<TrackSid, TrackSid>,
}

impl Guest {
    /// What a track of its own room is called here.
    pub(crate) fn here(&self, of: &str) -> Option<&TrackSid> {
        self.tracks.iter().find(|(_, original)| original.as_str() == of).map(|(track, _)| track)
    }
}

impl Moderation {
    /// Whom it changes, where a guest could not be meant: what a guest is and does is decided in its own room.
    pub(crate) fn of_residents(&self) -> Option<&str> {
        match self {
            Self::MuteTrack { identity, .. }
            | Self::UpdateParticipant { identity, .. }
            | Self::UpdateSubscriptions { identity, .. }
            | Self::PerformRpc { identity, .. }
            | Self::MoveParticipant { identity, .. }
            | Self::ForwardParticipant { identity, .. }
            | Self::SetRole { identity, .. }
            | Self::SetHand { identity, .. }
            | Self::AskToUnmute { identity, .. } => Some(identity),
            _ => None,
        }
    }
}
