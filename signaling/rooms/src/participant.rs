//! One participant of a room: who it is, what it may, where it is reached.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use livekit_protocol::{
    ClientInfo, ConnectionQuality, ParticipantInfo, ParticipantPermission, TrackSource, client_info, participant_info,
};

use crate::account::account_in;
use crate::chat::Writing;
use crate::data::Replay;
use crate::forward::Guest;
use crate::publication::Publication;
use crate::role::{HAND_ATTRIBUTE, ROLE_ATTRIBUTE, USER_ATTRIBUTE, without_reserved};
use crate::subscription::{Audience, Subscription};
use crate::text::{baggage_fits, cut_name, merge_attributes};
use crate::{Arrival, ConnectionId, ParticipantSid, Rights, SignalVersion, TokenClaims, TrackSid};

/// From this protocol on a subscriber wants the stream's name in its msid, so that tracks sync.
const PROTOCOL_STREAM_NAMES: i32 = 10;
/// From this protocol on `LOST` is a connection quality.
pub(crate) const PROTOCOL_QUALITY_LOST: i32 = 11;

/// A participant session.
#[derive(Debug)]
pub(crate) struct Participant {
    pub(crate) sid: ParticipantSid,
    pub(crate) identity: String,
    pub(crate) name: String,
    pub(crate) metadata: String,
    pub(crate) attributes: HashMap<String, String>,
    pub(crate) permission: ParticipantPermission,
    pub(crate) kind: participant_info::Kind,
    pub(crate) rights: Rights,
    pub(crate) client: ClientInfo,
    pub(crate) version: SignalVersion,
    pub(crate) auto_subscribe: bool,
    /// Its pictures may be paused for want of bandwidth; so it is unless it says otherwise.
    pub(crate) allows_pauses: bool,
    /// Its media was up once.
    pub(crate) active: bool,
    /// `ParticipantInfo.version`: clients drop what is older than what they have.
    pub(crate) revision: u32,
    pub(crate) joined_unix_ms: i64,
    /// Where it is reached; `None` while its signal connection is lost.
    pub(crate) connection: Option<ConnectionId>,
    /// When it is removed unless its signal comes back.
    pub(crate) departs_at: Option<Instant>,
    /// When it is removed unless its media comes up.
    pub(crate) connect_by: Option<Instant>,
    /// Whose connection quality it was told last, and what.
    pub(crate) qualities_told: BTreeMap<ParticipantSid, ConnectionQuality>,
    /// When its token is renewed.
    pub(crate) refresh_at: Instant,
    pub(crate) tracks: BTreeMap<TrackSid, Publication>,
    pub(crate) subscriptions: BTreeMap<TrackSid, Subscription>,
    pub(crate) audience: Audience,
    /// Reliable data it sent last.
    pub(crate) reliable: Replay,
    /// What it is writing to everybody.
    pub(crate) writing: Writing,
    pub(crate) simulated: Simulated,
    /// It is of another room, and has no connection here.
    pub(crate) guest: Option<Guest>,
}

/// Faults a client asked for, to see itself recover.
#[derive(Debug, Default)]
pub(crate) struct Simulated {
    /// Close the signal connection right after the next resume, until then.
    pub(crate) close_on_resume: Option<Instant>,
    /// Close it before answering the next resumes (so many), until then.
    pub(crate) close_before_resume: Option<(Instant, u8)>,
    /// It pretends to speak until then.
    pub(crate) speaks_until: Option<Instant>,
}

impl Participant {
    /// A participant that comes in.
    pub(crate) fn new(sid: ParticipantSid, arrival: &Arrival, joined_unix_ms: i64, refresh_at: Instant) -> Self {
        let grants = &arrival.grants;
        let request = &arrival.request;
        let mut metadata = grants.metadata.clone();
        let mut attributes = grants.attributes.clone();
        // Nobody comes in with a hand up: it was raised in another session.
        attributes.remove(HAND_ATTRIBUTE);
        // What the client adds to its token must fit as well, else it is left out.
        let mut asked = attributes.clone();
        merge_attributes(&mut asked, &without_reserved(&request.participant_attributes));
        let asked_metadata = if request.metadata.is_empty() { &metadata } else { &request.metadata };
        if grants.permission.can_update_metadata && baggage_fits(asked_metadata, &asked) {
            metadata = asked_metadata.clone();
            attributes = asked;
        }
        let settings = request.connection_settings.unwrap_or_default();
        Self {
            sid,
            identity: grants.identity.clone(),
            name: cut_name(&grants.name),
            metadata,
            attributes,
            permission: grants.permission.clone(),
            kind: grants.kind,
            rights: grants.rights,
            client: request.client_info.clone().unwrap_or_default(),
            version: arrival.version,
            auto_subscribe: settings.auto_subscribe,
            allows_pauses: settings.subscriber_allow_pause.unwrap_or(true),
            active: false,
            revision: 1,
            joined_unix_ms,
            connection: Some(arrival.connection),
            departs_at: None,
            connect_by: None,
            qualities_told: BTreeMap::new(),
            refresh_at,
            tracks: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            audience: Audience::default(),
            reliable: Replay::default(),
            writing: Writing::default(),
            simulated: Simulated::default(),
            guest: None,
        }
    }

    /// Its client takes packet trailers off frames itself; decoders do not know them.
    pub(crate) fn takes_trailers(&self) -> bool {
        self.client.capabilities.contains(&(client_info::Capability::CapPacketTrailer as i32))
    }

    /// What others (and it itself) are told of it. Whose account it is they are not: by that they would know it again in
    /// every room.
    pub(crate) fn info(&self) -> ParticipantInfo {
        let mut info = self.record();
        info.attributes.remove(USER_ATTRIBUTE);
        info
    }

    /// All there is to know of it, for the log and the server API.
    pub(crate) fn record(&self) -> ParticipantInfo {
        let state = if self.active { participant_info::State::Active } else { participant_info::State::Joined };
        let tracks: Vec<_> = self.live_tracks().map(|track| track.info.clone()).collect();
        ParticipantInfo {
            sid: self.sid.to_string(),
            identity: self.identity.clone(),
            state: state as i32,
            is_publisher: !tracks.is_empty(),
            tracks,
            metadata: self.metadata.clone(),
            joined_at: self.joined_unix_ms / 1000,
            joined_at_ms: self.joined_unix_ms,
            name: self.name.clone(),
            version: self.revision,
            permission: Some(self.permission.clone()),
            kind: self.kind as i32,
            attributes: self.attributes.clone(),
            // Peers use features only when they see that the other side knows them.
            client_protocol: self.client.client_protocol,
            capabilities: self.client.capabilities.iter().copied().take(16).collect(),
            kind_details: self.guest.iter().map(|_| participant_info::KindDetail::Forwarded as i32).collect(),
            ..Default::default()
        }
    }

    pub(crate) fn live_tracks(&self) -> impl Iterator<Item = &Publication> {
        self.tracks.values().filter(|track| track.live)
    }

    /// Whether it may publish from this source.
    pub(crate) fn may_publish(&self, source: i32) -> bool {
        let sources = &self.permission.can_publish_sources;
        self.permission.can_publish && (sources.is_empty() || sources.contains(&source))
    }

    /// Whose account it is, if it came by one.
    pub(crate) fn account(&self) -> Option<&str> {
        account_in(&self.attributes)
    }

    /// Whether it decides about others.
    pub(crate) fn moderates(&self) -> bool {
        self.rights.room_admin
    }

    /// The name of its role; empty for none.
    pub(crate) fn role(&self) -> &str {
        self.attributes.get(ROLE_ATTRIBUTE).map_or("", String::as_str)
    }

    /// Whether its client knows of notices. Who has a role came by the native API, or is steered by it. Applications of
    /// others may take every data packet for one of theirs, so they get none they do not know.
    pub(crate) fn knows_notices(&self) -> bool {
        self.attributes.contains_key(ROLE_ATTRIBUTE)
    }

    /// Its microphones that are not muted.
    pub(crate) fn open_microphones(&self) -> impl Iterator<Item = (ParticipantSid, TrackSid)> + '_ {
        let microphone = TrackSource::Microphone as i32;
        let open = self
            .tracks
            .iter()
            .filter(move |(_, track)| track.info.source == microphone && !track.info.muted);
        open.map(|(track, _)| (self.sid.clone(), track.clone()))
    }

    /// Whether others know of it.
    pub(crate) fn visible(&self) -> bool {
        !self.permission.hidden
    }

    /// Whether it is there for the sake of others: a recorder, an agent or a guest. Such a one takes nobody's place,
    /// and does not keep a room alive.
    pub(crate) fn is_dependent(&self) -> bool {
        self.is_recorder() || self.kind == participant_info::Kind::Agent || self.guest.is_some()
    }

    #[expect(deprecated, reason = "old recorders say so in their permission")]
    pub(crate) fn is_recorder(&self) -> bool {
        self.kind == participant_info::Kind::Egress || self.permission.recorder
    }

    /// Whether data gets to it here: its media is up, and not in another room.
    pub(crate) fn is_reachable(&self) -> bool {
        self.active && self.guest.is_none()
    }

    /// What a track is called where it is published.
    pub(crate) fn original<'a>(&'a self, track: &'a TrackSid) -> &'a TrackSid {
        self.guest.as_ref().and_then(|guest| guest.tracks.get(track)).unwrap_or(track)
    }

    /// The stream a track belongs to, as this participant shall see it in its msid.
    pub(crate) fn stream_of(&self, publisher: &ParticipantSid, track: &Publication) -> String {
        // Firefox invents track ids, and on v0 clients have nothing but the msid to know a track by.
        let invents_ids = self.version == SignalVersion::V0 && self.client.browser.eq_ignore_ascii_case("firefox");
        let knows_names = self.client.protocol >= PROTOCOL_STREAM_NAMES && !invents_ids;
        let named = knows_names && !track.info.stream.is_empty();
        let stream = if named { &track.info.stream } else { &track.info.sid };
        format!("{publisher}|{stream}")
    }

    /// What a renewed token says.
    pub(crate) fn token_claims(&self) -> TokenClaims {
        let mut attributes = self.attributes.clone();
        attributes.remove(HAND_ATTRIBUTE);
        TokenClaims {
            identity: self.identity.clone(),
            name: self.name.clone(),
            metadata: self.metadata.clone(),
            attributes,
            permission: self.permission.clone(),
            kind: self.kind,
            rights: self.rights,
        }
    }
}
