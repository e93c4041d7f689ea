//! Sockets that share a port, and the program by which the kernel chooses among them.

use std::io;
use std::net::SocketAddr;

use socket2::Socket;

/// An instruction of a classic BPF program, as the kernel takes it. The program sees a datagram's payload, its headers
/// at negative offsets, and returns the number of a socket: they are counted in the order in which they were bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to skip when a condition holds.
    pub jump_true: u8,
    /// Instructions to skip when it does not.
    pub jump_false: u8,
    /// The operand.
    pub value: u32,
}

/// Second handles of a worker's sockets. While one is held a socket stays open, and so keeps its number among those
/// that share its port, though its worker is gone.
pub struct PortHold {
    sockets: Vec<(SocketAddr, Socket)>,
}

impl PortHold {
    pub(crate) fn new(sockets: Vec<(SocketAddr, Socket)>) -> Self {
        Self { sockets }
    }

    /// Attaches a program to each address of a family, for all sockets that share it. Replaces the one before at once:
    /// no datagram is lost or sees half of each.
    ///
    /// # Errors
    /// The kernel's: no such thing here (`Unsupported`), or a program longer than it takes (`OutOfMemory`).
    pub fn steer(&self, is_ipv4: bool, program: &[Instruction]) -> io::Result<()> {
        for (_, socket) in self.sockets.iter().filter(|(local, _)| local.is_ipv4() == is_ipv4) {
            attach(socket, program)?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn attach(socket: &Socket, program: &[Instruction]) -> io::Result<()> {
    use std::os::fd::AsFd;
    crate::linux::attach(socket.as_fd(), program)
}

#[cfg(not(target_os = "linux"))]
fn attach(_: &Socket, _: &[Instruction]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
