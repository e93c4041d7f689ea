//! The worker's randomness in a simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::Rng;
use rand_chacha::ChaCha20Rng;
use sluice_core::Random;

/// A generator from a seed, that can be told to break.
pub(crate) struct Seeded {
    pub(crate) random: ChaCha20Rng,
    pub(crate) is_broken: Arc<AtomicBool>,
}

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        assert!(!self.is_broken.load(Ordering::Relaxed), "the scripted bug");
        self.random.fill_bytes(bytes);
    }
}
