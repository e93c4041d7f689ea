//! The ladder of a track: the layers a subscriber may get of it, lowest first, and what keeps better ones off it.

use super::{LayerId, LayerRate, Want};
use crate::{Reason, Source};

/// A step of a ladder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) layer: LayerId,
    /// What it takes, never less than the step below: where a better layer is measured as cheaper for a moment,
    /// the next measurement says otherwise.
    pub(super) bps: u64,
    /// 0 for the lowest spatial layer of the ladder, 1 for the next that lives.
    pub(super) spatial_rank: u8,
}

/// Appends the ladder of a video track.
pub(super) fn climb<K>(want: &Want<'_, K>, steps: &mut Vec<Step>) {
    let mut bps = 0;
    let mut spatial_rank = 0_u8;
    for layers in spatial_layers(want) {
        let frames = &layers[..=enough_frames(want, layers)];
        // Half of the frames at least, above the lowest spatial layer of a camera.
        let is_thinnable = spatial_rank == 0 || want.source == Source::Screen;
        let lowest = if is_thinnable { 0 } else { frames.len().saturating_sub(2) };
        for layer in &frames[lowest..] {
            bps = layer.bps.max(bps);
            steps.push(Step { layer: layer.layer, bps, spatial_rank });
        }
        spatial_rank = spatial_rank.saturating_add(1);
    }
}

/// Why the wish of a track that has it is not more.
pub(super) fn what_bounds<K>(want: &Want<'_, K>, wish: LayerId) -> Reason {
    let is_best_alive = want.layers.last().is_none_or(|best| best.layer <= wish);
    if !is_best_alive {
        return Reason::SubscriberAsked;
    }
    match want.announced_spatial {
        Some(announced) if wish.spatial < announced.min(want.demand.max_spatial) => Reason::PublisherNotSending,
        Some(announced) if wish.spatial < announced => Reason::SubscriberAsked,
        _ => Reason::Full,
    }
}

/// The layers within the demand's spatial bound, a slice for each spatial layer; the lowest there is where all are
/// above it: a picture too large is better than none.
fn spatial_layers<'a, K>(want: &Want<'a, K>) -> impl Iterator<Item = &'a [LayerRate]> {
    let lowest = want.layers.first().map_or(0, |layer| layer.layer.spatial);
    let max_spatial = want.demand.max_spatial.max(lowest);
    want.layers
        .chunk_by(|one, next| one.layer.spatial == next.layer.spatial)
        .take_while(move |layers| layers.first().is_some_and(|layer| layer.layer.spatial <= max_spatial))
}

/// Place of the lowest temporal layer that has the frames asked for, or of the last.
fn enough_frames<K>(want: &Want<'_, K>, layers: &[LayerRate]) -> usize {
    let last = layers.len().saturating_sub(1);
    let (Some(fps), Some(max_fps), Some(top)) = (want.fps, want.demand.max_fps, layers.last()) else { return last };
    let is_enough = |layer: &LayerRate| {
        let halvings = top.layer.temporal.saturating_sub(layer.layer.temporal).min(16);
        u64::from(fps) * 10 >= (u64::from(max_fps) * 9) << halvings
    };
    layers.iter().position(is_enough).unwrap_or(last)
}
