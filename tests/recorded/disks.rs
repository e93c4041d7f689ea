//! A disk that is full, and one that takes nothing: the recording ends and says why, the call goes on. One that stands still
//! for a while: the recording goes on, too, and says what is missing.
//!
//! The server has mounts of its own, for which one has to be root: elsewhere these tests say so and do nothing.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::calls::{PATIENCE, egress, enter, files, info, people, plays, plays_until, record, until};
use crate::serving::{DEV, Serving, sluice};

/// What runs in a mount namespace of its own, with a file system at `$DISK`.
const ON_A_DISK: &str = "mount $MOUNT \"$DISK\" && exec \"$0\" \"$@\"";

/// `mount` is what `mount` is told of the file system.
fn on_a_disk(path: &Path, mount: &str, arguments: &[&str]) -> Command {
    let program = sluice(&[]).get_program().to_owned();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", ON_A_DISK]);
    command.arg(if arguments.is_empty() { "true".into() } else { program }).args(arguments);
    command.envs([("DISK", path.as_os_str()), ("MOUNT", mount.as_ref())]);
    command
}

/// A server with one guest in each room, whose recordings go to such a disk; `None` where this machine allows none.
fn server_on(path: &Path, mount: &str) -> Option<Serving> {
    if !on_a_disk(path, mount, &[]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: file systems of one's own are for root here");
        return None;
    }
    let mut command = on_a_disk(path, mount, &[&DEV[..], &["--guests", "1"]].concat());
    command
        .env("SLUICE_RECORDINGS__PATH", path)
        .env("SLUICE_LOG__FILTER", "error,sluice::serve=info");
    Some(Serving::run(command))
}

async fn guest(server: &Serving) {
    enter(server, "call").await;
    while people(server, "call") < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The directory as the server sees it.
fn seen(server: &Serving, path: &Path) -> PathBuf {
    Path::new("/proc")
        .join(server.pid().to_string())
        .join("root")
        .join(path.strip_prefix("/").unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_the_recording_with_its_reason_and_what_was_written_plays() {
    let home = tempfile::tempdir().unwrap();
    let Some(server) = server_on(home.path(), "-t tmpfs -o size=256k disk") else { return };
    guest(&server).await;
    for is_first in [true, false] {
        // The second one finds it full.
        let id = record(&server, "call", "guest-1");
        let info = until(&server, &id, |status| status == "EGRESS_FAILED").await;
        assert_eq!(info["error"], "the recording could not be written: no space is left on the disk", "{info:#}");
        if is_first {
            let files = files(&seen(&server, home.path()).join(&id));
            let [file] = files.as_slice() else { panic!("one file: {files:?}") };
            // The room for its end was taken from its last seconds: it has an index and a duration, and players may seek.
            let seconds = plays(file);
            assert!(seconds > 1.0, "{}", file.display());
            assert!((seconds - plays_until(file)).abs() < 0.1, "{}", file.display());
            let said_ns: f64 = info["fileResults"][0]["duration"].as_str().unwrap().parse().unwrap();
            assert!((said_ns / 1e9 - seconds).abs() < 0.5, "{seconds} s, and {info:#}");
        }
    }
    assert_eq!(people(&server, "call"), 2, "the call goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_cannot_be_written_refuses_the_recording_and_the_call_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let Some(server) = server_on(home.path(), "-t tmpfs -o ro disk") else { return };
    guest(&server).await;
    let request = json!({ "room_name": "call", "identity": "guest-1", "file_outputs": [{ "filepath": "it" }] });
    let (status, said) = egress(&server, "StartParticipantEgress", &request);
    assert_eq!((status, &said["code"]), (503, &json!("unavailable")), "{said}");
    assert!(!said.to_string().contains(home.path().to_str().unwrap()), "{said}");
    assert_eq!(people(&server, "call"), 2, "the call goes on");
}

/// A disk that stands still while this is there: the kernel lets nobody write who tries to.
struct Frozen(Child);

impl Frozen {
    /// However the test ends, its end of the pipe is closed then, and the disk goes on.
    const HOLD: &str = "fsfreeze --freeze \"$0\" && echo frozen && cat; fsfreeze --unfreeze \"$0\"";

    fn hold(server: &Serving, path: &Path) -> Self {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &server.pid().to_string(), "--mount", "sh", "-c", Self::HOLD])
            .arg(path);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "frozen\n");
        Self(child)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Somebody who is shown all there is in a room, in a process of their own.
struct Viewer(Child);

impl Viewer {
    const ROOM: &str = "loadtest-webinar";

    fn start(server: &Serving) -> Self {
        let url = format!("ws://127.0.0.1:{}", server.port);
        let target = ["--url", &url, "--api-key", "devkey", "--api-secret", "secret"];
        let mut command = sluice(&["loadtest", "webinar", "--subscribers", "1", "--duration", "600s", "--seed", "7"]);
        Self(command.args(target).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Pictures of a guest in a second.
const GUESTS_FPS: f64 = 15.0;

/// One of the server's figures.
fn figure(server: &Serving, name: &str) -> f64 {
    let metrics = server.get("/metrics");
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{name}: {metrics}"))
}

/// Memory of the server, in MiB.
fn resident_mib(server: &Serving) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<f64>().ok()).unwrap() / 1024.0
}

/// How much of a track is marked as lost.
fn lost_s(track: &Value) -> f64 {
    let gaps = track["gaps"].as_array().unwrap().iter();
    let seconds = |gap: &Value| (gap["to_us"].as_f64().unwrap() - gap["from_us"].as_f64().unwrap()) / 1e6;
    gaps.filter(|gap| gap["reason"] == "lost").map(seconds).sum()
}

fn manifest(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("manifest.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_stands_still_leaves_a_marked_gap_in_the_file_and_nobody_waits_for_it() {
    let home = tempfile::tempdir().unwrap();
    let (image, disk) = (home.path().join("image"), home.path().join("disk"));
    File::create(&image).unwrap().set_len(256 << 20).unwrap();
    std::fs::create_dir(&disk).unwrap();
    if !Command::new("mkfs.ext4")
        .arg("-q")
        .arg(&image)
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("not tested: there is no mkfs.ext4 here");
        return;
    }
    let Some(server) = server_on(&disk, &format!("-o loop {}", image.display())) else { return };
    // Who is recorded is also shown to somebody.
    let _viewer = Viewer::start(&server);
    let began = Instant::now();
    while people(&server, Viewer::ROOM) < 3 {
        assert!(began.elapsed() < PATIENCE, "they do not come");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let id = record(&server, Viewer::ROOM, "guest-1");
    until(&server, &id, |status| status == "EGRESS_ACTIVE").await;
    let figures = || {
        let [forwarded, tapped] = ["sluice_packets_forwarded_total", "sluice_tap_packets_total"];
        (figure(&server, forwarded), figure(&server, tapped), resident_mib(&server))
    };
    let dropped = || figure(&server, "sluice_tap_dropped_total");

    let (forwarded, tapped, mib) = figures();
    assert!(dropped() < 1.0, "{} packets dropped", dropped());
    let frozen = Frozen::hold(&server, &disk);
    let began = Instant::now();
    // A ring holds twenty seconds of sound.
    while dropped() < 200.0 {
        assert!(began.elapsed() < 4 * PATIENCE, "{} packets dropped", dropped());
        assert_eq!(info_status(&server, &id), "EGRESS_ACTIVE");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (forwarded_then, tapped_then, mib_then) = figures();
    let stood_s = began.elapsed().as_secs_f64();
    drop(frozen);

    let (forwarded, tapped) = (forwarded_then - forwarded, tapped_then - tapped);
    assert!(tapped > 1_000.0 && forwarded >= tapped, "{forwarded} packets forwarded, {tapped} tapped");
    assert!(mib_then - mib < 32.0, "{mib} MiB before, {mib_then} MiB then");

    // It goes on behind the gap, and ends as any other.
    let folder = seen(&server, &disk).join(&id);
    let is_behind_it = |track: &Value| {
        let to_us = track["gaps"].as_array()?.iter().filter_map(|gap| gap["to_us"].as_f64()).next_back()?;
        Some(track["offset_us"].as_f64()? + track["duration_us"].as_f64()? > to_us + 2e6)
    };
    let goes_on = |track: &Value| lost_s(track) > 0.0 && is_behind_it(track) == Some(true);
    let began = Instant::now();
    while !manifest(&folder)["tracks"].as_array().is_some_and(|tracks| tracks.iter().any(goes_on)) {
        assert!(began.elapsed() < PATIENCE, "{:#}", manifest(&folder));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (status, said) = egress(&server, "StopEgress", &json!({ "egress_id": id }));
    assert_eq!(status, 200, "{said}");
    until(&server, &id, |status| status == "EGRESS_COMPLETE").await;
    let manifest = manifest(&folder);
    let files = files(&folder);
    let [file] = files.as_slice() else { panic!("one file: {files:?}") };
    let plays_s = plays(file);
    let tracks = manifest["tracks"].as_array().unwrap();
    assert_eq!(tracks.len(), 2, "{manifest:#}");
    let lost: Vec<f64> = tracks.iter().map(lost_s).collect();
    for track in tracks {
        let lasts_s = track["duration_us"].as_f64().unwrap() / 1e6;
        assert!((lasts_s - plays_s).abs() < 1.0 && plays_s > stood_s, "{plays_s} s: {track:#}");
        if track["kind"] == "video" {
            // All that is missing is marked, and the rest is there. Voices are silent now and then, pictures never are.
            let there_s = track["frames"].as_f64().unwrap() / GUESTS_FPS;
            assert!((there_s + lost_s(track) - lasts_s).abs() < 1.0, "{track:#}");
        }
    }
    eprintln!(
        "the disk stood still for {stood_s:.1} s: {} of {tapped} packets dropped, {forwarded} forwarded meanwhile, {lost:.1?} s \
         of a file of {plays_s:.1} s marked as lost, memory {:+.1} MiB",
        dropped(),
        mib_then - mib,
    );
}

fn info_status(server: &Serving, id: &str) -> String {
    info(server, id)["status"].as_str().unwrap_or_default().to_owned()
}
