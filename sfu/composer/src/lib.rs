//! One picture and one sound of several tracks.
//!
//! Two ways lead here: a recording's manifest and files, composed when it is over, and tracks that go on, composed live.
//! Both drive the same [`stage::Stage`] (who is where) and the same canvas and mixer; `ffmpeg` decodes and encodes, as
//! processes of its own ([`Ffmpeg`]). Media come from strangers: what reads them may die at any time, and takes nothing
//! else along.
//!
//! Knows the recorder's manifest and files, and neither rooms nor the media plane.

mod block;
mod composition;
mod decoder;
mod encoder;
mod ffmpeg;
pub mod layout;
mod lettering;
mod live;
mod offline;
mod outlets;
mod painter;
mod picture;
mod process;
mod sound;
pub mod stage;
pub mod timeline;

pub use composition::{Canvas, Composition, Layout, Media};
pub use encoder::{FileKind, FileOutput, NoEncoder};
pub use ffmpeg::{Ffmpeg, FfmpegMissing};
pub use live::{
    EncodedReader, LiveComposer, LiveEncoding, MAX_SOURCES, SourceKey, SourceWriter, Streamed, TooManySources,
};
pub use offline::{ComposeError, Composed, compose, is_unfinished};
pub use outlets::{
    MAX_OUTLETS, NotAName, NotAnAddress, OutletId, OutletRefused, OutletState, Outlets, Playlist, PushAddress, Reason,
    Segment, SegmentPlan,
};
