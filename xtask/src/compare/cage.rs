//! The same processor time for every server: a control group with a bound (either version of cgroups), and a core of
//! its own, away from the load tester. Linux; where something is missing, the cage is weaker and says so.
//!
//! Knows processes, not what they do.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;

const GROUP: &str = "sluice-compare";
/// Short, so that a server that has used its share up waits a few milliseconds and not a tenth of a second.
const PERIOD_US: u32 = 10_000;

/// Which files bound a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

#[derive(Debug)]
struct Group {
    version: Version,
    directory: PathBuf,
}

/// Where servers run.
#[derive(Debug)]
pub(super) struct Cage {
    group: Option<Group>,
    /// Cores of the servers and of the load tester, as `taskset` takes them.
    cores: Option<(String, String)>,
}

/// A process that was elsewhere before; it goes back when this is dropped.
#[derive(Debug)]
pub(super) struct Guest<'a> {
    cage: &'a Cage,
    pid: u32,
    group: Option<PathBuf>,
    cores: Option<String>,
}

impl Cage {
    /// As strong as the machine allows.
    pub(super) fn build() -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let others = if count == 2 { "1".to_owned() } else { format!("1-{}", count - 1) };
        let cores = (count > 1 && command::find("taskset").is_some()).then(|| ("0".to_owned(), others));
        Self { group: Group::make(), cores }
    }

    /// How servers are bound, for people.
    pub(super) fn describe(&self) -> String {
        let bound = match self.group.as_ref().map(|group| group.version) {
            Some(Version::V1) => "bounded by a control group (cgroup v1)",
            Some(Version::V2) => "bounded by a control group (cgroup v2)",
            None => "NOT bounded: no control group can be made here (that needs root)",
        };
        let pinned = match &self.cores {
            Some((server, tester)) => format!("server on core {server}, load tester on {tester}"),
            None => "NOT pinned: that needs two cores and taskset".to_owned(),
        };
        format!("{bound}; {pinned}")
    }

    /// The core of the servers, where they have one.
    pub(super) fn server_core(&self) -> Option<usize> {
        self.cores.as_ref().and_then(|(server, _)| server.parse().ok())
    }

    /// From now on, so many cores for whoever is in the cage.
    pub(super) fn set_cpu(&self, cores: f64) -> anyhow::Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        let quota_us = f64::from(PERIOD_US) * cores;
        let write = |file: &str, text: String| std::fs::write(group.directory.join(file), text);
        match group.version {
            Version::V1 => {
                write("cpu.cfs_period_us", PERIOD_US.to_string())?;
                write("cpu.cfs_quota_us", format!("{quota_us:.0}"))?;
            }
            Version::V2 => write("cpu.max", format!("{quota_us:.0} {PERIOD_US}"))?,
        }
        Ok(())
    }

    /// A server that begins its life inside, so that it sees the cores it has. Its id is the one of the program itself.
    pub(super) fn server(&self, program: &Path) -> Command {
        let Some(group) = &self.group else { return pinned(self.cores.as_ref().map(|(server, _)| server), program) };
        let inner = pinned(self.cores.as_ref().map(|(server, _)| server), program);
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(group.directory.join("cgroup.procs"));
        command.arg(inner.get_program()).args(inner.get_args());
        command
    }

    /// The load tester: outside.
    pub(super) fn tester(&self, program: &Path) -> Command {
        pinned(self.cores.as_ref().map(|(_, tester)| tester), program)
    }

    /// Takes a running server in until the guest is dropped.
    pub(super) fn admit(&self, pid: u32) -> anyhow::Result<Guest<'_>> {
        let mut guest = Guest { cage: self, pid, group: None, cores: None };
        if let Some(group) = &self.group {
            guest.group = group.current(pid);
            std::fs::write(group.directory.join("cgroup.procs"), pid.to_string())?;
        }
        if let Some((cores, _)) = &self.cores {
            guest.cores = affinity(pid);
            command::run(
                Command::new("taskset")
                    .args(["-a", "-p", "-c", cores, &pid.to_string()])
                    .stdout(std::process::Stdio::null()),
            )?;
        }
        Ok(guest)
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            // Where somebody is still inside, it stays and is used again next time.
            let _ = std::fs::remove_dir(&group.directory);
        }
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        // A server that has ended meanwhile needs neither.
        if let Some(before) = self.group.as_ref().filter(|_| self.cage.group.is_some()) {
            let _ = std::fs::write(before.join("cgroup.procs"), self.pid.to_string());
        }
        if let Some(cores) = &self.cores {
            command::succeeds(Command::new("taskset").args(["-a", "-p", "-c", cores, &self.pid.to_string()]));
        }
    }
}

impl Group {
    fn make() -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let controllers = std::fs::read_to_string(root.join("cgroup.subtree_control")).unwrap_or_default();
        let (version, parent) = if controllers.split_whitespace().any(|name| name == "cpu") {
            (Version::V2, root.to_owned())
        } else {
            (Version::V1, root.join("cpu"))
        };
        let directory = parent.join(GROUP);
        // It may still be there.
        let _ = std::fs::create_dir(&directory);
        let bound = directory.join(if version == Version::V2 { "cpu.max" } else { "cpu.cfs_quota_us" });
        bound.is_file().then_some(Self { version, directory })
    }

    /// Where a process is now.
    fn current(&self, pid: u32) -> Option<PathBuf> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = group_of(&text, self.version)?;
        Some(self.directory.parent()?.join(path.trim_start_matches('/')))
    }
}

/// The path in `/proc/PID/cgroup`, whose lines are `number:controllers:path` (cgroups(7)).
fn group_of(text: &str, version: Version) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let is_it = match version {
            Version::V1 => controllers.split(',').any(|name| name == "cpu"),
            Version::V2 => controllers.is_empty(),
        };
        is_it.then_some(path)
    })
}

fn affinity(pid: u32) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some(list.trim().to_owned())
}

fn pinned(cores: Option<&String>, program: &Path) -> Command {
    let Some(cores) = cores else { return Command::new(program) };
    let mut command = Command::new("taskset");
    command.args([OsStr::new("-c"), OsStr::new(cores), program.as_os_str()]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_in_one_group_of_each_kind() {
        let mixed = "9:name=systemd:/a\n4:memory:/b:c\n1:cpu,cpuacct:/d\n0::/e\n";
        assert_eq!(group_of(mixed, Version::V1), Some("/d"));
        assert_eq!(group_of(mixed, Version::V2), Some("/e"));
        assert_eq!(group_of("0::/user.slice/a:b\n", Version::V2), Some("/user.slice/a:b"));
        assert_eq!(group_of("0::/user.slice\n", Version::V1), None);
    }

    #[test]
    fn a_cage_of_nothing_lets_programs_run_as_they_are() {
        let open = Cage { group: None, cores: None };
        assert_eq!(open.server(Path::new("/bin/server")).get_program(), "/bin/server");
        assert!(open.set_cpu(0.5).is_ok());
        assert!(open.describe().contains("NOT bounded") && open.describe().contains("NOT pinned"));
    }

    #[test]
    fn a_server_begins_inside_and_the_load_tester_outside() {
        let group = Group { version: Version::V2, directory: "/nowhere/group".into() };
        let cage = Cage { group: Some(group), cores: Some(("0".into(), "1-3".into())) };
        let words = |command: &Command| -> Vec<String> {
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect()
        };
        let server = words(&cage.server(Path::new("server")));
        assert_eq!(server[2..], ["/nowhere/group/cgroup.procs", "taskset", "-c", "0", "server"]);
        assert_eq!(words(&cage.tester(Path::new("tester"))), ["-c", "1-3", "tester"]);
    }
}
