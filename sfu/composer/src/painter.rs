//! Draws scenes: pictures, avatars and names on one canvas.
//!
//! It is handed the newest picture of each feed and knows neither where they come from nor what time it is.

use std::collections::{BTreeMap, HashMap};

use crate::composition::Canvas;
use crate::ffmpeg::Ffmpeg;
use crate::layout::{Rect, even};
use crate::lettering;
use crate::picture::{Colour, Mask, Picture, Scaler};
use crate::stage::{FeedId, GuestId, Scene, Tile};

/// Behind everything.
const GROUND: (u8, u8, u8) = (17, 20, 27);
/// Behind an avatar.
const TILE: (u8, u8, u8) = (32, 37, 48);
/// Around who speaks.
const SPEAKS: (u8, u8, u8) = (76, 175, 130);
/// Behind a name.
const SHADE: Colour = Colour(16, 128, 128);
/// Letters.
const LETTERS: Colour = Colour(235, 128, 128);
/// How dark it is behind a name, of 255.
const SHADE_COVER: u8 = 140;
/// Calm ones, of like brightness, on which white letters are read.
const DISCS: &[(u8, u8, u8)] = &[
    (79, 109, 153),
    (90, 125, 104),
    (140, 97, 110),
    (122, 104, 148),
    (150, 112, 78),
    (72, 124, 132),
    (128, 120, 80),
    (104, 104, 124),
];

/// What stands for somebody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Face {
    disc: usize,
    initials: Option<Mask>,
    name: Option<Mask>,
}

impl Face {
    /// Of these words. Without `with_name` there is no name in the picture.
    pub(crate) fn of(ffmpeg: &Ffmpeg, identity: &str, name: &str, with_name: bool) -> Self {
        Self {
            initials: lettering::draw(ffmpeg, &lettering::initials(name)),
            name: if with_name { lettering::draw(ffmpeg, name) } else { None },
            ..Self::plain(identity)
        }
    }

    /// A disc without letters, until they are drawn.
    pub(crate) fn plain(identity: &str) -> Self {
        let sum = identity.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        Self { disc: sum % DISCS.len(), initials: None, name: None }
    }
}

/// The newest picture of a feed. Another number is another picture.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) picture: Picture,
    pub(crate) number: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Painter {
    canvas: Picture,
    scaler: Scaler,
    faces: BTreeMap<GuestId, Face>,
    /// Pictures that were made to fit their tiles, with their numbers.
    fitted: HashMap<FeedId, (u64, Picture)>,
    /// Avatars as large as their tiles.
    avatars: HashMap<GuestId, Picture>,
    /// Names as high as they stand in tiles.
    labels: HashMap<GuestId, Mask>,
    /// What the canvas shows.
    painted: Option<(Scene, Vec<Option<u64>>)>,
}

impl Painter {
    pub(crate) fn new(canvas: Canvas) -> Self {
        let canvas = canvas.sane();
        let ground = colour(GROUND);
        Self {
            canvas: Picture::plain(canvas.width.into(), canvas.height.into(), ground),
            scaler: Scaler::default(),
            faces: BTreeMap::new(),
            fitted: HashMap::new(),
            avatars: HashMap::new(),
            labels: HashMap::new(),
            painted: None,
        }
    }

    /// Somebody looks so from here on.
    pub(crate) fn set_face(&mut self, guest: GuestId, face: Face) {
        self.faces.insert(guest, face);
        self.forget_face(guest);
    }

    /// Somebody will not be seen any more.
    pub(crate) fn drop_face(&mut self, guest: GuestId) {
        self.faces.remove(&guest);
        self.forget_face(guest);
    }

    /// Whether somebody's face is known.
    pub(crate) fn knows(&self, guest: GuestId) -> bool {
        self.faces.contains_key(&guest)
    }

    fn forget_face(&mut self, guest: GuestId) {
        self.avatars.remove(&guest);
        self.labels.remove(&guest);
        self.painted = None;
    }

    /// Paints a scene. A feed that has no picture yet is an avatar.
    pub(crate) fn paint(&mut self, scene: &Scene, feeds: &BTreeMap<FeedId, Shown>) -> &Picture {
        let number = |tile: &Tile| tile.feed.and_then(|feed| feeds.get(&feed)).map(|shown| shown.number);
        let numbers: Vec<Option<u64>> = scene.tiles.iter().map(number).collect();
        if self.painted.as_ref().is_some_and(|(painted, with)| painted == scene && *with == numbers) {
            return &self.canvas;
        }
        if self.painted.as_ref().is_none_or(|(painted, _)| painted != scene) {
            let (width, height) = (self.canvas.width(), self.canvas.height());
            self.canvas.fill(Rect { x: 0, y: 0, width, height }, colour(GROUND));
            for tile in scene.tiles.iter().filter(|tile| tile.is_speaking) {
                self.frame(tile.rect);
            }
            let is_shown = |feed: &FeedId| scene.tiles.iter().any(|tile| tile.feed == Some(*feed));
            self.fitted.retain(|feed, _| is_shown(feed));
        }
        for tile in &scene.tiles {
            match tile.feed.and_then(|feed| feeds.get(&feed).map(|shown| (feed, shown))) {
                Some((feed, shown)) => self.lay_picture(tile.rect, feed, shown),
                None => self.lay_avatar(tile),
            }
            self.lay_name(tile);
        }
        self.painted = Some((scene.clone(), numbers));
        &self.canvas
    }

    /// What was painted last.
    pub(crate) fn canvas(&self) -> &Picture {
        &self.canvas
    }

    /// A line around a tile, where there is room for one.
    fn frame(&mut self, rect: Rect) {
        let line = 2;
        let fits = rect.x >= line
            && rect.y >= line
            && rect.x + rect.width + line <= self.canvas.width()
            && rect.y + rect.height + line <= self.canvas.height();
        if fits {
            let frame = Rect {
                x: rect.x - line,
                y: rect.y - line,
                width: rect.width + 2 * line,
                height: rect.height + 2 * line,
            };
            self.canvas.fill(frame, colour(SPEAKS));
        }
    }

    fn lay_picture(&mut self, rect: Rect, feed: FeedId, shown: &Shown) {
        let fits = |picture: &Picture| picture.width() == rect.width && picture.height() == rect.height;
        if fits(&shown.picture) {
            self.canvas.lay(&shown.picture, rect.x, rect.y);
            return;
        }
        let fitted = self
            .fitted
            .get(&feed)
            .filter(|(number, picture)| *number == shown.number && fits(picture));
        if fitted.is_none() {
            let picture = self.scaler.picture(&shown.picture, rect.width, rect.height);
            self.fitted.insert(feed, (shown.number, picture));
        }
        if let Some((_, picture)) = self.fitted.get(&feed) {
            self.canvas.lay(picture, rect.x, rect.y);
        }
    }

    fn lay_avatar(&mut self, tile: &Tile) {
        let Rect { x, y, width, height } = tile.rect;
        let fits = |picture: &&Picture| picture.width() == width && picture.height() == height;
        if self.avatars.get(&tile.guest).filter(fits).is_none() {
            let face = self.faces.get(&tile.guest).cloned().unwrap_or_default();
            let picture = avatar(&mut self.scaler, &face, width, height);
            self.avatars.insert(tile.guest, picture);
        }
        if let Some(picture) = self.avatars.get(&tile.guest) {
            self.canvas.lay(picture, x, y);
        }
    }

    fn lay_name(&mut self, tile: &Tile) {
        let Some(name) = self.faces.get(&tile.guest).and_then(|face| face.name.as_ref()) else { return };
        let Rect { x, y, width, height } = tile.rect;
        let label_height = even(height / 14).clamp(14, 40);
        let pad = even(label_height / 3);
        if height < 3 * label_height || width < 4 * label_height {
            return;
        }
        if self.labels.get(&tile.guest).is_none_or(|label| label.height != label_height) {
            let label_width = (name.width * label_height / name.height).max(1);
            let mut label = self.scaler.mask(name, label_width, label_height);
            crop(&mut label, width - 4 * pad);
            self.labels.insert(tile.guest, label);
        }
        if let Some(label) = self.labels.get(&tile.guest) {
            let (x, y) = (x + pad, y + height - label_height - pad);
            let shade = Mask::plain(even(label.width + 2 * pad + 1), label_height, SHADE_COVER);
            self.canvas.tint(&shade, x, y, SHADE);
            self.canvas.tint(label, x + pad, y, LETTERS);
        }
    }
}

/// A disc with initials in the middle of a tile.
fn avatar(scaler: &mut Scaler, face: &Face, width: usize, height: usize) -> Picture {
    let mut picture = Picture::plain(width, height, colour(TILE));
    let side = even(width.min(height) / 2);
    if side < 8 {
        return picture;
    }
    let (x, y) = (even((width - side) / 2), even((height - side) / 2));
    let shade = DISCS.get(face.disc).copied().unwrap_or(TILE);
    picture.tint(&disc(side), x, y, colour(shade));
    if let Some(letters) = &face.initials {
        let letters_height = even(side * 3 / 4);
        let letters_width = (letters.width * letters_height / letters.height).clamp(1, side);
        let letters = scaler.mask(letters, letters_width, letters_height);
        let (x, y) = (x + even((side - letters_width) / 2), y + even((side - letters_height) / 2));
        picture.tint(&letters, x, y, LETTERS);
    }
    picture
}

/// A disc that fills a square, its rim smooth: four by four points of each pixel are looked at.
fn disc(side: usize) -> Mask {
    let points = 4 * side;
    let is_inside = |x: usize, y: usize| {
        // Twice the distance from the middle, so that all are whole numbers.
        let (x, y) = ((2 * x + 1).abs_diff(points), (2 * y + 1).abs_diff(points));
        x * x + y * y <= points * points
    };
    let cover = |place: usize| {
        let (x, y) = (place % side * 4, place / side * 4);
        let inside = (0..16).filter(|point| is_inside(x + point % 4, y + point / 4)).count();
        u8::try_from(inside * 255 / 16).unwrap_or(u8::MAX)
    };
    Mask { width: side, height: side, cover: (0..side * side).map(cover).collect() }
}

/// Leaves out what is too far to the right.
fn crop(mask: &mut Mask, width: usize) {
    if mask.width > width {
        mask.cover = mask
            .cover
            .chunks_exact(mask.width)
            .flat_map(|line| line.iter().take(width))
            .copied()
            .collect();
        mask.width = width;
    }
}

fn colour((red, green, blue): (u8, u8, u8)) -> Colour {
    Colour::rgb(red, green, blue)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::layout;

    const CANVAS: Canvas = Canvas { width: 320, height: 180, fps: 30 };
    const RED: Colour = Colour(81, 90, 240);
    const BLUE: Colour = Colour(41, 240, 110);

    fn scene(feeds: &[Option<usize>]) -> Scene {
        let places = layout::grid(CANVAS, feeds.len());
        let tile = |(guest, (rect, feed)): (usize, (Rect, &Option<usize>))| Tile {
            rect,
            guest: GuestId(guest),
            feed: feed.map(FeedId),
            is_speaking: false,
        };
        Scene { tiles: places.into_iter().zip(feeds).enumerate().map(tile).collect() }
    }

    fn shown(colour: Colour, number: u64) -> Shown {
        Shown { picture: Picture::plain(160, 90, colour), number }
    }

    fn middle(tile: &Tile) -> (usize, usize) {
        (tile.rect.x + tile.rect.width / 2, tile.rect.y + tile.rect.height / 2)
    }

    #[test]
    fn each_is_in_their_tile_and_who_has_no_picture_is_a_disc() {
        let mut painter = Painter::new(CANVAS);
        painter.set_face(GuestId(2), Face::plain("cleo"));
        let scene = scene(&[Some(0), Some(7), None, Some(9)]);
        let mut feeds = BTreeMap::from([(FeedId(0), shown(RED, 0)), (FeedId(7), shown(BLUE, 0))]);
        let at = |picture: &Picture, place: usize| {
            let (x, y) = middle(&scene.tiles[place]);
            picture.at(x, y)
        };
        let painted = painter.paint(&scene, &feeds).clone();
        assert_eq!([at(&painted, 0), at(&painted, 1)], [RED, BLUE]);
        assert_eq!(at(&painted, 2), colour(DISCS[Face::plain("cleo").disc]));
        assert_eq!(at(&painted, 3), colour(DISCS[0]), "a feed without a picture is one as well");
        assert_eq!(painted.at(0, 0), colour(GROUND));

        // The same number is the same picture, another one is drawn.
        feeds.insert(FeedId(0), shown(BLUE, 0));
        assert_eq!(*painter.paint(&scene, &feeds), painted);
        feeds.insert(FeedId(0), shown(BLUE, 1));
        let painted = painter.paint(&scene, &feeds);
        assert_eq!(at(painted, 0), BLUE);
    }

    #[test]
    fn who_speaks_has_a_line_around() {
        let mut painter = Painter::new(CANVAS);
        let mut scene = scene(&[None, None]);
        scene.tiles[1].is_speaking = true;
        let Rect { x, y, .. } = scene.tiles[1].rect;
        let painted = painter.paint(&scene, &BTreeMap::new());
        assert_eq!(painted.at(x - 2, y + 20), colour(SPEAKS));
        let Rect { x, y, .. } = scene.tiles[0].rect;
        assert_eq!(painted.at(x - 2, y + 20), colour(GROUND));
    }

    #[test]
    fn a_name_stands_in_its_corner() {
        let ffmpeg = Ffmpeg::find(None).unwrap();
        let mut painter = Painter::new(CANVAS);
        painter.set_face(GuestId(0), Face::of(&ffmpeg, "ada", "Ada Lovelace", true));
        let scene = scene(&[Some(0)]);
        let feeds = BTreeMap::from([(FeedId(0), Shown { picture: Picture::plain(320, 180, RED), number: 0 })]);
        let painted = painter.paint(&scene, &feeds);
        let lumas: Vec<u8> = (0..320).map(|x| painted.at(x, 170).0).collect();
        assert!(lumas[..100].iter().any(|luma| *luma > 150), "letters");
        assert!(lumas[..100].iter().any(|luma| *luma < 60), "and what is behind them");
        assert!(lumas[160..].iter().all(|luma| *luma == RED.0), "and nothing further right");
        assert_eq!(painted.at(20, 100), RED);
    }
}
