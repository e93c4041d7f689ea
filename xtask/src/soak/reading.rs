//! What a server holds: its process as the system sees it, and what it counts itself.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// What the server counts, and must be nought when nobody is there. The last two must be so at all times.
pub(crate) const COUNTED: [&str; 9] = [
    "sluice_rooms",
    "sluice_participants",
    "sluice_signal_connections",
    "sluice_transports",
    "sluice_tracks",
    "sluice_mirrors",
    "sluice_subscriptions",
    "sluice_contained_panics_total",
    "sluice_workers_lost",
];
const TIMEOUT: Duration = Duration::from_secs(10);

/// At one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Memory of its own, KiB: without the program's pages, which come as code is run for the first time.
    pub(crate) memory_kib: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    /// By the names in [`COUNTED`].
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

impl Reading {
    /// Reads a process that serves its metrics there.
    pub(crate) fn take(pid: u32, address: SocketAddr) -> anyhow::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("only Linux tells")?;
        let entries = |of: &str| -> anyhow::Result<u64> {
            let entries = std::fs::read_dir(format!("/proc/{pid}/{of}")).context("only Linux tells")?;
            Ok(u64::try_from(entries.count())?)
        };
        let (descriptors, threads) = (entries("fd")?, entries("task")?);
        let memory_kib = field(&status, "RssAnon").context("no RssAnon in the process's status")?;
        // Last: the server has a descriptor for whoever asks.
        let metrics = get(address, "/metrics").context("the server's metrics")?;
        let mut counts = BTreeMap::new();
        for name in COUNTED {
            counts.insert(name, metric(&metrics, name).with_context(|| format!("no {name} in the server's metrics"))?);
        }
        Ok(Self { memory_kib, descriptors, threads, counts })
    }
}

/// A line of proc_pid_status(5): `RssAnon:     1024 kB`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The sum of all that bear a name, whatever their labels.
fn metric(metrics: &str, name: &str) -> Option<u64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = if rest.starts_with('{') { rest.rsplit_once("} ")?.1 } else { rest.strip_prefix(' ')? };
        value.trim().parse::<u64>().ok()
    });
    values.reduce(u64::saturating_add)
}

/// A page, over a connection that ends with it.
fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{}", answer.lines().next().unwrap_or("no answer"));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_by_their_whole_names() {
        let metrics = "# TYPE a gauge\na 3\na_b 4\nc{x=\"1\",y=\"} \"} 5\nc{x=\"2\"} 6\nd 1.5\n";
        let read = ["a", "a_b", "c", "d", "e"].map(|name| metric(metrics, name));
        assert_eq!(read, [Some(3), Some(4), Some(11), None, None]);
    }

    #[test]
    fn the_status_of_a_process_is_read_by_the_names_of_its_lines() {
        let status = "VmRSS:\t   70148 kB\nRssAnon:\t   48472 kB\nThreads:\t6\n";
        assert_eq!((field(status, "RssAnon"), field(status, "Rss")), (Some(48_472), None));
    }
}
