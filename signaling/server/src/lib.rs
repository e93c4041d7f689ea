//! The doors of Sluice: LiveKit signal v1 and v0, its server API, the native API, the web app, health and metrics.
//!
//! Knows rooms and the node's handle. Knows neither str0m nor SDP: session descriptions pass through as text.
//!
//! ```no_run
//! # async fn run(
//! #     node: sluice_node::Node,
//! #     store: sluice_store::Store,
//! #     trail: sluice_server::AuditTrail,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use sluice_server::{Server, ServerConfig};
//! let server = Server::start(ServerConfig::development(), store, trail, node, prometheus::Registry::new()).await?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:7880").await?;
//! server.serve(listener, None, async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await?;
//! server.close().await;
//! # Ok(())
//! # }
//! ```

mod accounts;
mod auth;
mod beside;
mod clock;
mod config;
mod doors;
mod events;
mod gate;
mod history;
mod listen;
mod media;
mod metrics;
mod outbound;
mod random;
mod recordings;
mod records;
mod roles;
mod room;
mod signal;
mod stall;
mod trail;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sluice_node::MediaDoor;
use sluice_rooms::ConnectionId;
use sluice_store::{RoomName, Store, StoreError};
use tokio::sync::watch;

use crate::accounts::Accounts;
use crate::auth::Keys;
use crate::beside::Clerk;
use crate::doors::api::{Answers, Knocks, PlaybackKeys, ReturnKeys};
use crate::events::EventTasks;
use crate::gate::Gate;
use crate::history::Load;
use crate::metrics::Metrics;
use crate::roles::Roles;
use crate::room::Rooms;

pub use accounts::{AccountError, Directory, NewUser, ProviderError, UserChange};
pub use auth::{KeyError, TrustError};
pub use config::{AccountsConfig, Limits, OidcConfig, Rates, Role, RoomDefaults, ServerConfig, Timeouts, Webhook};
pub use events::WebhookError;
use recordings::Recordings;
pub use recordings::{FfmpegAt, RecordingsConfig, RecordingsError};
pub use signal::frame::{FrameError, decode_json, decode_protobuf};
pub use signal::request::{Query, RequestError, join_request_v0, join_request_v1};
pub use sluice_objects::S3Settings;
pub use trail::{AuditTrail, Unrecorded};

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The keys of the configuration cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The metrics could not be registered (a name is taken).
    #[error("cannot register metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Webhooks cannot be posted as configured.
    #[error(transparent)]
    Webhooks(#[from] WebhookError),
    /// The provider of sign-in cannot be used as configured.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Recordings cannot be kept as configured.
    #[error(transparent)]
    Recordings(#[from] RecordingsError),
    /// The store does not answer.
    #[error("cannot use storage: {0}")]
    Storage(#[from] StoreError),
    /// The listening socket failed.
    #[error("cannot accept connections: {0}")]
    Accept(std::io::Error),
}

/// The signaling server: rooms, and the doors that lead to them.
pub struct Server {
    app: Arc<App>,
    events: EventTasks,
    clerk: Clerk,
}

impl Server {
    /// Starts the server around a running media plane, an open store and an open audit trail: from here on webhooks that
    /// are owed are posted.
    /// Its metrics go to `registry`, which `/metrics` shows (so give it the registry the node was started with).
    ///
    /// # Errors
    /// [`ServerError::Keys`] when one of the keys cannot be used, [`ServerError::Metrics`] when a metric of that name is
    /// registered already, [`ServerError::Webhooks`] when a receiver cannot be posted to, [`ServerError::Provider`] when nobody
    /// could sign in by the provider, [`ServerError::Storage`] when
    /// the store does not answer.
    pub async fn start(
        config: ServerConfig,
        store: Store,
        trail: AuditTrail,
        node: sluice_node::Node,
        registry: prometheus::Registry,
    ) -> Result<Self, ServerError> {
        let keys = Arc::new(Keys::new(&config)?);
        let metrics = Metrics::register(&registry)?;
        let media_door = node.media_door();
        let (log, mut events) = events::open(&config, &store, &metrics).await?;
        let load = Load::watch(registry.clone(), metrics.clone());
        let rooms = Rooms::new(config.clone(), node, keys.clone(), metrics.clone(), log);
        let in_use = rooms.clone();
        events.keep(&config, &store, &metrics, move || in_use.occupied().into_iter().map(RoomName::from).collect());
        let recordings = Recordings::open(config.recordings.clone(), rooms.clone(), store.clone()).await?;
        let gate = Gate::new(&config);
        let (_, secret) = config.keys.first().ok_or(KeyError::NoKeys)?;
        let return_keys = ReturnKeys::derive(secret);
        let playback_keys = PlaybackKeys::derive(secret);
        let creations = PerMinute::new(config.limits.room_creations_per_minute);
        let roles = Roles::new(&config.roles);
        let accounts = Accounts::new(&config, &store)?;
        let app = App {
            config,
            keys,
            accounts,
            roles,
            rooms,
            recordings,
            store,
            trail,
            media_door,
            metrics,
            registry,
            gate,
            load,
            creations,
            guests: Guests::default(),
            answers: Answers::default(),
            knocks: Knocks::default(),
            return_keys,
            playback_keys,
            ready: AtomicBool::new(true),
            connections: AtomicU64::new(0),
        };
        let app = Arc::new(app);
        let clerk = Clerk::start(app.clone());
        Ok(Self { app, events, clerk })
    }

    /// Accepts connections until `shutdown` resolves; plain HTTP, or TLS when `tls` is given (ALPN is set
    /// here: `http/1.1`). May be called for several listeners at once.
    ///
    /// On shutdown readiness goes false, every participant gets `leave` with reason `SERVER_SHUTDOWN`, and the
    /// call returns when all connections are closed or [`Timeouts::drain`] is over.
    ///
    /// # Errors
    /// [`ServerError::Accept`] when the listener fails for good.
    pub async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServerError> {
        let router = doors::router(self.app.clone());
        listen::serve(self.app.clone(), router, listener, tls, shutdown).await
    }

    /// The same for operators: health, readiness and metrics, for everybody who reaches the listener. Meant for an address
    /// that only they reach.
    ///
    /// # Errors
    /// [`ServerError::Accept`] when the listener fails for good.
    pub async fn serve_admin(
        &self,
        listener: tokio::net::TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServerError> {
        let router = doors::admin_router(self.app.clone());
        listen::serve(self.app.clone(), router, listener, tls, shutdown).await
    }

    /// After the last listener: sends away who is still there, writes the last events and tells the webhooks that are
    /// due, all within [`Timeouts::drain`]. What is still owed then is told by the server that opens the store next.
    /// The store stays open.
    pub async fn close(self) {
        let deadline = tokio::time::Instant::now() + self.app.config.timeouts.drain;
        self.app.stop().await;
        if tokio::time::timeout_at(deadline, self.app.rooms.all_ended()).await.is_err() {
            tracing::warn!("rooms were still open when the drain timeout was over");
        }
        self.clerk.stop().await;
        if tokio::time::timeout_at(deadline, self.app.recordings.all_ended()).await.is_err() {
            tracing::warn!(
                "recordings were still being closed when the drain timeout was over; the next start finishes them"
            );
        }
        self.events.close(deadline).await;
    }
}

/// What every door reaches.
struct App {
    config: ServerConfig,
    keys: Arc<Keys>,
    /// `Some` where people sign in.
    accounts: Option<Accounts>,
    roles: Roles,
    rooms: Arc<Rooms>,
    recordings: Recordings,
    store: Store,
    trail: AuditTrail,
    /// `Some` where media may come to the doors' own addresses.
    media_door: Option<MediaDoor>,
    metrics: Metrics,
    registry: prometheus::Registry,
    gate: Gate,
    load: Arc<Load>,
    creations: PerMinute,
    guests: Guests,
    answers: Answers,
    knocks: Knocks,
    return_keys: ReturnKeys,
    playback_keys: PlaybackKeys,
    ready: AtomicBool,
    connections: AtomicU64,
}

impl App {
    /// False from the moment the server begins to stop.
    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets nobody in any more and sends everybody away.
    async fn stop(&self) {
        self.ready.store(false, Ordering::Relaxed);
        self.rooms.shutdown().await;
    }
}

/// Counts connections, and acts that are carried out for them, to wait for the last.
#[derive(Default)]
struct Guests(watch::Sender<usize>);

/// One of them, while it lives.
struct Guest(watch::Sender<usize>);

impl Guests {
    fn enter(&self) -> Guest {
        self.0.send_modify(|guests| *guests += 1);
        Guest(self.0.clone())
    }

    async fn all_gone(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|guests| *guests == 0).await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.send_modify(|guests| *guests -= 1);
    }
}

/// So many in each minute.
struct PerMinute {
    most: u32,
    minute: Mutex<(Instant, u32)>,
}

impl PerMinute {
    fn new(most: u32) -> Self {
        Self { most, minute: Mutex::new((Instant::now(), 0)) }
    }

    /// Takes one; false when the minute has none left.
    fn take(&self) -> bool {
        let mut minute = self.minute.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if minute.0.elapsed() >= Duration::from_secs(60) {
            *minute = (Instant::now(), 0);
        }
        minute.1 += 1;
        minute.1 <= self.most
    }
}
