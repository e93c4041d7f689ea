//! How much arrives: bytes acknowledged over the last half second of the receiver's clock.
//!
//! Owned by the controller. Buckets of 10 ms instead of packets, so that memory does not depend on the rate.

use std::collections::VecDeque;

use crate::clock::{MILLISECOND, Micros, SECOND, bits, seconds};

/// Long enough to hold some fifteen pictures: the rate does not follow single ones.
const WINDOW: Micros = 500 * MILLISECOND;
/// Under congestion the link itself spaces the packets, and the newest matter.
const RECENT: Micros = 250 * MILLISECOND;
/// Resolution, and so at most 51 buckets.
const BUCKET: Micros = 10 * MILLISECOND;
/// Less than this says nothing.
const MIN_SPAN: Micros = 80 * MILLISECOND;
/// An arrival this far from the last is a jump of the clock, or a pause as good as one.
const JUMP: Micros = 2 * SECOND;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    arrived: Micros,
    first_sent: Micros,
    bytes: u64,
}

/// What arrived in a span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Throughput {
    /// Bits per second that arrived.
    pub(crate) bps: f64,
    /// Time in which it arrived over time in which it was sent: above 1 a queue grew.
    pub(crate) stretch: f64,
}

/// The window.
#[derive(Debug, Default)]
pub(crate) struct AcknowledgedThroughput {
    buckets: VecDeque<Bucket>,
}

impl AcknowledgedThroughput {
    /// Takes a packet, in order of arrival within one feedback.
    pub(crate) fn add(&mut self, sent: Micros, arrived: Micros, bytes: u16) {
        let bytes = u64::from(bytes);
        let Some(last) = self.buckets.back_mut() else {
            self.buckets.push_back(Bucket { arrived, first_sent: sent, bytes });
            return;
        };
        if arrived.abs_diff(last.arrived) > JUMP.unsigned_abs() {
            self.buckets.clear();
            self.buckets.push_back(Bucket { arrived, first_sent: sent, bytes });
            return;
        }
        if arrived - last.arrived < BUCKET {
            // What arrived before the last bucket began is late: it counts, but moves no time.
            last.bytes += bytes;
            return;
        }
        self.buckets.push_back(Bucket { arrived, first_sent: sent, bytes });
        while self.buckets.front().is_some_and(|first| arrived - first.arrived > WINDOW) {
            self.buckets.pop_front();
        }
    }

    /// Over the whole window.
    pub(crate) fn smooth(&self) -> Option<Throughput> {
        self.over(WINDOW)
    }

    /// Over its newest part.
    pub(crate) fn recent(&self) -> Option<Throughput> {
        self.over(RECENT)
    }

    fn over(&self, window: Micros) -> Option<Throughput> {
        let last = self.buckets.back()?;
        let first = self.buckets.iter().find(|bucket| last.arrived - bucket.arrived <= window)?;
        let arrived_span = last.arrived - first.arrived;
        if arrived_span < MIN_SPAN {
            return None;
        }
        // From the beginning of the first bucket to the beginning of the last: what the last holds came after.
        let all: u64 = self
            .buckets
            .iter()
            .filter(|bucket| last.arrived - bucket.arrived <= window)
            .map(|bucket| bucket.bytes)
            .sum();
        let sent_span = (last.first_sent - first.first_sent).max(1);
        Some(Throughput {
            bps: bits(all - last.bytes) / seconds(arrived_span),
            stretch: seconds(arrived_span) / seconds(sent_span),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn pictures_in_bursts_average_out_and_a_slower_link_shows() {
        let mut window = AcknowledgedThroughput::default();
        assert_eq!(window.smooth(), None);
        // 30 pictures a second of 4 packets of 1000 bytes: 960 kbit/s.
        for picture in 0..60 {
            for packet in 0..4 {
                let sent = picture * 33_333 + packet * 500;
                window.add(sent, sent + 40_000, 1000);
            }
        }
        let seen = window.smooth().unwrap();
        assert!((0.93..1.07).contains(&(seen.bps / 960e3)), "{seen:?}");
        assert!((0.95..1.05).contains(&seen.stretch), "{seen:?}");
        // The same pictures through 480 kbit/s.
        let begin = 60 * 33_333;
        for packet in 0..120 {
            window.add(begin + packet * 8_333, begin + 40_000 + packet * 16_667, 1000);
        }
        let seen = window.recent().unwrap();
        assert!((0.9..1.1).contains(&(seen.bps / 480e3)), "{seen:?}");
        assert!((1.9..2.1).contains(&seen.stretch), "{seen:?}");
        assert!(window.buckets.len() <= 52);
    }
}
