//! What is published: VP8 with picture ids and temporal layers in its descriptor (RFC 7741), so that a forwarder has
//! something to read and something to rewrite.

use std::sync::Arc;

/// Descriptor: X and S; picture id, TL0PICIDX and layer follow.
const DESCRIPTOR_LEN: usize = 6;
/// Packets of a picture of a camera at 1.5 Mbit/s.
const PACKETS_OF_A_PICTURE: u32 = 5;
/// Thirty pictures a second.
const TICKS_OF_A_PICTURE: u32 = 3_000;

/// A packet to publish.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The payload.
    pub payload: Arc<[u8]>,
    /// In ticks of 1/90000 s.
    pub timestamp: u32,
    /// It ends a picture.
    pub marker: bool,
}

/// An encoder without pictures: the first packet begins a key frame, all others build on it.
#[derive(Debug)]
pub struct Vp8 {
    len: usize,
    sent: u32,
    /// The next picture is a key frame.
    pub wants_keyframe: bool,
}

impl Vp8 {
    /// Payloads of so many bytes.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { len: len.max(DESCRIPTOR_LEN + 1), sent: 0, wants_keyframe: true }
    }

    /// The next packet.
    pub fn next_piece(&mut self) -> Piece {
        let (picture, place) = (self.sent / PACKETS_OF_A_PICTURE, self.sent % PACKETS_OF_A_PICTURE);
        self.sent += 1;
        let is_key = place == 0 && std::mem::take(&mut self.wants_keyframe);
        let mut payload = vec![0xab; self.len];
        let [.., high, low] = picture.to_be_bytes();
        payload[0] = if place == 0 { 0x90 } else { 0x80 };
        payload[1..DESCRIPTOR_LEN].copy_from_slice(&[0xe0, 0x80 | high, low, low, 0x20]);
        // The first bit of a frame: zero for a key frame.
        payload[DESCRIPTOR_LEN] = u8::from(!is_key);
        let timestamp = picture.wrapping_mul(TICKS_OF_A_PICTURE);
        Piece { payload: payload.into(), timestamp, marker: place + 1 == PACKETS_OF_A_PICTURE }
    }
}
