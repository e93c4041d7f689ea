//! Session descriptions (RFC 8866) as text in sections: the few edits a forwarder makes around the media
//! engine's own reading and writing.
//!
//! The engine, str0m, fixes a section's `a=msid` for its life and answers every `recvonly` with `sendonly`; a forwarder
//! gives sections to other tracks and leaves some empty. So offers are narrowed before str0m reads them, and
//! msid, codec order and format parameters are set in what it wrote. Everything else passes untouched.
//!
//! Knows no transport and no track. A description comes from a stranger: [`Sdp::parse`] bounds it and refuses
//! what the engine would trust and should not.

mod redundancy;

use std::fmt::Write as _;

/// Bounds on a description from outside. A room of a hundred cameras needs two hundred sections of 4 KB.
const MAX_LEN: usize = 1 << 20;
const MAX_SECTIONS: usize = 512;
const MAX_LINE_LEN: usize = 8 << 10;

/// Why a description was refused before str0m saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Over the bound on a whole description.
    #[error("longer than {MAX_LEN} bytes")]
    TooLong,
    /// Over the bound on sections.
    #[error("more than {MAX_SECTIONS} media sections")]
    TooManySections,
    /// Over the bound on a line, or binary.
    #[error("a line longer than {MAX_LINE_LEN} bytes or with a NUL")]
    BadLine,
    /// Seven bits are all there are (RFC 3550 section 5.1).
    #[error("a payload type that is no number below 128")]
    BadPayloadType,
    /// Sections are told apart by it (RFC 8843).
    #[error("a media section without a=mid")]
    NoMid,
    /// One name for two sections.
    #[error("two media sections with one a=mid")]
    RepeatedMid,
    /// RFC 8122 section 5 deprecates them.
    #[error("a fingerprint weaker than sha-256")]
    WeakFingerprint,
}

/// What a section carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `m=audio`.
    Audio,
    /// `m=video`.
    Video,
}

/// Which way media flows, as the description's writer sees it (RFC 8866 section 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// From the writer.
    SendOnly,
    /// To the writer.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// True when the writer sends.
    #[must_use]
    pub fn is_sending(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }
}

/// A description: the session's lines, then its media sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sdp {
    session: Vec<String>,
    /// The `m=` sections, in order.
    pub sections: Vec<Section>,
}

/// One `m=` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    lines: Vec<String>,
    mid: String,
}

impl Sdp {
    /// Splits a description from outside, within bounds.
    ///
    /// # Errors
    /// [`SdpError`] names what is out of bounds.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_LEN {
            return Err(SdpError::TooLong);
        }
        let mut session = Vec::new();
        let mut sections: Vec<Vec<String>> = Vec::new();
        for line in text.lines() {
            if line.len() > MAX_LINE_LEN || line.contains('\0') {
                return Err(SdpError::BadLine);
            }
            check_line(line)?;
            if line.starts_with("m=") {
                if sections.len() == MAX_SECTIONS {
                    return Err(SdpError::TooManySections);
                }
                sections.push(Vec::new());
            }
            sections.last_mut().unwrap_or(&mut session).push(line.to_owned());
        }
        let sections: Vec<Section> = sections.into_iter().map(Section::new).collect::<Result<_, _>>()?;
        let mut mids: Vec<&str> = sections.iter().map(Section::mid).collect();
        mids.sort_unstable();
        if mids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(SdpError::RepeatedMid);
        }
        Ok(Self { session, sections })
    }

    /// True when its writer says how to know its certificate. Without, DTLS cannot be trusted (RFC 8842).
    #[must_use]
    pub fn has_fingerprint(&self) -> bool {
        let sections = self.sections.iter().flat_map(|s| &s.lines);
        self.session.iter().chain(sections).any(|line| line.starts_with("a=fingerprint:"))
    }

    /// Takes out the peer's candidates. An ICE-lite server never checks them (RFC 8445 section 2.5), so an
    /// address from outside has no way into the agent but a message that came from it.
    pub fn drop_candidates(&mut self) {
        let keep = |line: &String| !line.starts_with("a=candidate:") && line != "a=end-of-candidates";
        self.session.retain(keep);
        for section in &mut self.sections {
            section.lines.retain(keep);
        }
    }

    /// Writes other ICE credentials in place of those that stand there.
    pub fn set_ice_credentials(&mut self, ufrag: &str, password: &str) {
        let sections = self.sections.iter_mut().flat_map(|s| &mut s.lines);
        for line in self.session.iter_mut().chain(sections) {
            if line.starts_with("a=ice-ufrag:") {
                *line = format!("a=ice-ufrag:{ufrag}");
            } else if line.starts_with("a=ice-pwd:") {
                *line = format!("a=ice-pwd:{password}");
            } else if line.starts_with("a=candidate:") {
                // Candidates repeat the fragment.
                if let Some((before, after)) = line.split_once(" ufrag ") {
                    let rest = after.split_once(' ').map(|(_, rest)| format!(" {rest}")).unwrap_or_default();
                    *line = format!("{before} ufrag {ufrag}{rest}");
                }
            }
        }
    }

    /// The section of that name.
    #[must_use]
    pub fn section(&self, mid: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.mid == mid)
    }

    /// The section of that name, to be edited.
    pub fn section_mut(&mut self, mid: &str) -> Option<&mut Section> {
        self.sections.iter_mut().find(|s| s.mid == mid)
    }
}

impl std::fmt::Display for Sdp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.session.iter().chain(self.sections.iter().flat_map(|s| &s.lines)) {
            f.write_str(line)?;
            f.write_str("\r\n")?;
        }
        Ok(())
    }
}

/// What str0m would trust that it should not.
fn check_line(line: &str) -> Result<(), SdpError> {
    if let Some(fingerprint) = line.strip_prefix("a=fingerprint:") {
        let strong = ["sha-256 ", "sha-384 ", "sha-512 "];
        let lower = fingerprint.to_ascii_lowercase();
        return strong
            .iter()
            .any(|hash| lower.starts_with(hash))
            .then_some(())
            .ok_or(SdpError::WeakFingerprint);
    }
    let payload_types = if let Some(media) = line.strip_prefix("m=audio ").or(line.strip_prefix("m=video ")) {
        media.split(' ').skip(2).collect()
    } else if let Some(map) = line.strip_prefix("a=rtpmap:") {
        map.split(' ').take(1).collect()
    } else {
        Vec::new()
    };
    let fits = |pt: &str| pt.is_empty() || pt.parse::<u8>().is_ok_and(|pt| pt < 128);
    payload_types.into_iter().all(fits).then_some(()).ok_or(SdpError::BadPayloadType)
}

impl Section {
    fn new(lines: Vec<String>) -> Result<Self, SdpError> {
        let mid = lines.iter().find_map(|line| line.strip_prefix("a=mid:")).ok_or(SdpError::NoMid)?;
        let mid = mid.trim_end().to_owned();
        Ok(Self { lines, mid })
    }

    /// Its name (RFC 8843).
    #[must_use]
    pub fn mid(&self) -> &str {
        &self.mid
    }

    /// Sound or pictures; `None` for data channels and anything else.
    #[must_use]
    pub fn media(&self) -> Option<Media> {
        let m = self.lines.first()?;
        if m.starts_with("m=audio ") {
            Some(Media::Audio)
        } else if m.starts_with("m=video ") {
            Some(Media::Video)
        } else {
            None
        }
    }

    /// True when port 0 takes the section out of use.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.lines.first().is_some_and(|m| m.split(' ').nth(1) == Some("0"))
            && !self.lines.iter().any(|line| line == "a=bundle-only")
    }

    /// Which way media flows as its writer sees it; sendrecv when nothing is said (RFC 8866 section 6.7).
    #[must_use]
    pub fn direction(&self) -> Direction {
        if self.is_stopped() {
            return Direction::Inactive;
        }
        self.lines.iter().find_map(|line| direction(line)).unwrap_or(Direction::SendRecv)
    }

    /// Closes the section both ways. A section that says nothing of its direction sends and receives, so it is
    /// told.
    pub fn deactivate(&mut self) {
        self.lines.retain(|line| direction(line).is_none());
        self.lines.push("a=inactive".to_owned());
    }

    /// Track id of `a=msid:<stream> <track>`, the client's own name for what it sends.
    #[must_use]
    pub fn msid_track(&self) -> Option<&str> {
        self.lines
            .iter()
            .find_map(|line| line.strip_prefix("a=msid:")?.split_once(' '))
            .map(|(_, track)| track)
    }

    /// Gives the section to a track: `a=msid` and its repetition on `a=ssrc` lines.
    pub fn set_msid(&mut self, stream: &str, track: &str) {
        for line in &mut self.lines {
            if line.starts_with("a=msid:") {
                *line = format!("a=msid:{stream} {track}");
            } else if line.starts_with("a=ssrc:")
                && let Some((ssrc, _)) = line.split_once(" msid:")
            {
                *line = format!("{ssrc} msid:{stream} {track}");
            }
        }
    }

    /// Names the sources its writer sends in place of those that stand there (RFC 5576): the media, and its repairs
    /// where a format for them is agreed. A section that rests keeps its sources: a browser that saw them go would
    /// decode what comes when they are back, and show it to nobody (seen with libwebrtc).
    pub fn set_sources(&mut self, cname: &str, media: u32, repair: Option<u32>) {
        self.lines
            .retain(|line| !line.starts_with("a=ssrc:") && !line.starts_with("a=ssrc-group:"));
        let is_repaired = self.payload_types().iter().any(|pt| self.codec_of(pt).is_some_and(|name| name == "rtx"));
        let repair = repair.filter(|_| is_repaired);
        let msid = self.lines.iter().find_map(|line| line.strip_prefix("a=msid:")).map(str::to_owned);
        for ssrc in [Some(media), repair].into_iter().flatten() {
            self.lines.push(format!("a=ssrc:{ssrc} cname:{cname}"));
            self.lines.extend(msid.as_ref().map(|msid| format!("a=ssrc:{ssrc} msid:{msid}")));
        }
        self.lines.extend(repair.map(|repair| format!("a=ssrc-group:FID {media} {repair}")));
    }

    /// True when its writer sends it in several encodings (RFC 8853).
    #[must_use]
    pub fn is_simulcast(&self) -> bool {
        self.lines.iter().any(|line| line.starts_with("a=simulcast:"))
    }

    /// MIME type of the first codec listed that carries media: no repair, and redundancy of sound only (`audio/red`),
    /// which is a stream's one format where it is preferred.
    #[must_use]
    pub fn first_mime_type(&self) -> Option<String> {
        let is_audio = self.media()? == Media::Audio;
        let kind = if is_audio { "audio" } else { "video" };
        self.payload_types().into_iter().find_map(|pt| {
            let name = self.codec_of(pt)?;
            let secondary = ["rtx", "ulpfec", "flexfec-03", "telephone-event", "CN"];
            let is_secondary = secondary.iter().any(|s| s.eq_ignore_ascii_case(name))
                || name.eq_ignore_ascii_case("red") && !(is_audio && self.repeated_by(pt).is_some());
            (!is_secondary).then(|| format!("{kind}/{name}"))
        })
    }

    /// Lists the codecs named in `mime_types` first, in that order; a codec's repair type goes with it, and its
    /// redundancy.
    pub fn prefer_codecs(&mut self, mime_types: &[String]) {
        let rank = |pt: &str| {
            let primary = self.apt_of(pt).or_else(|| self.repeated_by(pt)).unwrap_or(pt);
            let name = self.codec_of(primary).unwrap_or_default();
            let wanted = |mime: &String| mime.split_once('/').is_some_and(|(_, n)| n.eq_ignore_ascii_case(name));
            mime_types.iter().position(wanted).unwrap_or(mime_types.len())
        };
        let mut types = self.payload_types();
        types.sort_by_key(|pt| rank(pt));
        let Some(head) = self.with_payload_types(&types) else { return };
        self.lines[0] = head;
    }

    /// The `m=` line with these payload types in place of its own.
    fn with_payload_types(&self, types: &[&str]) -> Option<String> {
        let mut line = self.lines.first()?.split(' ').take(3).collect::<Vec<_>>().join(" ");
        for pt in types {
            let _ = write!(line, " {pt}");
        }
        Some(line)
    }

    /// Appends parameters (`usedtx=1;stereo=1`) to the format of every codec of that name.
    pub fn add_format_parameters(&mut self, codec: &str, parameters: &str) {
        let types: Vec<String> = self
            .payload_types()
            .into_iter()
            .filter(|pt| self.codec_of(pt).is_some_and(|name| name.eq_ignore_ascii_case(codec)))
            .map(str::to_owned)
            .collect();
        for pt in types {
            let prefix = format!("a=fmtp:{pt} ");
            if let Some(line) = self.lines.iter_mut().find(|line| line.starts_with(&prefix)) {
                let _ = write!(line, ";{parameters}");
            } else {
                self.lines.push(format!("{prefix}{parameters}"));
            }
        }
    }

    /// Id under which a header extension was negotiated.
    #[must_use]
    pub fn extension_id(&self, uri: &str) -> Option<u8> {
        self.lines.iter().find_map(|line| {
            let (id, rest) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
            (rest.split(' ').next() == Some(uri))
                .then(|| id.split('/').next()?.parse().ok())
                .flatten()
        })
    }

    fn payload_types(&self) -> Vec<&str> {
        self.lines.first().map(|m| m.split(' ').skip(3).collect()).unwrap_or_default()
    }

    fn codec_of(&self, pt: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let (this, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            (this == pt).then(|| name.split('/').next()).flatten()
        })
    }

    /// The primary payload type that a repair type belongs to (RFC 4588 section 8.1).
    fn apt_of(&self, pt: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let (this, parameters) = line.strip_prefix("a=fmtp:")?.split_once(' ')?;
            (this == pt)
                .then(|| parameters.split(';').find_map(|p| p.trim().strip_prefix("apt=")))
                .flatten()
        })
    }
}

fn direction(line: &str) -> Option<Direction> {
    match line.trim_end() {
        "a=sendrecv" => Some(Direction::SendRecv),
        "a=sendonly" => Some(Direction::SendOnly),
        "a=recvonly" => Some(Direction::RecvOnly),
        "a=inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\na=ice-ufrag:old\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=mid:0\r\na=sendonly\r\na=msid:- mic-cid\r\n\
        a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
        a=candidate:1 1 udp 1 192.0.2.1 5000 typ host ufrag old generation 0\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99\r\na=mid:1\r\na=recvonly\r\na=msid:a b\r\na=ssrc:7 msid:a b\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
        a=rtpmap:98 VP9/90000\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";

    #[test]
    fn sources_are_replaced_and_stay_while_the_section_rests() {
        let section = |direction: &str| {
            let text = format!(
                "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na={direction}\r\na=msid:s t\r\n\
                 a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=ssrc:7 cname:x\r\na=ssrc-group:FID 7 8\r\n"
            );
            let mut sdp = Sdp::parse(&text).unwrap();
            sdp.section_mut("1").unwrap().set_sources("me", 1000, Some(2000));
            sdp.to_string()
        };
        let sending = section("sendonly");
        assert!(!sending.contains("ssrc:7") && !sending.contains("FID 7"), "{sending}");
        assert!(sending.contains("a=ssrc:1000 cname:me\r\na=ssrc:1000 msid:s t\r\n"), "{sending}");
        assert!(sending.contains("a=ssrc-group:FID 1000 2000"), "{sending}");
        assert!(section("inactive").contains("a=ssrc-group:FID 1000 2000"));
    }

    #[test]
    fn what_is_not_edited_comes_out_as_it_went_in() {
        assert_eq!(Sdp::parse(OFFER).unwrap().to_string(), OFFER);
    }

    #[test]
    fn codecs_move_with_their_repair_type() {
        let mut sdp = Sdp::parse(OFFER).unwrap();
        sdp.sections[1].prefer_codecs(&["video/vp9".into()]);
        assert!(sdp.to_string().contains("m=video 9 UDP/TLS/RTP/SAVPF 98 99 96 97\r\n"));
        assert_eq!(sdp.sections[1].first_mime_type().unwrap(), "video/VP9");
    }

    #[test]
    fn a_section_is_given_to_a_track_or_closed() {
        let mut sdp = Sdp::parse(OFFER).unwrap();
        sdp.sections[1].set_msid("PA_x|camera", "TR_y");
        let text = sdp.to_string();
        assert!(text.contains("a=msid:PA_x|camera TR_y\r\na=ssrc:7 msid:PA_x|camera TR_y\r\n"));
        sdp.sections[1].deactivate();
        assert_eq!(sdp.sections[1].direction(), Direction::Inactive);
        let mut unsaid = Sdp::parse("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n").unwrap();
        assert_eq!(unsaid.sections[0].direction(), Direction::SendRecv);
        unsaid.sections[0].deactivate();
        assert_eq!(unsaid.sections[0].direction(), Direction::Inactive);
        assert_eq!(sdp.sections[0].direction(), Direction::SendOnly);
        assert_eq!(sdp.sections[0].msid_track(), Some("mic-cid"));
    }

    #[test]
    fn credentials_change_everywhere_and_candidates_go() {
        let mut sdp = Sdp::parse(OFFER).unwrap();
        sdp.set_ice_credentials("new", "pw");
        assert!(sdp.to_string().contains("a=ice-ufrag:new\r\n"));
        assert!(sdp.to_string().contains("typ host ufrag new generation 0"));
        sdp.drop_candidates();
        assert!(!sdp.to_string().contains("candidate"));
    }

    #[test]
    fn music_parameters_join_the_format_line() {
        let mut sdp = Sdp::parse(OFFER).unwrap();
        sdp.sections[0].add_format_parameters("opus", "usedtx=1");
        assert!(sdp.to_string().contains("a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\n"));
        assert_eq!(sdp.sections[1].extension_id("urn:ietf:params:rtp-hdrext:sdes:mid"), Some(4));
    }

    #[test]
    fn hostile_descriptions_are_refused_by_name() {
        let refused = |text: &str| Sdp::parse(text).unwrap_err();
        assert_eq!(refused(&"a".repeat(MAX_LEN + 1)), SdpError::TooLong);
        assert_eq!(refused(&"m=audio 9 X 0\r\na=mid:0\r\n".repeat(MAX_SECTIONS + 1)), SdpError::TooManySections);
        assert_eq!(refused(&format!("a={}", "x".repeat(MAX_LINE_LEN))), SdpError::BadLine);
        assert_eq!(refused("s=\0"), SdpError::BadLine);
        assert_eq!(refused("m=audio 9 UDP/TLS/RTP/SAVPF 128\r\na=mid:0"), SdpError::BadPayloadType);
        assert_eq!(refused("a=rtpmap:999 opus/48000"), SdpError::BadPayloadType);
        assert_eq!(refused("m=audio 9 X 0\r\n"), SdpError::NoMid);
        assert_eq!(refused("m=audio 9 X 0\r\na=mid:0\r\nm=audio 9 X 0\r\na=mid:0\r\n"), SdpError::RepeatedMid);
        assert_eq!(refused("a=fingerprint:sha-1 AA:BB"), SdpError::WeakFingerprint);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(v=0|a=mid:[0-3]|m=(audio|video) 9 X( [0-9]{1,3}){0,3}|a=(msid|ssrc|fmtp|rtpmap|extmap):[a-z0-9 ;=/]{0,12}|[ -~]{0,20}|\r?\n){0,40}") {
            if let Ok(mut sdp) = Sdp::parse(&text) {
                sdp.drop_candidates();
                sdp.set_ice_credentials("u", "p");
                for section in &mut sdp.sections {
                    section.prefer_codecs(&["video/VP8".into()]);
                    section.set_msid("s", "t");
                    section.add_format_parameters("opus", "usedtx=1");
                    let _ = section.redundancy_of("opus");
                    section.refuse_redundancy();
                    let _ = (section.first_mime_type(), section.extension_id("x"), section.direction());
                    section.deactivate();
                }
                Sdp::parse(&sdp.to_string()).unwrap();
            }
        }
    }
}
