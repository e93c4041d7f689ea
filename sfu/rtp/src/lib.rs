//! What an RTP packet means: sequence and timestamp arithmetic, and the codec descriptors a forwarder must
//! read to know where a picture can be entered.
//!
//! No I/O, no clock, no allocation. Every parser takes bytes from a stranger and answers with an `Option`:
//! what it cannot read it does not guess at. End-to-end encrypted frames keep the parts read here in the
//! clear (payload descriptors, NAL headers, header extensions), so nothing behaves differently for them.

pub mod av1;
pub mod h264;
pub mod header;
mod keyframe;
pub mod red;
mod rewrite;
pub mod stun;
pub mod vp8;
pub mod vp9;

pub use keyframe::{VideoCodec, starts_keyframe};
pub use rewrite::{Rewritten, StreamRewriter};
