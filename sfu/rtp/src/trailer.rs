//! The packet trailer that LiveKit clients append to the last bytes of a video frame: a capture time, a frame id, or
//! bytes of the application, for receivers that announced they can take it off. For others a forwarder does.
//!
//! From the end: the four bytes `LKTS`; one byte with the length of the whole trailer; and in front of that, elements
//! of tag, length and value. All but the magic are inverted bit by bit, so that no start code appears in them. The
//! trailer is appended after end-to-end encryption, so it is readable here.
//!
//! It ends a *frame*: only the packet with the marker bit is worth asking. Where the packetizer cut a trailer in two,
//! its beginning has left with the packet before, and it is left alone. It is part of the frame's last unit, whose length
//! [`mend_length`] makes right in payloads that aggregate units of H.264 and H.265. In AV1 the last unit must be one
//! without a length of its own (W not 0 in the aggregation header, as browsers send it).

use crate::VideoCodec;

/// Type of an H.264 payload that aggregates units (RFC 6184 section 5.7.1).
const STAP_A: u8 = 24;
/// The same of H.265 (RFC 7798 section 4.4.2).
const AGGREGATION: u8 = 48;

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

/// Makes the length of the last unit right in a payload whose end was cut off. Does nothing where units have no lengths.
pub fn mend_length(codec: VideoCodec, payload: &mut [u8]) {
    let first = payload.first().copied().unwrap_or_default();
    let mut at = match codec {
        VideoCodec::H264 if first & 0x1f == STAP_A => 1,
        VideoCodec::H265 if first >> 1 & 0x3f == AGGREGATION => 2,
        _ => return,
    };
    while let Some((field, rest)) = payload.get_mut(at..).and_then(|units| units.split_first_chunk_mut::<2>()) {
        let (len, left) = (usize::from(u16::from_be_bytes(*field)), rest.len());
        if len > left {
            // Less than a length that fits 16 bits.
            *field = u16::try_from(left).unwrap_or_default().to_be_bytes();
            return;
        }
        at += 2 + len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units behind a header, each with its length in front.
    fn aggregate(header: &[u8], units: &[&[u8]]) -> Vec<u8> {
        let mut payload = header.to_vec();
        for unit in units {
            payload.extend(u16::try_from(unit.len()).unwrap_or_default().to_be_bytes());
            payload.extend(*unit);
        }
        payload
    }

    #[test]
    fn the_last_unit_of_an_aggregate_has_the_length_that_is_left() {
        for (codec, header) in [(VideoCodec::H264, &[0x78][..]), (VideoCodec::H265, &[0x60, 1])] {
            let slice = with_trailer(b"\x65slice", &[(2, &[9; 4])]);
            let mut payload = aggregate(header, &[b"\x67sps", b"\x68pps", &slice]);
            payload.truncate(payload.len() - len(&payload).unwrap_or_default());
            mend_length(codec, &mut payload);
            assert_eq!(payload, aggregate(header, &[b"\x67sps", b"\x68pps", b"\x65slice"]), "{codec:?}");
            let whole = payload.clone();
            mend_length(codec, &mut payload);
            assert_eq!(payload, whole, "what is right stays");
        }
    }

    #[test]
    fn a_payload_of_one_unit_has_no_length() {
        let mut payload = *b"\x65\xff\xff\xff";
        for codec in [VideoCodec::H264, VideoCodec::H265, VideoCodec::Vp8, VideoCodec::Av1] {
            mend_length(codec, &mut payload);
            assert_eq!(payload, *b"\x65\xff\xff\xff");
        }
    }

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
        fn lengths_are_mended_within_the_payload(bytes: Vec<u8>) {
            for (codec, header) in [(VideoCodec::H264, &[0x78][..]), (VideoCodec::H265, &[0x60, 1])] {
                let mut payload = [header, &bytes].concat();
                mend_length(codec, &mut payload);
                assert_eq!(payload.len(), header.len() + bytes.len());
            }
        }

        #[test]
        fn never_more_than_there_is(bytes: Vec<u8>, trailer_len: u8) {
            let mut bytes = bytes;
            bytes.push(trailer_len);
            bytes.extend(MAGIC);
            assert!(len(&bytes).is_none_or(|len| len <= bytes.len()));
        }
    }
}
