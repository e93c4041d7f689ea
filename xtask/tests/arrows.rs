//! Who may know whom: the arrows of ARCHITECTURE.md, held against `cargo metadata`.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Every crate of ours and the crates of ours it depends on. Exact: a new arrow is drawn here first, an arrow
/// nobody needs any more is taken out.
const ARROWS: &[(&str, &[&str])] = &[
    // The composition root knows the five it wires together, and the load tester as a command.
    ("sluice", &["sluice-audit", "sluice-config", "sluice-loadtest", "sluice-node", "sluice-server", "sluice-store"]),
    ("sluice-config", &["sluice-secret"]),
    // What is never shown, for whoever was handed it.
    ("sluice-secret", &[]),
    // The media plane: rtp and sdp <- core <- node, net <- node.
    ("sluice-rtp", &[]),
    ("sluice-sdp", &[]),
    ("sluice-bwe", &["sluice-rtp"]),
    ("sluice-core", &["sluice-bwe", "sluice-rtp", "sluice-sdp"]),
    ("sluice-net", &[]),
    ("sluice-recorder", &["sluice-rtp"]),
    ("sluice-node", &["sluice-core", "sluice-net", "sluice-recorder"]),
    // The recorder for its manifest and the chunks of its files.
    ("sluice-composer", &["sluice-recorder"]),
    // Tests only. The benches measure parts of core alone, which a feature of it shows them.
    ("sluice-benches", &["sluice-core", "sluice-net", "sluice-recorder", "sluice-rtp"]),
    ("sluice-link", &[]),
    ("sluice-sim", &["sluice-core"]),
    ("sluice-fuzz", &["sluice-recorder", "sluice-rooms", "sluice-rtp", "sluice-sdp", "sluice-server"]),
    // The control plane: rooms knows neither the web nor the media plane; the doors translate between them, and
    // speak the values of core to node's handle.
    ("sluice-rooms", &[]),
    // What is recorded, as decisions: it knows neither files nor the media plane.
    ("sluice-recordings", &["sluice-secret"]),
    // What is kept knows nobody: it is handed values, and who hands them knows what they mean.
    ("sluice-audit", &[]),
    ("sluice-objects", &["sluice-secret"]),
    ("sluice-store", &[]),
    (
        "sluice-server",
        // The recorder for its manifest, and to finish what was cut off.
        &[
            "sluice-audit",
            "sluice-composer",
            "sluice-core",
            "sluice-node",
            "sluice-objects",
            "sluice-recorder",
            "sluice-recordings",
            "sluice-rooms",
            "sluice-store",
        ],
    ),
    // The load tester knows servers from outside only: what it loads may be anybody's.
    ("sluice-loadtest", &[]),
    // LiveKit's SDKs against the server, which they know from outside only.
    ("sluice-sdk-tests", &[]),
    // The verbs know nobody.
    ("xtask", &[]),
];

/// Crates of which nobody may make a normal dependency.
const TESTS_ONLY: &[&str] = &["sluice-benches", "sluice-fuzz", "sluice-link", "sluice-sdk-tests", "sluice-sim"];

/// The sans-IO crates never reach these, over any number of steps: no runtime, no sockets, no web.
const SANS_IO: &[&str] =
    &["sluice-rtp", "sluice-bwe", "sluice-sdp", "sluice-core", "sluice-recorder", "sluice-recordings", "sluice-rooms"];
const IO: &[&str] = &["tokio", "mio", "socket2", "axum", "hyper", "reqwest", "async-std", "smol"];

/// Crates that one part of the house must not name itself, and why.
const NOT_NAMED_BY: &[(&str, &[&str], &str)] = &[
    (
        "serde",
        &["sluice-rtp", "sluice-sdp", "sluice-core", "sluice-net", "sluice-node"],
        "the media plane has no wire format but RTP and SDP",
    ),
    (
        "str0m",
        &[
            "sluice-rtp",
            "sluice-sdp",
            "sluice-net",
            "sluice-node",
            "sluice-recorder",
            "sluice-rooms",
            "sluice-server",
            "sluice",
        ],
        "str0m lives in core",
    ),
    (
        "livekit-protocol",
        &["sluice-rtp", "sluice-sdp", "sluice-core", "sluice-net", "sluice-node"],
        "the media plane knows no signaling",
    ),
    (
        "sqlx",
        &["sluice", "sluice-audit", "sluice-config", "sluice-core", "sluice-node", "sluice-rooms", "sluice-server"],
        "all SQL lives in the store",
    ),
    (
        "tracing-subscriber",
        &["sluice-core", "sluice-node", "sluice-rooms", "sluice-server"],
        "the composition root says where logs go",
    ),
];

/// The answer of `cargo metadata`, once.
struct Metadata(Value);

impl Metadata {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version=1"])
            .current_dir(root)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Name to direct dependencies that are built into it (not those of its tests), for crates of ours.
    fn ours(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let members: BTreeSet<&str> = list(&self.0["workspace_members"]).filter_map(Value::as_str).collect();
        list(&self.0["packages"])
            .filter(|package| members.contains(text(&package["id"])))
            .map(|package| {
                let direct = list(&package["dependencies"]).filter(|dependency| dependency["kind"] != "dev");
                (text(&package["name"]), direct.map(|dependency| text(&dependency["name"])).collect())
            })
            .collect()
    }

    /// Everything a crate reaches over normal dependencies, each with the way there.
    fn reached(&self, from: &str) -> BTreeMap<&str, String> {
        let names: BTreeMap<&str, &str> = list(&self.0["packages"])
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let nodes: BTreeMap<&str, &Value> =
            list(&self.0["resolve"]["nodes"]).map(|node| (text(&node["id"]), node)).collect();
        let start = *names.iter().find(|(_, name)| **name == from).unwrap().0;
        let mut reached = BTreeMap::new();
        let mut ahead = vec![(start, from.to_owned())];
        while let Some((id, way)) = ahead.pop() {
            if reached.contains_key(names[id]) {
                continue;
            }
            let normal = |dependency: &&Value| list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
            for dependency in list(&nodes[id]["deps"]).filter(normal) {
                let next = text(&dependency["pkg"]);
                ahead.push((next, format!("{way} > {}", names[next])));
            }
            reached.insert(names[id], way);
        }
        reached
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn our_crates_know_each_other_as_drawn() {
    let metadata = Metadata::read();
    let ours = metadata.ours();
    let names: BTreeSet<&str> = ours.keys().copied().collect();
    let found: BTreeMap<&str, BTreeSet<&str>> = ours.iter().map(|(name, direct)| (*name, direct & &names)).collect();
    let drawn: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(name, direct)| (*name, direct.iter().copied().collect())).collect();
    assert_eq!(found, drawn, "found (left) and drawn (right) differ");
}

#[test]
fn nothing_that_ships_knows_the_simulator() {
    for (name, direct) in Metadata::read().ours() {
        let known: Vec<_> = TESTS_ONLY.iter().filter(|tests_only| direct.contains(**tests_only)).collect();
        assert!(known.is_empty(), "{name} depends on {known:?}, which is for tests only");
    }
}

#[test]
fn sans_io_crates_reach_no_io() {
    let metadata = Metadata::read();
    for name in SANS_IO {
        let reached = metadata.reached(name);
        let ways: Vec<_> = IO.iter().filter_map(|io| reached.get(io)).collect();
        assert!(ways.is_empty(), "{ways:?}");
    }
    assert!(metadata.reached("sluice-server").contains_key("tokio"), "this test can see a runtime");
}

#[test]
fn crates_stay_where_they_belong() {
    let metadata = Metadata::read();
    let ours = metadata.ours();
    for (dependency, strangers, reason) in NOT_NAMED_BY {
        for name in *strangers {
            assert!(!ours[name].contains(dependency), "{name} depends on {dependency}: {reason}");
        }
    }
}
