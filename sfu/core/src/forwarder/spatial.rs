//! Spatial and temporal layers of VP9, by its payload descriptor.
//!
//! Spatial layers: down at the next picture, since nothing builds on a higher layer; up at a key picture only. A
//! picture whose upper layer begins anew over an old base would do too, but when its first packet comes nobody
//! knows that yet, and the base layer's last packet has already told the receiver that the picture is complete.
//! All lower spatial layers go along: which of them a picture does without the descriptor does not say.
//!
//! Temporal layers: down at the next picture, up at a switching point (U bit) among what goes out.

use crate::allocator::LayerId;

use super::history::History;
use super::packet::{SpatialPicture, is_within};

/// What goes out of one stream.
#[derive(Debug, Clone)]
pub(super) struct SpatialSelector {
    /// Highest layers that go out.
    limit: LayerId,
    /// The limit at each picture.
    history: History,
}

impl SpatialSelector {
    /// Begins with a key picture.
    pub(super) fn new(entry: SpatialPicture, target: LayerId) -> Self {
        Self { limit: target, history: History::new(entry.number, pack(target)) }
    }

    pub(super) fn limit(&self) -> LayerId {
        self.limit
    }

    /// `None` when the packet stays behind; otherwise whether the picture ends with it.
    pub(super) fn admits(&mut self, picture: SpatialPicture, target: LayerId) -> Option<bool> {
        if picture.number > self.history.newest() {
            let before = self.limit;
            if picture.is_key {
                self.limit = target;
            } else {
                self.limit.spatial = before.spatial.min(target.spatial);
                let may_rise = picture.is_switching_point && picture.layer.temporal <= before.temporal;
                if target.temporal <= before.temporal || may_rise {
                    self.limit.temporal = target.temporal;
                }
            }
            self.history.advance(picture.number, pack(before), pack(self.limit));
        }
        let limit = unpack(self.history.get(picture.number)?);
        is_within(picture.layer, limit).then_some(picture.ends_frame && picture.layer.spatial == limit.spatial)
    }
}

/// Both ids have three bits on the wire.
fn pack(layer: LayerId) -> u8 {
    layer.spatial.min(7) << 3 | layer.temporal.min(7)
}

fn unpack(mark: u8) -> LayerId {
    LayerId { spatial: mark >> 3 & 7, temporal: mark & 7 }
}
