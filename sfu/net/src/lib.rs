//! Datagrams in and out of the kernel, over UDP or in frames over TCP, and the bed a worker sleeps in. Bytes only: no
//! protocol is known here.
//!
//! Owned by a worker's thread. On Linux a batch is received in a few calls (recvmmsg, with trains that the kernel
//! joined taken apart) and a pass of the worker is sent in one (sendmmsg, each message a train of datagrams that the
//! kernel cuts up). The [portable](Io::Portable) path does the same one datagram at a time. Nothing here logs: what
//! the kernel grants is a value ([`Features`]), what it refuses a count ([`NetStats`]).

mod datagram;
mod features;
#[cfg(target_os = "linux")]
mod linux;
mod portable;
mod ports;
mod socket;
mod stats;
mod steering;
mod tcp;
#[cfg(target_os = "linux")]
mod train;

pub use datagram::{Datagram, Ecn, MAX_DATAGRAM_LEN, Received};
pub use features::{CappedBuffer, Features};
pub use ports::{MAX_RECEIVE_BATCH, UdpOptions, UdpPorts, Waker};
pub use socket::Io;
pub use stats::NetStats;
pub use steering::{Instruction, PortHold};
pub use tcp::{
    CLAIMED_WITHIN, FIRST_FRAME_WITHIN, FrameTooLong, Framer, Lobby, LobbyDoor, LobbyStats, MAX_MEDIA_WAITING_LEN,
    MAX_UNCLAIMED, MAX_WAITING, MAX_WAITING_LEN, MAX_WAITING_PER_ADDRESS, Newcomer, StreamPath, Streams, TcpStats,
    Worth,
};
