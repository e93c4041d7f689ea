//! A filter that chooses the socket of a shared port: classic BPF, which needs no privilege.
#![allow(unsafe_code, reason = "setsockopt with a program")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{sock_filter, sock_fprog, socklen_t};

use crate::Instruction;

/// Attaches a program to all sockets that share the address of this one, in place of the one there is.
pub(crate) fn attach(socket: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let mut filter: Vec<sock_filter> = program
        .iter()
        .map(|instruction| sock_filter {
            code: instruction.code,
            jt: instruction.jump_true,
            jf: instruction.jump_false,
            k: instruction.value,
        })
        .collect();
    let len = u16::try_from(filter.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = sock_fprog { len, filter: filter.as_mut_ptr() };
    let program_len = socklen_t::try_from(size_of_val(&program)).expect("a pointer and a length");
    // SAFETY: the descriptor is open while it is borrowed; `program` is as long as said, and points to `len`
    // instructions that live until the end of this function. The kernel copies and verifies them.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            program_len,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
