//! The PostgreSQL of the tests: a cluster in a temporary directory, reached over a Unix socket there, gone after them. Over TCP
//! on this machine it has TLS, with a certificate of its own, and wants a password.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::browsers::{apt_install, is_root};
use crate::command::{command, find, run, succeeds};
use crate::workspace::root;

/// Where the tests look for it. Set already, it names one that is there, and none is started.
pub(crate) const URL: &str = "TEST_POSTGRES";

/// The same over TCP, as a URL that verifies its certificate (`sslmode=verify-full`).
const TLS_URL: &str = "TEST_POSTGRES_TLS";

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
    /// Where it listens, and what it wants to hear there.
    port: u16,
    password: String,
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
        let url = format!("postgres://sluice@localhost:{}/postgres?host={}", cluster.port, cluster.directory.display());
        Ok(Self { url, own: Some(cluster) })
    }

    /// Tells a command where it is.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env(URL, &self.url);
        if let Some(cluster) = &self.own {
            let tls = cluster.tls_url();
            eprintln!("+ {URL}={} {TLS_URL}={tls}", self.url);
            command.env(TLS_URL, tls);
        }
    }
}

impl Cluster {
    fn start(programs: &Path, directory: PathBuf) -> anyhow::Result<Self> {
        let password = secret()?;
        write_secret(&directory.join(PASSWORD), &password)?;
        make_certificate(&directory)?;
        own(&directory)?;
        let data = directory.join("data").display().to_string();
        let file = |name: &str| directory.join(name).display().to_string();
        let mut initdb = unprivileged(programs.join("initdb"), &directory)?;
        // What it would otherwise make safe for years is gone in minutes. Names are ordered by byte, as SQLite does.
        initdb.args(["--pgdata", &data, "--username=sluice", "--no-sync", "--encoding=UTF8"]);
        // Who may look into the directory needs no password; everybody on this machine may open the port.
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile", &file(PASSWORD)]);
        run(initdb.args(["--no-locale", "--no-instructions"]).stdout(Stdio::null()))?;

        let sockets = directory.display().to_string();
        let mut postgres = unprivileged(programs.join("postgres"), &directory)?;
        let port = free_port()?;
        postgres.args(["-D", &data, "-k", &sockets, "-c", "listen_addresses=127.0.0.1", "-c", &format!("port={port}")]);
        postgres.args(["-c", "ssl=on", "-c", &format!("ssl_cert_file={}", file(CERTIFICATE))]);
        postgres.args(["-c", &format!("ssl_key_file={}", file(KEY))]);
        postgres.args(["-c", "fsync=off", "-c", "max_connections=200", "-c", "log_min_messages=fatal"]);
        // A test that provokes an error is no news.
        postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = postgres.spawn().context("cannot start postgres")?;
        let mut cluster = Self { server, directory, port, password };
        cluster.await_ready(programs)?;
        Ok(cluster)
    }

    fn tls_url(&self) -> String {
        let Self { port, password, directory, .. } = self;
        let root = directory.join(CERTIFICATE);
        format!(
            "postgres://sluice:{password}@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={}",
            root.display()
        )
    }

    fn await_ready(&mut self, programs: &Path) -> anyhow::Result<()> {
        let begin = Instant::now();
        let sockets = self.directory.display().to_string();
        // It waits a second by itself for an answer.
        let port = self.port.to_string();
        let ready = ["--quiet", "--timeout=1", "--dbname=postgres", "--host", &sockets, "--port", &port];
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

/// Files of the directory: the password, the certificate and its key.
const PASSWORD: &str = "password";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// A password that goes into a URL as it is.
fn secret() -> anyhow::Result<String> {
    let mut secret = [0; 16];
    aws_lc_rs::rand::fill(&mut secret).context("no randomness")?;
    Ok(secret.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// For `localhost`, signed by itself.
fn make_certificate(directory: &Path) -> anyhow::Result<()> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("cannot make a certificate")?;
    std::fs::write(directory.join(CERTIFICATE), made.cert.pem())?;
    write_secret(&directory.join(KEY), &made.signing_key.serialize_pem())
}

/// For its owner alone: PostgreSQL takes no key that others may read.
fn write_secret(path: &Path, secret: &str) -> anyhow::Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(options.open(path)?.write_all(secret.as_bytes())?)
}

/// One that nobody listens on now. Who takes it meanwhile is in the way: the cluster does not start, and says so.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
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

/// Makes the directory and what is in it theirs who run it.
fn own(directory: &Path) -> anyhow::Result<()> {
    if is_root() {
        run(&mut command(root(), "chown", &["-R", SOMEBODY, &directory.display().to_string()]))?;
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
        let (sockets, port) = (directory.display().to_string(), cluster.port.to_string());
        let ready = ["--quiet", "--dbname=postgres", "--host", &sockets, "--port", &port];
        assert!(succeeds(&mut command(root(), programs.join("pg_isready"), &ready)));
        drop(cluster);
        assert!(!succeeds(&mut command(root(), programs.join("pg_isready"), &ready)));
        assert!(!directory.exists());
    }
}
