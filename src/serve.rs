//! `sluice serve`: starts the media plane and the doors from one configuration, and waits for the end.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sluice_config::{Config, FfmpegPath, RecordingsPath};
use sluice_loadtest::guests;
use sluice_node::{Node, NodeConfig, NodeError};
use sluice_server::{
    FfmpegAt, Limits, Rates, RecordingsConfig, RoomDefaults, S3Settings, Server, ServerConfig, Timeouts, Webhook,
};
use sluice_store::Retention;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::shutdown::Shutdown;
use crate::storage::Storage;
use crate::trail::TrailFile;
use crate::{addresses, logging, people, tls};

/// Runs until a signal ends it. `guests` keep people company in every room.
pub(crate) fn run(config: Config, guests: u8) -> anyhow::Result<()> {
    logging::init(&config.log)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime's threads")?
        .block_on(serve(config, guests))
}

async fn serve(config: Config, guests: u8) -> anyhow::Result<()> {
    let tls = config.http.tls.pair().map(|(cert, key)| tls::from_files(cert, key)).transpose()?;
    let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
    let listeners = bind(&config, &config.http.listen).await?;
    let admin_listeners = bind(&config, &config.http.admin_listen).await?;
    let url = url_to_open(&config, &listeners)?;

    let company = company(&config, &listeners, guests)?;

    if config.http.behind_proxy && config.http.trusted_proxies.is_empty() {
        tracing::warn!("`http.trusted_proxies` is empty: nobody is bounded by address, since all come from the proxy");
    }
    let registry = prometheus::Registry::new();
    let node = start_node(&config, &listeners, &registry)?;
    let mut storage = Storage::open(&config.storage.url).await?;
    let taken_away = tokio::spawn({
        let (lost, shutdown) = (storage.lost(), shutdown.clone());
        async move {
            lost.await;
            shutdown.request();
        }
    });
    let (trail_file, trail) = TrailFile::open(&config.audit.path)?;
    // Goes with this value, and all that is in it.
    let temporary = match config.recordings.path {
        RecordingsPath::Temporary => {
            Some(tempfile::tempdir().context("cannot make a directory for temporary recordings")?)
        }
        _ => None,
    };
    let mut settings = server_config(config)?;
    if let Some(folder) = &temporary {
        settings.recordings.folder = Some(folder.path().to_owned());
    }
    let server = Server::start(settings, storage.store.clone(), trail, node, registry).await?;
    let server = Arc::new(server);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready: open {url}");

    if let Some(server) = company {
        let until = shutdown.clone().requested();
        tokio::spawn(async move {
            if let Err(error) = guests::keep_company(server, usize::from(guests), until).await {
                tracing::warn!(%error, "no guests");
            }
        });
    }
    let mut doors = JoinSet::new();
    for listener in listeners {
        let (server, tls, shutdown) = (server.clone(), tls.clone(), shutdown.clone());
        doors.spawn(async move { server.serve(listener, tls, shutdown.requested()).await });
    }
    for listener in admin_listeners {
        let (server, tls, shutdown) = (server.clone(), tls.clone(), shutdown.clone());
        doors.spawn(async move { server.serve_admin(listener, tls, shutdown.requested()).await });
    }
    // One listener that fails takes the others along: half a server looks alive to nobody's benefit.
    let mut outcome = Ok(());
    while let Some(ended) = doors.join_next().await {
        shutdown.request();
        outcome = outcome.and(ended.context("a bug ended a listener").and_then(|served| Ok(served?)));
    }
    // The listeners' tasks are over, and with them all other owners.
    let closed = match Arc::into_inner(server) {
        Some(server) => {
            server.close().await;
            true
        }
        None => false,
    };
    storage.close().await;
    if taken_away.is_finished() {
        outcome = outcome.and_then(|()| bail!("another server uses the storage (`storage.url`)"));
    }
    if closed {
        trail_file.close();
    }
    tracing::info!("stopped");
    outcome
}

async fn bind(config: &Config, addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for &address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if is_spare(config, address, &error) && !listeners.is_empty() => {
                tracing::debug!(%address, %error, "not listening");
            }
            Err(error) => {
                let advice = match error.kind() {
                    ErrorKind::AddrInUse => {
                        "\n  another program listens there: stop it, or choose another port with --listen"
                    }
                    ErrorKind::PermissionDenied => {
                        "\n  ports below 1024 need a privilege: choose another with --listen"
                    }
                    ErrorKind::AddrNotAvailable => "\n  this machine has no such address: choose another with --listen",
                    _ => "",
                };
                bail!("cannot listen on {address}: {error}{advice}");
            }
        }
    }
    Ok(listeners)
}

/// Machines without IPv6 are common, and development mode listens on `::1` unasked.
fn is_spare(config: &Config, address: SocketAddr, error: &std::io::Error) -> bool {
    config.dev && address.ip() == Ipv6Addr::LOCALHOST && error.kind() != ErrorKind::AddrInUse
}

/// This server as guests see it, when there shall be any.
fn company(config: &Config, listeners: &[TcpListener], guests: u8) -> anyhow::Result<Option<sluice_loadtest::Server>> {
    let (Some(listener), Some((key, secret)), 1..) = (listeners.first(), config.keys.iter().next(), guests) else {
        return Ok(None);
    };
    let scheme = if config.http.tls.pair().is_some() { "https" } else { "http" };
    // Development mode listens on loopback only, and a certificate there is for its name.
    let url = format!("{scheme}://localhost:{}", listener.local_addr()?.port());
    let ca = config.http.tls.pair().map(|(cert, _)| cert.as_path());
    Ok(Some(sluice_loadtest::Server::new(&url, key, secret.reveal(), ca).context("guests cannot join")?))
}

/// The address to type into a browser.
fn url_to_open(config: &Config, listeners: &[TcpListener]) -> anyhow::Result<String> {
    if let Some(url) = &config.http.public_url {
        // `ws` and `wss` are `http` and `https` by another name.
        return Ok(url.as_str().replacen("ws", "http", usize::from(url.as_str().starts_with("ws"))));
    }
    let first = listeners.first().context("no address to listen on")?.local_addr()?;
    let scheme = if config.http.tls.pair().is_some() { "https" } else { "http" };
    let host = match first.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    Ok(format!("{scheme}://{host}:{}", first.port()))
}

/// In development mode another server may have the TCP port: few need it on one machine, and UDP is there.
fn start_node(config: &Config, listeners: &[TcpListener], registry: &prometheus::Registry) -> anyhow::Result<Node> {
    let mut node = node_config(config, listeners)?;
    match Node::start(&node, registry) {
        Err(NodeError::BindTcp { address, source }) if config.dev && source.kind() == ErrorKind::AddrInUse => {
            tracing::warn!("another program has TCP {address}: media goes over UDP only");
            node.bind_tcp.clear();
            Ok(Node::start(&node, registry)?)
        }
        Err(error @ NodeError::BindTcp { .. }) => {
            bail!("{error}\n  set another `rtc.tcp_port`, or 0 for no media over TCP")
        }
        started => Ok(started?),
    }
}

fn node_config(config: &Config, listeners: &[TcpListener]) -> anyhow::Result<NodeConfig> {
    let bind = if config.rtc.bind.is_empty() { addresses::discover(config.dev)? } else { config.rtc.bind.clone() };
    let listeners: Vec<SocketAddr> = listeners
        .iter()
        .filter(|_| config.rtc.tcp_on_http)
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()?;
    let tcp = bind.iter().filter(|_| config.rtc.tcp_port != 0);
    Ok(NodeConfig {
        bind_tcp: tcp.map(|ip| SocketAddr::new(*ip, config.rtc.tcp_port)).collect(),
        tcp_elsewhere: addresses::reached(&bind, &listeners),
        bind: bind.into_iter().map(|ip| SocketAddr::new(ip, config.rtc.udp_port)).collect(),
        advertise: config.rtc.advertise,
        workers: usize::from(config.rtc.workers),
        portable_io: config.rtc.portable_io,
        max_publish_bps: u64::from(config.limits.publish_kbps.get()) * 1000,
        ..NodeConfig::default()
    })
}

fn server_config(config: Config) -> anyhow::Result<ServerConfig> {
    let count = |bound: std::num::NonZeroU32| usize::try_from(bound.get()).unwrap_or(usize::MAX);
    let keys = config.keys.into_iter().map(|(key, secret)| (key, secret.reveal().to_owned())).collect();
    let read = |path: &Path, what: &str| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {} (`auth.{what}`)", path.display()))
    };
    let trusted = config.auth.trusted_keys.into_iter();
    let trusted_keys = trusted.map(|(issuer, path)| Ok((issuer, read(&path, "trusted_keys")?)));
    Ok(ServerConfig {
        trusted_keys: trusted_keys.collect::<anyhow::Result<_>>()?,
        jwks: config.auth.jwks_file.map(|path| read(&path, "jwks_file")).transpose()?,
        jwks_issuer: config.auth.jwks_issuer,
        max_token_life: config.auth.max_token_life,
        dev: config.dev,
        public_url: config.http.public_url.map(|url| url.to_string()),
        open_rooms: config.rooms.open,
        metrics_open: config.metrics.open,
        separate_admin: !config.http.admin_listen.is_empty(),
        behind_proxy: config.http.behind_proxy,
        trusted_proxies: config
            .http
            .trusted_proxies
            .iter()
            .map(|network| (network.address, network.bits))
            .collect(),
        allowed_origins: config.http.allowed_origins.iter().map(ToString::to_string).collect(),
        rates: Rates {
            joins_per_ip: config.limits.joins_per_minute_per_ip,
            api_requests_per_ip: config.limits.api_requests_per_minute_per_ip,
            failed_tokens_per_ip: config.limits.failed_tokens_per_minute_per_ip,
            joins_per_key: config.limits.joins_per_minute_per_key,
            api_requests_per_key: config.limits.api_requests_per_minute_per_key,
            logins_per_ip: config.limits.logins_per_minute_per_ip,
            logins_per_login: config.limits.logins_per_minute_per_login,
        },
        rooms: RoomDefaults {
            auto_create: config.rooms.auto_create,
            remote_unmute: config.rooms.remote_unmute,
            empty_timeout: config.rooms.empty_timeout,
            departure_timeout: config.rooms.departure_timeout,
            max_participants: config.rooms.max_participants,
            last_cameras: config.rooms.last_cameras,
            loudest_microphones: config.rooms.loudest_microphones,
        },
        limits: Limits {
            connections: count(config.limits.connections),
            connections_per_ip: count(config.limits.connections_per_ip),
            rooms: count(config.limits.rooms),
            room_creations_per_minute: config.limits.room_creations_per_minute.get(),
            signal_message_bytes: count(config.limits.signal_message_bytes),
            body_bytes: count(config.limits.body_bytes),
        },
        timeouts: Timeouts {
            resume: config.rooms.resume_timeout,
            drain: config.http.drain_timeout,
            ..Timeouts::default()
        },
        webhooks: config
            .webhooks
            .into_iter()
            .map(|webhook| Webhook {
                url: webhook.url.as_str().to_owned(),
                api_key: webhook.api_key,
                allow_private: webhook.allow_private,
            })
            .collect(),
        retention: Retention {
            events: config.retention.events,
            chat: config.retention.chat,
            sessions: config.retention.sessions,
            quality: config.retention.quality,
            ..Retention::default()
        },
        recordings: RecordingsConfig {
            folder: match config.recordings.path {
                RecordingsPath::Directory(path) => Some(path),
                RecordingsPath::Temporary | RecordingsPath::Off => None,
            },
            at_once: count(config.recordings.at_once),
            at_once_in_room: count(config.recordings.at_once_in_room),
            max_time: Duration::from_secs(u64::from(config.recordings.max_hours.get()) * 3600),
            max_bytes: u64::from(config.recordings.max_file_gib.get()) << 30,
            ffmpeg: match config.recordings.ffmpeg {
                FfmpegPath::Find => FfmpegAt::Path,
                FfmpegPath::File(path) => FfmpegAt::File(path),
                FfmpegPath::Off => FfmpegAt::Off,
            },
            compositions_at_once: count(config.recordings.compositions_at_once),
            keep: (config.recordings.keep_days > 0)
                .then(|| Duration::from_secs(u64::from(config.recordings.keep_days) * 24 * 3600)),
            allow_private: config.recordings.allow_private,
            keep_local: config.recordings.s3.keep_local,
            s3: bucket(config.recordings.s3),
        },
        roles: people::roles(config.roles),
        accounts: people::accounts(config.accounts),
        ..ServerConfig::new(keys)
    })
}

/// There is a bucket when its name is said. Whether the rest is right is for the server to say.
fn bucket(s3: sluice_config::S3) -> Option<S3Settings> {
    let said = |secret: Option<sluice_config::Secret>| secret.unwrap_or_else(|| "".into());
    Some(S3Settings {
        bucket: s3.bucket?,
        region: s3.region,
        endpoint: s3.endpoint,
        access_key: said(s3.access_key),
        secret_key: said(s3.secret_key),
        session_token: None,
        path_style: s3.path_style,
        prefix: s3.prefix,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two crates state their defaults apart; they must not drift.
    #[test]
    fn defaults_of_the_configuration_are_those_of_the_server() {
        let ours = server_config(Config::default()).expect("nothing to read");
        let mut theirs = ServerConfig::new(Vec::new());
        // Who makes a server in a test does not want a directory.
        theirs.recordings.folder = Some("data/recordings".into());
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }
}
