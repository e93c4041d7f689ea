//! What a comparison found, as text for a terminal that is `benches/RESULTS.md`, too.

use std::fmt;
use std::process::Command;

use super::load::{Outcome, PACKET_BYTES};
use super::options::Options;
use super::search::Found;
use super::servers::Contender;
use super::table::{Table, figure};

/// One table: the same kind of load for everybody.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) title: String,
    /// How many people, which server, what came of it.
    pub(super) rows: Vec<(u32, String, Outcome)>,
}

/// Where a server breaks.
#[derive(Debug)]
pub(super) struct Broke {
    pub(super) server: String,
    pub(super) found: Found,
    /// Under the largest load that held.
    pub(super) best: Outcome,
}

/// Everything.
#[derive(Debug)]
pub(super) struct Results {
    facts: Vec<(&'static str, String)>,
    absent: Vec<String>,
    cpu: f64,
    break_cpu: f64,
    pub(super) series: Vec<Series>,
    pub(super) broke: Vec<Broke>,
}

impl Results {
    /// Nothing yet, but when and where.
    pub(super) fn begin(options: &Options, contenders: &[Contender], absent: Vec<String>, bounds: String) -> Self {
        let servers = contenders.iter().map(|contender| format!("{}: {}", contender.name, contender.version));
        let facts = vec![
            ("date", said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
            ("machine", machine()),
            ("system", said_by("uname", &["-sr"])),
            ("busy before", format!("load average {}", read("/proc/loadavg").split(' ').next().unwrap_or("unknown"))),
            ("servers", servers.collect::<Vec<_>>().join("; ")),
            ("our commit", said_by("git", &["rev-parse", "--short", "HEAD"])),
            ("processor time", bounds),
            ("measured", format!("{} s for each load", options.duration.as_secs())),
            ("command", format!("`{}`", options.shown)),
        ];
        let (cpu, break_cpu) = (options.cpu, options.break_cpu);
        Self { facts, absent, cpu, break_cpu, series: Vec::new(), broke: Vec::new() }
    }
}

impl fmt::Display for Results {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# Side by side\n")?;
        writeln!(
            out,
            "The same load against each server, on loopback, by `cargo xtask compare`, which wrote this file. Payload is \
             VP8 in packets\nof {PACKET_BYTES} bytes; peers are full ones, with ICE, DTLS, SRTP and feedback. A figure is of \
             the whole process of the server.\n"
        )?;
        let mut facts = Table::new(&["", "this run"]);
        for (name, value) in &self.facts {
            facts.add([(*name).to_owned(), value.clone()]);
        }
        writeln!(out, "{facts}")?;
        for series in &self.series {
            writeln!(out, "## {}\n\nEach server may use {} of a core.\n\n{}", series.title, self.cpu, series.table())?;
        }
        if let Some(memory) = self.memory() {
            writeln!(
                out,
                "## Memory\n\nResident memory of the process with few and with many subscribers of the one track, and what \
                 one more of them takes.\n\n{memory}"
            )?;
        }
        if !self.broke.is_empty() {
            self.write_breaks(out)?;
        }
        writeln!(out, "## Not compared\n")?;
        for missing in &self.absent {
            writeln!(out, "- {missing}")?;
        }
        Ok(())
    }
}

impl Results {
    fn memory(&self) -> Option<Table> {
        let rows = &self.series.first()?.rows;
        let (fewest, most) = (rows.first()?.0, rows.last()?.0);
        if fewest == most {
            return None;
        }
        let mut table = Table::new(&["server", &format!("MiB, {fewest}"), &format!("MiB, {most}"), "KiB each"]);
        for (_, server, few) in rows.iter().filter(|(people, ..)| *people == fewest) {
            let many = rows.iter().find(|(people, name, _)| *people == most && name == server);
            let many = many.and_then(|(.., outcome)| outcome.rss_bytes);
            let each = few
                .rss_bytes
                .zip(many)
                .map(|(few, many)| (many - few) / f64::from(most - fewest) / 1024.0);
            let mib = |bytes: Option<f64>| figure(bytes.map(|bytes| bytes / f64::from(1 << 20)));
            table.add([server.clone(), mib(few.rss_bytes), mib(many), figure(each)]);
        }
        Some(table)
    }

    fn write_breaks(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "## Where each breaks\n\nThe most subscribers of one publisher (evenly spaced) with which everybody is served: loss \
             at most 0.1 %, p99 at most 20 ms.\nEach server may use {} of a core, so that the load tester can \
             overload it.\n",
            self.break_cpu
        )?;
        let mut table =
            Table::new(&["server", "holds", "breaks", "packets/s", "us/packet", "loss %", "p99 ms", "remarks"]);
        for Broke { server, found, best } in &self.broke {
            let count = |people: Option<u32>| people.map_or("-".to_owned(), |people| people.to_string());
            let remarks = match (found.breaks, found.is_testers) {
                (None, _) => "no limit found",
                (_, true) => "the load tester was the limit",
                _ => "",
            };
            table.add([
                server.clone(),
                count(found.holds),
                count(found.breaks),
                figure(found.holds.map(|_| best.packets_per_second)),
                figure(best.cpu_us_per_packet),
                figure(found.holds.map(|_| best.loss * 100.0)),
                figure(best.p99_ms),
                remarks.to_owned(),
            ]);
        }
        writeln!(out, "{table}")
    }
}

impl Series {
    fn table(&self) -> Table {
        let head = ["server", "people", "us/packet", "packets/s", "cores", "loss %", "p50 ms", "p99 ms", "remarks"];
        let mut table = Table::new(&head);
        for (people, server, outcome) in &self.rows {
            let remarks: Vec<&str> = outcome.troubles.iter().chain(&outcome.warning).map(String::as_str).collect();
            table.add([
                server.clone(),
                people.to_string(),
                figure(outcome.cpu_us_per_packet),
                figure(Some(outcome.packets_per_second)),
                figure(outcome.cpu_cores),
                figure(Some(outcome.loss * 100.0)),
                figure(outcome.p50_ms),
                figure(outcome.p99_ms),
                remarks.join("; "),
            ]);
        }
        table
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn machine() -> String {
    let described = read("/proc/cpuinfo");
    let model = described.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    format!("{model}, {} cores", std::thread::available_parallelism().map_or(1, usize::from))
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(crate::workspace::root()).output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    if text.is_empty() { "unknown".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(us: f64, rss_mib: u32) -> Outcome {
        Outcome {
            cpu_us_per_packet: Some(us),
            rss_bytes: Some(f64::from(rss_mib) * f64::from(1 << 20)),
            p99_ms: Some(1.0),
            ..Outcome::default()
        }
    }

    fn results() -> Results {
        let rows = vec![
            (10, "ours".to_owned(), outcome(2.0, 20)),
            (10, "other".to_owned(), outcome(20.0, 100)),
            (200, "ours".to_owned(), outcome(1.5, 39)),
            (200, "other".to_owned(), Outcome { troubles: vec!["3 fell silent".to_owned()], ..outcome(19.0, 480) }),
        ];
        let found = Found { holds: Some(50), breaks: Some(60), is_testers: false };
        Results {
            facts: vec![("date", "today".to_owned())],
            absent: vec!["third: not found".to_owned()],
            cpu: 1.0,
            break_cpu: 0.1,
            series: vec![Series { title: "One publisher".to_owned(), rows }],
            broke: vec![Broke { server: "ours".to_owned(), found, best: outcome(1.5, 30) }],
        }
    }

    #[test]
    fn everything_is_said() {
        let text = results().to_string();
        for part in
            ["# Side by side", "## One publisher", "3 fell silent", "## Where each breaks", "- third: not found"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.lines().filter(|line| !line.starts_with('|')).all(|line| line.chars().count() <= 140), "{text}");
    }

    #[test]
    fn memory_of_a_subscriber_is_what_one_more_takes() {
        let table = results().memory().map(|table| table.to_string()).unwrap_or_default();
        // 19 MiB over 190 subscribers.
        assert!(table.contains("| ours   |    20.0 |     39.0 |      102 |"), "{table}");
    }

    #[test]
    fn one_audience_says_nothing_of_memory() {
        let mut results = results();
        results.series[0].rows.truncate(2);
        assert!(results.memory().is_none());
    }

    #[test]
    fn nobodys_limit_is_said_to_be_nobodys() {
        let mut results = results();
        results.broke[0].found.is_testers = true;
        assert!(results.to_string().contains("the load tester was the limit"));
    }
}
