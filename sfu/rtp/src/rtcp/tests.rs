//! What is written is read back, what is malformed is left out, and nothing is unbounded.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> Vec<Rtcp<'_>> {
    packets(bytes).collect()
}

fn block(ssrc: u32) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: 25,
        cumulative_lost: -3,
        highest_sequence: 70_000,
        jitter: 12,
        last_sr: 0x1234_5678,
        delay_since_last_sr: 65_536,
    }
}

#[test]
fn a_compound_packet_is_read_as_it_was_written() {
    let info = SenderInfo { ntp: 0x0102_0304_0506_0708, rtp: 90_000, packets: 5, octets: 6_000 };
    let mut buf = Vec::new();
    write_sender_report(&mut buf, 1, info, &[block(2), block(3)]);
    write_sdes_cname(&mut buf, 1, "sluice");
    write_nack(&mut buf, 1, 2, [65_535, 0, 16, 40]);
    write_pli(&mut buf, 1, 2);
    write_fir(&mut buf, 1, 2, 9);
    write_remb(&mut buf, 1, 2_500_000, &[2, 3]);
    write_receiver_report(&mut buf, 1, &[]);
    write_bye(&mut buf, 1);
    let read = read(&buf);
    let [sender_report, Rtcp::Sdes, nack, Rtcp::Pli { media_ssrc: 2 }, fir, remb, receiver_report, Rtcp::Bye] =
        read[..]
    else {
        panic!("{read:?}")
    };
    let Rtcp::SenderReport { ssrc: 1, info: read_info, reports } = sender_report else { panic!("{sender_report:?}") };
    assert_eq!(read_info, info);
    assert_eq!(reports.iter().collect::<Vec<_>>(), [block(2), block(3)]);
    let Rtcp::Nack { media_ssrc: 2, lost } = nack else { panic!("{nack:?}") };
    assert_eq!(lost.iter().collect::<Vec<_>>(), [65_535, 0, 16, 40]);
    let Rtcp::Fir { targets } = fir else { panic!("{fir:?}") };
    assert_eq!(targets.iter().collect::<Vec<_>>(), [(2, 9)]);
    let Rtcp::Remb(remb) = remb else { panic!("{remb:?}") };
    assert_eq!(remb.ssrcs().collect::<Vec<_>>(), [2, 3]);
    assert_eq!(remb.bitrate_bps, 2_500_000 & !0xf, "18 bits of mantissa");
    let Rtcp::ReceiverReport { ssrc: 1, reports } = receiver_report else { panic!("{receiver_report:?}") };
    assert!(reports.is_empty());
}

#[test]
fn the_header_bytes_are_those_of_the_standards() {
    let mut buf = Vec::new();
    write_pli(&mut buf, 0x0102_0304, 0x0506_0708);
    assert_eq!(buf, [0x81, 206, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
    buf.clear();
    write_nack(&mut buf, 1, 2, [100, 101, 116]);
    assert_eq!(buf, [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 100, 0x80, 0x01]);
    buf.clear();
    write_sdes_cname(&mut buf, 1, "ab");
    assert_eq!(buf, [0x81, 202, 0, 3, 0, 0, 0, 1, 1, 2, b'a', b'b', 0, 0, 0, 0]);
    buf.clear();
    write_nack(&mut buf, 1, 2, []);
    assert!(buf.is_empty());
}

#[test]
fn what_is_malformed_is_left_out_and_broken_framing_ends_the_walk() {
    let mut pli = Vec::new();
    write_pli(&mut pli, 1, 2);
    // A report that claims a block it has not: left out, the walk goes on.
    let mut buf = vec![0x81, 201, 0, 1, 0, 0, 0, 1];
    buf.extend(&pli);
    assert_eq!(read(&buf), [Rtcp::Pli { media_ssrc: 2 }]);
    // Unknown kinds pass by: extended reports.
    let mut buf = vec![0x80, 207, 0, 1, 0, 0, 0, 1];
    buf.extend(&pli);
    assert_eq!(read(&buf), [Rtcp::Other { packet_type: 207 }, Rtcp::Pli { media_ssrc: 2 }]);
    // Padding is taken off; more padding than packet, or none of it, is broken framing.
    let padded = |last| [&[0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, last][..], &pli].concat();
    assert_eq!(read(&padded(4)).len(), 2);
    assert_eq!(read(&padded(0)).len(), 0);
    assert_eq!(read(&padded(9)).len(), 0);
    assert_eq!(read(&[&[0x40, 201, 0, 0][..], &pli].concat()).len(), 0, "another version");
    assert_eq!(read(&pli[..11]).len(), 0, "cut short");
}

#[test]
fn a_bitrate_beyond_64_bits_is_the_largest() {
    let mut buf = vec![0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0];
    buf.extend(b"REMB");
    buf.extend([0, 0xff, 0xff, 0xff]);
    let [Rtcp::Remb(remb)] = read(&buf)[..] else { panic!() };
    assert_eq!(remb.bitrate_bps, u64::MAX);
    buf[16] = 1;
    assert_eq!(read(&buf), [Rtcp::Other { packet_type: 206 }], "an SSRC promised that is not there");
}

fn arrivals(bytes: &[u8]) -> Vec<Arrival> {
    let [Rtcp::TransportFeedback(feedback)] = read(bytes)[..] else { panic!("{bytes:?}") };
    feedback.arrivals().collect()
}

fn transport_feedback(count: u16, content: &[u8]) -> Vec<u8> {
    let mut buf = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff];
    buf.extend(count.to_be_bytes());
    buf.extend([0xff, 0xff, 0xff, 7]);
    buf.extend(content);
    buf.resize(buf.len().next_multiple_of(4), 0);
    buf[3] = u8::try_from(buf.len() / 4 - 1).unwrap();
    buf
}

#[test]
fn arrivals_are_spelled_out_by_all_kinds_of_chunks() {
    // A run of two small deltas; one bit each: not, small, and twelve not; two bits each: small, large, not.
    let content = [0x20, 0x02, 0x90, 0x00, 0xd8, 0x00, 4, 8, 12, 16, 0xff, 0xfc];
    let read = arrivals(&transport_feedback(19, &content));
    let got: Vec<_> = read.iter().filter_map(|a| Some((a.sequence, a.at? + 64_000))).collect();
    assert_eq!(got, [(0xffff, 1_000), (0, 3_000), (2, 6_000), (15, 10_000), (16, 9_000)]);
    assert_eq!(read.len(), 19);
    assert_eq!(read[18].sequence, 17);
}

#[test]
fn a_few_bytes_that_claim_many_packets_yield_what_is_there() {
    // 65535 packets claimed, one run of 8191 not received.
    assert_eq!(arrivals(&transport_feedback(0xffff, &[0x1f, 0xff, 0, 0])).len(), 8191);
    // 8191 received and told of, with times for two; the count needs more chunks, so there are none.
    assert_eq!(arrivals(&transport_feedback(0xffff, &[0x3f, 0xff, 1, 1])).len(), 0);
    assert_eq!(arrivals(&transport_feedback(8191, &[0x3f, 0xff, 1, 1])).len(), 2);
    // The count is less than the run says.
    assert_eq!(arrivals(&transport_feedback(3, &[0x1f, 0xff])).len(), 3);
}

proptest! {
    /// What a receiver saw is what the sender reads of it, to a quarter of a millisecond.
    #[test]
    fn transport_feedback_tells_what_was_seen(
        first: u16,
        start in 0i64..1_000_000_000_000,
        steps in prop::collection::vec(prop::option::weighted(0.8, prop_oneof![9 => 0i64..5_000, 1 => -400_000i64..400_000]), 1..400),
        in_front in 0usize..5,
    ) {
        let (mut sequence, mut at) = (first, start);
        let seen: Vec<_> = steps.iter().map(|step| {
            let arrival = Arrival { sequence, at: step.map(|step| { at += step; at }) };
            sequence = sequence.wrapping_add(1);
            arrival
        }).collect();
        let mut buf = vec![0; in_front];
        write_transport_feedback(&mut buf, 1, 2, 3, &seen);
        let buf = &buf[in_front..];
        prop_assert_eq!(buf.len() % 4, 0);
        let [Rtcp::TransportFeedback(feedback)] = read(buf)[..] else { panic!() };
        prop_assert_eq!((feedback.base_sequence, feedback.feedback_count), (first, 3));
        let read: Vec<_> = feedback.arrivals().collect();
        prop_assert_eq!(read.len(), seen.len());
        for (read, seen) in read.iter().zip(&seen) {
            prop_assert_eq!(read.sequence, seen.sequence);
            prop_assert_eq!(read.at.is_some(), seen.at.is_some());
        }
        // The clock on the wire wraps: only differences count.
        let times = |arrivals: &[Arrival]| -> Vec<i64> {
            let ticks: Vec<i64> = arrivals.iter().filter_map(|arrival| Some(arrival.at?.div_euclid(250))).collect();
            ticks.iter().map(|tick| tick - ticks[0]).collect()
        };
        if seen.iter().any(|arrival| arrival.at.is_some()) {
            prop_assert_eq!(times(&read), times(&seen));
        }
    }

    #[test]
    fn a_nack_names_what_was_asked_in_that_order(first: u16, steps in prop::collection::vec(0u16..60, 0..60), back: u16) {
        let mut lost = vec![first];
        for step in steps {
            lost.push(lost[lost.len() - 1].wrapping_add(step));
        }
        // Somebody asks a second time, out of order.
        lost.extend([first, first.wrapping_add(2), first.wrapping_add(1), back]);
        let mut buf = Vec::new();
        write_nack(&mut buf, 1, 2, lost.iter().copied());
        let [Rtcp::Nack { lost: read, .. }] = read(&buf)[..] else { panic!() };
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), lost);
    }

    #[test]
    fn report_blocks_come_back(ssrc: u32, lost in -0x80_0000i32..0x80_0000, fraction_lost: u8, jitter: u32, count in 0usize..40) {
        let block = ReportBlock { ssrc, fraction_lost, cumulative_lost: lost, jitter, ..block(1) };
        let mut buf = Vec::new();
        write_receiver_report(&mut buf, 1, &vec![block; count]);
        let [Rtcp::ReceiverReport { reports, .. }] = read(&buf)[..] else { panic!() };
        prop_assert_eq!(reports.len(), count.min(MAX_REPORTS));
        prop_assert!(reports.iter().all(|read| read == block));
    }

    #[test]
    fn never_panics_and_never_yields_more_than_the_bytes_can_hold(
        packet_type in prop_oneof![200u8..208, any::<u8>()], count in 0u8..32, body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let words = u8::try_from(body.len() / 4).unwrap();
        let mut bytes = vec![0x80 | count, packet_type, 0, words];
        bytes.extend(&body);
        for packet in packets(&bytes) {
            match packet {
                Rtcp::SenderReport { reports, .. } | Rtcp::ReceiverReport { reports, .. } => {
                    prop_assert!(reports.iter().count() * 24 <= body.len());
                }
                Rtcp::Nack { lost, .. } => prop_assert!(lost.iter().count() <= body.len() / 4 * 17),
                Rtcp::Fir { targets } => prop_assert!(targets.iter().count() * 8 <= body.len()),
                Rtcp::Remb(remb) => prop_assert!(remb.ssrcs().count() * 4 <= body.len()),
                Rtcp::TransportFeedback(feedback) => {
                    prop_assert!(feedback.arrivals().count() <= usize::from(feedback.packet_count));
                    prop_assert!(feedback.arrivals().count() <= body.len() / 2 * 8191);
                }
                _ => {}
            }
        }
    }
}
