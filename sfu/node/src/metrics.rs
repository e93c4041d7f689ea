//! The media plane's figures for Prometheus: workers show what they counted, a few times a second.

use prometheus::{IntCounter, IntGauge, Registry};
use sluice_core::WorkerStats;
use sluice_net::{LobbyStats, NetStats, TcpStats};

use crate::links::LinkStats;
use crate::strays::StrayStats;
use crate::taps::TapStats;

/// What a worker showed last; the difference is what it adds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Published {
    pub(crate) worker: WorkerStats,
    pub(crate) net: NetStats,
    pub(crate) tcp: TcpStats,
    pub(crate) links: LinkStats,
    pub(crate) strays: StrayStats,
    pub(crate) taps: TapStats,
}

type Read = fn(&Published) -> u64;

#[derive(Clone)]
pub(crate) struct MediaMetrics {
    counters: Vec<(IntCounter, Read)>,
    gauges: Vec<(IntGauge, Read)>,
    pub(crate) events_lost: IntCounter,
}

impl MediaMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counters: [(&str, &str, Read); 38] = [
            ("sluice_datagrams_received_total", "UDP datagrams received.", |p| p.net.received),
            ("sluice_datagram_bytes_received_total", "Bytes in UDP datagrams received.", |p| p.net.received_bytes),
            ("sluice_datagrams_sent_total", "UDP datagrams sent.", |p| p.net.sent),
            ("sluice_datagram_bytes_sent_total", "Bytes in UDP datagrams sent.", |p| p.net.sent_bytes),
            ("sluice_datagrams_unsent_full_total", "UDP datagrams dropped, the kernel had no room.", |p| {
                p.net.send_full
            }),
            ("sluice_datagrams_unsent_too_long_total", "UDP datagrams dropped, longer than their path takes.", |p| {
                p.net.send_too_long
            }),
            ("sluice_datagrams_unsent_forbidden_total", "UDP datagrams a firewall forbade.", |p| p.net.send_forbidden),
            ("sluice_datagrams_unsent_unreachable_total", "UDP datagrams to where no way leads.", |p| {
                p.net.send_unreachable
            }),
            ("sluice_datagrams_unsent_refused_total", "UDP datagrams the kernel refused for another reason.", |p| {
                p.net.send_refused
            }),
            ("sluice_datagram_trains_sent_total", "Messages the kernel cut into several datagrams.", |p| p.net.trains),
            ("sluice_datagram_trains_refused_total", "Messages the kernel would not cut.", |p| p.net.trains_refused),
            ("sluice_receive_calls_total", "Calls of the kernel to receive datagrams.", |p| p.net.receive_calls),
            ("sluice_send_calls_total", "Calls of the kernel to send datagrams.", |p| p.net.send_calls),
            ("sluice_datagrams_refused_total", "Datagrams no connection took: unknown, wrong or forged.", |p| {
                p.worker.datagrams_refused.saturating_sub(p.strays.handed_on + p.strays.dropped)
            }),
            ("sluice_datagrams_handed_on_total", "UDP datagrams that came to another worker than theirs.", |p| {
                p.strays.handed_on
            }),
            ("sluice_datagrams_handed_on_dropped_total", "Of these, dropped: their worker does not keep up.", |p| {
                p.strays.dropped
            }),
            ("sluice_tcp_frames_received_total", "Datagrams received over TCP.", |p| p.tcp.received),
            ("sluice_tcp_bytes_received_total", "Bytes in datagrams received over TCP.", |p| p.tcp.received_bytes),
            ("sluice_tcp_frames_sent_total", "Datagrams sent over TCP.", |p| p.tcp.sent),
            ("sluice_tcp_bytes_sent_total", "Bytes in datagrams sent over TCP.", |p| p.tcp.sent_bytes),
            ("sluice_tcp_frames_dropped_total", "Datagrams dropped: their TCP connection is slow, or closed.", |p| {
                p.tcp.dropped + p.tcp.unsent_closed
            }),
            ("sluice_tcp_connections_unclaimed_total", "TCP connections closed for no check of theirs held.", |p| {
                p.tcp.unclaimed
            }),
            ("sluice_packets_policed_total", "Media packets of publishers that sent more than they may.", |p| {
                p.worker.packets_policed
            }),
            ("sluice_packets_received_total", "Media packets received and decrypted.", |p| p.worker.packets_received),
            ("sluice_packets_forwarded_total", "Media packets handed to subscribers.", |p| p.worker.packets_forwarded),
            ("sluice_packets_relayed_total", "Media packets handed to other workers.", |p| p.worker.packets_relayed),
            ("sluice_packets_mirrored_total", "Media packets other workers handed over.", |p| {
                p.worker.packets_mirrored
            }),
            ("sluice_packets_relay_dropped_total", "Media packets another worker had no room for.", |p| {
                p.links.dropped
            }),
            ("sluice_tap_packets_total", "Media packets taps gave.", |p| p.worker.packets_tapped),
            ("sluice_tap_dropped_total", "Of these, dropped: whoever takes them does not keep up.", |p| p.taps.dropped),
            ("sluice_media_bytes_sent_total", "Bytes in media datagrams, repairs and padding included.", |p| {
                p.worker.bytes_sent
            }),
            ("sluice_packets_nacked_total", "Packets receivers asked for again.", |p| p.worker.packets_nacked),
            ("sluice_packets_repaired_total", "Packets sent again.", |p| p.worker.packets_repaired),
            ("sluice_packets_padded_total", "Packets of padding sent to find room on a link.", |p| {
                p.worker.packets_padded
            }),
            ("sluice_packets_expired_total", "Packets that waited too long for a link.", |p| p.worker.packets_expired),
            ("sluice_keyframe_requests_total", "Key frames asked of publishers.", |p| p.worker.keyframe_requests),
            ("sluice_contained_panics_total", "Bugs that ended one participant.", |p| p.worker.contained_panics),
            ("sluice_data_messages_dropped_total", "Lossy data messages a receiver had no room for.", |p| {
                p.worker.data_dropped
            }),
        ];
        let gauges: [(&str, &str, Read); 6] = [
            ("sluice_transports", "Peer connections.", |p| p.worker.transports),
            ("sluice_tcp_connections", "TCP connections that carry media.", |p| p.tcp.connections),
            ("sluice_tracks", "Published tracks.", |p| p.worker.tracks),
            ("sluice_mirrors", "Tracks that workers know from other workers.", |p| p.worker.mirrors),
            ("sluice_subscriptions", "Subscriptions.", |p| p.worker.subscriptions),
            ("sluice_taps", "Taps.", |p| p.worker.taps),
        ];
        Ok(Self {
            counters: counters
                .into_iter()
                .map(|(name, help, read)| Ok((counter(name, help)?, read)))
                .collect::<Result<_, prometheus::Error>>()?,
            gauges: gauges
                .into_iter()
                .map(|(name, help, read)| Ok((gauge(name, help)?, read)))
                .collect::<Result<_, prometheus::Error>>()?,
            events_lost: counter("sluice_worker_events_lost_total", "Worker reports a room had no room for.")?,
        })
    }

    /// Adds what a worker counted since `before`; returns what it has shown now. Workers share the metrics.
    pub(crate) fn publish(&self, before: &Published, after: Published) -> Published {
        for (counter, read) in &self.counters {
            counter.inc_by(read(&after).saturating_sub(read(before)));
        }
        for (gauge, read) in &self.gauges {
            let change = |p| i64::try_from(read(p)).unwrap_or(i64::MAX);
            gauge.add(change(&after) - change(before));
        }
        after
    }

    /// A worker is no more: what it counted stays, what it had does not.
    pub(crate) fn withdraw(&self, before: &Published) {
        self.publish(before, Published::default());
    }
}

/// What the caretaker counts.
#[derive(Clone)]
pub(crate) struct CareMetrics {
    pub(crate) lost: IntGauge,
    pub(crate) steered: IntCounter,
}

impl CareMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            lost: IntGauge::new("sluice_workers_lost", "Workers found stuck or gone, and given up.")?,
            steered: IntCounter::new(
                "sluice_steering_updates_total",
                "Times the kernel was told which worker's clients are where.",
            )?,
        };
        registry.register(Box::new(metrics.lost.clone()))?;
        registry.register(Box::new(metrics.steered.clone()))?;
        Ok(metrics)
    }
}

/// What the reception counts.
#[derive(Clone)]
pub(crate) struct ReceptionMetrics {
    accepted: IntCounter,
    silent: IntCounter,
    refused: IntCounter,
    waiting: IntGauge,
}

impl ReceptionMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            accepted: IntCounter::new("sluice_tcp_connections_accepted_total", "TCP connections that came for media.")?,
            silent: IntCounter::new(
                "sluice_tcp_connections_silent_total",
                "Of these, closed: they said nothing in time, or too many of them waited.",
            )?,
            refused: IntCounter::new(
                "sluice_tcp_connections_refused_total",
                "Of these, closed: what they said first names no worker of this node.",
            )?,
            waiting: IntGauge::new("sluice_tcp_connections_waiting", "TCP connections that have said nothing yet.")?,
        };
        registry.register(Box::new(metrics.accepted.clone()))?;
        registry.register(Box::new(metrics.silent.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        Ok(metrics)
    }

    /// Adds what was counted in between.
    pub(crate) fn publish(&self, before: &LobbyStats, after: &LobbyStats, nobodys: u64) {
        self.accepted.inc_by(after.accepted.saturating_sub(before.accepted));
        self.silent.inc_by(after.silent.saturating_sub(before.silent));
        self.refused.inc_by(after.broken.saturating_sub(before.broken) + nobodys);
        self.waiting.set(i64::try_from(after.waiting).unwrap_or(i64::MAX));
    }
}
