//! One peer connection: an ICE, DTLS and SRTP engine (`str0m::Rtc`) driven from outside. Knows no signaling and no
//! socket.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use str0m::config::{CryptoProvider, DtlsCert};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::error::PeerError;

/// The engine may ask to be called again at the same instant; timers here are no finer than this.
const TIMER_GRAIN: Duration = Duration::from_millis(1);
/// Packets of pictures kept for repairs: a second of the largest size.
const REPAIR_PACKETS: usize = 256;

/// What all peers of a process share: making a key costs more than a handshake.
fn crypto() -> Option<&'static (Arc<CryptoProvider>, DtlsCert)> {
    static SHARED: OnceLock<Option<(Arc<CryptoProvider>, DtlsCert)>> = OnceLock::new();
    let make = || {
        let provider = str0m::crypto::from_feature_flags();
        let certificate = provider.dtls_provider.generate_certificate()?;
        Some((Arc::new(provider), certificate))
    };
    SHARED.get_or_init(make).as_ref()
}

/// A peer connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) rtc: Rtc,
    address: SocketAddr,
    pub(crate) deadline: Option<Instant>,
    /// ICE and DTLS are done.
    pub(crate) is_connected: bool,
    /// Datagrams to send from its address.
    pub(crate) transmits: Vec<(SocketAddr, Vec<u8>)>,
    /// What happened since they were last taken.
    pub(crate) events: Vec<Event>,
}

impl Peer {
    /// A connection that will speak from the local `address`.
    pub(crate) fn new(address: SocketAddr, now: Instant) -> Result<Self, PeerError> {
        let (provider, certificate) = crypto().ok_or(PeerError::Crypto)?;
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .set_crypto_provider(provider.clone())
            .set_dtls_cert(certificate.clone())
            .set_send_buffer_video(REPAIR_PACKETS)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(now);
        let candidate = Candidate::host(address, Protocol::Udp).map_err(|_| PeerError::Address(address))?;
        rtc.add_local_candidate(candidate);
        Ok(Self { rtc, address, deadline: Some(now), is_connected: false, transmits: Vec::new(), events: Vec::new() })
    }

    /// One mutation, then drain.
    pub(crate) fn mutate<T>(&mut self, now: Instant, mutation: impl FnOnce(&mut Rtc) -> T) -> T {
        let result = mutation(&mut self.rtc);
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = self.rtc.is_alive().then(|| at.max(now + TIMER_GRAIN));
                    return result;
                }
                Ok(Output::Transmit(transmit)) => {
                    self.transmits.push((transmit.destination, transmit.contents.into()));
                }
                Ok(Output::Event(event)) => {
                    self.is_connected |= matches!(event, Event::Connected);
                    self.events.push(event);
                }
                // The engine is beyond help: it gets no more time. Those who wait for its media will notice.
                Err(_) => {
                    self.rtc.disconnect();
                    self.deadline = None;
                    return result;
                }
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        // An error is the engine's end, which `mutate` sees as well.
        let _ = self.mutate(now, |rtc| rtc.handle_input(Input::Timeout(now)));
    }

    pub(crate) fn handle_datagram(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) {
        let Ok(contents) = datagram.try_into() else { return };
        let input = Input::Receive(now, Receive { proto: Protocol::Udp, source, destination: self.address, contents });
        // What the engine cannot read is a stranger's datagram, not an error of the run.
        let _ = self.mutate(now, |rtc| if rtc.accepts(&input) { rtc.handle_input(input) } else { Ok(()) });
    }

    /// A candidate the server trickles, as browsers write it.
    pub(crate) fn add_candidate(&mut self, candidate: &str, now: Instant) {
        if let Ok(candidate) = Candidate::from_sdp_string(candidate) {
            self.mutate(now, |rtc| rtc.add_remote_candidate(candidate));
        }
    }
}
