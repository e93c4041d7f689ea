//! Janus, from Debian's package: where it is, its version, and a configuration for a few minutes on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::cage::Cage;
use crate::browsers::apt_install;
use crate::command::find;

/// Plugins a comparison has no use for, some of which listen.
const PLUGINS: &[&str] = &[
    "audiobridge",
    "duktape",
    "echotest",
    "lua",
    "nosip",
    "recordplay",
    "sip",
    "streaming",
    "textroom",
    "videocall",
    "voicemail",
];
/// One for the one core it has. Left to itself Janus takes a thread for each connection, which cost twice as much.
const EVENT_LOOPS: u32 = 1;
/// All but WebSockets.
const TRANSPORTS: &[&str] = &["http", "mqtt", "nanomsg", "pfunix", "rabbitmq"];

/// Its program, installed before where that is allowed and possible; otherwise why it is not there.
pub(super) fn program(may_install: bool) -> Result<PathBuf, String> {
    let absent =
        "Janus: not found. Debian's package `janus` has it: `--install` installs it, or `apt-get install janus`.";
    if let Some(program) = find("janus") {
        return Ok(program);
    }
    if !may_install {
        return Err(absent.to_owned());
    }
    if let Err(error) = apt_install(&["janus"]) {
        return Err(format!("Janus: {error}"));
    }
    eprintln!(
        "where there is systemd, the package has started a Janus of its own: systemctl disable --now janus ends it"
    );
    find("janus").ok_or_else(|| absent.to_owned())
}

/// As it says itself at the top of its help, such as `Janus version: 1102 (1.1.2)`.
pub(super) fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--help").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok()
        .and_then(|text| version_in(&text).map(|version| format!("janus {version}, {EVENT_LOOPS} event loop")))
        .unwrap_or_else(|| "of an unknown version".to_owned())
}

fn version_in(help: &str) -> Option<&str> {
    let line = help.lines().find(|line| line.starts_with("Janus version:"))?;
    let (_, rest) = line.split_once('(')?;
    rest.split_once(')').map(|(version, _)| version)
}

/// Janus as packaged, with WebSockets on loopback and without what listens elsewhere. For media it takes the machine's
/// own addresses: it has none of the loopback interface.
pub(super) fn server(cage: &Cage, program: &Path, port: u16) -> anyhow::Result<Command> {
    let directory = super::workshop()?.join("janus");
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    for (name, text) in [("janus.jcfg", core(&directory)), ("janus.transport.websockets.jcfg", websockets(port))] {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    let mut command = cage.server(program);
    command.arg("--configs-folder").arg(&directory);
    command.arg("--config").arg(directory.join("janus.jcfg"));
    command.arg("--disable-colors");
    Ok(command)
}

fn core(directory: &Path) -> String {
    let disabled = |names: &[&str]| {
        let files: Vec<String> = names.iter().map(|name| format!("libjanus_{name}.so")).collect();
        files.join(",")
    };
    format!(
        "general: {{ configs_folder = \"{}\", debug_level = 2, event_loops = {EVENT_LOOPS} }}\n\
         plugins: {{ disable = \"{}\" }}\n\
         transports: {{ disable = \"{}\" }}\n",
        directory.display(),
        disabled(PLUGINS),
        disabled(TRANSPORTS)
    )
}

fn websockets(port: u16) -> String {
    format!("general: {{ json = \"compact\", ws = true, ws_port = {port}, ws_ip = \"127.0.0.1\" }}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_brackets() {
        let help = "Janus version: 1102 (1.1.2)\nJanus commit: not-a-git-repo\n\nUsage:\n";
        assert_eq!(version_in(help), Some("1.1.2"));
        assert_eq!(version_in("Usage: another"), None);
    }

    #[test]
    fn it_listens_on_loopback_only() {
        assert!(websockets(17_893).contains("ws_port = 17893, ws_ip = \"127.0.0.1\""));
        let core = core(Path::new("/a/b"));
        assert!(core.contains("libjanus_http.so") && core.contains("libjanus_sip.so,"), "{core}");
        assert!(!core.contains("videoroom") && !core.contains("websockets"), "{core}");
    }
}
