//! The system's randomness, for machines that take theirs from outside.

use sluice_core::Random;

pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system's randomness is there after boot");
    }
}
