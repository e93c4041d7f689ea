//! SRTCP that comes back from the client.

use super::cipher::{Cipher, ENCRYPTED, RTCP_CLEAR_LEN};
use super::keys::{Keys, Traffic};
use super::replay::ReplayWindows;

/// Longest SRTCP packet read. Nothing longer fits a datagram; a copy of every datagram is bounded by it.
const MAX_LEN: usize = 65_535;

/// Opens SRTCP with the client's keys. One for each transport and handshake.
pub struct Receiver {
    cipher: Cipher,
    seen: ReplayWindows,
}

impl Receiver {
    /// A receiver that has seen nothing.
    #[must_use]
    pub fn new(keys: &Keys) -> Self {
        Self { cipher: Cipher::new(keys.profile, &keys.theirs, Traffic::Rtcp), seen: ReplayWindows::default() }
    }

    /// The RTCP packet inside `datagram`, decrypted into `out`, whose contents are replaced. `None` when it is
    /// short, forged, a replay, or was sent without encryption, which WebRTC forbids (RFC 8827 section 6.5).
    pub fn unprotect_rtcp<'a>(&mut self, datagram: &[u8], out: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let header = datagram.first_chunk::<RTCP_CLEAR_LEN>()?;
        let ssrc = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let word = self.cipher.index_word(datagram)?;
        let index = word & !ENCRYPTED;
        if word & ENCRYPTED == 0 || datagram.len() > MAX_LEN || !self.seen.is_fresh(ssrc, index) {
            return None;
        }
        out.clear();
        out.extend_from_slice(datagram);
        let len = self.cipher.unprotect_rtcp(ssrc, index, out)?;
        self.seen.insert(ssrc, index);
        out.truncate(len);
        Some(out)
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("seen", &self.seen).finish_non_exhaustive()
    }
}
