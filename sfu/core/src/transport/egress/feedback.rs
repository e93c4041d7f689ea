//! What receivers say, decrypted and read once.

use std::time::Instant;

use sluice_bwe::PacketResult;
use sluice_rtp::rtcp::{self, ReportBlock, Rtcp};
use str0m::media::Mid;

use super::{Egress, EgressCounts};
use crate::Kind;

/// Numbers of one NACK that are looked at: what is more than that is no loss but a lie or a lost link.
const MAX_NACKED: usize = 256;
/// and of all that wait to be repaired: more than a datagram of NACKs can hold.
const MAX_WAITING: usize = 8192;

/// What a datagram of feedback asks of others.
#[derive(Debug, Default)]
pub(in super::super) struct Heard {
    /// It was authentic.
    pub(in super::super) is_authentic: bool,
    /// It says something about what the client sends: the engine wants it too.
    pub(in super::super) is_for_engine: bool,
    /// Sections whose receiver cannot go on without a key frame.
    pub(in super::super) keyframes: Vec<Mid>,
}

impl Egress {
    /// An SRTCP datagram from the client. What it asks for leaves at the next deadline, which is now.
    pub(in super::super) fn handle_rtcp(&mut self, datagram: &[u8], now: Instant) -> Heard {
        let mut heard = Heard::default();
        let mut scratch = std::mem::take(&mut self.scratch);
        let clear = self
            .feedback
            .as_mut()
            .and_then(|feedback| feedback.unprotect_rtcp(datagram, &mut scratch));
        if let Some(clear) = clear {
            heard.is_authentic = true;
            for packet in rtcp::packets(clear) {
                self.handle_packet(&packet, now, &mut heard);
            }
            self.heard_at = Some(now);
        }
        self.scratch = scratch;
        heard
    }

    fn handle_packet(&mut self, packet: &Rtcp<'_>, now: Instant, heard: &mut Heard) {
        match packet {
            Rtcp::SenderReport { reports, .. } => {
                heard.is_for_engine = true;
                reports.iter().for_each(|block| self.handle_report(&block, now));
            }
            Rtcp::ReceiverReport { reports, .. } => reports.iter().for_each(|block| self.handle_report(&block, now)),
            Rtcp::Nack { media_ssrc, lost } => {
                if let Some(place) = self.place(*media_ssrc) {
                    let room = MAX_WAITING.saturating_sub(self.nacked.len()).min(MAX_NACKED);
                    self.nacked.extend(lost.iter().take(room).map(|sequence| (place, sequence)));
                }
            }
            Rtcp::Pli { media_ssrc } => heard.keyframes.extend(self.mid(*media_ssrc)),
            Rtcp::Fir { targets } => heard.keyframes.extend(targets.iter().filter_map(|(ssrc, _)| self.mid(ssrc))),
            Rtcp::Remb(remb) => self.control.handle_remb(remb.bitrate_bps, now),
            Rtcp::TransportFeedback(feedback) => {
                self.control.handle_feedback(feedback.arrivals().map(PacketResult::from), now);
            }
            Rtcp::Bye | Rtcp::Other { .. } => heard.is_for_engine = true,
            // Names: nobody here asks for them.
            Rtcp::Sdes => {}
        }
    }

    /// Repairs what was asked for since the last time: sound first, so that pictures do not use up what may be spent on
    /// repairs, and otherwise stream by stream, in whatever order they were named.
    pub(super) fn repair_nacked(&mut self, now: Instant, counts: &mut EgressCounts) {
        let mut nacked = std::mem::take(&mut self.nacked);
        nacked.sort_by_key(|(place, _)| (self.streams[*place].kind == Kind::Video, *place));
        for (place, sequence) in nacked.drain(..) {
            counts.nacked += 1;
            self.repair(place, sequence, now);
        }
        self.nacked = nacked;
    }

    fn handle_report(&mut self, block: &ReportBlock, now: Instant) {
        let Some(place) = self.place(block.ssrc) else { return };
        let round_trip = self.streams[place].handle_report(block, now);
        self.control.handle_report(f32::from(block.fraction_lost) / 256.0, round_trip, now);
    }

    fn place(&self, ssrc: u32) -> Option<usize> {
        self.streams.iter().position(|s| s.ssrc() == ssrc)
    }

    fn mid(&self, ssrc: u32) -> Option<Mid> {
        self.streams.iter().find(|s| s.ssrc() == ssrc).map(|s| s.mid)
    }
}
