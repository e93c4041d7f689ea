//! Connections that carry datagrams in frames (RFC 4571), as ICE over TCP has them (RFC 6544).
//!
//! The [`Lobby`] accepts them and waits for the first frame of each, which says to its owner whose it is. [`Streams`] are
//! those of one worker, polled in its [bed](crate::UdpPorts). What waits is bounded in number, time and bytes
//! everywhere; nothing here blocks, and no clock is read.

mod backlog;
mod framer;
mod lobby;
mod streams;

pub use backlog::{MAX_MEDIA_WAITING_LEN, MAX_WAITING_LEN, Worth};
pub use framer::{FrameTooLong, Framer};
pub use lobby::{FIRST_FRAME_WITHIN, Lobby, LobbyDoor, LobbyStats, MAX_WAITING, MAX_WAITING_PER_ADDRESS, Newcomer};
pub use streams::{CLAIMED_WITHIN, MAX_UNCLAIMED, StreamPath, Streams, TcpStats};
