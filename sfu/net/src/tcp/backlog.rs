//! Frames that the kernel has not taken yet. A peer that does not read, or reads slowly, costs so many bytes and no
//! more: what there is no room for is dropped as a whole frame, never as a piece of one.

use std::io::{self, ErrorKind, Write};

use super::framer::HEADER_LEN;

/// Bytes of media that may wait for one peer: two seconds of a megabit. What would wait longer comes too late.
pub const MAX_MEDIA_WAITING_LEN: usize = 256 * 1024;
/// Bytes of everything. What is not media (handshake, messages, connectivity checks) finds room when media does not.
pub const MAX_WAITING_LEN: usize = MAX_MEDIA_WAITING_LEN + 64 * 1024;
/// Room kept by a connection that has caught up.
const KEPT_LEN: usize = 8 * 1024;

/// What it costs when a datagram is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// Media: the receiver copes, and has no use for it later.
    Media,
    /// Anything else. Dropped only when a peer reads nothing at all.
    Needed,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: Vec<u8>,
    /// So many of them are gone.
    written: usize,
}

impl Backlog {
    /// Puts a datagram in as a frame. False when there is no room for it.
    pub(super) fn push(&mut self, datagram: &[u8], worth: Worth) -> bool {
        let Ok(len) = u16::try_from(datagram.len()) else { return false };
        let most = if worth == Worth::Media { MAX_MEDIA_WAITING_LEN } else { MAX_WAITING_LEN };
        if self.len() + HEADER_LEN + datagram.len() > most {
            return false;
        }
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(datagram);
        true
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Writes until there is nothing left or the writer takes no more for now.
    ///
    /// # Errors
    /// The writer's, when it will never take any more.
    pub(super) fn flush(&mut self, writer: &mut impl Write) -> io::Result<()> {
        while self.len() > 0 {
            match writer.write(&self.bytes[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // Moved only when more is gone than is left, so that each byte is moved once on average.
        if self.written >= self.len() {
            self.bytes.drain(..self.written);
            self.written = 0;
            self.bytes.shrink_to(KEPT_LEN);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::super::Framer;
    use super::*;

    /// Takes so many bytes at a time, by turns; none means "not now".
    struct Fickle {
        turns: std::vec::IntoIter<usize>,
        got: Vec<u8>,
    }

    impl Write for Fickle {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.turns.next() {
                None | Some(0) => Err(ErrorKind::WouldBlock.into()),
                Some(most) => {
                    let len = most.min(bytes.len());
                    self.got.extend_from_slice(&bytes[..len]);
                    Ok(len)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_reads_nothing_gets_no_more_media_and_still_what_is_needed() {
        let mut backlog = Backlog::default();
        let mut writer = Fickle { turns: Vec::new().into_iter(), got: Vec::new() };
        let fill = |backlog: &mut Backlog, worth| (0..1000).take_while(|_| backlog.push(&[1; 1200], worth)).count();
        assert_eq!(fill(&mut backlog, Worth::Media), MAX_MEDIA_WAITING_LEN / 1202);
        assert!(fill(&mut backlog, Worth::Needed) > 50);
        assert!(backlog.len() <= MAX_WAITING_LEN);
        backlog.flush(&mut writer).unwrap();
        assert!(!backlog.push(&[1; 1200], Worth::Needed));
        // It reads again.
        writer.turns = vec![usize::MAX; 2].into_iter();
        backlog.flush(&mut writer).unwrap();
        assert_eq!((backlog.len(), backlog.bytes.capacity() <= KEPT_LEN), (0, true));
        assert!(backlog.push(&[1; 1200], Worth::Media));
        assert!(!backlog.push(&[0; 70_000], Worth::Needed), "no frame is so long");
    }

    proptest! {
        #[test]
        fn however_the_kernel_takes_them_frames_leave_whole_and_in_order(
            lens in prop::collection::vec((1usize..1500, any::<bool>()), 1..400),
            turns in prop::collection::vec(0usize..4000, 0..100),
        ) {
            let (mut backlog, mut pushed) = (Backlog::default(), Vec::new());
            let mut writer = Fickle { turns: turns.into_iter(), got: Vec::new() };
            for (n, (len, is_media)) in lens.into_iter().enumerate() {
                let datagram = vec![u8::try_from(n % 251).unwrap(); len];
                if backlog.push(&datagram, if is_media { Worth::Media } else { Worth::Needed }) {
                    pushed.push(datagram);
                }
                prop_assert!(backlog.len() <= MAX_WAITING_LEN);
                if n % 5 == 0 {
                    backlog.flush(&mut writer).unwrap();
                }
            }
            writer.turns = vec![usize::MAX; 2].into_iter();
            backlog.flush(&mut writer).unwrap();
            let mut got = Vec::new();
            Framer::default().feed(&writer.got, |frame| got.push(frame.to_vec())).unwrap();
            prop_assert_eq!(got, pushed);
        }
    }
}
