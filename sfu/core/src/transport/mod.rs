//! One peer connection: the only place that names `str0m::Rtc`.
//!
//! Owned by the worker. A transport turns datagrams into packets and messages, carries negotiation, and sends
//! what forwarders hand it. It does not know what a room is, nor which track stands behind a section: it
//! reports mids, and the worker knows.
//!
//! str0m allows one mutation and then wants to be drained. [`Transport::mutate`] is that rule as a function;
//! writing packets is the measured exception (several writes, one flush; see [`egress`]).

mod config;
mod data;
mod dependency_descriptor;
mod egress;
mod guard;
mod negotiation;
mod roaming;
mod sections;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sluice_rtp::VideoCodec;
use sluice_sdp::{Media, Section};
use str0m::format::{Codec, PayloadParams};
use str0m::media::{KeyframeRequestKind, Mid, Pt, Rid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

use crate::random::Random;
use crate::{DataChannel, Kind, SubscriptionKey};

pub(crate) use config::{STATS_INTERVAL, Shared};
pub(crate) use data::BacklogFull;
pub(crate) use dependency_descriptor::RawDependencyDescriptor;
pub(crate) use egress::{OutStream, Step};
pub(crate) use negotiation::{NegotiationError, Offered};
pub(crate) use sections::{Label, Need, Opened};

use data::{DataChannels, MAX_MESSAGE_LEN, Written};
use guard::StreamGuard;
use negotiation::{Outstanding, ice_credentials};
use roaming::Roaming;
use sections::Sections;

/// A datagram to send.
#[derive(Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The local address (as in our candidates) it leaves from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// Its bytes.
    pub contents: Vec<u8>,
}

/// A decrypted packet of a client's stream.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) mid: Mid,
    pub(crate) rid: Option<Rid>,
    pub(crate) payload_type: Pt,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) extensions: ExtensionValues,
    pub(crate) arrived_at: Instant,
}

/// What came out of a transport, for the worker to act on.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "packets are the rule: a box would be an allocation for each")]
pub(crate) enum Happening {
    /// ICE and DTLS are up.
    Connected,
    /// ICE lost or found the client again.
    Reachable(bool),
    /// The connection ended for good: closed by the client, or failed.
    Ended,
    Packet(Packet),
    /// The client cannot decode what it gets on this section.
    KeyframeWanted(Mid),
    Data(DataChannel, Vec<u8>),
}

/// Where transports put what they produce.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) transmits: VecDeque<Transmit>,
    pub(crate) happenings: Vec<Happening>,
}

/// Loss and round trip as str0m last summed them up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LinkStats {
    pub(crate) upstream_loss: f32,
    pub(crate) downstream_loss: f32,
    pub(crate) rtt_ms: Option<u32>,
}

pub(crate) struct Transport {
    rtc: Rtc,
    guard: StreamGuard,
    roaming: Roaming,
    channels: DataChannels,
    sections: Sections,
    streams: Vec<(Mid, OutStream)>,
    outstanding: Option<Outstanding>,
    last_offer_id: u32,
    wants_restart: bool,
    ufrag: String,
    /// The client's, as of its last answer.
    remote_ufrag: Option<String>,
    deadline: Option<Instant>,
    is_connected: bool,
    has_ended: bool,
    stats: LinkStats,
}

impl Transport {
    /// Waits for a client at the local addresses.
    pub(crate) fn new(shared: &Shared, local: &[SocketAddr], random: &mut dyn Random, now: Instant) -> Self {
        let credentials = ice_credentials(random);
        let ufrag = credentials.ufrag.clone();
        let mut rtc = config::build(shared, credentials, now);
        for address in local {
            // Unspecified and multicast addresses are no candidates; the node does not pass any.
            if let Ok(candidate) = Candidate::host(*address, Protocol::Udp) {
                rtc.add_local_candidate(candidate);
            }
        }
        Self {
            rtc,
            guard: StreamGuard::default(),
            roaming: Roaming::default(),
            channels: DataChannels::default(),
            sections: Sections::default(),
            streams: Vec::new(),
            outstanding: None,
            last_offer_id: 0,
            wants_restart: false,
            ufrag,
            remote_ufrag: None,
            deadline: None,
            is_connected: false,
            has_ended: false,
            stats: LinkStats::default(),
        }
    }

    /// The fragment by which the client's first message finds this transport.
    pub(crate) fn ufrag(&self) -> &str {
        &self.ufrag
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(crate) fn stats(&self) -> LinkStats {
        self.stats
    }

    /// A datagram from the network. False when it is none of this transport's: wrong integrity, wrong
    /// address, not parsable, or a stranger's claim on a live stream.
    pub(crate) fn receive(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
        now: Instant,
        out: &mut Outbox,
    ) -> bool {
        let Ok(contents) = datagram.try_into() else { return false };
        let input = Input::Receive(now, Receive { proto: Protocol::Udp, source, destination, contents });
        if !self.rtc.accepts(&input) || !self.guard.admits(datagram, now) {
            return false;
        }
        self.mutate(out, |rtc| {
            // What a peer sends cannot end it: str0m drops its own state of the message.
            if let Err(error) = rtc.handle_input(input) {
                tracing::debug!(%error, "input refused");
            }
        });
        if let Some(candidate) = self.roaming.handle_datagram(source, datagram, now) {
            self.mutate(out, |rtc| rtc.add_remote_candidate(candidate));
            self.flush(now, out);
        }
        // A channel may have opened, or have room again.
        self.send_backlog(out);
        true
    }

    /// Time has come, or packets were written: sends what is due.
    pub(crate) fn flush(&mut self, now: Instant, out: &mut Outbox) {
        self.mutate(out, |rtc| {
            if let Err(error) = rtc.handle_input(Input::Timeout(now)) {
                tracing::debug!(%error, "timeout refused");
            }
        });
        self.send_backlog(out);
    }

    /// Asks the client for a key frame of a section's layer. Leaves with the next flush.
    pub(crate) fn request_keyframe(&mut self, mid: Mid, rid: Option<Rid>) {
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, rid) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// The format a client's payload type stands for.
    pub(crate) fn format(&self, pt: Pt) -> Option<PayloadParams> {
        self.rtc.codec_config().find(|p| p.pt() == pt).copied()
    }

    /// The payload type under which the client takes a format on a section.
    pub(crate) fn payload_type(&self, mid: Mid, format: PayloadParams) -> Option<Pt> {
        let pt = self.rtc.codec_config().match_params(format)?.pt();
        self.rtc.media(mid)?.remote_pts().contains(&pt).then_some(pt)
    }

    /// Sends a packet on a section where its stream says it goes. Leaves with the next flush.
    pub(crate) fn write(&mut self, mid: Mid, pt: Pt, packet: &Packet, step: Step) {
        let Some(place) = self.streams.iter().position(|(m, _)| *m == mid) else {
            self.streams.push((mid, OutStream::default()));
            return self.write(mid, pt, packet, step);
        };
        let Some(outgoing) = self.streams[place].1.place(packet, step) else { return };
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            egress::write(stream, pt, packet, &outgoing);
        }
    }

    /// Sends a message on a data channel; reliable ones wait until the channel is open and has room. False
    /// when a lossy one is lost for want of it, or any for its length.
    pub(crate) fn send_data(
        &mut self,
        channel: DataChannel,
        message: &Arc<[u8]>,
        out: &mut Outbox,
    ) -> Result<bool, BacklogFull> {
        if message.len() > MAX_MESSAGE_LEN {
            return Ok(false);
        }
        match channel {
            DataChannel::Reliable => {
                self.channels.push(Arc::clone(message))?;
                self.send_backlog(out);
                Ok(true)
            }
            DataChannel::Lossy => Ok(self.write_data(channel, message, out) == Written::OnItsWay),
        }
    }

    fn send_backlog(&mut self, out: &mut Outbox) {
        while let Some(message) = self.channels.front().cloned() {
            match self.write_data(DataChannel::Reliable, &message, out) {
                Written::NoRoom => return,
                Written::OnItsWay | Written::Refused => self.channels.pop(),
            }
        }
    }

    fn write_data(&mut self, channel: DataChannel, message: &[u8], out: &mut Outbox) -> Written {
        let Some(id) = self.channels.id(channel) else { return Written::NoRoom };
        match self.mutate(out, |rtc| rtc.channel(id).map(|mut channel| channel.write(true, message))) {
            Some(Ok(true)) => Written::OnItsWay,
            Some(Ok(false)) | None => Written::NoRoom,
            Some(Err(error)) => {
                tracing::debug!(%error, "message refused");
                Written::Refused
            }
        }
    }

    /// A subscription wants a section of this transport.
    pub(crate) fn want_section(&mut self, subscription: SubscriptionKey, kind: Kind, label: Label) {
        self.sections.want(subscription, kind, label);
    }

    /// A subscription is over.
    pub(crate) fn release_section(&mut self, subscription: SubscriptionKey) {
        self.sections.release(subscription);
    }

    /// Sections that carry tracks to the client.
    pub(crate) fn mid_to_track(&self) -> crate::MidToTrack {
        self.sections
            .mid_to_track()
            .map(|(mid, label)| (mid.to_string(), label.track.clone()))
            .collect()
    }

    /// What the client must be asked for so that waiting subscriptions get sections.
    pub(crate) fn poll_need(&mut self) -> Option<Need> {
        self.sections.poll_need()
    }

    /// Says goodbye: DTLS close_notify and RTCP BYE.
    pub(crate) fn close(&mut self, out: &mut Outbox) {
        self.mutate(out, |rtc| {
            if let Err(error) = rtc.close() {
                tracing::debug!(%error, "close refused");
            }
        });
    }

    /// One mutation, then drain: str0m's rule, kept here so that nobody has to remember it.
    fn mutate<T>(&mut self, out: &mut Outbox, mutation: impl FnOnce(&mut Rtc) -> T) -> T {
        let result = mutation(&mut self.rtc);
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = self.rtc.is_alive().then_some(at);
                    break;
                }
                Ok(Output::Transmit(t)) => {
                    let (source, destination, contents) = (t.source, t.destination, Vec::from(t.contents));
                    if contents.first().is_some_and(|first| !is_connectivity_check(*first)) {
                        self.roaming.sent_to(destination);
                    }
                    out.transmits.push_back(Transmit { source, destination, contents });
                }
                Ok(Output::Event(event)) => self.handle_event(event, out),
                Err(error) => {
                    tracing::debug!(%error, "connection failed");
                    self.rtc.disconnect();
                }
            }
        }
        if !self.rtc.is_alive() && !self.has_ended {
            self.has_ended = true;
            self.is_connected = false;
            out.happenings.push(Happening::Ended);
        }
        result
    }

    fn handle_event(&mut self, event: Event, out: &mut Outbox) {
        match event {
            Event::Connected => {
                self.is_connected = true;
                out.happenings.push(Happening::Connected);
            }
            Event::IceConnectionStateChange(state) => match state {
                IceConnectionState::Disconnected => out.happenings.push(Happening::Reachable(false)),
                IceConnectionState::Connected | IceConnectionState::Completed => {
                    out.happenings.push(Happening::Reachable(true));
                }
                _ => {}
            },
            Event::RtpPacket(packet) => {
                if let Some(packet) = self.identify(packet) {
                    out.happenings.push(Happening::Packet(packet));
                }
            }
            Event::KeyframeRequest(request) => out.happenings.push(Happening::KeyframeWanted(request.mid)),
            Event::ChannelOpen(id, label) => self.channels.opened(id, &label),
            Event::ChannelData(data) => {
                if let Some(channel) = self.channels.channel(data.id) {
                    out.happenings.push(Happening::Data(channel, data.data));
                }
            }
            Event::PeerStats(stats) => {
                let ms = |rtt: std::time::Duration| u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX);
                self.stats.upstream_loss = stats.ingress_loss_fraction.unwrap_or(0.0);
                self.stats.downstream_loss = stats.egress_loss_fraction.unwrap_or(0.0);
                self.stats.rtt_ms = stats.rtt.map(ms).or(self.stats.rtt_ms);
            }
            Event::MediaEgressStats(stats) => {
                // Comes after the peer's sum in the same beat; receiver reports know more than nothing.
                self.stats.downstream_loss = self.stats.downstream_loss.max(stats.loss.unwrap_or(0.0));
            }
            _ => {}
        }
    }

    /// Section and layer of a packet: its header names them only until str0m has bound the SSRC.
    fn identify(&mut self, packet: RtpPacket) -> Option<Packet> {
        let ssrc = *packet.header.ssrc;
        let (mid, rid) = match self.guard.touch(ssrc, packet.timestamp) {
            Some(names) => names,
            None => {
                let mut direct = self.rtc.direct_api();
                let stream = direct.stream_rx(&packet.header.ssrc)?;
                let names = (stream.mid(), stream.rid());
                self.guard.authenticated(names.0, names.1, ssrc, packet.timestamp);
                names
            }
        };
        Some(Packet {
            mid,
            rid,
            payload_type: packet.header.payload_type,
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload,
            extensions: packet.header.ext_vals,
            arrived_at: packet.timestamp,
        })
    }
}

/// True for the first byte of a STUN message (RFC 7983).
fn is_connectivity_check(first: u8) -> bool {
    first < 4
}

/// Sound or pictures, in the worker's words.
pub(crate) fn kind(section: &Section) -> Option<Kind> {
    section.media().map(|media| match media {
        Media::Audio => Kind::Audio,
        Media::Video => Kind::Video,
    })
}

/// The codec of a video format, when the forwarder knows how to enter it.
pub(crate) fn video_codec(format: &PayloadParams) -> Option<VideoCodec> {
    match format.spec().codec {
        Codec::Vp8 => Some(VideoCodec::Vp8),
        Codec::Vp9 => Some(VideoCodec::Vp9),
        Codec::H264 => Some(VideoCodec::H264),
        Codec::Av1 => Some(VideoCodec::Av1),
        _ => None,
    }
}
