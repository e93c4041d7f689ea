//! Offers and answers of one connection, of either side: SDP in, SDP out, sections given away.
//!
//! Part of the transport, since each step mutates its `Rtc`. The edits around str0m's own reading and writing
//! of descriptions are `sluice-sdp`'s; which subscription gets which section is [`super::sections`]'.

use sluice_rtp::header::NamingExtensions;
use sluice_sdp::{Media, Sdp, SdpError, Section};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, Reliability};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::{IceCreds, RtcError};

use super::data::{DATA_TRACK_LABEL, LOSSY_LABEL, RELIABLE_LABEL};
use super::egress::ExtensionIds;
use super::sections::{Changes, Opened, Verdict};
use super::{Outbox, Transport, kind};
use crate::random::Random;
use crate::{ExpectedTrack, Kind, WorkerId};

const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";

/// Where Chromium's estimator begins instead of 300 kbit/s: the top simulcast layer appears in about 5 s
/// instead of 8 to 16 (measured). Other clients ignore the parameter.
const START_BITRATE: &str = "x-google-start-bitrate=2500";

/// The codec that may travel with redundancy.
const OPUS: &str = "opus";

/// Why an offer or answer was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NegotiationError {
    #[error("the description is refused: {0}")]
    Bounds(#[from] SdpError),
    // str0m's own words may quote the line, and with it a password.
    #[error("the description cannot be parsed")]
    Syntax,
    // str0m would end the connection over it.
    #[error("the description names no certificate")]
    NoFingerprint,
    #[error("the description does not fit the connection: {0}")]
    Mismatch(#[from] RtcError),
    #[error("an answer to offer {0}, which was never made")]
    Stale(u32),
}

/// A client's offer, answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) sdp: Sdp,
    pub(crate) opened: Vec<Opened>,
}

/// An offer of ours.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) id: u32,
    pub(crate) sdp: String,
}

pub(super) struct Outstanding {
    id: u32,
    sdp: String,
    pending: SdpPendingOffer,
    deactivated: Vec<Mid>,
    restart: Option<IceCreds>,
}

impl Transport {
    /// Answers the client's offer. `published` are the tracks behind its sending sections.
    pub(crate) fn handle_offer(
        &mut self,
        mut offer: Sdp,
        published: &[(Mid, &ExpectedTrack)],
        random: &mut dyn Random,
        out: &mut Outbox,
    ) -> Result<Answered, NegotiationError> {
        if !offer.has_fingerprint() {
            return Err(NegotiationError::NoFingerprint);
        }
        offer.drop_candidates();
        let receiving: Vec<_> = offer
            .sections
            .iter()
            .filter(|s| s.direction() == sluice_sdp::Direction::RecvOnly)
            .filter_map(|s| kind(s).map(|kind| (Mid::from(s.mid()), kind)))
            .collect();
        // Nothing of ours moves before str0m has taken the offer.
        let mut sections = self.sections.clone();
        let (verdicts, opened) = sections.handle_offer(&receiving);
        for (mid, verdict) in &verdicts {
            if *verdict == Verdict::Deactivate
                && let Some(section) = offer.section_mut(mid)
            {
                section.deactivate();
            }
        }
        let parsed = SdpOffer::from_sdp_string(&offer.to_string()).map_err(|_| NegotiationError::Syntax)?;
        let before = self.local_credentials();
        let accepted = self.mutate(out, |rtc| rtc.sdp_api().accept_offer(parsed));
        // The client restarted ICE (the rest of its offer may be bad all the same) and str0m drew new credentials
        // from a generator that can be predicted.
        let restarted = (self.local_credentials().ufrag != before.ufrag).then(|| ice_credentials(self.worker, random));
        if let Some(credentials) = &restarted {
            self.set_local_credentials(credentials.clone(), out);
        }
        let mut answer = Sdp::parse(&accepted?.to_sdp_string())?;
        self.sections = sections;
        for section in &offer.sections {
            if !section.direction().is_sending() {
                self.guard.release(section.mid().into());
            }
        }
        if let Some(credentials) = restarted {
            answer.set_ice_credentials(&credentials.ufrag, &credentials.pass);
        }
        for (mid, verdict) in verdicts {
            if let (Verdict::Send(label), Some(section)) = (verdict, answer.section_mut(&mid)) {
                section.set_msid(&label.stream, label.track.as_str());
            }
        }
        for section in &mut answer.sections {
            let mid = Mid::from(section.mid());
            let expected = published.iter().find(|(m, _)| *m == mid).map(|(_, expected)| *expected);
            let offered = offer.section(section.mid()).and_then(|offered| offered.redundancy_of(OPUS));
            settle_redundancy(section, offered, expected);
            set_formats(section, expected);
        }
        self.name_sources(&mut answer, random);
        self.learn_redundancy(&answer);
        self.learn_extensions();
        self.learn_names(&answer);
        Ok(Answered { sdp: answer, opened })
    }

    /// The client came back: an offer it may or may not have seen is repeated as it was, since the client may
    /// have applied it and lost only the answer. The next one restarts ICE.
    pub(crate) fn restart_ice(&mut self) -> Option<Offered> {
        self.wants_restart = self.outstanding.as_ref().is_none_or(|o| o.restart.is_none());
        self.outstanding.as_ref().map(|o| Offered { id: o.id, sdp: o.sdp.clone() })
    }

    /// The next offer of ours, when there is something to say and the last one was answered.
    pub(crate) fn poll_offer(&mut self, random: &mut dyn Random, out: &mut Outbox) -> Option<Offered> {
        let is_first = self.last_offer_id == 0;
        if self.outstanding.is_some() || !(is_first || self.wants_restart || self.sections.wants_offer()) {
            return None;
        }
        let Changes { deactivated, reused, new } = self.sections.begin_offer();
        let restart = self.wants_restart.then(|| ice_credentials(self.worker, random));
        let mut added = Vec::new();
        let (offer, pending) = self.mutate(out, |rtc| {
            let mut changes = rtc.sdp_api();
            if is_first {
                for channel in data_channels() {
                    changes.add_channel_with_config(channel);
                }
            }
            for mid in &deactivated {
                // Twice, since str0m offers only what changed: an offer that failed has left it inactive here.
                changes.set_direction(*mid, Direction::SendOnly);
                changes.set_direction(*mid, Direction::Inactive);
            }
            for mid in &reused {
                changes.set_direction(*mid, Direction::SendOnly);
            }
            for (subscription, kind, label) in new {
                let media = if kind == Kind::Audio { MediaKind::Audio } else { MediaKind::Video };
                let (stream, track) = (Some(label.stream.clone()), Some(label.track.to_string()));
                let mid = changes.add_media(media, Direction::SendOnly, stream, track, None);
                added.push((mid, subscription, kind, label));
            }
            if restart.is_some() {
                changes.ice_restart(true);
            }
            changes.apply()
        })?;
        for (mid, subscription, kind, label) in added {
            self.sections.add_offered(mid, subscription, kind, label);
        }
        let mut offer = Sdp::parse(&offer.to_sdp_string()).ok()?;
        for (mid, label) in self.sections.mid_to_track() {
            if let Some(section) = offer.section_mut(&mid) {
                section.set_msid(&label.stream, label.track.as_str());
            }
        }
        self.name_sources(&mut offer, random);
        if let Some(credentials) = &restart {
            offer.set_ice_credentials(&credentials.ufrag, &credentials.pass);
        }
        self.wants_restart = false;
        self.last_offer_id += 1;
        let (id, sdp) = (self.last_offer_id, offer.to_string());
        self.outstanding = Some(Outstanding { id, sdp: sdp.clone(), pending, deactivated, restart });
        Some(Offered { id, sdp })
    }

    /// The client's answer to our offer; id 0 stands for the outstanding one.
    pub(crate) fn handle_answer(
        &mut self,
        id: u32,
        answer: &str,
        out: &mut Outbox,
    ) -> Result<Vec<Opened>, NegotiationError> {
        let ufrag = answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::to_owned);
        let mut answer = Sdp::parse(answer)?;
        answer.drop_candidates();
        let parsed = SdpAnswer::from_sdp_string(&answer.to_string()).map_err(|_| NegotiationError::Syntax)?;
        // An answer without a number that does not follow a restart answers the offer before it, again.
        let answers = |o: &Outstanding| match id {
            0 => o.restart.is_none() || ufrag != self.remote_ufrag,
            id => o.id == id,
        };
        let Some(outstanding) = self.outstanding.take_if(|o| answers(o)) else {
            // A repeated offer is answered twice by a client that had not lost the first answer.
            return if id <= self.last_offer_id { Ok(Vec::new()) } else { Err(NegotiationError::Stale(id)) };
        };
        let Outstanding { pending, deactivated, restart, .. } = outstanding;
        if let Err(error) = self.mutate(out, |rtc| rtc.sdp_api().accept_answer(pending, parsed)) {
            self.sections.roll_back();
            return Err(error.into());
        }
        self.remote_ufrag = ufrag;
        if let Some(credentials) = restart {
            self.set_local_credentials(credentials, out);
        }
        self.learn_names(&answer);
        self.learn_redundancy(&answer);
        self.disarm();
        let opened = self.sections.handle_answer(&deactivated);
        self.learn_extensions();
        Ok(opened)
    }

    /// What we send goes out under SSRCs of our own egress.
    fn name_sources(&mut self, sdp: &mut Sdp, random: &mut dyn Random) {
        for section in &mut sdp.sections {
            let mid = Mid::from(section.mid());
            let (Some(kind), is_sending) = (kind(section), section.direction().is_sending()) else { continue };
            if is_sending || self.egress.index(mid).is_some() {
                let stream = self.egress.open(mid, kind, random);
                let (media, repair) = self.egress.ssrcs(stream);
                section.set_sources(&self.cname, media, repair);
            }
        }
        self.disarm();
    }

    /// Takes the engine's outgoing streams away. It never writes media; left to itself it would report on streams
    /// that nobody was told of, and every section would cost it time.
    fn disarm(&mut self) {
        let mids: Vec<Mid> = self.egress.mids().collect();
        let mut direct = self.rtc.direct_api();
        for mid in mids {
            while let Some(ssrc) = direct.stream_tx_by_mid(mid, None).map(|stream| stream.ssrc()) {
                direct.remove_stream_tx(ssrc);
            }
        }
    }

    fn learn_extensions(&mut self) {
        for (mid, _) in self.sections.mid_to_track() {
            if let (Some(media), Some(stream)) = (self.rtc.media(mid), self.egress.index(mid)) {
                self.egress.configure(stream, ExtensionIds::agreed(media.remote_extmap()));
            }
        }
    }

    /// Which sections take RED, in the agreed description of either side.
    fn learn_redundancy(&mut self, agreed: &Sdp) {
        for section in &agreed.sections {
            if let Some(stream) = self.egress.index(section.mid().into()) {
                self.egress.set_redundancy(stream, section.redundancy_of(OPUS));
            }
        }
    }

    fn local_credentials(&mut self) -> IceCreds {
        self.rtc.direct_api().local_ice_credentials()
    }

    fn set_local_credentials(&mut self, credentials: IceCreds, out: &mut Outbox) {
        self.ufrag.clone_from(&credentials.ufrag);
        self.mutate(out, |rtc| rtc.direct_api().set_local_ice_credentials(credentials));
    }

    fn learn_names(&mut self, agreed: &Sdp) {
        let id = |uri| agreed.sections.iter().find_map(|s| s.extension_id(uri));
        self.guard.extensions =
            NamingExtensions { mid: id(MID_URI), rid: id(RID_URI), repaired_rid: id(REPAIRED_RID_URI) };
        self.guard.repair_payload_types =
            self.rtc.codec_config().params().iter().filter_map(|p| p.resend().map(|pt| *pt)).collect();
    }
}

/// RED stands in an answer where the client offered it, under the number it gave, and for what it sends only where the
/// track may have it: a browser that finds it in front of Opus sends it. A section whose track was not announced may
/// turn out to be encrypted, of which no block could be told from another.
fn settle_redundancy(section: &mut Section, offered: Option<u8>, published: Option<&ExpectedTrack>) {
    use sluice_sdp::Direction::{RecvOnly, SendRecv};
    let is_sent_by_client = matches!(section.direction(), RecvOnly | SendRecv);
    let is_allowed = !is_sent_by_client || published.is_some_and(|expected| expected.red);
    if !is_allowed || section.redundancy_of(OPUS) != offered {
        section.refuse_redundancy();
    }
}

/// Codec order and parameters of an answered section. `published` is the track the client sends on it.
///
/// Every section gets the parameters, also those that only send to the client: clients make the parameters of a
/// payload type the same in all sections, and a change of them on a section that is playing restarts its
/// decoder.
fn set_formats(section: &mut Section, published: Option<&ExpectedTrack>) {
    if let Some(expected) = published {
        section.prefer_codecs(&expected.codecs);
    }
    match section.media() {
        Some(Media::Audio) => {
            if published.is_none_or(|expected| expected.dtx) {
                section.add_format_parameters(OPUS, "usedtx=1");
            }
            if published.is_some_and(|expected| expected.stereo) {
                section.add_format_parameters(OPUS, "stereo=1;maxaveragebitrate=510000");
            }
        }
        Some(Media::Video) => {
            for codec in ["VP8", "VP9", "H264", "H265", "AV1"] {
                section.add_format_parameters(codec, START_BITRATE);
            }
        }
        None => {}
    }
}

/// The channels LiveKit clients look for on the server's connection.
fn data_channels() -> [ChannelConfig; 3] {
    let unreliable = |label: &str| ChannelConfig {
        label: label.into(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        ..Default::default()
    };
    [
        ChannelConfig { label: RELIABLE_LABEL.into(), ordered: true, ..Default::default() },
        unreliable(LOSSY_LABEL),
        unreliable(DATA_TRACK_LABEL),
    ]
}

/// After the worker's code 36 bits of fragment to find a transport by, and 144 bits of password (RFC 8445 section 5.3
/// wants 24 and 128), from the source given: str0m's own generator can be predicted from its output.
pub(super) fn ice_credentials(worker: WorkerId, random: &mut dyn Random) -> IceCreds {
    let mut text = |len| -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = vec![0; len];
        random.fill(&mut bytes);
        bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 0x3f)])).collect()
    };
    IceCreds { ufrag: worker.fragment(&text(6)), pass: text(24) }
}
