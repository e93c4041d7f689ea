//! NAL units behind lengths of four bytes, as Matroska and MP4 hold them (ISO/IEC 14496-15).

use super::Malformed;

/// Writes units into a frame.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) data: Vec<u8>,
    /// Where the length of the unit stands whose fragments are coming.
    open: Option<usize>,
}

impl Units {
    /// A unit that came whole.
    pub(super) fn push(&mut self, unit: &[u8]) -> Result<(), Malformed> {
        if self.open.is_some() || unit.is_empty() {
            return Err(Malformed);
        }
        let len = u32::try_from(unit.len()).map_err(|_| Malformed)?;
        self.data.extend_from_slice(&len.to_be_bytes());
        self.data.extend_from_slice(unit);
        Ok(())
    }

    /// Begins a unit that comes in fragments.
    pub(super) fn begin(&mut self, header: &[u8]) -> Result<(), Malformed> {
        if self.open.is_some() {
            return Err(Malformed);
        }
        self.open = Some(self.data.len());
        self.data.extend_from_slice(&[0; 4]);
        self.data.extend_from_slice(header);
        Ok(())
    }

    /// Goes on with it.
    pub(super) fn go_on(&mut self, fragment: &[u8]) -> Result<(), Malformed> {
        self.open.ok_or(Malformed)?;
        self.data.extend_from_slice(fragment);
        Ok(())
    }

    /// Ends it.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        let at = self.open.take().ok_or(Malformed)?;
        let len = u32::try_from(self.data.len() - at - 4).map_err(|_| Malformed)?;
        self.data.get_mut(at..at + 4).ok_or(Malformed)?.copy_from_slice(&len.to_be_bytes());
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, Malformed> {
        if self.open.is_some() { Err(Malformed) } else { Ok(self.data) }
    }

    /// The parts of an aggregation packet, behind lengths of two bytes.
    pub(super) fn push_aggregated(&mut self, mut rest: &[u8], keeps: impl Fn(&[u8]) -> bool) -> Result<(), Malformed> {
        while let Some((len, after)) = rest.split_first_chunk::<2>() {
            let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*len))).ok_or(Malformed)?;
            if keeps(unit) {
                self.push(unit)?;
            }
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// The units of a frame written by [`Units`].
pub(crate) fn units(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, after) = data.split_first_chunk::<4>()?;
        let unit;
        (unit, data) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
        Some(unit)
    })
}
