//! SRTP and SRTCP (RFC 3711, RFC 7714) for the sending side of a forwarder.
//!
//! A transport has one [`Sender`], which protects everything that leaves on it, an [`OutboundStream`] for every
//! SSRC it sends, and one [`Receiver`] for the feedback that comes back. Media that comes in is not read here.
//!
//! The handshake that gives the [`Keys`] is somebody else's; so are numbers and times of packets. What this module
//! promises is that no nonce goes out twice: with AES-GCM a single repetition gives the authentication key away.
//! Nothing is allocated per packet, beyond what the caller's buffers need to grow.

mod cipher;
mod keys;
mod receiver;
mod replay;
mod sender;
mod stream;

pub use keys::{Keys, Profile};
pub use receiver::Receiver;
pub use sender::{Exhausted, Sender};
pub use stream::{OutboundStream, Reused};

/// Most bytes that protection adds to an RTP packet: the tag of AES-GCM (RFC 7714 section 13.2).
pub const MAX_OVERHEAD: usize = 16;

/// Most bytes that protection adds to an RTCP packet: the tag, and the index with the E bit.
pub const MAX_RTCP_OVERHEAD: usize = MAX_OVERHEAD + 4;

#[cfg(test)]
mod tests;
