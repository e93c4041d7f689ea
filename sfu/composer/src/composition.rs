//! What a composite is to be: sizes, rates, who is where.

/// Who is where in the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// All of the same size; a shared screen large, with the others beside it.
    #[default]
    Grid,
    /// Who speaks is large, the others are beside. A shared screen comes before who speaks.
    Speaker,
    /// Who speaks, or the shared screen, and nobody else.
    SingleSpeaker,
}

/// Sound, pictures, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Media {
    /// Both.
    #[default]
    Both,
    /// Sound only.
    AudioOnly,
    /// Pictures only.
    VideoOnly,
}

/// The picture that everything is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    /// Pixels; even.
    pub width: u16,
    /// Pixels; even.
    pub height: u16,
    /// Pictures per second.
    pub fps: u16,
}

/// What a composite is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Composition {
    /// Who is where.
    pub layout: Layout,
    /// On what.
    pub canvas: Canvas,
    /// Bits per second of pictures.
    pub video_bps: u32,
    /// Bits per second of sound.
    pub audio_bps: u32,
    /// What of it.
    pub media: Media,
    /// Whether people's names stand in their pictures.
    pub names: bool,
}

impl Default for Composition {
    /// 720p with 30 pictures per second, as LiveKit's servers make it where nothing is said.
    fn default() -> Self {
        Self {
            layout: Layout::Grid,
            canvas: Canvas { width: 1280, height: 720, fps: 30 },
            video_bps: 3_000_000,
            audio_bps: 128_000,
            media: Media::Both,
            names: true,
        }
    }
}

impl Canvas {
    /// The nearest canvas that can be drawn on: even sides of 64 to 3840 pixels, 1 to 60 pictures per second.
    #[must_use]
    pub fn sane(self) -> Self {
        let side = |pixels: u16| pixels.clamp(64, 3840) / 2 * 2;
        Self { width: side(self.width), height: side(self.height), fps: self.fps.clamp(1, 60) }
    }

    /// When the picture of this number is shown, in microseconds from the first one.
    #[must_use]
    pub fn time_us(self, tick: u64) -> u64 {
        tick.saturating_mul(1_000_000) / u64::from(self.fps.max(1))
    }

    /// The number of the first picture that is not shown before this time.
    #[must_use]
    pub fn tick_at(self, time_us: u64) -> u64 {
        time_us.saturating_mul(u64::from(self.fps.max(1))).div_ceil(1_000_000)
    }
}

impl Media {
    /// Whether there are pictures.
    #[must_use]
    pub const fn has_video(self) -> bool {
        !matches!(self, Self::AudioOnly)
    }

    /// Whether there is sound.
    #[must_use]
    pub const fn has_audio(self) -> bool {
        !matches!(self, Self::VideoOnly)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_picture_is_the_first_at_its_own_time(fps in 1_u16..=60, tick in 0_u64..10_000_000) {
            let canvas = Canvas { width: 64, height: 64, fps };
            let time_us = canvas.time_us(tick);
            // Times are rounded down to microseconds, so the picture may count as the one that was due.
            prop_assert!(canvas.tick_at(time_us) == tick);
            prop_assert!(canvas.tick_at(time_us + 1) == tick + 1 || canvas.time_us(tick + 1) == time_us + 1);
        }

        #[test]
        fn any_canvas_becomes_one_that_can_be_drawn_on(width: u16, height: u16, fps: u16) {
            let canvas = Canvas { width, height, fps }.sane();
            prop_assert!(canvas.width.is_multiple_of(2) && canvas.height.is_multiple_of(2));
            prop_assert!((64..=3840).contains(&canvas.width) && (64..=3840).contains(&canvas.height));
            prop_assert!((1..=60).contains(&canvas.fps));
        }
    }
}
