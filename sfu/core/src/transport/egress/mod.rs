//! The send side of a connection, ours from end to end: numbering, protection, pacing, repair, reports.
//!
//! Owned by the transport, which gives it keys, a path, and what comes back. Forwarders hand it packets with the
//! numbers they shall have; [`Egress`] decides when they leave. It knows sections and formats, and neither tracks nor
//! rooms. str0m writes no media and has no outgoing stream: its reports go out under an SSRC of its own.

#[cfg(feature = "bench")]
pub(crate) mod bench;
mod carried;
mod feedback;
mod ring;
mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_bwe::{Class, Config, CongestionController, Estimate, Pacer, PacerConfig, SentKind, Usage};
use sluice_rtp::rtcp;
use sluice_rtp::srtp::{Keys, Receiver, Sender};
use str0m::media::Mid;

pub(super) use carried::ntp;
pub(crate) use carried::{Carried, ExtensionIds};
pub(crate) use stream::OutFormat;

use super::Outbox;
use crate::allocator::LayerId;
use crate::forwarder::{OutNumbers, PacketInfo, Placement};
use crate::outgoing::Way;
use crate::random::Random;
use crate::rate::{RateMeter, SteadyRateMeter};
use crate::track::Ingested;
use crate::{Kind, Path};
use ring::Again;
use stream::{Departure, OutStream};

/// What a link is taken for until it has shown: three layers of one camera.
const START_BPS: u64 = 2_000_000;
/// and for so long after the first picture left, unless it shows less sooner: probes have found what there is by then.
const GUESSED_FOR: Duration = Duration::from_secs(2);
/// A voice must get through whatever the estimate.
const MIN_BPS: u64 = 50_000;
/// More than any receiver can decode.
const MAX_BPS: u64 = 60_000_000;
/// Repairs may take so much of what the link carries. More losses than that are not mended by sending more.
const REPAIR_SHARE: f64 = 0.5;
/// A round trip until one was measured.
const ROUND_TRIP: Duration = Duration::from_millis(100);
/// A way that loses this share of its own is a lossy one, where sound and repairs are sent twice: below, a player hides
/// it.
const LOSSY_FROM: f32 = 0.01;
/// and for so long afterwards, since what the second packet brings is not lost any more.
const LOSSY_FOR: Duration = Duration::from_secs(30);
/// Behind a pause the second packet would come too late to be played.
const ECHO_WITHIN: Duration = Duration::from_millis(70);
/// A packet that waited for a second is late, but dropping it would make a hole that only a key frame mends: what is
/// too much is kept away from here by the shares.
const PACER: PacerConfig = PacerConfig { factor: 2.5, max_wait: Duration::from_millis(1000), max_bytes: 512 * 1024 };
/// The controller is asked no more often than this; it may say "long ago".
const CONTROL_INTERVAL: Duration = Duration::from_millis(5);
/// and so often while there is nothing to probe with.
const IDLE_CONTROL_INTERVAL: Duration = Duration::from_millis(200);
/// Reports that fit one datagram with the names of their senders.
const MAX_REPORTS_LEN: usize = 1100;

/// A section of the connection, by its place among those that ever sent. Places are never given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamIndex(usize);

/// What all egresses of a worker have sent since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EgressCounts {
    pub(crate) bytes: u64,
    /// Packets receivers asked for again.
    pub(crate) nacked: u64,
    /// Packets sent again.
    pub(crate) repairs: u64,
    /// Packets of padding, sent to find room.
    pub(crate) padding: u64,
    /// Packets that waited too long for their turn, and were not sent.
    pub(crate) expired: u64,
}

/// A packet that waits for the pacer.
#[derive(Debug)]
enum Queued {
    Media(usize, Arc<Ingested>, Placement, OutFormat),
    /// The same of a packet that left before.
    Repair(usize, Arc<Ingested>, Placement, OutFormat),
    /// Sound that left before, byte for byte, with its transport-wide number if it has one.
    Copy(Vec<u8>, Option<u16>),
}

pub(crate) struct Egress {
    crypto: Option<Sender>,
    feedback: Option<Receiver>,
    way: Option<Way>,
    streams: Vec<OutStream>,
    transport_sequence: u16,
    control: CongestionController,
    control_at: Instant,
    pacer: Pacer<Queued>,
    /// When the first packet of a picture left.
    tried_at: Option<Instant>,
    /// Of the pacer's dropped packets, those counted.
    expired: u64,
    sent: RateMeter,
    repaired: RateMeter,
    /// Of sound, what left twice.
    echoed: SteadyRateMeter,
    /// The way is a lossy one until then: sound that goes without RED, and repairs of pictures, are sent twice.
    lossy_until: Option<Instant>,
    scratch: Vec<u8>,
    /// What is asked for again and not yet repaired: places of streams, and numbers.
    nacked: Vec<(usize, u16)>,
    /// Feedback came that was not acted on yet.
    heard_at: Option<Instant>,
    /// The client takes packet trailers off frames itself.
    takes_trailers: bool,
    /// Of all that is sent: one endpoint, one name (RFC 7022).
    cname: String,
}

impl Egress {
    pub(super) fn new(cname: String, now: Instant) -> Self {
        let config = Config { start_bps: START_BPS, min_bps: MIN_BPS, max_bps: MAX_BPS };
        Self {
            crypto: None,
            feedback: None,
            way: None,
            streams: Vec::new(),
            transport_sequence: 0,
            control: CongestionController::new(config, now),
            control_at: now,
            pacer: Pacer::new(PACER, START_BPS, now),
            tried_at: None,
            expired: 0,
            sent: RateMeter::default(),
            repaired: RateMeter::default(),
            echoed: SteadyRateMeter::default(),
            lossy_until: None,
            scratch: Vec::new(),
            nacked: Vec::new(),
            heard_at: None,
            takes_trailers: false,
            cname,
        }
    }

    /// The handshake is done. The first keys of a connection stand: a second sender with the same ones would repeat
    /// nonces, and there is no second handshake.
    pub(super) fn set_keys(&mut self, keys: &Keys) {
        if self.crypto.is_some() {
            return;
        }
        self.crypto = Some(Sender::new(keys));
        self.feedback = Some(Receiver::new(keys));
    }

    /// Where the client is.
    pub(super) fn set_path(&mut self, path: Path) {
        if self.way.as_ref().is_some_and(|way| way.path() == path) {
            return;
        }
        if self.way.replace(Way::new(path)).is_some() {
            self.control.handle_path_change();
        }
    }

    /// Whether packet trailers are left on what is sent. Said before anything is.
    pub(crate) fn set_takes_trailers(&mut self, takes_trailers: bool) {
        self.takes_trailers = takes_trailers;
    }

    /// Whether packet trailers are left on what is sent.
    pub(super) fn takes_trailers(&self) -> bool {
        self.takes_trailers
    }

    /// Media can be sent.
    pub(super) fn is_ready(&self) -> bool {
        self.crypto.is_some() && self.way.is_some()
    }

    /// The outgoing stream of a section, made when it is first asked for.
    pub(super) fn open(&mut self, mid: Mid, kind: Kind, random: &mut dyn Random) -> StreamIndex {
        if let Some(place) = self.streams.iter().position(|s| s.mid == mid) {
            return StreamIndex(place);
        }
        let (ssrc, repair) = (self.free_ssrc(None, random), 0);
        let repair = if kind == Kind::Video { self.free_ssrc(Some(ssrc), random) } else { repair };
        self.streams.push(OutStream::new(mid, kind, ssrc, repair));
        StreamIndex(self.streams.len() - 1)
    }

    fn free_ssrc(&self, taken: Option<u32>, random: &mut dyn Random) -> u32 {
        loop {
            let mut bytes = [0; 4];
            random.fill(&mut bytes);
            let ssrc = u32::from_be_bytes(bytes);
            let is_taken = |s: &OutStream| s.ssrc() == ssrc || s.repair_ssrc() == ssrc;
            if ssrc != 0 && Some(ssrc) != taken && !self.streams.iter().any(is_taken) {
                return ssrc;
            }
        }
    }

    pub(super) fn index(&self, mid: Mid) -> Option<StreamIndex> {
        self.streams.iter().position(|s| s.mid == mid).map(StreamIndex)
    }

    /// SSRC and repair SSRC of a section, for its description.
    pub(super) fn ssrcs(&self, StreamIndex(place): StreamIndex) -> (u32, Option<u32>) {
        let stream = &self.streams[place];
        (stream.ssrc(), (stream.kind == Kind::Video).then(|| stream.repair_ssrc()))
    }

    /// Sections that may send.
    pub(super) fn mids(&self) -> impl Iterator<Item = Mid> {
        self.streams.iter().map(|s| s.mid)
    }

    /// What was negotiated for a section.
    pub(super) fn configure(&mut self, StreamIndex(place): StreamIndex, ids: ExtensionIds) {
        self.streams[place].configure(ids);
    }

    /// The number under which a stream's receiver takes RED, as negotiated.
    pub(super) fn set_redundancy(&mut self, StreamIndex(place): StreamIndex, payload_type: Option<u8>) {
        self.streams[place].redundancy = payload_type;
    }

    pub(super) fn redundancy(&self, StreamIndex(place): StreamIndex) -> Option<u8> {
        self.streams[place].redundancy
    }

    /// Reads something of every part that sending a packet needs: what lies here,
    pub(crate) fn touch(&self) -> impl Copy + use<> {
        let (way, crypto) = (self.way.as_ref().map(Way::touch), self.crypto.as_ref().map(Sender::touch));
        (
            way,
            crypto,
            self.transport_sequence,
            self.control.touch(),
            self.pacer.touch(),
            self.sent.touch(),
            self.tried_at,
        )
    }

    /// what lies in the stream, of whose packets this one is the next,
    pub(crate) fn touch_stream(&self, StreamIndex(place): StreamIndex, next: &PacketInfo) -> impl Copy + use<> {
        (self.streams.get(place).map(|stream| stream.touch(next)), self.control.touch_history(self.transport_sequence))
    }

    /// and what it will be kept in.
    pub(crate) fn touch_ring(&self, StreamIndex(place): StreamIndex) -> impl Copy + use<> {
        self.streams.get(place).map(|stream| stream.ring.touch())
    }

    /// The numbers of a stream go on over everything that is ever sent on it.
    pub(crate) fn numbers(&mut self, StreamIndex(place): StreamIndex) -> &mut OutNumbers {
        &mut self.streams[place].numbers
    }

    /// The highest layers that a stream's receiver has any use for: nothing above is repaired, and nothing at all for
    /// `None`.
    pub(crate) fn set_useful(&mut self, StreamIndex(place): StreamIndex, layer: Option<LayerId>) {
        self.streams[place].useful = layer;
    }

    /// Sends a packet, now or when the pacer lets it. True when the deadline may have come nearer.
    pub(crate) fn write(
        &mut self,
        StreamIndex(place): StreamIndex,
        packet: &Arc<Ingested>,
        placement: Placement,
        format: OutFormat,
        now: Instant,
        out: &mut Outbox,
    ) -> bool {
        let stream = &self.streams[place];
        let is_first = stream.report_at().is_none() || placement.is_switch;
        let class = if stream.kind == Kind::Audio { Class::Audio } else { Class::Video };
        let len = packet.payload(format).len();
        // Without numbers nobody tells how the link fares, and waiting would serve nothing.
        if !stream.is_numbered() || self.pacer.try_send(class, len, now) {
            self.send(place, packet, placement, format, now, out);
            return is_first;
        }
        let queued = Queued::Media(place, Arc::clone(packet), placement, format);
        self.pacer.push(class, len, queued, now);
        true
    }

    fn send(
        &mut self,
        place: usize,
        packet: &Arc<Ingested>,
        placement: Placement,
        format: OutFormat,
        now: Instant,
        out: &mut Outbox,
    ) {
        let (Some(crypto), Some(way)) = (&self.crypto, &mut self.way) else { return };
        let stream = &mut self.streams[place];
        let number = self.transport_sequence;
        let departure = Departure { packet, placement: &placement, format, transport_sequence: number };
        // Refused is a packet so late that nobody waits for it, or one that was sent already.
        let written = out.outgoing.write(way, |buf, start| stream.write(&departure, crypto, buf, start));
        let Ok(datagram) = written else { return };
        let number = stream.is_numbered().then_some(number);
        stream.sent(packet, placement, format, (datagram, number), now);
        if stream.kind == Kind::Video {
            self.tried_at.get_or_insert(now);
        }
        let len = datagram.len();
        self.left(place, len, SentKind::Media, now, &mut out.counts);
        self.echo(place, format, now, out);
    }

    /// A datagram goes to the network: counted, and numbered for the estimate.
    fn left(&mut self, place: usize, len: usize, kind: SentKind, now: Instant, counts: &mut EgressCounts) {
        if self.streams[place].is_numbered() {
            self.control.handle_sent(self.transport_sequence, len, now, kind);
            self.transport_sequence = self.transport_sequence.wrapping_add(1);
        }
        counts.bytes += len as u64;
        self.sent.add(len, now);
    }

    /// Sends again what the receiver misses.
    fn repair(&mut self, place: usize, sequence: u16, now: Instant) {
        let estimate = self.control.estimate();
        let round_trip = estimate.rtt.unwrap_or(ROUND_TRIP);
        let stream = &mut self.streams[place];
        if !stream.can_repair() {
            return;
        }
        let budget = estimate.target_bps as f64 * REPAIR_SHARE;
        if self.repaired.bps(now) as f64 > budget {
            return;
        }
        let useful = stream.useful;
        let Some(sent) = stream.ring.resend(sequence, round_trip, now, useful) else { return };
        match sent.again {
            Again::Copy(datagram, number) => {
                self.repaired.add(datagram.len(), now);
                self.pacer.push(Class::Audio, datagram.len(), Queued::Copy(datagram, number), now);
            }
            Again::Repair(packet, format) => {
                let len = packet.packet.payload.len();
                // A repair that is lost as well costs another round trip, which is what freezes pictures.
                let times = if self.is_lossy(now) && !estimate.is_queued { 2 } else { 1 };
                for _ in 0..times {
                    self.repaired.add(len, now);
                    let queued = Queued::Repair(place, Arc::clone(&packet), sent.placement, format);
                    self.pacer.push(Class::Retransmission, len, queued, now);
                }
            }
        }
    }

    /// Time has come, or something was queued.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox) {
        self.control.handle_timeout(now);
        let estimate = self.control.estimate();
        if self.control.path_loss() >= LOSSY_FROM {
            self.lossy_until = Some(now + LOSSY_FOR);
        }
        self.pacer.set_rate(estimate.target_bps, estimate.is_queued);
        self.heard_at = None;
        if !self.is_ready() {
            return;
        }
        self.repair_nacked(now, &mut out.counts);
        while let Some(queued) = self.pacer.poll(now) {
            match queued {
                Queued::Media(place, packet, placement, format) => {
                    self.send(place, &packet, placement, format, now, out);
                }
                Queued::Repair(place, packet, placement, format) => {
                    self.send_repair(place, &packet, &placement, format, now, out);
                }
                Queued::Copy(datagram, number) => self.send_copy(&datagram, number, now, out),
            }
        }
        out.counts.expired += self.pacer.dropped() - self.expired;
        self.expired = self.pacer.dropped();
        let can_probe = self.probe(now, out);
        self.control_at = now + if can_probe { CONTROL_INTERVAL } else { IDLE_CONTROL_INTERVAL };
        self.report(now, out);
    }

    fn send_repair(
        &mut self,
        place: usize,
        packet: &Ingested,
        placement: &Placement,
        format: OutFormat,
        now: Instant,
        out: &mut Outbox,
    ) {
        let (Some(crypto), Some(way)) = (&self.crypto, &mut self.way) else { return };
        let stream = &mut self.streams[place];
        let departure = Departure { packet, placement, format, transport_sequence: self.transport_sequence };
        let written = out.outgoing.write(way, |buf, start| stream.write_repair(&departure, crypto, buf, start));
        let Ok(datagram) = written else { return };
        let len = datagram.len();
        out.counts.repairs += 1;
        self.left(place, len, SentKind::Retransmission, now, &mut out.counts);
    }

    /// Of what the way loses so much is its own that sending twice pays.
    fn is_lossy(&self, now: Instant) -> bool {
        self.lossy_until.is_some_and(|until| now < until)
    }

    /// On a way that loses, who has no RED (Firefox, and everybody where sound is encrypted) gets each packet of sound
    /// twice: the second time behind the next one, as RED would have it, long before it could be asked for.
    fn echo(&mut self, place: usize, format: OutFormat, now: Instant, out: &mut Outbox) {
        let stream = &self.streams[place];
        if !self.is_lossy(now)
            || !stream.is_without_redundancy(format)
            || self.control.estimate().state == Usage::Overusing
        {
            return;
        }
        let before = stream.ring.before_newest(ECHO_WITHIN, now).map(|sent| sent.again.clone());
        if let Some(Again::Copy(datagram, number)) = before {
            // As the first did, it leaves at once where there are numbers, and pictures wait for it.
            if number.is_some() {
                self.pacer.try_send(Class::Audio, datagram.len(), now);
            }
            self.echoed.add(datagram.len(), now);
            self.send_copy(&datagram, number, now, out);
        }
    }

    /// Sends sound once more as it left: its transport-wide number is part of what is protected, so it has no new one
    /// and the estimate counts it once.
    fn send_copy(&mut self, datagram: &[u8], number: Option<u16>, now: Instant, out: &mut Outbox) {
        let Some(way) = &mut self.way else { return };
        if let Some(number) = number {
            self.control.handle_repeated(number);
        }
        out.counts.repairs += 1;
        out.counts.bytes += datagram.len() as u64;
        self.sent.add(datagram.len(), now);
        out.outgoing.copy(way, datagram);
    }

    /// Looks for room with padding. False when no stream can carry any.
    fn probe(&mut self, now: Instant, out: &mut Outbox) -> bool {
        let able = self.streams.iter().position(|s| s.can_pad() && s.is_numbered());
        let Some(place) = able else { return false };
        if let Some(probe) = self.control.poll_probe(now) {
            self.pacer.start_probe(probe, now);
        }
        while let Some(padding) = self.pacer.poll_padding(now) {
            let (Some(crypto), Some(way)) = (&self.crypto, &mut self.way) else { return false };
            let (stream, number) = (&mut self.streams[place], self.transport_sequence);
            let Ok(datagram) = out.outgoing.write(way, |buf, start| stream.write_padding(number, crypto, buf, start))
            else {
                self.pacer.cancel_probe();
                return false;
            };
            let len = datagram.len();
            out.counts.padding += 1;
            self.left(place, len, SentKind::Probe(padding.cluster), now, &mut out.counts);
            self.pacer.padding_sent(len, now);
        }
        true
    }

    /// Sender reports that are due, several to a datagram.
    fn report(&mut self, now: Instant, out: &mut Outbox) {
        let (Some(crypto), Some(way)) = (&mut self.crypto, &mut self.way) else { return };
        let (mut streams, cname) = (self.streams.iter_mut(), &self.cname);
        // Nothing to say leaves no datagram; neither do keys that are used up.
        while !streams.as_slice().is_empty() {
            let _ = out.outgoing.write(way, |compound, start| {
                for stream in streams.by_ref() {
                    let Some(info) = stream.poll_report(now) else { continue };
                    stream.ring.expire(now);
                    rtcp::write_sender_report(compound, stream.ssrc(), info, &[]);
                    rtcp::write_sdes_cname(compound, stream.ssrc(), cname);
                    if compound.len() - start > MAX_REPORTS_LEN {
                        break;
                    }
                }
                crypto.protect_rtcp(compound, start)
            });
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let reports = self.streams.iter().filter_map(OutStream::report_at);
        let control = self
            .control
            .poll_timeout()
            .filter(|_| self.is_estimated())
            .map(|at| at.max(self.control_at));
        let ready = self.is_ready().then_some(());
        ready.and_then(|()| reports.chain(control).chain(self.pacer.poll_timeout()).chain(self.heard_at).min())
    }

    /// What is known of the link.
    pub(crate) fn estimate(&self) -> Estimate {
        self.control.estimate()
    }

    /// What is known of the link is what every link is taken for.
    pub(crate) fn is_guessed(&self, now: Instant) -> bool {
        let is_untried = self.tried_at.is_none_or(|at| now.saturating_duration_since(at) < GUESSED_FOR);
        is_untried && self.estimate().target_bps >= START_BPS
    }

    /// Some section negotiated the numbers an estimate is made of.
    pub(crate) fn is_estimated(&self) -> bool {
        self.streams.iter().any(OutStream::is_numbered)
    }

    /// Bits per second the allocator could use.
    pub(crate) fn set_desired(&mut self, bps: Option<u64>) {
        self.control.set_desired(bps);
    }

    /// Bits per second as of late, everything included.
    pub(crate) fn sent_bps(&self, now: Instant) -> u64 {
        self.sent.bps(now)
    }

    /// Bits per second that sound takes by being sent twice: what is left for all else is less by that.
    pub(crate) fn echoed_bps(&self, now: Instant) -> u64 {
        self.echoed.bps(now)
    }

    /// Loss and jitter of all streams, as their receiver reports say: the worst of the last reports.
    pub(crate) fn reception(&self) -> Option<(f32, Duration)> {
        let reports = self.streams.iter().filter_map(|s| s.reception);
        reports.map(|r| (r.loss, r.jitter)).reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
    }
}
