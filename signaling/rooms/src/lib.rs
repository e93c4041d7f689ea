//! A room as a sans-IO state machine: commands in, effects out.
//!
//! [`RoomState`] is owned by one task of `sluice-server` (or by a test in virtual time). It decides who may
//! enter, what they may do, who hears whom, what each client is told, and when the room ends. It knows
//! neither sockets nor the media plane: media reaches it as [`MediaEvent`] and leaves as [`MediaCommand`].
//! Time comes in with every call ([`Now`]), randomness once ([`SidSource`]); one seed is one run.
//!
//! Its vocabulary is the protocol's own (`livekit-protocol`: `ParticipantInfo`, `TrackInfo`, signal requests
//! and responses). The product speaks exactly this protocol, so a second set of types would be a copy of it
//! field by field, and each copy a place to forget a field.

mod account;
mod backup;
mod calls;
mod chat;
mod command;
mod data;
mod effect;
mod forward;
mod layers;
mod lobby;
mod log;
mod notice;
mod participant;
mod publication;
mod quality;
mod role;
mod room;
mod sdp;
mod session;
mod sid;
mod speakers;
mod subscription;
mod text;

pub use chat::ChatPost;
pub use command::{
    Arrival, AudioLevel, Command, Grants, Join, MediaEvent, MediaFailure, MidToTrack, Moderation, Now, QualityReport,
    Resume, Rights, SignalVersion,
};
pub use data::{Envelope, StampError, stamp};
pub use effect::{
    BackupCodec, BackupPolicy, CodecRole, DataChannel, DeclaredLayer, Demand, Effect, ExpectedTrack, MediaCommand,
    MediaKind, RoomLimits, TokenClaims,
};
pub use forward::{ForwardId, Portrait};
pub use lobby::{Entry, LobbyOutcome, Standing, Waiting};
pub use log::{EndReason, RecordingStep, RoomEvent, RoomEventKind};
pub use role::{CONSENT_ATTRIBUTE, HAND_ATTRIBUTE, ROLE_ATTRIBUTE, USER_ATTRIBUTE};
pub use room::{ModerationError, ParticipantQuality, RoomConfig, RoomSnapshot, RoomState};
pub use session::SessionState;
pub use sid::{ConnectionId, ParticipantSid, RoomSid, SidSource, TrackSid};
pub use text::{NameError, display_name, valid_identity, valid_room_name};
