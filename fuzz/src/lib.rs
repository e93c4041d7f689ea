//! Coverage-guided fuzzing of every parser that reads a stranger's bytes.
//!
//! `cargo xtask fuzz [--seconds N]` builds the targets with coverage instrumentation and runs each for a
//! while; the test command runs them briefly. A finding is written to `fuzz/artifacts/`, and belongs into the
//! parser's own tests once it is understood.
