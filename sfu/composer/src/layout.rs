//! Where tiles lie on a canvas. A pure function of how many there are.
//!
//! Every tile has the canvas's shape, as nearly as even numbers allow, so that pictures are scaled and never cut. All
//! sides and places are even: chroma has half the resolution. Knows no people.

use crate::composition::Canvas;

/// Most tiles of a grid: five by five. A face in a sixth row of 720 lines would be 120 lines high.
pub const MAX_GRID: usize = 25;
/// Most tiles beside a large one: five of a fifth of the height fill it.
pub const MAX_BESIDE: usize = 5;

/// A part of a canvas, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    /// From the left; even.
    pub x: usize,
    /// From the top; even.
    pub y: usize,
    /// Even, at least 2.
    pub width: usize,
    /// Even, at least 2.
    pub height: usize,
}

/// Tiles of equal size, row by row, the last row in the middle. Beyond [`MAX_GRID`] there are none.
#[must_use]
pub fn grid(canvas: Canvas, count: usize) -> Vec<Rect> {
    let canvas = canvas.sane();
    let count = count.min(MAX_GRID);
    let columns = (1..=5).find(|side| side * side >= count).unwrap_or(5);
    let rows = count.div_ceil(columns);
    let (width, height) = (even(usize::from(canvas.width) / columns), even(usize::from(canvas.height) / columns));
    let top = even((usize::from(canvas.height) - rows * height) / 2);
    (0..count)
        .map(|place| {
            let (row, column) = (place / columns, place % columns);
            let in_row = (count - row * columns).min(columns);
            let left = even((usize::from(canvas.width) - in_row * width) / 2);
            inset(canvas, Rect { x: left + column * width, y: top + row * height, width, height }, columns)
        })
        .collect()
}

/// A large tile first, then up to [`MAX_BESIDE`] small ones: at its right, or below it where the canvas is upright. One
/// alone fills the canvas.
#[must_use]
pub fn speaker(canvas: Canvas, count: usize) -> Vec<Rect> {
    let canvas = canvas.sane();
    if count <= 1 {
        return single(canvas, count);
    }
    let (width, height) = (usize::from(canvas.width), usize::from(canvas.height));
    let (small_width, small_height) = (even(width / 5), even(height / 5));
    let beside = (count - 1).min(MAX_BESIDE);
    let is_upright = height > width;
    // A fifth of both sides for the small ones, so the large one keeps the shape with the rest.
    let (large_width, large_height) = (width - small_width, height - small_height);
    let (x, y) = if is_upright { (even(small_width / 2), 0) } else { (0, even(small_height / 2)) };
    let large = Rect { x, y, width: even(large_width), height: even(large_height) };
    let start = if is_upright { width - beside * small_width } else { height - beside * small_height };
    let start = even(start / 2);
    let small = (0..beside).map(|place| {
        let (x, y) = if is_upright {
            (start + place * small_width, even(large_height))
        } else {
            (even(large_width), start + place * small_height)
        };
        inset(canvas, Rect { x, y, width: small_width, height: small_height }, 5)
    });
    std::iter::once(inset(canvas, large, 2)).chain(small).collect()
}

/// One tile that fills the canvas, or none.
#[must_use]
pub fn single(canvas: Canvas, count: usize) -> Vec<Rect> {
    let canvas = canvas.sane();
    let whole = Rect { x: 0, y: 0, width: canvas.width.into(), height: canvas.height.into() };
    vec![whole; count.min(1)]
}

/// Leaves a little of a tile free all around, where the canvas is shared at all.
fn inset(canvas: Canvas, rect: Rect, columns: usize) -> Rect {
    let margin = even(usize::from(canvas.width.min(canvas.height)) / 160).max(2);
    if columns <= 1 || rect.width <= 4 * margin || rect.height <= 4 * margin {
        return rect;
    }
    Rect { x: rect.x + margin, y: rect.y + margin, width: rect.width - 2 * margin, height: rect.height - 2 * margin }
}

/// The largest even number that is not larger.
pub(crate) const fn even(number: usize) -> usize {
    number / 2 * 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HD: Canvas = Canvas { width: 1280, height: 720, fps: 30 };

    fn overlap(a: &Rect, b: &Rect) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    }

    proptest! {
        #[test]
        fn tiles_are_even_inside_and_apart(
            width: u16, height: u16, count in 0_usize..200, kind in 0..3,
        ) {
            let canvas = Canvas { width, height, fps: 30 }.sane();
            let (tiles, most) = match kind {
                0 => (grid(canvas, count), MAX_GRID),
                1 => (speaker(canvas, count), 1 + MAX_BESIDE),
                _ => (single(canvas, count), 1),
            };
            prop_assert_eq!(tiles.len(), count.min(most));
            for (place, tile) in tiles.iter().enumerate() {
                prop_assert!([tile.x, tile.y, tile.width, tile.height].iter().all(|side| side % 2 == 0));
                prop_assert!(tile.width >= 2 && tile.height >= 2);
                prop_assert!(tile.x + tile.width <= canvas.width.into());
                prop_assert!(tile.y + tile.height <= canvas.height.into());
                prop_assert!(tiles.iter().skip(place + 1).all(|other| !overlap(tile, other)), "{:?}", tiles);
            }
        }
    }

    #[test]
    fn two_are_side_by_side_and_three_have_the_last_in_the_middle() {
        let two = grid(HD, 2);
        assert_eq!(two.iter().map(|tile| tile.y).collect::<Vec<_>>(), [184, 184]);
        let three = grid(HD, 3);
        assert_eq!(three[2].x + three[2].width / 2, 640);
        assert_eq!(grid(HD, 1), single(HD, 1));
    }

    #[test]
    fn the_large_one_has_four_fifths_and_five_fill_the_side() {
        let tiles = speaker(HD, 6);
        assert!(tiles[0].width > 1000 && tiles[0].height > 560);
        assert_eq!((tiles[1].y, tiles[5].y + tiles[5].height), (4, 716));
        assert!(tiles[1..].iter().all(|tile| tile.x > 1024));
        let upright = speaker(Canvas { width: 720, height: 1280, fps: 30 }, 3);
        assert!(upright[1..].iter().all(|tile| tile.y > 1024));
    }
}
