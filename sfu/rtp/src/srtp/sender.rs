//! Everything that leaves a transport.

use super::cipher::{Cipher, ENCRYPTED, RTCP_CLEAR_LEN};
use super::keys::{Keys, Traffic};
use super::stream::{OutboundStream, Reused};

/// The keys have protected as many RTCP packets as they may: 2^31 (RFC 3711 section 9.2), more than sixty years
/// of one each second. Also the answer for what is too short to be RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no RTCP packet can be protected with these keys any more")]
pub struct Exhausted;

/// Protects RTP and RTCP with our keys. One for each transport and handshake.
pub struct Sender {
    rtp: Cipher,
    rtcp: Cipher,
    overhead: usize,
    /// Counts for all SSRCs together, which is more than the standard asks for and less to keep.
    next_rtcp_index: u32,
}

impl Sender {
    /// Reads something of every part in sight that [`Self::protect`] needs; the keys lie between.
    #[must_use]
    pub fn touch(&self) -> impl Copy + use<> {
        (self.overhead, self.next_rtcp_index)
    }

    /// A sender that has sent nothing with these keys; a second one for the same keys would repeat nonces.
    #[must_use]
    pub fn new(keys: &Keys) -> Self {
        Self {
            rtp: Cipher::new(keys.profile, &keys.ours, Traffic::Rtp),
            rtcp: Cipher::new(keys.profile, &keys.ours, Traffic::Rtcp),
            overhead: keys.profile.tag_len(),
            next_rtcp_index: 0,
        }
    }

    /// Bytes that [`Sender::protect`] adds to a packet.
    #[must_use]
    pub fn overhead(&self) -> usize {
        self.overhead
    }

    /// Protects the packet `buf[start..]` in place and appends the tag. Its first `header_len` bytes, header and
    /// extensions, stay readable; they carry the stream's SSRC and the low 16 bits of `sequence`.
    ///
    /// The receiver guesses the roll-over counter from the packets it has seen and starts at zero: the first
    /// `sequence` of a stream is below 2^16 (RFC 3711 section 3.3.1).
    ///
    /// # Errors
    ///
    /// [`Reused`] when the number was used up before; the buffer is as it was.
    ///
    /// # Panics
    ///
    /// When the buffer ends before `start + header_len`.
    pub fn protect(
        &self,
        stream: &mut OutboundStream,
        sequence: u64,
        buf: &mut Vec<u8>,
        start: usize,
        header_len: usize,
    ) -> Result<(), Reused> {
        debug_assert_eq!(buf[start + 2..start + 4], sequence.to_be_bytes()[6..], "the header carries the number");
        debug_assert_eq!(buf[start + 8..start + 12], stream.ssrc().to_be_bytes(), "the header carries the SSRC");
        stream.take(sequence)?;
        self.rtp.protect_rtp(stream.ssrc(), sequence, buf, start, header_len);
        Ok(())
    }

    /// Protects the compound or reduced-size RTCP packet `buf[start..]` in place, and appends index and tag.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] when all indices are used, or when there are fewer than the eight bytes every RTCP packet
    /// has; the buffer is as it was.
    pub fn protect_rtcp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), Exhausted> {
        let header = buf.get(start..).and_then(<[u8]>::first_chunk::<RTCP_CLEAR_LEN>).ok_or(Exhausted)?;
        let ssrc = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let index = self.next_rtcp_index;
        if index & ENCRYPTED != 0 {
            return Err(Exhausted);
        }
        self.next_rtcp_index = index + 1;
        self.rtcp.protect_rtcp(ssrc, index, buf, start);
        Ok(())
    }

    /// A sender that has used up that many RTCP indices.
    #[cfg(test)]
    pub(super) fn with_rtcp_index(mut self, index: u32) -> Self {
        self.next_rtcp_index = index;
        self
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("next_rtcp_index", &self.next_rtcp_index)
            .finish_non_exhaustive()
    }
}
