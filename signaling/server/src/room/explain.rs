//! Why people see what they see: questions on their way to the media plane, and what is known without asking.
//!
//! Owned by the room's task. A question is answered by the worker's report, or by nothing at all; who asks waits for
//! a while and no longer. Besides, every few seconds a few participants are asked about unasked (a survey), for the
//! metrics and for [`Fared`].

use std::collections::{BTreeMap, HashMap};

use prometheus::IntGaugeVec;
use sluice_core::{Kind, LinkReport, Reason};
use sluice_rooms::{ParticipantQuality, ParticipantSid, RoomState};
use tokio::sync::oneshot;

/// Questions one room has open at once. The worker answers in well under a second, so more are a flood.
const OPEN_QUESTIONS: usize = 64;
/// Participants surveyed at each quality report (every 5 s): a room of so many is always fresh, and a large one
/// costs its worker no more than that.
const SURVEYED_AT_ONCE: usize = 32;
/// The number under which nobody waits.
const SURVEY: u64 = 0;

/// Who wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asker {
    /// May know everything of the room.
    Administrator,
    /// A participant by its identity: may know what concerns itself.
    Participant(String),
}

impl Asker {
    fn may_know_of(&self, identity: &str) -> bool {
        match self {
            Self::Administrator => true,
            Self::Participant(own) => own == identity,
        }
    }
}

/// Why there is no explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExplainError {
    #[error("nobody of that name is in the room")]
    NoParticipant,
    #[error("that is not the asker's to know")]
    Forbidden,
    #[error("too many questions are open")]
    Busy,
    #[error("the media plane takes no questions")]
    Unavailable,
}

/// A participant's receiving side, explained, with the names of what it receives.
#[derive(Debug)]
pub(crate) struct Explained {
    pub(crate) identity: String,
    pub(crate) report: LinkReport,
    /// Publisher's identity and what clients are told, for each subscription; `None` when the track has just gone.
    pub(crate) tracks: Vec<Option<(String, livekit_protocol::TrackInfo)>>,
}

/// Who waits for an explanation.
pub(crate) type ExplainReply = oneshot::Sender<Result<Box<Explained>, ExplainError>>;

/// How a participant fared: its rating, and the largest picture it receives.
#[derive(Debug)]
pub(crate) struct Fared {
    pub(crate) rated: ParticipantQuality,
    pub(crate) picture: Option<Picture>,
}

/// A picture as it is received.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Picture {
    /// Pixels, when its publisher said.
    pub(crate) size: Option<(u32, u32)>,
    pub(crate) fps: f32,
}

/// A reason as programs know it. Never changes; it is a label of the metrics, too.
pub(crate) fn code(reason: Reason) -> &'static str {
    match reason {
        Reason::Connecting => "connecting",
        Reason::Full => "full",
        Reason::SubscriberAsked => "subscriber_asked",
        Reason::Disabled => "disabled",
        Reason::Bandwidth => "bandwidth",
        Reason::Paused => "paused",
        Reason::PublisherNotSending => "publisher_not_sending",
        Reason::Muted => "muted",
        Reason::WaitingForKeyframe => "waiting_for_keyframe",
        Reason::RoomLimit => "room_limit",
        Reason::NotDecodable => "not_decodable",
    }
}

/// Audio or video, as the API and the metrics call it.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
    }
}

/// What is counted of one participant while it is known.
struct Surveyed {
    picture: Option<Picture>,
    gauges: IntGaugeVec,
    counted: Vec<[&'static str; 2]>,
}

impl Surveyed {
    fn new(report: &LinkReport, gauges: &IntGaugeVec) -> Self {
        let counted: Vec<_> = report.subscriptions.iter().map(|sub| [kind_name(sub.kind), code(sub.reason)]).collect();
        for labels in &counted {
            gauges.with_label_values(labels).inc();
        }
        let pictures = report.subscriptions.iter().filter(|sub| sub.kind == Kind::Video && sub.current.is_some());
        let largest = pictures.max_by_key(|sub| {
            let area = sub.resolution.map_or(0, |(width, height)| u64::from(width) * u64::from(height));
            (area, sub.delivered_bps)
        });
        let picture = largest.map(|sub| Picture { size: sub.resolution, fps: sub.fps });
        Self { picture, gauges: gauges.clone(), counted }
    }
}

impl Drop for Surveyed {
    fn drop(&mut self) {
        for labels in &self.counted {
            self.gauges.with_label_values(labels).dec();
        }
    }
}

/// Open questions and what the last answers said.
pub(super) struct Explanations {
    gauges: IntGaugeVec,
    /// Number of the last question.
    last: u64,
    open: HashMap<u64, ExplainReply>,
    surveyed: BTreeMap<ParticipantSid, Surveyed>,
    /// Whom the last survey ended with.
    surveyed_up_to: Option<ParticipantSid>,
}

impl Explanations {
    pub(super) fn new(gauges: IntGaugeVec) -> Self {
        Self { gauges, last: SURVEY, open: HashMap::new(), surveyed: BTreeMap::new(), surveyed_up_to: None }
    }

    /// Takes a question and answers whom to ask the media plane about and under which number; `None` when the
    /// answer is known already, and given.
    pub(super) fn ask(
        &mut self,
        state: &RoomState,
        whom: &str,
        asker: &Asker,
        reply: ExplainReply,
    ) -> Option<(ParticipantSid, u64)> {
        // Who gave up waiting leaves a closed channel behind.
        self.open.retain(|_, reply| !reply.is_closed());
        match self.admit(state, whom, asker) {
            Ok(participant) => {
                self.last += 1;
                self.open.insert(self.last, reply);
                Some((participant, self.last))
            }
            Err(refused) => {
                // Whoever asked may have gone: then nobody misses the answer.
                let _ = reply.send(Err(refused));
                None
            }
        }
    }

    fn admit(&self, state: &RoomState, whom: &str, asker: &Asker) -> Result<ParticipantSid, ExplainError> {
        let found = state.find(whom);
        // Of others a participant does not even learn whether they are there.
        if !asker.may_know_of(found.map_or(whom, |(_, identity)| identity)) {
            return Err(ExplainError::Forbidden);
        }
        let (participant, _) = found.ok_or(ExplainError::NoParticipant)?;
        if self.open.len() >= OPEN_QUESTIONS {
            return Err(ExplainError::Busy);
        }
        Ok(participant.clone())
    }

    /// The media plane did not take the question.
    pub(super) fn fail(&mut self, request: u64) {
        if let Some(reply) = self.open.remove(&request) {
            let _ = reply.send(Err(ExplainError::Unavailable));
        }
    }

    /// The media plane answers.
    pub(super) fn answer(&mut self, state: &RoomState, request: u64, report: LinkReport) {
        let participant = crate::media::participant_sid(&report.participant);
        let Some((_, identity)) = state.find(participant.as_str()) else { return };
        let identity = identity.to_owned();
        // The old count goes before the new one comes: see `Surveyed::drop`.
        self.surveyed.insert(participant, Surveyed::new(&report, &self.gauges));
        if let Some(reply) = self.open.remove(&request) {
            let name = |track: &str| state.track(track).map(|(publisher, info)| (publisher.to_owned(), info.clone()));
            let tracks = report.subscriptions.iter().map(|sub| name(sub.track.as_str())).collect();
            let _ = reply.send(Ok(Box::new(Explained { identity, report, tracks })));
        }
    }

    /// Whom to ask the media plane about next, and under which number. Forgets who has left.
    pub(super) fn survey(&mut self, state: &RoomState) -> (Vec<ParticipantSid>, u64) {
        self.surveyed.retain(|participant, _| state.find(participant.as_str()).is_some());
        let up_to = self.surveyed_up_to.take();
        let after = |sid: &&ParticipantSid| up_to.as_ref().is_none_or(|up_to| *sid > up_to);
        let mut next: Vec<_> = state.participants().filter(after).take(SURVEYED_AT_ONCE).cloned().collect();
        if next.is_empty() {
            next = state.participants().take(SURVEYED_AT_ONCE).cloned().collect();
        }
        // Past the last one it begins anew.
        self.surveyed_up_to = next.last().filter(|_| next.len() == SURVEYED_AT_ONCE).cloned();
        (next, SURVEY)
    }

    /// Whether it is known what somebody sees: not of who has just come.
    pub(super) fn is_surveyed(&self, participant: &ParticipantSid) -> bool {
        self.surveyed.contains_key(participant)
    }

    /// How those fared whom the asker may know of.
    pub(super) fn fared(&self, state: &RoomState, asker: &Asker) -> Vec<Fared> {
        let known = state.qualities().into_iter().filter(|rated| asker.may_know_of(&rated.identity));
        known
            .map(|rated| {
                let picture = self.surveyed.get(&rated.participant).and_then(|surveyed| surveyed.picture);
                Fared { rated, picture }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

    use std::time::{Duration, Instant};

    use livekit_protocol::{JoinRequest, ParticipantPermission, RoomConfiguration, ServerInfo};
    use prometheus::Opts;
    use sluice_core::SubscriptionReport;
    use sluice_rooms::{
        Arrival, Command, ConnectionId, Entry, Grants, Join, Now, QualityReport, RoomConfig, RoomLimits, SidSource,
        SignalVersion,
    };

    use super::*;

    fn room(people: &[String]) -> RoomState {
        let now = Now { at: Instant::now(), unix_ms: 0 };
        let config = RoomConfig {
            name: "math".into(),
            metadata: String::new(),
            empty_timeout: Duration::from_secs(300),
            departure_timeout: Duration::from_secs(20),
            max_participants: 0,
            limits: RoomLimits::default(),
            resume_window: Duration::from_secs(15),
            server_info: ServerInfo::default(),
            ice_servers: Vec::new(),
            remote_unmute: false,
            entry: Entry::default(),
            keeps_chat: false,
            asked: RoomConfiguration::default(),
        };
        let mut drawn = 0_u8;
        let sids = SidSource::new(move |bytes| {
            drawn += 1;
            bytes.fill(drawn & 31);
            bytes[0] = drawn >> 5;
        });
        let (mut state, _) = RoomState::open(config, sids, now);
        for (identity, connection) in people.iter().zip(1..) {
            let permission = ParticipantPermission { can_subscribe: true, ..Default::default() };
            let arrival = Arrival {
                connection: ConnectionId(connection),
                version: SignalVersion::V1,
                grants: Grants { identity: identity.clone(), permission, ..Default::default() },
                request: JoinRequest::default(),
            };
            state.handle(Command::Join(Box::new(Join(arrival))), now);
        }
        state
    }

    fn crowd(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("p{number:03}")).collect()
    }

    fn gauges() -> IntGaugeVec {
        IntGaugeVec::new(Opts::new("sluice_subscriptions_by_reason", "test"), &["kind", "reason"]).unwrap()
    }

    fn subscription(reason: Reason, resolution: Option<(u32, u32)>) -> SubscriptionReport {
        SubscriptionReport {
            track: "TR_1".into(),
            publisher: "PA_other".into(),
            kind: Kind::Video,
            mime_type: "video/VP8".into(),
            allocated_bps: 0,
            delivered_bps: 0,
            wanted_bps: 0,
            current: resolution.map(|_| (0, 0)),
            target: None,
            wanted: None,
            resolution,
            fps: 24.0,
            reason,
        }
    }

    fn report(participant: &ParticipantSid, subscriptions: Vec<SubscriptionReport>) -> LinkReport {
        LinkReport {
            participant: crate::media::participant(participant),
            estimate_bps: 1_000_000,
            allocated_bps: 0,
            sent_bps: 0,
            loss: 0.0,
            rtt_ms: None,
            jitter_ms: None,
            subscriptions,
        }
    }

    fn refused(explanations: &mut Explanations, state: &RoomState, whom: &str, asker: &Asker) -> ExplainError {
        let (reply, mut answer) = oneshot::channel();
        assert!(explanations.ask(state, whom, asker, reply).is_none());
        answer.try_recv().unwrap().unwrap_err()
    }

    #[test]
    fn a_question_by_identity_or_sid_is_answered_once() {
        let state = room(&crowd(2));
        let mut explanations = Explanations::new(gauges());
        let sid = state.find("p001").unwrap().0.clone();
        for whom in ["p001", sid.as_str()] {
            let (reply, mut answer) = oneshot::channel();
            let (asked, request) = explanations.ask(&state, whom, &Asker::Administrator, reply).unwrap();
            assert_eq!(asked, sid);
            explanations.answer(&state, request + 1, report(&sid, Vec::new()));
            assert!(answer.try_recv().is_err(), "an answer to another question");
            explanations.answer(&state, request, report(&sid, vec![subscription(Reason::Full, None)]));
            let explained = answer.try_recv().unwrap().unwrap();
            assert_eq!((explained.identity.as_str(), explained.report.estimate_bps), ("p001", 1_000_000));
            assert!(matches!(&explained.tracks[..], [None]), "the track has gone meanwhile");
            explanations.answer(&state, request, report(&sid, Vec::new()));
        }
    }

    #[test]
    fn a_participant_may_ask_about_itself_and_not_even_whether_others_are_there() {
        let state = room(&crowd(2));
        let mut explanations = Explanations::new(gauges());
        let me = Asker::Participant("p000".into());
        assert_eq!(refused(&mut explanations, &state, "p001", &me), ExplainError::Forbidden);
        assert_eq!(refused(&mut explanations, &state, "nobody", &me), ExplainError::Forbidden);
        let (reply, _answer) = oneshot::channel();
        assert!(explanations.ask(&state, "p000", &me, reply).is_some());
        assert_eq!(refused(&mut explanations, &state, "nobody", &Asker::Administrator), ExplainError::NoParticipant);
        let gone = Asker::Participant("nobody".into());
        assert_eq!(refused(&mut explanations, &state, "nobody", &gone), ExplainError::NoParticipant);
    }

    #[test]
    fn open_questions_are_bounded_and_who_gave_up_makes_room() {
        let state = room(&crowd(1));
        let mut explanations = Explanations::new(gauges());
        let mut waiting = Vec::new();
        for _ in 0..OPEN_QUESTIONS {
            let (reply, answer) = oneshot::channel();
            assert!(explanations.ask(&state, "p000", &Asker::Administrator, reply).is_some());
            waiting.push(answer);
        }
        assert_eq!(refused(&mut explanations, &state, "p000", &Asker::Administrator), ExplainError::Busy);
        waiting.pop();
        let (reply, mut answer) = oneshot::channel();
        let (_, request) = explanations.ask(&state, "p000", &Asker::Administrator, reply).unwrap();
        explanations.fail(request);
        assert_eq!(answer.try_recv().unwrap().unwrap_err(), ExplainError::Unavailable);
    }

    #[test]
    fn a_survey_goes_round_and_counts_everybody_once() {
        let people = crowd(SURVEYED_AT_ONCE + 8);
        let mut state = room(&people);
        let gauges = gauges();
        let count = |reason: &str| gauges.with_label_values(&["video", reason]).get();
        let mut explanations = Explanations::new(gauges.clone());
        let mut rounds = Vec::new();
        for _ in 0..4 {
            let (asked, request) = explanations.survey(&state);
            for sid in &asked {
                let subscriptions = vec![subscription(Reason::Bandwidth, None), subscription(Reason::Full, None)];
                explanations.answer(&state, request, report(sid, subscriptions));
            }
            rounds.push(asked.len());
        }
        assert_eq!(rounds, [SURVEYED_AT_ONCE, 8, SURVEYED_AT_ONCE, 8]);
        assert_eq!((count("bandwidth"), count("full")), (40, 40), "a newer report replaces the older");

        let (first, now) = (state.find("p000").unwrap().0.clone(), Now { at: Instant::now(), unix_ms: 0 });
        assert!(explanations.is_surveyed(&first) && !Explanations::new(gauges.clone()).is_surveyed(&first));
        explanations.answer(&state, SURVEY, report(&first, vec![subscription(Reason::Muted, None)]));
        assert_eq!((count("bandwidth"), count("muted")), (39, 1));
        let leave = livekit_protocol::signal_request::Message::Leave(livekit_protocol::LeaveRequest::default());
        state.handle(Command::Signal { connection: ConnectionId(1), message: Box::new(leave) }, now);
        explanations.survey(&state);
        assert_eq!(count("muted"), 0, "who left is not counted");
        explanations.answer(&state, SURVEY, report(&first, vec![subscription(Reason::Muted, None)]));
        assert_eq!(count("muted"), 0, "nor when its answer was on the way");
        drop(explanations);
        assert_eq!((count("bandwidth"), count("full")), (0, 0), "a room that ends takes its counts along");
    }

    #[test]
    fn how_somebody_fared_shows_the_largest_picture_to_whom_it_concerns() {
        let mut state = room(&crowd(2));
        let mut explanations = Explanations::new(gauges());
        let now = Now { at: Instant::now(), unix_ms: 0 };
        let sids: Vec<_> = state.participants().cloned().collect();
        for participant in sids.clone() {
            state.handle(Command::Media(sluice_rooms::MediaEvent::Connected { participant }), now);
        }
        let fine = |participant: &ParticipantSid| QualityReport {
            participant: participant.clone(),
            upstream_loss: 0.0,
            downstream_loss: 0.0,
            rtt_ms: Some(20),
            jitter_ms: Some(1),
            delivered_bps: 9,
            wanted_bps: 9,
            silent: false,
        };
        let reports = sids.iter().map(fine).collect();
        state.handle(Command::Media(sluice_rooms::MediaEvent::Quality(reports)), now);
        let first = state.find("p000").unwrap().0.clone();
        let pictures = vec![
            subscription(Reason::Full, Some((320, 180))),
            subscription(Reason::Full, Some((1280, 720))),
            subscription(Reason::Paused, None),
        ];
        explanations.answer(&state, SURVEY, report(&first, pictures));
        let own = explanations.fared(&state, &Asker::Participant("p000".into()));
        assert!(matches!(&own[..], [fared] if fared.picture == Some(Picture { size: Some((1280, 720)), fps: 24.0 })));
        assert_eq!(explanations.fared(&state, &Asker::Administrator).len(), 2);
    }
}
