//! What an RTP packet means and how one is made: header and extensions, sequence and timestamp arithmetic, the
//! codec descriptors a forwarder reads to choose layers, RTCP, and SRTP for what leaves.
//!
//! No I/O, no clock, no randomness. Memory is the caller's buffers; what a type keeps besides is small and bounded,
//! and stated there. Every parser takes bytes from a stranger and answers with an `Option`:
//! what it cannot read it does not guess at. End-to-end encrypted frames keep the parts read here in the
//! clear (payload descriptors, NAL headers, header extensions), so nothing behaves differently for them.

pub mod av1;
pub mod dependency_descriptor;
pub mod h264;
pub mod h265;
pub mod header;
mod keyframe;
pub mod packet;
mod picture_id;
pub mod red;
mod renumber;
mod rewrite;
pub mod rtcp;
pub mod srtp;
pub mod stun;
pub mod trailer;
pub mod vp8;
pub mod vp9;

pub use keyframe::{VideoCodec, starts_keyframe};
pub use picture_id::{Numbers, PictureId};
pub use renumber::{Number, Renumber, Unwrap};
pub use rewrite::{Rewritten, StreamRewriter};
