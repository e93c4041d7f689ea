//! VP9 (RFC 9628): a picture is one frame for each of its spatial layers, of which a file wants the highest.
//!
//! Kept is the highest, and of those below what it builds on in the same picture: with key-picture SVC (L3T3_KEY) that is
//! something in key pictures only. Several frames make a superframe, with the index of Annex B behind them, by which
//! decoders take it apart. All layers say that they are to be shown. libvpx shows the last of a superframe, others show
//! each, so those that are not the highest are made hidden ones, as far as [`unshown`] can.

use sluice_rtp::vp9::{Descriptor, MAX_SPATIAL_LAYERS};

use super::unshown::unshown;
use super::{Built, Malformed};

/// Which spatial layers a picture has, a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Layers {
    /// Those that are in the frame.
    pub(crate) kept: u8,
    /// Those that were left out.
    pub(crate) left_out: u8,
    /// Those that build on earlier pictures.
    pub(crate) inter: u8,
}

#[derive(Debug, Default)]
pub(crate) struct Builder {
    data: Vec<u8>,
    size: Option<(u16, u16)>,
    layers: Vec<LayerFrame>,
    is_within: bool,
}

#[derive(Debug)]
struct LayerFrame {
    bit: u8,
    begin: usize,
    is_inter: bool,
    /// It builds on the layer below of the same picture.
    needs_lower: bool,
}

impl Builder {
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let descriptor = Descriptor::parse(payload).ok_or(Malformed)?;
        if descriptor.starts_frame == self.is_within {
            return Err(Malformed);
        }
        if descriptor.starts_frame {
            if self.layers.len() == MAX_SPATIAL_LAYERS {
                return Err(Malformed);
            }
            self.layers.push(LayerFrame {
                bit: 1 << descriptor.spatial_id().min(7),
                begin: self.data.len(),
                is_inter: descriptor.is_inter_predicted,
                needs_lower: descriptor.layer.is_some_and(|layer| layer.is_inter_layer_predicted),
            });
        }
        if let Some(structure) = descriptor.structure
            && let Some(sizes) = structure.resolutions
        {
            let top = usize::from(structure.spatial_layers).saturating_sub(1);
            self.size = sizes.get(top).copied().filter(|(width, height)| *width > 0 && *height > 0);
        }
        self.is_within = !descriptor.ends_frame;
        self.data.extend_from_slice(&payload[descriptor.len..]);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Built, Malformed> {
        if self.is_within {
            return Err(Malformed);
        }
        // From the highest down, as long as each builds on the one below.
        let below = self.layers.iter().skip(1).rev().take_while(|layer| layer.needs_lower).count();
        let first = self.layers.len().saturating_sub(1 + below);
        let kept = self.layers.split_off(first);
        let begin = kept.first().ok_or(Malformed)?.begin;
        let mut layers =
            Layers { left_out: self.layers.iter().fold(0, |all, layer| all | layer.bit), ..Layers::default() };
        let mut rest = self.data.split_off(begin);
        let mut data = Vec::with_capacity(rest.len());
        let mut sizes = Vec::with_capacity(kept.len());
        for (place, layer) in kept.iter().enumerate() {
            layers.kept |= layer.bit;
            layers.inter |= if layer.is_inter { layer.bit } else { 0 };
            let before = data.len();
            if let Some(next) = kept.get(place + 1) {
                let behind = rest.split_off(next.begin - layer.begin);
                let frame = std::mem::replace(&mut rest, behind);
                data.append(&mut unshown(&frame).unwrap_or(frame));
            } else {
                data.append(&mut rest);
            }
            sizes.push(data.len() - before);
        }
        if sizes.len() > 1 {
            write_index(&mut data, &sizes)?;
        }
        let is_key = kept.first().is_some_and(|layer| !layer.is_inter && !layer.needs_lower);
        Ok(Built { data, is_key, size: self.size, layers, ..Built::default() })
    }
}

/// VP9 bitstream specification, Annex B: sizes in little endian between two equal marks.
fn write_index(data: &mut Vec<u8>, sizes: &[usize]) -> Result<(), Malformed> {
    let frames = u8::try_from(sizes.len()).map_err(|_| Malformed)?;
    // Sizes of four bytes each.
    let mark = 0b110 << 5 | 3 << 3 | frames.saturating_sub(1);
    data.push(mark);
    for size in sizes {
        data.extend_from_slice(&u32::try_from(*size).map_err(|_| Malformed)?.to_le_bytes());
    }
    data.push(mark);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::unshown::tests::MIDDLE_LAYER;
    use super::*;

    #[test]
    fn layers_that_build_on_one_another_make_a_superframe_of_which_the_last_is_shown() {
        let mut builder = Builder::default();
        // L B E, layer 0 and TL0PICIDX, a key frame; then B without E and E without B of layer 1, with D.
        builder.push(&[0x2c, 0x00, 7, 0x82, 0xab]).unwrap();
        builder.push(&[0x28, 0x03, 7, 0x86]).unwrap();
        builder.push(&[0x24, 0x03, 7, 0xbb, 0xbc]).unwrap();
        let built = builder.finish().unwrap();
        let index = [0xd9, 2, 0, 0, 0, 3, 0, 0, 0, 0xd9];
        assert_eq!(built.data, [&[0x80, 0xab, 0x86, 0xbb, 0xbc][..], &index].concat());
        assert!(built.is_key);
        assert_eq!(built.layers, Layers { kept: 0b11, left_out: 0, inter: 0 });
    }

    #[test]
    fn of_three_layers_that_build_on_one_another_the_last_alone_is_shown() {
        let mut builder = Builder::default();
        builder.push(&[0x2c, 0x00, 7, 0x82, 0xab]).unwrap();
        builder.push(&[&[0x2c, 0x03, 7][..], &MIDDLE_LAYER].concat()).unwrap();
        builder.push(&[0x2c, 0x05, 7, 0x87, 0xbc]).unwrap();
        let built = builder.finish().unwrap();
        let is_shown = |at: usize| built.data[at] & 0x02 != 0;
        assert_eq!([is_shown(0), is_shown(2), is_shown(2 + MIDDLE_LAYER.len())], [false, false, true]);
    }

    #[test]
    fn layers_that_the_highest_does_not_build_on_are_left_out() {
        let mut builder = Builder::default();
        // L P B E: layers 0 and 1, each on its own earlier pictures.
        builder.push(&[0x6c, 0x00, 7, 0x86, 0xab]).unwrap();
        builder.push(&[0x6c, 0x02, 7, 0x86, 0xbb]).unwrap();
        let built = builder.finish().unwrap();
        assert_eq!((built.data, built.is_key), (vec![0x86, 0xbb], false));
        assert_eq!(built.layers, Layers { kept: 0b10, left_out: 0b01, inter: 0b10 });
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
