//! The largest audience a server holds, as `sluice loadtest --find-capacity` finds and certifies it. Knows the load
//! tester by its flags and its JSON alone.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::cage::Cage;
use super::load::{Load, Outcome, People, Tester};
use super::servers::Serving;

/// What counts as served.
pub(super) const PROMISE: &str = "p99<20ms loss<0.1%";
/// The search goes no further.
const MOST: u32 = 1000;
/// Seconds of each step.
const SECONDS: u32 = 3;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Found {
    /// The largest audience that was served.
    pub(super) holds: Option<u64>,
    /// The smallest that was not; `None` when the search ended before.
    pub(super) breaks: Option<u64>,
    /// What did not hold was the load tester.
    pub(super) is_testers: bool,
    /// Under the largest load that held.
    pub(super) best: Option<Outcome>,
    /// As the load tester prints it; in its place, why there is none.
    pub(super) certificate: String,
}

/// Where to begin, near the limit that the cost of a packet promises.
pub(super) fn first_guess(cpu_cores: f64, us_per_packet: Option<f64>, packets_per_second: u32) -> u32 {
    let Some(us) = us_per_packet.filter(|us| *us > 0.0) else { return 10 };
    let audience = cpu_cores * 1e6 / us / f64::from(packets_per_second);
    // Counted up, because there is no lossless way from a float.
    (1..MOST).take_while(|people| f64::from(*people) <= audience * 0.75).last().unwrap_or(1)
}

/// Searches, beginning at so many subscribers of one publisher.
pub(super) fn find(
    tester: &Path,
    cage: &Cage,
    server: &Serving<'_>,
    packets_per_second: u32,
    first: u32,
) -> anyhow::Result<Found> {
    let people = People::Stage { publishers: 1, subscribers: first };
    let load = Load { people, packets_per_second, burst: 1 };
    let mut run = Tester::new(tester, cage, server, &load, SECONDS)?;
    run.command.args(["--find-capacity", "--slo", PROMISE, "--most", &MOST.to_string()]);
    match run.output()? {
        Ok((text, certificate)) => Found::read(text, &certificate),
        Err(said) => Ok(Found { certificate: said, ..Found::default() }),
    }
}

impl Found {
    fn read(certificate: String, found: &Value) -> anyhow::Result<Self> {
        let best = found.get("report").filter(|report| !report.is_null());
        Ok(Self {
            holds: found.get("capacity").and_then(Value::as_u64),
            breaks: found.get("broke_at").and_then(Value::as_u64),
            is_testers: found.get("is_limited_by_tester").and_then(Value::as_bool).context("no certificate")?,
            best: best.map(Outcome::read).transpose()?,
            certificate,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_certificate_is_read() {
        let none = json!({ "capacity": null, "broke_at": 1, "is_limited_by_tester": false, "report": null });
        let found = Found::read("text".into(), &none).unwrap();
        assert_eq!((found.holds, found.breaks, found.best), (None, Some(1), None));
        let report = super::super::load::tests::report();
        let some = json!({ "capacity": 50, "broke_at": null, "is_limited_by_tester": true, "report": report });
        let found = Found::read("text".into(), &some).unwrap();
        assert_eq!((found.holds, found.breaks, found.is_testers), (Some(50), None, true));
        assert_eq!(found.best.unwrap().packets_per_second, 24_000.0);
        assert!(Found::read("text".into(), &json!({})).is_err());
    }

    #[test]
    fn the_search_begins_where_the_cost_of_a_packet_says() {
        // A tenth of a core is 100 ms of each second: 41 times 240 packets of 10 us.
        assert_eq!(first_guess(0.1, Some(10.0), 240), 31);
        assert_eq!(first_guess(0.1, Some(1e9), 240), 1);
        assert_eq!(first_guess(0.1, Some(1e-9), 240), MOST - 1);
        assert_eq!(first_guess(0.1, None, 240), 10);
    }
}
