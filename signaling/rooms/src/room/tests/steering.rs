//! What hosts and back ends do to a room, generated; and what must then be true of who is what and of who waits,
//! kept here in the simplest way.

use livekit_protocol::{DataPacket, participant_info::Kind};
use proptest::prelude::*;

use super::*;
use crate::{ChatPost, Rights, Standing};

/// Who has not asked for so long must not be in the line.
const PATIENCE: Duration = Duration::from_secs(90);
/// Tickets in the game; each belongs to the person of its number, modulo the people there are.
const TICKETS: usize = 6;
const PEOPLE: usize = 4;

/// What a token says of its bearer.
#[derive(Debug, Clone)]
pub(super) struct Token {
    host: bool,
    recorder: bool,
    /// Signed long ago, in this second, or in the next.
    age: u8,
}

pub(super) fn token() -> impl Strategy<Value = Token> {
    (prop::bool::weighted(0.3), prop::bool::weighted(0.1), 0..3_u8).prop_map(|(host, recorder, age)| Token {
        host,
        recorder,
        age,
    })
}

impl Token {
    pub(super) fn write(&self, grants: &mut Grants, now: Now) {
        grants.rights.room_admin = self.host;
        grants.kind = if self.recorder { Kind::Egress } else { Kind::Standard };
        grants.signed_at_s = match self.age {
            0 => 0,
            age => second(now) + u64::from(age) - 1,
        };
    }
}

fn second(now: Now) -> u64 {
    u64::try_from(now.unix_ms / 1000).unwrap()
}

#[derive(Debug, Clone)]
pub(super) enum Steering {
    Knock { ticket: usize },
    Ask { ticket: usize },
    Decide { ticket: usize, how: u8 },
    Entry { locked: Option<bool>, lobby: Option<bool> },
    Role { who: usize, host: bool, publish: bool },
    Hand { who: usize, raised: bool },
    MuteAll { but: usize },
    AskToUnmute { who: usize },
    KeepOut { who: usize },
    Readmit { who: usize },
    Write { who: usize, stream: u8, part: usize },
    Post { text: String },
    Delete,
}

pub(super) fn steering() -> impl Strategy<Value = Steering> {
    let (who, ticket) = (0..PEOPLE, 0..TICKETS);
    let perhaps = || prop::option::of(any::<bool>());
    prop_oneof![
        4 => ticket.clone().prop_map(|ticket| Steering::Knock { ticket }),
        4 => ticket.clone().prop_map(|ticket| Steering::Ask { ticket }),
        3 => (ticket, 0..3_u8).prop_map(|(ticket, how)| Steering::Decide { ticket, how }),
        3 => (perhaps(), perhaps()).prop_map(|(locked, lobby)| Steering::Entry { locked, lobby }),
        4 => (who.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(who, host, publish)| Steering::Role { who, host, publish }),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, raised)| Steering::Hand { who, raised }),
        1 => who.clone().prop_map(|but| Steering::MuteAll { but }),
        1 => who.clone().prop_map(|who| Steering::AskToUnmute { who }),
        1 => who.clone().prop_map(|who| Steering::KeepOut { who }),
        1 => who.clone().prop_map(|who| Steering::Readmit { who }),
        3 => (who, 0..7_u8, 0..3_usize).prop_map(|(who, stream, part)| Steering::Write { who, stream, part }),
        1 => "[a-z]{0,9}".prop_map(|text| Steering::Post { text }),
        1 => Just(Steering::Delete),
    ]
}

/// What somebody has.
#[derive(Debug, Clone, PartialEq)]
struct Standings {
    rights: Rights,
    permission: ParticipantPermission,
}

/// What was done, told by what it must mean.
#[derive(Debug, Default)]
pub(super) struct Model {
    here: BTreeMap<String, Standings>,
    /// Given in the room: what, and which tokens do not know of it.
    given: BTreeMap<String, (Standings, u64)>,
    revoked: BTreeMap<String, u64>,
    kept_out: BTreeSet<String>,
    /// When somebody was seen last.
    seen: BTreeMap<String, Instant>,
    /// When the bearer of a ticket asked last.
    asked: BTreeMap<String, Instant>,
}

impl Model {
    pub(super) fn enter(&mut self, world: &mut World, arrival: Arrival) -> Option<Client> {
        let grants = arrival.grants.clone();
        let identity = grants.identity.clone();
        let was_here = world.room.participant(&identity).is_some();
        let is_let_in = (0..TICKETS).filter(|ticket| bearer(*ticket) == identity);
        let is_let_in = { is_let_in }.any(|ticket| world.room.standing_of(&name(ticket)) == Standing::Admitted);
        let was_here_lately = self.seen.get(&identity).is_some_and(|at| world.now.at < *at + Duration::from_secs(60));
        let client = world.enter(arrival)?;
        assert!(!self.kept_out.contains(&identity), "{identity} is kept out");
        let since = self.revoked.get(&identity).copied().unwrap_or(0);
        assert!(grants.signed_at_s >= since, "{identity} came back with an old token");
        let from_token = Standings { rights: grants.rights, permission: grants.permission };
        let given = self.given.get(&identity).filter(|(_, before)| grants.signed_at_s < *before);
        let standings = given.map_or(from_token, |(standings, _)| standings.clone());
        let is_free = !world.room.entry().locked || standings.rights.room_admin || grants.kind == Kind::Egress;
        assert!(was_here || was_here_lately || is_let_in || is_free, "{identity} came through a locked door");
        self.here.insert(identity, standings);
        Some(client)
    }

    /// Does it, and draws the consequences where the room did.
    pub(super) fn moderate(&mut self, world: &mut World, moderation: Moderation) {
        let done = moderation.clone();
        if world.moderate(moderation).is_err() {
            return;
        }
        let next_second = second(world.now) + 1;
        match done {
            Moderation::UpdateParticipant { identity, permission: Some(permission), .. } => {
                if let Some((standings, before)) = self.given.get_mut(&identity) {
                    (standings.permission, *before) = (permission.clone(), next_second);
                }
                self.here.get_mut(&identity).unwrap().permission = permission;
            }
            Moderation::SetRole { identity, permission, rights, .. } => {
                let standings = Standings { rights, permission };
                self.here.insert(identity.clone(), standings.clone());
                self.given.insert(identity, (standings, next_second));
            }
            Moderation::RemoveParticipant { identity, keep_out, .. } => {
                self.revoked.insert(identity.clone(), next_second);
                if keep_out {
                    self.kept_out.insert(identity);
                }
            }
            Moderation::Readmit { identity } => assert!(self.kept_out.remove(&identity)),
            Moderation::Knock { ticket, .. } | Moderation::StillThere { ticket } => {
                self.asked.insert(ticket, world.now.at);
            }
            _ => {}
        }
    }

    pub(super) fn steer(&mut self, world: &mut World, steering: Steering, people: &[Option<Client>]) {
        let identity = |who: usize| format!("p{who}");
        let moderation = match steering {
            Steering::Knock { ticket } => {
                Moderation::Knock { ticket: name(ticket), identity: bearer(ticket), name: String::new() }
            }
            Steering::Ask { ticket } => Moderation::StillThere { ticket: name(ticket) },
            Steering::Decide { ticket, how: 0 } => Moderation::Admit { ticket: name(ticket) },
            Steering::Decide { ticket, how: 1 } => Moderation::Refuse { ticket: name(ticket) },
            Steering::Decide { ticket, .. } => Moderation::Withdraw { ticket: name(ticket) },
            Steering::Entry { locked, lobby } => Moderation::SetEntry { locked, lobby },
            Steering::Role { who, host, publish } => Moderation::SetRole {
                identity: identity(who),
                role: if host { "host".into() } else { String::new() },
                permission: ParticipantPermission { can_publish: publish, ..permission() },
                rights: Rights { room_admin: host, ..Default::default() },
            },
            Steering::Hand { who, raised } => Moderation::SetHand { identity: identity(who), raised },
            Steering::MuteAll { but } => Moderation::MuteAll { except: vec![identity(but)] },
            Steering::AskToUnmute { who } => {
                let track = world.media_tracks.keys().next().cloned().unwrap_or("TR_none".into());
                Moderation::AskToUnmute { identity: identity(who), track, by: "p0".into() }
            }
            Steering::KeepOut { who } => {
                Moderation::RemoveParticipant { identity: identity(who), revoke_before_s: None, keep_out: true }
            }
            Steering::Readmit { who } => Moderation::Readmit { identity: identity(who) },
            Steering::Write { who, stream, part } => {
                let Some(client) = &people[who] else { return };
                let value = chat::stream(&stream.to_string(), "hello").into_iter().nth(part);
                let payload = prost::Message::encode_to_vec(&DataPacket { value, ..Default::default() });
                let (participant, channel) = (client.sid.clone(), DataChannel::Reliable);
                return world.media(MediaEvent::Data { participant, channel, payload });
            }
            Steering::Post { text } => {
                let message = ChatPost { id: "m".into(), identity: "back end".into(), name: String::new(), text };
                Moderation::PostChat { message }
            }
            Steering::Delete => Moderation::DeleteChat { id: "m".into() },
        };
        self.moderate(world, moderation);
    }

    /// What must be true between any two steps.
    pub(super) fn check(&mut self, world: &World) {
        let room = &world.room;
        self.here.retain(|identity, _| room.participant(identity).is_some());
        assert_eq!(self.here.len(), room.occupancy(), "somebody came by another way");
        for (identity, standings) in &self.here {
            self.seen.insert(identity.clone(), world.now.at);
            assert!(!self.kept_out.contains(identity), "{identity} is kept out");
            assert_eq!(room.rights_of(identity), Some(standings.rights), "{identity} has other rights");
            let permission = room.participant(identity).unwrap().permission.unwrap();
            assert_eq!(permission, standings.permission, "{identity} may do something else");
        }
        let participants = room.participants.values();
        for participant in participants {
            let forbidden = participant.tracks.values().filter(|track| !participant.may_publish(track.info.source));
            assert_eq!(forbidden.count(), 0, "{} publishes what it may not", participant.identity);
            let (streams, bytes) = participant.writing.held();
            assert!(streams <= 4 && bytes <= 4 * 16 * 1024);
        }
        for waiting in room.waiting() {
            let silent = world.now.at - self.asked[&waiting.ticket];
            assert!(silent < PATIENCE, "{} waits without end", waiting.ticket);
            assert!(!self.kept_out.contains(&waiting.identity), "{} waits for nothing", waiting.identity);
        }
        let entry = room.entry();
        assert!(entry.lobby || entry.locked || room.waiting().is_empty(), "somebody waits at an open door");
    }
}

fn name(ticket: usize) -> String {
    format!("t{ticket}")
}

fn bearer(ticket: usize) -> String {
    format!("p{}", ticket % PEOPLE)
}
