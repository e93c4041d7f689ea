//! What is shown while a run lasts: bars on a terminal, lines elsewhere, on standard error either way.

use std::io::IsTerminal as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::tally::Live;

/// Between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// What a run is doing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    /// People come and media begins to flow.
    Gathering {
        /// How many must flow.
        subscriptions: u64,
    },
    /// It counts.
    Measuring {
        /// So long.
        duration: Duration,
    },
    /// Everybody leaves.
    Leaving,
}

/// Where progress is shown.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
    stage: Stage,
    began_at: Instant,
    packets: (Instant, u64),
    rate: f64,
}

#[derive(Debug)]
enum Shown {
    Nowhere,
    Lines { last: Instant },
    Bar(ProgressBar),
}

impl Progress {
    /// Bars on a terminal, lines elsewhere.
    #[must_use]
    pub fn visible() -> Self {
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{prefix:>10} {bar:32} {msg}") {
                bar.set_style(style);
            }
            Self::shown(Shown::Bar(bar))
        } else {
            Self::shown(Shown::Lines { last: Instant::now() })
        }
    }

    /// For tests and programs.
    #[must_use]
    pub fn silent() -> Self {
        Self::shown(Shown::Nowhere)
    }

    fn shown(shown: Shown) -> Self {
        let now = Instant::now();
        Self { shown, stage: Stage::Leaving, began_at: now, packets: (now, 0), rate: 0.0 }
    }

    /// A line of its own.
    pub(crate) fn note(&self, text: &str) {
        match &self.shown {
            Shown::Nowhere => {}
            Shown::Lines { .. } => eprintln!("{text}"),
            Shown::Bar(bar) => bar.suspend(|| eprintln!("{text}")),
        }
    }

    pub(crate) fn stage(&mut self, stage: Stage) {
        self.stage = stage;
        self.began_at = Instant::now();
        match &mut self.shown {
            Shown::Lines { last } => *last = self.began_at.checked_sub(LINE_INTERVAL).unwrap_or(self.began_at),
            Shown::Bar(bar) if matches!(stage, Stage::Leaving) => bar.finish_and_clear(),
            _ => {}
        }
    }

    pub(crate) fn look(&mut self, live: &Live) {
        let packets = live.packets.load(Ordering::Relaxed);
        let apart = self.packets.0.elapsed();
        if apart > Duration::from_millis(900) {
            let new = packets.saturating_sub(self.packets.1);
            self.rate = crate::number::float(new) / apart.as_secs_f64();
            self.packets = (Instant::now(), packets);
        }
        let connected = live.connected.load(Ordering::Relaxed);
        let flowing = live.flowing.load(Ordering::Relaxed);
        let failed = match live.failed.load(Ordering::Relaxed) {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let (prefix, position, length, message) = match self.stage {
            Stage::Gathering { subscriptions } => (
                "gathering",
                flowing,
                subscriptions,
                format!("{connected} connected, {flowing} of {subscriptions} streams flow{failed}"),
            ),
            Stage::Measuring { duration } => (
                "measuring",
                self.began_at.elapsed().as_secs(),
                duration.as_secs(),
                format!("{connected} connected, {:.0} packets/s{failed}", self.rate),
            ),
            Stage::Leaving => return,
        };
        match &mut self.shown {
            Shown::Nowhere => {}
            Shown::Lines { last } if last.elapsed() >= LINE_INTERVAL => {
                *last = Instant::now();
                eprintln!("{prefix}: {message}");
            }
            Shown::Lines { .. } => {}
            Shown::Bar(bar) => {
                bar.set_prefix(prefix);
                bar.set_length(length.max(1));
                bar.set_position(position.min(length));
                bar.set_message(message);
            }
        }
    }
}
