//! EBML (RFC 8794): elements written, and their heads read.
//!
//! Why our own and not the crate `mkv-element` (0.4): it encodes an element as a whole, copying its body on each level,
//! while most of what is done here is to leave room of exact size and to write over it later; and it brings `paste`,
//! which nobody maintains any more (RUSTSEC-2024-0436), and a template engine for its build. What is needed of EBML is
//! this file.

/// Length of an element's head whose size takes eight bytes, behind an id of four.
pub(super) const LONG_HEAD: usize = 12;

/// A size that is not known (RFC 8794 section 6.2), in eight bytes.
pub(super) const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// Largest size that eight bytes can say.
const MAX_SIZE: u64 = (1 << 56) - 2;

/// A size in eight bytes.
pub(super) fn long_size(size: u64) -> [u8; 8] {
    (size.min(MAX_SIZE) | 1 << 56).to_be_bytes()
}

/// Writes elements behind one another.
#[derive(Debug, Default, Clone)]
pub(super) struct Elements(pub(super) Vec<u8>);

impl Elements {
    /// An element with this body. Ids are written as the specification prints them, marker bits included.
    pub(super) fn bytes(mut self, id: u32, body: &[u8]) -> Self {
        self.head(id, body.len());
        self.0.extend_from_slice(body);
        self
    }

    /// A number in as few bytes as it needs.
    pub(super) fn uint(self, id: u32, value: u64) -> Self {
        let bytes = value.to_be_bytes();
        let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
        self.bytes(id, &bytes[from..])
    }

    pub(super) fn float(self, id: u32, value: f64) -> Self {
        self.bytes(id, &value.to_be_bytes())
    }

    pub(super) fn text(self, id: u32, value: &str) -> Self {
        self.bytes(id, value.as_bytes())
    }

    pub(super) fn master(self, id: u32, body: &Self) -> Self {
        self.bytes(id, &body.0)
    }

    /// The id, and the size in as few bytes as it needs.
    pub(super) fn head(&mut self, id: u32, size: usize) {
        let id = id.to_be_bytes();
        self.0.extend(id.iter().skip_while(|byte| **byte == 0));
        let size = u64::try_from(size).unwrap_or(MAX_SIZE);
        // All bits set mean an unknown size in every width.
        let width = (1..8).find(|width| size < (1 << (7 * width)) - 1).unwrap_or(8);
        let bytes = (size | 1 << (7 * width)).to_be_bytes();
        self.0.extend(bytes.iter().skip(8 - width));
    }
}

/// The head of an element: id, size unless it is unknown, and how long the head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: u32,
    pub(super) size: Option<u64>,
    pub(super) len: usize,
}

/// Reads the head of an element. Nothing when there is not enough of it, or it is none.
pub(super) fn read_head(bytes: &[u8]) -> Option<Head> {
    let id_len = vint_len(*bytes.first()?).filter(|len| *len <= 4)?;
    let id = bytes.get(..id_len)?.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    let rest = bytes.get(id_len..)?;
    let size_len = vint_len(*rest.first()?)?;
    let value = rest.get(..size_len)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let size = value & ((1 << (7 * size_len)) - 1);
    let is_unknown = size == (1 << (7 * size_len)) - 1;
    Some(Head { id, size: (!is_unknown).then_some(size), len: id_len + size_len })
}

/// A number in the body of an element.
pub(super) fn read_uint(body: &[u8]) -> Option<u64> {
    (body.len() <= 8).then(|| body.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn vint_len(first: u8) -> Option<usize> {
    let zeros = usize::try_from(first.leading_zeros()).ok()?;
    (zeros < 8).then_some(zeros + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_take_as_few_bytes_as_they_need_and_never_look_unknown() {
        let head = |size| {
            let mut elements = Elements::default();
            elements.head(0xec, size);
            elements.0
        };
        assert_eq!(head(126), [0xec, 0xfe]);
        assert_eq!(head(127), [0xec, 0x40, 0x7f]);
        assert_eq!(head(0x3fff), [0xec, 0x20, 0x3f, 0xff]);
        assert_eq!(Elements::default().uint(0xd7, 0).0, [0xd7, 0x81, 0]);
        assert_eq!(read_head(&[0xec, 0xff]).unwrap().size, None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(size in 0usize..1 << 40) {
            for id in [0xec, 0x4282, 0x002a_d7b1, 0x1853_8067] {
                let mut elements = Elements::default();
                elements.head(id, size);
                let head = Head { id, size: Some(size as u64), len: elements.0.len() };
                prop_assert_eq!(read_head(&elements.0), Some(head));
            }
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = (read_head(&bytes), read_uint(&bytes));
        }
    }
}
