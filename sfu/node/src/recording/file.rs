//! One file of the recorder: its taps, what makes bytes of them, and the files on the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sluice_core::TapMessage;
use sluice_recorder::manifest::file_name;
use sluice_recorder::{Chunk, EndReason, FileRecorder, Format, Input, PacketHead, Place, Request, SenderReport};

use super::closer::{Closer, Ending};
use super::{FileNews, FilePlan, FileSink, Listener, Recorded};
use crate::TapReader;

/// Messages of a tap taken at once, before others have their turn.
const TURN: usize = 256;
/// How often it is said what is in a file.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// A tap that has more is asked again at once.
pub(super) const AT_ONCE: Duration = Duration::ZERO;

pub(super) struct RecordedFile {
    plan: FilePlan,
    sink: FileSink,
    listener: Option<Box<dyn Listener>>,
    closer: Closer,
    /// Why a part that was closed did not come to the disk.
    not_closed: Arc<OnceLock<String>>,
    recorder: FileRecorder,
    feeds: Vec<Feed>,
    /// The number behind the highest that came, for each input.
    next: Vec<u64>,
    /// The file on the disk that is written to.
    open: Option<OnDisk>,
    bytes: u64,
    dropped: u64,
    is_full: bool,
    failed: Option<String>,
    /// A fault left it as it was then: it is not asked for anything any more.
    is_broken: bool,
    has_begun: bool,
    told_at: Instant,
    /// The part on the disk that was written to when it was last said what is in it.
    told_part: Option<u32>,
    scratch: Vec<u8>,
}

struct Feed {
    input: Input,
    reader: TapReader,
    /// Its numbers go on behind those of the tap that fed this input before.
    line: Option<Line>,
    /// Its format is none that is recorded: what comes is left out until there is another.
    is_unreadable: bool,
}

/// Where the numbers of a tap lie among those of its input.
#[derive(Clone, Copy)]
struct Line {
    /// The tap's first number.
    first: u64,
    /// What that is on the input's line.
    base: u64,
}

impl Line {
    /// `None` for what was before the tap began.
    fn place(self, sequence: u64) -> Option<u64> {
        Some(self.base.saturating_add(sequence.checked_sub(self.first)?))
    }
}

struct OnDisk {
    part: u32,
    file: File,
    len: u64,
}

impl RecordedFile {
    pub(super) fn new(plan: FilePlan, sink: FileSink, listener: Option<Box<dyn Listener>>, closer: Closer) -> Self {
        let recorder = FileRecorder::new(plan.container, plan.inputs, plan.started_at);
        let (next, told_at) = (vec![0; plan.inputs], plan.started_at);
        Self {
            next,
            plan,
            sink,
            listener,
            closer,
            not_closed: Arc::default(),
            recorder,
            feeds: Vec::new(),
            open: None,
            bytes: 0,
            dropped: 0,
            is_full: false,
            failed: None,
            is_broken: false,
            has_begun: false,
            told_at,
            told_part: None,
            scratch: Vec::new(),
        }
    }

    /// A track has one tap at a time: one that still feeds it is let go, so that neither what it gives nor its end comes between
    /// what the new one gives.
    pub(super) fn feed(&mut self, input: usize, reader: TapReader, now: Instant) {
        if input >= self.plan.inputs || self.is_broken {
            return;
        }
        if self.feeds.iter().any(|feed| feed.input == Input(input)) {
            self.leave(input, now);
        }
        self.feeds.push(Feed { input: Input(input), reader, line: None, is_unreadable: false });
    }

    /// Takes what the taps of a track have, and nothing of them any more.
    pub(super) fn leave(&mut self, input: usize, now: Instant) {
        self.guard(|file| file.take_leave(input, now));
    }

    fn take_leave(&mut self, input: usize, now: Instant) {
        self.drain(now, usize::MAX);
        let dropped = &mut self.dropped;
        self.feeds.retain(|feed| {
            let stays = feed.input != Input(input);
            if !stays {
                *dropped += feed.reader.dropped();
            }
            stays
        });
        self.recorder.handle_ended(Input(input), now);
    }

    /// Takes what its taps have, writes what is ready. How long to wait until the next time; `None`: until a tap wakes.
    pub(super) fn turn(&mut self, now: Instant) -> Option<Duration> {
        self.guard(|file| file.take_turn(now)).flatten()
    }

    fn take_turn(&mut self, now: Instant) -> Option<Duration> {
        let has_more = self.drain(now, TURN);
        // What was not taken yet may be the repair that is waited for.
        if !has_more && self.recorder.poll_timeout().is_some_and(|at| at <= now) {
            self.recorder.handle_timeout(now);
        }
        self.write(now);
        self.tell(now);
        self.ask();
        if has_more {
            return Some(AT_ONCE);
        }
        self.recorder.poll_timeout().map(|at| at.saturating_duration_since(now))
    }

    /// Nothing more can be written.
    pub(super) fn is_over(&self) -> bool {
        self.failed.is_some() || self.is_full || self.recorder.end_reason().is_some()
    }

    /// Ends it, with all that its taps have.
    pub(super) fn close(mut self, now: Instant) {
        self.guard(|file| {
            file.drain(now, usize::MAX);
            file.recorder.finish(now);
            file.write(now);
        });
        self.dropped += self.feeds.drain(..).map(|feed| feed.reader.dropped()).sum::<u64>();
        let by_itself = self.recorder.end_reason().map(|reason| match reason {
            EndReason::TooManyParts => "the publisher changed what it sends too often".to_owned(),
        });
        let outcome = Recorded {
            // What a fault cut off is open still.
            parts: self.recorder.summaries().iter().cloned().chain(self.recorder.open_summary()).collect(),
            bytes: self.bytes,
            dropped: self.dropped,
            is_full: self.is_full,
            failed: self.failed.or(by_itself),
        };
        let file = self.open.map(|on_disk| on_disk.file);
        self.closer
            .close(Ending { file, failed: self.not_closed, last: Some((self.sink, outcome)) });
    }

    /// A fault in what is done with one file ends this file, and neither the thread nor the others: media is whatever publishers
    /// send.
    fn guard<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.is_broken {
            return None;
        }
        let done = catch_unwind(AssertUnwindSafe(|| act(self)));
        if done.is_err() {
            tracing::error!(name = self.plan.name, "a fault ended a file of a recording");
            self.is_broken = true;
            self.failed.get_or_insert_with(|| "a fault of the server".to_owned());
        }
        done.ok()
    }

    /// True when there may be more. A tap that is drained to the end by whoever closes the file gives what its ring holds:
    /// that is bounded.
    fn drain(&mut self, now: Instant, turn: usize) -> bool {
        let mut has_more = false;
        let mut over = Vec::new();
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            let mut taken = 0;
            let bound = turn.min(crate::TAP_RING_LEN * 2);
            while let Some(message) = feed.reader.poll() {
                if matches!(message, TapMessage::Ended) {
                    self.recorder.handle_ended(feed.input, now);
                    over.push(index);
                    break;
                }
                if let (TapMessage::Muted { is_muted, .. }, Some(listener)) = (&message, &mut self.listener) {
                    listener.muted(feed.input.0, *is_muted);
                }
                if let Some(next) = self.next.get_mut(feed.input.0) {
                    feed.take(&mut self.recorder, message, (&mut self.scratch, next), now);
                }
                taken += 1;
                if taken >= bound {
                    has_more = true;
                    break;
                }
            }
        }
        for index in over.into_iter().rev() {
            self.dropped += self.feeds.remove(index).reader.dropped();
        }
        has_more
    }

    fn ask(&mut self) {
        while let Some(Request::Keyframe(input)) = self.recorder.poll_request() {
            if let Some(feed) = self.feeds.iter().rev().find(|feed| feed.input == input) {
                feed.reader.request_keyframe();
            }
        }
    }

    /// Says what is in it, at once where a part of it is new: whoever is cut off in its first seconds is to know, too, what there
    /// was. Files that get nothing are silent: nothing wakes their thread for this.
    fn tell(&mut self, now: Instant) {
        let part = self.open.as_ref().map(|on_disk| on_disk.part);
        let is_due = part != self.told_part || now.saturating_duration_since(self.told_at) >= TELL_EVERY;
        if self.has_begun && is_due {
            (self.told_at, self.told_part) = (now, part);
            let parts = self.recorder.summaries().iter().cloned().chain(self.recorder.open_summary());
            (self.sink)(FileNews::SoFar(parts.collect()));
        }
    }

    fn write(&mut self, now: Instant) {
        while let Some(chunk) = self.recorder.poll_write() {
            if let Some(listener) = &mut self.listener {
                let of_part = self.recorder.open_part().filter(|(part, _)| *part == chunk.part);
                let began_at = of_part.map(|(_, origin_us)| self.plan.started_at + Duration::from_micros(origin_us));
                listener.chunk(&chunk, began_at, now);
            }
            if !self.plan.is_kept {
                self.bytes += u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX);
                continue;
            }
            if self.failed.is_some() {
                // It is taken so that it is not kept.
                continue;
            }
            match self.write_chunk(&chunk) {
                Ok(()) => self.is_full |= self.bytes >= self.plan.max_bytes,
                Err(error) => self.fail(&error),
            }
        }
        if self.bytes > 0 && !self.has_begun && self.failed.is_none() {
            self.has_begun = true;
            (self.sink)(FileNews::Began);
        }
    }

    fn write_chunk(&mut self, chunk: &Chunk) -> io::Result<()> {
        let on_disk = match self.open.take() {
            Some(on_disk) if on_disk.part == chunk.part => self.open.insert(on_disk),
            before => {
                if let Some(OnDisk { file, .. }) = before {
                    self.closer
                        .close(Ending { file: Some(file), failed: Arc::clone(&self.not_closed), last: None });
                }
                let name = file_name(&self.plan.name, chunk.part, chunk.extension);
                let file = create(self.plan.folder.join(name))?;
                self.open.insert(OnDisk { part: chunk.part, file, len: 0 })
            }
        };
        match chunk.place {
            Place::Append => {
                on_disk.file.seek(SeekFrom::Start(on_disk.len))?;
                if let Err(error) = on_disk.file.write_all(&chunk.bytes) {
                    // What was half written would be taken for damage; what is before it plays.
                    let _ = on_disk.file.set_len(on_disk.len);
                    return Err(error);
                }
                let len = u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX);
                on_disk.len += len;
                self.bytes += len;
                Ok(())
            }
            Place::Patch { offset } => {
                on_disk.file.seek(SeekFrom::Start(offset))?;
                on_disk.file.write_all(&chunk.bytes)
            }
        }
    }

    fn fail(&mut self, error: &io::Error) {
        if self.failed.is_none() {
            tracing::warn!(%error, name = self.plan.name, "a recording cannot be written");
            self.failed = Some(why(error));
        }
    }
}

impl Feed {
    fn take(
        &mut self,
        recorder: &mut FileRecorder,
        message: TapMessage,
        (scratch, next): (&mut Vec<u8>, &mut u64),
        now: Instant,
    ) {
        match message {
            TapMessage::Format(format) => {
                let line = *self.line.get_or_insert(Line { first: format.from_sequence, base: *next });
                let from_sequence = line.place(format.from_sequence).unwrap_or(line.base);
                let channels = format.channels.unwrap_or(0);
                match Format::new(&format.mime_type, format.clock_rate_hz, channels, from_sequence) {
                    Ok(format) => {
                        self.is_unreadable = false;
                        recorder.handle_format(self.input, format, now);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a track cannot be recorded");
                        self.is_unreadable = true;
                    }
                }
            }
            TapMessage::Packet(_) if self.is_unreadable => {}
            TapMessage::Packet(packet) => {
                // Before its format nothing comes.
                let Some(sequence) = self.line.and_then(|line| line.place(packet.sequence())) else { return };
                *next = (*next).max(sequence.saturating_add(1));
                scratch.clear();
                packet.write_payload(scratch);
                let head = PacketHead {
                    sequence,
                    timestamp: packet.timestamp(),
                    marker: packet.marker(),
                    received_at: packet.received_at(),
                };
                recorder.handle_packet(self.input, &head, scratch, now);
            }
            TapMessage::SenderReport(report) => {
                let sluice_core::TapReport { ntp, timestamp, received_at } = report;
                recorder.handle_sender_report(self.input, &SenderReport { ntp, timestamp, received_at });
            }
            TapMessage::Muted { is_muted, at } => recorder.handle_muted(self.input, is_muted, at),
            TapMessage::Ended => recorder.handle_ended(self.input, now),
        }
    }
}

/// A new file, for its owner's eyes. One that is there, or a link somebody planted, is not written to.
fn create(path: PathBuf) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What is said of a file that ends for this.
pub(super) fn why(error: &io::Error) -> String {
    format!("the recording could not be written: {}", reason(error))
}

/// What people can do something about, in words; no path, which is nobody's business who asks over the network.
fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "no space is left on the disk",
        io::ErrorKind::PermissionDenied => "the server may not write there",
        io::ErrorKind::ReadOnlyFilesystem => "the disk can only be read",
        io::ErrorKind::AlreadyExists => "a file of its name is there already",
        io::ErrorKind::NotFound => "its directory is gone",
        io::ErrorKind::FileTooLarge => "the file is larger than the disk takes",
        _ => "the disk failed",
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
