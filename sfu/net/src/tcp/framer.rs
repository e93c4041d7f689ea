//! Frames out of a stream of bytes: two bytes of length, then a datagram (RFC 4571 section 2).

use crate::MAX_DATAGRAM_LEN;

/// Bytes of a frame's length.
pub(super) const HEADER_LEN: usize = 2;

/// A frame longer than any datagram of WebRTC: whoever sends it speaks something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTooLong;

/// Puts frames together from the pieces a stream comes in. Keeps less than one frame.
#[derive(Debug, Default)]
pub struct Framer {
    /// The beginning of a frame.
    partial: Vec<u8>,
}

impl Framer {
    /// Takes the next bytes of the stream and hands over the frames they complete, in order. Empty frames say nothing
    /// and are left out.
    ///
    /// # Errors
    /// [`FrameTooLong`] when a frame would be longer than [`MAX_DATAGRAM_LEN`]. The stream is of no use from then on.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), FrameTooLong> {
        let mut rest = bytes;
        if !self.partial.is_empty() {
            rest = self.fill(HEADER_LEN, rest);
            let Some(len) = len_of(&self.partial)? else { return Ok(()) };
            rest = self.fill(HEADER_LEN + len, rest);
            if self.partial.len() < HEADER_LEN + len {
                return Ok(());
            }
            if len > 0 {
                take(&self.partial[HEADER_LEN..]);
            }
            self.partial.clear();
        }
        while let Some(len) = len_of(rest)? {
            let Some(frame) = rest.get(HEADER_LEN..HEADER_LEN + len) else { break };
            if len > 0 {
                take(frame);
            }
            rest = &rest[HEADER_LEN + len..];
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// Makes the beginning so long, as far as the bytes go; returns the others.
    fn fill<'a>(&mut self, len: usize, bytes: &'a [u8]) -> &'a [u8] {
        let missing = len.saturating_sub(self.partial.len());
        let (piece, rest) = bytes.split_at(missing.min(bytes.len()));
        self.partial.extend_from_slice(piece);
        rest
    }
}

/// How long a frame is, once its length is there.
pub(super) fn len_of(frame: &[u8]) -> Result<Option<usize>, FrameTooLong> {
    let Some(header) = frame.first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes(*header));
    if len <= MAX_DATAGRAM_LEN { Ok(Some(len)) } else { Err(FrameTooLong) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn stream(datagrams: &[Vec<u8>]) -> Vec<u8> {
        let frame = |datagram: &Vec<u8>| [&u16::try_from(datagram.len()).unwrap().to_be_bytes()[..], datagram].concat();
        datagrams.iter().flat_map(frame).collect()
    }

    /// Bytes in pieces of these lengths, over and over.
    fn pieces<'a>(mut bytes: &'a [u8], lens: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
        lens.iter().cycle().map_while(move |len| {
            let (piece, rest) = bytes.split_at((*len).min(bytes.len()));
            bytes = rest;
            (!piece.is_empty()).then_some(piece)
        })
    }

    #[test]
    fn a_frame_too_long_is_refused_as_soon_as_its_length_is_there() {
        let mut framer = Framer::default();
        assert_eq!(framer.feed(&[0, 1, 7, 0x08], |frame| assert_eq!(frame, [7])), Ok(()));
        assert_eq!(framer.feed(&[0x01], |_| unreachable!()), Err(FrameTooLong));
        assert_eq!(Framer::default().feed(b"GET / HTTP/1.1\r\n", |_| unreachable!()), Err(FrameTooLong));
    }

    #[test]
    fn empty_frames_say_nothing() {
        let mut framer = Framer::default();
        framer.feed(&[0; 1001], |_| unreachable!()).unwrap();
        let mut got = Vec::new();
        framer.feed(&[0, 0, 1, 9], |frame| got.push(frame.to_vec())).unwrap();
        assert_eq!(got, [[9]]);
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_the_datagrams_come_out(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=MAX_DATAGRAM_LEN), 0..12),
            lens in prop::collection::vec(1usize..3000, 1..8),
        ) {
            let (stream, mut framer, mut got) = (stream(&datagrams), Framer::default(), Vec::new());
            for piece in pieces(&stream, &lens) {
                framer.feed(piece, |frame| got.push(frame.to_vec())).unwrap();
            }
            prop_assert_eq!(got, datagrams);
            prop_assert!(framer.partial.is_empty());
        }

        #[test]
        fn whatever_comes_less_than_a_frame_is_kept(
            bytes in prop::collection::vec(prop_oneof![Just(0u8), 0..9u8, any::<u8>()], 0..6000),
            lens in prop::collection::vec(1usize..3000, 1..8),
        ) {
            let mut framer = Framer::default();
            for piece in pieces(&bytes, &lens) {
                if framer.feed(piece, |frame| assert!((1..=MAX_DATAGRAM_LEN).contains(&frame.len()))).is_err() {
                    break;
                }
                prop_assert!(framer.partial.len() < HEADER_LEN + MAX_DATAGRAM_LEN);
            }
        }
    }
}
