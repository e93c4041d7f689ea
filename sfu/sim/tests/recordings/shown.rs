//! What ffmpeg shows of a file, and whether that was sent.

use std::path::Path;
use std::time::Duration;

use sluice_recorder::TrackSummary;

use super::clip::run;

/// MD5 of a decoded picture, or of a packet of sound.
pub type Look = String;

/// When each picture of a file is shown, in seconds on the file's line, and how it looks.
pub fn looks(path: &Path) -> Vec<(f64, Look)> {
    md5s(path, &["-map", "0:v", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-autoscale", "0"])
}

/// When each packet of a file's sound (`a`) or pictures (`v`) is played, and what it is.
pub fn packet_looks(path: &Path, kind: &str) -> Vec<(f64, Look)> {
    md5s(path, &["-map", &format!("0:{kind}"), "-c", "copy"])
}

fn md5s(path: &Path, arguments: &[&str]) -> Vec<(f64, Look)> {
    let path = path.display().to_string();
    let output =
        run("ffmpeg", &[&["-v", "error", "-copyts", "-i", &path], arguments, &["-f", "framemd5", "-"]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut tick_s = f64::NAN;
    let mut all = Vec::new();
    for line in text.lines() {
        if let Some(base) = line.strip_prefix("#tb 0: ") {
            let (ticks, of) = base.split_once('/').unwrap();
            tick_s = ticks.parse::<f64>().unwrap() / of.parse::<f64>().unwrap();
        } else if !line.starts_with('#') {
            let mut fields = line.split(',').map(str::trim);
            let at = fields.nth(2).unwrap().parse::<f64>().unwrap() * tick_s;
            all.push((at, fields.nth(2).unwrap().to_owned()));
        }
    }
    all
}

/// A frame of a file.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// Which of all that were captured.
    pub number: i64,
    /// Of which encoding.
    pub encoding: usize,
    /// When it is shown on the file's line, in seconds.
    pub at: f64,
}

/// How exact times are to be, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Within {
    /// How far from where the frame before puts it, beside what time is slewed by: 2 % of sound, 10 % of pictures.
    pub jitter: f64,
    /// How far from where the first frame puts it.
    pub drift: f64,
}

/// Of a clean network: what containers tell apart.
pub const TO_THE_MILLISECOND: Within = Within { jitter: 0.0021, drift: 0.0021 };

/// Frames of a film as a file has them.
#[derive(Debug)]
pub struct Sequence {
    pub frames: Vec<Shown>,
    interval: f64,
}

impl Sequence {
    /// Fails unless each frame is one of the film's, which was shown over and over, in order, and in its time.
    pub fn find(all: &[(f64, Look)], film: &[Vec<Look>], interval: Duration, within: Within) -> Self {
        let interval = interval.as_secs_f64();
        let first = &all.first().expect("something is shown").1;
        let mut wrong = vec![format!("the first of {} is none that was sent", all.len())];
        for encoding in film {
            for (begin, _) in encoding.iter().enumerate().filter(|(_, look)| *look == first) {
                match Self::from(begin as i64, all, film, interval, within) {
                    Ok(frames) => return Self { frames, interval },
                    Err(why) => wrong.push(why),
                }
            }
        }
        panic!("{wrong:#?}");
    }

    fn from(
        begin: i64,
        all: &[(f64, Look)],
        film: &[Vec<Look>],
        interval: f64,
        within: Within,
    ) -> Result<Vec<Shown>, String> {
        let first_at = all[0].0;
        let mut frames: Vec<Shown> = Vec::new();
        for (place, (at, look)) in all.iter().enumerate() {
            let before = Shown { number: begin - 1, encoding: 0, at: first_at - interval };
            let last = frames.last().copied().unwrap_or(before);
            let number = last.number + ((at - last.at) / interval).round() as i64;
            let here = format!("frame {place} of {}, at {at:.3} s, number {number}", all.len());
            if number <= last.number {
                return Err(format!("{here}: behind {last:?}"));
            }
            let is_it = |encoding: &Vec<Look>| encoding[number.rem_euclid(encoding.len() as i64) as usize] == *look;
            let Some(encoding) = film.iter().position(is_it) else {
                let known = film.iter().map(|encoding| encoding.iter().position(|other| other == look));
                return Err(format!("{here}: it is {:?}", known.collect::<Vec<_>>()));
            };
            let since_first = (number - begin) as f64 * interval;
            let since_last = (number - last.number) as f64 * interval;
            let slewed = since_last / if interval < 0.025 { 50.0 } else { 10.0 };
            let is_jittered = (at - last.at - since_last).abs() > within.jitter + slewed.min(within.drift);
            if is_jittered || (at - first_at - since_first).abs() > within.drift {
                return Err(format!("{here}: {since_last:.3} s behind {last:?}, {since_first:.3} s in all"));
            }
            frames.push(Shown { number, encoding, at: *at });
        }
        Ok(frames)
    }

    /// How many there would be without holes.
    pub fn span(&self) -> i64 {
        self.frames.last().unwrap().number - self.frames[0].number + 1
    }

    /// Holes: begin and end, on the line of time of the frames.
    pub fn holes(&self) -> Vec<(f64, f64)> {
        let hole =
            |pair: &[Shown]| (pair[1].number > pair[0].number + 1).then_some((pair[0].at + self.interval, pair[1].at));
        self.frames.windows(2).filter_map(hole).collect()
    }

    /// Fails unless nothing is missing between the first and the last.
    pub fn assert_whole(&self) {
        assert!(self.holes().is_empty(), "{:?}", self.holes());
    }

    /// Encodings in the order in which they are shown.
    pub fn encodings(&self) -> Vec<usize> {
        let mut encodings: Vec<usize> = self.frames.iter().map(|frame| frame.encoding).collect();
        encodings.dedup();
        encodings
    }

    /// Fails unless each hole is marked in the summary, and nothing else is. Times of the file begin at `origin_us`.
    pub fn assert_marked(&self, track: &TrackSummary, what: &str) {
        let us = |seconds: f64| (seconds * 1e6) as i64 + track.origin_us as i64;
        let holes = self.holes();
        let said: Vec<String> = track.gaps.iter().map(|gap| format!("{gap:?}")).collect();
        assert_eq!(holes.len(), track.gaps.len(), "{what}: {holes:?}, from {} us: {said:?}", track.origin_us);
        for ((from, to), gap) in holes.iter().zip(&track.gaps) {
            let (from_us, to_us) = (us(*from), us(*to));
            let is_near = |said: u64, is: i64| (said as i64 - is).abs() <= 40_000;
            assert!(is_near(gap.from_us, from_us) && is_near(gap.to_us, to_us), "{what}: {gap:?}, {from_us} {to_us}");
        }
    }
}
