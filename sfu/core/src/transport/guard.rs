//! Keeps a forged packet from taking over a track's stream.
//!
//! str0m binds an unknown SSRC to a media section by the MID (and RID) in the packet's header *before* it
//! authenticates the packet, so one datagram with the right source address and a live track's mid would
//! unbind the true stream. The guard stands in front: while a section's stream has proven itself, no other
//! SSRC may claim that section. Browsers never change a stream's SSRC without a new offer.

use std::time::{Duration, Instant};

use sluice_rtp::header::{NamingExtensions, StreamNames};
use str0m::media::{Mid, Rid};

/// A stream silent for so long may be replaced by another SSRC: a sender that restarted without a new offer
/// comes back, at the price that a forger could take over a track nobody sends on.
const REPLACEABLE_AFTER: Duration = Duration::from_secs(5);

/// Letters of str0m's ids.
const MID_LEN: usize = 16;
const RID_LEN: usize = 8;

/// Streams remembered: sections times layers; the oldest gives way.
const MAX_STREAMS: usize = 128;

#[derive(Debug)]
struct Stream {
    mid: Mid,
    rid: Option<Rid>,
    ssrc: u32,
    authenticated_at: Instant,
}

/// The streams of one transport that have authenticated.
#[derive(Debug, Default)]
pub(super) struct StreamGuard {
    pub(super) extensions: NamingExtensions,
    /// Payload types of repair streams: these never claim a section.
    pub(super) repair_payload_types: Vec<u8>,
    streams: Vec<Stream>,
}

impl StreamGuard {
    /// A packet of the stream was decrypted.
    pub(super) fn authenticated(&mut self, mid: Mid, rid: Option<Rid>, ssrc: u32, now: Instant) {
        if let Some(stream) = self.streams.iter_mut().find(|s| s.mid == mid && s.rid == rid) {
            stream.ssrc = ssrc;
            stream.authenticated_at = now;
            return;
        }
        if self.streams.len() == MAX_STREAMS {
            self.streams.remove(0);
        }
        self.streams.push(Stream { mid, rid, ssrc, authenticated_at: now });
    }

    /// A decrypted packet of a known SSRC, the common case.
    pub(super) fn touch(&mut self, ssrc: u32, now: Instant) -> Option<(Mid, Option<Rid>)> {
        let stream = self.streams.iter_mut().find(|s| s.ssrc == ssrc)?;
        stream.authenticated_at = now;
        Some((stream.mid, stream.rid))
    }

    /// The client stopped sending the section: whatever comes next on it is another stream.
    pub(super) fn release(&mut self, mid: Mid) {
        self.streams.retain(|s| s.mid != mid);
    }

    /// False for an RTP datagram that would take a proven stream's place.
    pub(super) fn admits(&self, datagram: &[u8], now: Instant) -> bool {
        let Some(names) = StreamNames::parse(datagram, self.extensions) else { return true };
        if names.is_repair || self.repair_payload_types.contains(&names.payload_type) {
            return true;
        }
        let Some(mid) = names.mid else { return true };
        let is_rid = |rid: Option<Rid>| match (names.rid, rid) {
            (Some(text), Some(rid)) => is_name(text, &rid, RID_LEN),
            (text, rid) => text.is_none() && rid.is_none(),
        };
        !self.streams.iter().any(|s| {
            s.ssrc != names.ssrc
                && is_name(mid, &s.mid, MID_LEN)
                && is_rid(s.rid)
                && now.saturating_duration_since(s.authenticated_at) < REPLACEABLE_AFTER
        })
    }
}

/// Whether str0m takes a text in a packet for this id: cut short, and with anything but letters and digits replaced.
/// To make an id of the text would ask for memory, and some clients name the section in every packet.
fn is_name(text: &str, id: &str, longest: usize) -> bool {
    let read = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    read.take(longest).eq(id.chars())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_a_name_when_str0m_would_say_so(text in "[a-c9 _é]{0,20}", other in "[a-c9 _é]{0,20}") {
            for other in [&other, &text] {
                let (mid, rid) = (Mid::from(&**other), Rid::from(&**other));
                prop_assert_eq!(is_name(&text, &mid, MID_LEN), Mid::from(&*text) == mid);
                prop_assert_eq!(is_name(&text, &rid, RID_LEN), Rid::from(&*text) == rid);
            }
        }

        /// Short ones meet often.
        #[test]
        fn short_texts_too(text in "[ab -]{0,2}", other in "[ab -]{0,2}") {
            let mid = Mid::from(&*other);
            prop_assert_eq!(is_name(&text, &mid, MID_LEN), Mid::from(&*text) == mid);
        }
    }

    fn guard(now: Instant) -> StreamGuard {
        let mut guard = StreamGuard {
            extensions: NamingExtensions { mid: Some(4), rid: Some(10), repaired_rid: Some(11) },
            repair_payload_types: vec![97],
            ..Default::default()
        };
        guard.authenticated("1".into(), None, 0x1111, now);
        guard.authenticated("2".into(), Some("q".into()), 0x2222, now);
        guard
    }

    /// One-byte header extensions with short text values.
    fn rtp(payload_type: u8, ssrc: u32, extensions: &[(u8, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (id, text) in extensions {
            body.push(id << 4 | u8::try_from(text.len() - 1).unwrap_or(0));
            body.extend(text.bytes());
        }
        body.resize(body.len().next_multiple_of(4), 0);
        let mut packet = vec![0x90, payload_type, 0, 1, 0, 0, 0, 0];
        packet.extend(ssrc.to_be_bytes());
        packet.extend([0xbe, 0xde, 0, u8::try_from(body.len() / 4).unwrap_or(0)]);
        packet.extend(body);
        packet.extend([0; 40]);
        packet
    }

    #[test]
    fn another_ssrc_cannot_claim_a_live_stream() {
        let now = Instant::now();
        let guard = guard(now);
        assert!(!guard.admits(&rtp(96, 0xbad, &[(4, "1")]), now));
        assert!(!guard.admits(&rtp(96, 0xbad, &[(4, "2"), (10, "q")]), now));
        assert!(guard.admits(&rtp(96, 0x1111, &[(4, "1")]), now), "the true stream");
        assert!(guard.admits(&rtp(96, 0x3333, &[(4, "2"), (10, "h")]), now), "a layer not seen yet");
        assert!(guard.admits(&rtp(96, 0x3333, &[(4, "3")]), now), "a section not seen yet");
        assert!(guard.admits(&rtp(97, 0x4444, &[(4, "1")]), now), "repair by payload type");
        assert!(guard.admits(&rtp(97, 0x4444, &[(4, "2"), (11, "q")]), now), "repair by rid");
    }

    #[test]
    fn a_stream_long_silent_or_renegotiated_gives_way() {
        let now = Instant::now();
        let mut guard = guard(now);
        assert!(guard.admits(&rtp(96, 0xbad, &[(4, "1")]), now + REPLACEABLE_AFTER));
        guard.release("1".into());
        assert!(guard.admits(&rtp(96, 0x5555, &[(4, "1")]), now));
    }
}
