//! What a token says: LiveKit's claims, as far as this server acts on them.

use std::collections::HashMap;

use livekit_protocol::{ParticipantPermission, RoomConfiguration, TrackSource, participant_info};
use serde::{Deserialize, Serialize};
use sluice_rooms::{Rights, TokenClaims, USER_ATTRIBUTE};

use crate::gate::Bearer;

/// The claims of a token whose signature holds. Times are whole seconds since 1970; one in another form is no time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Claims {
    /// Who signed it: an API key, or the name of a trusted key.
    pub(crate) iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iat: Option<u64>,
    /// Identity.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) sub: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) metadata: String,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    pub(crate) attributes: HashMap<String, String>,
    pub(crate) video: VideoGrants,
    /// How the room shall be made if this participant is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_config: Option<RoomConfiguration>,
}

/// The grants under `video`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct VideoGrants {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) room_create: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) room_list: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) room_record: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) room_admin: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) room_join: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) room: String,
    /// Where `roomAdmin` may move or forward participants to.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) destination_room: String,
    // What is not said of these four is allowed, of the three after them not.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) can_publish: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) can_subscribe: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) can_publish_data: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) can_publish_sources: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) can_update_own_metadata: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) can_subscribe_metrics: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) can_manage_agent_session: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) hidden: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) recorder: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) agent: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Claims {
    /// When the token was signed, by what it says of its beginning; 0 when it says nothing.
    pub(crate) fn signed_at_s(&self) -> u64 {
        self.iat.max(self.nbf).unwrap_or(0)
    }

    /// Whose account the bearer is, where the token says so.
    pub(crate) fn account(&self) -> Option<&str> {
        self.attributes.get(USER_ATTRIBUTE).map(String::as_str)
    }

    /// Who shows the token, in words: whom it names, and who signed it.
    pub(crate) fn bearer(&self) -> String {
        match self.sub.as_str() {
            "" => self.iss.clone(),
            sub => format!("{sub} ({})", self.iss),
        }
    }

    /// Whose requests with it are: a participant's, unless it is good for more than one room.
    pub(crate) fn counts_to(&self) -> Bearer<'_> {
        let video = &self.video;
        match video.room_join && !video.room_create && !video.room_list {
            true => Bearer::Participant { key: &self.iss, room: &video.room, identity: &self.sub },
            false => Bearer::Key(&self.iss),
        }
    }

    /// What the bearer is. Old back ends say it among the grants.
    pub(crate) fn participant_kind(&self) -> participant_info::Kind {
        let named = participant_info::Kind::from_str_name(&self.kind.to_uppercase()).unwrap_or_default();
        match named {
            participant_info::Kind::Standard if self.video.recorder => participant_info::Kind::Egress,
            participant_info::Kind::Standard if self.video.agent => participant_info::Kind::Agent,
            named => named,
        }
    }

    pub(crate) fn rights(&self) -> Rights {
        let video = &self.video;
        Rights {
            room_admin: video.room_admin,
            room_create: video.room_create,
            room_list: video.room_list,
            room_record: video.room_record,
        }
    }

    /// The claims of a renewed token, but for issuer and times.
    pub(crate) fn renewed(room: &str, claims: &TokenClaims) -> Self {
        Self {
            sub: claims.identity.clone(),
            name: claims.name.clone(),
            kind: kind_name(claims.kind).to_owned(),
            metadata: claims.metadata.clone(),
            attributes: claims.attributes.clone(),
            video: VideoGrants::renewed(room, &claims.permission, claims.rights),
            ..Default::default()
        }
    }
}

impl VideoGrants {
    #[expect(deprecated, reason = "old clients read `recorder` and `agent`")]
    pub(crate) fn permission(&self) -> ParticipantPermission {
        let can_publish = self.can_publish.unwrap_or(true);
        ParticipantPermission {
            can_subscribe: self.can_subscribe.unwrap_or(true),
            can_publish,
            can_publish_data: self.can_publish_data.unwrap_or(can_publish),
            can_publish_sources: self.can_publish_sources.iter().map(|source| source_of(source) as i32).collect(),
            hidden: self.hidden,
            recorder: self.recorder,
            can_update_metadata: self.can_update_own_metadata.unwrap_or(false),
            agent: self.agent,
            can_subscribe_metrics: self.can_subscribe_metrics.unwrap_or(false),
            can_manage_agent_session: self.can_manage_agent_session.unwrap_or(false),
        }
    }

    #[expect(deprecated, reason = "see `permission`")]
    fn renewed(room: &str, permission: &ParticipantPermission, rights: Rights) -> Self {
        let sources = permission
            .can_publish_sources
            .iter()
            .map(|source| TrackSource::try_from(*source).unwrap_or(TrackSource::Unknown));
        Self {
            room_create: rights.room_create,
            room_list: rights.room_list,
            room_record: rights.room_record,
            room_admin: rights.room_admin,
            room_join: true,
            room: room.to_owned(),
            destination_room: String::new(),
            can_publish: Some(permission.can_publish),
            can_subscribe: Some(permission.can_subscribe),
            can_publish_data: Some(permission.can_publish_data),
            can_publish_sources: sources.map(|source| source.as_str_name().to_lowercase()).collect(),
            can_update_own_metadata: Some(permission.can_update_metadata),
            can_subscribe_metrics: Some(permission.can_subscribe_metrics),
            can_manage_agent_session: Some(permission.can_manage_agent_session),
            hidden: permission.hidden,
            recorder: permission.recorder,
            agent: permission.agent,
        }
    }
}

/// `screen_share` and the like; something else is a source nobody publishes from.
fn source_of(name: &str) -> TrackSource {
    TrackSource::from_str_name(&name.to_uppercase()).unwrap_or(TrackSource::Unknown)
}

fn kind_name(kind: participant_info::Kind) -> &'static str {
    match kind {
        // What a token says that says nothing.
        participant_info::Kind::Standard => "",
        participant_info::Kind::Ingress => "ingress",
        participant_info::Kind::Egress => "egress",
        participant_info::Kind::Sip => "sip",
        participant_info::Kind::Agent => "agent",
        participant_info::Kind::Connector => "connector",
        participant_info::Kind::Bridge => "bridge",
    }
}
