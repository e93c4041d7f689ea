//! Which packets vanish: each for itself, or several in a row (the model of Gilbert and Elliott, in its simplest form:
//! in the bad state everything is lost, in the good one nothing).

use crate::settings::Settings;

/// The state between packets.
#[derive(Debug, Default)]
pub(crate) struct Loss {
    /// The last packet vanished.
    is_bad: bool,
}

impl Loss {
    /// Whether the next packet vanishes.
    pub(crate) fn takes_next(&mut self, settings: &Settings, random: &mut fastrand::Rng) -> bool {
        let Settings { loss, burst, .. } = *settings;
        let chance = if burst <= 1.0 || loss <= 0.0 || loss >= 1.0 {
            loss
        } else if self.is_bad {
            // It stays bad for `burst` packets on average ...
            1.0 - 1.0 / burst
        } else {
            // ... and turns bad so often that the share comes out right.
            (loss / (burst * (1.0 - loss))).min(1.0)
        };
        self.is_bad = random.f64() < chance;
        self.is_bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: usize = 200_000;

    /// The share of packets lost, and how many in a row on average.
    fn measured(loss: f64, burst: f64) -> (f64, f64) {
        let settings = Settings { loss, burst, ..Settings::default() };
        let mut random = fastrand::Rng::with_seed(7);
        let mut process = Loss::default();
        let (mut lost, mut bursts, mut was_lost) = (0.0, 0.0, false);
        for _ in 0..PACKETS {
            let is_lost = process.takes_next(&settings, &mut random);
            lost += f64::from(u8::from(is_lost));
            bursts += f64::from(u8::from(is_lost && !was_lost));
            was_lost = is_lost;
        }
        (lost / PACKETS as f64, lost / f64::max(bursts, 1.0))
    }

    #[test]
    fn the_share_is_right_however_it_clusters() {
        for burst in [1.0, 3.0, 10.0] {
            let (share, _) = measured(0.05, burst);
            assert!((0.045..0.055).contains(&share), "{share} lost with bursts of {burst}");
        }
    }

    #[test]
    fn bursts_have_their_length() {
        let (_, length) = measured(0.05, 4.0);
        assert!((3.8..4.2).contains(&length), "{length}");
        let (_, length) = measured(0.05, 1.0);
        assert!((1.0..1.1).contains(&length), "{length}");
    }

    #[test]
    fn nothing_and_everything() {
        assert_eq!(measured(0.0, 5.0), (0.0, 0.0));
        assert!(measured(1.0, 5.0).0 >= 1.0);
    }
}
