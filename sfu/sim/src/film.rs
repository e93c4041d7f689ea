//! Real pictures and sound in place of stamps: a client that publishes a film sends an encoder's frames, over and over,
//! and whoever taps it can be given the packets as they come, to make a file of.
//!
//! All films of a client began when it joined, so that what belongs together is of one instant. A film was encoded beforehand, so a key frame that is asked for comes when the film has one. Its packets are laid by
//! whoever brings it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_core::{TapId, TapMessage, TrackId};

use crate::simulation::Simulation;
use crate::source::Publication;

/// One frame.
#[derive(Debug, Clone)]
pub struct Shot {
    /// A decoder can begin with it.
    pub is_entry: bool,
    /// Its packets.
    pub payloads: Vec<Vec<u8>>,
}

/// What a publication sends instead of stamps.
#[derive(Debug, Clone)]
pub struct Film {
    /// The frames of every encoding, lowest first, equally many of each. They are shown over and over.
    pub encodings: Vec<Arc<[Shot]>>,
    /// Between two frames.
    pub interval: Duration,
    /// From the camera to the first packet.
    pub delay: Duration,
    /// Number of the first packet, and timestamp of the moment when the film began; anything where there is none.
    pub begins_at: Option<(u64, u32)>,
}

impl Film {
    /// Frames that are sent when they are captured.
    #[must_use]
    pub fn new(encodings: Vec<Vec<Shot>>, interval: Duration) -> Self {
        let encodings = encodings.into_iter().map(Arc::from).collect();
        Self { encodings, interval, delay: Duration::ZERO, begins_at: None }
    }

    /// Which frame of all is the next to be captured, so long after the first.
    pub(crate) fn next_at(&self, elapsed: Duration) -> u32 {
        elapsed.as_nanos().div_ceil(self.interval.as_nanos()) as u32
    }

    /// A frame of an encoding, by its number among all that are shown.
    pub(crate) fn shot(&self, encoding: usize, number: u32) -> &Shot {
        let shots = &self.encodings[encoding];
        &shots[number as usize % shots.len()]
    }
}

impl Simulation {
    /// Somebody publishes a film. The publication says its codec and whether it is simulcast.
    pub fn publish_film(&mut self, name: &str, label: &str, publication: Publication, film: Film) -> TrackId {
        let track = TrackId::from(format!("TR_{name}_{label}"));
        self.client_mut(name).films.insert(track, film);
        self.publish(name, label, publication)
    }

    /// Somebody's film goes on with another one, of as many encodings.
    pub fn change_film(&mut self, name: &str, track: &TrackId, film: &Film) {
        self.client_mut(name).change_film(track, film);
    }

    /// Somebody's encoders begin anew, each under another SSRC, with other numbers and other timestamps.
    pub fn change_ssrcs(&mut self, name: &str, track: &TrackId) {
        let now = self.now();
        self.client_mut(name).change_ssrcs(track, now);
    }

    /// From now on what a tap gives is kept as it comes, for [`Self::take_given`], and not looked at.
    pub fn keep_given(&mut self, tap: TapId) {
        self.taps.get_mut(&tap).expect("a tap").kept = Some(Vec::new());
    }

    /// What a tap gave since it was last asked, with the time of each.
    pub fn take_given(&mut self, tap: TapId) -> Vec<(Instant, TapMessage)> {
        let kept = self.taps.get_mut(&tap).and_then(|tapped| tapped.kept.as_mut());
        kept.map(std::mem::take).unwrap_or_default()
    }
}
