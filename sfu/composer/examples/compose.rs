//! Makes a composite of a recording's folder, and says how long that took:
//! `cargo run --release -p sluice-composer --example compose -- FOLDER FILE.mp4 [grid|speaker|single-speaker]`.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use sluice_composer::{Composition, Ffmpeg, FileKind, FileOutput, Layout, compose};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = "FOLDER FILE.mp4|FILE.webm|FILE.ogg|FILE.mp3 [grid|speaker|single-speaker]";
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    let path = PathBuf::from(arguments.next().ok_or(usage)?);
    let layout = match arguments.next().as_ref().and_then(|layout| layout.to_str()) {
        None | Some("grid") => Layout::Grid,
        Some("speaker") => Layout::Speaker,
        Some("single-speaker") => Layout::SingleSpeaker,
        Some(_) => return Err(usage.into()),
    };
    let kind = match path.extension().and_then(|extension| extension.to_str()) {
        Some("mp4") => FileKind::Mp4,
        Some("webm") => FileKind::WebM,
        Some("ogg") => FileKind::Ogg,
        Some("mp3") => FileKind::Mp3,
        _ => return Err(usage.into()),
    };
    let manifest = serde_json::from_slice(&std::fs::read(folder.join("manifest.json"))?)?;
    let composition = Composition { layout, ..Composition::default() };
    let began = Instant::now();
    let mut shown = 0.0;
    let progress = |share: f32| {
        if share >= shown + 0.1 {
            shown = share;
            eprintln!("{:.0} %", share * 100.0);
        }
    };
    let output = FileOutput { path, kind };
    let composed =
        compose(&Ffmpeg::find(None)?, &folder, &manifest, &composition, &output, progress, &AtomicBool::new(false))?;
    eprintln!("{composed:?} in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}
