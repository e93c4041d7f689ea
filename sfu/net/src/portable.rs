//! One datagram in a call: slower, and the same wherever there is UDP.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::ops::ControlFlow;

use mio::net::UdpSocket;

use crate::ports::After;
use crate::stats::Refusal;
use crate::{Datagram, Ecn, MAX_DATAGRAM_LEN, NetStats, Received};

/// One byte more than is handed over, so that a longer datagram is seen to be one.
const BUFFER_LEN: usize = MAX_DATAGRAM_LEN + 1;

pub(crate) struct Portable {
    buffer: Box<[u8; BUFFER_LEN]>,
}

impl Portable {
    pub(crate) fn new() -> Self {
        Self { buffer: Box::new([0; BUFFER_LEN]) }
    }

    /// Takes at most `limit` datagrams, and none after it was told to stop.
    pub(crate) fn receive(
        &mut self,
        socket: &UdpSocket,
        local: SocketAddr,
        limit: usize,
        stats: &mut NetStats,
        take: &mut impl FnMut(Received<'_>) -> ControlFlow<()>,
    ) -> After {
        for _ in 0..limit {
            stats.receive_calls += 1;
            match socket.recv_from(self.buffer.as_mut_slice()) {
                Ok((len, source)) => {
                    stats.count_received(len);
                    let contents = &self.buffer[..len.min(MAX_DATAGRAM_LEN)];
                    if take(Received { source, destination: local, ecn: Ecn::NotEct, contents }).is_break() {
                        return After::Enough;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return After::Drained,
                // An ICMP error of an earlier datagram; the next call reads on.
                Err(_) => {}
            }
        }
        After::Limit
    }

    pub(crate) fn send(&mut self, socket: &UdpSocket, datagram: &Datagram<'_>, stats: &mut NetStats) {
        stats.send_calls += 1;
        match send(socket, datagram) {
            Ok(len) => stats.count_sent(1, len),
            Err(error) => stats.count_unsent(Refusal::of(&error), 1),
        }
    }
}

fn send(socket: &UdpSocket, datagram: &Datagram<'_>) -> io::Result<usize> {
    socket.send_to(datagram.contents, datagram.destination)
}
