//! A room that is recorded.

use super::*;
use crate::AudioLevel;

fn recorded(world: &mut World, recording: &str, goes_on: bool) {
    world.command(Command::Recorded { recording: recording.into(), goes_on });
}

#[test]
fn everybody_is_told_at_once_and_until_the_last_recording_is_over() {
    let mut world = World::new();
    let ada = world.join("ada");
    let told = |world: &World| {
        world.heard(&ada, |message| match message {
            signal_response::Message::RoomUpdate(update) => update.room.as_ref().map(|room| room.active_recording),
            _ => None,
        })
    };
    recorded(&mut world, "EG_1", true);
    assert_eq!(told(&world), [true], "before any time has passed");
    recorded(&mut world, "EG_2", true);
    recorded(&mut world, "EG_1", false);
    recorded(&mut world, "EG_1", false);
    assert_eq!(told(&world), [true], "nothing changed for those who are there");

    let late = world.join("late");
    let signal_response::Message::Join(join) = &world.inbox[&late.connection][0] else { panic!("join") };
    assert!(join.room.as_ref().unwrap().active_recording, "who comes later sees it as well");

    recorded(&mut world, "EG_2", false);
    assert_eq!(told(&world).last(), Some(&false));
}

#[test]
fn who_speaks_is_told_to_recordings_and_only_while_there_are_some() {
    let mut world = World::new();
    let ada = world.join("ada");
    let voice = AudioLevel { participant: ada.sid.clone(), level_dbov: 12, active_percent: 90 };
    world.media(MediaEvent::AudioLevels { part: 0, levels: vec![voice.clone()] });
    world.pass(Duration::from_secs(3));
    assert!(world.overheard.is_empty());

    recorded(&mut world, "EG_1", true);
    world.media(MediaEvent::AudioLevels { part: 0, levels: vec![voice] });
    world.pass(Duration::from_secs(3));
    let heard: Vec<bool> = world.overheard.iter().flatten().map(|speaker| speaker.active).collect();
    assert_eq!(heard, [true, false]);
}

#[test]
fn the_session_says_so() {
    let mut world = World::new();
    world.join("ada");
    world.join("bob");
    recorded(&mut world, "EG_1", true);
    recorded(&mut world, "EG_1", false);
    let states = world.events.iter().filter_map(|event| match &event.kind {
        RoomEventKind::SessionChanged { to, .. } => Some(to.name()),
        _ => None,
    });
    assert!(states.collect::<Vec<_>>().ends_with(&["Connected", "Recording", "Connected"]));
}
