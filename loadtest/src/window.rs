//! The time that is measured. A packet belongs to it by when it was sent, so nothing is lost at its edges.

use std::sync::atomic::{AtomicU64, Ordering};

/// From when to when, in nanoseconds of the run's clock; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) begin_ns: u64,
    pub(crate) end_ns: u64,
}

impl Window {
    pub(crate) fn contains(self, ns: u64) -> bool {
        (self.begin_ns..self.end_ns).contains(&ns)
    }
}

/// The window as the conductor announces it to the media threads. Until then it is empty and far away.
#[derive(Debug)]
pub(crate) struct Announced {
    begin_ns: AtomicU64,
    end_ns: AtomicU64,
}

impl Default for Announced {
    fn default() -> Self {
        Self { begin_ns: AtomicU64::new(u64::MAX), end_ns: AtomicU64::new(u64::MAX) }
    }
}

impl Announced {
    /// Told once, a moment before it begins.
    pub(crate) fn announce(&self, window: Window) {
        self.end_ns.store(window.end_ns, Ordering::Release);
        self.begin_ns.store(window.begin_ns, Ordering::Release);
    }

    pub(crate) fn get(&self) -> Window {
        let begin_ns = self.begin_ns.load(Ordering::Acquire);
        Window { begin_ns, end_ns: self.end_ns.load(Ordering::Acquire) }
    }
}
