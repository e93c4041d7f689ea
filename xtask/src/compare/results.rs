//! What a comparison found, as text for a terminal that is `benches/RESULTS.md`, too.

use std::fmt;
use std::process::Command;

use super::capacity::{Found, PROMISE};
use super::kernel::Kernel;
use super::load::{Load, Outcome, PACKET_BYTES};
use super::options::Options;
use super::servers::Contender;
use super::table::{Table, figure};

/// One table: the same kind of load for everybody.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
}

/// What one server made of one load.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) load: Load,
    pub(super) server: String,
    pub(super) outcome: Outcome,
}

/// Where a server breaks.
#[derive(Debug)]
pub(super) struct Broke {
    pub(super) server: String,
    pub(super) found: Found,
}

/// Everything.
#[derive(Debug)]
pub(super) struct Results {
    facts: Vec<(&'static str, String)>,
    /// Ours, and all others.
    servers: Vec<String>,
    absent: Vec<String>,
    cpu: f64,
    break_cpu: f64,
    pub(super) kernel: Option<Kernel>,
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
            ("measured", format!("{} s for each load", options.seconds)),
            ("command", format!("`{}`", options.shown)),
        ];
        Self {
            facts,
            servers: contenders.iter().map(|contender| contender.name.clone()).collect(),
            absent,
            cpu: options.cpu,
            break_cpu: options.break_cpu,
            kernel: None,
            series: Vec::new(),
            broke: Vec::new(),
        }
    }

    /// What a packet costs a server, under the heaviest load of the first table that it held.
    pub(super) fn cost_of(&self, server: &str) -> Option<f64> {
        let rows = &self.series.first()?.rows;
        let held = rows.iter().rfind(|row| row.server == server && row.outcome.holds());
        held.or_else(|| rows.iter().find(|row| row.server == server))?.outcome.cpu_us_per_packet
    }
}

impl fmt::Display for Results {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# Side by side\n")?;
        writeln!(
            out,
            "The same load against each server, on loopback, by `cargo xtask compare`, which wrote this file. Payload is \
             VP8 in packets\nof {PACKET_BYTES} bytes; peers are full ones, with ICE, DTLS, SRTP and feedback. A cost is \
             processor time of the whole process of the\nserver for a packet that a subscriber received: that of the \
             second in the middle, and the range of all seconds measured.\n"
        )?;
        let mut facts = Table::new(&["", "this run"]);
        for (name, value) in &self.facts {
            facts.add([(*name).to_owned(), value.clone()]);
        }
        writeln!(out, "{facts}")?;
        if let Some(kernel) = self.kernel {
            let train = kernel
                .train_ns
                .map_or("not to be had here".to_owned(), |ns| format!("{} us", figure(Some(ns / 1000.0))));
            writeln!(
                out,
                "The kernel alone, in the same run on the servers' core: a plain `sendto` of {PACKET_BYTES} bytes takes \
                 {} us (**x sendto** is a cost\nin these), one in a train of eight (`UDP_SEGMENT`) {train}.\n",
                figure(Some(kernel.plain_ns / 1000.0)),
            )?;
        }
        for series in &self.series {
            let table = self.table(series);
            writeln!(out, "## {}\n\nEach server may use {} of a core.\n\n{table}", series.title, self.cpu)?;
        }
        if let Some(flat) = self.flat() {
            writeln!(
                out,
                "## How flat our cost is\n\nOur cost with more subscribers of one publisher, and with the same packets in \
                 more media sections, against the cheapest.\n\n{flat}"
            )?;
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
    /// A cost in plain calls of the kernel.
    fn in_calls(&self, us: Option<f64>) -> Option<f64> {
        Some(us? * 1000.0 / self.kernel?.plain_ns)
    }

    fn table(&self, series: &Series) -> Table {
        let head = [
            "server",
            "people",
            "us/packet",
            "range",
            "x sendto",
            "packets/s",
            "cores",
            "loss %",
            "p50 ms",
            "p99 ms",
            "MiB",
            "remarks",
        ];
        let mut table = Table::new(&head);
        for Row { load, server, outcome } in &series.rows {
            let remarks: Vec<&str> = outcome.troubles.iter().chain(&outcome.warning).map(String::as_str).collect();
            let range = outcome.cpu_us_range;
            let range = range.map(|(least, most)| format!("{} – {}", figure(Some(least)), figure(Some(most))));
            let was_run = outcome.published_per_second > 0.0;
            table.add([
                server.clone(),
                load.label(),
                figure(outcome.cpu_us_per_packet),
                range.unwrap_or_else(|| "-".to_owned()),
                figure(self.in_calls(outcome.cpu_us_per_packet)),
                figure(was_run.then_some(outcome.packets_per_second)),
                figure(outcome.cpu_cores),
                figure(was_run.then_some(outcome.loss * 100.0)),
                figure(outcome.p50_ms),
                figure(outcome.p99_ms),
                mib(outcome.rss_bytes),
                remarks.join("; "),
            ]);
        }
        table
    }

    /// Our cost in the first and the last series: one publisher for ever more, and ever more publishers.
    fn flat(&self) -> Option<Table> {
        let ours = self.servers.first()?;
        let mut table = Table::new(&["", "how many", "us/packet", "of the cheapest"]);
        let last = self.series.last().filter(|_| self.series.len() > 1);
        let kinds = [("subscribers", self.series.first()), ("media sections", last)];
        let mut is_empty = true;
        for (kind, series) in kinds {
            let rows = series.into_iter().flat_map(|series| &series.rows).filter(|row| row.server == *ours);
            let costs: Vec<(u32, f64)> = rows
                .filter(|row| !row.outcome.has_broken_down())
                .filter_map(|row| {
                    let many = if kind == "subscribers" { row.load.audience() } else { row.load.publishers() };
                    Some((many, row.outcome.cpu_us_per_packet?))
                })
                .collect();
            let Some(cheapest) = costs.iter().map(|(_, us)| *us).reduce(f64::min).filter(|_| costs.len() > 1) else {
                continue;
            };
            is_empty = false;
            for (many, us) in costs {
                table.add([kind.to_owned(), many.to_string(), figure(Some(us)), figure(Some(us / cheapest))]);
            }
        }
        (!is_empty).then_some(table)
    }

    fn memory(&self) -> Option<Table> {
        let rows = &self.series.first()?.rows;
        let (fewest, most) = (rows.first()?.load.audience(), rows.last()?.load.audience());
        if fewest == most {
            return None;
        }
        let mut table = Table::new(&["server", "few", "MiB", "many", "MiB", "KiB each"]);
        for server in &self.servers {
            let mut weighed = rows.iter().filter(|row| row.server == *server && row.outcome.rss_bytes.is_some());
            let (few, many) = (weighed.next(), weighed.next_back());
            let Some((few, many)) = few.zip(many) else { continue };
            let more = f64::from(many.load.audience() - few.load.audience());
            let each = few.outcome.rss_bytes.zip(many.outcome.rss_bytes);
            table.add([
                server.clone(),
                few.load.audience().to_string(),
                mib(few.outcome.rss_bytes),
                many.load.audience().to_string(),
                mib(many.outcome.rss_bytes),
                figure(each.map(|(few, many)| (many - few) / more / 1024.0)),
            ]);
        }
        Some(table)
    }

    fn write_breaks(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "## Where each breaks\n\nThe most subscribers of one publisher (evenly spaced) with which everybody is served \
             ({PROMISE}), as\n`sluice loadtest --find-capacity` finds it. Each server may use {} of a core, so that the load \
             tester can overload it.\n",
            self.break_cpu
        )?;
        let mut table =
            Table::new(&["server", "holds", "breaks", "packets/s", "us/packet", "loss %", "p99 ms", "remarks"]);
        for Broke { server, found } in &self.broke {
            let count = |people: Option<u64>| people.map_or("-".to_owned(), |people| people.to_string());
            let remarks = match (found.holds, found.breaks, found.is_testers) {
                (None, None, _) => found.certificate.lines().next().unwrap_or_default(),
                (_, None, _) => "no limit found",
                (_, _, true) => "the load tester was the limit",
                _ => "",
            };
            let best = found.best.as_ref();
            table.add([
                server.clone(),
                count(found.holds),
                count(found.breaks),
                figure(best.map(|best| best.packets_per_second)),
                figure(best.and_then(|best| best.cpu_us_per_packet)),
                figure(best.map(|best| best.loss * 100.0)),
                figure(best.and_then(|best| best.p99_ms)),
                remarks.to_owned(),
            ]);
        }
        writeln!(out, "{table}")?;
        for Broke { server, found } in self.broke.iter().filter(|broke| self.servers.first() == Some(&broke.server)) {
            writeln!(out, "The certificate of {server}:\n\n```text\n{}\n```\n", found.certificate.trim_end())?;
        }
        Ok(())
    }
}

fn mib(bytes: Option<f64>) -> String {
    figure(bytes.map(|bytes| bytes / f64::from(1 << 20)))
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
    use super::super::load::People;
    use super::*;

    fn row(server: &str, subscribers: u32, us: f64, rss_mib: u32) -> Row {
        let outcome = Outcome {
            published_per_second: 240.0,
            cpu_us_per_packet: Some(us),
            cpu_us_range: Some((us / 2.0, us * 2.0)),
            rss_bytes: Some(f64::from(rss_mib) * f64::from(1 << 20)),
            p99_ms: Some(1.0),
            ..Outcome::default()
        };
        let people = People::Stage { publishers: 1, subscribers };
        Row { load: Load { people, packets_per_second: 240, burst: 1 }, server: server.to_owned(), outcome }
    }

    fn results() -> Results {
        let mut rows = vec![
            row("ours", 10, 2.0, 20),
            row("other", 10, 20.0, 100),
            row("ours", 200, 1.5, 39),
            row("other", 200, 19.0, 480),
        ];
        rows[3].outcome.troubles = vec!["3 fell silent".to_owned()];
        let found = Found {
            holds: Some(50),
            breaks: Some(60),
            is_testers: false,
            best: Some(row("ours", 50, 1.5, 30).outcome),
            certificate: "  capacity  50 subscribers\n".to_owned(),
        };
        Results {
            facts: vec![("date", "today".to_owned())],
            servers: vec!["ours".to_owned(), "other".to_owned()],
            absent: vec!["third: not found".to_owned()],
            cpu: 1.0,
            break_cpu: 0.1,
            kernel: Some(Kernel { plain_ns: 1000.0, train_ns: Some(300.0) }),
            series: vec![Series { title: "One publisher".to_owned(), rows }],
            broke: vec![Broke { server: "ours".to_owned(), found }],
        }
    }

    #[test]
    fn everything_is_said() {
        let text = results().to_string();
        for part in [
            "# Side by side",
            "takes 1.00 us",
            "(`UDP_SEGMENT`) 0.30 us",
            "## One publisher",
            "3 fell silent",
            "## How flat our cost is",
            "## Where each breaks",
            "  capacity  50 subscribers",
            "- third: not found",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let prose = text.lines().filter(|line| !line.starts_with('|'));
        assert!(prose.into_iter().all(|line| line.chars().count() <= 140), "{text}");
    }

    #[test]
    fn a_cost_is_said_in_calls_of_the_kernel_too() {
        let results = results();
        let table = results.table(&results.series[0]).to_string();
        assert!(table.contains("19.0 | 9.50 – 38.0 |     19.0"), "{table}");
    }

    #[test]
    fn ours_is_flat_by_so_much() {
        let table = results().flat().map(|table| table.to_string()).unwrap_or_default();
        assert!(table.contains("| subscribers |       10 |      2.00 |            1.33 |"), "{table}");
        assert!(!table.contains("media sections"), "{table}");
    }

    #[test]
    fn a_search_begins_with_what_a_packet_cost_where_everybody_was_served() {
        assert_eq!(results().cost_of("ours"), Some(1.5));
        assert_eq!(results().cost_of("other"), Some(20.0));
        assert_eq!(results().cost_of("nobody"), None);
    }

    #[test]
    fn memory_of_a_subscriber_is_what_one_more_takes() {
        let table = results().memory().map(|table| table.to_string()).unwrap_or_default();
        // 19 MiB over 190 subscribers.
        assert!(table.contains("| ours   |  10 | 20.0 |  200 | 39.0 |      102 |"), "{table}");
    }

    #[test]
    fn who_was_not_tried_with_many_is_weighed_with_fewer() {
        let mut results = results();
        results.series[0].rows.push(row("other", 500, 0.0, 0));
        results.series[0].rows[4].outcome = Outcome::default();
        let table = results.memory().map(|table| table.to_string()).unwrap_or_default();
        assert!(table.contains("| other  |  10 |  100 |  200 |  480 |"), "{table}");
    }

    #[test]
    fn one_audience_says_nothing_of_memory() {
        let mut results = results();
        results.series[0].rows.truncate(2);
        assert!(results.memory().is_none());
        assert!(results.flat().is_none());
    }

    #[test]
    fn nobodys_limit_is_said_to_be_nobodys() {
        let mut results = results();
        results.broke[0].found.is_testers = true;
        assert!(results.to_string().contains("the load tester was the limit"));
    }
}
