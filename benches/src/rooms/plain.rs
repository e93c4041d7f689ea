//! The room through a forwarder on plain str0m: one engine for each guest, which receives and sends.
//!
//! It chooses nothing: every packet of a camera goes to all who take it, under a sequence number of the outgoing
//! stream's own. Repairs, reports, numbers, and with [`Plain`]`<true>` the estimate of the link and its pacer are str0m's.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use str0m::bwe::Bitrate;
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::{KeyframeRequestKind, Mid, Pt};
use str0m::rtp::{RtpPacket, RtpWrite, SeqNo};

use super::{Out, SERVER, Sections, Server, Shape, address};
use crate::peer::Peer;

/// A camera on its way to one guest.
#[derive(Debug)]
struct Path {
    /// Who takes it.
    guest: usize,
    mid: Mid,
    sent: u64,
}

/// The forwarder. `ESTIMATES`: str0m estimates what links carry, and paces.
pub struct Plain<const ESTIMATES: bool> {
    guests: Vec<(SocketAddr, Peer)>,
    places: HashMap<SocketAddr, usize>,
    /// By who publishes.
    paths: Vec<Vec<Path>>,
    /// Where each guest sends its own.
    cameras: Vec<Option<Mid>>,
    payload_type: Option<Pt>,
}

impl<const ESTIMATES: bool> Server for Plain<ESTIMATES> {
    fn open(shape: Shape, now: Instant) -> Self {
        let enter = |guest| {
            let mut peer = Peer::server(SERVER, ESTIMATES, now);
            peer.received = Some(Vec::new());
            (address(guest), peer)
        };
        Self {
            guests: (0..shape.guests).map(enter).collect(),
            places: (0..shape.guests).map(|guest| (address(guest), guest)).collect(),
            paths: (0..shape.guests).map(|_| Vec::new()).collect(),
            cameras: vec![None; shape.guests],
            payload_type: None,
        }
    }

    fn negotiate(&mut self, guest: usize, sections: &Sections, offer: SdpOffer, now: Instant) -> SdpAnswer {
        let (_, peer) = &mut self.guests[guest];
        let answer = peer.rtc.sdp_api().accept_offer(offer).unwrap();
        if ESTIMATES {
            peer.rtc.bwe().set_bitrate(Bitrate::mbps(8), Bitrate::mbps(20));
        }
        peer.drain(now);
        self.payload_type = peer.rtc.codec_config().params().first().map(|params| params.pt());
        self.cameras[guest] = sections.sends;
        for (publisher, mid) in &sections.takes {
            self.paths[*publisher].push(Path { guest, mid: *mid, sent: 0 });
        }
        answer
    }

    fn handle_datagram(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) {
        let Some(place) = self.places.get(&source).copied() else { return };
        self.guests[place].1.handle_datagram(source, datagram, now);
        self.act(place, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        for place in 0..self.guests.len() {
            let (_, peer) = &mut self.guests[place];
            if peer.deadline <= now {
                peer.handle_timeout(now);
                self.act(place, now);
            }
        }
    }

    fn drain(&mut self) -> Out {
        let mut out = Out::new();
        for (address, peer) in &mut self.guests {
            out.extend(peer.transmits.drain(..).map(|datagram| (*address, datagram)));
        }
        out
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.guests.iter().map(|(_, peer)| peer.deadline).min()
    }
}

impl<const ESTIMATES: bool> Plain<ESTIMATES> {
    /// What came out of a guest's engine goes on.
    fn act(&mut self, place: usize, now: Instant) {
        let received = self.guests[place].1.received.as_mut().map(std::mem::take).unwrap_or_default();
        for packet in &received {
            self.forward(place, packet, now);
        }
        if std::mem::take(&mut self.guests[place].1.is_asked_for_keyframe) {
            self.ask_for_keyframes(place, now);
        }
    }

    fn forward(&mut self, publisher: usize, packet: &RtpPacket, now: Instant) {
        let Some(payload_type) = self.payload_type else { return };
        for path in 0..self.paths[publisher].len() {
            let Path { guest, mid, sent } = &mut self.paths[publisher][path];
            let (_, peer) = &mut self.guests[*guest];
            let mut direct = peer.rtc.direct_api();
            let Some(stream) = direct.stream_tx_by_mid(*mid, None).filter(|_| peer.is_connected) else { continue };
            *sent += 1;
            let payload = Arc::clone(&packet.payload);
            let write = RtpWrite::new(payload_type, SeqNo::from(*sent), packet.header.timestamp, now, payload);
            stream.write_rtp(write.marker(packet.header.marker).nackable(true));
            // What was written leaves when the engine has its time.
            peer.handle_timeout(now);
        }
    }

    /// Whoever the guest sees is asked: with one camera each there is no telling, and nobody loses anything here.
    fn ask_for_keyframes(&mut self, guest: usize, now: Instant) {
        for publisher in 0..self.paths.len() {
            if self.paths[publisher].iter().any(|path| path.guest == guest) {
                let (_, peer) = &mut self.guests[publisher];
                let mut direct = peer.rtc.direct_api();
                let stream = self.cameras[publisher].and_then(|mid| direct.stream_rx_by_mid(mid, None));
                if let Some(stream) = stream {
                    stream.request_keyframe(KeyframeRequestKind::Pli);
                }
                peer.handle_timeout(now);
            }
        }
    }
}
