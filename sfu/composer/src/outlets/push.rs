//! Where a stream is pushed to: RTMP, RTMPS, SRT.
//!
//! An address holds the key that lets others send there. It is never shown, nor is what ffmpeg says of it: reasons are
//! words of ours.

use std::fmt;
use std::net::IpAddr;
use std::process::Command;

use crate::ffmpeg::Ffmpeg;

/// Bytes of an address.
const MAX_BYTES: usize = 2048;
/// Where RTMP listens when nobody says otherwise.
const RTMP_PORT: u16 = 1935;

/// An address to push to, and what it is shown as.
#[derive(Clone, PartialEq, Eq)]
pub struct PushAddress {
    url: String,
    /// What its host was resolved to.
    resolved: Option<IpAddr>,
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
        Ok(Self { url: url.to_owned(), resolved: None })
    }

    /// With what its host was resolved to: ffmpeg connects there, and resolves nothing itself. An `rtmps://` address keeps its
    /// name, which goes out with the first words of TLS and has to be in the certificate of whoever answers.
    #[must_use]
    pub const fn resolved_to(mut self, address: IpAddr) -> Self {
        self.resolved = Some(address);
        self
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
        match self.resolved.and_then(|address| self.at(address)) {
            None => command.arg(&self.url),
            Some(At { url, target }) => {
                // Receivers tell their customers' streams apart by the name they were asked under.
                command.args(target.iter().flat_map(|target| ["-rtmp_tcurl", target])).arg(url)
            }
        };
    }

    /// The same with an address in place of the name; `None` where the name has to stay.
    fn at(&self, address: IpAddr) -> Option<At> {
        let (scheme, rest) = self.url.split_once("://")?;
        if scheme == "rtmps" {
            return None;
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
        // An address of IPv6 has colons of its own, and brackets.
        let end = place.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match place.get(end..)?.rfind(':') {
            Some(colon) => place.split_at(end + colon),
            None => (place, ""),
        };
        let address = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let before = user.map_or(String::new(), |user| format!("{user}@"));
        let port = if scheme == "rtmp" && port.is_empty() { format!(":{RTMP_PORT}") } else { port.to_owned() };
        let target = (scheme == "rtmp").then(|| format!("rtmp://{host}{port}/{}", application(path)));
        Some(At { url: format!("{scheme}://{before}{address}{port}{path}"), target })
    }
}

/// An address that ffmpeg resolves nothing of.
#[derive(Debug, PartialEq, Eq)]
struct At {
    url: String,
    /// What an RTMP receiver is told it is asked as.
    target: Option<String>,
}

/// The application in the path of an RTMP address, as ffmpeg cuts it: one part, or two where more follow. The stream's key is
/// behind it.
fn application(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    let Some((first, rest)) = path.split_once('/') else { return path };
    match rest.split_once('/') {
        Some((second, _)) if !second.contains(':') => path.get(..first.len() + 1 + second.len()).unwrap_or(path),
        _ => first,
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
    fn who_was_looked_up_is_sent_to_and_told_the_name_they_were_asked_under() {
        let arguments = |url: &str, address: &str| -> Vec<String> {
            let mut command = Command::new("ffmpeg");
            if let (Ok(asked), Ok(address)) = (PushAddress::parse(url), address.parse()) {
                asked.resolved_to(address).output(&mut command);
            }
            let all = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
            // What is the same for all of a protocol.
            all.skip_while(|argument| !matches!(&**argument, "no_duration_filesize" | "1"))
                .skip(1)
                .collect()
        };
        for (url, address, expected) in [
            (
                "rtmp://live.example/app/key",
                "203.0.113.7",
                &["-rtmp_tcurl", "rtmp://live.example:1935/app", "rtmp://203.0.113.7:1935/app/key"][..],
            ),
            (
                "rtmp://user:pass@live.example:443/app/room/key?sig=a",
                "2001:db8::7",
                &[
                    "-rtmp_tcurl",
                    "rtmp://live.example:443/app/room",
                    "rtmp://user:pass@[2001:db8::7]:443/app/room/key?sig=a",
                ],
            ),
            (
                "rtmp://[2001:db8::7]/app",
                "2001:db8::7",
                &["-rtmp_tcurl", "rtmp://[2001:db8::7]:1935/app", "rtmp://[2001:db8::7]:1935/app"],
            ),
            ("srt://live.example:9000?streamid=a:b", "203.0.113.7", &["srt://203.0.113.7:9000?streamid=a:b"]),
            ("srt://[2001:db8::7]:9000", "2001:db8::7", &["srt://[2001:db8::7]:9000"]),
            // Its certificate says who it is.
            ("rtmps://live.example/app/key", "203.0.113.7", &["-tls_verify", "1", "rtmps://live.example/app/key"]),
        ] {
            assert_eq!(arguments(url, address), expected, "{url}");
        }
    }

    #[test]
    fn an_application_is_cut_as_ffmpeg_does() {
        for (path, cut) in [
            ("", ""),
            ("/", ""),
            ("/app", "app"),
            ("/app/key", "app"),
            ("/app/instance/key", "app/instance"),
            ("/app/a/b/c", "app/a"),
            ("/app/mp4:a/b", "app"),
            ("/app?token=x/key", "app?token=x"),
        ] {
            assert_eq!(application(path), cut, "{path}");
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
