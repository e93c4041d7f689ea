//! What can go wrong, in words for whoever runs the load.

use std::net::SocketAddr;

/// Why a load cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The address of the server is not one.
    #[error(
        "--url {0:?} is no server's address\n  accepted: ws, wss, http or https://HOST:PORT, such as ws://localhost:7880"
    )]
    Url(String),
    /// Nobody vouches for servers.
    #[error("cannot trust any server: {0}: {1}\n  name the certificate that vouches for it with --ca FILE")]
    Trust(String, String),
    /// A token cannot be signed.
    #[error("cannot sign a token with the API key given: {0}")]
    Token(#[from] livekit_token::AccessTokenError),
    /// Nobody got in.
    #[error("nobody could join: {0}\n  is a server running at {1}, and are --api-key and --api-secret its own?")]
    NobodyJoined(String, String),
    /// The server does not list its rooms.
    #[error("cannot read the list of rooms at {0}")]
    NoRooms(String),
    /// The server does not record.
    #[error("cannot record as --recordings asks: {0}\n  does the server record, and may its --api-key?")]
    NotRecorded(String),
    /// The server's process cannot be read.
    #[error("--server-pid {0}: cannot read its processor time: {1}\n  is it the server's process, on this machine?")]
    Process(u32, std::io::Error),
    /// The system refuses sockets or threads.
    #[error("cannot {0}: {1}")]
    System(&'static str, std::io::Error),
    /// A file cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(String, std::io::Error),
    /// A bug.
    #[error("a bug: {0}")]
    Bug(&'static str),
}

/// Why a participant could not take part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerError {
    #[error("cannot reach the server: {0}")]
    Unreachable(String),
    #[error("the server refused with HTTP status {0}")]
    Refused(u16),
    #[error("the server did not answer in time")]
    Late,
    #[error("the server closed the signal connection")]
    Closed,
    #[error("the server said leave: {0}")]
    Leave(String),
    #[error("the server's description cannot be used: {0}")]
    Description(String),
    #[error("no address {0} to send from")]
    Address(SocketAddr),
    #[error("no UDP socket: {0} (raise the limit of open files: ulimit -n)")]
    Socket(String),
    #[error("no certificate could be made")]
    Crypto,
    #[error("it could not keep up with its own signaling")]
    Overrun,
}
