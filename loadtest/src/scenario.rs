//! The named scenarios: each makes a plan from a few numbers.

use std::time::Duration;

use crate::plan::{Arrival, Plan, Visit};
use crate::publication::Content;
use crate::uptake::Uptake;

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
    /// So many recordings go on, of those who are seen in turns.
    pub recordings: usize,
}

impl Common {
    fn plan(&self, scenario: &'static str, parameters: &[(&'static str, String)], visits: Vec<Visit>) -> Plan {
        let mut parameters = parameters.to_vec();
        if self.recordings > 0 {
            parameters.push(("recordings", self.recordings.to_string()));
        }
        let Self { duration, seed, recordings, .. } = *self;
        Plan { scenario, parameters, visits, recordings, duration, seed }
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
            uptake: Uptake::Whole,
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

/// Who sends and who receives in [`webinar`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Webinar {
    /// Who send.
    pub publishers: usize,
    /// Who receive.
    pub subscribers: usize,
    /// Who receive as well, and take [`SLOW_BPS`] once it is measured.
    pub slow: usize,
    /// Who receive as well, and take and say nothing once it is measured.
    pub dead: usize,
}

/// What somebody slow takes: sound and the smallest picture, hardly.
pub const SLOW_BPS: u32 = 300_000;

/// A few on stage, many who watch. Nobody on stage watches.
#[must_use]
pub fn webinar(common: &Common, webinar: Webinar) -> Plan {
    let Webinar { publishers, subscribers, slow, dead } = webinar;
    let stage = (0..publishers).map(|place| Visit {
        publishes: common.camera(),
        subscribes: false,
        ..common.visit("webinar", format!("speaker-{place}"), common.arrival(place))
    });
    // Among the first, so that whoever is served in the order they came is behind them.
    let uptakes = std::iter::repeat_n(Uptake::None, dead)
        .chain(std::iter::repeat_n(Uptake::Slow { bps: SLOW_BPS }, slow))
        .chain(std::iter::repeat_n(Uptake::Whole, subscribers));
    let audience = uptakes.enumerate().map(|(place, uptake)| Visit {
        uptake,
        ..common.visit("webinar", format!("viewer-{place}"), common.arrival(publishers + place))
    });
    let mut parameters = vec![("publishers", publishers.to_string()), ("subscribers", subscribers.to_string())];
    let poor = [("slow", slow), ("dead", dead)].into_iter().filter(|(_, count)| *count > 0);
    parameters.extend(poor.map(|(name, count)| (name, count.to_string())));
    common.plan("webinar", &parameters, stage.chain(audience).collect())
}

/// A few speak, many listen; those who speak hear each other.
#[must_use]
pub fn audio_room(common: &Common, speakers: usize, listeners: usize) -> Plan {
    let stage = (0..speakers).map(|place| Visit {
        publishes: vec![Content::MICROPHONE],
        ..common.visit("audio", format!("speaker-{place}"), common.arrival(place))
    });
    let audience = (0..listeners)
        .map(|place| common.visit("audio", format!("listener-{place}"), common.arrival(speakers + place)));
    let parameters = [("speakers", speakers.to_string()), ("listeners", listeners.to_string())];
    common.plan("audio-room", &parameters, stage.chain(audience).collect())
}

/// Many small meetings.
#[must_use]
pub fn many_rooms(common: &Common, rooms: usize, participants: usize) -> Plan {
    let visits = (0..rooms * participants).map(|place| {
        let (room, person) = (place / participants.max(1), place % participants.max(1));
        Visit {
            publishes: common.camera(),
            ..common.visit(&format!("room-{room}"), format!("person-{person}"), common.arrival(place))
        }
    });
    let parameters = [("rooms", rooms.to_string()), ("participants", participants.to_string())];
    common.plan("many-rooms", &parameters, visits.collect())
}

/// How people come and go in [`churn`].
#[derive(Debug, Clone, Copy)]
pub struct Churn {
    /// So many come in a second while measured.
    pub joins_per_second: f64,
    /// Each stays so long.
    pub stay: Duration,
    /// Who is there all the time and sends.
    pub publishers: usize,
    /// Those who come send, too.
    pub is_publishing: bool,
}

/// People come and go all the time, in a room where somebody stays.
#[must_use]
pub fn churn(common: &Common, churn: Churn) -> Plan {
    let stage = (0..churn.publishers).map(|place| Visit {
        publishes: common.camera(),
        ..common.visit("churn", format!("speaker-{place}"), common.arrival(place))
    });
    let apart = Duration::from_secs_f64(1.0 / churn.joins_per_second.clamp(0.01, 100_000.0));
    let times = (0..).map(|place| apart * place).take_while(|at| *at < common.duration);
    let passers = times.enumerate().map(|(place, at)| Visit {
        publishes: if churn.is_publishing { common.camera() } else { Vec::new() },
        stays: Some(churn.stay),
        ..common.visit("churn", format!("passer-{place}"), Arrival::During(at))
    });
    let parameters = [
        ("joins_per_second", churn.joins_per_second.to_string()),
        ("stay_ms", churn.stay.as_millis().to_string()),
        ("publishers", churn.publishers.to_string()),
        ("passers_publish", churn.is_publishing.to_string()),
    ];
    common.plan("churn", &parameters, stage.chain(passers).collect())
}

/// Everybody's signal connection breaks at once, a third into the measurement, and everybody resumes.
#[must_use]
pub fn reconnect_storm(common: &Common, rooms: usize, participants: usize) -> Plan {
    let mut plan = many_rooms(common, rooms, participants);
    plan.scenario = "reconnect-storm";
    for visit in &mut plan.visits {
        visit.breaks = Some(common.duration / 3);
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common() -> Common {
        Common {
            duration: Duration::from_secs(10),
            seed: 1,
            join_rate: 10.0,
            video: Content::CAMERA,
            has_sound: true,
            room: "test-".into(),
            recordings: 0,
        }
    }

    #[test]
    fn plans_owe_what_they_should() {
        let common = common();
        assert_eq!(meeting(&common, 5).subscriptions_before(), 5 * 4 * 2);
        let of_two = Webinar { publishers: 2, subscribers: 100, ..Webinar::default() };
        assert_eq!(webinar(&common, of_two).subscriptions_before(), 100 * 2 * 2);
        // Until it is measured, these are like all others.
        assert_eq!(webinar(&common, Webinar { slow: 3, dead: 4, ..of_two }).subscriptions_before(), 107 * 2 * 2);
        assert_eq!(audio_room(&common, 3, 10).subscriptions_before(), 3 * 2 + 10 * 3);
        assert_eq!(many_rooms(&common, 7, 3).subscriptions_before(), 7 * 3 * 2 * 2);
        assert_eq!(reconnect_storm(&common, 7, 3).subscriptions_before(), 7 * 3 * 2 * 2);
    }

    #[test]
    fn churn_brings_people_while_it_is_measured() {
        let churn_of =
            Churn { joins_per_second: 5.0, stay: Duration::from_secs(2), publishers: 2, is_publishing: false };
        let plan = churn(&common(), churn_of);
        assert_eq!((plan.visits.len(), plan.subscriptions_before()), (2 + 50, 2 * 2));
    }

    #[test]
    fn people_join_one_after_the_other() {
        let plan = meeting(&common(), 3);
        let times: Vec<Arrival> = plan.visits.iter().map(|visit| visit.arrival).collect();
        assert_eq!(times, [0, 100, 200].map(|ms| Arrival::Before(Duration::from_millis(ms))));
    }
}
