//! What taps give on its way from a worker to whoever takes it: a ring for each.
//!
//! The worker's thread puts in and never waits; a [`TapReader`] takes out, wherever it is. A ring that is full drops and
//! counts, and goes on dropping until half of it is free: what falls out falls out together, as one gap behind which a key
//! frame is asked for, rather than as a stream full of holes with a key frame for each. So a reader that keeps being too
//! slow costs the call two key frames a second at most, and usually far fewer.
//!
//! What is no packet must not be lost by a full ring: the newest of each kind is held until there is room, which each pass of
//! the worker looks for, and no packet overtakes it. That a tap has ended needs no room: the ring is let go, and its reader
//! sees that once it has taken the rest. So it does when the worker's thread ends or is given up.

use std::collections::{HashMap, VecDeque};
use std::mem::discriminant;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use sluice_core::{Command, TapId, TapMessage};

use crate::mailbox::Mailbox;
use crate::worker_thread::Message;

/// Messages that may wait for a reader: some three seconds of a large picture, twenty of sound. A disk that stands still
/// for longer is not one to record to. It holds references, of at most 1.5 MB.
pub const TAP_RING_LEN: usize = 1024;

/// Called when something waits in a tap's ring or it has ended, once for a pass of the worker, on the worker's thread; must
/// neither block nor call the node. Taps may share one.
pub type TapWake = Arc<dyn Fn() + Send + Sync>;

/// What both ends know of a ring.
#[derive(Default)]
struct Level {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

/// The end of a tap's ring that somebody takes from. Dropping it takes the tap away.
pub struct TapReader {
    tap: TapId,
    messages: Receiver<TapMessage>,
    level: Arc<Level>,
    /// Of the worker that feeds it; `None` where none does.
    mailbox: Option<Mailbox>,
    has_ended: bool,
}

/// The end the worker's thread has.
pub(crate) struct Ring {
    tap: TapId,
    messages: SyncSender<TapMessage>,
    level: Arc<Level>,
    wake: TapWake,
    /// The newest of each kind that found no room, in order. None are packets.
    held: VecDeque<TapMessage>,
    /// It was full and is not half empty yet.
    is_behind: bool,
    /// Packets fell out since a key frame was asked for.
    has_gap: bool,
    /// Something was put in since its reader was woken.
    is_due: bool,
}

/// A ring for a tap. Its reader speaks to the worker by the mailbox.
pub(crate) fn ring(tap: TapId, mailbox: Option<Mailbox>, wake: TapWake) -> (Ring, TapReader) {
    let (sender, messages) = sync_channel(TAP_RING_LEN);
    let level = Arc::new(Level::default());
    let ring = Ring {
        tap,
        messages: sender,
        level: Arc::clone(&level),
        wake,
        held: VecDeque::new(),
        is_behind: false,
        has_gap: false,
        is_due: false,
    };
    (ring, TapReader { tap, messages, level, mailbox, has_ended: false })
}

impl TapReader {
    /// The tap's number.
    #[must_use]
    pub fn tap(&self) -> TapId {
        self.tap
    }

    /// The next message; `None` while there is none. Never blocks. [`TapMessage::Ended`] comes once, and nothing after it.
    pub fn poll(&mut self) -> Option<TapMessage> {
        if self.has_ended {
            return None;
        }
        match self.messages.try_recv() {
            Ok(message) => {
                self.level.waiting.fetch_sub(1, Ordering::Relaxed);
                Some(message)
            }
            Err(TryRecvError::Empty) if !self.is_forsaken() => None,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                self.has_ended = true;
                Some(TapMessage::Ended)
            }
        }
    }

    /// Packets that found the ring full, since the beginning.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.level.dropped.load(Ordering::Relaxed)
    }

    /// What comes cannot be read on without a key frame. Publishers are asked twice a second at most.
    pub fn request_keyframe(&self) {
        self.say(Command::TapKeyframe { tap: self.tap });
    }

    /// The worker was given up: its thread may never let go of the ring.
    fn is_forsaken(&self) -> bool {
        self.mailbox.as_ref().is_some_and(|mailbox| mailbox.pulse().is_lost())
    }

    fn say(&self, command: Command) {
        if let Some(mailbox) = self.mailbox.as_ref().filter(|_| !self.has_ended) {
            // A worker that does not take it is given up by those who need it, or sees that nobody takes anything here.
            let _ = mailbox.send(Message::Command(command));
        }
    }
}

impl Drop for TapReader {
    fn drop(&mut self) {
        self.say(Command::Untap { tap: self.tap });
    }
}

/// Nothing of it can be put in.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Full,
    /// Nobody takes anything any more.
    Gone,
}

impl Ring {
    fn put(&mut self, message: TapMessage) -> Result<(), (Refused, TapMessage)> {
        // Before it is there to be taken, so that the count is never below nothing.
        self.level.waiting.fetch_add(1, Ordering::Relaxed);
        let put = self.messages.try_send(message).map_err(|error| match error {
            TrySendError::Full(message) => (Refused::Full, message),
            TrySendError::Disconnected(message) => (Refused::Gone, message),
        });
        match &put {
            Ok(()) => self.is_due = true,
            Err(_) => {
                self.level.waiting.fetch_sub(1, Ordering::Relaxed);
            }
        }
        put
    }

    /// Puts in what was held.
    fn put_held(&mut self) -> Result<(), Refused> {
        while let Some(message) = self.held.pop_front() {
            if let Err((refused, message)) = self.put(message) {
                self.held.push_front(message);
                return Err(refused);
            }
        }
        Ok(())
    }

    fn put_packet(&mut self, packet: TapMessage) -> Result<(), Refused> {
        self.is_behind &= self.level.waiting.load(Ordering::Relaxed) > TAP_RING_LEN / 2;
        if self.is_behind {
            return Err(Refused::Full);
        }
        self.put_held()?;
        self.put(packet).map_err(|(refused, _)| refused)
    }

    fn put_word(&mut self, word: TapMessage) -> Result<(), Refused> {
        match self.put_held() {
            Ok(()) => match self.put(word) {
                Ok(()) => Ok(()),
                Err((refused, word)) => {
                    self.held.push_back(word);
                    Err(refused)
                }
            },
            Err(refused) => {
                self.held.retain(|held| discriminant(held) != discriminant(&word));
                self.held.push_back(word);
                Err(refused)
            }
        }
    }

    /// Lets go of the ring, and says so to its reader.
    fn end(mut self) {
        let _ = self.put_held();
        let Self { messages, wake, .. } = self;
        drop(messages);
        wake();
    }
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TapStats {
    /// Packets that found no room.
    pub(crate) dropped: u64,
}

/// The rings of a worker's taps.
#[derive(Default)]
pub(crate) struct Taps {
    rings: HashMap<TapId, Ring>,
    stats: TapStats,
}

impl Taps {
    pub(crate) fn stats(&self) -> TapStats {
        self.stats
    }

    /// What the tap of this ring gives goes there from now on.
    pub(crate) fn add(&mut self, ring: Ring) {
        self.rings.insert(ring.tap, ring);
    }

    /// A tap gives something. What the worker is to do about it.
    pub(crate) fn give(&mut self, tap: TapId, message: TapMessage) -> Option<Command> {
        if matches!(message, TapMessage::Ended) {
            self.rings.remove(&tap)?.end();
            return None;
        }
        let ring = self.rings.get_mut(&tap)?;
        if !matches!(message, TapMessage::Packet(_)) {
            return (ring.put_word(message) == Err(Refused::Gone)).then_some(Command::Untap { tap });
        }
        match ring.put_packet(message) {
            Ok(()) => std::mem::take(&mut ring.has_gap).then_some(Command::TapKeyframe { tap }),
            Err(Refused::Full) => {
                (ring.is_behind, ring.has_gap) = (true, true);
                ring.level.dropped.fetch_add(1, Ordering::Relaxed);
                self.stats.dropped += 1;
                None
            }
            Err(Refused::Gone) => Some(Command::Untap { tap }),
        }
    }

    /// Puts in what found no room before, though nothing else came; wakes whoever something was put in for. Once in each pass.
    pub(crate) fn wake(&mut self) {
        for ring in self.rings.values_mut() {
            // Whoever takes nothing any more has said so, or it is seen with what comes next.
            let _ = ring.put_held();
            if std::mem::take(&mut ring.is_due) {
                (ring.wake)();
            }
        }
    }
}

/// However the worker's thread ends, nobody waits for what will not come.
impl Drop for Taps {
    fn drop(&mut self) {
        self.rings.drain().for_each(|(_, ring)| ring.end());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Instant;

    use sluice_core::TapFormat;

    use super::*;

    const TAP: TapId = TapId(7);

    fn muted(is_muted: bool) -> TapMessage {
        TapMessage::Muted { is_muted, at: Instant::now() }
    }

    fn format(from_sequence: u64) -> TapMessage {
        let mime_type = "video/VP8".to_owned();
        TapMessage::Format(TapFormat {
            from_sequence,
            mime_type,
            clock_rate_hz: 90_000,
            channels: None,
            fmtp: String::new(),
        })
    }

    fn shown(message: &TapMessage) -> String {
        match message {
            TapMessage::Muted { is_muted, .. } => format!("muted {is_muted}"),
            TapMessage::Format(format) => format!("format {}", format.from_sequence),
            TapMessage::Ended => "ended".to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// A tap's way, and how often its reader was woken.
    fn way() -> (Taps, TapReader, Arc<AtomicUsize>) {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        let wake = Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let (ring, reader) = ring(TAP, None, wake);
        let mut taps = Taps::default();
        taps.add(ring);
        (taps, reader, woken)
    }

    /// Fills a ring to the last place, with something that is not a packet: none can be made out here.
    fn fill(taps: &mut Taps) {
        let ring = taps.rings.get_mut(&TAP).unwrap();
        (0..TAP_RING_LEN).for_each(|_| ring.put(muted(true)).unwrap());
    }

    #[test]
    fn what_is_put_in_comes_out_in_order_and_ends_once() {
        let (mut taps, mut reader, woken) = way();
        assert!(reader.poll().is_none());
        for message in [format(1), muted(true), muted(false), format(2)] {
            assert!(taps.give(TAP, message).is_none());
        }
        taps.wake();
        taps.wake();
        assert_eq!(woken.load(Ordering::Relaxed), 1, "once for a pass");
        assert!(taps.give(TAP, TapMessage::Ended).is_none());
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        let came: Vec<_> = std::iter::from_fn(|| reader.poll()).map(|message| shown(&message)).collect();
        assert_eq!(came, ["format 1", "muted true", "muted false", "format 2", "ended"]);
        assert!(reader.poll().is_none());
        assert!(taps.give(TAP, muted(true)).is_none(), "there is no such tap any more");
    }

    #[test]
    fn of_what_is_no_packet_the_newest_waits_for_room_and_nothing_overtakes_it() {
        let (mut taps, mut reader, _) = way();
        fill(&mut taps);
        for message in [muted(true), format(8), muted(false), format(9)] {
            assert!(taps.give(TAP, message).is_none());
        }
        assert_eq!(taps.rings[&TAP].held.len(), 2);
        (0..2).for_each(|_| drop(reader.poll()));
        assert!(taps.give(TAP, muted(true)).is_none());
        let came: Vec<_> = std::iter::from_fn(|| reader.poll()).skip(TAP_RING_LEN - 2).collect();
        assert_eq!(came.iter().map(shown).collect::<Vec<_>>(), ["muted false", "format 9"]);
        // What found no room then is not lost either.
        assert!(taps.give(TAP, format(10)).is_none());
        let came: Vec<_> = std::iter::from_fn(|| reader.poll()).map(|message| shown(&message)).collect();
        assert_eq!(came, ["muted true", "format 10"]);
        assert_eq!((reader.dropped(), taps.stats().dropped), (0, 0), "no packets");
    }

    #[test]
    fn what_waits_for_room_needs_nothing_behind_it_to_come_out() {
        let (mut taps, mut reader, woken) = way();
        fill(&mut taps);
        taps.wake();
        assert!(taps.give(TAP, muted(false)).is_none());
        taps.wake();
        assert_eq!(woken.load(Ordering::Relaxed), 1, "there is no room yet");
        drop(reader.poll());
        taps.wake();
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        let last = std::iter::from_fn(|| reader.poll()).last().unwrap();
        assert_eq!(shown(&last), "muted false");
    }

    #[test]
    fn a_full_ring_ends_all_the_same() {
        let (mut taps, mut reader, _) = way();
        fill(&mut taps);
        taps.give(TAP, TapMessage::Ended);
        let came: Vec<_> = std::iter::from_fn(|| reader.poll()).collect();
        assert_eq!(came.len(), TAP_RING_LEN + 1);
        assert_eq!(came.iter().filter(|message| matches!(message, TapMessage::Ended)).count(), 1);
    }

    #[test]
    fn whoever_waits_hears_of_a_worker_that_ends() {
        let (taps, mut reader, woken) = way();
        drop(taps);
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert!(matches!(reader.poll(), Some(TapMessage::Ended)));
        assert!(reader.poll().is_none());
    }

    #[test]
    fn a_reader_that_went_takes_the_tap_with_it() {
        let (mut taps, reader, _) = way();
        drop(reader);
        assert!(matches!(taps.give(TAP, muted(true)), Some(Command::Untap { tap: TAP })));
    }
}
