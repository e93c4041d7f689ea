//! Where a stream is pushed to: RTMP, RTMPS, SRT.
//!
//! An address holds the key that lets others send there. It is never shown, nor is what ffmpeg says of it: reasons are
//! words of ours.

use std::fmt;
use std::process::Command;

use crate::ffmpeg::Ffmpeg;

/// Bytes of an address.
const MAX_BYTES: usize = 2048;

/// An address to push to, and what it is shown as.
#[derive(Clone, PartialEq, Eq)]
pub struct PushAddress {
    url: String,
}

/// An address nobody can push to: another scheme than `rtmp`, `rtmps` or `srt`, without a host, or asking to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("streams go to rtmp://, rtmps:// or srt:// addresses")]
pub struct NotAnAddress;

/// Why a stream does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nobody listens there.
    #[error("the receiver refused the connection")]
    Refused,
    /// No such name.
    #[error("the receiver's name is not known")]
    UnknownHost,
    /// No answer, or it takes nothing any more.
    #[error("the receiver does not answer")]
    TimedOut,
    /// It did not like the key.
    #[error("the receiver did not accept the stream's key")]
    NotAuthorized,
    /// It closed the connection.
    #[error("the receiver closed the connection")]
    Closed,
    /// No secure connection came about.
    #[error("no secure connection to the receiver came about")]
    Tls,
    /// This ffmpeg has no such protocol.
    #[error("this ffmpeg cannot send by this protocol")]
    NotSupported,
    /// Files could not be written.
    #[error("the segments could not be written")]
    NotWritten,
    /// Anything else.
    #[error("sending failed")]
    Other,
}

impl PushAddress {
    /// Reads one.
    ///
    /// # Errors
    /// [`NotAnAddress`].
    pub fn parse(url: &str) -> Result<Self, NotAnAddress> {
        let rest = ["rtmp://", "rtmps://", "srt://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.ok_or(NotAnAddress)?;
        let is_plain = url.len() <= MAX_BYTES && url.bytes().all(|byte| byte.is_ascii_graphic());
        // SRT takes its options from the query. One of them would open a port here, others name files.
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let is_asked = |name: &str, value: &str| match name {
            "mode" => value != "caller",
            "pkt_size" | "passphrase" | "streamid" | "latency" | "pbkeylen" | "srt_streamid" => false,
            _ => true,
        };
        let asks_more = url.starts_with("srt://")
            && query.split('&').filter(|pair| !pair.is_empty()).any(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                is_asked(name, value)
            });
        if !is_plain || asks_more || rest.is_empty() || rest.starts_with(['/', '?', '-', ':', '@']) {
            return Err(NotAnAddress);
        }
        Ok(Self { url: url.to_owned() })
    }

    /// The scheme and the host: all that may be shown.
    #[must_use]
    pub fn shown(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        format!("{scheme}://{host}/…")
    }

    /// Arguments behind the input.
    pub(super) fn output(&self, command: &mut Command) {
        command.args(["-c", "copy", "-map", "0"]);
        if self.url.starts_with("srt://") {
            command.args(["-f", "mpegts", "-flush_packets", "1"]);
        } else {
            command.args(["-bsf:a", "aac_adtstoasc", "-f", "flv", "-flvflags", "no_duration_filesize"]);
        }
        if self.url.starts_with("rtmps://") {
            // Without, ffmpeg sends the stream and its key to whoever answers.
            command.args(["-tls_verify", "1"]);
        }
        command.arg(&self.url);
    }
}

impl fmt::Debug for PushAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("PushAddress").field(&self.shown()).finish()
    }
}

impl Reason {
    /// What ffmpeg's last words mean. The words themselves may hold the address.
    pub(super) fn of(words: &str) -> Self {
        let words = words.to_ascii_lowercase();
        let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
        // In this order: some say several things at once.
        if says(&["connection refused"]) {
            Self::Refused
        } else if says(&["failed to resolve", "name or service not known", "temporary failure in name resolution"]) {
            Self::UnknownHost
        } else if says(&["unauthorized", "401", "403", "badauth", "forbidden", "bad secret", "wrong password"]) {
            Self::NotAuthorized
        } else if says(&["timed out", "timeout"]) {
            Self::TimedOut
        } else if says(&["protocol not found"]) {
            Self::NotSupported
        } else if says(&["tls", "certificate", "handshake"]) {
            Self::Tls
        } else if says(&["no space left", "permission denied", "read-only", "no such file"]) {
            Self::NotWritten
        } else if says(&["broken pipe", "reset by peer", "end of file", "input/output error", "connection was broken"])
        {
            Self::Closed
        } else {
            Self::Other
        }
    }
}

/// A command that reads the stream, says on its standard output how it goes, and stops at nothing it is not told to.
pub(super) fn command(ffmpeg: &Ffmpeg) -> Command {
    let mut command = ffmpeg.command();
    command.args(["-progress", "pipe:1", "-stats_period", "0.5"]);
    command.args(["-f", "mpegts", "-protocol_whitelist", "pipe", "-i", "pipe:0"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_are_sent_to_are_addresses() {
        let good =
            ["rtmp://host/app/key", "rtmps://user:pass@host:443/app", "srt://host:9000?streamid=publish:x&mode=caller"];
        assert!(good.iter().all(|url| PushAddress::parse(url).is_ok()));
        let bad = [
            "",
            "http://host/",
            "file:///etc/passwd",
            "rtmp://",
            "rtmp:///app",
            "rtmp://-host",
            "rtmp://host/a b",
            "rtmp://host/\n",
            "srt://:9000?mode=listener",
            "srt://host:9000?mode=listener",
            "srt://host:9000?mode=rendezvous",
            "srt://host:9000?ipv6only=1",
        ];
        assert!(bad.iter().all(|url| PushAddress::parse(url) == Err(NotAnAddress)));
    }

    #[test]
    fn keys_are_not_shown() {
        for url in
            ["rtmp://u:secret@host:1/app/secret", "srt://host:1?passphrase=secret", "rtmps://host:1/secret#secret"]
        {
            let address = PushAddress::parse(url).map(|address| format!("{address:?} {}", address.shown()));
            assert!(address.is_ok_and(|shown| shown.contains("host:1") && !shown.contains("secret")));
        }
    }

    #[test]
    fn who_is_sent_to_in_secret_is_looked_at() {
        let arguments = |url: &str| {
            let mut command = Command::new("ffmpeg");
            PushAddress::parse(url).map(|address| address.output(&mut command)).ok();
            command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert!(
            arguments("rtmps://host/app/key").ends_with(&["-tls_verify", "1", "rtmps://host/app/key"].map(Into::into))
        );
        for plain in ["rtmp://host/app/key", "srt://host:1"] {
            let arguments = arguments(plain);
            assert!(arguments.len() > 4 && !arguments.iter().any(|argument| argument == "-tls_verify"), "{plain}");
        }
    }

    #[test]
    fn words_become_reasons() {
        assert_eq!(Reason::of("rtmp://h/secret: Connection refused"), Reason::Refused);
        assert_eq!(Reason::of("Failed to resolve hostname h: Name or service not known"), Reason::UnknownHost);
        assert_eq!(Reason::of("Server error: Unauthorized"), Reason::NotAuthorized);
        assert_eq!(Reason::of("av_interleaved_write_frame(): Broken pipe"), Reason::Closed);
        let unverified = "[tls] Peer certificate failed verification rtmps://h/secret: Input/output error";
        assert_eq!(Reason::of(unverified), Reason::Tls);
        assert_eq!(Reason::of(""), Reason::Other);
    }
}
