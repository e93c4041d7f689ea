//! RTCP: whatever is read is bounded by the bytes it came in, and what can be written reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_rtp::rtcp::{self, Rtcp};

fuzz_target!(|compound: &[u8]| {
    let mut buf = Vec::new();
    for packet in rtcp::packets(compound) {
        buf.clear();
        match packet {
            Rtcp::SenderReport { ssrc, info, reports } => {
                let blocks: Vec<_> = reports.iter().collect();
                rtcp::write_sender_report(&mut buf, ssrc, info, &blocks);
                assert!(
                    matches!(rtcp::packets(&buf).next(), Some(Rtcp::SenderReport { info: read, reports: again, .. })
                    if read == info && again == reports)
                );
            }
            Rtcp::ReceiverReport { reports, .. } => assert!(reports.iter().count() * 24 <= compound.len()),
            Rtcp::Nack { media_ssrc, lost } => {
                rtcp::write_nack(&mut buf, 0, media_ssrc, lost.iter());
                let again = rtcp::packets(&buf).find_map(|packet| match packet {
                    Rtcp::Nack { lost, .. } => Some(lost),
                    _ => None,
                });
                assert!(again.is_some_and(|again| again.iter().eq(lost.iter())));
            }
            Rtcp::Fir { targets } => assert!(targets.iter().count() * 8 <= compound.len()),
            Rtcp::Remb(remb) => assert!(remb.ssrcs().count() * 4 <= compound.len()),
            Rtcp::TransportFeedback(feedback) => {
                let arrivals: Vec<_> = feedback.arrivals().collect();
                assert!(arrivals.len() <= usize::from(feedback.packet_count));
                rtcp::write_transport_feedback(&mut buf, 1, 2, feedback.feedback_count, &arrivals);
            }
            Rtcp::Sdes | Rtcp::Bye | Rtcp::Pli { .. } | Rtcp::Other { .. } => {}
        }
    }
});
