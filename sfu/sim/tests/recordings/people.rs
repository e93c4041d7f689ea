//! Who is recorded mutes, goes and comes back; and what is seen and heard of one instant stays together.

use std::path::Path;
use std::time::Duration;

use sluice_core::Connection::Single;
use sluice_recorder::{GapReason, Kind};
use sluice_sim::{Conditions, Media, Simulation};

use super::clip;
use super::films::{self, Reel};
use super::shown::{Sequence, TO_THE_MILLISECOND, Within};
use super::studio::{Part, Studio, ann, publish};

#[test]
fn what_is_muted_is_marked_and_what_follows_is_in_its_time() {
    let reels = [films::pictures(Media::Vp8, 160), films::sound()];
    let (mut studio, tracks) = ann(1, Kind::Matroska, &[&reels[0], &reels[1]]);
    studio.run_ms(3_000);
    for _ in 0..2 {
        tracks.iter().for_each(|track| studio.sim.mute(track, true));
        studio.run_ms(2_000);
        tracks.iter().for_each(|track| studio.sim.mute(track, false));
        studio.run_ms(3_000);
    }
    let recorded = studio.finish();
    let part = recorded.only();
    for reel in &reels {
        let track = part.track(reel.publication.media.is_video());
        let frames = part.frames(reel, Within { jitter: 0.010, drift: 0.020 });
        assert_eq!(track.gaps.iter().map(|gap| gap.reason).collect::<Vec<_>>(), [GapReason::Muted; 2]);
        frames.assert_marked(track, "muted");
        assert!(frames.holes().iter().all(|(from, to)| (1.9..2.7).contains(&(to - from))), "{:?}", frames.holes());
    }
}

#[test]
fn who_leaves_and_comes_back_goes_on_in_the_same_file_and_the_absence_is_marked() {
    let reels = [films::pictures(Media::Vp8, 160), films::sound()];
    let (mut studio, _) = ann(2, Kind::Matroska, &[&reels[0], &reels[1]]);
    studio.run_ms(4_000);
    studio.sim.leave("ann");
    studio.run_ms(3_000);
    studio.sim.join("ann", Single);
    studio.run_ms(1_000);
    publish(&mut studio, &[&reels[0], &reels[1]]);
    studio.run_ms(4_000);
    let recorded = studio.finish();
    let part = recorded.only();
    for reel in &reels {
        let is_video = reel.publication.media.is_video();
        let (all, track) = (if is_video { &part.pictures } else { &part.sound }, part.track(is_video));
        let gap = track.gaps[0];
        assert_eq!((track.gaps.len(), gap.reason), (1, GapReason::Unpublished), "{:?}", track.gaps);
        assert!((3_900_000..4_700_000).contains(&(gap.to_us - gap.from_us)), "{gap:?}");
        let (before, after) = all.split_at(all.iter().position(|(at, _)| *at > 5.0).unwrap());
        for half in [before, after] {
            let frames = Sequence::find(half, &reel.looks, reel.film.interval, TO_THE_MILLISECOND);
            assert!(frames.span() as f64 * reel.film.interval.as_secs_f64() > 3.3, "{}", frames.span());
            frames.assert_whole();
        }
    }
}

#[test]
fn sound_that_is_published_later_loses_what_comes_before_the_next_key_frame_and_no_picture() {
    let (pictures, sound) = (films::pictures(Media::Vp8, 160), films::sound());
    let mut sim = Simulation::new(4);
    sim.join("ann", Single);
    sim.run(Duration::from_secs(1));
    let mut studio = Studio::new(sim, Kind::Matroska, 2);
    publish(&mut studio, &[&pictures]);
    studio.run_ms(5_000);
    let track = studio.sim.publish_film("ann", "mic", sound.publication, sound.film.clone());
    studio.tap("ann", &track, 1);
    studio.run_ms(4_000);
    let recorded = studio.finish();
    let [before, after] = recorded.parts.as_slice() else { panic!("two files: {}", recorded.parts.len()) };
    assert_eq!((before.summary.tracks.len(), after.summary.tracks.len()), (1, 2));
    let [first, second] = [before, after].map(|part| part.frames(&pictures, TO_THE_MILLISECOND));
    first.assert_whole();
    second.assert_whole();
    let shown = before.track(true).frames + after.track(true).frames;
    assert!(shown > 250, "every picture from the first on: {shown}");
    after.frames(&sound, TO_THE_MILLISECOND).assert_whole();
    let lost = recorded.sent[1] - after.track(false).frames;
    println!("{lost} packets of sound were lost before the key frame that both begin with");
    // The film has one every half second.
    assert!(lost <= 26, "{lost} of {}", recorded.sent[1]);
    let apart_us = before.track(true).end_us.abs_diff(after.track(true).begin_us);
    assert!(apart_us < 2_000, "the second file goes on where the first one ends: {apart_us} us");
}

/// A film and its sound with a flash and a beep every second, at the same instants.
fn clap() -> [Reel; 2] {
    let flashes = "testsrc2=size=160x90:rate=30:duration=3,drawbox=color=white:t=fill:enable='lt(mod(n,30),3)'";
    let pictures = films::pictures_of(Media::Vp8, flashes);
    let directory = tempfile::tempdir().unwrap();
    let beeps = "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000:d=3.1";
    let frames = clip::opus_of(directory.path(), beeps);
    let mut sound = films::sound_of(directory.path(), &frames);
    // As long as the pictures.
    sound.film.encodings[0] = sound.film.encodings[0][..150].into();
    sound.looks[0].truncate(150);
    [pictures, sound]
}

/// When it is white, and when it begins to beep, in seconds on the file's line.
fn claps(part: &Part) -> (Vec<f64>, Vec<f64>) {
    let luma = raw(&part.path, &["-map", "0:v", "-fps_mode", "passthrough", "-vf", "scale=1:1:flags=area,format=gray"]);
    let times = part.pictures.iter().map(|(at, _)| *at);
    let white: Vec<f64> = times.zip(luma).filter(|(_, luma)| *luma > 220).map(|(at, _)| at).collect();
    // A byte for a sample, 128 is silence; what is missing is filled with it.
    let fill = "aresample=48000:async=48000:min_hard_comp=0.001:first_pts=0";
    let samples = raw(&part.path, &["-map", "0:a", "-ac", "1", "-af", fill, "-c:a", "pcm_u8"]);
    let loud = samples.iter().enumerate().filter(|(_, sample)| sample.abs_diff(128) > 32);
    let loud: Vec<f64> = loud.map(|(place, _)| place as f64 / 48_000.0).collect();
    (begins(&white), begins(&loud))
}

fn raw(path: &Path, arguments: &[&str]) -> Vec<u8> {
    let format = if arguments.contains(&"pcm_u8") { "u8" } else { "rawvideo" };
    let path = path.display().to_string();
    clip::run("ffmpeg", &[&["-v", "error", "-copyts", "-i", &path], arguments, &["-f", format, "-"]].concat()).stdout
}

/// The first of each that follow one another closely.
fn begins(times: &[f64]) -> Vec<f64> {
    let mut last = f64::MIN;
    let is_first = |at: &&f64| at.partial_cmp(&&(std::mem::replace(&mut last, **at) + 0.5)).unwrap().is_gt();
    times.iter().filter(is_first).copied().collect()
}

/// When there is a clap, and how much later its sound is than its picture.
fn offsets(part: &Part) -> Vec<(f64, f64)> {
    let (flashes, beeps) = claps(part);
    let nearest = |flash: &f64| beeps.iter().map(|beep| beep - flash).min_by(|a, b| a.abs().total_cmp(&b.abs()));
    // The file may begin within a flash or a beep.
    flashes.iter().skip(1).filter_map(|flash| Some((*flash, nearest(flash)?))).collect()
}

/// The largest offset of sound from pictures over several networks, when it is recorded from so long after they were published,
/// of claps from so many seconds on.
fn largest_offset(kind: Kind, published_for_s: u64, from_s: f64) -> f64 {
    let [mut pictures, sound] = clap();
    // To be encoded, and to be sent.
    pictures.film.delay = Duration::from_millis(150);
    let jitter = Duration::from_millis(30);
    let network = Conditions { delay: Duration::from_millis(40), jitter, ..Conditions::CLEAN };
    let mut largest = 0.0;
    for seed in 1..3 {
        let mut sim = Simulation::new(seed);
        sim.join("ann", Single);
        sim.network("ann", network);
        sim.run(Duration::from_secs(1));
        let publish =
            |(label, reel): (&str, &Reel)| sim.publish_film("ann", label, reel.publication, reel.film.clone());
        let tracks = [("cam", &pictures), ("mic", &sound)].map(publish);
        sim.run(Duration::from_secs(published_for_s));
        let mut studio = Studio::new(sim, kind, 2);
        tracks.iter().enumerate().for_each(|(input, track)| {
            studio.tap("ann", track, input);
        });
        studio.run_ms(12_000);
        let recorded = studio.finish();
        let offsets = offsets(recorded.only());
        println!("sound behind pictures, seed {seed}, {kind:?}: {offsets:.3?}");
        assert!(offsets.len() > 9, "{offsets:?}");
        let judged = offsets.iter().filter(|(at, _)| *at >= from_s).map(|(_, offset)| offset.abs());
        largest = judged.fold(largest, f64::max);
    }
    println!("{kind:?}, recorded {published_for_s} s after it was published: {:.1} ms at most", largest * 1e3);
    largest
}

#[test]
fn a_flash_and_its_beep_stay_together_though_pictures_take_longer() {
    for kind in [Kind::Matroska, Kind::FragmentedMp4] {
        assert!(largest_offset(kind, 8, 0.0) <= 0.040, "{kind:?}");
    }
}

#[test]
fn what_was_apart_before_its_publisher_reported_comes_together() {
    // Pictures were 150 ms late, of which the first report took a tenth of the time that passed.
    assert!(largest_offset(Kind::Matroska, 0, 4.0) <= 0.040);
}
