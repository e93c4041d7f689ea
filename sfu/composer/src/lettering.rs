//! Names as masks, drawn by ffmpeg.
//!
//! A name is whatever its bearer typed. It goes to ffmpeg in a file of a private folder, never in an argument, and is not
//! expanded there. Text that cannot be drawn is left out: no composite fails for it.

use std::fs;
use std::io::Read;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use crate::ffmpeg::Ffmpeg;
use crate::picture::Mask;
use crate::process::{Ends, Process};

/// How long a line of text may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Height of a mask, in pixels. It is made smaller where it is shown.
const HEIGHT: usize = 64;
/// Its width before what is empty goes: about forty letters.
const WIDTH: usize = 1664;
/// Most letters of a name that are shown.
const MAX_LETTERS: usize = 32;
/// The name of the file in the private folder.
const FILE: &str = "text";

/// One line of text, as wide as it is. `None` where there is nothing to draw, or it could not be drawn.
pub(crate) fn draw(ffmpeg: &Ffmpeg, text: &str) -> Option<Mask> {
    let text = printable(text);
    if text.is_empty() || !ffmpeg.draws_text() {
        return None;
    }
    let folder = tempfile::Builder::new().prefix("sluice-text").tempdir().ok()?;
    fs::write(folder.path().join(FILE), text).ok()?;
    let mut command = ffmpeg.command();
    let source = format!("color=c=black:s={WIDTH}x{HEIGHT}:r=1,format=gray");
    // The line of letters like `g` lies a quarter above the lower edge, whatever letters there are.
    let filter = format!("drawtext=textfile={FILE}:expansion=none:fontcolor=white:fontsize=44:x=8:y=h*3/4-ascent");
    command.current_dir(folder.path());
    command.args(["-f", "lavfi", "-i", &source, "-vf", &filter, "-frames:v", "1"]);
    command.args(["-pix_fmt", "gray", "-f", "rawvideo", "pipe:1"]);
    let mut process = Process::spawn(command, Ends { stdin: false, stdout: true }).ok()?;
    let stdout = process.take_stdout()?;
    let (sender, receiver) = sync_channel(1);
    let reads = thread::Builder::new().name("ffmpeg-letters".to_owned()).spawn(move || {
        let mut cover = Vec::new();
        let most = u64::try_from(WIDTH * HEIGHT).unwrap_or_default();
        let read = stdout.take(most).read_to_end(&mut cover);
        // Nobody waits any more when this fails.
        drop(sender.send(read.map(|_| cover)));
    });
    // Without a thread there is no name in the picture, and all else is.
    reads.ok()?;
    let cover = receiver.recv_timeout(PATIENCE).ok()?.ok()?;
    if cover.len() != WIDTH * HEIGHT {
        tracing::debug!(reason = process.last_words(), "a name could not be drawn");
        return None;
    }
    cropped(&cover)
}

/// The first letters of the first two words.
pub(crate) fn initials(name: &str) -> String {
    let name = printable(name);
    let words = name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .filter_map(|word| word.chars().next())
        .take(2)
        .flat_map(char::to_uppercase)
        .collect()
}

/// What can stand in a line, and not too much of it.
fn printable(text: &str) -> String {
    // Marks that turn the direction of all that follows, and letters of no width.
    let is_mark = |letter: &char| matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let letters = text.chars().filter(|letter| !is_mark(letter));
    let spaced: String = letters
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(4 * MAX_LETTERS)
        .collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= MAX_LETTERS {
        return line;
    }
    line.chars().take(MAX_LETTERS - 1).chain(['…']).collect()
}

/// Without empty columns at its ends, from nothing to all.
fn cropped(cover: &[u8]) -> Option<Mask> {
    let (low, high) = (*cover.iter().min()?, *cover.iter().max()?);
    // Black and white of video are neither 0 nor 255.
    let range = u32::from(high - low);
    if range < 32 {
        return None;
    }
    let scaled = |value: u8| u8::try_from(u32::from(value - low) * 255 / range).unwrap_or(u8::MAX);
    let is_empty = |column: usize| cover.iter().skip(column).step_by(WIDTH).all(|value| scaled(*value) < 16);
    let first = (0..WIDTH).find(|column| !is_empty(*column))?;
    let last = (0..WIDTH).rev().find(|column| !is_empty(*column))?;
    let width = last - first + 1;
    let cover = cover
        .chunks_exact(WIDTH)
        .flat_map(|line| line.iter().skip(first).take(width))
        .map(|value| scaled(*value))
        .collect();
    Some(Mask { width, height: HEIGHT, cover })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_masks_whatever_is_in_them() {
        let ffmpeg = Ffmpeg::find(None).unwrap();
        let ada = draw(&ffmpeg, "Ada").unwrap();
        assert!(ada.width > 40 && ada.width < 200, "{}", ada.width);
        // What a filter would take for its own is drawn as it stands.
        let hostile = draw(&ffmpeg, "%{pts}:x='0',[in]\\n;\n\u{202e}x").unwrap();
        assert!(hostile.width > 3 * ada.width);
        assert_eq!(draw(&ffmpeg, " \n\u{200b} "), None);
    }

    #[test]
    fn initials_are_those_of_two_words() {
        assert_eq!(initials("ada lovelace king"), "AL");
        assert_eq!(initials("  (österreich)"), "Ö");
        assert_eq!(initials("../.."), "");
    }

    proptest! {
        #[test]
        fn a_line_is_short_and_without_control(text: String) {
            let line = printable(&text);
            prop_assert!(line.chars().count() <= MAX_LETTERS);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert!(initials(&text).chars().count() <= 6);
        }
    }
}
