//! How often a publisher is asked for a key frame, however many subscribers ask.

use std::time::{Duration, Instant};

/// A key frame costs several times a normal one; two a second keep every late joiner and every loss served.
const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// The requests of one layer of one track.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyframeRequests {
    asked_at: Option<Instant>,
    is_pending: bool,
}

impl KeyframeRequests {
    /// Somebody needs a key frame. True when the publisher is to be asked now; otherwise the request waits
    /// until [`Self::poll`] says so.
    pub(crate) fn handle_request(&mut self, now: Instant) -> bool {
        self.is_pending = true;
        self.poll(now)
    }

    /// True when a waiting request is due.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        let due = self.is_pending && self.asked_at.is_none_or(|at| now.saturating_duration_since(at) >= MIN_INTERVAL);
        if due {
            self.asked_at = Some(now);
            self.is_pending = false;
        }
        due
    }

    /// A key frame came: whoever waited is served.
    pub(crate) fn handle_keyframe(&mut self) {
        self.is_pending = false;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

    use super::*;

    #[test]
    fn a_flood_of_requests_becomes_two_a_second() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        let asked = (0..10_000)
            .filter(|i| requests.handle_request(start + Duration::from_micros(100 * i)))
            .count();
        assert_eq!(asked, 2);
    }

    #[test]
    fn a_refused_request_is_not_forgotten_unless_served() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        assert!(requests.handle_request(start));
        assert!(!requests.handle_request(start + Duration::from_millis(100)));
        assert!(!requests.poll(start + Duration::from_millis(499)));
        assert!(requests.poll(start + MIN_INTERVAL));
        assert!(!requests.handle_request(start + Duration::from_millis(600)));
        requests.handle_keyframe();
        assert!(!requests.poll(start + Duration::from_secs(9)));
    }
}
