//! Somebody in a room of Janus' videoroom plugin (<https://janus.conf.meetecho.com/docs/videoroom.html>), who sounds like
//! a LiveKit server of protocol v0 to the participant behind it: one connection on which the client offers what it
//! publishes, and one on which the server offers what it may receive. A machine without socket and time.
//!
//! Not translated, because no comparison needs it: resuming, data, the choice of sizes.

use std::collections::{BTreeSet, VecDeque};

use livekit_protocol::{JoinResponse, SessionDescription, signal_request as ask, signal_response as told};
use serde_json::{Value, json};

use crate::error::PeerError;

const PLUGIN: &str = "janus.plugin.videoroom";
/// People a room is made for. Janus wants a number.
const MAX_PUBLISHERS: u32 = 1000;
/// Publishers one visitor watches at most; a server that names more is not heard.
const MAX_FEEDS: usize = 1000;
/// The room is there already: somebody else was first.
const ROOM_EXISTS: u64 = 427;

/// What the answer to a request is about. Its name is the request's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Session,
    Stage,
    Room,
    Join,
    Publish,
    Seat,
    Watch,
    Start,
    Other,
}

impl Topic {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Session, "session"),
        (Self::Stage, "stage"),
        (Self::Room, "room"),
        (Self::Join, "join"),
        (Self::Publish, "publish"),
        (Self::Seat, "seat"),
        (Self::Watch, "watch"),
        (Self::Start, "start"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(topic, _)| *topic == self).map_or("other", |(_, name)| name)
    }

    fn of(message: &Value) -> Self {
        let name = message.get("transaction").and_then(Value::as_str);
        Self::ALL
            .iter()
            .find(|(_, known)| Some(*known) == name)
            .map_or(Self::Other, |(topic, _)| *topic)
    }
}

/// Where the connection stands on which media is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seat {
    /// Nobody was watched yet.
    Empty,
    /// A handle was asked for.
    Asked,
    /// A first or another offer is on its way to the answer's confirmation.
    Negotiating(u64),
    /// It can be changed.
    Ready(u64),
}

/// Somebody in a room.
#[derive(Debug)]
pub(super) struct Visitor {
    room: u32,
    name: String,
    subscribes: bool,
    session: Option<u64>,
    /// The handle that publishes, and hears who else does.
    stage: Option<u64>,
    seat: Seat,
    /// Everybody it has heard of.
    feeds: BTreeSet<u64>,
    /// Streams it has not asked for yet.
    unwatched: Vec<Value>,
    /// Numbers of our offer under way, and of the server's last.
    our_offer: u32,
    their_offer: u32,
    texts: VecDeque<String>,
    messages: VecDeque<told::Message>,
}

impl Visitor {
    /// Begins to enter a room, which is made when nobody was there before.
    pub(super) fn enter(room: &str, name: &str, subscribes: bool) -> Self {
        let mut visitor = Self {
            room: number(room),
            name: name.to_owned(),
            subscribes,
            session: None,
            stage: None,
            seat: Seat::Empty,
            feeds: BTreeSet::new(),
            unwatched: Vec::new(),
            our_offer: 0,
            their_offer: 0,
            texts: VecDeque::new(),
            messages: VecDeque::new(),
        };
        visitor.say(Topic::Session, json!({ "janus": "create" }));
        visitor
    }

    /// What it says next, until it was sent.
    pub(super) fn next_text(&self) -> Option<String> {
        self.texts.front().cloned()
    }

    pub(super) fn text_was_sent(&mut self) {
        self.texts.pop_front();
    }

    /// What a LiveKit server would say next.
    pub(super) fn poll_message(&mut self) -> Option<told::Message> {
        self.messages.pop_front()
    }

    /// The participant asks a LiveKit server for something.
    pub(super) fn handle_request(&mut self, request: ask::Message) {
        match request {
            ask::Message::Offer(offer) => {
                self.our_offer = offer.id;
                let Some(stage) = self.stage else { return };
                let body = json!({ "request": "publish" });
                self.ask(Topic::Publish, stage, &body, Some(&description("offer", &offer)));
            }
            ask::Message::Answer(answer) => {
                let Seat::Negotiating(seat) = self.seat else { return };
                let body = json!({ "request": "start" });
                self.ask(Topic::Start, seat, &body, Some(&description("answer", &answer)));
            }
            ask::Message::PingReq(_) => self.say(Topic::Other, json!({ "janus": "keepalive" })),
            ask::Message::Leave(_) => self.say(Topic::Other, json!({ "janus": "destroy" })),
            _ => {}
        }
    }

    /// The server said something. An error when it wants nothing to do with this visitor any more.
    pub(super) fn handle_text(&mut self, text: &str) -> Result<(), PeerError> {
        let message: Value = serde_json::from_str(text).map_err(|_| PeerError::Closed)?;
        let says = |path: &str| message.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        match says("/janus").as_str() {
            "success" => self.hear_success(&message),
            "event" => self.hear_event(&message),
            "error" => Err(PeerError::Leave(says("/error/reason"))),
            "hangup" => Err(PeerError::Leave(format!("hang up: {}", says("/reason")))),
            "timeout" => Err(PeerError::Leave("the session timed out".to_owned())),
            _ => Ok(()),
        }
    }

    fn hear_success(&mut self, message: &Value) -> Result<(), PeerError> {
        let id = message.pointer("/data/id").and_then(Value::as_u64);
        match Topic::of(message) {
            Topic::Session => {
                self.session = id;
                self.attach(Topic::Stage);
            }
            Topic::Stage => {
                self.stage = id;
                let stage = id.ok_or(PeerError::Closed)?;
                // Rates are the publisher's own affair, and so are key frames.
                let body = json!({
                    "request": "create", "room": self.room, "publishers": MAX_PUBLISHERS, "bitrate": 0, "fir_freq": 0,
                    "audiocodec": "opus", "videocodec": "vp8",
                });
                self.ask(Topic::Room, stage, &body, None);
            }
            Topic::Room => {
                let refused = refusal(message).filter(|(code, _)| *code != ROOM_EXISTS);
                if let Some((_, reason)) = refused {
                    return Err(PeerError::Leave(reason));
                }
                let stage = self.stage.ok_or(PeerError::Closed)?;
                let body = json!({ "request": "join", "ptype": "publisher", "room": self.room, "display": self.name });
                self.ask(Topic::Join, stage, &body, None);
            }
            Topic::Seat => {
                self.seat = Seat::Ready(id.ok_or(PeerError::Closed)?);
                self.watch(true);
            }
            _ => {}
        }
        Ok(())
    }

    fn hear_event(&mut self, message: &Value) -> Result<(), PeerError> {
        if let Some((_, reason)) = refusal(message) {
            return Err(PeerError::Leave(reason));
        }
        let data = message.pointer("/plugindata/data").unwrap_or(&Value::Null);
        let sdp = message.pointer("/jsep/sdp").and_then(Value::as_str).unwrap_or_default().to_owned();
        let sender = message.get("sender").and_then(Value::as_u64);
        let is_joined = data.get("videoroom").and_then(Value::as_str) == Some("joined");
        if is_joined {
            let server_version = "of Janus".to_owned();
            self.messages
                .push_back(told::Message::Join(JoinResponse { server_version, ..Default::default() }));
        }
        if let Some(publishers) = data.get("publishers").and_then(Value::as_array).filter(|_| self.subscribes) {
            self.notice(publishers);
        }
        match (message.pointer("/jsep/type").and_then(Value::as_str), self.seat) {
            (Some("answer"), _) => {
                let answer =
                    SessionDescription { r#type: "answer".into(), sdp, id: self.our_offer, ..Default::default() };
                self.messages.push_back(told::Message::Answer(answer));
            }
            (Some("offer"), Seat::Negotiating(_)) => {
                self.their_offer += 1;
                let offer =
                    SessionDescription { r#type: "offer".into(), sdp, id: self.their_offer, ..Default::default() };
                self.messages.push_back(told::Message::Offer(offer));
            }
            // The answer was taken, or there was nothing to negotiate.
            (None, Seat::Negotiating(seat)) if sender == Some(seat) && Topic::of(message) != Topic::Other => {
                self.seat = Seat::Ready(seat);
                self.watch(false);
            }
            _ => {}
        }
        Ok(())
    }

    /// Somebody publishes.
    fn notice(&mut self, publishers: &[Value]) {
        for publisher in publishers {
            let Some(feed) = publisher.get("id").and_then(Value::as_u64) else { continue };
            if self.feeds.len() >= MAX_FEEDS || !self.feeds.insert(feed) {
                continue;
            }
            let streams = publisher.get("streams").and_then(Value::as_array).into_iter().flatten();
            let media = streams.filter(|stream| stream.get("type").and_then(Value::as_str) != Some("data"));
            self.unwatched
                .extend(media.map(|stream| json!({ "feed": feed, "mid": stream.get("mid") })));
        }
        match self.seat {
            Seat::Empty if !self.unwatched.is_empty() => {
                self.seat = Seat::Asked;
                self.attach(Topic::Seat);
            }
            Seat::Ready(_) => self.watch(false),
            _ => {}
        }
    }

    /// Asks for what it does not watch yet, once the seat can be changed.
    fn watch(&mut self, is_first: bool) {
        let Seat::Ready(seat) = self.seat else { return };
        if self.unwatched.is_empty() {
            return;
        }
        let streams = std::mem::take(&mut self.unwatched);
        let body = if is_first {
            json!({ "request": "join", "ptype": "subscriber", "room": self.room, "autoupdate": false, "streams": streams })
        } else {
            json!({ "request": "update", "subscribe": streams })
        };
        self.seat = Seat::Negotiating(seat);
        self.ask(Topic::Watch, seat, &body, None);
    }

    fn attach(&mut self, topic: Topic) {
        self.say(topic, json!({ "janus": "attach", "plugin": PLUGIN }));
    }

    /// Asks the plugin behind a handle.
    fn ask(&mut self, topic: Topic, handle: u64, body: &Value, description: Option<&Value>) {
        let mut message = json!({ "janus": "message", "handle_id": handle, "body": body });
        if let Some(description) = description {
            message["jsep"] = description.clone();
        }
        self.say(topic, message);
    }

    fn say(&mut self, topic: Topic, mut message: Value) {
        message["transaction"] = topic.name().into();
        if let Some(session) = self.session {
            message["session_id"] = session.into();
        }
        self.texts.push_back(message.to_string());
    }
}

/// Ours hold all candidates already.
fn description(kind: &str, description: &SessionDescription) -> Value {
    json!({ "type": kind, "sdp": description.sdp, "trickle": false })
}

/// Code and words of the plugin's refusal.
fn refusal(message: &Value) -> Option<(u64, String)> {
    let data = message.pointer("/plugindata/data")?;
    let code = data.get("error_code").and_then(Value::as_u64)?;
    Some((code, data.get("error").and_then(Value::as_str).unwrap_or("refused").to_owned()))
}

/// Janus numbers rooms, unless told otherwise: the number of a name (FNV-1a), above 0.
fn number(room: &str) -> u32 {
    room.bytes()
        .fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
        .max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    /// What Janus 1.1.2 said, with shorter numbers and descriptions.
    const SESSION: &str = r#"{"janus":"success","transaction":"session","data":{"id":11}}"#;
    const STAGE: &str = r#"{"janus":"success","session_id":11,"transaction":"stage","data":{"id":21}}"#;
    const NOT_FIRST: &str = r#"{"janus":"success","session_id":11,"transaction":"room","sender":21,"plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"event","error_code":427,"error":"Room 2439848813 already exists"}}}"#;
    const ALONE: &str = r#"{"janus":"event","session_id":11,"transaction":"join","sender":21,"plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"joined","room":2439848813,"id":41,"private_id":1109446386,"publishers":[]}}}"#;
    const WITH_ONE: &str = r#"{"janus":"event","session_id":11,"transaction":"join","sender":21,"plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"joined","room":2439848813,"id":41,"private_id":1109446386,"publishers":[{"id":51,"display":"person-0","video_codec":"vp8","streams":[{"type":"data","mindex":0,"mid":"0"},{"type":"video","mindex":1,"mid":"cDM","codec":"vp8"}]}]}}}"#;
    const CONFIGURED: &str = r#"{"janus":"event","session_id":11,"transaction":"publish","sender":21,"plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"event","room":2439848813,"configured":"ok","video_codec":"vp8","streams":[{"type":"video","mindex":1,"mid":"tst","codec":"vp8"}]}},"jsep":{"type":"answer","sdp":"v=0 theirs"}}"#;
    const SOMEBODY_ELSE: &str = r#"{"janus":"event","session_id":11,"sender":21,"plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"event","room":2439848813,"publishers":[{"id":52,"display":"person-2","video_codec":"vp8","streams":[{"type":"video","mindex":1,"mid":"0QU","codec":"vp8"}]}]}}}"#;
    const SEAT: &str = r#"{"janus":"success","session_id":11,"transaction":"seat","data":{"id":31}}"#;
    const ATTACHED: &str = r#"{"janus":"event","session_id":11,"transaction":"watch","sender":31,"plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"attached","room":2439848813,"streams":[{"type":"video","active":true,"mindex":0,"mid":"0","feed_id":51,"feed_mid":"cDM","codec":"vp8"}]}},"jsep":{"type":"offer","sdp":"v=0 offered"}}"#;
    const STARTED: &str = r#"{"janus":"event","session_id":11,"transaction":"start","sender":31,"plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"event","room":2439848813,"started":"ok"}}}"#;
    const ACK: &str = r#"{"janus":"ack","session_id":11,"transaction":"watch"}"#;
    const UP: &str = r#"{"janus":"webrtcup","session_id":11,"sender":31}"#;

    /// A visitor with Janus in front of it.
    struct Scene(Visitor);

    impl Scene {
        fn enter(subscribes: bool) -> Self {
            Self(Visitor::enter("loadtest-webinar", "viewer-1", subscribes))
        }

        /// Until it is in the room.
        fn in_room(subscribes: bool, joined: &str) -> Self {
            let mut scene = Self::enter(subscribes);
            for text in [SESSION, STAGE, NOT_FIRST, joined] {
                scene.hear(text);
            }
            scene.said();
            assert!(matches!(scene.0.poll_message(), Some(told::Message::Join(_))));
            scene
        }

        fn hear(&mut self, text: &str) {
            self.0.handle_text(text).unwrap();
        }

        fn said(&mut self) -> Vec<Value> {
            let mut said = Vec::new();
            while let Some(text) = self.0.next_text() {
                said.push(serde_json::from_str(&text).unwrap());
                self.0.text_was_sent();
            }
            said
        }
    }

    fn answer(sdp: &str) -> ask::Message {
        ask::Message::Answer(SessionDescription {
            r#type: "answer".into(),
            sdp: sdp.into(),
            id: 1,
            ..Default::default()
        })
    }

    #[test]
    fn it_makes_the_room_or_finds_it_made_and_joins() {
        let mut scene = Scene::enter(true);
        assert_eq!(scene.said(), [json!({ "janus": "create", "transaction": "session" })]);
        scene.hear(SESSION);
        assert_eq!(scene.said()[0]["plugin"], PLUGIN);
        scene.hear(STAGE);
        let made = scene.said().remove(0);
        assert_eq!(
            (&made["session_id"], &made["handle_id"], &made["body"]["request"]),
            (&json!(11), &json!(21), &json!("create"))
        );
        scene.hear(NOT_FIRST);
        let joined = scene.said().remove(0);
        assert_eq!((&joined["body"]["request"], &joined["body"]["room"]), (&json!("join"), &made["body"]["room"]));
        assert_eq!(joined["body"]["display"], "viewer-1");
        assert!(scene.0.poll_message().is_none());
        scene.hear(ALONE);
        assert!(matches!(scene.0.poll_message(), Some(told::Message::Join(_))));
    }

    #[test]
    fn what_it_publishes_is_offered_and_answered() {
        let mut scene = Scene::in_room(false, ALONE);
        let offer = SessionDescription { r#type: "offer".into(), sdp: "v=0 ours".into(), id: 7, ..Default::default() };
        scene.0.handle_request(ask::Message::Offer(offer));
        let said = scene.said().remove(0);
        assert_eq!(said["body"]["request"], "publish");
        assert_eq!(said["jsep"], json!({ "type": "offer", "sdp": "v=0 ours", "trickle": false }));
        scene.hear(CONFIGURED);
        let Some(told::Message::Answer(answer)) = scene.0.poll_message() else { panic!("no answer") };
        assert_eq!((answer.sdp.as_str(), answer.id), ("v=0 theirs", 7));
        // It only sends: others are nothing to it.
        scene.hear(SOMEBODY_ELSE);
        assert!(scene.said().is_empty());
    }

    #[test]
    fn it_watches_who_is_there_and_who_comes_but_one_change_at_a_time() {
        let mut scene = Scene::in_room(true, ALONE);
        scene.hear(SOMEBODY_ELSE);
        assert_eq!(scene.said()[0]["janus"], "attach");
        scene.hear(SEAT);
        let watch = scene.said().remove(0);
        assert_eq!((&watch["handle_id"], &watch["body"]["ptype"]), (&json!(31), &json!("subscriber")));
        assert_eq!(watch["body"]["streams"], json!([{ "feed": 52, "mid": "0QU" }]));
        scene.hear(ACK);
        scene.hear(ATTACHED);
        let Some(told::Message::Offer(offer)) = scene.0.poll_message() else { panic!("no offer") };
        assert_eq!((offer.sdp.as_str(), offer.id), ("v=0 offered", 1));
        // Another comes while this is under way, and is mentioned twice.
        let another = SOMEBODY_ELSE.replace("52", "53");
        scene.hear(&another);
        scene.hear(&another);
        assert!(scene.said().is_empty());
        scene.0.handle_request(answer("v=0 fine"));
        assert_eq!(scene.said()[0]["body"]["request"], "start");
        scene.hear(UP);
        assert!(scene.said().is_empty());
        scene.hear(STARTED);
        let said = scene.said();
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0]["body"], json!({ "request": "update", "subscribe": [{ "feed": 53, "mid": "0QU" }] }));
        scene.hear(&ATTACHED.replace("attached", "updated"));
        let Some(told::Message::Offer(offer)) = scene.0.poll_message() else { panic!("no offer") };
        assert_eq!(offer.id, 2);
    }

    #[test]
    fn data_is_not_watched() {
        let mut scene = Scene::in_room(true, WITH_ONE);
        scene.hear(SEAT);
        let watch = scene.said().remove(0);
        assert_eq!(watch["body"]["streams"], json!([{ "feed": 51, "mid": "cDM" }]));
    }

    #[test]
    fn a_refusal_has_its_reason() {
        for (text, reason) in [
            (
                r#"{"janus":"error","transaction":"stage","error":{"code":460,"reason":"No such plugin"}}"#,
                "No such plugin",
            ),
            (r#"{"janus":"hangup","session_id":11,"sender":31,"reason":"ICE failed"}"#, "hang up: ICE failed"),
            (r#"{"janus":"timeout","session_id":11}"#, "the session timed out"),
            (&NOT_FIRST.replace("427", "429"), "Room 2439848813 already exists"),
        ] {
            let refused = Scene::enter(true).0.handle_text(text);
            assert_eq!(refused, Err(PeerError::Leave(reason.to_owned())));
        }
        assert_eq!(Scene::enter(true).0.handle_text("not JSON"), Err(PeerError::Closed));
    }

    #[test]
    fn rooms_have_numbers_of_their_own() {
        assert_eq!(number("loadtest-1-webinar"), number("loadtest-1-webinar"));
        assert_ne!(number("loadtest-1-webinar"), number("loadtest-2-webinar"));
    }

    proptest! {
        #[test]
        fn nothing_a_server_says_in_any_order_makes_it_panic_or_speak_without_end(
            order in proptest::collection::vec(0_usize..11, 0..60),
        ) {
            let texts = [SESSION, STAGE, NOT_FIRST, ALONE, WITH_ONE, CONFIGURED, SOMEBODY_ELSE, SEAT, ATTACHED, STARTED, UP];
            let mut scene = Scene::enter(true);
            for index in &order {
                let _ = scene.0.handle_text(texts[*index]);
            }
            prop_assert!(scene.said().len() <= 1 + 2 * order.len());
        }
    }
}
