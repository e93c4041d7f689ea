//! Sound of several voices: each on one line of samples, and all of them together.
//!
//! Samples are 48,000 a second for left and right, turn by turn; a *moment* is one of both. Knows neither where they
//! come from nor what hears them.

use std::collections::VecDeque;

use crate::block::SAMPLE_RATE;

/// A block that is said to begin so near to where the last one ended begins there: times come in milliseconds, and
/// clocks drift. 10 ms, in moments: half of a lost packet, so that the loss of one moves nothing that follows.
const NEAR: u64 = 480;

/// Most moments that wait: 30 s of sound. Blocks beyond are left out; whoever pushes looks at [`Voice::end`] before.
const MAX_WAITING: u64 = 30 * SAMPLE_RATE as u64;

/// Below this, sound is as it came; above, it is bent rather than cut.
const KNEE: f32 = 0.8;

/// One voice.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    /// Each with its first moment; in order and apart.
    blocks: VecDeque<(u64, Vec<f32>)>,
    /// Behind the last moment.
    end: u64,
    /// Before this, all has been heard.
    heard: u64,
    /// How many moments wait.
    waiting: u64,
}

impl Voice {
    /// One that is heard from this moment on.
    pub(crate) fn from(moment: u64) -> Self {
        Self { heard: moment, ..Self::default() }
    }

    /// Behind the last moment there is.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// A block that begins at this time, in microseconds.
    pub(crate) fn push(&mut self, time_us: u64, mut samples: Vec<f32>) {
        let said = time_us.saturating_mul(u64::from(SAMPLE_RATE) / 1000) / 1000;
        let begin = if said.abs_diff(self.end) <= NEAR { self.end } else { said };
        // What is said again, or was to be heard before, is not heard.
        let late = self.end.max(self.heard).saturating_sub(begin);
        let late_samples = usize::try_from(late.saturating_mul(2)).unwrap_or(usize::MAX).min(samples.len());
        samples.drain(..late_samples);
        samples.truncate(samples.len() / 2 * 2);
        let begin = begin.saturating_add(late);
        if samples.is_empty() || self.waiting > MAX_WAITING {
            return;
        }
        self.waiting += moments(&samples);
        self.end = begin.saturating_add(moments(&samples));
        self.blocks.push_back((begin, samples));
    }

    /// Adds what it has from this moment on to a mix, and forgets it. Where it has nothing, nothing is added.
    pub(crate) fn mix(&mut self, from: u64, mix: &mut [f32]) {
        let to = from.saturating_add(moments(mix));
        while let Some((begin, samples)) = self.blocks.front_mut() {
            if *begin >= to {
                break;
            }
            let place = |moment: u64| usize::try_from(moment.saturating_mul(2)).unwrap_or(usize::MAX);
            let passed = place(from.saturating_sub(*begin)).min(samples.len());
            let into = mix.get_mut(place(begin.saturating_sub(from))..).unwrap_or_default();
            let here = samples.get(passed..).unwrap_or_default();
            into.iter_mut().zip(here).for_each(|(sum, sample)| *sum += sample);
            let end = begin.saturating_add(moments(samples));
            if end > to {
                let done = place(to.saturating_sub(*begin)).min(samples.len());
                self.waiting = self.waiting.saturating_sub(u64::try_from(done / 2).unwrap_or(u64::MAX));
                samples.drain(..done);
                *begin = to;
                break;
            }
            self.waiting = self.waiting.saturating_sub(moments(samples));
            self.blocks.pop_front();
        }
        self.heard = self.heard.max(to);
    }
}

/// How many of them samples of left and right are.
fn moments(samples: &[f32]) -> u64 {
    u64::try_from(samples.len() / 2).unwrap_or(u64::MAX)
}

/// The first moment of the picture of this number, with so many pictures a second.
pub(crate) fn moment_of(tick: u64, fps: u16) -> u64 {
    tick.saturating_mul(SAMPLE_RATE.into()) / u64::from(fps.max(1))
}

/// Bends what is too loud, so that many voices at once do not crackle.
pub(crate) fn soften(mix: &mut [f32]) {
    for sample in mix {
        let loud = sample.abs();
        if loud > KNEE {
            *sample = (KNEE + (1.0 - KNEE) * ((loud - KNEE) / (1.0 - KNEE)).tanh()).copysign(*sample);
        } else if !loud.is_finite() {
            *sample = 0.0;
        }
    }
}

/// Samples as ffmpeg writes them.
pub(crate) fn samples_of(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .filter_map(|four| four.try_into().ok())
        .map(f32::from_le_bytes)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn constant(moments: usize, value: f32) -> Vec<f32> {
        vec![value; moments * 2]
    }

    fn heard(voice: &mut Voice, from: u64, moments: usize) -> Vec<f32> {
        let mut mix = constant(moments, 0.0);
        voice.mix(from, &mut mix);
        mix
    }

    #[test]
    fn a_drifting_clock_is_followed_and_a_pause_is_silence() {
        let mut voice = Voice::default();
        voice.push(0, constant(960, 0.1));
        // 20 ms, said as 21 and as 25: no crack.
        voice.push(21_000, constant(960, 0.2));
        voice.push(45_000, constant(960, 0.3));
        voice.push(1_000_000, constant(960, 0.4));
        assert_eq!(voice.end(), 48_960);
        assert_eq!(heard(&mut voice, 0, 2880), [constant(960, 0.1), constant(960, 0.2), constant(960, 0.3)].concat());
        let rest = heard(&mut voice, 2880, 46_080);
        assert_eq!(rest.iter().filter(|sample| **sample != 0.0).count(), 960 * 2);
        assert_eq!(&rest[rest.len() - 960 * 2..], constant(960, 0.4));
    }

    #[test]
    fn what_comes_too_late_is_not_heard_and_two_voices_add_up() {
        let mut voice = Voice::from(4800);
        voice.push(0, constant(4800, 0.5));
        voice.push(100_000, constant(480, 0.25));
        let mut other = Voice::default();
        other.push(100_000, constant(480, 0.5));
        let mut mix = constant(480, 0.0);
        voice.mix(4800, &mut mix);
        other.mix(4800, &mut mix);
        assert_eq!(mix, constant(480, 0.75));
    }

    #[test]
    fn loud_is_bent_and_never_over() {
        let mut mix = vec![0.5, -0.8, 0.9, 5.0, -100.0, f32::NAN, f32::INFINITY];
        soften(&mut mix);
        assert_eq!(mix[..2], [0.5, -0.8]);
        assert!(mix[2] > 0.8 && mix[2] < 0.9);
        assert!(mix.iter().all(|sample| sample.abs() <= 1.0), "{mix:?}");
    }

    #[test]
    fn a_voice_that_begins_between_two_pictures_keeps_its_time() {
        let mut voice = Voice::from(4800);
        // 8 ms before it is listened to.
        voice.push(92_000, constant(960, 0.5));
        assert_eq!(heard(&mut voice, 4800, 960), [constant(576, 0.5), constant(384, 0.0)].concat());
    }

    proptest! {
        #[test]
        fn each_moment_is_heard_once_however_it_is_cut(
            blocks in prop::collection::vec((0_u64..200, 0_usize..3000), 0..30),
            cuts in prop::collection::vec(1_usize..4000, 1..60),
        ) {
            let mut voice = Voice::default();
            let mut time_ms = 0;
            let mut pushed = 0;
            for (pause_ms, moments) in blocks {
                time_ms += pause_ms;
                let before = voice.end();
                voice.push(time_ms * 1000, constant(moments, 1.0));
                // Overlaps are left out, all else is taken.
                prop_assert!(voice.end() >= before);
                pushed += voice.blocks.back().filter(|_| voice.end() > before).map_or(0, |(_, block)| block.len());
            }
            let (mut from, mut count) = (0, 0);
            for cut in cuts {
                let mix = heard(&mut voice, from, cut);
                prop_assert!(mix.iter().all(|sample| *sample == 0.0 || *sample == 1.0), "never twice");
                count += mix.iter().filter(|sample| **sample == 1.0).count();
                from += u64::try_from(cut).unwrap_or_default();
            }
            let left: usize = voice.blocks.iter().map(|(_, block)| block.len()).sum();
            prop_assert_eq!(count + left, pushed);
            prop_assert_eq!(voice.waiting, u64::try_from(left / 2).unwrap_or_default());
        }
    }
}
