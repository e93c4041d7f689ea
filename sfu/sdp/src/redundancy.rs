//! Redundant audio (RED, RFC 2198) in a section: which payload type repeats a codec, and leaving it out.
//!
//! RED is listed as a codec of its own, whose `a=fmtp:63 111/111` names what it carries. A browser that finds it in
//! front of that codec in an answer sends it.

use crate::Section;

impl Section {
    /// The payload type under which the codec travels with what came before it; `None` where that is not agreed.
    #[must_use]
    pub fn redundancy_of(&self, codec: &str) -> Option<u8> {
        let types = self.payload_types();
        let repeats = |pt: &&&str| {
            let repeated = self.repeated_by(pt).and_then(|primary| self.codec_of(primary));
            repeated.is_some_and(|name| name.eq_ignore_ascii_case(codec))
        };
        types.iter().find(repeats)?.parse().ok()
    }

    /// Takes RED out: its writer neither sends nor takes it.
    pub fn refuse_redundancy(&mut self) {
        let types = self.payload_types();
        let is_red = |pt: &str| self.codec_of(pt).is_some_and(|name| name.eq_ignore_ascii_case("red"));
        let (red, kept): (Vec<&str>, Vec<&str>) = types.into_iter().partition(|pt| is_red(pt));
        if red.is_empty() {
            return;
        }
        let about = |pt: &&str| ["rtpmap", "fmtp", "rtcp-fb"].map(|attribute| format!("a={attribute}:{pt} "));
        let gone: Vec<String> = red.iter().flat_map(about).collect();
        let head = self.with_payload_types(&kept);
        self.lines.retain(|line| !gone.iter().any(|prefix| line.starts_with(prefix.as_str())));
        if let (Some(first), Some(head)) = (self.lines.first_mut(), head) {
            *first = head;
        }
    }

    /// The payload type that a RED type carries, named in all its blocks.
    pub(crate) fn repeated_by(&self, pt: &str) -> Option<&str> {
        if !self.codec_of(pt)?.eq_ignore_ascii_case("red") {
            return None;
        }
        let parameters = self.lines.iter().find_map(|line| {
            let (this, parameters) = line.strip_prefix("a=fmtp:")?.split_once(' ')?;
            (this == pt).then_some(parameters.trim())
        })?;
        let primary = parameters.split('/').next()?;
        parameters.split('/').all(|block| block == primary).then_some(primary)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use crate::Sdp;

    const OFFER: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 63 111 9\r\na=mid:0\r\na=sendonly\r\n\
        a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
        a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\n";

    #[test]
    fn red_is_found_by_the_codec_it_repeats_and_taken_out_without_a_trace() {
        let mut offer = Sdp::parse(OFFER).unwrap();
        let section = &mut offer.sections[0];
        assert_eq!(section.redundancy_of("opus"), Some(63));
        assert_eq!(section.redundancy_of("G722"), None);
        assert_eq!(section.first_mime_type().unwrap(), "audio/red");
        section.prefer_codecs(&["audio/opus".into()]);
        assert_eq!(section.redundancy_of("opus"), Some(63));
        assert_eq!(section.first_mime_type().unwrap(), "audio/red", "it goes with the codec it repeats");
        section.prefer_codecs(&["audio/G722".into()]);
        assert_eq!(section.first_mime_type().unwrap(), "audio/G722");
        section.refuse_redundancy();
        assert_eq!(section.redundancy_of("opus"), None);
        let text = offer.to_string();
        assert!(text.starts_with("m=audio 9 UDP/TLS/RTP/SAVPF 9 111\r\n"), "{text}");
        assert!(!text.contains(":63 "), "{text}");
        assert!(text.contains("a=fmtp:111 minptime=10;useinbandfec=1\r\n"), "{text}");
    }

    #[test]
    fn a_mix_of_codecs_or_an_unlisted_type_is_no_redundancy_of_one() {
        let of = |text: String| Sdp::parse(&text).unwrap().sections[0].redundancy_of("opus");
        assert_eq!(of(OFFER.replace("111/111", "111/9")), None);
        assert_eq!(of(OFFER.replace("SAVPF 63", "SAVPF")), None);
        assert_eq!(of(OFFER.replace("red/", "opus/")), None);
        assert_eq!(of(OFFER.replace("111/111", "111")), Some(63));
    }
}
