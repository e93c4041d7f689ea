//! The way of one source into what is composed live: bytes of a file as it is recorded, to the processes that decode it.
//!
//! For each part of the file and each of pictures and sound there is a thread that starts the decoder and feeds it, so
//! whoever writes never waits: not for a process to start, nor for one that reads slowly.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use sluice_recorder::{Chunk, Extension, Place};

use super::{Command, DELAY, Shared};
use crate::decoder::{Decoder, Input, Wanted};
use crate::stage::GuestId;

/// Most chunks that wait for a decoder, and most bytes: chunks are clusters of a second at most, and decoding is as far
/// behind as the composite is. When there are more, chunks are dropped and counted; pictures return with a key frame.
const MAX_CHUNKS: usize = 64;
const MAX_BYTES: usize = 32 << 20;

/// How long after its first frame the first cluster of a file comes, where nobody says when that frame was: the cluster,
/// and some of the wait for repairs.
const CLUSTER_AGE: Duration = Duration::from_millis(1200);

/// Writes the bytes of one source. Dropped, the source stays with what it has shown until it is removed.
#[derive(Debug)]
pub struct SourceWriter {
    shared: Arc<Shared>,
    id: GuestId,
    /// The sizes pictures are decoded to.
    wanted: Vec<Wanted>,
    part: Option<Part>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Part {
    number: u32,
    /// The begin of the file, until its first cluster is there.
    head: Option<Arc<[u8]>>,
    feeds: Vec<Feed>,
}

/// The queue to a decoder.
#[derive(Debug)]
struct Feed {
    chunks: SyncSender<Arc<[u8]>>,
    waiting: Arc<AtomicUsize>,
}

impl SourceWriter {
    pub(super) fn new(shared: Arc<Shared>, id: GuestId, wanted: Vec<Wanted>) -> Self {
        Self { shared, id, wanted, part: None, dropped: Arc::default() }
    }

    /// What a recorder gives of this source: a Matroska file in pieces, and the next one behind it. What is written over
    /// earlier bytes is for files only, and left out here. `began_at` says when time 0 of the file was, where it is
    /// known; it counts with the first piece behind a file's head.
    ///
    /// Never waits. What is too much is dropped and counted.
    pub fn append(&mut self, chunk: &Chunk, began_at: Option<Instant>, now: Instant) {
        if chunk.place != Place::Append || chunk.extension == Extension::Mp4 {
            return;
        }
        let bytes: Arc<[u8]> = chunk.bytes.as_slice().into();
        let part = match &mut self.part {
            Some(part) if part.number == chunk.part => part,
            part => {
                // The decoders of the last part read to its end.
                part.replace(Part { number: chunk.part, head: Some(bytes), feeds: Vec::new() });
                return;
            }
        };
        if let Some(head) = part.head.take() {
            let began_at = began_at.unwrap_or_else(|| now.checked_sub(CLUSTER_AGE).unwrap_or(now));
            let line_us = self.shared.line_us(began_at + DELAY);
            for wanted in &self.wanted {
                let order = Order { id: self.id, part: part.number, line_us, wanted: *wanted };
                if let Some(feed) = Feed::open(&self.shared, order) {
                    feed.offer(&head, &self.dropped);
                    part.feeds.push(feed);
                }
            }
        }
        for feed in &part.feeds {
            feed.offer(&bytes, &self.dropped);
        }
    }

    /// The camera is muted, or no longer: an avatar takes its place at once. Never waits; a composer that is far too busy
    /// is not told.
    pub fn set_muted(&self, is_muted: bool) {
        self.shared.mention(Command::Muted(self.id, is_muted));
    }

    /// Chunks that were dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn id(&self) -> GuestId {
        self.id
    }
}

/// What a decoder is for.
#[derive(Debug, Clone, Copy)]
struct Order {
    id: GuestId,
    part: u32,
    line_us: u64,
    wanted: Wanted,
}

impl Feed {
    fn open(shared: &Arc<Shared>, order: Order) -> Option<Self> {
        let (chunks, queue) = sync_channel(MAX_CHUNKS);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (shared, theirs) = (Arc::clone(shared), Arc::clone(&waiting));
        let started = thread::Builder::new()
            .name("composer-feed".to_owned())
            .spawn(move || feed(&shared, order, &queue, &theirs));
        match started {
            Ok(_) => Some(Self { chunks, waiting }),
            Err(error) => {
                tracing::warn!(%error, "a source cannot be composed");
                None
            }
        }
    }

    fn offer(&self, bytes: &Arc<[u8]>, dropped: &AtomicU64) {
        let waiting = self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        let sent = if waiting + bytes.len() > MAX_BYTES { None } else { Some(self.chunks.try_send(Arc::clone(bytes))) };
        match sent {
            Some(Ok(())) => return,
            // A decoder that is gone has nothing to drop.
            Some(Err(TrySendError::Disconnected(_))) => {}
            Some(Err(TrySendError::Full(_))) | None => {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
    }
}

/// Starts a decoder, hands it over, and feeds it until one of the two ends.
fn feed(shared: &Shared, order: Order, queue: &Receiver<Arc<[u8]>>, waiting: &AtomicUsize) {
    let Order { id, part, line_us, wanted } = order;
    let mut decoder = match Decoder::start(&shared.ffmpeg, &Input::Matroska, wanted) {
        Ok(decoder) => decoder,
        Err(error) => {
            tracing::warn!(%error, "a source cannot be decoded");
            return;
        }
    };
    let Some(mut stdin) = decoder.take_stdin() else { return };
    shared.tell(Command::Decoder { id, part, line_us, wanted, decoder });
    for chunk in queue {
        waiting.fetch_sub(chunk.len(), Ordering::Relaxed);
        if stdin.write_all(&chunk).is_err() {
            // It has no such track, could not read it, or nobody wants it any more.
            return;
        }
    }
}
