//! The parts of an RTP header (RFC 3550 section 5.1) that name a stream: SSRC, payload type, and the MID and
//! RID header extensions (RFC 8285, RFC 8843, RFC 8852).

/// Ids of the naming header extensions, as negotiated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NamingExtensions {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`.
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`.
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`.
    pub repaired_rid: Option<u8>,
}

/// How a packet names its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamNames<'a> {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Media section.
    pub mid: Option<&'a str>,
    /// Encoding within the section.
    pub rid: Option<&'a str>,
    /// The packet repairs another stream of the section.
    pub is_repair: bool,
}

impl<'a> StreamNames<'a> {
    /// Reads a datagram. `None` when it is no RTP (RFC 7983, RFC 5761), has no header extension, or the
    /// extension promises more than there is. Nothing is authenticated here.
    #[must_use]
    pub fn parse(datagram: &'a [u8], ids: NamingExtensions) -> Option<Self> {
        let (header, rest) = datagram.split_first_chunk::<12>()?;
        let is_rtp = (128..192).contains(&header[0]) && !(64..96).contains(&(header[1] & 0x7f));
        if !is_rtp || header[0] & 0x10 == 0 {
            return None;
        }
        let rest = rest.get(usize::from(header[0] & 0x0f) * 4..)?;
        let (extension, rest) = rest.split_first_chunk::<4>()?;
        let mut elements = rest.get(..usize::from(u16::from_be_bytes([extension[2], extension[3]])) * 4)?;
        let is_two_byte = match [extension[0], extension[1]] {
            [0xbe, 0xde] => false,
            [0x10, _] => true,
            _ => return None,
        };
        let mut names = Self {
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            payload_type: header[1] & 0x7f,
            mid: None,
            rid: None,
            is_repair: false,
        };
        while let Some((&first, after)) = elements.split_first() {
            if first == 0 {
                elements = after;
                continue;
            }
            let (id, len, after) = if is_two_byte {
                let (&len, after) = after.split_first()?;
                (first, usize::from(len), after)
            } else if first >> 4 == 15 {
                break;
            } else {
                (first >> 4, usize::from(first & 0x0f) + 1, after)
            };
            let text = std::str::from_utf8(after.get(..len)?).ok();
            if Some(id) == ids.mid {
                names.mid = text;
            } else if Some(id) == ids.rid {
                names.rid = text;
            } else if Some(id) == ids.repaired_rid {
                names.is_repair = true;
            }
            elements = after.get(len..)?;
        }
        Some(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: NamingExtensions = NamingExtensions { mid: Some(4), rid: Some(10), repaired_rid: Some(11) };

    fn rtp(profile: [u8; 2], extension: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x90, 0xe0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, profile[0], profile[1], 0];
        packet.push(u8::try_from(extension.len() / 4).unwrap_or(u8::MAX));
        packet.extend(extension);
        packet
    }

    #[test]
    fn reads_names_in_both_forms_behind_padding() {
        let one = rtp([0xbe, 0xde], &[0x00, 0x40, b'1', 0xa0, b'q', 0x00, 0x00, 0x00]);
        let two = rtp([0x10, 0x00], &[4, 1, b'1', 10, 1, b'q', 0, 0]);
        for packet in [one, two] {
            let names = StreamNames::parse(&packet, IDS);
            let expected =
                StreamNames { ssrc: 0x0102_0304, payload_type: 96, mid: Some("1"), rid: Some("q"), is_repair: false };
            assert_eq!(names, Some(expected));
        }
    }

    #[test]
    fn what_is_no_rtp_or_cut_short_names_nothing() {
        let whole = rtp([0xbe, 0xde], &[0x41, b'1', b'2', 0]);
        assert!(StreamNames::parse(&whole, IDS).is_some());
        assert_eq!(StreamNames::parse(&whole[..17], IDS), None);
        let mut rtcp = whole.clone();
        rtcp[1] = 200;
        assert_eq!(StreamNames::parse(&rtcp, IDS), None);
        let mut many_sources = whole;
        many_sources[0] |= 0x0f;
        assert_eq!(StreamNames::parse(&many_sources, IDS), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, is_two_byte: bool) {
            let _ = StreamNames::parse(&bytes, IDS);
            let profile = if is_two_byte { [0x10, 0x00] } else { [0xbe, 0xde] };
            let _ = StreamNames::parse(&rtp(profile, &bytes), IDS);
        }
    }
}
