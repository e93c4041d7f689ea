//! Stories of one subscription, codec by codec, and a property over all of them: what goes out is decodable.

#![allow(clippy::unwrap_used, reason = "tests")]

mod model;
mod properties;
mod simulcast;
mod source;
mod stories;
