//! Parts of the worker that `sluice-benches` measures alone. Built with the feature `bench` only.
//!
//! Knows what is measured and not how. The product never turns the feature on.

use std::time::Instant;

use crate::allocator::{self, LayerId, LayerRate, Memory, Want};
use crate::{Demand, Kind, Source};

pub use crate::deadlines::Deadlines;
pub use crate::transport::egress_bench::{Piece, Published, SendSide, SharedPacket};

/// A subscriber who takes so many cameras, each with three simulcast layers of three temporal ones.
#[derive(Debug)]
pub struct Shares {
    layers: Vec<LayerRate>,
    memories: Vec<Memory>,
}

impl Shares {
    /// Nothing is given yet.
    #[must_use]
    pub fn new(tracks: usize) -> Self {
        let spatial = [150_000, 500_000, 1_700_000];
        let layers = (0u8..).zip(spatial).flat_map(|(spatial, bps)| {
            let layer = move |temporal| LayerId { spatial, temporal };
            [(layer(0), bps / 2), (layer(1), bps * 3 / 4), (layer(2), bps)]
        });
        let layers = layers.map(|(layer, bps)| LayerRate { layer, bps }).collect();
        Self { layers, memories: vec![Memory::default(); tracks] }
    }

    /// Shares a link out, as at every change and four times a second. Bits per second that are given.
    pub fn allocate(&mut self, budget_bps: u64, now: Instant) -> u64 {
        let areas = (0u32..).map(|place| 320 * 180 * (1 + place % 4));
        let want = |(key, (memory, area_px)): (usize, (&Memory, u32))| Want {
            key,
            kind: Kind::Video,
            source: Source::Camera,
            is_muted: false,
            demand: Demand { area_px, ..Demand::default() },
            layers: &self.layers,
            fps: Some(30),
            announced_spatial: Some(2),
            may_pause: true,
            memory: *memory,
        };
        let wants: Vec<_> = self.memories.iter().zip(areas).enumerate().map(want).collect();
        let outcome = allocator::allocate(Some(budget_bps), &wants, now);
        self.memories = outcome.grants.iter().map(|grant| grant.memory).collect();
        outcome.allocated_bps
    }
}
