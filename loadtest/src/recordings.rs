//! Who is recorded while a run measures: begun and ended by LiveKit's Egress, all at the same moments, and how long the
//! server takes until the files are there.
//!
//! Owned by the conductor. Knows requests and what is answered, and no media.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::api;
use crate::error::{LoadError, PeerError};
use crate::histogram::Histogram;
use crate::plan::{Arrival, Plan, Visit};
use crate::server::Server;

/// Between two looks at recordings that are to end.
const LOOK: Duration = Duration::from_millis(10);
/// A recording that is not over by then will not be.
const PATIENCE: Duration = Duration::from_secs(60);

/// Recordings that go on.
pub(crate) struct Recordings {
    server: Server,
    token: String,
    ids: Vec<String>,
}

/// What became of them.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Begun.
    pub(crate) begun: u64,
    /// Ended with their files.
    pub(crate) complete: u64,
    /// Bytes of these files.
    pub(crate) bytes: u64,
    /// From asking for the end to files that are there; for those that are complete.
    pub(crate) until_there: Histogram,
}

impl Recordings {
    /// Begins a recording of each who is to be recorded.
    ///
    /// # Errors
    /// The server does not record one of them.
    pub(crate) async fn begin(server: &Server, plan: &Plan) -> Result<Self, LoadError> {
        let mut recordings = Self { server: server.clone(), token: server.recording_token()?, ids: Vec::new() };
        for visit in recorded(plan) {
            let output = json!({ "filepath": "loadtest-{publisher_identity}-{time}" });
            let wanted = json!({ "room_name": visit.room, "identity": visit.identity, "file_outputs": [output] });
            let info = recordings
                .ask("StartParticipantEgress", &wanted)
                .await
                .map_err(|error| LoadError::NotRecorded(error.to_string()))?;
            recordings.ids.push(text(&info, ["egress_id", "egressId"]).to_owned());
        }
        Ok(recordings)
    }

    /// Ends them all at once, as the end of a call does, and waits for their files.
    ///
    /// # Errors
    /// The server cannot be asked any more.
    pub(crate) async fn end(self) -> Result<Recorded, LoadError> {
        let mut recorded = Recorded { begun: self.ids.len() as u64, ..Recorded::default() };
        let asked_at = Instant::now();
        let mut asking = JoinSet::new();
        for id in self.ids.clone() {
            let (server, token) = (self.server.clone(), self.token.clone());
            asking.spawn(async move { egress(&server, &token, "StopEgress", &json!({ "egress_id": id })).await });
        }
        // One that has ended by itself refuses: what became of it is asked below.
        while asking.join_next().await.is_some() {}
        let mut open = self.ids.clone();
        while !open.is_empty() && asked_at.elapsed() < PATIENCE {
            let mut still = Vec::new();
            for id in open {
                let listed = self.ask("ListEgress", &json!({ "egress_id": id })).await;
                let listed = listed.map_err(|error| LoadError::NotRecorded(error.to_string()))?;
                match text(&listed["items"][0], ["status", "status"]) {
                    "EGRESS_STARTING" | "EGRESS_ACTIVE" | "EGRESS_ENDING" => still.push(id),
                    "EGRESS_COMPLETE" => {
                        recorded.complete += 1;
                        recorded.bytes += bytes(&listed["items"][0]);
                        recorded.until_there.record(asked_at.elapsed());
                    }
                    _ => {}
                }
            }
            open = still;
            sleep(LOOK).await;
        }
        Ok(recorded)
    }

    async fn ask(&self, method: &str, body: &Value) -> Result<Value, PeerError> {
        egress(&self.server, &self.token, method, body).await
    }
}

async fn egress(server: &Server, token: &str, method: &str, body: &Value) -> Result<Value, PeerError> {
    let path = format!("/twirp/livekit.Egress/{method}");
    api::ask(server, "POST", &path, Some(token), &body.to_string()).await
}

/// Those who publish pictures and stay, one after the other and again from the first, as often as the plan says.
fn recorded(plan: &Plan) -> impl Iterator<Item = &Visit> {
    let can_be = |visit: &&Visit| {
        let is_seen = visit.publishes.iter().any(|content| content.is_video());
        is_seen && visit.stays.is_none() && matches!(visit.arrival, Arrival::Before(_))
    };
    plan.visits.iter().filter(can_be).cycle().take(plan.recordings)
}

/// A text of an answer: some servers write names as Protobuf has them, some as JSON does.
fn text<'a>(answer: &'a Value, names: [&str; 2]) -> &'a str {
    names.iter().find_map(|name| answer[*name].as_str()).unwrap_or_default()
}

/// Of the files of a recording. JSON of Protobuf has 64 bits as text.
fn bytes(info: &Value) -> u64 {
    let files = ["file_results", "fileResults"].iter().find_map(|name| info[*name].as_array());
    let size = |file: &Value| file["size"].as_str().and_then(|text| text.parse().ok()).or(file["size"].as_u64());
    files.into_iter().flatten().filter_map(size).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::Content;
    use crate::scenario::{self, Common, Webinar};

    fn common(recordings: usize) -> Common {
        Common {
            duration: Duration::from_secs(1),
            seed: 1,
            join_rate: 10.0,
            video: Content::CAMERA,
            has_sound: true,
            room: String::new(),
            recordings,
        }
    }

    #[test]
    fn who_is_seen_is_recorded_and_nobody_else() {
        let webinar = Webinar { publishers: 3, subscribers: 5, ..Webinar::default() };
        let names = |recordings| {
            let plan = scenario::webinar(&common(recordings), webinar);
            recorded(&plan).map(|visit| visit.identity.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(0), [] as [&str; 0]);
        assert_eq!(names(2), ["speaker-0", "speaker-1"]);
        assert_eq!(names(4), ["speaker-0", "speaker-1", "speaker-2", "speaker-0"]);
        assert_eq!(recorded(&scenario::audio_room(&common(9), 3, 3)).count(), 0);
    }

    #[test]
    fn sizes_of_files_are_read_in_both_spellings() {
        assert_eq!(bytes(&json!({ "file_results": [{ "size": "7" }, { "size": 5 }] })), 12);
        assert_eq!(bytes(&json!({ "fileResults": [{ "size": "7" }] })), 7);
        assert_eq!(bytes(&json!({})), 0);
    }
}
