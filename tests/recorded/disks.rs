//! A disk that is full, and one that takes nothing: the recording ends and says why, the call goes on.
//!
//! The server has mounts of its own, for which one has to be root: elsewhere these tests say so and do nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::calls::{egress, enter, files, people, plays, plays_until, record, until};
use crate::serving::{DEV, Serving, sluice};

/// What runs in a mount namespace of its own, with a file system in memory at `$DISK`.
const ON_A_DISK: &str = "mount -t tmpfs -o \"$OPTIONS\" disk \"$DISK\" && exec \"$0\" \"$@\"";

fn on_a_disk(path: &Path, options: &str, arguments: &[&str]) -> Command {
    let program = sluice(&[]).get_program().to_owned();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", ON_A_DISK]);
    command.arg(if arguments.is_empty() { "true".into() } else { program }).args(arguments);
    command.envs([("DISK", path.as_os_str()), ("OPTIONS", options.as_ref())]);
    command
}

/// A server with one guest in each room, whose recordings go to such a disk; `None` where this machine allows none.
fn server_on(path: &Path, options: &str) -> Option<Serving> {
    if !on_a_disk(path, options, &[]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: file systems of one's own are for root here");
        return None;
    }
    let mut command = on_a_disk(path, options, &[&DEV[..], &["--guests", "1"]].concat());
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
    let Some(server) = server_on(home.path(), "size=256k") else { return };
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
    let Some(server) = server_on(home.path(), "ro") else { return };
    guest(&server).await;
    let request = json!({ "room_name": "call", "identity": "guest-1", "file_outputs": [{ "filepath": "it" }] });
    let (status, said) = egress(&server, "StartParticipantEgress", &request);
    assert_eq!((status, &said["code"]), (503, &json!("unavailable")), "{said}");
    assert!(!said.to_string().contains(home.path().to_str().unwrap()), "{said}");
    assert_eq!(people(&server, "call"), 2, "the call goes on");
}
