//! Pictures in memory: three planes of eight bits, chroma with half the resolution (I420).
//!
//! All that a composite needs and no more: fill, copy, scale, lay a mask over. Owned by the canvas and by decoders.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::layout::Rect;

/// A colour as brightness and two chroma values (BT.601, video range).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u8, pub(crate) u8, pub(crate) u8);

impl Colour {
    /// Of red, green and blue.
    pub(crate) fn rgb(red: u8, green: u8, blue: u8) -> Self {
        let [r, g, b] = [red, green, blue].map(i32::from);
        let byte = |value: i32| u8::try_from(value.clamp(0, 255)).unwrap_or_default();
        Self(
            byte(((66 * r + 129 * g + 25 * b + 128) >> 8) + 16),
            byte(((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128),
            byte(((112 * r - 94 * g - 18 * b + 128) >> 8) + 128),
        )
    }
}

/// How much of a colour lies over each pixel: 0 nothing, 255 all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mask {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) cover: Vec<u8>,
}

/// See the module. Sides are even.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

/// A plane of a picture: its bytes, and how long its lines are.
struct Plane<'a> {
    bytes: &'a mut [u8],
    stride: usize,
}

impl Picture {
    /// How many bytes a picture of this size has.
    pub(crate) const fn size(width: usize, height: usize) -> usize {
        width * height * 3 / 2
    }

    /// One of one colour.
    pub(crate) fn plain(width: usize, height: usize, colour: Colour) -> Self {
        let mut picture = Self { width, height, bytes: vec![0; Self::size(width, height)] };
        picture.fill(Rect { x: 0, y: 0, width, height }, colour);
        picture
    }

    /// These bytes as a picture of this size; they back if they are not so many.
    pub(crate) fn of(width: usize, height: usize, bytes: Vec<u8>) -> Result<Self, Vec<u8>> {
        if bytes.len() == Self::size(width, height) { Ok(Self { width, height, bytes }) } else { Err(bytes) }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The planes, each with how much coarser it is.
    fn planes(&mut self) -> [(Plane<'_>, usize); 3] {
        let (width, chroma) = (self.width, self.width * self.height / 4);
        let (luma, rest) = self.bytes.split_at_mut(self.width * self.height);
        let (first, second) = rest.split_at_mut(chroma);
        let plane = |bytes, stride| Plane { bytes, stride };
        [(plane(luma, width), 1), (plane(first, width / 2), 2), (plane(second, width / 2), 2)]
    }

    fn plane(&self, which: usize) -> &[u8] {
        let (luma, chroma) = (self.width * self.height, self.width * self.height / 4);
        let bounds = match which {
            0 => 0..luma,
            1 => luma..luma + chroma,
            _ => luma + chroma..luma + 2 * chroma,
        };
        self.bytes.get(bounds).unwrap_or_default()
    }

    /// One colour in a part of it.
    pub(crate) fn fill(&mut self, rect: Rect, colour: Colour) {
        let Colour(luma, first, second) = colour;
        for ((plane, coarse), value) in self.planes().into_iter().zip([luma, first, second]) {
            let (x, width) = (rect.x / coarse, rect.width / coarse);
            let lines = plane
                .bytes
                .chunks_exact_mut(plane.stride)
                .skip(rect.y / coarse)
                .take(rect.height / coarse);
            for line in lines {
                line.iter_mut().skip(x).take(width).for_each(|pixel| *pixel = value);
            }
        }
    }

    /// Another picture laid here. What does not fit is cut off.
    pub(crate) fn lay(&mut self, other: &Picture, x: usize, y: usize) {
        for (which, (plane, coarse)) in self.planes().into_iter().enumerate() {
            let lines = plane.bytes.chunks_exact_mut(plane.stride).skip(y / coarse);
            for (line, from) in lines.zip(other.plane(which).chunks_exact((other.width / coarse).max(1))) {
                let Some(part) = line.get_mut(x / coarse..) else { continue };
                let width = part.len().min(from.len());
                if let (Some(part), Some(from)) = (part.get_mut(..width), from.get(..width)) {
                    part.copy_from_slice(from);
                }
            }
        }
    }

    /// A colour laid here, as much of it as the mask says. What does not fit is cut off.
    pub(crate) fn tint(&mut self, mask: &Mask, x: usize, y: usize, colour: Colour) {
        let Colour(luma, first, second) = colour;
        for ((plane, coarse), value) in self.planes().into_iter().zip([luma, first, second]) {
            let lines = plane.bytes.chunks_exact_mut(plane.stride).skip(y / coarse);
            let masks = mask.cover.chunks_exact(mask.width.max(1)).step_by(coarse);
            for (line, cover) in lines.zip(masks) {
                for (pixel, cover) in line.iter_mut().skip(x / coarse).zip(cover.iter().step_by(coarse)) {
                    if *cover != 0 {
                        *pixel = blend(*pixel, value, *cover);
                    }
                }
            }
        }
    }
}

impl Mask {
    /// All of this size, covered alike.
    pub(crate) fn plain(width: usize, height: usize, cover: u8) -> Self {
        Self { width, height, cover: vec![cover; width * height] }
    }
}

/// `below` with so much of `above` over it.
fn blend(below: u8, above: u8, cover: u8) -> u8 {
    let cover = u32::from(cover);
    let sum = u32::from(below) * (255 - cover) + u32::from(above) * cover;
    u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
}

/// Makes pictures larger and smaller. It keeps what it needs for that.
#[derive(Debug)]
pub(crate) struct Scaler {
    resizer: Resizer,
    options: ResizeOptions,
}

impl Default for Scaler {
    fn default() -> Self {
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Self { resizer: Resizer::new(), options }
    }
}

impl Scaler {
    /// The same picture in another size (even sides).
    pub(crate) fn picture(&mut self, from: &Picture, width: usize, height: usize) -> Picture {
        let mut scaled = Picture::plain(width, height, Colour(16, 128, 128));
        for (which, (plane, coarse)) in scaled.planes().into_iter().enumerate() {
            let size = (from.width / coarse, from.height / coarse);
            self.plane(from.plane(which), size, plane.bytes, (width / coarse, height / coarse));
        }
        scaled
    }

    /// The same mask in another size.
    pub(crate) fn mask(&mut self, from: &Mask, width: usize, height: usize) -> Mask {
        let mut scaled = Mask::plain(width, height, 0);
        self.plane(&from.cover, (from.width, from.height), &mut scaled.cover, (width, height));
        scaled
    }

    /// Sizes of nothing and beyond what counts leave it as it is.
    fn plane(&mut self, from: &[u8], from_size: (usize, usize), to: &mut [u8], to_size: (usize, usize)) {
        let number = |side: usize| u32::try_from(side).unwrap_or_default();
        let size = |(width, height)| (number(width), number(height));
        let (from_size, to_size) = (size(from_size), size(to_size));
        // Typed: what finds the type out while it runs is built for all thirteen types of pixels, for minutes.
        let from = TypedImageRef::<U8>::from_buffer(from_size.0, from_size.1, from);
        let to = TypedImage::<U8>::from_buffer(to_size.0, to_size.1, to);
        if let (Ok(from), Ok(mut to)) = (from, to)
            && let Err(error) = self.resizer.resize_typed(&from, &mut to, &self.options)
        {
            tracing::debug!(%error, "a picture could not be scaled");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const RED: Colour = Colour(81, 90, 240);
    const GREY: Colour = Colour(128, 128, 128);

    impl Picture {
        /// The colour of a pixel.
        pub(crate) fn at(&self, x: usize, y: usize) -> Colour {
            let chroma = y / 2 * (self.width / 2) + x / 2;
            Colour(self.plane(0)[y * self.width + x], self.plane(1)[chroma], self.plane(2)[chroma])
        }
    }

    #[test]
    fn primary_colours_are_those_of_video() {
        assert_eq!(Colour::rgb(255, 0, 0), Colour(82, 90, 240));
        assert_eq!((Colour::rgb(0, 0, 0), Colour::rgb(255, 255, 255)), (Colour(16, 128, 128), Colour(235, 128, 128)));
    }

    #[test]
    fn what_is_laid_is_there_and_nothing_beside() {
        let mut canvas = Picture::plain(64, 32, GREY);
        canvas.lay(&Picture::plain(16, 8, RED), 10, 4);
        assert_eq!([canvas.at(10, 4), canvas.at(25, 11)], [RED, RED]);
        assert_eq!([canvas.at(8, 4), canvas.at(26, 4), canvas.at(10, 12), canvas.at(10, 2)], [GREY; 4]);
        canvas.tint(&Mask::plain(4, 4, 255), 40, 20, RED);
        canvas.tint(&Mask::plain(4, 4, 128), 50, 20, Colour(16, 128, 128));
        assert_eq!([canvas.at(40, 20), canvas.at(44, 20), canvas.at(50, 20)], [RED, GREY, Colour(72, 128, 128)]);
    }

    #[test]
    fn a_scaled_picture_has_its_colours_in_their_places() {
        let mut picture = Picture::plain(64, 64, GREY);
        picture.fill(Rect { x: 0, y: 0, width: 32, height: 64 }, RED);
        for (width, height) in [(32, 16), (128, 100)] {
            let scaled = Scaler::default().picture(&picture, width, height);
            assert_eq!((scaled.width(), scaled.height()), (width, height));
            assert_eq!([scaled.at(width / 4, height / 2), scaled.at(width * 3 / 4, height / 2)], [RED, GREY]);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_drawn_outside(
            sides in (1_usize..40, 1_usize..40), other in (1_usize..40, 1_usize..40), place in (0_usize..50, 0_usize..50),
        ) {
            let mut canvas = Picture::plain(sides.0 * 2, sides.1 * 2, GREY);
            let rect = Rect { x: place.0 * 2, y: place.1 * 2, width: other.0 * 2, height: other.1 * 2 };
            canvas.fill(rect, RED);
            canvas.lay(&Picture::plain(rect.width, rect.height, RED), rect.x, rect.y);
            canvas.tint(&Mask::plain(rect.width, rect.height, 200), rect.x, rect.y, RED);
            let luma = |picture: &Picture| picture.plane(0).iter().filter(|luma| **luma == RED.0).count();
            let seen_width = (sides.0 * 2).saturating_sub(rect.x).min(rect.width);
            let seen_height = (sides.1 * 2).saturating_sub(rect.y).min(rect.height);
            prop_assert_eq!(luma(&canvas), seen_width * seen_height);
        }
    }
}
