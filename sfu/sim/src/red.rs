//! Redundant audio as browsers write and read it (RFC 2198), from the standard and on purpose without the code under
//! test.

/// Older than this a block cannot say how old it is: 14 bits.
pub(crate) const MAX_AGE: u32 = 0x3fff;

/// A payload with blocks of the past (how many ticks ago, and what), oldest first, before its own.
pub(crate) fn wrap(payload_type: u8, past: &[(u32, Vec<u8>)], own: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (age, block) in past {
        let word = 1 << 31 | u32::from(payload_type) << 24 | age << 10 | block.len() as u32;
        bytes.extend(word.to_be_bytes());
    }
    bytes.push(payload_type);
    past.iter().for_each(|(_, block)| bytes.extend(block));
    bytes.extend(own);
    bytes
}

/// The blocks of a payload, its own the last. `None` when it is not as [`wrap`] writes it.
pub(crate) fn unwrap(payload_type: u8, payload: &[u8]) -> Option<Vec<&[u8]>> {
    let mut lengths = Vec::new();
    let mut rest = payload;
    loop {
        let (&first, after) = rest.split_first()?;
        if first & 0x7f != payload_type {
            return None;
        }
        rest = after;
        if first & 0x80 == 0 {
            break;
        }
        let (fields, after) = rest.split_at_checked(3)?;
        lengths.push(usize::from(u16::from_be_bytes([fields[1] & 3, fields[2]])));
        rest = after;
    }
    let mut blocks = Vec::new();
    for len in lengths {
        let (block, after) = rest.split_at_checked(len)?;
        blocks.push(block);
        rest = after;
    }
    blocks.push(rest);
    Some(blocks)
}
