//! RTP packets as bytes: the header (RFC 3550 section 5.1) with its extensions (RFC 8285), written and read.
//!
//! A sender writes the header of a stream once as a [`Template`] and then copies it, with four fields and the values
//! of its extensions patched: the layout of a stream's extensions seldom changes. Which extension has which id, and
//! what the values mean, is the caller's.

/// Bytes of a header without sources and extensions.
pub const FIXED_LEN: usize = 12;

/// Extension values longer than this, or empty, need the two-byte form (RFC 8285 section 4.2).
const ONE_BYTE_MAX_LEN: usize = 16;
/// Ids above this need it as well: 15 ends the list in the one-byte form, 0 is padding in both.
const ONE_BYTE_MAX_ID: u8 = 14;

/// The fields of an RTP header that differ from stream to stream and packet to packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Header {
    /// Seven bits.
    pub payload_type: u8,
    /// The payload format says what it marks; for video the end of a frame.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// In ticks of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// Appends a header with extensions, in the two-byte form where a value or an id needs it. Values above 255 bytes
/// and the id 0 cannot be written and are left out. Returns the header's length.
pub fn write_header(buf: &mut Vec<u8>, header: &Header, extensions: &[(u8, &[u8])]) -> usize {
    let start = buf.len();
    let extended = if extensions.is_empty() { 0 } else { 0x10 };
    buf.extend_from_slice(&[0x80 | extended, u8::from(header.marker) << 7 | header.payload_type & 0x7f]);
    buf.extend_from_slice(&header.sequence.to_be_bytes());
    buf.extend_from_slice(&header.timestamp.to_be_bytes());
    buf.extend_from_slice(&header.ssrc.to_be_bytes());
    if !extensions.is_empty() {
        write_extensions(buf, extensions);
    }
    buf.len() - start
}

fn write_extensions(buf: &mut Vec<u8>, extensions: &[(u8, &[u8])]) {
    let needs_two =
        |(id, value): &(u8, &[u8])| *id > ONE_BYTE_MAX_ID || value.is_empty() || value.len() > ONE_BYTE_MAX_LEN;
    let is_two_byte = extensions.iter().any(needs_two);
    buf.extend_from_slice(if is_two_byte { &[0x10, 0, 0, 0] } else { &[0xbe, 0xde, 0, 0] });
    let start = buf.len();
    for (id, value) in extensions {
        let Some(len) = u8::try_from(value.len()).ok().filter(|_| *id != 0) else { continue };
        if is_two_byte {
            buf.extend_from_slice(&[*id, len]);
        } else {
            buf.push(id << 4 | (len - 1));
        }
        buf.extend_from_slice(value);
    }
    let len = (buf.len() - start).next_multiple_of(4);
    buf.resize(start + len, 0);
    let words = u16::try_from(len / 4).unwrap_or(u16::MAX);
    buf[start - 2..start].copy_from_slice(&words.to_be_bytes());
}

/// A stream's header, written once and copied for every packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    bytes: Vec<u8>,
    /// Where the value of each extension begins.
    values: Vec<(u8, usize)>,
}

impl Template {
    /// A header for `ssrc` with these extensions, whose values are as long as they will be in every packet.
    #[must_use]
    pub fn new(ssrc: u32, payload_type: u8, extensions: &[(u8, &[u8])]) -> Self {
        let mut bytes = Vec::new();
        write_header(&mut bytes, &Header { payload_type, ssrc, ..Header::default() }, extensions);
        let base = bytes.as_ptr().addr();
        let values = Packet::parse(&bytes)
            .into_iter()
            .flat_map(|packet| packet.extensions())
            .map(|(id, value)| (id, value.as_ptr().addr() - base))
            .collect();
        Self { bytes, values }
    }

    /// Bytes of the header.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a header has at least [`FIXED_LEN`] bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Offset in the header of an extension's value, to be patched in every copy.
    #[must_use]
    pub fn value_at(&self, id: u8) -> Option<usize> {
        self.values.iter().find(|(of, _)| *of == id).map(|(_, at)| *at)
    }

    /// Appends a copy for one packet; returns the header's length.
    pub fn write(&self, buf: &mut Vec<u8>, marker: bool, sequence: u16, timestamp: u32) -> usize {
        let start = buf.len();
        buf.extend_from_slice(&self.bytes);
        let header = &mut buf[start..];
        header[1] |= u8::from(marker) << 7;
        header[2..4].copy_from_slice(&sequence.to_be_bytes());
        header[4..8].copy_from_slice(&timestamp.to_be_bytes());
        self.bytes.len()
    }
}

/// Appends `len` bytes of padding to the packet `buf[start..]` and sets its P bit (RFC 3550 section 5.1). Nothing
/// happens when `len` is 0, or where no header is.
pub fn write_padding(buf: &mut Vec<u8>, start: usize, len: u8) {
    let Some(zeros) = len.checked_sub(1) else { return };
    let Some(first) = buf.get_mut(start) else { return };
    *first |= 0x20;
    buf.resize(buf.len() + usize::from(zeros), 0);
    buf.push(len);
}

/// Appends the payload of a retransmission (RFC 4588 section 4): the original sequence number, and what it carried.
pub fn write_rtx_payload(buf: &mut Vec<u8>, original_sequence: u16, payload: &[u8]) {
    buf.extend_from_slice(&original_sequence.to_be_bytes());
    buf.extend_from_slice(payload);
}

/// The original sequence number and payload inside the payload of a retransmission. `None` when it is too short;
/// padding sent on an RTX stream has no payload at all.
#[must_use]
pub fn parse_rtx_payload(payload: &[u8]) -> Option<(u16, &[u8])> {
    payload
        .split_first_chunk()
        .map(|(sequence, original)| (u16::from_be_bytes(*sequence), original))
}

/// A packet taken apart, not decrypted: for clear text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed fields.
    pub header: Header,
    /// Bytes before the payload.
    pub header_len: usize,
    /// Without padding.
    pub payload: &'a [u8],
    /// Bytes of padding behind the payload.
    pub padding_len: u8,
    is_two_byte: bool,
    elements: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet. `None` when it is no RTP of version 2, or promises more than there is. Extensions of a kind
    /// unknown are as good as none.
    #[must_use]
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_first_chunk::<FIXED_LEN>()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut rest = rest.get(usize::from(fixed[0] & 0x0f) * 4..)?;
        let (mut is_two_byte, mut elements) = (false, &[][..]);
        if fixed[0] & 0x10 != 0 {
            let (kind, after) = rest.split_first_chunk::<4>()?;
            let len = usize::from(u16::from_be_bytes([kind[2], kind[3]])) * 4;
            let extension;
            (extension, rest) = after.split_at_checked(len)?;
            match [kind[0], kind[1] & 0xf0] {
                [0xbe, 0xd0] if kind[1] == 0xde => elements = extension,
                [0x10, 0x00] => (is_two_byte, elements) = (true, extension),
                _ => {}
            }
        }
        let header_len = packet.len() - rest.len();
        let mut padding_len = 0;
        if fixed[0] & 0x20 != 0 {
            padding_len = *rest.last()?;
            if padding_len == 0 {
                return None;
            }
        }
        let payload = rest.get(..rest.len().checked_sub(usize::from(padding_len))?)?;
        let header = Header {
            payload_type: fixed[1] & 0x7f,
            marker: fixed[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        Some(Self { header, header_len, payload, padding_len, is_two_byte, elements })
    }

    /// Ids and values of the header extensions, as far as they make sense.
    pub fn extensions(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let (mut rest, is_two_byte) = (self.elements, self.is_two_byte);
        std::iter::from_fn(move || {
            while let Some((0, after)) = rest.split_first() {
                rest = after;
            }
            let (&first, after) = rest.split_first()?;
            let (id, len, after) = if is_two_byte {
                let (&len, after) = after.split_first()?;
                (first, usize::from(len), after)
            } else {
                (first >> 4, usize::from(first & 0x0f) + 1, after)
            };
            if !is_two_byte && id > ONE_BYTE_MAX_ID {
                return None;
            }
            let value;
            (value, rest) = after.split_at_checked(len)?;
            Some((id, value))
        })
    }

    /// The value of one header extension.
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions().find(|(of, _)| *of == id).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const HEADER: Header =
        Header { payload_type: 96, marker: true, sequence: 0x0102, timestamp: 0x0304_0506, ssrc: 0x0708_090a };

    #[test]
    fn the_bytes_are_those_of_the_standard() {
        let mut buf = Vec::new();
        assert_eq!(write_header(&mut buf, &HEADER, &[]), 12);
        assert_eq!(buf, [0x80, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        buf.clear();
        assert_eq!(write_header(&mut buf, &HEADER, &[(3, &[1, 2]), (5, &[9])]), 24);
        assert_eq!(buf[0], 0x90);
        assert_eq!(buf[12..], [0xbe, 0xde, 0, 2, 0x31, 1, 2, 0x50, 9, 0, 0, 0]);
        buf.clear();
        write_header(&mut buf, &HEADER, &[(3, &[1, 2]), (15, &[9])]);
        assert_eq!(buf[12..], [0x10, 0, 0, 2, 3, 2, 1, 2, 15, 1, 9, 0], "the id needs the two-byte form");
    }

    #[test]
    fn padding_is_counted_and_taken_off() {
        let mut buf = b"in front".to_vec();
        let header_len = write_header(&mut buf, &HEADER, &[]);
        write_rtx_payload(&mut buf, 77, b"payload");
        write_padding(&mut buf, 8, 255);
        let packet = Packet::parse(&buf[8..]).unwrap();
        assert_eq!((packet.header_len, packet.padding_len), (header_len, 255));
        assert_eq!(parse_rtx_payload(packet.payload), Some((77, &b"payload"[..])));
        let mut bare = buf[8..20].to_vec();
        write_padding(&mut bare, 0, 0);
        assert_eq!(Packet::parse(&bare), None, "a P bit without padding");
        assert_eq!(parse_rtx_payload(&[1]), None);
    }

    #[test]
    fn what_promises_more_than_there_is_is_no_packet() {
        let mut buf = Vec::new();
        let len = write_header(&mut buf, &HEADER, &[(3, &[1, 2, 3])]);
        for cut in 0..len {
            assert_eq!(Packet::parse(&buf[..cut]), None, "cut to {cut}");
        }
        let mut sources = buf.clone();
        sources[0] |= 0x0f;
        assert_eq!(Packet::parse(&sources), None);
        buf[0] ^= 0xc0;
        assert_eq!(Packet::parse(&buf), None, "another version");
    }

    proptest! {
        /// What is written is read back, in whichever form, and the template writes the same bytes.
        #[test]
        fn headers_come_back(
            payload_type in 0u8..128, marker: bool, sequence: u16, timestamp: u32, ssrc: u32,
            values in prop::collection::vec((1u8..17, prop::collection::vec(any::<u8>(), 0..20)), 0..6),
            payload: Vec<u8>, padding: u8,
        ) {
            let header = Header { payload_type, marker, sequence, timestamp, ssrc };
            let extensions: Vec<(u8, &[u8])> = values.iter().map(|(id, value)| (*id, &value[..])).collect();
            let mut buf = Vec::new();
            let header_len = write_header(&mut buf, &header, &extensions);
            let template = Template::new(ssrc, payload_type, &extensions);
            let mut copy = vec![7];
            prop_assert_eq!(template.write(&mut copy, marker, sequence, timestamp), header_len);
            prop_assert_eq!(&copy[1..], &buf[..]);
            for (id, value) in &extensions {
                let first = extensions.iter().find(|(of, _)| of == id).unwrap().1;
                let at = template.value_at(*id).unwrap();
                prop_assert_eq!(&buf[at..at + first.len()], first);
                let _ = value;
            }
            buf.extend(&payload);
            write_padding(&mut buf, 0, padding);
            let packet = Packet::parse(&buf).unwrap();
            prop_assert_eq!((packet.header, packet.header_len), (header, header_len));
            prop_assert_eq!((packet.payload, packet.padding_len), (&payload[..], padding));
            prop_assert_eq!(packet.extensions().collect::<Vec<_>>(), extensions);
        }

        #[test]
        fn never_panics(bytes: Vec<u8>, kind in prop::sample::select(vec![[0xbe, 0xde], [0x10, 0x05], [1, 2]])) {
            let _ = Packet::parse(&bytes);
            let mut whole = vec![0x90, 0xe0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, kind[0], kind[1], 0];
            whole.push(u8::try_from(bytes.len() / 4).unwrap());
            whole.extend(&bytes);
            let packet = Packet::parse(&whole).unwrap();
            let total: usize = packet.extensions().map(|(_, value)| value.len() + 1).sum();
            prop_assert!(total <= bytes.len());
        }
    }
}
