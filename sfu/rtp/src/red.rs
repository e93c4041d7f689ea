//! Redundant audio (RFC 2198), for receivers that cannot take it, and for filling holes with what it repeats.

/// Bytes of the header of a redundant block.
const REDUNDANT_HEADER_LEN: usize = 4;

/// One block of a RED payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// Payload type of its content.
    pub payload_type: u8,
    /// How much older than the packet its content is, in ticks of the RTP clock; 14 bits, 0 for the primary block.
    pub timestamp_offset: u16,
    /// Its content.
    pub data: &'a [u8],
}

/// The blocks of a RED payload: the redundant ones, oldest first as senders order them, and the primary last. `None`
/// when the headers promise more than there is.
pub fn blocks(payload: &[u8]) -> Option<impl Iterator<Item = Block<'_>>> {
    let (headers, _) = payload.as_chunks::<REDUNDANT_HEADER_LEN>();
    let redundant = headers.iter().take_while(|header| header[0] & 0x80 != 0).count();
    let (&primary, mut rest) = payload.get(redundant * REDUNDANT_HEADER_LEN..)?.split_first()?;
    let headers = headers.get(..redundant)?;
    let redundant_len: usize = headers.iter().map(data_len).sum();
    if primary & 0x80 != 0 || redundant_len > rest.len() {
        return None;
    }
    let redundant = headers.iter().filter_map(move |header| {
        let data;
        (data, rest) = rest.split_at_checked(data_len(header))?;
        // F=1, 7 bits of payload type, 14 bits of timestamp offset, 10 bits of length.
        let timestamp_offset = u16::from_be_bytes([header[1], header[2]]) >> 2;
        Some(Block { payload_type: header[0] & 0x7f, timestamp_offset, data })
    });
    let data = payload.get(headers.len() * REDUNDANT_HEADER_LEN + 1 + redundant_len..)?;
    Some(redundant.chain(std::iter::once(Block { payload_type: primary, timestamp_offset: 0, data })))
}

/// The primary block of a RED payload: its payload type and its data. `None` when the headers promise more
/// than there is.
#[must_use]
pub fn primary(payload: &[u8]) -> Option<(u8, &[u8])> {
    blocks(payload)?.last().map(|block| (block.payload_type, block.data))
}

fn data_len(header: &[u8; REDUNDANT_HEADER_LEN]) -> usize {
    usize::from(u16::from_be_bytes([header[2] & 0x03, header[3]]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn finds_the_newest_block_behind_the_redundant_ones() {
        let payload = [0x80 | 111, 0x0f, 0x00, 0x02, 111, 1, 2, 9, 8, 7];
        assert_eq!(primary(&payload), Some((111, &[9u8, 8, 7][..])));
        assert_eq!(primary(&[111, 5]), Some((111, &[5u8][..])));
        assert_eq!(primary(&[0x80 | 111, 0x0f, 0x00, 0x09, 111, 1]), None);
        assert_eq!(primary(&[0x80 | 111, 0x0f, 0x00, 0x00]), None, "no primary block");
        assert_eq!(primary(&[0x80 | 111, 0x0f]), None);
        assert_eq!(primary(&[]), None);
    }

    #[test]
    fn all_blocks_come_in_order_with_their_age() {
        // 1920 and 960 ticks old, then the primary.
        let payload = [0xef, 0x1e, 0x00, 0x02, 0xef, 0x0f, 0x00, 0x01, 0x6f, 1, 2, 3, 4, 5];
        let blocks: Vec<Block<'_>> = blocks(&payload).unwrap().collect();
        let block = |timestamp_offset, data| Block { payload_type: 111, timestamp_offset, data };
        assert_eq!(blocks, [block(1920, &[1, 2][..]), block(960, &[3]), block(0, &[4, 5])]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_never_claims_more_than_there_is(bytes: Vec<u8>) {
            let total = blocks(&bytes).map(|blocks| blocks.map(|block| block.data.len() + 1).sum::<usize>());
            assert!(total.is_none_or(|total| total <= bytes.len()));
            assert_eq!(primary(&bytes).is_some(), total.is_some());
        }
    }
}
