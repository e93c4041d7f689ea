//! AV1 (AV1 RTP payload specification 1.0, section 4): units without sizes, several in a packet, one over several. In a
//! file each has its size (AV1 specification, section 5.3), and delimiters are left out.

use super::{Built, Malformed};

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;

#[derive(Debug, Default)]
pub(crate) struct Builder {
    built: Built,
    /// The unit whose rest is in the next packet.
    open: Option<Vec<u8>>,
}

impl Builder {
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let (&header, mut rest) = payload.split_first().ok_or(Malformed)?;
        let (continues, is_continued, count) = (header & 0x80 != 0, header & 0x40 != 0, header >> 4 & 3);
        if continues != self.open.is_some() || rest.is_empty() {
            return Err(Malformed);
        }
        let mut element = 0;
        while !rest.is_empty() {
            element += 1;
            let len = if element == count { rest.len() } else { take_leb128(&mut rest)? };
            let bytes;
            (bytes, rest) = rest.split_at_checked(len).ok_or(Malformed)?;
            let whole = match self.open.take() {
                Some(mut open) => {
                    open.extend_from_slice(bytes);
                    open
                }
                None => bytes.to_vec(),
            };
            if rest.is_empty() && is_continued {
                self.open = Some(whole);
            } else {
                self.push_unit(&whole)?;
            }
        }
        // A count of 0 says nothing.
        if count == 0 || element == count { Ok(()) } else { Err(Malformed) }
    }

    /// A whole unit, of which only some encoders say the size.
    fn push_unit(&mut self, unit: &[u8]) -> Result<(), Malformed> {
        let Some((&header, mut body)) = unit.split_first() else {
            // An element of no bytes is allowed and nothing.
            return Ok(());
        };
        let kind = header >> 3 & 0x0f;
        if header & 0x80 != 0 || matches!(kind, TILE_LIST) {
            return Err(Malformed);
        }
        if matches!(kind, TEMPORAL_DELIMITER | PADDING) {
            return Ok(());
        }
        let extension = if header & HAS_EXTENSION != 0 {
            let (&extension, after) = body.split_first().ok_or(Malformed)?;
            body = after;
            Some(extension)
        } else {
            None
        };
        if header & HAS_SIZE != 0 {
            let len = take_leb128(&mut body)?;
            body = body.get(..len).ok_or(Malformed)?;
        }
        self.built.is_key |= kind == SEQUENCE_HEADER;
        self.built.data.push(header | HAS_SIZE);
        self.built.data.extend(extension);
        put_leb128(&mut self.built.data, body.len());
        self.built.data.extend_from_slice(body);
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Built, Malformed> {
        if self.open.is_some() { Err(Malformed) } else { Ok(self.built) }
    }
}

/// Section 4.10.5 of the AV1 specification, of four bytes at most: no packet holds more than they say.
fn take_leb128(rest: &mut &[u8]) -> Result<usize, Malformed> {
    let mut value = 0;
    for place in 0..4 {
        let (&byte, after) = rest.split_first().ok_or(Malformed)?;
        *rest = after;
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

fn put_leb128(data: &mut Vec<u8>, mut value: usize) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return data.push(low & 0x7f);
        }
        data.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn units_are_put_together_and_given_their_sizes() {
        let mut builder = Builder::default();
        // N, no count: a delimiter, a sequence header, the begin of a frame with an extension.
        builder.push(&[0x48, 1, 0x10, 3, 0x08, 1, 2, 4, 0x34, 0x20, 5, 6]).unwrap();
        // Its rest, then a unit that says its own size, two in all.
        builder.push(&[0xa0, 1, 7, 0x22, 1, 9]).unwrap();
        let built = builder.finish().unwrap();
        assert_eq!(built.data, [0x0a, 2, 1, 2, 0x36, 0x20, 3, 5, 6, 7, 0x22, 1, 9]);
        assert!(built.is_key);
    }

    #[test]
    fn what_does_not_fit_together_is_no_frame() {
        assert_eq!(Builder::default().push(&[0x90, 0x32]), Err(Malformed), "goes on with nothing");
        assert_eq!(Builder::default().push(&[0x00, 9, 0x32]), Err(Malformed), "longer than there is");
        assert_eq!(Builder::default().push(&[0x30, 1, 0x32]), Err(Malformed), "three announced, one there");
        let mut builder = Builder::default();
        builder.push(&[0x50, 0x30]).unwrap();
        assert_eq!(builder.finish(), Err(Malformed), "never ended");
    }
}
