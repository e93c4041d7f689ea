//! VP9 (RFC 9628): a picture is one frame for each of its spatial layers; several make a superframe, with the index of
//! Annex B behind them, by which decoders take it apart.

use sluice_rtp::vp9::{Descriptor, MAX_SPATIAL_LAYERS};

use super::{Built, Malformed};

#[derive(Debug, Default)]
pub(crate) struct Builder {
    built: Built,
    /// Where in the data the frame of each layer begins.
    begins: Vec<usize>,
    is_within: bool,
}

impl Builder {
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let descriptor = Descriptor::parse(payload).ok_or(Malformed)?;
        if descriptor.starts_frame == self.is_within {
            return Err(Malformed);
        }
        if descriptor.starts_frame {
            if self.begins.is_empty() {
                self.built.is_key = descriptor.starts_keyframe();
            }
            if self.begins.len() == MAX_SPATIAL_LAYERS {
                return Err(Malformed);
            }
            self.begins.push(self.built.data.len());
        }
        if let Some(structure) = descriptor.structure
            && let Some(sizes) = structure.resolutions
        {
            let top = usize::from(structure.spatial_layers).saturating_sub(1);
            self.built.size = sizes.get(top).copied().filter(|(width, height)| *width > 0 && *height > 0);
        }
        self.is_within = !descriptor.ends_frame;
        self.built.data.extend_from_slice(&payload[descriptor.len..]);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Built, Malformed> {
        if self.is_within {
            return Err(Malformed);
        }
        if self.begins.len() > 1 {
            self.write_index()?;
        }
        Ok(self.built)
    }

    /// VP9 bitstream specification, Annex B: sizes in little endian between two equal marks.
    fn write_index(&mut self) -> Result<(), Malformed> {
        let ends = self.begins.iter().skip(1).copied().chain([self.built.data.len()]);
        let mut sizes = Vec::with_capacity(self.begins.len());
        for (begin, end) in self.begins.iter().zip(ends) {
            sizes.push(u32::try_from(end - begin).map_err(|_| Malformed)?);
        }
        let frames = u8::try_from(sizes.len()).map_err(|_| Malformed)?;
        // Sizes of four bytes each.
        let mark = 0b110 << 5 | 3 << 3 | frames.saturating_sub(1);
        self.built.data.push(mark);
        for size in sizes {
            self.built.data.extend_from_slice(&size.to_le_bytes());
        }
        self.built.data.push(mark);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn spatial_layers_of_a_picture_make_a_superframe() {
        let mut builder = Builder::default();
        // L B E, layer 0 and TL0PICIDX; then B without E and E without B of layer 1.
        builder.push(&[0x2c, 0x00, 7, 0xaa, 0xab]).unwrap();
        builder.push(&[0x68, 0x02, 7, 0xba]).unwrap();
        builder.push(&[0x64, 0x02, 7, 0xbb, 0xbc]).unwrap();
        let built = builder.finish().unwrap();
        let index = [0xd9, 2, 0, 0, 0, 3, 0, 0, 0, 0xd9];
        assert_eq!(built.data, [&[0xaa, 0xab, 0xba, 0xbb, 0xbc][..], &index].concat());
        assert!(built.is_key);
    }

    #[test]
    fn a_frame_alone_has_no_index_and_half_a_frame_is_none() {
        let mut builder = Builder::default();
        builder.push(&[0x0c, 1, 2]).unwrap();
        assert_eq!(builder.finish().unwrap().data, [1, 2]);
        let mut builder = Builder::default();
        builder.push(&[0x08, 1, 2]).unwrap();
        assert_eq!(builder.push(&[0x08, 1, 2]), Err(Malformed));
        assert_eq!(builder.finish(), Err(Malformed));
    }
}
