//! The report as one HTML file that needs no network and no script: figures, plots, and everything in words.

use std::fmt::Write as _;

use super::plot::{Line, Plot, escape, seconds, short};
use super::{Report, SeriesPoint};
use crate::capacity::Certificate;

const STYLE: &str = include_str!("page.css");

/// The page of a run.
pub(super) fn of_run(report: &Report) -> String {
    page(&format!("Load test: {}", report.scenario), &body(report))
}

/// The page of a search for capacity: what was found, then the run that held.
pub(super) fn of_certificate(found: &Certificate) -> String {
    let capacity = found.capacity.map_or_else(|| "none".to_owned(), |capacity| capacity.to_string());
    let mut html = String::from("<h2>Capacity</h2><div class=\"tiles\">");
    html.push_str(&tile(&capacity, found.unit));
    html.push_str(&tile(&found.broke_at.map_or_else(|| "-".to_owned(), |load| load.to_string()), "broke at"));
    html.push_str("</div><h2>Steps</h2><div class=\"scroll\"><table>");
    for step in &found.steps {
        let verdict = if step.broken.is_empty() { "holds".to_owned() } else { step.broken.join("; ") };
        let p99 = step.p99_ms.map_or_else(|| "-".to_owned(), short);
        // Writing to a string cannot fail.
        let _ = write!(
            html,
            "<tr><th>{} {}</th><td>{} packets/s</td><td>p99 {p99} ms</td><td>{}</td></tr>",
            step.load,
            found.unit,
            short(step.forwarded_per_second),
            escape(&verdict)
        );
    }
    html.push_str("</table></div>");
    if found.is_limited_by_tester {
        html.push_str("<p class=\"warning\">The load tester itself was the limit: the server may do more.</p>");
    }
    let (title, run) = match &found.report {
        Some(report) => (format!("Capacity: {}", report.scenario), body(report)),
        None => ("Capacity".to_owned(), String::new()),
    };
    let promise = format!("<p class=\"about\">What had to hold: {}</p>", escape(&found.slo.to_string()));
    page(&title, &format!("{promise}{html}{run}"))
}

fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )
}

fn body(report: &Report) -> String {
    let mut html = String::new();
    let people = &report.participants;
    let _ = write!(
        html,
        "<p class=\"about\">{} of {} participants, {} subscriptions, {} s, seed {}. Server {}, signal {}. {}, {} cores, {}.</p>",
        people.connected,
        people.planned,
        report.subscriptions.flowing,
        short(report.duration_s),
        report.seed,
        escape(&report.server_version),
        report.signal_protocol,
        escape(&report.machine.cpu),
        report.machine.cores,
        escape(&report.machine.system)
    );
    if let Some(warning) = &report.loadtest.warning {
        let _ = write!(html, "<p class=\"warning\">{}</p>", escape(warning));
    }
    html.push_str("<div class=\"tiles\">");
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
    html.push_str(&tile(&format!("{} ms", number(report.latency_ms.p50)), "latency, median"));
    html.push_str(&tile(&format!("{} ms", number(report.latency_ms.p99)), "latency, p99"));
    html.push_str(&tile(&format!("{} %", short(report.loss_ratio * 100.0)), "loss"));
    html.push_str(&tile(&format!("{} ms", number(report.first_frame_ms.p95)), "first frame, p95"));
    html.push_str(&tile(&format!("{} ms", number(report.join_ms.p95)), "join, p95"));
    html.push_str(&tile(
        &short(crate::number::float(report.forwarded_packets) / report.duration_s),
        "packets/s forwarded",
    ));
    html.push_str(&tile(&format!("{}bit/s", spaced(&short(report.received_bps))), "received by all"));
    if let Some(us) = report.server_cpu_us_per_packet {
        html.push_str(&tile(&format!("{} us", short(us)), "server CPU a packet"));
    }
    if let Some(rss) = report.server_rss_bytes {
        html.push_str(&tile(
            &format!("{} MiB", short(crate::number::float(rss) / f64::from(1 << 20))),
            "server memory",
        ));
    }
    html.push_str("</div><h2>Over time</h2><div class=\"plots\">");
    for plot in plots(report) {
        html.push_str(&plot.to_html());
    }
    html.push_str("</div><h2>In words</h2><div class=\"scroll\"><table>");
    for line in report.to_text().lines() {
        let (name, value) = line.trim().split_once("  ").unwrap_or(("", line));
        let _ = write!(html, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value));
    }
    html.push_str("</table></div>");
    html
}

/// A unit's prefix stands at its unit.
fn spaced(number: &str) -> String {
    if number.contains(' ') { number.to_owned() } else { format!("{number} ") }
}

fn tile(value: &str, name: &str) -> String {
    format!("<div class=\"tile\"><b>{}</b><span>{}</span></div>", escape(value), escape(name))
}

fn plots(report: &Report) -> Vec<Plot<'_>> {
    let line = |name, value: fn(&SeriesPoint) -> Option<f64>| Line {
        name,
        points: report
            .series
            .iter()
            .map(|point| (crate::number::float(point.second), value(point)))
            .collect(),
    };
    let over_time = |title, unit, lines| Plot { title, unit, marks: seconds(report.series.len()), lines };
    vec![
        over_time(
            "Latency",
            "ms",
            vec![
                line("p50", |point| point.p50_ms),
                line("p99", |point| point.p99_ms),
                line("max", |point| point.max_ms),
            ],
        ),
        Plot {
            title: "Latency by share of packets",
            unit: "ms",
            marks: [(0, "0 %"), (1, "90 %"), (2, "99 %"), (3, "99.9 %"), (4, "99.99 %")]
                .map(|(nines, label)| (f64::from(nines), label.to_owned()))
                .into(),
            lines: vec![Line {
                name: "latency",
                // Each step to the right leaves a tenth above it.
                points: report
                    .latency_distribution
                    .iter()
                    .map(|at| (-(1.0 - at.share).log10(), Some(at.ms)))
                    .collect(),
            }],
        },
        over_time(
            "Packets forwarded",
            "a second",
            vec![line("packets", |point| Some(crate::number::float(point.packets)))],
        ),
        over_time("Received by all", "bit/s", vec![line("bit/s", |point| Some(crate::number::float(point.bits)))]),
        over_time("Server processors", "busy", vec![line("busy", |point| point.server_cpu_cores)]),
        over_time(
            "Server memory",
            "MiB",
            vec![line("MiB", |point| point.server_rss_bytes.map(|rss| crate::number::float(rss) / f64::from(1 << 20)))],
        ),
    ]
}
