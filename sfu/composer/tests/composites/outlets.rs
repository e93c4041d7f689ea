//! A stream that is sent to others and cut into segments, received by a second ffmpeg.

use std::io::{self, Read};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use sluice_composer::{
    Ffmpeg, MAX_OUTLETS, NotAName, OutletId, OutletRefused, OutletState, Outlets, PushAddress, Reason, SegmentPlan,
};

use crate::media::{Composite, ffmpeg};

/// A process that is ended with the test.
struct Running(Child);

impl Running {
    fn ffmpeg(arguments: &[&str]) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]).args(arguments);
        Self(command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Red with a tone, as fast as it plays.
fn stream(folder: &Path, seconds: u32) -> Running {
    let path = folder.join("stream.ts");
    let (picture, sound) = (format!("color=red:s=320x180:r=15:d={seconds}"), format!("sine=440:d={seconds}"));
    ffmpeg(
        &[
            &["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound, "-c:v", "libx264", "-preset", "ultrafast"][..],
            &["-g", "15", "-c:a", "aac", path.to_str().unwrap()],
        ]
        .concat(),
    );
    Running::ffmpeg(&[
        "-re",
        "-i",
        path.to_str().unwrap(),
        "-c",
        "copy",
        "-flush_packets",
        "1",
        "-f",
        "mpegts",
        "pipe:1",
    ])
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    let (_nobody, never) = channel::<()>();
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        assert!(never.recv_timeout(Duration::from_millis(20)).is_err());
    }
}

fn state(outlets: &Outlets, id: OutletId) -> OutletState {
    outlets.state(id).unwrap().0
}

fn received(mut receiver: Running, path: &Path) -> Composite {
    wait_for("the receiver ends with the stream", || receiver.0.try_wait().unwrap().is_some());
    Composite::read(path, (320, 180), 15.0)
}

fn is_red_with_a_tone(received: &Composite) {
    assert!(received.frames() > 15, "{}", received.frames());
    let [red, green, blue] = received.pixel(received.frames() / 2, (160, 90));
    assert!(red > 180 && green < 60 && blue < 60);
    assert!(received.tone(440.0, 0.3, 0.8) > 0.05);
}

#[test]
fn others_receive_it_and_segments_are_cut_while_one_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut source = stream(folder.path(), 12);
    let rtmp_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let srt_port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rtmp_url = format!("rtmp://127.0.0.1:{rtmp_port}/live/secret");
    let srt_url = format!("srt://127.0.0.1:{srt_port}?streamid=secret");
    let (flv, ts) = (at("rtmp.flv"), at("srt.ts"));
    let rtmp = Running::ffmpeg(&["-listen", "1", "-i", &rtmp_url, "-c", "copy", flv.to_str().unwrap()]);
    let listen = format!("srt://127.0.0.1:{srt_port}?mode=listener");
    let srt = Running::ffmpeg(&["-i", &listen, "-c", "copy", ts.to_str().unwrap()]);

    let ffmpeg = Ffmpeg::find(None).unwrap();
    let outlets = Outlets::start(&ffmpeg, source.0.stdout.take().unwrap()).unwrap();
    let plan = SegmentPlan {
        folder: folder.path().to_owned(),
        playlist: "all.m3u8".into(),
        live_playlist: Some("live.m3u8".into()),
        prefix: "50% of it".into(),
        segment_s: 2,
        by_time: false,
    };
    let outside = SegmentPlan { prefix: "../x".into(), ..plan.clone() };
    assert_eq!(outlets.segment(outside).unwrap_err(), OutletRefused::Name(NotAName));
    let segments = outlets.segment(plan.clone()).unwrap();
    let push = |url: &str| outlets.push(PushAddress::parse(url).unwrap()).unwrap();
    let (to_rtmp, to_srt) = (push(&rtmp_url), push(&srt_url));
    let to_nobody = push(&format!("rtmp://127.0.0.1:{nobody}/live/secret"));

    wait_for("both receive", || [to_rtmp, to_srt].iter().all(|id| state(&outlets, *id) == OutletState::Active));
    wait_for("one is away", || state(&outlets, to_nobody) == OutletState::Retrying(Reason::Refused));
    wait_for("segments", || plan.segments().unwrap().len() > 1);
    outlets.remove(to_srt);
    wait_for("one is taken away", || state(&outlets, to_srt) == OutletState::Ended);
    assert_eq!(state(&outlets, to_rtmp), OutletState::Active);
    let shown = format!("{outlets:?}");
    assert!(!shown.contains("secret"), "{shown}");
    let states: std::collections::BTreeMap<_, _> = outlets.finish().into_iter().collect();
    assert_eq!([states[&segments], states[&to_rtmp], states[&to_srt]], [OutletState::Ended; 3]);
    assert_eq!(states[&to_nobody], OutletState::Failed(Reason::Refused));

    is_red_with_a_tone(&received(rtmp, &flv));
    is_red_with_a_tone(&received(srt, &ts));
    let all = plan.segments().unwrap();
    assert!(all.len() >= 4 && all[0].name == "50_ of it_00000.ts", "{all:?}");
    assert!(all.iter().all(|segment| segment.duration_us > 0 && at(&segment.name).exists()));
    let seconds: u64 = all.iter().map(|segment| segment.duration_us).sum();
    // It began when the first key frame came behind its being asked for.
    assert!((8_000_000..12_500_000).contains(&seconds), "{seconds}");
    let live = std::fs::read_to_string(at("live.m3u8")).unwrap();
    assert!(live.ends_with("#EXT-X-ENDLIST\n") && live.contains(&all[all.len() - 1].name), "{live}");
    is_red_with_a_tone(&Composite::read(&at("all.m3u8"), (320, 180), 15.0));
}

/// Where a stream ends that should have gone on.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[test]
fn a_stream_that_breaks_off_has_not_ended_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = stream(folder.path(), 8);
    let broken = source.0.stdout.take().unwrap().chain(Broken);
    let outlets = Outlets::start(&Ffmpeg::find(None).unwrap(), broken).unwrap();
    let plan = |name: &str| SegmentPlan {
        folder: folder.path().to_owned(),
        playlist: format!("{name}.m3u8"),
        live_playlist: None,
        prefix: name.into(),
        segment_s: 1,
        by_time: false,
    };
    let [cut_off, removed] = ["a", "b"].map(|name| outlets.segment(plan(name)).unwrap());
    wait_for("segments", || ["a", "b"].iter().all(|name| !plan(name).segments().unwrap().is_empty()));
    outlets.remove(removed);
    let states: std::collections::BTreeMap<_, _> = outlets.finish().into_iter().collect();
    assert_eq!([states[&cut_off], states[&removed]], [OutletState::Failed(Reason::Other), OutletState::Ended]);
    assert!(!plan("a").segments().unwrap().is_empty(), "what there was of it is there");
}

#[test]
fn segments_need_a_folder_and_dropped_outlets_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = stream(folder.path(), 4);
    let outlets = Outlets::start(&Ffmpeg::find(None).unwrap(), source.0.stdout.take().unwrap()).unwrap();
    let mut plan = SegmentPlan {
        folder: PathBuf::from("/nowhere/at/all"),
        playlist: "all.m3u8".into(),
        live_playlist: None,
        prefix: "a".into(),
        segment_s: 1,
        by_time: true,
    };
    assert_eq!(outlets.segment(plan.clone()).unwrap_err(), OutletRefused::NoFolder);
    plan.folder = folder.path().to_owned();
    let ids: Vec<_> = (0..MAX_OUTLETS).map(|_| outlets.segment(plan.clone()).unwrap()).collect();
    assert_eq!(outlets.segment(plan.clone()).unwrap_err(), OutletRefused::TooMany);
    outlets.remove(ids[0]);
    outlets.segment(plan).unwrap();
    drop(outlets);
    // Somebody still reads what nobody wants any more: the stream is not held up.
    wait_for("the stream's end", || source.0.try_wait().unwrap().is_some());
}
