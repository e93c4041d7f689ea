//! H.265 (RFC 7798): single units, aggregation and fragmentation packets, without decoding order numbers, which are
//! never negotiated here.

use super::nal::{Units, units};
use super::{Built, Malformed};

const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;
const DELIMITER: u8 = 35;
const FILLER: u8 = 38;
/// First type that is no slice (H.265 table 7-1).
const FIRST_NON_SLICE: u8 = 32;
/// Pictures that a decoder can begin with: BLA, IDR, CRA.
const RANDOM_ACCESS: std::ops::RangeInclusive<u8> = 16..=21;

#[derive(Debug, Default)]
pub(crate) struct Builder {
    units: Units,
}

/// The type in the first byte of a unit.
pub(crate) fn nal_type(unit: &[u8]) -> Option<u8> {
    unit.first().map(|first| first >> 1 & 0x3f)
}

fn is_kept(unit: &[u8]) -> bool {
    !matches!(nal_type(unit), Some(DELIMITER | FILLER))
}

impl Builder {
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let (header, rest) = payload.split_first_chunk::<2>().ok_or(Malformed)?;
        match nal_type(header).ok_or(Malformed)? {
            AGGREGATION => self.units.push_aggregated(rest, is_kept),
            FRAGMENTATION => {
                let (&fragment_header, fragment) = rest.split_first().ok_or(Malformed)?;
                if fragment_header & 0x80 != 0 {
                    self.units.begin(&[header[0] & 0x81 | (fragment_header & 0x3f) << 1, header[1]])?;
                }
                self.units.go_on(fragment)?;
                if fragment_header & 0x40 != 0 { self.units.end() } else { Ok(()) }
            }
            0..AGGREGATION if is_kept(payload) => self.units.push(payload),
            0..AGGREGATION => Ok(()),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn finish(self) -> Result<Built, Malformed> {
        let data = self.units.finish()?;
        let slice = units(&data).find(|unit| nal_type(unit).is_some_and(|nal_type| nal_type < FIRST_NON_SLICE));
        // first_slice_segment_in_pic_flag (section 7.3.6.1): else the picture's begin is missing.
        if slice.is_some_and(|slice| slice.get(2).is_none_or(|byte| byte & 0x80 == 0)) {
            return Err(Malformed);
        }
        let is_key = slice.and_then(nal_type).is_some_and(|nal_type| RANDOM_ACCESS.contains(&nal_type));
        let is_without_picture = slice.is_none();
        Ok(Built { data, is_key, is_without_picture, ..Built::default() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn units_come_alone_together_and_in_fragments() {
        let mut builder = Builder::default();
        builder.push(&[0x60, 1, 0, 3, 0x40, 1, 9, 0, 3, 0x42, 1, 8]).unwrap();
        builder.push(&[0x44, 1, 7]).unwrap();
        builder.push(&[0x62, 1, 0x93, 0x80]).unwrap();
        builder.push(&[0x62, 1, 0x53, 6]).unwrap();
        let built = builder.finish().unwrap();
        assert_eq!(
            units(&built.data).collect::<Vec<_>>(),
            [&[0x40, 1, 9][..], &[0x42, 1, 8], &[0x44, 1, 7], &[0x26, 1, 0x80, 6]]
        );
        assert!(built.is_key);
    }

    #[test]
    fn a_picture_whose_begin_is_missing_is_no_frame() {
        let mut builder = Builder::default();
        builder.push(&[0x26, 1, 0x00]).unwrap();
        assert_eq!(builder.finish(), Err(Malformed));
    }
}
