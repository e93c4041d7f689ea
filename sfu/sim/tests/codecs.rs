//! Clients are not alike: some take packet trailers, some lack a codec. Each is sent what it can show.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{Dual, Single};
use sluice_core::{BackupPolicy, CodecRole, Command, Demand, Event, ExpectedTrack, Kind, Reason, Source, TrackId};
use sluice_sim::{Conditions, Media, Publication, Simulation, Structure};

const WITHOUT_H265: [Media; 4] = [Media::Vp8, Media::Vp9, Media::H264, Media::Av1];

fn was_told_not_decodable(sim: &Simulation, name: &str, track: &TrackId) -> usize {
    let told = |event: &&Event| matches!(event, Event::NotDecodable { subscriber, track: of } if subscriber.as_str() == format!("PA_{name}") && of == track);
    sim.events.iter().map(|(_, event)| event).filter(told).count()
}

fn explained(sim: &mut Simulation, name: &str, track: &TrackId) -> (Reason, String) {
    let before = sim.events.len();
    sim.command(Command::Explain { participant: format!("PA_{name}").into(), request: 1 });
    let found = sim.events[before..].iter().find_map(|(_, event)| match event {
        Event::Explained { report, .. } => {
            let of_track = report.subscriptions.iter().find(|report| report.track == *track);
            of_track.map(|report| (report.reason, report.mime_type.clone()))
        }
        _ => None,
    });
    found.unwrap()
}

fn reason(sim: &mut Simulation, name: &str, track: &TrackId) -> Reason {
    explained(sim, name, track).0
}

/// Bob's client takes trailers off frames itself; eve's decoder would be handed them.
fn trailers(publication: Publication, conditions: Conditions) {
    let mut sim = Simulation::new(31);
    sim.takes_trailers.insert("bob".to_owned());
    sim.join("ann", Single);
    sim.join("bob", Single);
    sim.join("eve", Dual);
    let cam = sim.publish("ann", "cam", Publication { has_trailers: true, ..publication });
    for name in ["bob", "eve"] {
        sim.network(name, conditions);
    }
    sim.run(Duration::from_secs(4));
    let (bob, eve) = (sim.sink("bob", &cam), sim.sink("eve", &cam));
    assert!(bob.frames > 80 && eve.frames > 80, "{publication:?}: {} and {} frames", bob.frames, eve.frames);
    assert!(bob.trailers >= bob.frames, "{publication:?}: {} trailers in {} frames", bob.trailers, bob.frames);
    assert_eq!(eve.trailers, 0, "{publication:?}");
    sim.audit(conditions == Conditions::CLEAN);
}

#[test]
fn a_packet_trailer_is_cut_off_for_whoever_does_not_take_it() {
    for media in Media::VIDEO {
        trailers(Publication::video(media), Conditions::CLEAN);
    }
    trailers(Publication { is_encrypted: true, ..Publication::SIMULCAST }, Conditions::CLEAN);
}

#[test]
fn each_spatial_layer_of_a_picture_has_its_own_trailer() {
    for media in [Media::Vp9, Media::Av1] {
        trailers(Publication { structure: Structure::KeySvc, ..Publication::video(media) }, Conditions::CLEAN);
    }
}

#[test]
fn what_is_sent_again_has_no_trailer_either() {
    trailers(Publication::CAMERA, Conditions { loss: 0.05, ..Conditions::CLEAN });
}

#[test]
fn trailers_that_were_not_announced_are_part_of_the_frame() {
    let mut sim = Simulation::new(32);
    sim.join("ann", Single);
    sim.join("bob", Single);
    sim.announces_trailers = false;
    let cam = sim.publish("ann", "cam", Publication { has_trailers: true, ..Publication::CAMERA });
    sim.run(Duration::from_secs(2));
    assert!(sim.sink("bob", &cam).trailers > 30);
    sim.audit(true);
}

#[test]
fn h265_simulcast_walks_through_its_layers() {
    let mut sim = Simulation::new(33);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", Publication { is_simulcast: true, ..Publication::video(Media::H265) });
    sim.run(Duration::from_secs(2));
    for layer in [0, 2, 1] {
        sim.demand("bob", &cam, Demand { max_spatial: layer, ..Demand::default() });
        let took = sim.run_until(Duration::from_secs(4), &format!("layer {layer}"), |sim| {
            sim.sink("bob", &cam).layer() == Some(layer)
        });
        assert!(took < Duration::from_millis(200), "layer {layer} took {took:?}");
    }
    sim.run(Duration::from_secs(1));
    sim.audit(true);
}

#[test]
fn who_lacks_the_codec_is_sent_nothing_and_told_why() {
    for connection in [Single, Dual] {
        let mut sim = Simulation::new(34);
        sim.speaks.insert("eve".to_owned(), WITHOUT_H265.to_vec());
        sim.join("ann", Single);
        sim.join("bob", connection);
        sim.join("eve", connection);
        let cam = sim.publish("ann", "cam", Publication::video(Media::H265));
        sim.run(Duration::from_secs(2));
        assert!(sim.sink("bob", &cam).frames > 30);
        assert_eq!(sim.sink("eve", &cam).packets, 0);
        assert_eq!(was_told_not_decodable(&sim, "eve", &cam), 1);
        assert_eq!(was_told_not_decodable(&sim, "bob", &cam), 0);
        assert_eq!(reason(&mut sim, "eve", &cam), Reason::NotDecodable);
        assert_eq!(reason(&mut sim, "bob", &cam), Reason::Full);
        sim.audit(true);
    }
}

const WITHOUT_VP9: [Media; 3] = [Media::Vp8, Media::H264, Media::H265];

/// Ann publishes VP9 in three sizes with VP8 behind it; bob takes everything, and eve, who comes later, no VP9.
fn ann_bob_and_eve(policy: BackupPolicy, seed: u64) -> (Simulation, TrackId) {
    ann_bob_and_eve_on(1, policy, seed)
}

/// The same on several workers: on three, each has its own.
fn ann_bob_and_eve_on(workers: u16, policy: BackupPolicy, seed: u64) -> (Simulation, TrackId) {
    let mut sim = Simulation::spanning(seed, workers);
    sim.dynacast = true;
    sim.speaks.insert("eve".to_owned(), WITHOUT_VP9.to_vec());
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let primary = Publication { structure: Structure::KeySvc, ..Publication::video(Media::Vp9) };
    let cam = sim.publish_with_backup("ann", "cam", primary, (Publication::SIMULCAST, policy));
    sim.run(Duration::from_secs(7));
    assert_eq!(sim.client("ann").sends(&cam), (true, false), "nobody needs the second");
    sim.join("eve", Single);
    let took = sim.run_until(Duration::from_secs(2), "eve sees a picture", |sim| {
        sim.find_sink("eve", &cam).is_some_and(|sink| sink.frames > 0)
    });
    assert!(took < Duration::from_millis(700), "{took:?}");
    sim.run(Duration::from_secs(7));
    assert_eq!(sim.sink("eve", &cam).codecs, [Media::Vp8]);
    assert_eq!(sim.sink("eve", &cam).layer(), Some(2));
    assert_eq!(was_told_not_decodable(&sim, "eve", &cam), 0);
    (sim, cam)
}

#[test]
fn a_backup_is_sent_beside_the_first_codec_to_whoever_needs_it() {
    let (mut sim, cam) = ann_bob_and_eve(BackupPolicy::Simulcast, 35);
    assert_eq!(sim.sink("bob", &cam).codecs, [Media::Vp9]);
    assert_eq!(sim.client("ann").sends(&cam), (true, true));
    assert_eq!(explained(&mut sim, "bob", &cam), (Reason::Full, "video/VP9".into()));
    assert_eq!(explained(&mut sim, "eve", &cam), (Reason::Full, "video/VP8".into()));
    sim.demand("eve", &cam, Demand { max_spatial: 0, ..Demand::default() });
    sim.run(Duration::from_secs(1));
    assert_eq!(sim.sink("eve", &cam).layer(), Some(0), "the second has its own layers");
    assert_eq!(sim.sink("bob", &cam).layer(), Some(2));
    assert_eq!(sim.stats().tracks, 1, "it is one track");
    sim.leave("eve");
    sim.run(Duration::from_secs(6));
    assert_eq!(sim.client("ann").sends(&cam), (true, false), "nobody needs it any more");
    sim.unpublish("ann", &cam);
    sim.run(Duration::from_secs(1));
    assert_eq!((sim.stats().tracks, sim.stats().subscriptions), (0, 0));
    sim.audit(true);
}

#[test]
fn everybody_regresses_to_the_backup_when_one_needs_it() {
    everybody_regresses_on(1);
}

#[test]
fn everybody_regresses_when_one_on_another_worker_needs_it() {
    everybody_regresses_on(3);
}

fn everybody_regresses_on(workers: u16) {
    let (mut sim, cam) = ann_bob_and_eve_on(workers, BackupPolicy::Regression, 36);
    assert_eq!(sim.sink("bob", &cam).codecs, [Media::Vp9, Media::Vp8]);
    assert_eq!(sim.client("ann").sends(&cam), (false, true), "one codec is encoded");
    let freeze = sim.sink("bob", &cam).longest_freeze;
    assert!(freeze < Duration::from_millis(200), "moving froze the picture for {freeze:?}");
    sim.join("joe", Dual);
    sim.run(Duration::from_secs(1));
    assert_eq!(sim.sink("joe", &cam).codecs, [Media::Vp8], "who comes later too");
    assert_eq!(sim.client("ann").sends(&cam), (false, true), "and nothing is switched on for that");

    sim.speaks.insert("kim".to_owned(), vec![Media::Vp9]);
    sim.join("kim", Single);
    sim.run(Duration::from_secs(2));
    assert_eq!(sim.sink("kim", &cam).codecs, [Media::Vp9], "who has only the first is sent that");
    assert_eq!(sim.client("ann").sends(&cam), (true, true));
    assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 29);
    assert_eq!(sim.sink("bob", &cam).codecs.last(), Some(&Media::Vp8));
    sim.audit(true);
}

#[test]
fn a_backup_that_stops_is_asked_for_again() {
    let (mut sim, cam) = ann_bob_and_eve(BackupPolicy::Regression, 37);
    sim.unpublish_backup("ann", &cam);
    sim.run(Duration::from_millis(200));
    let frames = sim.sink("eve", &cam).frames;
    sim.run_until(Duration::from_secs(2), "eve sees a picture again", |sim| sim.sink("eve", &cam).frames > frames);
    sim.run(Duration::from_secs(2));
    assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 29);
    sim.audit(true);
}

/// A description in which the section of one client track says something else.
fn with_section(offer: &str, cid: &str, change: (&str, &str)) -> String {
    let of_track =
        |section: &&str| section.lines().any(|l| l.starts_with("a=msid:") && l.ends_with(&format!(" {cid}")));
    let sections = offer.split("\r\nm=");
    let changed = sections.map(|s| if of_track(&s) { s.replace(change.0, change.1) } else { s.to_owned() });
    changed.collect::<Vec<_>>().join("\r\nm=")
}

/// A client may take away the first codec's section and leave the second's. When that goes too, it is free for another track.
#[test]
fn the_section_of_a_backup_left_behind_can_carry_another_track() {
    let (mut sim, cam) = ann_bob_and_eve(BackupPolicy::Simulcast, 41);
    let (first, second) = (format!("cid-{cam}"), format!("cid-{cam}-backup"));
    let mut sdp = with_section(sim.client("ann").last_offer(), &first, ("a=sendonly", "a=inactive"));
    let offer = |sim: &mut Simulation, sdp: &str| {
        sim.say(Command::Offer { participant: "PA_ann".into(), id: 1000, sdp: sdp.to_owned() });
        sim.run(Duration::from_millis(500));
    };
    offer(&mut sim, &sdp);
    assert_eq!((sim.stats().tracks, sim.stats().subscriptions), (0, 0), "the track is gone, in both codecs");
    sdp = with_section(&sdp, &second, ("a=sendonly", "a=inactive"));
    offer(&mut sim, &sdp);
    sdp = with_section(&sdp, &second, ("a=inactive", "a=sendonly"));
    let sdp = sdp.replace(&second, "cid-screen");
    sim.command(Command::ExpectTrack { participant: "PA_ann".into(), expected: screen() });
    offer(&mut sim, &sdp);
    let is_added =
        |event: &Event| matches!(event, Event::TrackAdded { track, .. } if track.as_str() == "TR_ann_screen");
    assert!(sim.events.iter().any(|(_, event)| is_added(event)));
}

fn screen() -> ExpectedTrack {
    ExpectedTrack {
        track: "TR_ann_screen".into(),
        cids: vec!["cid-screen".to_owned()],
        kind: Kind::Video,
        source: Source::Screen,
        layers: Vec::new(),
        codecs: vec!["video/VP8".to_owned()],
        stereo: false,
        dtx: false,
        red: false,
        has_trailers: false,
        role: CodecRole::Only,
    }
}

/// VP8 was announced, and the section agrees on H264: what counts is what was agreed.
#[test]
fn a_backup_is_of_the_codec_its_section_agrees_on() {
    let mut sim = Simulation::new(42);
    sim.join("ann", Single);
    let backup = (Publication::CAMERA, BackupPolicy::Simulcast);
    let cam = sim.publish_with_backup("ann", "cam", Publication::video(Media::Vp9), backup);
    for (name, takes) in [("eve", WITHOUT_VP9.to_vec()), ("kim", vec![Media::H264]), ("joe", vec![Media::Vp8])] {
        sim.speaks.insert(name.to_owned(), takes);
        sim.join(name, Dual);
    }
    sim.run(Duration::from_secs(1));
    assert_eq!(explained(&mut sim, "eve", &cam).1, "video/VP8");
    let told = |sim: &Simulation| ["eve", "kim", "joe"].map(|name| was_told_not_decodable(sim, name, &cam));
    assert_eq!(told(&sim), [0, 1, 0]);

    let expected = ExpectedTrack {
        track: cam.clone(),
        cids: vec!["cid-second".to_owned()],
        codecs: vec!["video/H264".to_owned()],
        role: CodecRole::Backup,
        ..screen()
    };
    sim.command(Command::ExpectTrack { participant: "PA_ann".into(), expected });
    let sdp = with_another_section(sim.client("ann").last_offer(), &format!("cid-{cam}"), "cid-second");
    sim.say(Command::Offer { participant: "PA_ann".into(), id: 1000, sdp });
    sim.run(Duration::from_millis(500));
    assert_eq!(explained(&mut sim, "eve", &cam).1, "video/H264");
    assert_eq!(told(&sim), [0, 1, 1], "joe takes neither now");
    let (why, codec) = explained(&mut sim, "kim", &cam);
    assert_eq!((why == Reason::NotDecodable, codec.as_str()), (false, "video/H264"), "kim takes the second now");
}

/// A description with the section of one client track once more, for another.
fn with_another_section(offer: &str, cid: &str, another: &str) -> String {
    let section = offer.split("\r\nm=").find(|section| section.contains(&format!(" {cid}\r\n"))).unwrap();
    let mid = section.lines().find_map(|line| line.strip_prefix("a=mid:")).unwrap();
    let lines = section.trim_end().lines().filter(|line| !line.starts_with("a=ssrc"));
    let lines = lines.map(|line| line.replace(cid, another).replace(&format!("a=mid:{mid}"), "a=mid:new"));
    let section = lines.collect::<Vec<_>>().join("\r\n");
    let bundle = offer.lines().find(|line| line.starts_with("a=group:BUNDLE")).unwrap();
    let offer = offer.replacen(bundle, &format!("{bundle} new"), 1);
    format!("{}\r\nm={section}\r\n", offer.trim_end())
}

#[test]
fn a_backup_is_muted_with_its_track() {
    let (mut sim, cam) = ann_bob_and_eve(BackupPolicy::Simulcast, 38);
    sim.mute(&cam, true);
    sim.run(Duration::from_millis(100));
    for name in ["bob", "eve"] {
        assert_eq!(sim.frames_during(Duration::from_secs(1), name, &cam), 0);
    }
    sim.mute(&cam, false);
    sim.run(Duration::from_millis(200));
    for name in ["bob", "eve"] {
        assert!(sim.frames_during(Duration::from_secs(1), name, &cam) >= 29);
    }
    sim.audit(true);
}

/// Ann's client hears that VP8 is wanted and does nothing, at first.
#[test]
fn who_waits_for_a_backup_that_does_not_come_is_told_and_sees_it_when_it_comes() {
    let mut sim = Simulation::new(40);
    sim.speaks.insert("eve".to_owned(), WITHOUT_VP9.to_vec());
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let backup = (Publication::SIMULCAST, BackupPolicy::Simulcast);
    let cam = sim.publish_with_backup("ann", "cam", Publication::video(Media::Vp9), backup);
    sim.run(Duration::from_secs(1));
    sim.join("eve", Single);
    sim.run(Duration::from_secs(3));
    assert_eq!(was_told_not_decodable(&sim, "eve", &cam), 0, "it may still come");

    // While there is nothing to see, nothing is late.
    sim.mute(&cam, true);
    sim.run(Duration::from_secs(6));
    sim.mute(&cam, false);
    sim.demand("eve", &cam, Demand { enabled: false, ..Demand::default() });
    sim.run(Duration::from_secs(6));
    sim.demand("eve", &cam, Demand::default());
    sim.run(Duration::from_secs(4));
    assert_eq!(was_told_not_decodable(&sim, "eve", &cam), 0, "nobody was waiting");
    sim.run(Duration::from_secs(2));
    assert_eq!(was_told_not_decodable(&sim, "eve", &cam), 1);
    assert_eq!(reason(&mut sim, "eve", &cam), Reason::NotDecodable);
    sim.run(Duration::from_secs(12));
    assert_eq!(was_told_not_decodable(&sim, "eve", &cam), 1, "once");
    assert_eq!((was_told_not_decodable(&sim, "bob", &cam), reason(&mut sim, "bob", &cam)), (0, Reason::Full));

    // She looks away and back, so that ann's client hears once more what is wanted.
    sim.dynacast = true;
    sim.demand("eve", &cam, Demand { enabled: false, ..Demand::default() });
    sim.run(Duration::from_secs(6));
    sim.demand("eve", &cam, Demand::default());
    sim.run_until(Duration::from_secs(2), "eve sees a picture", |sim| {
        sim.find_sink("eve", &cam).is_some_and(|sink| sink.frames > 0)
    });
    sim.run(Duration::from_secs(7));
    assert_eq!(explained(&mut sim, "eve", &cam), (Reason::Full, "video/VP8".into()));
    assert_eq!(was_told_not_decodable(&sim, "eve", &cam), 1);
    sim.audit(true);
}

#[test]
fn who_takes_neither_codec_is_told_so() {
    let mut sim = Simulation::new(39);
    sim.dynacast = true;
    sim.speaks.insert("eve".to_owned(), vec![Media::H264]);
    sim.join("ann", Single);
    let backup = (Publication::CAMERA, BackupPolicy::Simulcast);
    let cam = sim.publish_with_backup("ann", "cam", Publication::video(Media::Vp9), backup);
    sim.run(Duration::from_secs(1));
    sim.join("eve", Dual);
    sim.run(Duration::from_secs(7));
    assert_eq!(was_told_not_decodable(&sim, "eve", &cam), 1);
    assert_eq!(reason(&mut sim, "eve", &cam), Reason::NotDecodable);
    assert_eq!(sim.client("ann").sends(&cam), (false, false), "what nobody can decode is not encoded");
    sim.audit(true);
}
