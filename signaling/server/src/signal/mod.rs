//! A signal connection: the WebSocket between one client and its room.
//!
//! [`request`] reads how a client wants in, [`frame`] is the wire form of messages, [`outbox`] the bounded
//! way from the room, [`connection`] the loop that joins them.

pub(crate) mod connection;
pub(crate) mod frame;
pub(crate) mod outbox;
pub(crate) mod request;
