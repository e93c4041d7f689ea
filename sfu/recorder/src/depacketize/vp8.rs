//! VP8 (RFC 7741): a frame is what lies behind the payload descriptors of its packets.

use sluice_rtp::vp8::Descriptor;

use super::{Built, Malformed};

#[derive(Debug, Default)]
pub(crate) struct Builder {
    built: Built,
}

impl Builder {
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let descriptor = Descriptor::parse(payload).ok_or(Malformed)?;
        // One frame begins once, and first.
        if descriptor.starts_frame != self.built.data.is_empty() {
            return Err(Malformed);
        }
        self.built.is_key |= descriptor.starts_keyframe(payload);
        self.built.data.extend_from_slice(&payload[descriptor.len..]);
        Ok(())
    }

    pub(crate) fn finish(self) -> Built {
        self.built
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_frame_begins_with_its_first_packet_and_once() {
        let mut builder = Builder::default();
        assert_eq!(builder.push(&[0x00, 1, 2]), Err(Malformed), "its middle first");
        builder.push(&[0x10, 0x00, 2]).unwrap();
        builder.push(&[0x80, 0x80, 5, 3, 4]).unwrap();
        assert_eq!(builder.push(&[0x10, 1]), Err(Malformed), "another one's begin");
        let built = builder.finish();
        assert_eq!((built.data, built.is_key), (vec![0, 2, 3, 4], true));
    }
}
