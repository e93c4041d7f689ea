//! Receiving: a list of messages in a call, each a datagram or a train of them.
#![allow(unsafe_code, reason = "the kernel writes into buffers by address")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

use libc::iovec;

use super::address::Name;
use super::control::{ControlRoom, Notes};
use super::message::{self, Header, Message};
use crate::ports::After;
use crate::{MAX_DATAGRAM_LEN, NetStats, Received};

/// Messages of a call. More gain nothing: what a call costs is small beside what a datagram costs.
const MESSAGES: usize = 16;
/// A train the kernel joined is as long as an IP datagram at most. Memory that is never written is never there.
const TRAIN_ROOM: usize = 1 << 16;
/// Without trains: one byte more than is handed over, so that a longer datagram is seen to be one.
const DATAGRAM_ROOM: usize = MAX_DATAGRAM_LEN + 1;
/// Errors of earlier datagrams (ICMP) that are read away before others get their turn.
const MAX_ERRORS: usize = 16;

/// Where the kernel writes. Everything is of fixed size, so that addresses hold.
pub(super) struct Incoming {
    /// So much room in `bytes` for each message.
    room: usize,
    bytes: Box<[u8]>,
    names: [Name; MESSAGES],
    controls: [ControlRoom; MESSAGES],
}

impl Incoming {
    pub(super) fn new(takes_trains: bool) -> Self {
        let room = if takes_trains { TRAIN_ROOM } else { DATAGRAM_ROOM };
        Self {
            room,
            bytes: vec![0; room * MESSAGES].into_boxed_slice(),
            names: [Name::EMPTY; MESSAGES],
            controls: [ControlRoom::EMPTY; MESSAGES],
        }
    }

    /// Takes about `limit` datagrams, and makes no more calls once it was told to stop.
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        local: SocketAddr,
        limit: usize,
        stats: &mut NetStats,
        take: &mut impl FnMut(Received<'_>) -> ControlFlow<()>,
    ) -> After {
        let (mut left, mut errors) = (limit, 0);
        while left > 0 && errors < MAX_ERRORS {
            let wanted = left.min(MESSAGES);
            stats.receive_calls += 1;
            let mut slices = [iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MESSAGES];
            let mut messages = [Message::EMPTY; MESSAGES];
            let places = self.bytes.chunks_exact_mut(self.room).zip(&mut self.names).zip(&mut self.controls);
            for ((slice, message), ((bytes, name), control)) in slices.iter_mut().zip(&mut messages).zip(places) {
                *slice = iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
                message.header = Header {
                    name: name.as_mut_ptr(),
                    name_len: Name::ROOM,
                    slices: slice,
                    slice_count: 1,
                    control: control.0.as_mut_ptr().cast(),
                    control_len: control.0.len(),
                    flags: 0,
                };
            }
            // SAFETY: each message points to a slice, name and control of its own in arrays that live until the end of
            // this iteration, with their true lengths; nothing else refers to them during the call.
            let received = unsafe { message::receive(socket, &mut messages[..wanted]) };
            let count = match received {
                Ok(count) => count.min(wanted),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return After::Drained,
                // An ICMP error of an earlier datagram, or an interruption; the next call reads on.
                Err(_) => {
                    errors += 1;
                    continue;
                }
            };
            let mut has_enough = false;
            for (index, message) in messages[..count].iter().enumerate() {
                let (len, control_len) = (usize::try_from(message.len).unwrap_or(0), message.header.control_len);
                let bytes = &self.bytes[index * self.room..][..len.min(self.room)];
                let control = &self.controls[index].0;
                let notes = Notes::read(&control[..control_len.min(control.len())]);
                let Some(source) = self.names[index].address() else { continue };
                // A datagram without bytes is one all the same.
                let segment_len = notes.segment_len.unwrap_or(bytes.len()).max(1);
                let mut hand_over = |datagram: &[u8]| {
                    stats.count_received(datagram.len());
                    left = left.saturating_sub(1);
                    let contents = &datagram[..datagram.len().min(MAX_DATAGRAM_LEN)];
                    let received = Received { source, destination: local, ecn: notes.ecn, contents };
                    has_enough |= take(received).is_break();
                };
                if bytes.is_empty() {
                    hand_over(bytes);
                } else {
                    bytes.chunks(segment_len).for_each(hand_over);
                }
            }
            // Fewer than there was room for: the socket was empty when the kernel looked for one more, and what comes
            // now is reported as new.
            if count < wanted {
                return After::Drained;
            }
            if has_enough {
                return After::Enough;
            }
        }
        After::Limit
    }
}
