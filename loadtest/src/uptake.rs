//! How somebody takes what comes: at once, slowly, or not at all. Who is slow or dead is there to see what that costs the
//! others, and is in no figure of theirs.

use std::time::{Duration, Instant};

/// Of a participant that receives, from the moment measuring begins. Until then everybody takes everything at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Uptake {
    /// Everything, at once.
    #[default]
    Whole,
    /// So many bits of datagrams a second. The rest waits in its socket, and what finds no place there is lost.
    Slow {
        /// Bits per second.
        bps: u32,
    },
    /// Nothing, and nothing is said any more; its signal connection stays.
    None,
}

/// Bytes that wait in front of somebody slow, as the kernel counts, which is twice what they are: some seconds, as in a
/// bad router.
pub(crate) const SLOW_BUFFER: usize = 64 << 10;

/// Lets a slow reader read.
#[derive(Debug)]
pub(crate) struct Gate {
    uptake: Uptake,
    next_at: Option<Instant>,
}

impl Gate {
    pub(crate) fn new(uptake: Uptake) -> Self {
        Self { uptake, next_at: None }
    }

    /// It neither reads nor speaks.
    pub(crate) fn is_shut(&self) -> bool {
        self.uptake == Uptake::None
    }

    /// When it may read again; `None`: now.
    pub(crate) fn opens_at(&self, now: Instant) -> Option<Instant> {
        self.next_at.filter(|at| *at > now)
    }

    /// It has read a datagram of so many bytes.
    pub(crate) fn handle_read(&mut self, len: usize, now: Instant) {
        if let Uptake::Slow { bps } = self.uptake {
            let takes = Duration::from_secs_f64(crate::number::float(len as u64) * 8.0 / f64::from(bps.max(1)));
            self.next_at = Some(self.next_at.map_or(now, |at| at.max(now)) + takes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes read in a second of which so many are there to be read at every moment.
    fn reads(uptake: Uptake) -> usize {
        let (mut gate, begin, mut bytes) = (Gate::new(uptake), Instant::now(), 0);
        for us in (0..1_000_000).step_by(1_000) {
            let now = begin + Duration::from_micros(us);
            if gate.opens_at(now).is_none() {
                gate.handle_read(1_000, now);
                bytes += 1_000;
            }
        }
        bytes
    }

    #[test]
    fn who_is_slow_reads_so_much_and_others_everything() {
        assert_eq!(reads(Uptake::Whole), 1_000_000);
        assert!((36_000..=38_000).contains(&reads(Uptake::Slow { bps: 300_000 })));
    }
}
