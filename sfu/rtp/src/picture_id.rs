//! Picture ids and TL0PICIDX, which VP8 (RFC 7741) and VP9 (RFC 9628) descriptors share.
//!
//! A receiver follows both; when a forwarder changes the encoding it forwards, they must go on where they stood.
//! [`PictureIdRewriter`] keeps that promise.

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

/// Keeps picture ids and TL0PICIDX continuous over changes of the forwarded encoding.
#[derive(Debug, Clone, Default)]
pub struct PictureIdRewriter {
    picture_offset: u16,
    tl0_offset: u8,
    last_picture: Option<u16>,
    last_tl0: Option<u8>,
}

impl PictureIdRewriter {
    /// The next packet begins another encoding: line its ids up behind the last ones sent.
    pub fn switch(&mut self, to: impl Into<Numbers>) {
        let to = to.into();
        if let (Some(last), Some(next)) = (self.last_picture, to.picture_id) {
            self.picture_offset = last.wrapping_add(1).wrapping_sub(next.value);
        }
        if let (Some(last), Some(next)) = (self.last_tl0, to.tl0_pic_idx) {
            self.tl0_offset = last.wrapping_add(1).wrapping_sub(next);
        }
    }

    /// Picture id and TL0PICIDX to write in place of the descriptor's. Both keep the width they came in.
    pub fn rewrite(&mut self, numbers: impl Into<Numbers>) -> (Option<u16>, Option<u8>) {
        let numbers = numbers.into();
        let picture = numbers.picture_id.map(|id| {
            let mask = if id.is_long { 0x7fff } else { 0x7f };
            let out = id.value.wrapping_add(self.picture_offset) & mask;
            // A late packet of an older picture must not pull the line back.
            let newer = self.last_picture.is_none_or(|last| {
                let ahead = out.wrapping_sub(last) & mask;
                ahead <= mask / 2
            });
            if newer {
                self.last_picture = Some(out);
            }
            out
        });
        let tl0 = numbers.tl0_pic_idx.map(|idx| {
            let out = idx.wrapping_add(self.tl0_offset);
            if self.last_tl0.is_none_or(|last| out.wrapping_sub(last) < 0x80) {
                self.last_tl0 = Some(out);
            }
            out
        });
        (picture, tl0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(value: u16, tl0: u8) -> Numbers {
        Numbers { picture_id: Some(PictureId { value, is_long: true }), tl0_pic_idx: Some(tl0) }
    }

    #[test]
    fn ids_go_on_after_a_switch_and_wrap() {
        let mut rewriter = PictureIdRewriter::default();
        assert_eq!(rewriter.rewrite(at(0x7ffe, 254)), (Some(0x7ffe), Some(254)));
        rewriter.switch(at(20, 7));
        assert_eq!(rewriter.rewrite(at(20, 7)), (Some(0x7fff), Some(255)));
        assert_eq!(rewriter.rewrite(at(21, 8)), (Some(0), Some(0)));
        // The packet before it, late: keeps its own place and does not move the line.
        assert_eq!(rewriter.rewrite(at(20, 7)), (Some(0x7fff), Some(255)));
        rewriter.switch(at(500, 0));
        assert_eq!(rewriter.rewrite(at(500, 0)), (Some(1), Some(1)));
    }

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
