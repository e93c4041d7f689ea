//! The rows: what is sent, and what has to come of it. Data; `plays.rs` carries it out.
//!
//! Layers: A tokens and API, S signaling, W web, O operations, U datagrams, R recordings.

use super::afterwards::{self, Own};
use super::grounds::Grounds;
use super::plays::{self, Outcome};
use super::wire::Target;
use super::{media, operations, passes, receivers, recordings, rooms};

/// One kind of hostile input.
pub(crate) struct Row {
    /// Its layer and name.
    pub(crate) id: &'static str,
    pub(crate) input: &'static str,
    pub(crate) play: Play,
}

/// How it is played and judged.
pub(crate) enum Play {
    /// Tokens with these claims are refused with 401. `@N` is N seconds from now.
    Claims(&'static [&'static str]),
    /// Requests with their answers.
    Requests(&'static [Request]),
    /// Text frames on a joined connection, of which the server may think what it likes, as long as it serves others and this
    /// connection is served on or closed with a code.
    Texts(&'static [Text]),
    /// Datagrams that nobody answers.
    Silence(&'static [Text]),
    /// Something of its own.
    Own(fn(&Target) -> anyhow::Result<Outcome>),
    /// Something of its own, against a server that is started for it.
    Alone(fn(&Grounds) -> anyhow::Result<Outcome>),
    /// What all before it left behind, on a server of this command's own.
    After(fn(&Own<'_>) -> anyhow::Result<Outcome>),
    /// By tests that see more than a stranger does: their files and names.
    Elsewhere(&'static [(&'static str, &'static str)]),
    /// What there is not yet, and so cannot be attacked.
    Missing(&'static str),
    /// Why nobody plays it.
    NotPlayed(&'static str),
}

/// A request, and the statuses that are right. A token of an honest participant takes the place of `{token}`.
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: &'static str,
    pub(crate) statuses: &'static [u16],
}

/// Text, with something in its middle many times over.
pub(crate) struct Text {
    pub(crate) before: &'static str,
    pub(crate) repeated: &'static str,
    pub(crate) times: usize,
    pub(crate) after: &'static str,
}

const fn text(before: &'static str, repeated: &'static str, times: usize, after: &'static str) -> Text {
    Text { before, repeated, times, after }
}

const fn plain(text: &'static str) -> Text {
    Text { before: text, repeated: "", times: 0, after: "" }
}

const fn get(path: &'static str, statuses: &'static [u16]) -> Request {
    Request { method: "GET", path, headers: &[], body: "", statuses }
}

const fn post(
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    statuses: &'static [u16],
) -> Request {
    Request { method: "POST", path, headers, body, statuses }
}

pub(super) const fn row(id: &'static str, input: &'static str, play: Play) -> Row {
    Row { id, input, play }
}

const PARTICIPANT: &[(&str, &str)] = &[("Content-Type", "application/json"), ("Authorization", "Bearer {token}")];
const SDP: &str = r#"{"offer":{"type":"offer","sdp":"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"#;

/// All that are played from here, those that use up a bound of everybody last.
pub(crate) const ROWS: &[Row] = &[
    row(
        "A-times",
        "tokens whose exp, nbf or iat is missing, early, late, or no time",
        Play::Claims(&[
            r#""nbf":0"#,
            r#""exp":"@600""#,
            r#""exp":@600.5"#,
            r#""exp":1e308"#,
            r#""exp":-1"#,
            r#""exp":253402300799"#,
            r#""exp":@-600"#,
            r#""exp":@600,"nbf":@300"#,
            r#""exp":@600,"iat":@300"#,
        ]),
    ),
    row(
        "A-algorithm",
        "alg none, another algorithm, another secret, critical extensions",
        Play::Own(plays::algorithms),
    ),
    row("A-large-token", "tokens of 9 KB and of 1 MB", Play::Own(plays::large_tokens)),
    row("A-query", "a token in the query: it must not travel on", Play::Own(plays::token_in_query)),
    row("A-body", "bodies of 1 GB, in chunks without end, compressed, of another type", Play::Own(plays::bodies)),
    row("A-origin", "WebSockets and requests of pages of other origins, with a cookie", Play::Own(plays::origins)),
    row("A-cors", "preflights of evil, null, and good.example.evil", Play::Own(plays::preflights)),
    row(
        "A-metrics",
        "metrics, profiles and details from outside",
        Play::Requests(&[
            get("/metrics", &[404]),
            get("/debug/pprof/", &[404]),
            get("/debug/vars", &[404]),
            get("/.env", &[404]),
            get("/%2e%2e/%2e%2e/etc/passwd", &[404]),
            get("/assets/..%2f..%2fCargo.toml", &[404]),
        ]),
    ),
    row(
        "A-grants",
        "a participant's token at the server API",
        Play::Requests(&[
            post("/twirp/livekit.RoomService/ListRooms", PARTICIPANT, "{}", &[401]),
            post("/twirp/livekit.RoomService/DeleteRoom", PARTICIPANT, r#"{"room":"honest"}"#, &[401]),
            post(
                "/twirp/livekit.RoomService/RemoveParticipant",
                PARTICIPANT,
                r#"{"room":"honest","identity":"ada"}"#,
                &[401],
            ),
        ]),
    ),
    row(
        "A-secret",
        "secrets that are short or well known, and keys without HTTPS: it does not start",
        Play::Alone(operations::guessed_secrets),
    ),
    row("A-idempotency", "a request a hundred times, and another under its key", Play::Own(rooms::replays)),
    row(
        "A-webhook",
        "webhooks towards private addresses, by a redirect, to who never answers or never ends",
        Play::Alone(receivers::webhooks),
    ),
    row("S-deflate", "a WebSocket that asks for compression", Play::Own(plays::compression)),
    row("S-silent", "a hundred connections that say nothing", Play::Own(plays::silent_connections)),
    row("S-slow-body", "a body that does not come", Play::Own(plays::slow_body)),
    row("S-slow-answers", "requests on and on, and no answer read", Play::Own(plays::unread_answers)),
    row("S-slow-reader", "a WebSocket that is never read", Play::Own(plays::slow_reader)),
    row("S-heads", "500 headers, headers of 16 KB, a URL of 200 KB, HTTP/2", Play::Own(plays::heads)),
    row(
        "S-json",
        "depth, many keys, doubled keys, numbers that are none, lone surrogates, NUL, BOM",
        Play::Texts(&[
            text("", "[", 10_000, ""),
            text("", r#"{"offer":"#, 10_000, ""),
            text(r#"{"a":0"#, r#","k":1"#, 60_000, "}"),
            plain(r#"{"ping":"1","ping":"2"}"#),
            plain(r#"{"ping":1e999}"#),
            plain(r#"{"ping":NaN}"#),
            plain(r#"{"updateMetadata":{"name":"\ud800"}}"#),
            plain(r#"{"updateMetadata":{"name":"\u0000"}}"#),
            plain("\u{feff}{\"ping\":\"1\"}"),
            plain("\0"),
            plain(""),
        ]),
    ),
    row("S-nonsense", "twenty messages nobody understands", Play::Own(plays::nonsense)),
    row("S-utf8", "a text frame that is no text, a frame of a kind there is not", Play::Own(plays::broken_frames)),
    row("S-flood", "five thousand messages at once", Play::Own(plays::flood)),
    row("S-message", "a message of 16 MB", Play::Own(plays::large_message)),
    row(
        "S-sdp",
        "descriptions of 1 MB, 500 sections, 10,000 attributes, one long line, strange payload types, NUL",
        Play::Texts(&[
            text(SDP, r"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", 500, r#""}}"#),
            text(SDP, r"a=x\r\n", 10_000, r#""}}"#),
            text(SDP, "a", 60_000, r#""}}"#),
            text(SDP, r"m=video 9 UDP/TLS/RTP/SAVPF 128 999 4294967296 -1\r\na=mid:0\r\n", 1, r#""}}"#),
            text(SDP, r"a=fingerprint:md5 00:11\r\na=fingerprint:sha-1 00\r\n", 1, r#""}}"#),
            text(SDP, r"\u0000", 5, r#""}}"#),
            text(SDP, "", 0, "m=audio\"}}"),
            plain(r#"{"answer":{"type":"answer","sdp":"v=0"}}"#),
            text(r#"{"offer":{"type":"offer","sdp":""#, "x", 400_000, r#""}}"#),
        ]),
    ),
    row(
        "S-state",
        "an answer before an offer, tracks and candidates of nobody",
        Play::Texts(&[
            plain(r#"{"answer":{"type":"answer","sdp":"v=0\r\n"}}"#),
            plain(
                r#"{"trickle":{"candidateInit":"{\"candidate\":\"candidate:1 1 udp 1 169.254.169.254 80 typ host\"}"}}"#,
            ),
            plain(r#"{"trickle":{"candidateInit":"{","target":"SUBSCRIBER"}}"#),
            plain(r#"{"mute":{"sid":"TR_other","muted":true}}"#),
            plain(r#"{"subscription":{"trackSids":["TR_other"],"subscribe":true}}"#),
            plain(r#"{"trackSetting":{"trackSids":["TR_other"],"width":4294967295,"fps":4294967295}}"#),
            plain(r#"{"syncState":{}}"#),
            plain(r#"{"simulate":{"speakerUpdate":100000}}"#),
        ]),
    ),
    row("S-tracks", "a thousand tracks announced", Play::Own(plays::tracks)),
    row("S-toggle", "a subscription changed five hundred times", Play::Own(plays::toggle)),
    row("S-name", "names with controls, right-to-left marks, markup, or 1000 letters", Play::Own(plays::names)),
    row("S-metadata", "metadata of 100 KB, a thousand attributes", Play::Own(plays::metadata)),
    row("S-takeover", "the same identity twice", Play::Own(plays::takeover)),
    row("S-strangers-room", "another room's insides with one's own token", Play::Own(plays::strangers_room)),
    row("S-steering", "what hosts do, by a participant and by another room's host", Play::Own(rooms::steering)),
    row("S-kept-out", "somebody kept out, with the old token and under other names", Play::Own(rooms::kept_out)),
    row("S-guesses", "passwords, host keys and tickets guessed", Play::Own(rooms::guesses)),
    row("S-crowd", "hundreds in front of one lobby", Play::Own(rooms::crowd)),
    row("S-room-names", "room names that are empty, long, or have controls", Play::Own(plays::room_names)),
    row("S-candidates", "candidates towards this machine, and by the thousand", Play::Own(media::candidates)),
    row("W-frames", "the page in a frame; cameras for frames", Play::Own(plays::frames)),
    row(
        "W-links",
        "redirects elsewhere, markup in a link",
        Play::Requests(&[
            get("/r/x?next=//evil.example", &[200]),
            get("//evil.example/%2f..", &[404]),
            get("/?name=<svg/onload=alert(1)>", &[200, 400]),
        ]),
    ),
    row("O-herd", "two hundred people who come back at once", Play::Own(plays::herd)),
    row("O-clock", "the clock jumps, an hour forth, two back, and a second", Play::Alone(operations::jumping_clock)),
    row("O-descriptors", "256 descriptors and 400 connections", Play::Alone(operations::few_descriptors)),
    row("O-audit", "an audit trail that was changed", Play::Alone(operations::changed_trails)),
    row("U-short", "datagrams of nothing, and of one byte", Play::Silence(&[plain(""), plain("\0"), plain("\u{1}")])),
    row("U-random", "datagrams of any bytes", Play::Own(plays::random_datagrams)),
    row("U-large", "a datagram of 65,507 bytes", Play::Silence(&[text("", "x", 65_507, "")])),
    row(
        "U-stun",
        "checks that are cut off, an indication, users nobody knows",
        Play::Silence(&[
            plain("\0\u{1}\0\0\u{21}\u{12}"),
            plain("\0\u{1}\0\0!\u{12}$B12345678901"),
            plain("\0\u{11}\0\0!\u{12}$B123456789012"),
            plain("\0\u{1}\0\0!\u{12}$B123456789012"),
            plain("\0\u{1}\0\u{c}!\u{12}$B123456789012\0\u{6}\0\u{8}nobo:dyX"),
        ]),
    ),
    row("U-checks", "good checks from anywhere: no more comes back than is sent", Play::Own(media::checks)),
    row("U-hello", "handshakes of nobody, with a null cipher and a good one", Play::Own(media::hellos)),
    row("U-pieces", "pieces of handshakes that overlap, lie, and never become whole", Play::Alone(media::pieces)),
    row("U-restarts", "two hundred restarts of ICE", Play::Own(media::restarts)),
    row("U-tcp", "frames over TCP that lie, and 500 connections that say nothing", Play::Alone(media::frames)),
    row(
        "R-names",
        "names of recordings, playlists, rooms and identities that lead elsewhere, end early, mean devices, or are long",
        Play::Alone(recordings::names),
    ),
    row("R-secrets", "keys of buckets and streams in requests to record", Play::Alone(recordings::secrets)),
    row(
        "R-others",
        "recordings begun, listed, stopped and fetched by whom they are not for",
        Play::Alone(recordings::others),
    ),
    row(
        "R-passes",
        "addresses of files that were altered, are another's, or whose time is over",
        Play::Alone(passes::passes),
    ),
    row("S-rooms", "rooms by the hundred", Play::Own(plays::many_rooms)),
    row("A-flood", "wrong tokens by the hundred", Play::Own(plays::wrong_tokens)),
    row("A-often", "requests by the thousand", Play::Own(plays::many_requests)),
    row("O-held", "all of this: what the server still holds of it", Play::After(afterwards::held)),
    row("O-log", "all of this: no secret and nobody's words are in the log", Play::After(afterwards::logged)),
];
