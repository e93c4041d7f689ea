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
mod keys;
mod negotiation;
mod roaming;
mod sections;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sluice_rtp::VideoCodec;
use sluice_sdp::{Media, Section};
use str0m::format::{Codec, PayloadParams};
use str0m::media::{KeyframeRequestKind, MediaKind, Mid, Pt, Rid};
use str0m::net::{Protocol as Carrier, Receive, TcpType};
use str0m::rtp::{RtpPacket, Ssrc};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

use crate::outgoing::{Outgoing, Way};
use crate::random::Random;
use crate::{DataChannel, Kind, Path, Protocol, SubscriptionKey, WorkerId};

pub(crate) use config::{STATS_INTERVAL, Shared};
pub(crate) use data::BacklogFull;
pub(crate) use dependency_descriptor::RawDependencyDescriptor;
#[cfg(feature = "bench")]
pub(crate) use egress::bench as egress_bench;
pub(crate) use egress::{Carried, Egress, EgressCounts, OutFormat, StreamIndex};
pub(crate) use keys::observed;
pub(crate) use negotiation::{NegotiationError, Offered};
pub(crate) use sections::{Label, Need, Opened};

use data::{DataChannels, MAX_MESSAGE_LEN, Written};
use guard::StreamGuard;
use negotiation::{Outstanding, ice_credentials};
use roaming::Roaming;
use sections::Sections;

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
    pub(crate) carried: Carried,
    /// What its publisher last said of its clock.
    pub(crate) clock: Option<SenderClock>,
    pub(crate) arrived_at: Instant,
}

impl Packet {
    /// A piece of sound that this packet repeats and that was lost. Its marker is lost for good.
    pub(crate) fn recovered(&self, payload_type: Pt, sequence: u64, timestamp: u32, data: &[u8]) -> Self {
        Self {
            mid: self.mid,
            rid: self.rid,
            payload_type,
            sequence,
            timestamp,
            marker: false,
            payload: Arc::from(data),
            carried: self.carried.of_repeated(),
            clock: self.clock,
            arrived_at: self.arrived_at,
        }
    }
}

/// A publisher's sender report: this time is that timestamp (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SenderClock {
    pub(crate) ntp: u64,
    pub(crate) rtp: u32,
}

impl SenderClock {
    /// The publisher's wall clock at a timestamp of the same stream, before or after the report.
    pub(crate) fn time_of(&self, timestamp: u32, clock_rate_hz: u32) -> u64 {
        let ticks = i128::from(timestamp.wrapping_sub(self.rtp).cast_signed());
        let since = (ticks << 32) / i128::from(clock_rate_hz.max(1));
        // Half of all timestamps is no more than half of NTP's seconds, however slow the clock.
        self.ntp.wrapping_add_signed(i64::try_from(since).unwrap_or(0))
    }
}

/// What came out of a transport, for the worker to act on.
#[derive(Debug)]
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
    pub(crate) outgoing: Outgoing,
    pub(crate) happenings: Vec<Happening>,
    pub(crate) counts: EgressCounts,
}

/// How the way from the client fares, as str0m last summed it up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LinkStats {
    pub(crate) upstream_loss: f32,
    pub(crate) rtt_ms: Option<u32>,
}

pub(crate) struct Transport {
    rtc: Rtc,
    guard: StreamGuard,
    roaming: Roaming,
    channels: DataChannels,
    sections: Sections,
    egress: Egress,
    /// On which the engine sent last.
    way: Option<Way>,
    /// Of all we send: one endpoint, one name (RFC 7022).
    cname: String,
    outstanding: Option<Outstanding>,
    last_offer_id: u32,
    wants_restart: bool,
    /// The worker it belongs to, as its fragments say.
    worker: WorkerId,
    ufrag: String,
    /// The client's, as of its last answer.
    remote_ufrag: Option<String>,
    engine_deadline: Option<Instant>,
    /// The engine has something to send that waits for its next turn.
    is_engine_due: bool,
    is_connected: bool,
    has_ended: bool,
    stats: LinkStats,
}

impl Transport {
    /// Waits for a client at the local addresses.
    pub(crate) fn new(
        shared: &Shared,
        local: &[(Protocol, SocketAddr)],
        random: &mut dyn Random,
        now: Instant,
    ) -> Self {
        let credentials = ice_credentials(shared.worker, random);
        let ufrag = credentials.ufrag.clone();
        let cname = ice_credentials(shared.worker, random).ufrag;
        let mut rtc = config::build(shared, credentials, now);
        for (protocol, address) in local {
            // What is the same kind of candidate ranks UDP above TCP (RFC 6544 section 4.2).
            let candidate = match protocol {
                Protocol::Udp => Candidate::host(*address, Carrier::Udp),
                Protocol::Tcp => Candidate::builder().tcp().host(*address).tcptype(TcpType::Passive).build(),
            };
            // Unspecified and multicast addresses are no candidates; the node does not pass any.
            if let Ok(candidate) = candidate {
                rtc.add_local_candidate(candidate);
            }
        }
        Self {
            rtc,
            guard: StreamGuard::default(),
            roaming: Roaming::default(),
            channels: DataChannels::default(),
            sections: Sections::default(),
            egress: Egress::new(cname.clone(), now),
            way: None,
            cname,
            outstanding: None,
            last_offer_id: 0,
            wants_restart: false,
            worker: shared.worker,
            ufrag,
            remote_ufrag: None,
            engine_deadline: None,
            is_engine_due: false,
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
        [self.engine_deadline, self.egress.deadline()].into_iter().flatten().min()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(crate) fn stats(&self) -> LinkStats {
        self.stats
    }

    /// A datagram from the network. False when it is none of this transport's: wrong integrity, wrong
    /// address, not parsable, or a stranger's claim on a live stream.
    pub(crate) fn receive(&mut self, path: Path, datagram: &[u8], now: Instant, out: &mut Outbox) -> bool {
        if is_rtcp(datagram) && !self.handle_rtcp(datagram, now, out) {
            self.follow(path, datagram, now, out);
            return true;
        }
        let Ok(contents) = datagram.try_into() else { return false };
        let (proto, source, destination) = (carrier(path.protocol), path.remote, path.local);
        let input = Input::Receive(now, Receive { proto, source, destination, contents });
        if !self.rtc.accepts(&input) || !self.guard.admits(datagram, now) {
            return false;
        }
        self.mutate(out, |rtc| {
            // What a peer sends cannot end it: str0m drops its own state of the message.
            if let Err(error) = rtc.handle_input(input) {
                tracing::debug!(%error, "input refused");
            }
        });
        self.follow(path, datagram, now, out);
        // A channel may have opened, or have room again.
        self.send_backlog(out);
        true
    }

    /// Feedback is read by the egress. True when the engine wants the datagram as well, or alone.
    fn handle_rtcp(&mut self, datagram: &[u8], now: Instant, out: &mut Outbox) -> bool {
        if !self.egress.is_ready() {
            return true;
        }
        let heard = self.egress.handle_rtcp(datagram, now);
        out.happenings.extend(heard.keyframes.into_iter().map(Happening::KeyframeWanted));
        // What is not authentic the engine refuses as well, and counts.
        heard.is_for_engine || !heard.is_authentic
    }

    /// The datagram was taken: its sender may have moved.
    fn follow(&mut self, path: Path, datagram: &[u8], now: Instant, out: &mut Outbox) {
        if self.roaming.handle_datagram(path, datagram, now) {
            tracing::debug!(?path, "the client is followed");
            self.is_engine_due = true;
            self.egress.set_path(path);
            self.flush(now, out);
        }
    }

    /// A connection of this transport is closed. It may come back by another, or has a path over UDP.
    pub(crate) fn handle_closed(&mut self, path: Path) {
        self.roaming.handle_closed(path);
    }

    /// Time has come, or something was written: sends what is due.
    pub(crate) fn flush(&mut self, now: Instant, out: &mut Outbox) {
        if std::mem::take(&mut self.is_engine_due) || self.engine_deadline.is_some_and(|at| at <= now) {
            self.mutate(out, |rtc| {
                if let Err(error) = rtc.handle_input(Input::Timeout(now)) {
                    tracing::debug!(%error, "timeout refused");
                }
            });
            self.send_backlog(out);
        }
        self.egress.handle_timeout(now, out);
    }

    /// Asks the client for a key frame of a section's layer. Leaves with the next flush.
    pub(crate) fn request_keyframe(&mut self, mid: Mid, rid: Option<Rid>) {
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, rid) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            self.is_engine_due = true;
        }
    }

    /// The format a client's payload type stands for.
    pub(crate) fn format(&self, pt: Pt) -> Option<PayloadParams> {
        self.rtc.codec_config().find(|p| p.pt() == pt || p.red() == Some(pt)).copied()
    }

    /// How the client numbers a format on a section; `None` when it does not take it. `is_redundant`: it comes as RED,
    /// which a client that does not take that gets as the format within.
    pub(crate) fn out_format(&self, mid: Mid, format: PayloadParams, is_redundant: bool) -> Option<OutFormat> {
        let agreed = self.rtc.codec_config().match_params(format)?;
        let takes = |pt: &Pt| self.rtc.media(mid).is_some_and(|media| media.remote_pts().contains(pt));
        // The blocks name what they carry by the publisher's number.
        let redundancy = self.egress.index(mid).and_then(|stream| self.egress.redundancy(stream));
        let redundancy = redundancy.filter(|_| is_redundant && agreed.pt() == format.pt());
        takes(&agreed.pt()).then(|| OutFormat {
            payload_type: redundancy.unwrap_or(*agreed.pt()),
            is_unwrapped: is_redundant && redundancy.is_none(),
            takes_trailers: self.egress.takes_trailers(),
            // Told apart from the format it repairs in the description only.
            repair: agreed.resend().map(|pt| *pt),
            clock_rate_hz: agreed.spec().clock_rate.get(),
        })
    }

    /// True when the client takes a codec (`video/VP8`) in any of its forms on a section.
    pub(crate) fn takes_codec(&self, mid: Mid, mime_type: &str) -> bool {
        let Some(media) = self.rtc.media(mid) else { return false };
        let (_, name) = mime_type.split_once('/').unwrap_or_default();
        let is_codec = |p: &&PayloadParams| p.spec().codec.to_string().eq_ignore_ascii_case(name);
        let mut formats = self.rtc.codec_config().params().iter().filter(is_codec);
        formats.any(|format| media.remote_pts().contains(&format.pt()))
    }

    /// The outgoing stream of a section.
    pub(crate) fn stream(&self, mid: Mid) -> Option<StreamIndex> {
        self.egress.index(mid)
    }

    /// The send side.
    pub(crate) fn egress(&self) -> &Egress {
        &self.egress
    }

    /// The send side, to send.
    pub(crate) fn egress_mut(&mut self) -> &mut Egress {
        &mut self.egress
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
                    self.engine_deadline = self.rtc.is_alive().then_some(at);
                    break;
                }
                Ok(Output::Transmit(t)) => {
                    // The only other one that a socket of ours can have.
                    let protocol = if t.proto == Carrier::Tcp { Protocol::Tcp } else { Protocol::Udp };
                    let mut path = Path { protocol, remote: t.destination, local: t.source };
                    // A check is answered where it came from.
                    if t.contents.first().is_some_and(|first| !is_connectivity_check(*first)) {
                        path = self.roaming.route(path);
                        self.egress.set_path(path);
                    }
                    let way = self.way.take().filter(|way| way.path() == path);
                    let way = self.way.insert(way.unwrap_or_else(|| Way::new(path)));
                    out.outgoing.copy(way, &t.contents);
                }
                Ok(Output::Event(event)) => self.handle_event(event, out),
                Err(error) => {
                    tracing::debug!(%error, "connection failed");
                    self.rtc.disconnect();
                }
            }
        }
        if let Some(keys) = keys::take() {
            self.egress.set_keys(&keys);
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
            Event::ChannelOpen(id, label) => self.channels.opened(id, &label),
            Event::ChannelData(data) => {
                if let Some(channel) = self.channels.channel(data.id) {
                    out.happenings.push(Happening::Data(channel, data.data));
                }
            }
            Event::PeerStats(stats) => {
                let ms = |rtt: std::time::Duration| u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX);
                self.stats.upstream_loss = stats.ingress_loss_fraction.unwrap_or(0.0);
                self.stats.rtt_ms = stats.rtt.map(ms).or(self.stats.rtt_ms);
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
                self.ask_for_lost_sound(names.0, packet.header.ssrc);
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
            carried: Carried::read(&packet.header.ext_vals),
            // Who reports before anything was sent names no timestamp of its line: engines write 0.
            clock: packet.last_sender_info.filter(|info| info.rtp_time.numer() != 0).map(|info| SenderClock {
                ntp: egress::ntp(info.ntp_time),
                rtp: u32::try_from(info.rtp_time.numer() & u64::from(u32::MAX)).unwrap_or(0),
            }),
            arrived_at: packet.timestamp,
        })
    }

    /// The engine asks for what is lost only where a repair stream is agreed. Of sound none is; browsers send it again
    /// as it was.
    ///
    /// What RED brings back meanwhile is asked for all the same: the engine counts packets and never looks into them,
    /// and cannot be told that one is wanted no more. That costs a publisher whose link loses a small packet for each it
    /// lost, which comes too late to be placed and goes no further; and where more is lost in a row than RED repeats,
    /// asking is all there is.
    fn ask_for_lost_sound(&mut self, mid: Mid, ssrc: Ssrc) {
        if self.rtc.media(mid).is_some_and(|media| media.kind() == MediaKind::Audio)
            && let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc)
        {
            stream.suppress_nack(false);
        }
    }
}

/// True for RTP among what shares a port with it (RFC 7983, RFC 5761 section 4).
#[must_use]
pub fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [128..192, ..]) && !is_rtcp(datagram)
}

/// True for RTCP among what shares a port with it (RFC 5761 section 4).
fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..192, 192..=223, ..])
}

fn carrier(protocol: Protocol) -> Carrier {
    match protocol {
        Protocol::Udp => Carrier::Udp,
        Protocol::Tcp => Carrier::Tcp,
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
        Codec::H265 => Some(VideoCodec::H265),
        Codec::Av1 => Some(VideoCodec::Av1),
        _ => None,
    }
}
