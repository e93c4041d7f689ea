//! A scenario as data: who publishes what, who watches, and what the networks do while it runs. Played by
//! [`crate::stage`], listed in [`crate::scenarios`], made up in [`crate::generated`].

use sluice_core::Connection;

use crate::network::Conditions;
use crate::source::Publication;

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Short and unique: it is asked for by this name.
    pub name: String,
    /// Each publisher with the tracks it has from the start.
    pub publishers: Vec<Vec<Publication>>,
    /// How many watch, and publish nothing.
    pub viewers: u16,
    /// Connections of the viewers.
    pub connection: Connection,
    /// Time between two viewers' joining.
    pub join_every_ms: u64,
    /// Before the viewers join, and again before it is measured.
    pub warm_up_ms: u64,
    /// How long it is measured.
    pub seconds: u64,
    /// What happens, in order, by milliseconds of the time measured.
    pub script: Vec<(u64, Act)>,
    /// Publishers estimate their way up and adapt to it.
    pub is_adaptive: bool,
    /// Everybody speaks RED.
    pub has_red: bool,
    /// Every track is tapped: at its best, and the smallest size of it.
    pub is_tapped: bool,
    /// What good looks like.
    pub target: Target,
}

/// Something happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Act {
    /// The way down to every viewer becomes this.
    Down(Conditions),
    /// The way down to one viewer becomes this.
    DownTo(u16, Conditions),
    /// The way up from every publisher becomes this.
    Up(Conditions),
    /// The first publisher begins something.
    Publish(Publication),
    /// The first publisher ends what it began last.
    Unpublish,
    /// Every viewer wants at most this quality of every picture.
    Want(u8),
}

/// Bounds a scenario should keep; `None`: nothing is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Share of what the links could carry, of what there is, that is delivered.
    pub delivered: Option<f64>,
    /// Until a picture that fits is shown after a link became narrower.
    pub down_ms: Option<u64>,
    /// Until a better picture is shown after a link became wider.
    pub up_ms: Option<u64>,
    /// Longest freeze.
    pub freeze_ms: Option<u64>,
    /// Changes of quality that nothing called for, per viewer.
    pub flaps: Option<u64>,
    /// Share of lost video packets that came in the end.
    pub recovered: Option<f64>,
    /// Share of sound that did not come in time.
    pub sound_lost: Option<f64>,
    /// 95th percentile of the time packets wait before the bottleneck.
    pub queue_ms: Option<u64>,
}

impl Target {
    /// Nothing is asked.
    pub const NONE: Self = Self {
        delivered: None,
        down_ms: None,
        up_ms: None,
        freeze_ms: None,
        flaps: None,
        recovered: None,
        sound_lost: None,
        queue_ms: None,
    };
}
