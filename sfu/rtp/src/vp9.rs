//! VP9 payload descriptor (RFC 9628 section 4.2), as far as entering a stream needs it.

/// True when the payload begins a key frame of the lowest spatial layer: B set, P clear, and spatial layer 0
/// where layers are named.
#[must_use]
pub fn starts_keyframe(payload: &[u8]) -> bool {
    read(payload).unwrap_or(false)
}

fn read(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    let (has_picture_id, inter_predicted, has_layers, begins) =
        (first & 0x80 != 0, first & 0x40 != 0, first & 0x20 != 0, first & 0x08 != 0);
    if inter_predicted || !begins {
        return Some(false);
    }
    let mut at = 1;
    if has_picture_id {
        at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
    }
    if has_layers {
        let spatial = (payload.get(at)? >> 1) & 0x07;
        return Some(spatial == 0);
    }
    Some(at < payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_packet_of_an_independent_base_picture_enters() {
        // I, L, F=0, B: picture id (15 bit), layer byte T0 S0, TL0PICIDX.
        assert!(starts_keyframe(&[0xa8, 0x80, 0x01, 0x00, 0x05, 0xff]));
        assert!(!starts_keyframe(&[0xe8, 0x80, 0x01, 0x00, 0x05, 0xff]), "P: predicted from earlier pictures");
        assert!(!starts_keyframe(&[0xa8, 0x80, 0x01, 0x02, 0x05, 0xff]), "spatial layer 1");
        assert!(!starts_keyframe(&[0xa0, 0x80, 0x01, 0x00, 0x05, 0xff]), "not the beginning of the frame");
        assert!(starts_keyframe(&[0x88, 0x01, 0xff]), "no layers, short picture id");
        assert!(!starts_keyframe(&[0xa8, 0x80]), "cut short");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) { let _ = starts_keyframe(&bytes); }
    }
}
