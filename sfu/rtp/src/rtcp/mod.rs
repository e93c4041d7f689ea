//! RTCP (RFC 3550 section 6, RFC 4585, RFC 5104) as a forwarder reads and writes it.
//!
//! [`packets`] walks a compound or reduced-size packet (RFC 5506) without allocating: lists stay in the bytes they
//! came in and are read when somebody iterates them. The writers append to a buffer. Encryption is [`crate::srtp`]'s,
//! and what a report means for anybody is the caller's.

mod feedback;
mod packet;
mod report;
mod transport_feedback;
mod write;

pub use feedback::{FirTargets, Lost, Remb};
pub use packet::{Rtcp, packets};
pub use report::{ReportBlock, Reports, SenderInfo};
pub use transport_feedback::{Arrival, Arrivals, TransportFeedback};
pub use write::{
    MAX_CNAME_LEN, MAX_REPORTS, write_bye, write_fir, write_nack, write_pli, write_receiver_report, write_remb,
    write_sdes_cname, write_sender_report, write_transport_feedback,
};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// Transport layer feedback (RFC 4585 section 6.2); its formats.
const TRANSPORT_LAYER: u8 = 205;
const NACK: u8 = 1;
const TRANSPORT_WIDE: u8 = 15;
/// Payload-specific feedback (RFC 4585 section 6.3); its formats.
const PAYLOAD_SPECIFIC: u8 = 206;
const PLI: u8 = 1;
const FIR: u8 = 4;
const APPLICATION_LAYER: u8 = 15;

/// A big-endian word at a byte offset.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests;
