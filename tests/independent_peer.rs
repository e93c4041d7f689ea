//! Do our synthetic peers flatter us? A subscriber made of another WebRTC implementation than theirs (the `webrtc`
//! crate) sits in the same room at the same time, behind LiveKit's older signal protocol, and must get the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "tests")]
#![cfg(target_os = "linux")]

mod serving;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol::{
    SessionDescription, SignalRequest, SignalResponse, signal_request as ask, signal_response as told,
};
use nix::time::{ClockId, clock_gettime};
use prost::Message as _;
use serde_json::Value;
use serving::{Serving, sluice};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCSessionDescription, Registry, register_default_interceptors,
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came: the sender's number of each packet, and how long it was under way.
type Seen = Arc<Mutex<BTreeMap<u32, Duration>>>;

struct Page {
    seen: Seen,
    is_gathered: watch::Sender<bool>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Page {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.is_gathered.send_replace(true);
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let seen = self.seen.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
                // Padding has no stamp.
                let Some((number, sent)) = stamp(&packet.payload) else { continue };
                let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap());
                seen.lock().unwrap().insert(number, now.saturating_sub(sent));
            }
        });
    }
}

/// Number and time at the end of a load tester's payload (`loadtest/src/stamp.rs`).
fn stamp(payload: &[u8]) -> Option<(u32, Duration)> {
    let tail = payload.last_chunk::<28>().filter(|tail| tail.starts_with(b"slt1"))?;
    let number = u32::from_be_bytes(tail[16..20].try_into().unwrap());
    Some((number, Duration::from_nanos(u64::from_be_bytes(tail[20..].try_into().unwrap()))))
}

/// Joins, and answers every offer for as long as the connection lasts.
async fn subscribe(port: u16, token: String, seen: Seen) {
    let url = format!("ws://127.0.0.1:{port}/rtc?protocol=16&auto_subscribe=1&access_token={token}");
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut signal, _) = client_async(url.into_client_request().unwrap(), stream).await.unwrap();

    let (is_gathered, mut gathered) = watch::channel(false);
    let mut media = MediaEngine::default();
    media.register_default_codecs().unwrap();
    let interceptors = register_default_interceptors(Registry::new(), &mut media).unwrap();
    let connection = PeerConnectionBuilder::new()
        .with_media_engine(media)
        .with_interceptor_registry(interceptors)
        .with_handler(Arc::new(Page { seen, is_gathered }))
        .with_udp_addrs(vec!["127.0.0.1:0"])
        .build()
        .await
        .unwrap();
    while let Some(message) = hear(&mut signal).await {
        let told::Message::Offer(offer) = message else { continue };
        let answer = answer(&connection, &offer, &mut gathered).await;
        let request = SignalRequest { message: Some(ask::Message::Answer(answer)) };
        signal.send(Frame::Binary(request.encode_to_vec().into())).await.unwrap();
    }
}

async fn answer(
    connection: &impl PeerConnection,
    offer: &SessionDescription,
    gathered: &mut watch::Receiver<bool>,
) -> SessionDescription {
    let remote = RTCSessionDescription::offer(offer.sdp.clone()).unwrap();
    connection.set_remote_description(remote).await.unwrap();
    let local = connection.create_answer(None).await.unwrap();
    connection.set_local_description(local).await.unwrap();
    gathered.wait_for(|gathered| *gathered).await.unwrap();
    let sdp = connection.local_description().await.unwrap().sdp;
    SessionDescription { r#type: "answer".into(), sdp, id: offer.id, ..Default::default() }
}

async fn hear(signal: &mut WebSocketStream<TcpStream>) -> Option<told::Message> {
    loop {
        match signal.next().await?.ok()? {
            Frame::Binary(bytes) => return SignalResponse::decode(bytes).unwrap().message,
            Frame::Close(_) => return None,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_implementation_receives_what_ours_do() {
    let server = Serving::start(&[]);
    let token = sluice(&["token", "create", "--dev", "--identity", "other", "--room", "check-webinar"])
        .output()
        .unwrap();
    let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
    let seen = Seen::default();
    let other = tokio::spawn(subscribe(server.port, token, seen.clone()));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    let url = format!("ws://127.0.0.1:{}", server.port);
    let load = ["loadtest", "webinar", "--subscribers", "3", "--pps", "100", "--duration", "3s", "--room", "check-"];
    let mut load = sluice(&[&load[..], &["--url", &url, "--json", file.to_str().unwrap()]].concat());
    let ran = tokio::task::spawn_blocking(move || load.output().unwrap());
    let ran = tokio::time::timeout(PATIENCE, ran).await.unwrap().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(!other.is_finished(), "the other stays to the end");

    let ours: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let theirs = seen.lock().unwrap().clone();
    let (Some((first, _)), Some((last, _))) = (theirs.first_key_value(), theirs.last_key_value()) else {
        panic!("the other saw nothing; ours: {ours:#}");
    };
    assert_eq!(ours["loss_ratio"], 0.0);
    assert_eq!(theirs.len(), usize::try_from(last - first + 1).unwrap(), "nor does the other miss a packet");
    let published = usize::try_from(ours["published_packets"].as_u64().unwrap()).unwrap();
    assert!(theirs.len() >= published, "it saw all that was measured, and what was sent before and after");

    // For people who read along; clocks are no matter of a test.
    let mut latencies: Vec<Duration> = theirs.into_values().collect();
    latencies.sort();
    let [p50, p99] = [50, 99].map(|percent| latencies[latencies.len() * percent / 100]);
    eprintln!("latency of ours p50 {} ms, p99 {} ms", ours["latency_ms"]["p50"], ours["latency_ms"]["p99"]);
    eprintln!("latency of the other p50 {p50:?}, p99 {p99:?}");
}
