//! One end of a connection as str0m makes it, without a network: a browser's, or the server's as it was before we sent
//! ourselves.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::config::DtlsCert;
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpPacket;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// str0m may ask to be called again at the same instant; a timer of a real process is no finer.
const TIMER_GRAIN: Duration = Duration::from_millis(1);

/// An end.
pub struct Peer {
    /// The engine.
    pub rtc: Rtc,
    /// Where it is.
    pub address: SocketAddr,
    /// When it wants time.
    pub deadline: Instant,
    /// ICE and DTLS are up.
    pub is_connected: bool,
    /// Somebody asked it for a key frame.
    pub is_asked_for_keyframe: bool,
    /// Packets that came, where somebody wants them.
    pub received: Option<Vec<RtpPacket>>,
    /// Datagrams to send.
    pub transmits: Vec<Vec<u8>>,
}

fn certificate() -> DtlsCert {
    static CERTIFICATE: OnceLock<DtlsCert> = OnceLock::new();
    let make = || str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().unwrap();
    CERTIFICATE.get_or_init(make).clone()
}

fn config() -> RtcConfig {
    Rtc::builder()
        .set_rtp_mode(true)
        .set_crypto_provider(Arc::new(str0m::crypto::from_feature_flags()))
        .set_dtls_cert(certificate())
        .clear_codecs()
        .enable_vp8(true)
}

impl Peer {
    /// A browser.
    #[must_use]
    pub fn client(address: SocketAddr, now: Instant) -> Self {
        Self::new(config(), address, now)
    }

    /// A server that sends with str0m's own path, with or without its congestion control.
    #[must_use]
    pub fn server(address: SocketAddr, is_estimating: bool, now: Instant) -> Self {
        let config = config().set_ice_lite(true).set_send_buffer_video(512);
        let start = is_estimating.then(|| Bitrate::mbps(20));
        Self::new(if is_estimating { config.enable_bwe(start) } else { config }, address, now)
    }

    fn new(config: RtcConfig, address: SocketAddr, now: Instant) -> Self {
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).unwrap());
        Self {
            rtc,
            address,
            deadline: now,
            is_connected: false,
            is_asked_for_keyframe: false,
            received: None,
            transmits: Vec::new(),
        }
    }

    /// Takes out what the engine has to give.
    pub fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.deadline = at.max(now + TIMER_GRAIN);
                    return;
                }
                Output::Transmit(transmit) => self.transmits.push(transmit.contents.into()),
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(Event::KeyframeRequest(_)) => self.is_asked_for_keyframe = true,
                Output::Event(Event::RtpPacket(packet)) => {
                    if let Some(received) = &mut self.received {
                        received.push(packet);
                    }
                }
                Output::Event(_) => {}
            }
        }
    }

    /// Time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain(now);
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) {
        let receive =
            Receive { proto: Protocol::Udp, source, destination: self.address, contents: datagram.try_into().unwrap() };
        let input = Input::Receive(now, receive);
        if self.rtc.accepts(&input) {
            self.rtc.handle_input(input).unwrap();
            self.drain(now);
        }
    }
}
