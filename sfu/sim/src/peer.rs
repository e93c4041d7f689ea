//! A client's end of one peer connection: a real `str0m::Rtc` with full ICE, driven by hand.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::config::DtlsCert;
use str0m::net::{Protocol, Receive};
use str0m::rtp::Ssrc;
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::dependency::Dependency;
use crate::media::Media;
use crate::wire;

/// str0m may ask to be called again at the same instant; a client's timers are no finer than this.
const TIMER_GRAIN: Duration = Duration::from_millis(1);

pub(crate) struct Peer {
    pub(crate) rtc: Rtc,
    pub(crate) address: SocketAddr,
    pub(crate) deadline: Option<Instant>,
    pub(crate) is_connected: bool,
    pub(crate) transmits: Vec<(SocketAddr, Vec<u8>)>,
    pub(crate) events: Vec<Event>,
    /// SSRCs of which something came before the description that names them.
    pub(crate) unannounced: BTreeSet<Ssrc>,
    now: Instant,
}

/// What a client that reads feedback believes of its way up before there is any.
const START: Bitrate = Bitrate::mbps(1);

/// What a client's engine can do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Abilities<'a> {
    /// Codecs of pictures it knows.
    pub(crate) speaks: &'a [Media],
    /// It speaks RED, as Chromium does and Firefox does not.
    pub(crate) has_red: bool,
    /// It estimates its way up from the server's transport-wide reports, paces and probes.
    pub(crate) reads_feedback: bool,
}

/// Making a key costs more than a handshake; all clients share one certificate.
fn certificate() -> DtlsCert {
    static CERTIFICATE: OnceLock<DtlsCert> = OnceLock::new();
    let make = || {
        str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .expect("a certificate")
    };
    CERTIFICATE.get_or_init(make).clone()
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, abilities: Abilities<'_>, now: Instant) -> Self {
        let Abilities { speaks, has_red, reads_feedback } = abilities;
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .set_crypto_provider(Arc::new(str0m::crypto::from_feature_flags()))
            .set_dtls_cert(certificate())
            .clear_codecs()
            .enable_opus(true, has_red)
            .enable_vp8(speaks.contains(&Media::Vp8))
            .enable_vp9(speaks.contains(&Media::Vp9))
            .enable_h264(speaks.contains(&Media::H264))
            .enable_h265(speaks.contains(&Media::H265))
            .enable_av1(speaks.contains(&Media::Av1))
            .set_extension(12, Dependency::extension())
            .enable_bwe(reads_feedback.then_some(START))
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).expect("a usable address"));
        Self {
            rtc,
            address,
            deadline: Some(now),
            is_connected: false,
            transmits: Vec::new(),
            events: Vec::new(),
            unannounced: BTreeSet::new(),
            now,
        }
    }

    /// One mutation, then drain.
    pub(crate) fn mutate<T>(&mut self, now: Instant, mutation: impl FnOnce(&mut Rtc) -> T) -> T {
        self.now = now;
        let result = mutation(&mut self.rtc);
        loop {
            match self.rtc.poll_output().expect("a client's engine does not fail") {
                Output::Timeout(at) => {
                    self.deadline = self.rtc.is_alive().then(|| at.max(now + TIMER_GRAIN));
                    return result;
                }
                Output::Transmit(t) => self.transmits.push((t.destination, t.contents.into())),
                Output::Event(event) => {
                    if matches!(event, Event::Connected) {
                        self.is_connected = true;
                    }
                    self.events.push(event);
                }
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.mutate(now, |rtc| rtc.handle_input(Input::Timeout(now)))
            .expect("time is always taken");
    }

    pub(crate) fn handle_datagram(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) {
        let Ok(contents) = datagram.try_into() else { return };
        let destination = self.address;
        let input = Input::Receive(now, Receive { proto: Protocol::Udp, source, destination, contents });
        if self.rtc.accepts(&input) {
            let _ = self.mutate(now, |rtc| rtc.handle_input(input));
        }
        let ssrc = wire::media_ssrc(datagram).map(Ssrc::from);
        let is_unknown = |ssrc: &Ssrc| self.rtc.direct_api().stream_rx(ssrc).is_none();
        self.unannounced.extend(ssrc.filter(is_unknown));
    }
}
