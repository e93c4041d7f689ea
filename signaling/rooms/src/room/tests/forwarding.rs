//! A participant in two rooms: what the other room sees of it, and that nothing of it stays behind.

use livekit_protocol::{
    SubscriptionPermission, TrackInfo, TrackPermission, UpdateParticipantMetadata, participant_info,
    signal_request as ask,
};
use proptest::prelude::*;

use super::*;
use crate::{AudioLevel, Portrait};

/// Two rooms and what the server carries between them.
struct Pair {
    here: World,
    there: World,
    /// Forwards on their way: the newest portrait that was not taken yet, and whether it came there.
    lines: BTreeMap<ForwardId, Line>,
    last: u64,
}

#[derive(Default)]
struct Line {
    portrait: Option<Box<Portrait>>,
    has_arrived: bool,
}

impl Pair {
    fn new() -> Self {
        let mut here = World::new();
        // Ids of the two rooms are not the same ones.
        ["somebody", "somebody else"].iter().for_each(|name| drop(here.join(name)));
        Self { here, there: World::new(), lines: BTreeMap::new(), last: 0 }
    }

    fn forward(&mut self, identity: &str) -> Result<ForwardId, ModerationError> {
        let forward = ForwardId(self.last + 1);
        self.here
            .moderate(Moderation::ForwardParticipant { identity: identity.into(), forward })?;
        self.last += 1;
        self.lines.insert(forward, Line::default());
        Ok(forward)
    }

    /// Carries what was said, of which only the newest counts, until nobody has anything to say.
    fn carry(&mut self) {
        while !(self.here.forwards.is_empty() && self.there.forwards.is_empty()) {
            for (forward, said) in std::mem::take(&mut self.here.forwards) {
                match said {
                    Some(portrait) => {
                        if let Some(line) = self.lines.get_mut(&forward) {
                            line.portrait = Some(portrait);
                        }
                    }
                    None => {
                        self.lines.remove(&forward);
                        self.there.command(Command::ForwardOver { forward });
                    }
                }
            }
            let mut over = Vec::new();
            for (forward, line) in &mut self.lines {
                let (forward, Some(portrait)) = (*forward, line.portrait.take()) else { continue };
                if line.has_arrived {
                    self.there.command(Command::GuestChanged { forward, portrait });
                } else if self.there.moderate(Moderation::AdmitGuest { forward, portrait }).is_ok() {
                    line.has_arrived = true;
                } else {
                    over.push(forward);
                }
            }
            for (forward, said) in std::mem::take(&mut self.there.forwards) {
                assert!(said.is_none(), "nobody is forwarded from there");
                over.push(forward);
            }
            for forward in over {
                self.lines.remove(&forward);
                self.here.command(Command::ForwardOver { forward });
            }
        }
    }

    /// A guest as people there are told of it.
    fn guest(&self, identity: &str) -> Option<ParticipantInfo> {
        self.there.room.participant(identity)
    }

    fn guest_track(&self, of: &TrackSid) -> Option<TrackInfo> {
        let (track, _) = self.there.borrowed.iter().find(|(_, original)| *original == of)?;
        self.there.room.track(track.as_str()).map(|(_, info)| info.clone())
    }

    /// Each room has of the other what it should: a guest for each forward, with the tracks and looks of its original.
    fn check(&self) {
        let forwarded: BTreeSet<_> = self.here.room.forwards.keys().copied().collect();
        let guests: BTreeSet<_> = self.there.room.guests.keys().copied().collect();
        assert_eq!(forwarded, guests, "a ghost, or somebody who is missing");
        assert_eq!(forwarded, self.lines.keys().copied().collect());
        let mut borrowed = BTreeSet::new();
        for (forward, sid) in &self.there.room.guests {
            let original = &self.here.room.participants[&self.here.room.forwards[forward].participant];
            let guest = &self.there.room.participants[sid];
            assert_eq!((&original.identity, &original.name), (&guest.identity, &guest.name));
            assert_eq!((&original.metadata, original.kind), (&guest.metadata, guest.kind));
            let muted = |info: &TrackInfo| (info.name.clone(), info.muted, info.mime_type.clone());
            let live = original.live_tracks().map(|track| muted(&track.info)).collect::<Vec<_>>();
            let shown = guest.live_tracks().map(|track| muted(&track.info)).collect::<Vec<_>>();
            assert_eq!(live.len(), shown.len());
            assert!(live.iter().all(|track| shown.contains(track)), "{live:?} {shown:?}");
            borrowed.extend(guest.tracks.keys().cloned());
        }
        assert_eq!(borrowed, self.there.borrowed.keys().cloned().collect::<BTreeSet<_>>(), "a track leaked");
    }
}

#[test]
fn a_forwarded_participant_is_seen_in_the_other_room_with_its_tracks() {
    let mut rooms = Pair::new();
    let bob = rooms.there.join("bob");
    let ann = rooms.here.join("ann");
    let cam = rooms.here.publish(&ann, camera("cam"));
    rooms.forward("ann").unwrap();
    rooms.carry();
    let guest = rooms.guest("ann").unwrap();
    assert_eq!((guest.name.as_str(), guest.state()), ("ANN", participant_info::State::Active));
    assert_eq!(guest.kind_details, [participant_info::KindDetail::Forwarded as i32]);
    assert_ne!(guest.sid, ann.sid.as_str(), "another room, another session");
    let shown = rooms.guest_track(&cam).unwrap();
    assert_ne!(shown.sid, cam.as_str());
    assert!(rooms.there.subscriptions.contains_key(&(bob.sid.clone(), shown.sid.as_str().into())));
    // Whoever comes later sees it as well.
    let eve = rooms.there.join("eve");
    assert!(rooms.there.subscriptions.contains_key(&(eve.sid, shown.sid.as_str().into())));

    // Later tracks, mute and names follow.
    let mic = rooms.here.publish(&ann, microphone("mic"));
    rooms
        .here
        .says(&ann, ask::Message::Mute(livekit_protocol::MuteTrackRequest { sid: cam.to_string(), muted: true }));
    let name = UpdateParticipantMetadata { name: "Ann B.".into(), metadata: "m".into(), ..Default::default() };
    rooms.here.says(&ann, ask::Message::UpdateMetadata(name));
    rooms.carry();
    let guest = rooms.guest("ann").unwrap();
    assert_eq!((guest.name.as_str(), guest.metadata.as_str(), guest.tracks.len()), ("Ann B.", "m", 2));
    assert!(rooms.guest_track(&cam).unwrap().muted && !rooms.guest_track(&mic).unwrap().muted);
    rooms.here.unpublish(&ann.sid, &cam);
    rooms.carry();
    assert!(rooms.guest_track(&cam).is_none());
    assert_eq!(rooms.guest("ann").unwrap().tracks.len(), 1);
    rooms.check();

    // It stays in its own room, and leaves there with it.
    assert!(rooms.here.room.participant("ann").is_some());
    rooms.here.says(&ann, ask::Message::Leave(livekit_protocol::LeaveRequest::default()));
    rooms.carry();
    assert!(rooms.guest("ann").is_none());
    let left = rooms.there.heard(&bob, |message| match message {
        signal_response::Message::Update(update) => {
            update.participants.iter().find(|one| one.identity == "ann").map(|one| one.state())
        }
        _ => None,
    });
    assert_eq!(left.last(), Some(&participant_info::State::Disconnected));
    rooms.check();
}

#[test]
fn who_is_sent_away_there_stays_in_its_own_room() {
    let mut rooms = Pair::new();
    rooms.there.join("bob");
    let ann = rooms.here.join("ann");
    rooms.here.publish(&ann, camera("cam"));
    rooms.forward("ann").unwrap();
    rooms.carry();
    let removal = Moderation::RemoveParticipant { identity: "ann".into(), revoke_before_s: None, keep_out: false };
    rooms.there.moderate(removal).unwrap();
    // What was on its way does not bring it back.
    rooms.here.publish(&ann, microphone("mic"));
    rooms.carry();
    assert!(rooms.guest("ann").is_none() && rooms.here.room.participant("ann").is_some());
    rooms.check();
    // It may come again, unless it is kept out.
    rooms.forward("ann").unwrap();
    rooms.carry();
    assert!(rooms.guest("ann").is_some());
    let removal = Moderation::RemoveParticipant { identity: "ann".into(), revoke_before_s: None, keep_out: true };
    rooms.there.moderate(removal).unwrap();
    rooms.forward("ann").unwrap();
    rooms.carry();
    assert!(rooms.guest("ann").is_none());
    rooms.check();
}

#[test]
fn a_guest_is_nobody_else_and_is_governed_at_home() {
    let mut rooms = Pair::new();
    rooms.here.join("ann");
    let bob = rooms.here.join("bob");
    rooms.there.join("bob");
    // Bob is there himself.
    rooms.forward("bob").unwrap();
    rooms.carry();
    assert!(rooms.lines.is_empty() && rooms.here.room.forwards.is_empty());
    rooms.forward("ann").unwrap();
    rooms.carry();
    let hand = Moderation::SetHand { identity: "ann".into(), raised: true };
    assert!(matches!(rooms.there.moderate(hand), Err(ModerationError::NotAllowed(_))));
    let again = Moderation::ForwardParticipant { identity: "ann".into(), forward: ForwardId(77) };
    assert!(matches!(rooms.there.moderate(again), Err(ModerationError::NotAllowed(_))));
    assert_eq!(rooms.forward("nobody"), Err(ModerationError::NotFound));
    // No connection can claim its session.
    let sid = ParticipantSid::from(rooms.guest("ann").unwrap().sid.as_str());
    let mut arrival = rooms.there.arrival("ann", SignalVersion::V1);
    arrival.request.reconnect = true;
    let connection = arrival.connection;
    rooms
        .there
        .command(Command::Resume(Box::new(Resume { participant: sid.clone(), arrival })));
    assert!(matches!(rooms.there.inbox[&connection][..], [signal_response::Message::Leave(_)]));
    // Somebody who comes with that identity takes its place.
    let itself = rooms.there.join("ann");
    rooms.carry();
    assert!(itself.sid != sid && rooms.here.room.forwards.is_empty());
    rooms.check();
    // A hidden one is not forwarded, and who hides leaves the other room.
    rooms.there.says(&itself, ask::Message::Leave(livekit_protocol::LeaveRequest::default()));
    rooms.forward("ann").unwrap();
    rooms.carry();
    let hidden = ParticipantPermission { hidden: true, ..permission() };
    let hide = |identity: &str| Moderation::UpdateParticipant {
        identity: identity.into(),
        name: None,
        metadata: None,
        attributes: Default::default(),
        permission: Some(hidden.clone()),
    };
    rooms.here.moderate(hide("ann")).unwrap();
    rooms.here.moderate(hide("bob")).unwrap();
    rooms.carry();
    assert!(rooms.guest("ann").is_none() && rooms.forward(&bob.identity).is_err());
    rooms.check();
}

#[test]
fn who_may_have_its_tracks_is_said_at_home_and_holds_there() {
    let mut rooms = Pair::new();
    let (bob, eve) = (rooms.there.join("bob"), rooms.there.join("eve"));
    let ann = rooms.here.join("ann");
    let cam = rooms.here.publish(&ann, camera("cam"));
    let only_bob = |rooms: &mut Pair, tracks: Vec<String>| {
        let track_permissions =
            vec![TrackPermission { participant_identity: "bob".into(), track_sids: tracks, ..Default::default() }];
        let permission = SubscriptionPermission { all_participants: false, track_permissions };
        rooms.here.says(&ann, ask::Message::SubscriptionPermission(permission));
    };
    only_bob(&mut rooms, vec![cam.to_string()]);
    rooms.forward("ann").unwrap();
    rooms.carry();
    let shown = TrackSid::from(rooms.guest_track(&cam).unwrap().sid.as_str());
    let takes = |rooms: &Pair, who: &Client| rooms.there.subscriptions.contains_key(&(who.sid.clone(), shown.clone()));
    assert!(takes(&rooms, &bob) && !takes(&rooms, &eve));
    only_bob(&mut rooms, Vec::new());
    rooms.carry();
    assert!(!takes(&rooms, &bob) && !takes(&rooms, &eve));
    let everybody = SubscriptionPermission { all_participants: true, track_permissions: Vec::new() };
    rooms.here.says(&ann, ask::Message::SubscriptionPermission(everybody));
    rooms.carry();
    assert!(takes(&rooms, &bob) && takes(&rooms, &eve));
}

#[test]
fn who_speaks_at_home_speaks_there() {
    let mut rooms = Pair::new();
    let bob = rooms.there.join("bob");
    let ann = rooms.here.join("ann");
    rooms.forward("ann").unwrap();
    rooms.carry();
    let guest = rooms.guest("ann").unwrap().sid;
    let told = |rooms: &mut Pair| {
        let guest = guest.clone();
        let told = rooms.there.heard(&bob, move |message| match message {
            signal_response::Message::SpeakersChanged(changed) => {
                changed.speakers.iter().find(|speaker| speaker.sid == guest).map(|speaker| speaker.active)
            }
            _ => None,
        });
        told.last().copied()
    };
    let level = AudioLevel { participant: ann.sid.clone(), level_dbov: 5, active_percent: 100 };
    rooms.here.media(MediaEvent::AudioLevels { part: 0, levels: vec![level] });
    rooms.carry();
    assert_eq!(told(&mut rooms), Some(true));
    // A report of this room's own says nothing of guests.
    rooms.there.media(MediaEvent::AudioLevels { part: 0, levels: Vec::new() });
    assert_eq!(rooms.there.room.speakers.active().len(), 1);
    rooms.here.pass(Duration::from_secs(5));
    rooms.carry();
    assert_eq!(told(&mut rooms), Some(false));
}

#[test]
fn guests_take_nobodys_place_and_keep_no_room_alive() {
    let mut rooms = Pair::new();
    rooms.there = World::with(|config| config.max_participants = 1);
    rooms.here.join("ann");
    rooms.here.join("cem");
    rooms.forward("ann").unwrap();
    rooms.forward("cem").unwrap();
    rooms.carry();
    let bob = rooms.there.join("bob");
    // Data is for those who are connected.
    assert!(rooms.there.room.participants().eq([&bob.sid]));
    rooms.there.says(&bob, ask::Message::Leave(livekit_protocol::LeaveRequest::default()));
    rooms.there.pass(Duration::from_secs(60));
    assert!(rooms.there.finished);
    rooms.carry();
    assert!(rooms.here.room.forwards.is_empty() && rooms.lines.is_empty());
    // And the other way round.
    let mut rooms = Pair::new();
    rooms.there.join("bob");
    rooms.here.join("ann");
    rooms.forward("ann").unwrap();
    rooms.carry();
    rooms.here.command(Command::Shutdown);
    rooms.carry();
    assert!(rooms.guest("ann").is_none());
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Join { who: usize, there: bool },
    Leave { who: usize, there: bool },
    LoseSignal { who: usize },
    Publish { who: usize, sound: bool },
    Unpublish { who: usize },
    Mute { who: usize, muted: bool },
    Rename { who: usize, name: u8 },
    Restrict { who: usize, everybody: bool },
    Hide { who: usize, hidden: bool },
    Speak { who: usize },
    Forward { who: usize },
    Remove { who: usize, there: bool },
    Carry,
    Pass { ms: u64 },
    End { there: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..3_usize;
    prop_oneof![
        5 => (who.clone(), prop::bool::weighted(0.3)).prop_map(|(who, there)| Step::Join { who, there }),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, there)| Step::Leave { who, there }),
        1 => who.clone().prop_map(|who| Step::LoseSignal { who }),
        4 => (who.clone(), any::<bool>()).prop_map(|(who, sound)| Step::Publish { who, sound }),
        2 => who.clone().prop_map(|who| Step::Unpublish { who }),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, muted)| Step::Mute { who, muted }),
        2 => (who.clone(), any::<u8>()).prop_map(|(who, name)| Step::Rename { who, name }),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, everybody)| Step::Restrict { who, everybody }),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, hidden)| Step::Hide { who, hidden }),
        1 => who.clone().prop_map(|who| Step::Speak { who }),
        6 => who.clone().prop_map(|who| Step::Forward { who }),
        2 => (who, any::<bool>()).prop_map(|(who, there)| Step::Remove { who, there }),
        6 => Just(Step::Carry),
        2 => (1..20_000_u64).prop_map(|ms| Step::Pass { ms }),
        1 => prop::bool::weighted(0.5).prop_map(|there| Step::End { there }),
    ]
}

/// Two rooms and who was in them last.
struct Run {
    rooms: Pair,
    here: [Option<Client>; 3],
    there: [Option<Client>; 3],
}

impl Run {
    fn take(&mut self, step: Step) {
        let rooms = &mut self.rooms;
        let is_in = |world: &World, client: &Client| world.room.participants.contains_key(&client.sid);
        let ours = |who: usize| self.here[who].clone().filter(|client| is_in(&rooms.here, client));
        match step {
            Step::Join { who, there } => {
                let (world, people) = match there {
                    true => (&mut rooms.there, &mut self.there),
                    false => (&mut rooms.here, &mut self.here),
                };
                if !world.finished {
                    let arrival = world.arrival(&format!("p{who}"), SignalVersion::V1);
                    people[who] = world.enter(arrival).or(people[who].take());
                }
            }
            Step::Leave { who, there } => {
                let (world, people) =
                    if there { (&mut rooms.there, &self.there) } else { (&mut rooms.here, &self.here) };
                if let Some(client) = people[who].as_ref().filter(|client| is_in(world, client)) {
                    world.says(client, ask::Message::Leave(livekit_protocol::LeaveRequest::default()));
                }
            }
            Step::LoseSignal { who } => {
                let client = ours(who).filter(|client| rooms.here.live.contains(&client.connection));
                client.iter().for_each(|client| rooms.here.lose(client));
            }
            Step::Publish { who, sound } => {
                if let Some(client) = ours(who).filter(|client| rooms.here.live.contains(&client.connection)) {
                    let tracks = rooms.here.room.participants[&client.sid].tracks.len();
                    if tracks < 3 {
                        let cid = format!("c{tracks}{sound}{}", rooms.here.events.len());
                        rooms.here.publish(&client, if sound { microphone(&cid) } else { camera(&cid) });
                    }
                }
            }
            Step::Unpublish { who } => {
                let Some(client) = ours(who) else { return };
                if let Some(track) = rooms.here.room.participants[&client.sid].tracks.keys().next().cloned() {
                    rooms.here.unpublish(&client.sid, &track);
                }
            }
            Step::Mute { who, muted } => {
                let Some(client) = ours(who) else { return };
                if let Some(track) = rooms.here.room.participants[&client.sid].tracks.keys().next().cloned() {
                    let mute = livekit_protocol::MuteTrackRequest { sid: track.to_string(), muted };
                    rooms.here.says(&client, ask::Message::Mute(mute));
                }
            }
            Step::Rename { who, name } => {
                let Some(client) = ours(who) else { return };
                let update = UpdateParticipantMetadata { name: format!("n{name}"), ..Default::default() };
                rooms.here.says(&client, ask::Message::UpdateMetadata(update));
            }
            Step::Restrict { who, everybody } => {
                let Some(client) = ours(who) else { return };
                let permission = SubscriptionPermission { all_participants: everybody, track_permissions: Vec::new() };
                rooms.here.says(&client, ask::Message::SubscriptionPermission(permission));
            }
            Step::Hide { who, hidden } => {
                let update = Moderation::UpdateParticipant {
                    identity: format!("p{who}"),
                    name: None,
                    metadata: None,
                    attributes: Default::default(),
                    permission: Some(ParticipantPermission { hidden, ..permission() }),
                };
                let _ = rooms.here.moderate(update);
            }
            Step::Speak { who } => {
                let Some(client) = ours(who) else { return };
                let level = AudioLevel { participant: client.sid, level_dbov: 5, active_percent: 100 };
                rooms.here.media(MediaEvent::AudioLevels { part: 0, levels: vec![level] });
            }
            Step::Forward { who } => {
                let _ = rooms.forward(&format!("p{who}"));
            }
            Step::Remove { who, there } => {
                let world = if there { &mut rooms.there } else { &mut rooms.here };
                let identity = format!("p{who}");
                let removal = Moderation::RemoveParticipant { identity, revoke_before_s: Some(1), keep_out: false };
                let _ = world.moderate(removal);
            }
            Step::Carry => {
                rooms.carry();
                rooms.check();
            }
            Step::Pass { ms } => {
                rooms.here.pass(Duration::from_millis(ms));
                rooms.there.pass(Duration::from_millis(ms));
            }
            Step::End { there: true } => rooms.there.command(Command::Shutdown),
            Step::End { there: false } => rooms.here.command(Command::Shutdown),
        }
    }
}

proptest! {
    /// Whatever people do in both rooms, and however late the one hears of the other: once it has heard, it shows whom it
    /// should, as they are. When everybody has left, nothing is held on either side.
    #[test]
    fn no_order_of_things_leaves_a_ghost(steps in prop::collection::vec(step(), 1..60)) {
        let rooms = Pair::new();
        let mut run = Run { rooms, here: Default::default(), there: Default::default() };
        for step in steps {
            run.take(step);
        }
        run.rooms.carry();
        run.rooms.check();
        for who in 0..3 {
            run.take(Step::Leave { who, there: false });
        }
        run.rooms.carry();
        // Who lost its signal has so long.
        run.rooms.here.pass(Duration::from_secs(20));
        run.rooms.carry();
        run.rooms.check();
        prop_assert!(run.rooms.there.room.guests.is_empty() && run.rooms.there.borrowed.is_empty());
        prop_assert!(run.rooms.here.room.forwards.is_empty() && run.rooms.lines.is_empty());
        run.rooms.there.pass(Duration::from_secs(3600));
        // A room that has ended is dropped as it is.
        prop_assert!(run.rooms.there.finished || run.rooms.there.room.speakers.active().is_empty());
    }
}
