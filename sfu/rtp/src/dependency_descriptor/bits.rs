//! Bits, most significant first.

/// Reads from a slice.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    /// Bits read.
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// `f(count)`, up to 32 bits. `None` at the end.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// `f(count)` of at most 8 bits.
    pub(super) fn small(&mut self, count: u32) -> Option<u8> {
        u8::try_from(self.bits(count)?).ok()
    }

    /// One bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        self.bits(1).map(|bit| bit == 1)
    }

    /// `ns(count)`: one of `count` values.
    pub(super) fn non_symmetric(&mut self, count: u32) -> Option<u8> {
        let (width, short) = non_symmetric(count);
        let mut value = self.bits(width - 1)?;
        if value >= short {
            value = (value << 1) - short + self.bits(1)?;
        }
        u8::try_from(value).ok()
    }
}

/// Bits of the longer code words, and how many values have a code word one bit shorter.
fn non_symmetric(count: u32) -> (u32, u32) {
    let width = u32::BITS - count.leading_zeros();
    (width, (1 << width) - count)
}

/// Appends to a buffer.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    buf: &'a mut Vec<u8>,
    /// Bits used of the last byte; 0 and 8 both mean that a new one begins.
    used: u32,
}

impl<'a> Writer<'a> {
    pub(super) fn new(buf: &'a mut Vec<u8>) -> Self {
        Self { buf, used: 8 }
    }

    /// `f(count)`: the low bits of `value`.
    pub(super) fn bits(&mut self, value: u32, count: u32) {
        for place in (0..count).rev() {
            if self.used == 8 {
                self.buf.push(0);
                self.used = 0;
            }
            if let Some(byte) = self.buf.last_mut().filter(|_| value >> place & 1 == 1) {
                *byte |= 0x80 >> self.used;
            }
            self.used += 1;
        }
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.bits(u32::from(value), 1);
    }

    /// `ns(count)` of a value below `count`.
    pub(super) fn non_symmetric(&mut self, value: u32, count: u32) {
        let (width, short) = non_symmetric(count);
        if value < short {
            self.bits(value, width - 1);
        } else {
            self.bits(value + short, width);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn non_symmetric_codes_are_those_of_the_standard() {
        // Five values: three of two bits, two of three.
        let codes: Vec<u8> = (0..5)
            .map(|value| {
                let mut buf = Vec::new();
                Writer::new(&mut buf).non_symmetric(value, 5);
                buf[0]
            })
            .collect();
        assert_eq!(codes, [0b0000_0000, 0b0100_0000, 0b1000_0000, 0b1100_0000, 0b1110_0000]);
        assert_eq!(Reader::new(&[]).non_symmetric(1), Some(0), "one value needs no bit");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec((any::<u32>(), 1u32..33, any::<bool>()), 0..50)) {
            let mut buf = Vec::new();
            let mut writer = Writer::new(&mut buf);
            for (value, width, as_one_of) in &values {
                if *as_one_of {
                    writer.non_symmetric(value % width, *width);
                } else {
                    writer.bits(*value, *width);
                }
            }
            let mut reader = Reader::new(&buf);
            for (value, width, as_one_of) in &values {
                if *as_one_of {
                    prop_assert_eq!(u32::from(reader.non_symmetric(*width).unwrap()), value % width);
                } else {
                    prop_assert_eq!(reader.bits(*width).unwrap(), value & (u32::MAX >> (32 - width)));
                }
            }
        }
    }
}
