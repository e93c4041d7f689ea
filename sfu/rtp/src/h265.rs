//! H.265 in RTP (RFC 7798), as far as entering a stream needs it.
//!
//! Temporal layers are chosen by the dependency descriptor only. The NAL header names them as well, but going up by it
//! needs switching points (TSA and STSA units), which encoders need not mark: who went down might never come up.

/// First and last type of pictures that a decoder can begin with: BLA, IDR, CRA (H.265 table 7-1).
const RANDOM_ACCESS: std::ops::RangeInclusive<u8> = 16..=21;
const VPS: u8 = 32;
const SPS: u8 = 33;
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;

/// True when the payload holds a video or sequence parameter set, or the start of a random access picture: decoding
/// can begin with this packet. Encoders send the parameter sets in front of every such picture. A picture parameter
/// set alone is no entry: it may change between two of them.
#[must_use]
pub fn starts_keyframe(payload: &[u8]) -> bool {
    let enters = |nal_type: u8| RANDOM_ACCESS.contains(&nal_type) || nal_type == VPS || nal_type == SPS;
    let Some((header, rest)) = payload.split_first_chunk::<2>() else {
        return false;
    };
    match nal_type(header[0]) {
        AGGREGATION => aggregated(rest).any(enters),
        FRAGMENTATION => rest.first().is_some_and(|fu| fu & 0x80 != 0 && enters(fu & 0x3f)),
        nal_type => enters(nal_type),
    }
}

fn nal_type(first: u8) -> u8 {
    first >> 1 & 0x3f
}

/// NAL unit types of an aggregation packet (section 4.4.2), as far as the lengths make sense. Decoding order numbers
/// are never negotiated here.
fn aggregated(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let unit;
        (unit, rest) = after.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        unit.first().map(|first| nal_type(*first))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enters_at_parameter_sets_and_at_the_start_of_a_random_access_picture() {
        assert!(starts_keyframe(&[0x40, 0x01, 0x0c]), "VPS");
        assert!(starts_keyframe(&[0x42, 0x01, 0x01]), "SPS");
        assert!(!starts_keyframe(&[0x44, 0x01, 0xc1]), "PPS alone");
        assert!(starts_keyframe(&[0x26, 0x01, 0xaf]), "IDR_W_RADL");
        assert!(starts_keyframe(&[0x28, 0x01, 0xaf]), "IDR_N_LP");
        assert!(!starts_keyframe(&[0x02, 0x01, 0xd0]), "TRAIL_R");
        assert!(starts_keyframe(&[0x60, 0x01, 0, 2, 0x44, 0x01, 0, 2, 0x42, 0x01]), "aggregate: PPS, SPS");
        assert!(!starts_keyframe(&[0x60, 0x01, 0xff, 0xff, 0x42]), "aggregate that claims more than it has");
        assert!(!starts_keyframe(&[0x60, 0x01, 0, 0, 0, 0]), "aggregate of empty units");
        assert!(starts_keyframe(&[0x62, 0x01, 0x93, 0xaf]), "fragment: start of IDR");
        assert!(!starts_keyframe(&[0x62, 0x01, 0x13, 0xaf]), "fragment: middle of IDR");
        assert!(!starts_keyframe(&[0x40]), "cut short");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = starts_keyframe(&bytes);
        }
    }
}
