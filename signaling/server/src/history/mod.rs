//! Who was where, for how long: the sessions that people look at afterwards.
//!
//! A reader of the rooms' one log. What an event means for sessions ([`Step`]) is written in the transaction of the event
//! itself, so neither is there without the other. Knows no door and no room's state.

mod step;

pub(crate) use step::Step;
