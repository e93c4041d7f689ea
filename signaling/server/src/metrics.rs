//! What the signaling side counts. Names begin with `sluice_`; labels come from fixed lists, never from
//! peers.

use livekit_protocol::{signal_request, signal_response};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// The counters.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) rooms: IntGauge,
    pub(crate) participants: IntGauge,
    pub(crate) http_connections: IntGauge,
    pub(crate) signal_connections: IntGauge,
    /// By door (`v0`, `v1`) and result (`joined`, `resumed`, `refused`, `unauthorized`, `bad_request`).
    pub(crate) joins: IntCounterVec,
    /// By direction (`in`, `out`) and kind of message.
    pub(crate) signal_messages: IntCounterVec,
    /// Signal connections the server ended, by reason.
    pub(crate) signal_closed: IntCounterVec,
    /// Data packets by direction (`in`, `out`).
    pub(crate) data_packets: IntCounterVec,
    /// Entries of room logs, by kind.
    pub(crate) room_events: IntCounterVec,
    /// Events written to the store.
    pub(crate) events_written: IntCounter,
    /// Events that are not in the store, for want of a place in the queue or because it did not take them.
    pub(crate) events_lost: IntCounter,
    /// Quality samples that are not in the store.
    pub(crate) samples_lost: IntCounter,
    /// Answers of the API that were withheld since the log did not have what they acknowledge.
    pub(crate) answers_unwritten: IntCounter,
    /// Posts of webhooks, by result (`delivered`, `refused`, `failed`), and webhooks given up (`dropped`).
    pub(crate) webhooks: IntCounterVec,
    /// Webhooks owed, as last counted.
    pub(crate) webhooks_owed: IntGauge,
    /// Media events a room's queue had no place for.
    pub(crate) media_events_dropped: IntCounter,
    /// Subscriptions as last surveyed, by kind (`audio`, `video`) and what limits them (see `room::explain`).
    pub(crate) subscriptions: IntGaugeVec,
    /// Explanations the media plane was asked for and did not give in time.
    pub(crate) explanations_missed: IntCounter,
    /// Native API requests by route and status class.
    pub(crate) api_requests: IntCounterVec,
    /// Requests refused since they came too often, by kind (`join`, `api`) and what was used up (`address`, `key`,
    /// `failed_tokens`).
    pub(crate) rate_limited: IntCounterVec,
    /// Requests of web pages whose origin is not allowed.
    pub(crate) origins_refused: IntCounter,
    /// Attempts to sign in, by way (`password`, `provider`, `registration`) and result (`signed_in`, `refused`).
    pub(crate) sign_ins: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone())).map(|()| counter)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone())).map(|()| counters)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauges.clone())).map(|()| gauges)
        };
        Ok(Self {
            rooms: gauge("sluice_rooms", "Rooms open now")?,
            participants: gauge("sluice_participants", "Participants in rooms now")?,
            http_connections: gauge("sluice_http_connections", "TCP connections that speak HTTP now")?,
            signal_connections: gauge("sluice_signal_connections", "Signal WebSockets open now")?,
            joins: counters("sluice_joins_total", "Attempts to enter a room", &["door", "result"])?,
            signal_messages: counters("sluice_signal_messages_total", "Signal messages", &["direction", "kind"])?,
            signal_closed: counters("sluice_signal_closed_total", "Signal connections the server ended", &["reason"])?,
            data_packets: counters("sluice_data_packets_total", "Data packets relayed", &["direction"])?,
            room_events: counters("sluice_room_events_total", "Entries of room logs", &["kind"])?,
            events_written: counter("sluice_events_written_total", "Events written to storage")?,
            events_lost: counter("sluice_events_lost_total", "Events that storage never took")?,
            samples_lost: counter(
                "sluice_quality_samples_lost_total",
                "Quality samples that storage did not take or there was no place for",
            )?,
            answers_unwritten: counter(
                "sluice_answers_unwritten_total",
                "API answers withheld since storage did not take their events in time",
            )?,
            webhooks: counters("sluice_webhooks_total", "Webhooks by what became of them", &["result"])?,
            webhooks_owed: gauge("sluice_webhooks_owed", "Webhooks that are owed, as counted every minute")?,
            media_events_dropped: counter(
                "sluice_media_events_dropped_total",
                "Media events that a room's queue had no place for",
            )?,
            subscriptions: gauges(
                "sluice_subscriptions_by_reason",
                "Subscriptions by what limits them, as last surveyed",
                &["kind", "reason"],
            )?,
            explanations_missed: counter(
                "sluice_explanations_missed_total",
                "Explanations that the media plane did not give in time",
            )?,
            api_requests: counters("sluice_api_requests_total", "HTTP requests by status class", &["status"])?,
            rate_limited: counters(
                "sluice_rate_limited_total",
                "Requests refused since they came too often",
                &["kind", "bound"],
            )?,
            origins_refused: counter(
                "sluice_origins_refused_total",
                "Requests of web pages whose origin is not allowed",
            )?,
            sign_ins: counters(
                "sluice_sign_ins_total",
                "Attempts to sign in to an account, by way and result",
                &["way", "result"],
            )?,
        })
    }
}

/// Name of a request for the label `kind`.
pub(crate) fn request_kind(message: &signal_request::Message) -> &'static str {
    use signal_request::Message;
    match message {
        Message::Offer(_) => "offer",
        Message::Answer(_) => "answer",
        Message::Trickle(_) => "trickle",
        Message::AddTrack(_) => "add_track",
        Message::Mute(_) => "mute",
        Message::Subscription(_) => "subscription",
        Message::TrackSetting(_) => "track_setting",
        Message::Leave(_) => "leave",
        Message::SubscriptionPermission(_) => "subscription_permission",
        Message::SyncState(_) => "sync_state",
        Message::Simulate(_) => "simulate",
        Message::Ping(_) | Message::PingReq(_) => "ping",
        Message::UpdateMetadata(_) => "update_metadata",
        _ => "other",
    }
}

/// Name of a response for the label `kind`.
pub(crate) fn response_kind(message: &signal_response::Message) -> &'static str {
    use signal_response::Message;
    match message {
        Message::Join(_) => "join",
        Message::Reconnect(_) => "reconnect",
        Message::Answer(_) => "answer",
        Message::Offer(_) => "offer",
        Message::Update(_) => "update",
        Message::TrackPublished(_) => "track_published",
        Message::Leave(_) => "leave",
        Message::SpeakersChanged(_) => "speakers_changed",
        Message::ConnectionQuality(_) => "connection_quality",
        Message::RefreshToken(_) => "refresh_token",
        Message::Pong(_) | Message::PongResp(_) => "pong",
        Message::MediaSectionsRequirement(_) => "media_sections_requirement",
        Message::RequestResponse(_) => "request_response",
        Message::SubscribedQualityUpdate(_) => "subscribed_quality_update",
        Message::StreamStateUpdate(_) => "stream_state_update",
        Message::SubscriptionResponse(_) => "subscription_response",
        _ => "other",
    }
}
