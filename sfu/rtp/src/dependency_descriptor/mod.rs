//! The dependency descriptor (AV1 RTP payload specification 1.0, appendix A): which frames build on which, and for whom.
//!
//! A header extension, sent for AV1 and for scalable VP9, that a forwarder may read where the payload is encrypted
//! end to end. A key frame brings a [`Structure`], a table of templates; every packet names a template, and says
//! where it differs. The caller keeps the structure: nothing here remembers.
//!
//! A structure is the one thing that allocates. It is bounded by the standard's own limits, and by the 255 bytes a
//! header extension has. Choosing layers is somebody else's.

mod active;
mod bits;
mod descriptor;
mod lists;
mod structure;

pub use active::ActiveTargetsField;
pub use descriptor::{Descriptor, Mandatory, set_frame_number};
pub use lists::{ChainDiffs, DecodeTarget, Dtis, FrameDiffs};
pub use structure::{Structure, Template};

/// URI under which the extension is negotiated.
pub const URI: &str = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// Longest descriptor carried: a two-byte header extension cannot say more (RFC 8285 section 4.3).
pub const MAX_LEN: usize = 255;

/// Most templates of a structure: their ids have six bits.
pub const MAX_TEMPLATES: usize = 64;

/// Most decode targets of a structure, and so most chains: their count has five bits.
pub const MAX_DECODE_TARGETS: usize = 32;

/// Most frames that one frame is read to build on. AV1 has seven references, VP9 three; a stranger's list ends
/// somewhere.
pub const MAX_FRAME_DIFFS: usize = 16;

/// Most spatial layers: AV1's `spatial_id` has two bits.
pub const MAX_SPATIAL_LAYERS: u8 = 4;

/// Most temporal layers: AV1's `temporal_id` has three bits.
pub const MAX_TEMPORAL_LAYERS: u8 = 8;

#[cfg(test)]
mod tests;
