//! AV1 in RTP: the aggregation header and the mandatory part of the dependency descriptor
//! (AV1 RTP payload specification, sections 4.4 and A.8).

/// URI under which the dependency descriptor is negotiated.
pub const DEPENDENCY_DESCRIPTOR_URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// Longest descriptor carried: a two-byte header extension cannot say more (RFC 8285 section 4.3).
pub const MAX_DEPENDENCY_DESCRIPTOR_LEN: usize = 255;

/// What every dependency descriptor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DependencyDescriptor {
    /// First packet of a frame.
    pub start_of_frame: bool,
    /// Last packet of a frame.
    pub end_of_frame: bool,
    /// Frame dependency template in use.
    pub template_id: u8,
    /// Frame number, wrapping at 16 bits.
    pub frame_number: u16,
    /// The packet brings a template structure: only key frames do.
    pub has_structure: bool,
}

impl DependencyDescriptor {
    /// Reads the mandatory fields and the structure flag. `None` when there are fewer than three bytes.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (mandatory, extended) = bytes.split_first_chunk::<3>()?;
        Some(Self {
            start_of_frame: mandatory[0] & 0x80 != 0,
            end_of_frame: mandatory[0] & 0x40 != 0,
            template_id: mandatory[0] & 0x3f,
            frame_number: u16::from_be_bytes([mandatory[1], mandatory[2]]),
            has_structure: extended.first().is_some_and(|flags| flags & 0x80 != 0),
        })
    }

    /// True for the first packet of a key frame.
    #[must_use]
    pub fn starts_keyframe(&self) -> bool {
        self.start_of_frame && self.has_structure
    }
}

/// True when the aggregation header says that the packet begins a coded video sequence (N bit) and does not
/// continue an OBU (Z bit).
#[must_use]
pub fn starts_sequence(payload: &[u8]) -> bool {
    payload.len() > 1 && payload[0] & 0x88 == 0x08
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_a_frame_start_with_a_structure_is_an_entry() {
        let key = DependencyDescriptor::parse(&[0x80, 0x00, 0x07, 0x80, 0x01]).unwrap();
        assert!(key.starts_keyframe());
        assert_eq!(key.frame_number, 7);
        assert!(!DependencyDescriptor::parse(&[0xc1, 0x00, 0x08]).unwrap().starts_keyframe());
        assert!(!DependencyDescriptor::parse(&[0x00, 0x00, 0x07, 0x80]).unwrap().starts_keyframe());
        assert_eq!(DependencyDescriptor::parse(&[0x80, 0x00]), None);
        assert!(starts_sequence(&[0x18, 0x0a]));
        assert!(!starts_sequence(&[0x98, 0x0a]) && !starts_sequence(&[0x10, 0x0a]) && !starts_sequence(&[0x08]));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = DependencyDescriptor::parse(&bytes);
            let _ = starts_sequence(&bytes);
        }
    }
}
