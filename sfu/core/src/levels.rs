//! How loud a track was, from the levels its packets carry (RFC 6464): readable when the sound is encrypted.

/// Quieter than this is no speech: LiveKit's threshold for an active speaker.
const SPEECH_DBOV: u8 = 35;

/// Levels of one track over a reporting interval.
#[derive(Debug, Default)]
pub(crate) struct LevelMeter {
    packets: u32,
    active_packets: u32,
    loudest_dbov: Option<u8>,
}

/// What a meter saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) level_dbov: u8,
    pub(crate) active_percent: u8,
}

impl LevelMeter {
    /// A packet's level as -dBov, 0 (loudest) to 127 (RFC 6464).
    pub(crate) fn handle_level(&mut self, dbov: u8) {
        self.packets += 1;
        if dbov <= SPEECH_DBOV {
            self.active_packets += 1;
        }
        self.loudest_dbov = Some(self.loudest_dbov.map_or(dbov, |loudest| loudest.min(dbov)));
    }

    /// The interval is over. `None` when nothing came.
    pub(crate) fn take(&mut self) -> Option<Reading> {
        let level_dbov = self.loudest_dbov.take()?;
        let active_percent = u8::try_from(self.active_packets * 100 / self.packets.max(1)).unwrap_or(100);
        *self = Self::default();
        Some(Reading { level_dbov, active_percent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_packet_and_the_share_of_speech_are_told_once() {
        let mut meter = LevelMeter::default();
        for level in [127, 20, 30, 60] {
            meter.handle_level(level);
        }
        assert_eq!(meter.take(), Some(Reading { level_dbov: 20, active_percent: 50 }));
        assert_eq!(meter.take(), None);
    }
}
