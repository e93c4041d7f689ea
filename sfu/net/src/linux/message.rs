//! The kernel's list of messages, and the two calls that take one.
//!
//! In the kernel's own layout and by its own door: C libraries differ in both (musl sends a list one by one).
#![allow(unsafe_code, reason = "sendmmsg and recvmmsg")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::null_mut;

use libc::{c_int, c_long, c_uint, c_void, iovec};

/// `struct mmsghdr`: a message, and how much of it was sent or received.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Message {
    pub(super) header: Header,
    /// Bytes, written by the kernel.
    pub(super) len: c_uint,
}

/// `struct msghdr`: where a message's parts are.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Header {
    pub(super) name: *mut c_void,
    pub(super) name_len: u32,
    pub(super) slices: *mut iovec,
    pub(super) slice_count: usize,
    pub(super) control: *mut c_void,
    pub(super) control_len: usize,
    pub(super) flags: c_uint,
}

impl Header {
    pub(super) const EMPTY: Self = Self {
        name: null_mut(),
        name_len: 0,
        slices: null_mut(),
        slice_count: 0,
        control: null_mut(),
        control_len: 0,
        flags: 0,
    };
}

impl Message {
    pub(super) const EMPTY: Self = Self { header: Header::EMPTY, len: 0 };
}

// Where the C library keeps to the kernel's layout, ours is compared with it.
#[cfg(target_env = "gnu")]
const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<Message>() == size_of::<libc::mmsghdr>());
    assert!(offset_of!(Header, slices) == offset_of!(libc::msghdr, msg_iov));
    assert!(offset_of!(Header, control) == offset_of!(libc::msghdr, msg_control));
    assert!(offset_of!(Header, flags) == offset_of!(libc::msghdr, msg_flags));
    assert!(offset_of!(Message, len) == offset_of!(libc::mmsghdr, msg_len));
};

/// Sends the messages from the first on; says how many were taken, at least one.
///
/// # Errors
/// Why the first was not taken.
///
/// # Safety
/// In each message `name` points to `name_len` bytes that can be read, `control` to `control_len`, `slices` to
/// `slice_count` slices, each of memory that can be read: until the call returns.
pub(super) unsafe fn send(socket: BorrowedFd<'_>, messages: &mut [Message]) -> io::Result<usize> {
    let flags: c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the descriptor is open while it is borrowed; the list is as long as it says; the kernel writes `len` of
    // each message and reads what the caller vouches for.
    let result =
        unsafe { libc::syscall(libc::SYS_sendmmsg, socket.as_raw_fd(), messages.as_mut_ptr(), count(messages), flags) };
    taken(result)
}

/// Receives at most so many messages; says how many came, at least one.
///
/// # Errors
/// Why none came.
///
/// # Safety
/// In each message `name` points to `name_len` bytes that can be written, `control` to `control_len`, `slices` to
/// `slice_count` slices, each of memory that can be written and that nothing else refers to: until the call returns.
pub(super) unsafe fn receive(socket: BorrowedFd<'_>, messages: &mut [Message]) -> io::Result<usize> {
    let no_timeout: *mut libc::timespec = null_mut();
    // SAFETY: the descriptor is open while it is borrowed; the list is as long as it says; the kernel writes into
    // each message and into what the caller vouches for.
    let result = unsafe {
        libc::syscall(
            libc::SYS_recvmmsg,
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            count(messages),
            libc::MSG_DONTWAIT,
            no_timeout,
        )
    };
    taken(result)
}

fn count(messages: &[Message]) -> c_uint {
    c_uint::try_from(messages.len()).unwrap_or(c_uint::MAX)
}

fn taken(result: c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
