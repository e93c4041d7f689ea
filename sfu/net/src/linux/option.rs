//! Socket options that no safe wrapper has.
#![allow(unsafe_code, reason = "setsockopt")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, socklen_t};

/// `setsockopt` with an integer.
pub(crate) fn set(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let len = socklen_t::try_from(size_of_val(&value)).expect("an integer is a few bytes long");
    // SAFETY: the descriptor is open while it is borrowed; the kernel reads `len` bytes at the address of `value`,
    // which is as long, and keeps nothing.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
