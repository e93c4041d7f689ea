//! Who was where, for how long: the sessions that people look at afterwards.
//!
//! A reader of the rooms' one log. What an event means for sessions ([`Step`]) is written in the transaction of the event
//! itself, so neither is there without the other. How everybody fared is kept by the [`Sampler`], and
//! [`Load`] what the server itself costs. Knows no door and no room's state.

mod load;
mod sampler;
mod step;

pub(crate) use load::{Load, LoadSample};
pub(crate) use sampler::{Sampler, Samples, Sampling, sample};
pub(crate) use step::Step;
