//! Session descriptions are the media plane's to read. Only their size is judged here, before a worker
//! spends time on them.

/// A browser writes 2 to 4 KB for each section, and a room of strangers may need many.
const BYTES: usize = 384 * 1024;
const LINES: usize = 16_384;
const SECTIONS: usize = 128;
/// No line a browser writes comes near it (the longest carry a certificate fingerprint or an `fmtp`).
const LINE_BYTES: usize = 4096;

/// Whether the text could be a session description somebody honest wrote.
pub(crate) fn plausible(sdp: &str) -> bool {
    let mut lines = 0;
    let mut sections = 0;
    sdp.len() <= BYTES
        && sdp.starts_with("v=0")
        && !sdp.contains('\0')
        && sdp.lines().all(|line| {
            lines += 1;
            sections += usize::from(line.starts_with("m="));
            lines <= LINES && sections <= SECTIONS && line.len() <= LINE_BYTES
        })
}

#[cfg(test)]
mod tests {
    use super::plausible;

    #[test]
    fn a_description_of_absurd_size_never_reaches_a_worker() {
        assert!(plausible("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"));
        assert!(!plausible(""));
        assert!(!plausible("v=0\r\n\0"));
        assert!(!plausible(&format!("v=0\r\n{}", "m=audio 9 X 0\r\n".repeat(500))));
        assert!(!plausible(&format!("v=0\r\n{}", "a=x\r\n".repeat(20_000))));
        assert!(!plausible(&format!("v=0\r\na={}", "x".repeat(60_000))));
        assert!(!plausible(&format!("v=0\r\n{}", "a=x\r\n".repeat(1 << 18))));
    }
}
