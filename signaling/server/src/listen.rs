//! The accept loop: TCP and TLS in, HTTP/1.1 to the doors, with a bound on everything that waits. Connections for media
//! that come to the same address go to the media plane.
//!
//! axum's own `serve` has neither a time limit for request heads nor a bound on connections; a server on the
//! open network needs both.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use dashmap::DashMap;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::doors::{Peer, collapse_slashes};
use crate::gate::ClientAddress;
use crate::stall::Stalling;
use crate::{App, ServerError};

/// Request line and headers together. A join request with a session description fits a few times.
const HEAD_BYTES: usize = 128 * 1024;
/// More headers than a browser and two proxies send.
const HEADERS: usize = 100;
/// Pause after the system refused a connection (out of file descriptors): it will refuse the next as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// No frame of media begins with this byte or a higher one.
const BEYOND_MEDIA: u8 = 8;

/// Open connections by address.
#[derive(Default)]
struct Addresses(DashMap<ClientAddress, usize>);

/// One connection of an address, while it is open.
struct Place {
    addresses: Arc<Addresses>,
    ip: ClientAddress,
}

impl Addresses {
    fn take(self: &Arc<Self>, ip: ClientAddress, most: usize) -> Option<Place> {
        let mut open = self.0.entry(ip).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        Some(Place { addresses: self.clone(), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut open) = self.addresses.0.get_mut(&self.ip) {
            *open -= 1;
        }
        self.addresses.0.remove_if(&self.ip, |_, open| *open == 0);
    }
}

/// Serves until `shutdown`, then lets connections finish what they are at.
pub(crate) async fn serve(
    app: Arc<App>,
    router: Router,
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    let acceptor = tls.map(|tls| {
        let mut tls = rustls::ServerConfig::clone(&tls);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(tls))
    });
    let places = Arc::new(Semaphore::new(app.config.limits.connections));
    let addresses = Arc::new(Addresses::default());
    let (stop, stopping) = watch::channel(false);
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, address, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(ServerError::Accept(error)),
            },
        };
        let most = match app.gate.is_proxy(address.ip()) {
            true => usize::MAX,
            false => app.config.limits.connections_per_ip,
        };
        let Some(place) = addresses.take(ClientAddress::of(address.ip()), most) else { continue };
        let (app, router, acceptor, stopping) = (app.clone(), router.clone(), acceptor.clone(), stopping.clone());
        tokio::spawn(async move {
            let guest = app.guests.enter();
            let counted = app.metrics.http_connections.clone();
            counted.inc();
            connection(app, router, acceptor, stopping, stream, address).await;
            counted.dec();
            drop((place, permit, guest));
        });
    }
    drop(listener);
    app.stop().await;
    stop.send_replace(true);
    if timeout(app.config.timeouts.drain, app.guests.all_gone()).await.is_err() {
        tracing::warn!("connections were still open when the drain timeout was over");
    }
    Ok(())
}

/// Waits for a free place first: what does not fit waits in the kernel's backlog, at no cost here.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = places.clone().acquire_owned().await.map_err(|_| ErrorKind::BrokenPipe)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, permit))
}

/// Trouble of one connection, or of the moment, rather than of the listener.
fn is_passing(error: &std::io::Error) -> bool {
    // Out of file descriptors or memory has no stable kind; everything that is not the listener's end passes.
    !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::BrokenPipe | ErrorKind::NotConnected)
}

async fn connection(
    app: Arc<App>,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    stopping: watch::Receiver<bool>,
    stream: TcpStream,
    address: SocketAddr,
) {
    let stream = match timeout(app.config.timeouts.request_head, pass_media_on(&app, stream)).await {
        Ok(Some(stream)) => stream,
        Ok(None) => return,
        Err(_) => return tracing::debug!("a connection said nothing in time"),
    };
    // Signal messages are small and wait for nobody.
    let _ = stream.set_nodelay(true);
    let peer = Peer { address, secure: acceptor.is_some() };
    match acceptor {
        None => http(&app, router, stopping, stream, peer).await,
        Some(acceptor) => match timeout(app.config.timeouts.request_head, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => http(&app, router, stopping, stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake timed out"),
        },
    }
}

/// Gives the connection back when it is for the doors. What media begins with is a frame of a connectivity check
/// (RFC 4571), whose length is below 2048: no HTTP and no TLS begins with such a byte. What comes of it, and the bounds on
/// it, are the media plane's.
async fn pass_media_on(app: &App, stream: TcpStream) -> Option<TcpStream> {
    let Some(door) = &app.media_door else { return Some(stream) };
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1..) if first[0] >= BEYOND_MEDIA => Some(stream),
        Ok(1..) => {
            if let Ok(stream) = stream.into_std()
                && !door.admit(stream)
            {
                tracing::debug!("too many connections for media wait");
            }
            None
        }
        Ok(0) | Err(_) => None,
    }
}

async fn http(
    app: &App,
    router: Router,
    mut stopping: watch::Receiver<bool>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        if let Some(uri) = collapse_slashes(request.uri()) {
            *request.uri_mut() = uri;
        }
        request.extensions_mut().insert(peer);
        let router = router.clone();
        async move {
            let response = router.oneshot(request.map(Body::new)).await;
            Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.config.timeouts.request_head)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Stalling::new(stream, app.config.timeouts.response_write)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // The sender is gone or says so: either way the request under way is the last.
    let stopped = async { drop(stopping.wait_for(|stopping| *stopping).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended in an error");
    }
}
