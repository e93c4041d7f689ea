//! Picture ids and TL0PICIDX, which VP8 (RFC 7741) and VP9 (RFC 9628) descriptors share.
//!
//! A receiver follows both; when a forwarder changes the encoding it forwards, they must go on where they stood. Which
//! numbers that takes is the forwarder's to know; here they are read and written.

/// A picture id as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId {
    /// Its value: 7 or 15 bits.
    pub value: u16,
    /// True for the 15 bit form.
    pub is_long: bool,
}

impl PictureId {
    /// Reads the id at the start of `bytes`. `None` when it is cut short.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&high, rest) = bytes.split_first()?;
        Some(if high & 0x80 == 0 {
            Self { value: u16::from(high), is_long: false }
        } else {
            Self { value: u16::from_be_bytes([high & 0x7f, *rest.first()?]), is_long: true }
        })
    }

    /// Bytes on the wire.
    pub(crate) fn len(self) -> usize {
        if self.is_long { 2 } else { 1 }
    }

    /// Writes another value in place of this one at `at`, in the same form: its low 7 or 15 bits. Nothing is written
    /// when there is no room, which a payload that was parsed has.
    pub(crate) fn patch(self, value: u16, payload: &mut [u8], at: usize) {
        let [high, low] = value.to_be_bytes();
        match payload.get_mut(at..) {
            Some([a, b, ..]) if self.is_long => (*a, *b) = (high | 0x80, low),
            Some([a, ..]) if !self.is_long => *a = low & 0x7f,
            _ => {}
        }
    }
}

/// The numbers of a descriptor that must go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Picture id.
    pub picture_id: Option<PictureId>,
    /// Temporal level zero index.
    pub tl0_pic_idx: Option<u8>,
}

impl Numbers {
    /// Writes others in place of these into a copy of the payload they were read from: the picture id stands `at`
    /// there, TL0PICIDX `apart` bytes behind it. What is not carried, or not given, stays.
    pub(crate) fn patch(self, payload: &mut [u8], at: usize, apart: usize, picture_id: Option<u16>, tl0: Option<u8>) {
        if let (Some(id), Some(value)) = (self.picture_id, picture_id) {
            id.patch(value, payload, at);
        }
        let tl0_at = at + self.picture_id.map_or(0, PictureId::len) + apart;
        if let (Some(_), Some(value), Some(place)) = (self.tl0_pic_idx, tl0, payload.get_mut(tl0_at)) {
            *place = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Patched and read again it is the value written, in the form it had.
        #[test]
        fn patching_keeps_the_form(value: u16, is_long: bool, to: u16) {
            let id = PictureId { value: value & if is_long { 0x7fff } else { 0x7f }, is_long };
            let mut bytes = [0; 2];
            id.patch(id.value, &mut bytes, 0);
            assert_eq!(PictureId::parse(&bytes), Some(id));
            id.patch(to, &mut bytes, 0);
            let value = to & if is_long { 0x7fff } else { 0x7f };
            assert_eq!(PictureId::parse(&bytes), Some(PictureId { value, is_long }));
            id.patch(to, &mut bytes, 2);
            assert_eq!(PictureId::parse(&bytes), Some(PictureId { value, is_long }), "no room, nothing written");
        }
    }
}
