//! The AV1 dependency descriptor as a header extension str0m carries without reading.
//!
//! Without it a receiver of AV1 or VP9 scalable video decodes nothing, since the payload alone does not say
//! which frames build on which.

use std::sync::Arc;

use sluice_rtp::av1::{DEPENDENCY_DESCRIPTOR_URI, MAX_DEPENDENCY_DESCRIPTOR_LEN};
use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};

/// The raw bytes, shared between a track's subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawDependencyDescriptor(pub(crate) Arc<[u8]>);

pub(super) fn extension() -> Extension {
    Extension::with_serializer(DEPENDENCY_DESCRIPTOR_URI, PassThrough)
}

#[derive(Debug)]
struct PassThrough;

impl ExtensionSerializer for PassThrough {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(raw) = values.user_values.get::<RawDependencyDescriptor>() else { return 0 };
        let Some(room) = buf.get_mut(..raw.0.len()) else { return 0 };
        room.copy_from_slice(&raw.0);
        raw.0.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        if buf.len() > MAX_DEPENDENCY_DESCRIPTOR_LEN {
            return false;
        }
        values.user_values.set_arc(Arc::new(RawDependencyDescriptor(buf.into())));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values
            .user_values
            .get::<RawDependencyDescriptor>()
            .is_some_and(|raw| raw.0.len() > 16 || raw.0.is_empty())
    }
}
