//! The PostgreSQL of the tests: a cluster in a temporary directory, reached over a Unix socket there, gone after them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::browsers::{apt_install, is_root};
use crate::command::{command, find, run, succeeds};
use crate::workspace::root;

/// Where the tests look for it. Set already, it names one that is there, and none is started.
pub(crate) const URL: &str = "TEST_POSTGRES";

/// How long it may take to start: it writes and reads a few megabytes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running PostgreSQL. Dropped, it ends.
pub(crate) struct Postgres {
    url: String,
    /// Nothing where somebody else's is used.
    own: Option<Cluster>,
}

struct Cluster {
    server: Child,
    directory: PathBuf,
}

impl Postgres {
    /// Starts one, installed from Debian's package where it is missing.
    pub(crate) fn start() -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var(URL) {
            return Ok(Self { url, own: None });
        }
        let programs = match programs() {
            Some(programs) => programs,
            None => {
                apt_install(&["postgresql"])?;
                programs()
                    .context("PostgreSQL was installed, and initdb is neither in the PATH nor where Debian puts it")?
            }
        };
        let directory = std::env::temp_dir().join(format!("sluice-postgres-{}", std::process::id()));
        std::fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let cluster = Cluster::start(&programs, directory.clone()).inspect_err(|_| {
            // Nobody else will: there is no cluster that could.
            let _ = std::fs::remove_dir_all(&directory);
        })?;
        // The tests know nobody else: no password, no network.
        let url = format!("postgres://sluice@localhost/postgres?host={}", cluster.directory.display());
        Ok(Self { url, own: Some(cluster) })
    }

    /// Tells a command where it is.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env(URL, &self.url);
        if self.own.is_some() {
            eprintln!("+ {URL}={}", self.url);
        }
    }
}

impl Cluster {
    fn start(programs: &Path, directory: PathBuf) -> anyhow::Result<Self> {
        own(&directory)?;
        let data = directory.join("data").display().to_string();
        let mut initdb = unprivileged(programs.join("initdb"), &directory)?;
        // What it would otherwise make safe for years is gone in minutes. Names are ordered by byte, as SQLite does.
        initdb.args(["--pgdata", &data, "--username=sluice", "--auth=trust", "--no-sync", "--encoding=UTF8"]);
        run(initdb.args(["--no-locale", "--no-instructions"]).stdout(Stdio::null()))?;

        let sockets = directory.display().to_string();
        let mut postgres = unprivileged(programs.join("postgres"), &directory)?;
        postgres.args(["-D", &data, "-k", &sockets, "-c", "listen_addresses="]);
        postgres.args(["-c", "fsync=off", "-c", "max_connections=200", "-c", "log_min_messages=fatal"]);
        // A test that provokes an error is no news.
        postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = postgres.spawn().context("cannot start postgres")?;
        let mut cluster = Self { server, directory };
        cluster.await_ready(programs)?;
        Ok(cluster)
    }

    fn await_ready(&mut self, programs: &Path) -> anyhow::Result<()> {
        let begin = Instant::now();
        let sockets = self.directory.display().to_string();
        // It waits a second by itself for an answer.
        let ready = ["--quiet", "--timeout=1", "--dbname=postgres", "--host", &sockets];
        while !succeeds(&mut command(root(), programs.join("pg_isready"), &ready)) {
            if let Some(status) = self.server.try_wait()? {
                bail!("postgres ended at once ({status})");
            }
            ensure!(begin.elapsed() < PATIENCE, "postgres does not answer");
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGINT: it ends its children and itself without waiting for anybody. By its number, which is our child's.
        let pid = self.server.id().to_string();
        let told = succeeds(&mut command(root(), "kill", &["-INT", &pid]));
        if !told {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// What is run of it.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_isready"];

/// The directory of its programs: where the one of the PATH really lies, or the newest that Debian has installed.
fn programs() -> Option<PathBuf> {
    let of_path = find("initdb").and_then(|initdb| Some(initdb.canonicalize().ok()?.parent()?.to_owned()));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut of_debian: Vec<PathBuf> = versions.filter_map(|entry| Some(entry.ok()?.path())).collect();
    of_debian.sort_by_key(|version| version.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    of_path
        .into_iter()
        .chain(of_debian.into_iter().rev().map(|version| version.join("bin")))
        .find(|directory| PROGRAMS.iter().all(|program| directory.join(program).is_file()))
}

/// PostgreSQL refuses to run as root; Debian's package brings somebody who may.
const SOMEBODY: &str = "postgres";

fn unprivileged(program: PathBuf, directory: &Path) -> anyhow::Result<Command> {
    // Not in the checkout, which they may not be allowed to read.
    let mut command = command(directory, program, &[]);
    if is_root() {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::gid(
            std::os::unix::process::CommandExt::uid(&mut command, number_of(SOMEBODY, "-u")?),
            number_of(SOMEBODY, "-g")?,
        );
    }
    Ok(command)
}

/// Makes the directory theirs who run it.
fn own(directory: &Path) -> anyhow::Result<()> {
    if is_root() {
        run(&mut command(root(), "chown", &[SOMEBODY, &directory.display().to_string()]))?;
    }
    Ok(())
}

/// `id`'s answer.
#[cfg(unix)]
fn number_of(user: &str, which: &str) -> anyhow::Result<u32> {
    let output = command(root(), "id", &[which, user]).output().context("cannot run id")?;
    ensure!(
        output.status.success(),
        "there is no user {user}, and PostgreSQL does not run as root: run this as somebody else, or set {URL}"
    );
    String::from_utf8_lossy(&output.stdout).trim().parse().context("id gives a number")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Where PostgreSQL is not installed this says so: only `cargo xtask test` installs it.
    #[test]
    fn a_cluster_answers_and_leaves_nothing_behind() {
        let Some(programs) = programs() else {
            eprintln!("PostgreSQL is not installed: skipped");
            return;
        };
        let directory = std::env::temp_dir().join(format!("sluice-postgres-test-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let cluster = Cluster::start(&programs, directory.clone()).unwrap();
        let sockets = directory.display().to_string();
        let ready = ["--quiet", "--dbname=postgres", "--host", &sockets];
        assert!(succeeds(&mut command(root(), programs.join("pg_isready"), &ready)));
        drop(cluster);
        assert!(!succeeds(&mut command(root(), programs.join("pg_isready"), &ready)));
        assert!(!directory.exists());
    }
}
