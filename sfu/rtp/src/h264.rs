//! H.264 in RTP (RFC 6184), as far as entering a stream needs it. Temporal layers are in the dependency descriptor, if
//! anywhere: browsers send no prefix units (RFC 6190) that would name them.

const SLICE_IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// True when the payload holds a sequence parameter set or the start of an IDR slice: decoding can begin with
/// this packet. Encoders send the parameter sets in front of every IDR picture.
#[must_use]
pub fn starts_keyframe(payload: &[u8]) -> bool {
    let enters = |nal_type: u8| nal_type == SLICE_IDR || nal_type == SPS;
    let Some((first, rest)) = payload.split_first() else {
        return false;
    };
    match first & 0x1f {
        STAP_A => aggregated(rest).any(enters),
        FU_A => rest.first().is_some_and(|fu| fu & 0x80 != 0 && enters(fu & 0x1f)),
        nal_type => enters(nal_type),
    }
}

/// NAL unit types of a STAP-A (section 5.7.1), as far as the lengths make sense.
fn aggregated(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let unit = after.get(..usize::from(u16::from_be_bytes(*len)))?;
        rest = after.get(unit.len()..)?;
        unit.first().map(|header| header & 0x1f)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enters_at_parameter_sets_and_at_the_start_of_an_idr_slice() {
        assert!(starts_keyframe(&[0x65, 0x88]), "IDR");
        assert!(starts_keyframe(&[0x67, 0x42]), "SPS");
        assert!(!starts_keyframe(&[0x61, 0x88]), "non-IDR slice");
        assert!(starts_keyframe(&[0x78, 0, 2, 0x09, 0x10, 0, 2, 0x67, 0x42]), "STAP-A: AUD, SPS");
        assert!(starts_keyframe(&[0x7c, 0x85, 0x88]), "FU-A start of IDR");
        assert!(!starts_keyframe(&[0x7c, 0x05, 0x88]), "FU-A middle of IDR");
        assert!(!starts_keyframe(&[0x78, 0xff, 0xff, 0x67]), "STAP-A that claims more than it has");
        assert!(!starts_keyframe(&[0x78, 0, 0, 0, 0]), "STAP-A of empty units");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = starts_keyframe(&bytes);
        }
    }
}
