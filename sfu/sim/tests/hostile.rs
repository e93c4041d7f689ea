//! What strangers and broken clients do: it hurts nobody else, and at most themselves.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use rand::{Rng, RngExt};
use sluice_core::Connection::{Dual, Single};
use sluice_core::{Client, Command, Event, Failure, TrackId};
use sluice_sim::{Conditions, Load, Publication, Simulation, Wiretap};

/// An RTP packet with naming extensions and an authentication tag of noise.
fn forged_rtp(payload_type: u8, ssrc: u32, extensions: &[(u8, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (id, text) in extensions {
        body.push(id << 4 | (text.len() - 1) as u8);
        body.extend(text.bytes());
    }
    body.resize(body.len().next_multiple_of(4), 0);
    let mut packet = vec![0x90, payload_type, 0x12, 0x34, 0, 1, 2, 3];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xbe, 0xde, 0, (body.len() / 4) as u8]);
    packet.extend(body);
    packet.extend([0x5a; 200]);
    packet
}

/// The id a client's connection negotiated for a header extension.
fn extension_id(sim: &Simulation, name: &str, uri_end: &str) -> u8 {
    let mut of_name = sim.events.iter().filter_map(|(_, event)| match event {
        Event::Answer { participant, sdp, .. } if participant.as_str() == format!("PA_{name}") => Some(sdp),
        _ => None,
    });
    let sdp = of_name.next_back().unwrap();
    let line = sdp.lines().find(|line| line.starts_with("a=extmap:") && line.ends_with(uri_end)).unwrap();
    line["a=extmap:".len()..].split(' ').next().unwrap().parse().unwrap()
}

/// One datagram from the right address with what a wiretap shows, but without the key, at a live track.
#[test]
fn a_forged_packet_does_not_disturb_a_live_track() {
    for is_simulcast in [false, true] {
        let mut sim = Simulation::new(51);
        sim.join("ann", Single);
        sim.join("bob", Single);
        let publication = if is_simulcast { Publication::SIMULCAST } else { Publication::CAMERA };
        let cam = sim.publish("ann", "cam", publication);
        let mic = sim.publish("ann", "mic", Publication::MICROPHONE);
        sim.run(Duration::from_secs(2));
        let video: Wiretap = sim.wiretap("ann", &cam);
        let audio: Wiretap = sim.wiretap("ann", &mic);
        let id = |end| extension_id(&sim, "ann", end);
        let (mid, rid, repaired) = (id("sdes:mid"), id("sdes:rtp-stream-id"), id("sdes:repaired-rtp-stream-id"));
        let pt = video.payload_type;
        let rtx = video.repair_payload_type.unwrap();
        let stranger = 0x0bad_cafe;
        let forgeries: Vec<(&str, Vec<u8>)> = vec![
            ("mid", forged_rtp(pt, stranger, &[(mid, &video.mid)])),
            ("mid, rid q", forged_rtp(pt, stranger, &[(mid, &video.mid), (rid, "q")])),
            ("mid, rid f", forged_rtp(pt, stranger, &[(mid, &video.mid), (rid, "f")])),
            ("mid, unknown rid", forged_rtp(pt, stranger, &[(mid, &video.mid), (rid, "x")])),
            ("rid alone", forged_rtp(pt, stranger, &[(rid, "f")])),
            ("the true ssrc", forged_rtp(pt, video.ssrc, &[(mid, &video.mid)])),
            ("the true ssrc, another section", forged_rtp(pt, video.ssrc, &[(mid, &audio.mid)])),
            ("the true ssrc, another layer", forged_rtp(pt, video.ssrc, &[(mid, &video.mid), (rid, "h")])),
            ("another track's ssrc", forged_rtp(pt, audio.ssrc, &[(mid, &video.mid)])),
            ("another track's ssrc, rid f", forged_rtp(pt, audio.ssrc, &[(mid, &video.mid), (rid, "f")])),
            ("sound's mid", forged_rtp(audio.payload_type, stranger + 1, &[(mid, &audio.mid)])),
            ("repair", forged_rtp(rtx, stranger + 2, &[(mid, &video.mid)])),
            ("repair of f", forged_rtp(rtx, stranger + 3, &[(mid, &video.mid), (repaired, "f")])),
            ("repair with a rid", forged_rtp(rtx, stranger + 4, &[(mid, &video.mid), (rid, "f")])),
            ("repair on the true ssrc", forged_rtp(rtx, video.ssrc, &[(mid, &video.mid)])),
            ("no payload type of ours", forged_rtp(77, stranger + 5, &[(mid, &video.mid)])),
        ];
        for (what, datagram) in &forgeries {
            sim.forge("ann", datagram);
            for (track, least) in [(&cam, 29), (&mic, 49)] {
                let frames = sim.frames_during(Duration::from_secs(1), "bob", track);
                assert!(frames >= least, "simulcast {is_simulcast}: after {what}: {frames} frames of {track}");
            }
        }
        // Not a packet is missing: no hole in the whole run.
        sim.audit(true);
    }
}

/// Layers not yet seen cannot be proven, so a forger can claim one first; the true one must still win.
#[test]
fn a_claim_on_a_layer_before_it_lives_does_not_keep_it_out() {
    let mut sim = Simulation::new(52);
    sim.join("ann", Single);
    sim.join("bob", Single);
    let cam = sim.publish("ann", "cam", Publication::SIMULCAST);
    sim.run_until(Duration::from_secs(1), "the section", |sim| {
        sim.client("ann").sections() > 0 && sim.stats().tracks == 1
    });
    let tap: Wiretap = sim.wiretap("ann", &cam);
    let (mid, rid) = (extension_id(&sim, "ann", "sdes:mid"), extension_id(&sim, "ann", "sdes:rtp-stream-id"));
    for layer in ["q", "h", "f"] {
        sim.forge("ann", &forged_rtp(tap.payload_type, 7, &[(mid, &tap.mid), (rid, layer)]));
        sim.run_ms(3);
    }
    sim.run(Duration::from_secs(2));
    assert!(sim.sink("bob", &cam).frames > 30);
    sim.audit(true);
}

#[test]
fn noise_is_neither_answered_nor_fatal() {
    let mut sim = Simulation::new(53);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", Publication::CAMERA);
    sim.run(Duration::from_secs(2));
    let mut random = sim.random();
    let stranger = SocketAddr::from(([192, 0, 2, 66], 6666));
    let before = sim.datagrams_sent;
    for _ in 0..3_000 {
        sim.inject(stranger, &noise(&mut random));
    }
    assert_eq!(sim.datagrams_sent, before, "a stranger was answered");
    // The same from ann's own address.
    for _ in 0..3_000 {
        let datagram = noise(&mut random);
        sim.forge("ann", &datagram);
    }
    assert!(sim.frames_during(Duration::from_secs(2), "bob", &cam) >= 59);
    assert!(sim.failures().is_empty(), "{:?}", sim.failures());
    sim.audit(true);
}

/// Bytes that look like STUN, DTLS, RTP or RTCP at first sight, and bytes that look like nothing.
fn noise(random: &mut impl Rng) -> Vec<u8> {
    let mut datagram = vec![0; random.random_range(0..200)];
    random.fill_bytes(&mut datagram);
    let heads: [&[u8]; 7] = [
        &[],
        &[0x00, 0x01, 0x00, 0x40, 0x21, 0x12, 0xa4, 0x42],
        &[0x01, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42],
        &[0x16, 0xfe, 0xfd, 0, 0, 0, 0],
        &[0x17, 0xfe, 0xfd, 0, 1, 0, 0],
        &[0x90, 0x60],
        &[0x81, 0xc9, 0x00, 0x07],
    ];
    let head = heads[random.random_range(0..heads.len())];
    for (byte, known) in datagram.iter_mut().zip(head) {
        *byte = *known;
    }
    datagram
}

/// Cut, doubled and flipped datagrams of real people.
#[test]
fn a_network_that_mangles_is_survived() {
    let mut sim = Simulation::new(54);
    sim.join("ann", Single);
    sim.join("bob", Single);
    let cam = sim.publish("ann", "cam", Publication::SIMULCAST);
    sim.mangle("ann", 0.05);
    sim.run(Duration::from_secs(8));
    sim.mangle("ann", 0.0);
    sim.run(Duration::from_secs(1));
    assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 28);
    sim.audit(false);
}

fn refusals(sim: &Simulation) -> usize {
    sim.events
        .iter()
        .filter(|(_, event)| matches!(event, Event::NegotiationFailed { .. }))
        .count()
}

fn offer_of(sim: &Simulation, name: &str) -> String {
    sim.client(name).last_offer().to_owned()
}

/// Each bad offer is refused by itself; the participant and its media live on, and its next offer is taken.
#[test]
fn bad_offers_are_refused_and_the_participant_lives_on() {
    let mut sim = Simulation::new(55);
    sim.join("ann", Single);
    sim.join("bob", Single);
    let mut cam = sim.publish("ann", "cam", Publication::CAMERA);
    sim.run(Duration::from_secs(2));
    let good = offer_of(&sim, "ann");
    let without =
        |prefix: &str| good.lines().filter(|l| !l.starts_with(prefix)).fold(String::new(), |s, l| s + l + "\r\n");
    let bad: Vec<(&str, String)> = vec![
        ("empty", String::new()),
        ("noise", "v=0\r\nm=\r\na=".to_owned()),
        ("cut short", good[..good.len() / 2].to_owned()),
        ("no credentials", without("a=ice-")),
        ("no sections", good.split("m=").next().unwrap().to_owned()),
        ("no mids", without("a=mid:")),
        ("sections reversed", {
            let mut sections: Vec<&str> = good.split("m=").collect();
            sections[1..].reverse();
            sections.join("m=")
        }),
        ("payload type 200", good.replace("UDP/TLS/RTP/SAVPF ", "UDP/TLS/RTP/SAVPF 200 ")),
        ("ice-lite", good.replacen("a=group:", "a=ice-lite\r\na=group:", 1)),
        ("too long", format!("{good}a={}\r\n", "x".repeat(1 << 20))),
    ];
    for (round, (what, sdp)) in bad.iter().enumerate() {
        let before = refusals(&sim);
        sim.say(Command::Offer { participant: "PA_ann".into(), id: 1000, sdp: sdp.clone() });
        sim.run(Duration::from_millis(500));
        assert_eq!(refusals(&sim), before + 1, "{what} was not refused");
        assert!(sim.failures().is_empty(), "{what}: {:?}", sim.failures());
        let frames = sim.frames_during(Duration::from_secs(1), "bob", &cam);
        assert!(frames >= 29, "after {what}: {frames} frames");
        // And a good offer after the bad one.
        sim.unpublish("ann", &cam);
        cam = sim.publish("ann", &format!("cam{round}"), Publication::CAMERA);
        sim.run(Duration::from_secs(1));
        assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 29, "after {what}: the next offer");
    }
    sim.audit(true);
}

/// A first offer that cannot work ends at most the participant that made it.
#[test]
fn a_bad_first_offer_harms_nobody_else() {
    let mut sim = Simulation::new(56);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", Publication::CAMERA);
    sim.run(Duration::from_secs(2));
    let good = offer_of(&sim, "ann");
    let without =
        |prefix: &str| good.lines().filter(|l| !l.starts_with(prefix)).fold(String::new(), |s, l| s + l + "\r\n");
    let bad = [
        without("a=fingerprint"),
        without("a=ice-"),
        without("a=setup"),
        good.replace("a=setup:actpass", "a=setup:passive"),
    ];
    for (n, sdp) in bad.into_iter().enumerate() {
        let id = format!("PA_mallory{n}");
        sim.command(Command::AddParticipant {
            room: "RM_1".into(),
            participant: id.as_str().into(),
            client: Client { connection: Single, takes_trailers: false, allows_pauses: true },
        });
        sim.say(Command::Offer { participant: id.as_str().into(), id: 1, sdp });
        sim.run(Duration::from_millis(500));
        assert!(sim.failures().iter().all(|(who, _)| who.as_str().starts_with("PA_mallory")), "{:?}", sim.failures());
        assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 29);
    }
    sim.audit(true);
}

#[test]
fn stale_and_wrong_answers_are_refused() {
    let mut sim = Simulation::new(57);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", Publication::CAMERA);
    sim.run(Duration::from_secs(2));
    for (who, id, sdp) in [("PA_ann", 1, "v=0"), ("PA_bob", 99, "v=0"), ("PA_bob", 0, "v=0"), ("PA_bob", 1, "")] {
        let before = refusals(&sim);
        sim.say(Command::Answer { participant: who.into(), id, sdp: sdp.to_owned() });
        sim.run(Duration::from_millis(100));
        assert_eq!(refusals(&sim), before + 1, "{who} {id}");
    }
    // A broken answer to an outstanding offer; then the true one comes.
    let mic = sim.publish("ann", "mic", Publication::MICROPHONE);
    sim.run_until(Duration::from_secs(1), "the offer", |sim| sim.stats().tracks == 2);
    sim.command(Command::Answer { participant: "PA_bob".into(), id: 0, sdp: "v=0\r\nm=audio".to_owned() });
    sim.run(Duration::from_secs(1));
    assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 29);
    assert!(sim.frames_during(Duration::from_secs(1), "bob", &mic) >= 49, "the track of the offer is not lost");
    assert!(sim.failures().is_empty());
    sim.audit(true);
}

#[test]
fn a_bug_in_one_participant_ends_that_participant() {
    let mut sim = Simulation::new(58);
    for name in ["ann", "bob", "cem"] {
        sim.join(name, Dual);
    }
    let cams: Vec<TrackId> = ["ann", "bob"].map(|name| sim.publish(name, "cam", Publication::CAMERA)).into();
    sim.run(Duration::from_secs(2));
    sim.set_broken(true);
    sim.command(Command::Resume { participant: "PA_ann".into() });
    sim.set_broken(false);
    sim.run(Duration::from_secs(1));
    assert_eq!(sim.failures(), [("PA_ann".into(), Failure::Internal)]);
    assert_eq!(sim.stats().contained_panics, 1);
    assert_eq!(sim.frames_during(Duration::from_secs(1), "cem", &cams[0]), 0);
    assert!(sim.frames_during(Duration::from_secs(1), "cem", &cams[1]) >= 29);
}

/// A publisher far above what it may send is cut before its packets cost anything; others do not notice, and it is
/// seen as soon as it behaves.
#[test]
fn a_flood_is_cut_and_hurts_nobody_else() {
    let mut sim = Simulation::new(59);
    for name in ["ann", "bob", "eve"] {
        sim.join(name, Single);
    }
    let of_ann = sim.publish("ann", "cam", Publication::CAMERA);
    sim.publish("eve", "cam", Publication::CAMERA);
    sim.run(Duration::from_secs(2));
    assert_eq!(sim.stats().packets_policed, 0, "a camera is no flood");

    let load = Load::Camera { fps: 30, kbps: [65_000; 3] };
    let before = sim.stats();
    let flood = sim.publish("eve", "flood", Publication { load, ..Publication::CAMERA });
    sim.run(Duration::from_secs(7));
    let frames = sim.frames_during(Duration::from_secs(1), "bob", &of_ann);
    assert!(frames >= 29, "{frames} frames of somebody else");
    let after = sim.stats();
    assert!(after.packets_policed > 1000, "{} packets cut", after.packets_policed);
    let read = (after.packets_received - before.packets_received) * 1100 * 8;
    assert!(read < 9 * 52_000_000, "{read} bits read in eight seconds, with a burst of one");

    sim.unpublish("eve", &flood);
    sim.run(Duration::from_secs(2));
    let of_eve = sim.publish("eve", "again", Publication::CAMERA);
    sim.run(Duration::from_secs(1));
    let frames = sim.frames_during(Duration::from_secs(1), "bob", &of_eve);
    assert!(frames >= 29, "{frames} frames of who flooded, afterwards");
}

/// Sound is never paused and never waits, so that a flood of it would take everybody's link.
#[test]
fn a_flood_of_sound_is_cut() {
    let mut sim = Simulation::new(60);
    for name in ["ann", "bob", "eve"] {
        sim.join(name, Single);
    }
    let cam = sim.publish("ann", "cam", Publication::CAMERA);
    let load = Load::Camera { fps: 50, kbps: [20_000; 3] };
    sim.publish("eve", "mic", Publication { load, ..Publication::MICROPHONE });
    sim.links("bob", Conditions::CLEAN, Conditions::narrow(8_000_000, Duration::from_millis(10)));
    sim.run(Duration::from_secs(5));
    assert!(sim.stats().packets_policed > 1000, "{} packets cut", sim.stats().packets_policed);
    let frames = sim.frames_during(Duration::from_secs(2), "bob", &cam);
    assert!(frames >= 55, "{frames} of 60 frames beside it");
}

/// Forgeries under somebody's address do not use up what that one may send.
#[test]
fn a_forged_flood_cuts_nobody() {
    let mut sim = Simulation::new(61);
    sim.join("ann", Single);
    sim.join("bob", Single);
    let cam = sim.publish("ann", "cam", Publication::CAMERA);
    sim.run(Duration::from_secs(2));
    let datagram = forged_rtp(96, 0x0bad_cafe, &[]);
    for _ in 0..2 * 50_000_000 / 8 / datagram.len() {
        sim.forge("ann", &datagram);
    }
    assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 29);
    assert_eq!(sim.stats().packets_policed, 0);
}
