//! How bad one direction of the link is, and how that is written: `rate=500000 delay=25 queue=30000`. It knows nothing
//! of what is done with it.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// One direction. What is not mentioned is perfect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    /// `rate=`: bits per second, IP headers included. `None`: as fast as it can be read.
    pub(crate) rate_bps: Option<u64>,
    /// `delay=`: milliseconds that every packet travels.
    pub(crate) delay: Duration,
    /// `jitter=`: up to so many milliseconds more, evenly spread. Packets wait for those before them: nothing is
    /// reordered.
    pub(crate) jitter: Duration,
    /// `loss=`: percent of the packets that vanish, here as a share of one.
    pub(crate) loss: f64,
    /// `burst=`: how many packets vanish in a row, on average. Up to 1: each for itself.
    pub(crate) burst: f64,
    /// `queue=`: bytes that may wait for their turn while there is a rate; who comes then is dropped.
    pub(crate) queue_bytes: usize,
    /// `udp=0`: a firewall that lets no UDP through, and tells nobody.
    pub(crate) lets_udp_through: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate_bps: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            burst: 1.0,
            // A little more than a home router has.
            queue_bytes: 64 * 1024,
            lets_udp_through: true,
        }
    }
}

impl Settings {
    /// Reads `key=value` words.
    ///
    /// # Errors
    /// An unknown key, a value that is no number, or one out of its range.
    pub(crate) fn parse(words: &str) -> anyhow::Result<Self> {
        let mut settings = Self::default();
        for word in words.split_whitespace() {
            let (key, value) = word.split_once('=').with_context(|| format!("{word} is not key=value"))?;
            let wrong = || format!("{key} cannot be {value}");
            match key {
                "rate" => settings.rate_bps = Some(value.parse().with_context(wrong)?).filter(|rate| *rate > 0),
                "delay" => settings.delay = milliseconds(value).with_context(wrong)?,
                "jitter" => settings.jitter = milliseconds(value).with_context(wrong)?,
                "loss" => settings.loss = number(value, 0.0, 100.0).with_context(wrong)? / 100.0,
                "burst" => settings.burst = number(value, 0.0, 1000.0).with_context(wrong)?,
                "queue" => settings.queue_bytes = value.parse().with_context(wrong)?,
                "udp" => settings.lets_udp_through = number(value, 0.0, 1.0).with_context(wrong)? > 0.0,
                _ => bail!("unknown setting {key}: there are rate, delay, jitter, loss, burst, queue, udp"),
            }
        }
        Ok(settings)
    }
}

/// Up to a minute.
fn milliseconds(value: &str) -> anyhow::Result<Duration> {
    Ok(Duration::from_secs_f64(number(value, 0.0, 60_000.0)? / 1000.0))
}

fn number(value: &str, from: f64, to: f64) -> anyhow::Result<f64> {
    let number: f64 = value.parse()?;
    ensure!((from..=to).contains(&number), "it is between {from} and {to}");
    Ok(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_not_mentioned_is_perfect() {
        assert_eq!(Settings::parse("").unwrap(), Settings::default());
        assert_eq!(Settings::parse("rate=0").unwrap().rate_bps, None);
    }

    #[test]
    fn everything_can_be_said() {
        let settings = Settings::parse("rate=500000 delay=25 jitter=2.5 loss=5 burst=3 queue=30000 udp=0").unwrap();
        assert_eq!(
            settings,
            Settings {
                rate_bps: Some(500_000),
                delay: Duration::from_millis(25),
                jitter: Duration::from_micros(2500),
                loss: 0.05,
                burst: 3.0,
                queue_bytes: 30_000,
                lets_udp_through: false,
            }
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for nonsense in ["rate", "rate=fast", "speed=1", "loss=101", "delay=-1", "delay=NaN", "jitter=inf", "udp=no"] {
            assert!(Settings::parse(nonsense).is_err(), "{nonsense}");
        }
    }
}
