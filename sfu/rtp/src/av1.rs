//! AV1 in RTP: the aggregation header (AV1 RTP payload specification, section 4.4). Layers and dependencies are in
//! the [dependency descriptor](crate::dependency_descriptor).

pub use crate::dependency_descriptor::{MAX_LEN as MAX_DEPENDENCY_DESCRIPTOR_LEN, URI as DEPENDENCY_DESCRIPTOR_URI};

/// True when the aggregation header says that the packet begins a coded video sequence (N bit) and does not
/// continue an OBU (Z bit).
#[must_use]
pub fn starts_sequence(payload: &[u8]) -> bool {
    payload.len() > 1 && payload[0] & 0x88 == 0x08
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_starts_where_no_unit_is_continued() {
        assert!(starts_sequence(&[0x18, 0x0a]));
        assert!(!starts_sequence(&[0x98, 0x0a]) && !starts_sequence(&[0x10, 0x0a]) && !starts_sequence(&[0x08]));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = starts_sequence(&bytes);
        }
    }
}
