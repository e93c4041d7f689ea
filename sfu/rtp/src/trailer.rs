//! The packet trailer that LiveKit clients append to the last bytes of a video frame: a capture time, a frame id, or
//! bytes of the application, for receivers that announced they can take it off. For others a forwarder does.
//!
//! From the end: the four bytes `LKTS`; one byte with the length of the whole trailer; and in front of that, elements
//! of tag, length and value. All but the magic are inverted bit by bit, so that no start code appears in them. The
//! trailer is appended after end-to-end encryption, so it is readable here.
//!
//! It ends a *frame*: only the packet with the marker bit is worth asking. Where the packetizer cut a trailer in two,
//! its beginning has left with the packet before, and it is left alone. In AV1 the last unit of a payload must be one
//! without a length of its own (W not 0 in the aggregation header, as browsers send it): cutting does not mend lengths.

const MAGIC: &[u8] = b"LKTS";

/// Length byte and magic.
const ENVELOPE_LEN: usize = 5;

const TIMESTAMP: u8 = 1;
const FRAME_ID: u8 = 2;
const USER_DATA: u8 = 3;

/// Bytes of trailer at the end of a frame's last payload, to be cut off. `None` when there is none: also when an
/// element is malformed or none is of a kind known, as receivers judge it, since a frame may end in these bytes by
/// chance.
#[must_use]
pub fn len(payload: &[u8]) -> Option<usize> {
    let (rest, inverted) = payload.strip_suffix(MAGIC)?.split_last().map(|(len, rest)| (rest, *len))?;
    let len = usize::from(!inverted);
    let mut elements = rest.get(rest.len().checked_sub(len.checked_sub(ENVELOPE_LEN)?)?..)?;
    let mut is_known = false;
    while let Some(([tag, value_len], after)) = elements.split_first_chunk::<2>() {
        let (tag, value_len) = (!tag, !value_len);
        elements = after.get(usize::from(value_len)..)?;
        is_known |= matches!((tag, value_len), (TIMESTAMP, 8) | (FRAME_ID, 4) | (USER_DATA, _));
    }
    (is_known && elements.is_empty()).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_trailer(frame: &[u8], elements: &[(u8, &[u8])]) -> Vec<u8> {
        let mut payload = frame.to_vec();
        for (tag, value) in elements {
            payload.extend([!tag, !u8::try_from(value.len()).unwrap_or(u8::MAX)]);
            payload.extend(value.iter().map(|byte| !byte));
        }
        payload.push(!u8::try_from(payload.len() - frame.len() + ENVELOPE_LEN).unwrap_or(u8::MAX));
        payload.extend(MAGIC);
        payload
    }

    #[test]
    fn a_trailer_of_known_elements_is_measured() {
        assert_eq!(len(&with_trailer(b"frame", &[(1, &[7; 8]), (2, &[9; 4])])), Some(21));
        assert_eq!(len(&with_trailer(b"", &[(3, b"anything")])), Some(15));
        assert_eq!(len(&with_trailer(b"frame", &[(9, b"new"), (2, &[9; 4])])), Some(16), "the new beside the known");
        // The bytes of a client: frame id 1.
        assert_eq!(len(b"\xaa\xfd\xfb\xff\xff\xff\xfe\xf4LKTS"), Some(11));
    }

    #[test]
    fn what_only_looks_like_one_is_left_alone() {
        assert_eq!(len(b"LKTS"), None);
        assert_eq!(len(b"frame"), None);
        assert_eq!(len(&with_trailer(b"frame", &[])), None, "nothing in it");
        assert_eq!(len(&with_trailer(b"frame", &[(9, b"new")])), None, "nothing known in it");
        assert_eq!(len(&with_trailer(b"frame", &[(1, &[7; 4])])), None, "a time of the wrong length");
        let whole = with_trailer(b"", &[(1, &[7; 8])]);
        assert_eq!(len(&whole[1..]), None, "cut in two by the packetizer");
    }

    proptest::proptest! {
        #[test]
        fn never_more_than_there_is(bytes: Vec<u8>, trailer_len: u8) {
            let mut bytes = bytes;
            bytes.push(trailer_len);
            bytes.extend(MAGIC);
            assert!(len(&bytes).is_none_or(|len| len <= bytes.len()));
        }
    }
}
