//! What a participant publishes, as a plan says it.

use serde::Serialize;

use crate::clip;

/// The content of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Content {
    /// A camera: VP8 in three sizes (simulcast), each with three temporal layers.
    Camera {
        /// Frames in a second.
        fps: u16,
        /// Rate of each size in kbit/s, the smallest first.
        kbps: [u32; 3],
    },
    /// VP8 in one size whose packets are all alike: for comparing servers.
    Packets {
        /// Packets in a second.
        per_second: u32,
        /// Bytes of payload in each.
        bytes: u16,
        /// So many leave together, as encoders' bursts do; 1 is evenly spaced.
        burst: u8,
    },
    /// A microphone: Opus speech with pauses, in which it falls nearly silent (DTX).
    Speech {
        /// Rate while somebody speaks, in kbit/s.
        kbps: u32,
    },
    /// The picture of a guest, which decodes.
    GuestPicture {
        /// Which of the guests there are.
        guest: u8,
    },
    /// The voice of a guest, which decodes.
    GuestVoice {
        /// Which of the guests there are.
        guest: u8,
    },
}

impl Content {
    /// A camera with the rates LiveKit's clients choose for 180, 360 and 720 lines.
    pub const CAMERA: Self = Self::Camera { fps: 30, kbps: [160, 450, 1700] };
    /// A microphone at the rate of LiveKit's speech preset.
    pub const MICROPHONE: Self = Self::Speech { kbps: 24 };

    /// True for pictures.
    #[must_use]
    pub fn is_video(self) -> bool {
        !matches!(self, Self::Speech { .. } | Self::GuestVoice { .. })
    }

    /// True when every packet is owed to every subscriber: one size, no temporal layers.
    #[must_use]
    pub fn is_uniform(self) -> bool {
        !matches!(self, Self::Camera { .. })
    }

    /// True when payloads end in a stamp. What decodes must stay as it is.
    #[must_use]
    pub fn is_stamped(self) -> bool {
        !matches!(self, Self::GuestPicture { .. } | Self::GuestVoice { .. })
    }

    /// Width and height of the largest size.
    #[must_use]
    pub fn dimensions(self) -> (u32, u32) {
        match self {
            Self::Camera { .. } | Self::Packets { .. } => (1280, 720),
            Self::GuestPicture { .. } => clip::DIMENSIONS,
            Self::Speech { .. } | Self::GuestVoice { .. } => (0, 0),
        }
    }
}
