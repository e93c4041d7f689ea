//! The named scenarios: each makes a plan from a few numbers.

use std::time::Duration;

use crate::plan::{Arrival, Plan, Visit};
use crate::publication::Content;

/// What is the same in all scenarios.
#[derive(Debug, Clone)]
pub struct Common {
    /// How long is measured.
    pub duration: Duration,
    /// Decides every size and pause.
    pub seed: u64,
    /// So many join in a second.
    pub join_rate: f64,
    /// What a camera sends.
    pub video: Content,
    /// Those with a camera have a microphone, too.
    pub has_sound: bool,
    /// Before the names of all rooms, so that runs at one server do not meet.
    pub room: String,
}

impl Common {
    fn plan(&self, scenario: &'static str, parameters: &[(&'static str, String)], visits: Vec<Visit>) -> Plan {
        Plan { scenario, parameters: parameters.to_vec(), visits, duration: self.duration, seed: self.seed }
    }

    /// One after the other at the join rate.
    fn arrival(&self, place: usize) -> Arrival {
        let apart = Duration::from_secs_f64(1.0 / self.join_rate.clamp(0.1, 100_000.0));
        Arrival::Before(apart * u32::try_from(place).unwrap_or(u32::MAX))
    }

    fn visit(&self, room: &str, identity: String, arrival: Arrival) -> Visit {
        Visit {
            room: format!("{}{room}", self.room),
            identity,
            arrival,
            stays: None,
            publishes: Vec::new(),
            subscribes: true,
            breaks: None,
        }
    }

    fn camera(&self) -> Vec<Content> {
        if self.has_sound { vec![self.video, Content::MICROPHONE] } else { vec![self.video] }
    }
}

/// Everybody sees and hears everybody.
#[must_use]
pub fn meeting(common: &Common, participants: usize) -> Plan {
    let visits = (0..participants).map(|place| Visit {
        publishes: common.camera(),
        ..common.visit("meeting", format!("person-{place}"), common.arrival(place))
    });
    common.plan("meeting", &[("participants", participants.to_string())], visits.collect())
}

/// A few on stage, many who watch. Nobody on stage watches.
#[must_use]
pub fn webinar(common: &Common, publishers: usize, subscribers: usize) -> Plan {
    let stage = (0..publishers).map(|place| Visit {
        publishes: common.camera(),
        subscribes: false,
        ..common.visit("webinar", format!("speaker-{place}"), common.arrival(place))
    });
    let audience = (0..subscribers)
        .map(|place| common.visit("webinar", format!("viewer-{place}"), common.arrival(publishers + place)));
    let parameters = [("publishers", publishers.to_string()), ("subscribers", subscribers.to_string())];
    common.plan("webinar", &parameters, stage.chain(audience).collect())
}
