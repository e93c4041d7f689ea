//! The media worker as a sans-IO machine: datagrams and commands in, datagrams and events out.
//!
//! Owned by a thread of `sluice-node` (or a simulation). Knows neither sockets, nor a clock, nor an async
//! runtime, nor the signaling protocol: SDP text and ids come in, SDP text and events go out.

mod allocator;
#[cfg(feature = "bench")]
pub mod bench;
mod command;
mod deadlines;
mod demux;
mod dynacast;
mod event;
mod explain;
mod forwarder;
mod fragment;
mod ids;
mod keyframe;
mod levels;
mod limits;
mod outgoing;
mod participant;
mod path;
mod policer;
mod publications;
mod random;
mod rate;
mod redundancy;
mod relay;
mod span;
mod tap;
mod track;
mod transport;
mod worker;

pub use command::{
    BackupCodec, BackupPolicy, Client, CodecRole, Command, Connection, DataChannel, DeclaredLayer, Demand,
    ExpectedTrack, Kind, RoomLimits, Source,
};
pub use event::{AudioLevel, Event, Failure, MidToTrack, QualityReport};
pub use explain::{LinkReport, Reason, SubscriptionReport};
pub use ids::{ParticipantId, RoomId, TrackId, WorkerId};
pub use outgoing::{Outgoing, Train};
pub use path::{Path, Protocol};
pub use random::Random;
pub use relay::{
    Announcement, Loan, MirrorKey, OriginKey, RelayMessage, RelayedCounts, RelayedLevel, RelayedPacket, Wish,
};
pub use span::{Populated, RoomSpan};
pub use tap::{TapFormat, TapId, TapMessage, TapPacket, TapReport, TapWish};
pub use transport::is_media;
pub use worker::{Certificate, Intake, Worker, WorkerConfig, WorkerStats};

slotmap::new_key_type! {
    struct ParticipantKey;
    struct SubscriptionKey;
    struct TrackKey;
    struct TransportKey;
}
