//! Recordings, as decisions: what a back end asked for, under which names it is kept, and how far it has come.
//!
//! LiveKit calls one of these an *egress*; here that word is taken by the media plane's way out, so it is a recording,
//! whether its media ends in a file or in a stream.
//!
//! Owned by the control plane. Knows neither files, sockets and clocks nor the recorder: a request becomes an [`Order`]
//! ([`request`]), an order becomes a [`Recording`] that is told what happens and says what to do.

pub mod automatic;
mod info;
mod name;
mod order;
mod recording;
mod redaction;
mod refusal;
pub mod request;
#[cfg(test)]
mod request_tests;
mod segments;

pub use info::egress_info;
pub use name::{Facts, ObjectPath, Template, UnixSeconds, rfc3339};
pub use order::{
    Composition, Destination, Encoding, FileKind, Layout, Media, Order, Output, S3Target, Source, StreamUrl,
};
pub use recording::{
    Action, ENCRYPTED, End, Happened, PartNumber, Product, Recording, RecordingId, State, Stream, TrackFacts,
    TrackFile, TrackKind, Written,
};
pub use redaction::Request;
pub use refusal::Refusal;
pub use segments::{SegmentNames, SegmentPaths};
pub use sluice_secret::Secret;
