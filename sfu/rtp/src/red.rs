//! Redundant audio (RFC 2198), for receivers that cannot take it.

/// The primary block of a RED payload: its payload type and its data. `None` when the headers promise more
/// than there is.
#[must_use]
pub fn primary(payload: &[u8]) -> Option<(u8, &[u8])> {
    let mut rest = payload;
    let mut redundant_len = 0;
    loop {
        let (&header, after) = rest.split_first()?;
        if header & 0x80 == 0 {
            return Some((header, after.get(redundant_len..)?));
        }
        // F=1: 14 bits of timestamp offset, 10 bits of length.
        let (offset_and_len, after) = after.split_first_chunk::<3>()?;
        redundant_len += usize::from(offset_and_len[1] & 0x03) << 8 | usize::from(offset_and_len[2]);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_newest_block_behind_the_redundant_ones() {
        let payload = [0x80 | 111, 0x0f, 0x00, 0x02, 111, 1, 2, 9, 8, 7];
        assert_eq!(primary(&payload), Some((111, &[9u8, 8, 7][..])));
        assert_eq!(primary(&[111, 5]), Some((111, &[5u8][..])));
        assert_eq!(primary(&[0x80 | 111, 0x0f, 0x00, 0x09, 111, 1]), None);
        assert_eq!(primary(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) { let _ = primary(&bytes); }
    }
}
