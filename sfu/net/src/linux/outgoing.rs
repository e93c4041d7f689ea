//! Sending: a pass of the worker as a list of messages, each a train of datagrams that the kernel cuts up.
#![allow(unsafe_code, reason = "the kernel reads datagrams by address")]

use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use libc::iovec;

use super::address::Name;
use super::control::SegmentControl;
use super::message::{self, Header, Message};
use crate::ports::Port;
use crate::stats::Refusal;
use crate::train::{self, Train};
use crate::{Datagram, NetStats};

/// Messages gathered before a call: enough that its price is spread thin, few enough to stay in the cache.
const MAX_MESSAGES: usize = 256;
/// Datagrams in them.
const MAX_DATAGRAMS: usize = 1024;
/// A socket whose buffer is full takes nothing for a while; after so many refusals in a call the rest is dropped
/// without asking, since every answer costs a call.
const MAX_FULL: usize = 16;
/// Trains that one destination's path refuses say nothing about others. So many in a row, with none taken: no device
/// here cuts them.
const MAX_TRAINS_REFUSED: usize = 32;

/// A message as it is gathered.
struct Planned {
    port: usize,
    destination: Name,
    /// Its datagrams are the slices from here on.
    first: usize,
    train: Train,
}

/// Scratch space, kept from call to call so that nothing is allocated for a datagram.
pub(super) struct Outgoing {
    planned: Vec<Planned>,
    slices: Vec<iovec>,
    /// The messages of one port, and which planned ones they are.
    messages: Vec<Message>,
    indices: Vec<usize>,
    controls: Vec<SegmentControl>,
    sends_trains: bool,
    /// Trains refused since one was taken.
    refused_in_a_row: usize,
}

// SAFETY: the addresses in `slices` and `messages` are followed only within the call of `Outgoing::send` that wrote
// them, which holds the scratch space for itself. Between calls they are numbers, and any thread may hold them.
unsafe impl Send for Outgoing {}

impl Outgoing {
    pub(super) fn new(sends_trains: bool) -> Self {
        Self {
            planned: Vec::with_capacity(MAX_MESSAGES),
            slices: Vec::with_capacity(MAX_DATAGRAMS),
            messages: Vec::with_capacity(MAX_MESSAGES),
            indices: Vec::with_capacity(MAX_MESSAGES),
            controls: Vec::with_capacity(MAX_MESSAGES),
            sends_trains,
            refused_in_a_row: 0,
        }
    }

    pub(super) fn sends_trains(&self) -> bool {
        self.sends_trains
    }

    pub(super) fn send<'a>(
        &mut self,
        ports: &[Port],
        datagrams: impl IntoIterator<Item = Datagram<'a>>,
        stats: &mut NetStats,
    ) {
        let mut pass = Pass::begin(self, ports, stats);
        for datagram in datagrams {
            pass.push(datagram);
        }
        pass.flush();
    }
}

/// One call of [`Outgoing::send`]. What it holds addresses of lives for `'a`, longer than itself.
struct Pass<'s, 'a> {
    scratch: &'s mut Outgoing,
    ports: &'s [Port],
    stats: &'s mut NetStats,
    /// Where the last datagram left from, and its port: the next one mostly leaves from there too.
    last: Option<(SocketAddr, usize)>,
    /// Where the last datagram went.
    destination: Option<SocketAddr>,
    datagrams: PhantomData<&'a [u8]>,
}

impl<'s, 'a> Pass<'s, 'a> {
    fn begin(scratch: &'s mut Outgoing, ports: &'s [Port], stats: &'s mut NetStats) -> Self {
        // A caller whose iterator panicked left something.
        scratch.planned.clear();
        scratch.slices.clear();
        Self { scratch, ports, stats, last: None, destination: None, datagrams: PhantomData }
    }

    fn push(&mut self, datagram: Datagram<'a>) {
        let port = match self.last {
            Some((source, port)) if source == datagram.source => port,
            _ => {
                let Some(port) = self.ports.iter().position(|port| port.local == datagram.source) else {
                    return self.stats.count_unsent(Refusal::Other, 1);
                };
                self.last = Some((datagram.source, port));
                self.destination = None;
                port
            }
        };
        if self.scratch.slices.len() == MAX_DATAGRAMS {
            self.flush();
        }
        let len = datagram.contents.len();
        let joined = self.scratch.sends_trains
            && self.destination == Some(datagram.destination)
            && self.scratch.planned.last_mut().is_some_and(|last| last.train.join(len));
        if !joined {
            if self.scratch.planned.len() == MAX_MESSAGES {
                self.flush();
            }
            self.destination = Some(datagram.destination);
            self.scratch.planned.push(Planned {
                port,
                destination: datagram.destination.into(),
                first: self.scratch.slices.len(),
                train: Train::new(len),
            });
        }
        // The kernel only reads there.
        let address = datagram.contents.as_ptr().cast_mut().cast();
        self.scratch.slices.push(iovec { iov_base: address, iov_len: len });
    }

    fn flush(&mut self) {
        for port in 0..self.ports.len() {
            self.deliver(port);
        }
        self.scratch.planned.clear();
        self.scratch.slices.clear();
        self.destination = None;
    }

    /// Sends what leaves from one port.
    fn deliver(&mut self, port: usize) {
        self.list(port);
        let socket = self.ports[port].socket.as_fd();
        let count = self.scratch.messages.len();
        let (mut next, mut full) = (0, 0);
        while next < count && full < MAX_FULL {
            self.stats.send_calls += 1;
            // SAFETY: `list` wrote these messages from the datagrams of this pass, which live for 'a, and from the
            // names, slices and controls of the scratch space, which nobody has touched since.
            let result = unsafe { message::send(socket, &mut self.scratch.messages[next..]) };
            match result {
                Ok(taken) => {
                    // At least one, or the kernel broke its word: go on all the same.
                    let end = (next + taken.max(1)).min(count);
                    for index in next..end {
                        let train = self.scratch.planned[self.scratch.indices[index]].train;
                        self.stats.count_sent(train.datagrams, train.len);
                        if train.datagrams > 1 {
                            self.scratch.refused_in_a_row = 0;
                        }
                    }
                    next = end;
                }
                Err(error) => {
                    let planned = self.scratch.indices[next];
                    if Refusal::of(&error) == Refusal::Full {
                        full += 1;
                    }
                    self.refused(socket, planned, &error);
                    next += 1;
                }
            }
        }
        for index in next..count {
            let train = self.scratch.planned[self.scratch.indices[index]].train;
            self.stats.count_unsent(Refusal::Full, train.datagrams);
        }
    }

    /// Writes the messages of a port from what is planned. Addresses are those of shared borrows: the kernel reads
    /// what it sends, and so may we.
    fn list(&mut self, port: usize) {
        let Outgoing { planned, slices, messages, indices, controls, .. } = &mut *self.scratch;
        messages.clear();
        indices.clear();
        controls.clear();
        for (index, message) in planned.iter().enumerate().filter(|(_, message)| message.port == port) {
            let mut header = Header {
                name_len: message.destination.len,
                name: message.destination.as_ptr().cast_mut(),
                slices: slices[message.first..].as_ptr().cast_mut(),
                slice_count: message.train.datagrams,
                ..Header::EMPTY
            };
            if let (true, Ok(len)) = (message.train.datagrams > 1, u16::try_from(message.train.segment_len)) {
                controls.push(SegmentControl::new(len));
                header.control_len = size_of::<SegmentControl>();
            }
            indices.push(index);
            messages.push(Message { header, len: 0 });
        }
        // Now that no control moves any more.
        let with_control = messages.iter_mut().filter(|message| message.header.control_len > 0);
        for (message, control) in with_control.zip(controls.iter()) {
            message.header.control = (&raw const *control).cast_mut().cast();
        }
    }

    /// The kernel did not take a message. A train may be one that it will not cut: then its datagrams go one by one.
    fn refused(&mut self, socket: BorrowedFd<'_>, planned: usize, error: &io::Error) {
        let Planned { train, .. } = self.scratch.planned[planned];
        if train.datagrams == 1 || !is_about_trains(error) {
            return self.stats.count_unsent(Refusal::of(error), train.datagrams);
        }
        let sent_before = self.stats.sent;
        self.send_one_by_one(socket, planned);
        // When the single ones are refused as well, it was not about trains.
        if self.stats.sent > sent_before {
            self.stats.trains_refused += 1;
            self.scratch.refused_in_a_row += 1;
            if self.scratch.refused_in_a_row >= MAX_TRAINS_REFUSED {
                self.scratch.sends_trains = false;
            }
        }
    }

    fn send_one_by_one(&mut self, socket: BorrowedFd<'_>, planned: usize) {
        let Planned { destination, first, train, .. } = &self.scratch.planned[planned];
        let (name, name_len) = (destination.as_ptr().cast_mut(), destination.len);
        let mut messages = [Message::EMPTY; train::MAX_DATAGRAMS];
        for (message, slice) in messages.iter_mut().zip(&self.scratch.slices[*first..][..train.datagrams]) {
            let slices = (&raw const *slice).cast_mut();
            message.header = Header { name, name_len, slices, slice_count: 1, ..Header::EMPTY };
        }
        let mut next = 0;
        while next < train.datagrams {
            self.stats.send_calls += 1;
            // SAFETY: each message points to the name and one slice of a planned message of this pass, whose
            // datagrams live for 'a; all stay in their place until the end of this function.
            let result = unsafe { message::send(socket, &mut messages[next..train.datagrams]) };
            match result {
                Ok(taken) => {
                    let end = (next + taken.max(1)).min(train.datagrams);
                    for message in &messages[next..end] {
                        self.stats.count_sent(1, usize::try_from(message.len).unwrap_or(0));
                    }
                    next = end;
                }
                Err(error) => {
                    self.stats.count_unsent(Refusal::of(&error), 1);
                    next += 1;
                }
            }
        }
    }
}

/// What the kernel answers when it will not cut a train: no checksums on the device, a segment longer than the path
/// takes, no such option.
fn is_about_trains(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EIO | libc::EOPNOTSUPP | libc::EMSGSIZE))
}
