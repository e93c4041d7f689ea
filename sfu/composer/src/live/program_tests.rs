//! Calls in time that is counted, with decoders that give what the test puts in.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::*;
use crate::layout;
use crate::picture::Colour;

const COMPOSITION: Composition = Composition {
    layout: Layout::Grid,
    canvas: Canvas { width: 320, height: 180, fps: 10 },
    video_bps: 1,
    audio_bps: 1,
    media: crate::composition::Media::Both,
    names: false,
};
const RED: Colour = Colour(81, 90, 240);
const BLUE: Colour = Colour(41, 240, 110);
const WANTED: Wanted = Wanted::Pictures { width: 64, height: 36 };
const ADA: GuestId = GuestId(0);
const BOB: GuestId = GuestId(1);

/// What a decoder would give; the test puts it in.
#[derive(Clone, Debug, Default)]
struct Given(Rc<RefCell<(VecDeque<Block>, bool)>>);

impl Blocks for Given {
    fn next(&mut self) -> Next {
        let mut given = self.0.borrow_mut();
        match given.0.pop_front() {
            Some(block) => Next::Block(block),
            None if given.1 => Next::End,
            None => Next::Later,
        }
    }

    fn give_back(&mut self, _bytes: Vec<u8>) {}
}

impl Given {
    fn picture(&self, time_us: u64, colour: Colour) {
        let bytes = Picture::plain(64, 36, colour).into_bytes();
        self.0.borrow_mut().0.push_back(Block { time_us, bytes });
    }

    fn sound(&self, time_us: u64, value: f32) {
        let bytes = vec![value; 2 * 4800].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.0.borrow_mut().0.push_back(Block { time_us, bytes });
    }

    fn end(&self) {
        self.0.borrow_mut().1 = true;
    }
}

/// The colour in the middle of a tile of a grid.
fn seen(picture: &Picture, count: usize, place: usize) -> Colour {
    let tile = layout::grid(COMPOSITION.canvas, count)[place];
    picture.at(tile.x + tile.width / 2, tile.y + tile.height / 2)
}

fn program() -> Program<Given> {
    let mut program = Program::new(&COMPOSITION);
    program.handle_source(ADA, "ada".into(), false, 0);
    program
}

#[test]
fn each_picture_is_shown_at_its_time_with_its_sound() {
    let mut program = program();
    let (pictures, sound) = (Given::default(), Given::default());
    program.handle_decoder(ADA, 0, 300_000, WANTED, pictures.clone(), 0);
    program.handle_decoder(ADA, 0, 300_000, Wanted::Sound, sound.clone(), 0);
    pictures.picture(0, RED);
    pictures.picture(200_000, BLUE);
    sound.sound(0, 0.25);
    let avatar = seen(program.play(0).0, 1, 0);
    assert!(avatar != RED && avatar != BLUE);
    assert_eq!(seen(program.play(2).0, 1, 0), avatar);
    let (picture, heard) = program.play(3);
    assert_eq!((seen(picture, 1, 0), heard.iter().all(|sample| *sample == 0.25)), (RED, true));
    let (picture, heard) = program.play(4);
    assert_eq!((seen(picture, 1, 0), heard.iter().all(|sample| *sample == 0.0)), (RED, true));
    assert_eq!(seen(program.play(5).0, 1, 0), BLUE);
}

#[test]
fn a_source_that_gives_nothing_stops_nobody() {
    let mut program = program();
    program.handle_source(BOB, "bob".into(), false, 0);
    let (ada, bob) = (Given::default(), Given::default());
    program.handle_decoder(ADA, 0, 0, WANTED, ada.clone(), 0);
    program.handle_decoder(BOB, 0, 0, WANTED, bob.clone(), 0);
    bob.picture(0, BLUE);
    for tick in 0..100 {
        ada.picture(tick * 100_000, if tick < 50 { RED } else { BLUE });
        let picture = program.play(tick).0;
        assert_eq!(seen(picture, 2, 0), if tick < 50 { RED } else { BLUE });
        // Bob's last picture stands for a while.
        assert_eq!(seen(picture, 2, 1) == BLUE, tick < 50, "{tick}");
    }
}

#[test]
fn who_is_late_once_is_shown_later_from_there_on() {
    let mut program = program();
    let ada = Given::default();
    program.handle_decoder(ADA, 0, 0, WANTED, ada.clone(), 0);
    for tick in 0..40 {
        program.play(tick);
    }
    ada.picture(0, RED);
    ada.picture(500_000, BLUE);
    assert_eq!(seen(program.play(40).0, 1, 0), RED);
    assert_eq!(seen(program.play(44).0, 1, 0), RED);
    assert_eq!(seen(program.play(45).0, 1, 0), BLUE);
}

#[test]
fn the_next_file_of_a_source_takes_over_and_the_last_is_forgotten() {
    let mut program = program();
    let (first, second) = (Given::default(), Given::default());
    program.handle_decoder(ADA, 0, 0, WANTED, first.clone(), 0);
    first.picture(0, RED);
    first.end();
    assert_eq!(seen(program.play(0).0, 1, 0), RED);
    program.handle_decoder(ADA, 1, 1_000_000, WANTED, second.clone(), 500_000);
    second.picture(0, BLUE);
    assert_eq!(seen(program.play(9).0, 1, 0), RED);
    assert_eq!(seen(program.play(10).0, 1, 0), BLUE);
    program.play(60);
    assert_eq!((program.sources[&ADA].runs.len(), program.feeds.len()), (1, 1));
    // More files than there may be at one time: the oldest go.
    for part in 2..10 {
        program.handle_decoder(ADA, part, 0, WANTED, Given::default(), 6_000_000);
    }
    assert_eq!(program.sources[&ADA].runs.len(), MAX_RUNS);
}

#[test]
fn muted_is_an_avatar_at_once_and_a_screen_is_there_while_it_is_shown() {
    let mut program = program();
    let screen = GuestId(2);
    program.handle_source(screen, "ada".into(), true, 0);
    let (ada, shared) = (Given::default(), Given::default());
    program.handle_decoder(ADA, 0, 0, WANTED, ada.clone(), 0);
    program.handle_decoder(screen, 0, 500_000, WANTED, shared.clone(), 0);
    ada.picture(0, RED);
    shared.picture(0, BLUE);
    assert_eq!(seen(program.play(0).0, 1, 0), RED);
    program.handle_muted(ADA, true);
    assert!(seen(program.play(1).0, 1, 0) != RED);
    program.handle_muted(ADA, false);
    let middle = |picture: &Picture| picture.at(120, 90);
    assert_eq!(middle(program.play(5).0), BLUE);
    program.handle_removed(screen, 600_000);
    assert_eq!(middle(program.play(6).0), RED);
    program.handle_speaker(Some("ada".into()), 600_000);
    program.handle_removed(ADA, 700_000);
    assert!(middle(program.play(7).0) != RED && program.feeds.is_empty());
}
