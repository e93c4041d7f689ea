//! H.264 (RFC 6184): single units, STAP-A and FU-A, which is packetization mode 1. Nobody offers more to browsers.

use super::nal::{Units, units};
use super::{Built, Malformed};

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const SLICE: u8 = 1;
const SLICE_IDR: u8 = 5;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;

#[derive(Debug, Default)]
pub(crate) struct Builder {
    units: Units,
}

/// Delimiters and filler are of no use behind lengths.
fn is_kept(unit: &[u8]) -> bool {
    unit.first().is_none_or(|header| !matches!(header & 0x1f, DELIMITER | FILLER))
}

impl Builder {
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let (&indicator, rest) = payload.split_first().ok_or(Malformed)?;
        match indicator & 0x1f {
            1..=23 if is_kept(payload) => self.units.push(payload),
            1..=23 => Ok(()),
            STAP_A => self.units.push_aggregated(rest, is_kept),
            FU_A => {
                let (&header, fragment) = rest.split_first().ok_or(Malformed)?;
                if header & 0x80 != 0 {
                    self.units.begin(&[indicator & 0xe0 | header & 0x1f])?;
                }
                self.units.go_on(fragment)?;
                if header & 0x40 != 0 { self.units.end() } else { Ok(()) }
            }
            _ => Err(Malformed),
        }
    }

    pub(crate) fn finish(self) -> Result<Built, Malformed> {
        let data = self.units.finish()?;
        let slice = units(&data).find(|unit| is_slice(unit));
        // The first slice begins with macroblock 0, coded as the single bit 1 (section 7.3.3): else the picture's begin
        // is missing.
        if slice.is_some_and(|slice| slice.get(1).is_none_or(|byte| byte & 0x80 == 0)) {
            return Err(Malformed);
        }
        let is_key = slice.is_some_and(|slice| slice.first().is_some_and(|header| header & 0x1f == SLICE_IDR));
        let is_without_picture = slice.is_none();
        Ok(Built { data, is_key, is_without_picture, ..Built::default() })
    }
}

fn is_slice(unit: &[u8]) -> bool {
    unit.first().is_some_and(|header| (SLICE..=SLICE_IDR).contains(&(header & 0x1f)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn units_come_alone_together_and_in_fragments() {
        let mut builder = Builder::default();
        builder.push(&[0x09, 0x10]).unwrap();
        builder.push(&[0x78, 0, 2, 0x67, 1, 0, 3, 0x68, 2, 3]).unwrap();
        builder.push(&[0x7c, 0x85, 0x80]).unwrap();
        builder.push(&[0x7c, 0x05, 5]).unwrap();
        builder.push(&[0x7c, 0x45, 6]).unwrap();
        let built = builder.finish().unwrap();
        assert_eq!(
            units(&built.data).collect::<Vec<_>>(),
            [&[0x67, 1][..], &[0x68, 2, 3], &[0x65, 0x80, 5, 6]],
            "without the delimiter"
        );
        assert!(built.is_key);
    }

    #[test]
    fn what_does_not_fit_together_is_no_frame() {
        let refused = |payloads: &[&[u8]]| {
            let mut builder = Builder::default();
            payloads
                .iter()
                .try_for_each(|payload| builder.push(payload))
                .and_then(|()| builder.finish())
                .is_err()
        };
        assert!(refused(&[&[0x7c, 0x05, 5]]), "a fragment's middle first");
        assert!(refused(&[&[0x7c, 0x85, 0x80]]), "no end");
        assert!(refused(&[&[0x7c, 0x85, 0x80], &[0x61, 0x80]]), "a unit within another");
        assert!(refused(&[&[0x78, 0, 2, 0x67, 1, 9]]), "a byte too many");
        assert!(refused(&[&[0x65, 0x40]]), "the picture's second slice first");
        assert!(!refused(&[&[0x61, 0x80]]));
    }
}
