//! Randomness from outside: the system's in a server, a seed in a simulation.

/// A source of bytes nobody can foretell.
pub trait Random: Send {
    /// Fills the buffer.
    fn fill(&mut self, bytes: &mut [u8]);
}
