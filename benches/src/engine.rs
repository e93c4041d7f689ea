//! The send path we had before: str0m's own `write_rtp`, between two connected ends. What ours is held against.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::rtp::{RtpWrite, SeqNo, Ssrc};

use crate::measure::{Effort, Samples};
use crate::media::Vp8;
use crate::peer::Peer;

/// As on our own send side: the same load, the same stretches.
const STRETCH: Duration = Duration::from_millis(50);
const INTERVAL: Duration = Duration::from_micros(1_100);
const STEP: Duration = Duration::from_millis(1);
const MAX_STEPS: usize = 20_000;

fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

/// A server and its client, connected.
struct Pair {
    server: Peer,
    client: Peer,
    ssrcs: Vec<Ssrc>,
}

impl Pair {
    fn connect(streams: usize, is_estimating: bool, now: &mut Instant) -> Self {
        let mut server = Peer::server(address(1, 7882), is_estimating, *now);
        let mut client = Peer::client(address(2, 50_000), *now);
        let mut changes = client.rtc.sdp_api();
        let mids: Vec<Mid> = (0..streams)
            .map(|_| changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None))
            .collect();
        let (offer, pending) = changes.apply().unwrap();
        let answer = server.rtc.sdp_api().accept_offer(offer).unwrap();
        client.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        if is_estimating {
            server.rtc.bwe().set_bitrate(Bitrate::mbps(8), Bitrate::mbps(20));
        }
        let mut pair = Self { server, client, ssrcs: Vec::new() };
        for _ in 0..MAX_STEPS {
            pair.exchange(*now);
            *now += STEP;
            if pair.server.is_connected && pair.client.is_connected {
                break;
            }
        }
        assert!(pair.server.is_connected && pair.client.is_connected, "they meet");
        let Peer { rtc, .. } = &mut pair.server;
        pair.ssrcs = mids
            .iter()
            .map(|mid| rtc.direct_api().stream_tx_by_mid(*mid, None).unwrap().ssrc())
            .collect();
        pair
    }

    /// What one says the other hears, and both have their time.
    fn exchange(&mut self, now: Instant) {
        let Self { server, client, .. } = self;
        for datagram in std::mem::take(&mut server.transmits) {
            client.handle_datagram(server.address, &datagram, now);
        }
        if client.deadline <= now {
            client.handle_timeout(now);
        }
        for datagram in std::mem::take(&mut client.transmits) {
            server.handle_datagram(client.address, &datagram, now);
        }
        if server.deadline <= now {
            server.handle_timeout(now);
        }
    }
}

/// Nanoseconds for a packet sent, timers included.
#[must_use]
pub fn run(connections: usize, streams: usize, payload_len: usize, is_estimating: bool, effort: Effort) -> Option<f64> {
    let mut now = Instant::now();
    let mut pairs: Vec<Pair> = (0..connections).map(|_| Pair::connect(streams, is_estimating, &mut now)).collect();
    let mut encoders: Vec<Vp8> = (0..streams).map(|_| Vp8::new(payload_len)).collect();
    let payload_type = pairs[0].server.rtc.codec_config().params().first()?.pt();
    let mut sequences = vec![0u64; streams];
    let mut samples = Samples::default();
    for stretch in 0..effort.warm_up + effort.samples {
        if stretch == effort.warm_up {
            samples.forget();
        }
        let mut ahead = Vec::new();
        let end = now + STRETCH;
        let mut at = now;
        let mut turn = stretch;
        while at < end {
            let stream = turn % streams;
            sequences[stream] += 1;
            ahead.push((at, stream, sequences[stream], encoders[stream].next_piece()));
            at += INTERVAL;
            turn += 1;
        }
        samples.time(|| {
            let mut sent = 0;
            for (at, stream, sequence, piece) in &ahead {
                for Pair { server, ssrcs, .. } in &mut pairs {
                    if server.deadline <= *at {
                        server.handle_timeout(server.deadline);
                    }
                    let mut direct = server.rtc.direct_api();
                    let Some(stream) = direct.stream_tx(&ssrcs[*stream]) else { continue };
                    let write = RtpWrite::new(
                        payload_type,
                        SeqNo::from(*sequence),
                        piece.timestamp,
                        *at,
                        std::sync::Arc::clone(&piece.payload),
                    );
                    stream.write_rtp(write.marker(piece.marker).nackable(true));
                    server.handle_timeout(*at);
                }
                now = *at;
            }
            for Pair { server, .. } in &mut pairs {
                sent += server.transmits.iter().filter(|datagram| !matches!(datagram[1], 192..=223)).count();
            }
            sent
        });
        now = end;
        for pair in &mut pairs {
            pair.exchange(now);
            pair.exchange(now);
        }
    }
    samples.median_ns()
}
