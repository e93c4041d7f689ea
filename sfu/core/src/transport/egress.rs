//! The send side of a section: where packets of changing sources go in one outgoing stream, and the seam to
//! what puts them on the wire.
//!
//! Behind the seam is str0m's `write_rtp` today: several writes, then one flush of the transport.

use std::time::Instant;

use sluice_rtp::vp8::{self, PictureIdRewriter};
use sluice_rtp::{Rewritten, StreamRewriter};
use str0m::media::Pt;
use str0m::rtp::{ExtensionValues, RtpWrite, StreamTx, Vp8Descriptor, Vp8Patch};

use super::{Packet, RawDependencyDescriptor};

/// How a packet follows the one before it on its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// The first packet of another source: another layer or track, or after a pause.
    pub(crate) is_switch: bool,
    /// RTP clock of the codec.
    pub(crate) clock_rate_hz: u32,
    /// Picture ids must be kept continuous.
    pub(crate) is_vp8: bool,
    /// Lost packets of it may be asked for again.
    pub(crate) is_video: bool,
}

/// One outgoing stream. Belongs to the section, whose SSRC it is, and outlives the tracks it carries.
#[derive(Debug, Default)]
pub(crate) struct OutStream {
    rewriter: StreamRewriter,
    picture_ids: PictureIdRewriter,
    last_sent_at: Option<Instant>,
}

/// A packet's place in its outgoing stream.
#[derive(Debug)]
pub(super) struct Outgoing {
    place: Rewritten,
    patch: Option<Vp8Patch>,
    is_video: bool,
}

impl OutStream {
    /// Where the packet goes; `None` when it came too late for the source it belongs to.
    pub(super) fn place(&mut self, packet: &Packet, step: Step) -> Option<Outgoing> {
        let descriptor = step.is_vp8.then(|| vp8::Descriptor::parse(&packet.payload)).flatten();
        if step.is_switch {
            let elapsed = self.last_sent_at.map_or(0, |last| {
                let micros = packet.arrived_at.saturating_duration_since(last).as_micros();
                u32::try_from(micros * u128::from(step.clock_rate_hz) / 1_000_000).unwrap_or(u32::MAX)
            });
            self.rewriter.switch(packet.sequence, packet.timestamp, elapsed);
            if let Some(descriptor) = &descriptor {
                self.picture_ids.switch(descriptor);
            }
        }
        let place = self.rewriter.rewrite(packet.sequence, packet.timestamp)?;
        self.last_sent_at = Some(packet.arrived_at);
        let patch = descriptor.and_then(|d| patch(&packet.payload, self.picture_ids.rewrite(&d)));
        Some(Outgoing { place, patch, is_video: step.is_video })
    }
}

fn patch(payload: &[u8], (picture_id, tl0_pic_idx): (Option<u16>, Option<u8>)) -> Option<Vp8Patch> {
    let mut patch = Vp8Descriptor::parse(payload).ok()?.patch();
    if let Some(id) = picture_id {
        patch = patch.picture_id(id);
    }
    if let Some(index) = tl0_pic_idx {
        patch = patch.tl0_pic_idx(index);
    }
    patch.build().ok()
}

/// Hands a packet to the wire. Nothing leaves before the transport is flushed.
pub(super) fn write(stream: &mut StreamTx, pt: Pt, packet: &Packet, outgoing: &Outgoing) {
    let from = &packet.extensions;
    // Names of streams (mid, rid) and transport-wide numbers are each connection's own.
    let mut extensions = ExtensionValues {
        audio_level: from.audio_level,
        voice_activity: from.voice_activity,
        video_orientation: from.video_orientation,
        abs_capture_time: from.abs_capture_time,
        play_delay_min: from.play_delay_min,
        play_delay_max: from.play_delay_max,
        ..Default::default()
    };
    if let Some(descriptor) = from.user_values.get_arc::<RawDependencyDescriptor>() {
        extensions.user_values.set_arc(descriptor);
    }
    let mut rtp = RtpWrite::new(
        pt,
        outgoing.place.sequence.into(),
        outgoing.place.timestamp,
        packet.arrived_at,
        std::sync::Arc::clone(&packet.payload),
    )
    .marker(packet.marker)
    .ext_vals(extensions)
    .nackable(outgoing.is_video);
    if let Some(patch) = outgoing.patch {
        rtp = rtp.vp8_patch(patch);
    }
    stream.write_rtp(rtp);
}
