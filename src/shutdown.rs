//! When to stop: the first SIGTERM or SIGINT asks, the second does not wait.

use tokio::sync::watch;

/// Exit code after a second signal: what shells give a process ended by SIGINT.
const IMPATIENT: i32 = 130;

/// A switch that many wait for. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shutdown(watch::Sender<bool>);

impl Shutdown {
    /// Listens for signals until the runtime ends.
    ///
    /// # Errors
    /// When the system refuses a signal handler.
    pub(crate) fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self(watch::Sender::new(false));
        let mut signals = Signals::new()?;
        let requested = shutdown.clone();
        tokio::spawn(async move {
            let signal = signals.next().await;
            tracing::info!("{signal}: telling participants and closing; a second signal ends at once");
            requested.request();
            let signal = signals.next().await;
            tracing::warn!("{signal} again: ending at once");
            std::process::exit(IMPATIENT);
        });
        Ok(shutdown)
    }

    /// Asks everybody to stop.
    pub(crate) fn request(&self) {
        self.0.send_replace(true);
    }

    /// Waits until somebody asked.
    pub(crate) async fn requested(self) {
        let mut asked = self.0.subscribe();
        // Never an error: `self` holds a sender.
        let _ = asked.wait_for(|asked| *asked).await;
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
