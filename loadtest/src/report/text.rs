//! The report as a page of text for a terminal.

use std::fmt::Write as _;

use super::{Latency, Recordings, Report, Spread};

/// Writes it.
pub(super) fn write(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:>16}  {value}");
    };
    let parameters: Vec<String> = report.parameters.iter().map(|(name, value)| format!("{name} {value}")).collect();
    line("scenario", format!("{} ({}), seed {}", report.scenario, parameters.join(", "), report.seed));
    line("server", format!("version {}, signal {}", said(&report.server_version), report.signal_protocol));
    line("machine", format!("{}, {} cores, {}", report.machine.cpu, report.machine.cores, report.machine.system));
    let people = &report.participants;
    let failed = if people.failed > 0 { format!(", {} failed", people.failed) } else { String::new() };
    line("participants", format!("{} of {} connected{failed}", people.connected, people.planned));
    for (reason, count) in &report.failures {
        line("", format!("{count} x {reason}"));
    }
    let streams = &report.subscriptions;
    let silent = if streams.silent > 0 { format!(", {} fell silent", streams.silent) } else { String::new() };
    line("subscriptions", format!("{} of {} flowed{silent}", streams.flowing, streams.expected));
    line("join", spread(&report.join_ms));
    line("first frame", spread(&report.first_frame_ms));
    if report.resume_ms.count > 0 {
        line("resume", spread(&report.resume_ms));
    }
    let per_second = |packets: u64| crate::number::float(packets) / report.duration_s;
    let forwarded = per_second(report.forwarded_packets);
    line("published", format!("{} packets, {:.0}/s", report.published_packets, per_second(report.published_packets)));
    line(
        "forwarded",
        format!("{} packets, {forwarded:.0}/s, {:.1} Mbit/s", report.forwarded_packets, report.received_bps / 1e6),
    );
    line("each stream", format!("{:.0} kbit/s", report.subscription_bps / 1e3));
    line("loss", format!("{:.4} % ({} packets)", report.loss_ratio * 100.0, report.lost_packets));
    line("latency", latency(&report.latency_ms));
    line("jitter", spread(&report.jitter_ms));
    let freezes = &report.freezes;
    line(
        "freezes",
        format!("{}, {:.0} ms, {:.2} % of the time", freezes.count, freezes.total_ms, freezes.ratio * 100.0),
    );
    if let (Some(cores), Some(rss)) = (report.server_cpu_cores, report.server_rss_bytes) {
        let each = report.server_cpu_us_per_packet.map_or("-".to_owned(), |us| format!("{us:.2} us"));
        let rss = crate::number::float(rss) / f64::from(1 << 20);
        line("server", format!("{each} of processor time a packet, {cores:.2} cores, {rss:.1} MiB"));
    }
    if let Some(recordings) = &report.recordings {
        let mib = crate::number::float(recordings.bytes) / f64::from(1 << 20);
        let Recordings { begun, complete, until_there_ms, .. } = recordings;
        line(
            "recordings",
            format!("{complete} of {begun} complete, {mib:.1} MiB, there after {}", spread(until_there_ms)),
        );
    }
    let own = &report.loadtest;
    let each = own.cpu_us_per_packet.map_or("-".to_owned(), |us| format!("{us:.2} us"));
    line(
        "load tester",
        format!(
            "{} threads, the busiest {:.0} %, {each} a packet, sends late by {} ms at p99",
            own.threads,
            own.busiest_thread * 100.0,
            number(own.send_late_ms.p99)
        ),
    );
    if let Some(warning) = &own.warning {
        line("warning", warning.clone());
    }
    text
}

fn said(version: &str) -> &str {
    if version.is_empty() { "unknown" } else { version }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |value| if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") },
    )
}

fn latency(latency: &Latency) -> String {
    let Latency { p50, p90, p99, max, .. } = latency;
    format!("p50 {}, p90 {}, p99 {}, max {} ms", number(*p50), number(*p90), number(*p99), number(*max))
}

fn spread(spread: &Spread) -> String {
    format!("p50 {}, p95 {}, max {} ms", number(spread.p50), number(spread.p95), number(spread.max))
}
